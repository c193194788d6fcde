import { parseArgs } from 'node:util';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { UsageError, type Help } from '../command.ts';
import { makeBatch } from '../demo/batch.ts';
import { followLog } from '../demo/follow-log.ts';
import { openLedger } from '../demo/ledger.ts';
import { play } from '../demo/play.ts';
import { openScreen } from '../demo/screen.ts';
import { startSystem } from '../demo/system.ts';
import { isOfTrickle, trickle } from '../demo/trickle.ts';
import { conclusion, greeting, invitation, telling, trickleEnded } from '../demo/words.ts';

export const help: Help = {
  usage: '[--json] [--exit] [--port <port>]',
  summary: 'see it work: mail that arrives, mail that does not, and the reports that come back',
  options: [
    ['--exit', 'end when every message is accounted for, instead of staying for your own mail'],
    ['--json', 'print the result as one JSON object; everything else goes to standard error'],
    ['--port <port>', 'SMTP port; without it 2525, or a free one when that is taken'],
  ],
  notes:
    'Starts the whole system with a Redis of its own and one destination for all mail, all on this machine: no DNS, no\n' +
    'port 25, nothing leaves it, and nothing is left behind. Then some forty messages are sent through it. Without --exit\n' +
    'a message every second or two follows for half an hour, to sites that are quick, slow and not ready yet, so that the\n' +
    'dashboard has something to show and to act on.\n\n' +
    '--json prints {"sent", "delivered", "deferred", "bounced", "expired", "reports", "seconds"}. sent and reports count\n' +
    'messages, the others recipients. Each recipient ends as one of delivered, bounced, expired; deferred counts those\n' +
    'that were put off at least once before. reports are those that came back to the sender.\n\n' +
    'Exit code 0: the log of the relay and the destination say the same of every recipient, and each one that failed\n' +
    'came back in exactly one report. Otherwise 1, with what is missing on standard error.',
};

export async function run(args: string[]): Promise<number> {
  const options = {
    json: { type: 'boolean', default: false },
    exit: { type: 'boolean', default: false },
    port: { type: 'string' },
  } as const;
  const { values } = parseArgs({ args, options });
  const port = portOf(values.port);
  const signal = whenStopped();
  const screen = openScreen(values.json ? process.stderr : process.stdout, process.env);
  const batch = makeBatch();
  const ledger = openLedger(batch);
  const system = await startSystem({ port, logLevel: screen.isLive ? 'silent' : 'error', books: ledger });
  const closing = new AbortController();
  /** Own mail is what came in after the batch was done. RFC 3339. */
  let guestsSince: string | undefined;
  const following = followLog(system.redis, closing.signal, (record) => {
    const isGuest = !ledger.record(record) && guestsSince !== undefined && record.created_time > guestsSince;
    if (isGuest && !isOfTrickle(record)) screen.print(...telling(record));
  });
  const stopped = Promise.race([signal, following]);
  stopped.catch(() => undefined); // it is waited for below
  try {
    screen.print(...greeting(batch, system));
    const outcome = await play({ batch, ledger, screen, smtpPort: system.smtpPort, stopped });
    if (values.json) process.stdout.write(`${JSON.stringify({ ...ledger.total(), seconds: outcome.seconds })}\n`);
    const isComplete = outcome.end === 'complete';
    (isComplete ? screen : openScreen(process.stderr, process.env)).print(...conclusion(ledger, outcome));
    if (!values.exit && outcome.end !== 'stopped') {
      guestsSince = new Date().toISOString();
      screen.print(...invitation(system));
      const trickling = trickle(system.smtpPort, closing.signal).catch((error: unknown) => screen.print(trickleEnded(error)));
      await stopped;
      screen.print('');
      closing.abort();
      await trickling;
    }
    return isComplete ? 0 : 1;
  } finally {
    screen.keep();
    closing.abort();
    await following.catch(() => undefined);
    await system.close();
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new UsageError(`--port is "${text}"; expected a number from 0 to 65535`);
  return Number(text);
}
