import { nearest } from '../../shared/core/nearest.ts';
import { ConfigError, formatProblem } from '../../shared/io/config-load.ts';
import { explainApiError } from './api/explain.ts';
import { UsageError, type Command } from './command.ts';
import { roles, type Role } from './roles.ts';
import { readVersion } from '../../shared/io/version.ts';

/** The command `rebound`: one file of `commands/` per command, loaded when it is called. */
const commands: Record<string, () => Promise<Command>> = {
  start: () => import('./commands/start.ts'),
  demo: () => import('./commands/demo.ts'),
  sink: () => import('./commands/sink.ts'),
  ...Object.fromEntries(roles.map((role) => [role, () => loadRoleCommand(role)])),
  status: () => import('./commands/status.ts'),
  top: () => import('./commands/top.ts'),
  send: () => import('./commands/send.ts'),
  lanes: () => import('./commands/lanes.ts'),
  queues: () => import('./commands/queues.ts'),
  workers: () => import('./commands/workers.ts'),
  orders: () => import('./commands/orders.ts'),
  suspend: () => import('./commands/suspend.ts'),
  resume: () => import('./commands/resume.ts'),
  hold: () => import('./commands/hold.ts'),
  release: () => import('./commands/release.ts'),
  retry: () => import('./commands/retry.ts'),
  bounce: () => import('./commands/bounce.ts'),
  drop: () => import('./commands/drop.ts'),
  rebind: () => import('./commands/rebind.ts'),
  limits: () => import('./commands/limits.ts'),
  log: () => import('./commands/log.ts'),
  replay: () => import('./commands/replay.ts'),
  report: () => import('./commands/report.ts'),
  rules: () => import('./commands/rules.ts'),
  config: () => import('./commands/config.ts'),
  policy: () => import('./commands/policy.ts'),
  'hash-password': () => import('./commands/hash-password.ts'),
};

/** Errors whose message is for people, by name: their classes would bring everything with them that throws them. */
const expectedErrors = ['Failure', 'EmbeddedRedisError', 'RedisUnavailable', 'RuleFileError', 'JsonFileError', 'PolicyUnusable'];

// Whoever reads has had enough (`| head`): that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exit(await main(process.argv.slice(2)));

async function loadRoleCommand(role: Role): Promise<Command> {
  const { roleCommand } = await import('./commands/role.ts');
  return roleCommand(role);
}

async function main([name, ...args]: string[]): Promise<number> {
  try {
    if (name === '--version' || name === '-v') return print(await readVersion());
    if (name === undefined) throw new UsageError('expected a command');
    if (name === '--help' || name === '-h' || name === 'help') return print(await overview());
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!load) throw new UsageError(`unknown command "${name}"${suggest(name)}`);
    const command = await load();
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
    say(
      `${error.message.split(/\. |\n/)[0]}; see "rebound ${name !== undefined && Object.hasOwn(commands, name) ? `${name} ` : ''}--help"`,
    );
    return 2;
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
  return 1;
}

function isOfParseArgs(error: unknown): error is Error {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

function suggest(name: string): string {
  const near = nearest(name, Object.keys(commands));
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

async function overview(): Promise<string> {
  const rows = await Promise.all(Object.entries(commands).map(async ([name, load]) => [name, (await load()).help.summary] as const));
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
