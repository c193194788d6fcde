import { pino, type Logger } from 'pino';
import type { Config } from '../core/config.ts';

export type { Logger };

/** One event a line on standard error: JSON, or text on a terminal. Never message content, never credentials. */
export function openLog(config: Pick<Config['log'], 'level' | 'format'>, bindings: Record<string, unknown> = {}): Logger {
  const isText = config.format === 'text' || (config.format === 'auto' && process.stderr.isTTY);
  const destination = pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level: config.level,
      base: bindings,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['password', '*.password', 'pass', '*.pass', 'auth', '*.auth', 'url'], censor: '[hidden]' },
    },
    isText ? { write: (line: string) => destination.write(formatLine(line)) } : destination,
  );
}

/** `12:30:01 warn redis_error error="connect ECONNREFUSED"`; control characters of foreign text are shown escaped. */
function formatLine(line: string): string {
  const { level, time, event, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  delete rest['instance']; // whoever shows text to a person says whose it is
  const word = pino.levels.labels[Number(level)] ?? '';
  const fields = Object.entries(rest).map(([key, value]) => `${key}=${isPlainWord(value) ? value : JSON.stringify(value)}`);
  return `${[String(time).slice(11, 19), word.padEnd(5), event, ...fields, msg].filter(Boolean).join(' ')}\n`;
}

const isPlainWord = (value: unknown): value is string | number =>
  typeof value === 'number' || (typeof value === 'string' && /^[\w.:/@<>+-]+$/.test(value));
