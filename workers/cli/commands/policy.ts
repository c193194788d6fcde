import { access, constants } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { factsOf, hookMessage } from '../../../shared/core/hook-message.ts';
import type { InjectedMail } from '../../../shared/core/hook.ts';
import { nearest } from '../../../shared/core/nearest.ts';
import { eventNames, isEventName } from '../../../shared/core/policy/events.ts';
import type { HookRegistration } from '../../../shared/core/policy/hook-registration.ts';
import { loadConfig } from '../../../shared/io/config-load.ts';
import { PolicyUnusable, startPolicyHost, type PolicyHost } from '../../../shared/io/policy-host.ts';
import { checkPolicyTypes } from '../../../shared/io/policy-types.ts';
import { apiHelp, apiOptions, openApi } from '../api/connect.ts';
import { Failure, UsageError, type Help } from '../command.ts';

export const help: Help = {
  usage: 'check [<file>] [--json] | run <event or hook> --args <json> [<file>] | show [--json]',
  summary: 'check a policy file, or call one of its handlers',
  options: [
    ['check', 'check its types, load it, and list what it handles. Exit code 1 when something is wrong'],
    ['run <event>', 'call the handler of an event and print what it returns as JSON'],
    ['run <hook>', 'call a hook with [message, record] and print what it would inject; the message: {"content": "..."}'],
    ['--args <json>', 'the arguments, a JSON array; null stands for undefined'],
    ['show', 'the policy that each process goes by: asked of the API'],
    ...apiHelp,
  ],
  notes: `Events: ${eventNames.join(', ')}. They are described in docs/policy.md. Without a file, the settings name it.`,
};

export async function run(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const options = { ...apiOptions, args: text } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [verb, ...operands] = positionals;
  if (verb === 'check' && operands.length <= 1 && values.args === undefined) {
    return check(await policyFile(operands[0], values.config), values.json);
  }
  const [event, file, ...more] = operands;
  if (verb === 'run' && event !== undefined && more.length === 0) {
    if (values.args === undefined) throw new UsageError('"policy run" needs --args <json>');
    return call(event, parseArguments(values.args), file, values.config);
  }
  if (verb === 'show' && operands.length === 0) return (await import('../api/in-force.ts')).showPolicy(await openApi(values), values.json);
  throw new UsageError('expected "policy check [<file>]", "policy show" or "policy run <event or hook> --args <json> [<file>]"');
}

async function check(file: string, asJson: boolean): Promise<number> {
  const types = await checkPolicyTypes(file);
  const loaded = await load(file);
  if (!(loaded instanceof Error)) await loaded.close();
  const [events, hooks] = loaded instanceof Error ? [[], []] : [[...loaded.events], loaded.hooks];
  const problems = [...(types ?? []), ...(loaded instanceof Error ? [loaded.message] : [])];
  const isRight = problems.length === 0;
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ ok: isRight, file, events, hooks, areTypesChecked: types !== undefined, problems })}\n`);
    return isRight ? 0 : 1;
  }
  const notes = types === undefined ? ['The types were not checked: TypeScript is not installed.'] : [];
  const heard = hooks.map(({ name, types }) => `hook ${name} (${types.join(', ')})`);
  const verdict = isRight ? [`${file} is valid. It handles ${[...events, ...heard].join(', ') || 'no event'}.`] : problems;
  process.stdout.write(`${[...verdict, ...notes].join('\n')}\n`);
  return isRight ? 0 : 1;
}

async function call(name: string, args: readonly unknown[], file: string | undefined, configFile: string | undefined): Promise<number> {
  const config = await loadConfig({ ...(configFile !== undefined && { file: configFile }), env: process.env });
  const path = await policyFile(file, configFile);
  const host = await load(path);
  if (host instanceof Error) throw new Failure(host.message, { cause: host });
  try {
    const hook = host.hooks.find((one) => one.name === name);
    const value = hook ? await callHook(host, hook, args) : await callEvent(host, name, args, { path, timeout: config.policy.timeout });
    process.stdout.write(`${JSON.stringify(value ?? null)}\n`);
    return 0;
  } finally {
    await host.close();
  }
}

async function callEvent(
  host: PolicyHost,
  event: string,
  args: readonly unknown[],
  { path, timeout }: { path: string; timeout: number },
): Promise<unknown> {
  if (!isEventName(event)) {
    const near = nearest(event, [...eventNames, ...host.hooks.map(({ name }) => name)]);
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    throw new UsageError(`there is no event "${event}"${hint}; there are ${eventNames.join(', ')}`);
  }
  if (!host.events.has(event)) throw new Failure(`${path} has no handler of ${event}`);
  const answer = await host.call(event, args, timeout);
  if (answer.kind !== 'returned') throw new Failure(`${event}: ${answer.message}`);
  return answer.value;
}

/** Resolves with what the hook would inject; nothing is queued. */
async function callHook(host: PolicyHost, hook: HookRegistration, [given, record]: readonly unknown[]): Promise<unknown> {
  if (!isObject(given) || !isObject(record)) throw new UsageError('--args: a hook is called with [message, record], two objects');
  const content = typeof given['content'] === 'string' ? Buffer.from(given['content']) : undefined;
  const about = record as unknown as DispositionRecord;
  const message = hookMessage({ ...factsOf(about), size: content?.length ?? 0 }, (limit) => Promise.resolve(content?.subarray(0, limit)));
  const injected: InjectedMail[] = [];
  const answer = await host.callHook(hook, message, about, (mail) => {
    injected.push({ ...mail, content: Buffer.from(mail.content).toString() });
    return Promise.resolve(`not-queued-${injected.length}`);
  });
  if (answer.kind !== 'returned') throw new Failure(`${hook.name}: ${answer.message}`);
  return { injected };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

async function policyFile(named: string | undefined, configFile: string | undefined): Promise<string> {
  if (named !== undefined) return readable(named);
  const { policy } = await loadConfig({ ...(configFile !== undefined && { file: configFile }), env: process.env });
  if (policy.file === '') throw new UsageError('name a policy file, or set policy.file');
  return readable(policy.file);
}

async function readable(file: string): Promise<string> {
  await access(file, constants.R_OK).catch((error: unknown) => {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  });
  return resolve(file);
}

function parseArguments(text: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError('--args is not valid JSON');
  }
  if (!Array.isArray(value)) throw new UsageError('--args: expected a JSON array, one item for each argument');
  return value.map((item: unknown) => item ?? undefined);
}

async function load(file: string): Promise<PolicyHost | PolicyUnusable> {
  const say = (message: string): void => void process.stderr.write(`rebound: ${message}\n`);
  try {
    return await startPolicyHost(file, { died: () => undefined, strayed: say });
  } catch (error) {
    if (error instanceof PolicyUnusable) return error;
    throw error;
  }
}
