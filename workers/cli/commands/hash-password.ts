import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { hashPassword } from '../../../shared/io/password.ts';
import { Failure, Interrupted, type Help } from '../command.ts';

export const help: Help = {
  usage: '',
  summary: 'print the hash of a password, for the settings',
  notes: 'The password is read from standard input: one line, not shown on a terminal.',
};

export async function run(args: string[]): Promise<number> {
  parseArgs({ args, options: {} });
  const password = await readPassword();
  if (password === '') throw new Failure('no password was given on standard input');
  process.stdout.write(`${await hashPassword(password)}\n`);
  return 0;
}

/** The first line of standard input. On a terminal readline would echo what is typed: it writes to nowhere. */
async function readPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const input = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal });
  // Not before: nothing is echoed from here on.
  if (isTerminal) process.stderr.write('Password: ');
  let isInterrupted = false;
  input.once('SIGINT', () => {
    isInterrupted = true;
    input.close();
  });
  try {
    for await (const line of input) return line;
    if (isInterrupted) throw new Interrupted('nothing was hashed');
    return '';
  } finally {
    input.close();
    if (isTerminal) process.stderr.write('\n');
  }
}
