import { pino, type Logger } from 'pino';
import type { Config } from '../core/config.ts';

export type { Logger };

/** JSON lines on standard error, one event each; never message content, never credentials. */
export function openLog(config: Config['log'], bindings: Record<string, unknown> = {}): Logger {
  return pino(
    {
      level: config.level,
      base: bindings,
      messageKey: 'msg',
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['password', '*.password', 'pass', '*.pass', 'auth', '*.auth', 'url'], censor: '[hidden]' },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
