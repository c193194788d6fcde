import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from './log.ts';

const run = promisify(execFile);

/**
 * Tells systemd that this process can work, where it asks to be told (`Type=notify`: sd_notify(3)). Node has no datagram
 * sockets of the Unix kind, so the program of systemd itself does it. A failure is logged: systemd then ends the start at
 * its own time limit, and says so.
 */
export async function notifySystemd(env: NodeJS.ProcessEnv, status: string, log: Logger): Promise<void> {
  if (!env['NOTIFY_SOCKET']) return;
  try {
    await run('systemd-notify', ['--ready', `--status=${status}`], { env, timeout: 10_000 });
  } catch (error) {
    log.error({ event: 'notify_failed', error: (error as Error).message });
  }
}
