import { nearest } from '../../shared/core/nearest.ts';
import { ConfigError, formatProblem } from '../../shared/io/config-load.ts';
import { explainApiError } from './api/explain.ts';
import { Interrupted, UsageError, type Command } from './command.ts';
import { commandNames, isCommand, loadCommand } from './command-table.ts';
import { readVersion } from '../../shared/io/version.ts';

/** Errors whose message is for people, by name: their classes would bring everything with them that throws them. */
const expectedErrors = ['Failure', 'EmbeddedRedisError', 'RedisUnavailable', 'RuleFileError', 'JsonFileError', 'PolicyUnusable'];

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // whoever reads has had enough (`| head`)
  if (process.stdout.listenerCount('error') > 1) return; // the command tells it itself
  process.stderr.write(`rebound: cannot write the output: ${error.message}\n`);
  process.exit(1);
});

const code = await main(process.argv.slice(2));
// Whoever broke it off (Ctrl-C, SIGTERM) waits for nobody.
if (code < 128) await Promise.all([process.stdout, process.stderr].map(untilTaken));
process.exit(code);

/** What was printed may still be on its way into a pipe whose reader is slow: an exit would cut it off. */
function untilTaken(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => void stream.write('', () => resolve()));
}

async function main([name, ...args]: string[]): Promise<number> {
  try {
    if (name === '--version' || name === '-v') return print(await readVersion());
    if (name === undefined) throw new UsageError('expected a command');
    if (name === '--help' || name === '-h' || name === 'help') return print(await overview());
    if (!isCommand(name)) throw new UsageError(`unknown command "${name}"${suggest(name)}`);
    const command = await loadCommand(name);
    if (asksForHelp(args)) return print(helpOf(name, command));
    return await command.run(args);
  } catch (error) {
    return explain(error, name);
  }
}

/** One line on standard error for what people can mend; anything else is a defect and shows where it happened. */
function explain(error: unknown, name: string | undefined): number {
  const say = (line: string): void => void process.stderr.write(`rebound: ${line}\n`);
  if (error instanceof UsageError || isOfParseArgs(error)) {
    // parseArgs adds sentences about positional arguments; the first one says what is wrong.
    say(`${error.message.split(/\. |\n/)[0]}; see "rebound ${name !== undefined && isCommand(name) ? `${name} ` : ''}--help"`);
    return 2;
  }
  if (error instanceof Interrupted) {
    say(error.message);
    return 130;
  }
  if (error instanceof ConfigError) {
    say(`the configuration has ${error.problems.length === 1 ? 'a mistake' : `${error.problems.length} mistakes`}`);
    for (const problem of error.problems) process.stderr.write(`  ${formatProblem(problem)}\n`);
    return 1;
  }
  const explained = explainApiError(error);
  if (explained) {
    for (const line of explained.lines) say(line);
    return explained.code;
  }
  if (error instanceof Error && expectedErrors.includes(error.name)) say(error.message);
  else say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  // As when the API says so.
  return error instanceof Error && error.name === 'RedisUnavailable' ? 3 : 1;
}

function isOfParseArgs(error: unknown): error is Error {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

function suggest(name: string): string {
  const near = nearest(name, commandNames());
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

async function overview(): Promise<string> {
  const rows = await Promise.all(commandNames().map(async (name) => [name, (await loadCommand(name)).help.summary] as const));
  return `Usage: rebound <command> [options]\n\n${table(rows)}\n\n"rebound <command> --help" tells more; "rebound --version" the version.`;
}

function helpOf(name: string, { help }: Command): string {
  const parts = [`Usage: rebound ${name} ${help.usage}`.trimEnd(), `${help.summary.charAt(0).toUpperCase()}${help.summary.slice(1)}.`];
  if (help.options) parts.push(table(help.options));
  if (help.notes) parts.push(help.notes);
  return parts.join('\n\n');
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([head]) => head.length));
  return rows.map(([head, text]) => `  ${head.padEnd(width)}  ${text}`).join('\n');
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
