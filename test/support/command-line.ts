import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openContext } from '../../shared/io/context.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { cleanUp } from './cleanup.ts';
import { startRebound, type Relay, type RelayOptions } from './relay.ts';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandLine extends Relay {
  url: string;
  /** `rebound <args>` as a process of its own, without a terminal. */
  rebound(...args: string[]): Promise<Ended>;
  /** The same, with these variables and this on standard input. */
  reboundWith(more: { env?: NodeJS.ProcessEnv; input?: string }, ...args: string[]): Promise<Ended>;
  /** What a command prints with `--json`; rejects when it ends with another exit code than 0. */
  json<T>(...args: string[]): Promise<T>;
}

export const mainFile = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

/** The whole system with its admin role, and its command line. */
export async function startCommandLine(t: TestContext, options: RelayOptions = {}): Promise<CommandLine> {
  const relay = await startRebound(t, { ...options, config: { ...options.config, admin: { port: 0, ...options.config?.admin } } });
  const context = await openContext(relay.config, relay.redis.url, 'admin-test', { failFast: true });
  cleanUp(t, () => context.close());
  const admin = await runAdmin(context);
  cleanUp(t, () => admin.close());
  const url = `http://127.0.0.1:${admin.port}`;
  const reboundWith: CommandLine['reboundWith'] = ({ env, input }, ...args) =>
    runCommand(t, args, { env: { ...cleanEnvironment(), REBOUND_URL: url, ...env }, ...(input !== undefined && { input }) });
  const rebound: CommandLine['rebound'] = (...args) => reboundWith({}, ...args);
  return {
    ...relay,
    url,
    rebound,
    reboundWith,
    json: async (...args) => {
      const { code, stdout, stderr } = await rebound(...args, '--json');
      if (code !== 0) throw new Error(`rebound ${args.join(' ')} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout) as never;
    },
  };
}

/** No settings of whoever runs the tests. */
export const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^REBOUND_|^(?:NO_COLOR|FORCE_COLOR|NODE_DISABLE_COLORS|CI|TEAMCITY_VERSION)$/.test(name),
    ),
  );

/** Runs `rebound` and resolves when it has ended. */
export async function runCommand(
  t: TestContext,
  args: readonly string[],
  { env, input = '' }: { env: NodeJS.ProcessEnv; input?: string },
): Promise<Ended> {
  const child: ChildProcess = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', mainFile, ...args], { env, stdio: 'pipe' });
  cleanUp(t, () => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin?.on('error', () => undefined); // it may end without reading
  child.stdin?.end(input);
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}
