import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { SinkRules } from '../../../shared/io/sink-server.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { rulesSchema, run as runSink } from '../../sink/main.ts';
import { Failure, UsageError, type Help } from '../command.ts';

export const help: Help = {
  usage: '[--host <address>] [--port <port>] [--rules <file>] [--quiet]',
  summary: 'a mail server for trying things out: it takes everything, or fails as you say',
  options: [
    ['--host <address>', 'address to listen on; 127.0.0.1'],
    ['--port <port>', 'port; 2526'],
    ['--rules <file>', 'what to answer (JSON)'],
    ['--quiet', 'do not print a line for each message'],
  ],
  notes:
    'Messages are not kept. The rules name the steps connect, ehlo, helo, mail, rcpt, data, body, message, rset, quit:\n\n' +
    '  { "rcpt": { "nobody@dest.example": "550 5.1.1 No such user", "slow@dest.example": { "delayMs": 2000 } },\n' +
    '    "message": "452 4.2.2 Mailbox full" }\n\n' +
    '"drop" closes the connection, "hang" never answers, a delay comes before its answer or the ordinary one.',
};

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '2526' },
      rules: { type: 'string' },
      quiet: { type: 'boolean', default: false },
    },
  });
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) throw new UsageError('--port must be a number from 0 to 65535');
  const rules = values.rules === undefined ? {} : await readRules(values.rules);
  const stopped = whenStopped();
  const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const sink = await runSink({ host: values.host, port: Number(values.port), rules }, ({ sender, recipients }) => {
    if (!values.quiet) print({ event: 'message', sender, recipients });
  }).catch((error: Error) => {
    throw new Failure(`the sink cannot listen: ${error.message}`, { cause: error });
  });
  print({ event: 'listening', at: sink.describe });
  await stopped;
  await sink.close();
  print({ event: 'stopped', messages: sink.counts.messages, connections: sink.counts.connections.total });
  return 0;
}

async function readRules(path: string): Promise<SinkRules> {
  let input: unknown;
  try {
    input = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Failure(`the rules cannot be read: ${(error as Error).message}`);
  }
  const result = rulesSchema.safeParse(input);
  // What was checked is what the sink understands; that an absent step is no key at all is for the types alone.
  if (result.success) return result.data;
  throw new Failure(
    result.error.issues.map(({ path: at, message }) => `${path}: ${at.join('.') || 'rules'}: ${message}`).join('\n         '),
  );
}
