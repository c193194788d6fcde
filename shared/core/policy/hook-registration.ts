import { recordTypes, type RecordType } from '../disposition.ts';
import { parseDuration } from '../duration.ts';
import { defaultHookTimeout, type HookHandler } from '../hook.ts';
import { nearest } from '../nearest.ts';
import { hookName } from '../subscriptions.ts';

/** A hook of a policy, as every process has to know it. */
export interface HookRegistration {
  name: string;
  types: readonly RecordType[];
  needsOriginal: boolean;
  /** Milliseconds. */
  timeout: number;
}

export interface RegisteredHook extends HookRegistration {
  handler: HookHandler;
}

/** Milliseconds. A policy that is replaced lives on until its last call is answered. */
const shortestTimeout = 10;
const longestTimeout = 600_000;

const known = ['types', 'needsOriginal', 'timeout'];

/** What a policy file hands to `policy.hook`, checked; `problem`: what is wrong with it. */
export function readHook(name: unknown, options: unknown, handler: unknown): RegisteredHook | { problem: string } {
  if (typeof name !== 'string' || !hookName.test(name)) return { problem: 'the name of a hook is up to 40 letters, digits, "-" or "_"' };
  const wrong = (problem: string) => ({ problem: `hook ${name}: ${problem}` });
  if (typeof options !== 'object' || options === null) return wrong('expected an object with "types" as second argument');
  const unknownName = Object.keys(options).find((key) => !known.includes(key));
  if (unknownName !== undefined) return wrong(`there is no option "${unknownName.slice(0, 100)}"${suggest(unknownName, known)}`);
  const { types, needsOriginal = true, timeout = defaultHookTimeout } = options as Record<string, unknown>;
  if (!Array.isArray(types) || types.length === 0) return wrong(`types: expected an array of ${recordTypes.join(', ')}`);
  for (const type of types as unknown[]) if (!isRecordType(type)) return wrong(`types: ${typeProblem(type)}`);
  if (typeof needsOriginal !== 'boolean') return wrong('needsOriginal: expected true or false');
  const ms = typeof timeout === 'string' ? parseDuration(timeout) : timeout;
  if (typeof ms !== 'number' || !(ms >= shortestTimeout && ms <= longestTimeout)) {
    return wrong('timeout: expected milliseconds or a duration like "30s", from 10ms to 10m');
  }
  if (typeof handler !== 'function') return wrong('expected a function as third argument');
  return { name, types: [...new Set(types as RecordType[])], needsOriginal, timeout: ms, handler: handler as HookHandler };
}

const isRecordType = (type: unknown): type is RecordType => recordTypes.some((one) => one === type);

const typeProblem = (type: unknown): string =>
  typeof type === 'string'
    ? `there is no record type "${type.slice(0, 100)}"${suggest(type, recordTypes)}`
    : `expected names such as "${recordTypes[3]}"`;

function suggest(name: string, names: readonly string[]): string {
  const near = nearest(name.slice(0, 100), names);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}
