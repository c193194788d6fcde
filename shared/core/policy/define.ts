import type { HookHandler, HookMail, HookOptions } from '../hook.ts';
import { nearest } from '../nearest.ts';
import { eventNames, isEventName, type EventName, type HandlerOf } from './events.ts';
import { readHook, type RegisteredHook } from './hook-registration.ts';

/** What a policy file is given to register its handlers with. */
export interface Policy extends HookMail {
  /** Handles an event. Throws PolicyMistake: every event has one handler at most. */
  on<E extends EventName>(event: E, handler: HandlerOf<E>): void;
  /** Hears dispositions, on a queue of its own. Throws PolicyMistake: each name once. */
  hook(name: string, options: HookOptions, handler: HookHandler): void;
}

/** The default export of a policy file. It may wait for what it needs; handlers are registered before it returns. */
export type PolicyDefinition = (policy: Policy) => void | Promise<void>;

/** Gives a definition its types; a plain function does as well. */
export const definePolicy = (definition: PolicyDefinition): PolicyDefinition => definition;

/** The policy file registers what it cannot. The message is for people. */
export class PolicyMistake extends Error {
  override readonly name = 'PolicyMistake';
}

export type Handlers = Map<EventName, (...args: never[]) => unknown>;

export type Hooks = Map<string, RegisteredHook>;

/** Runs a definition; resolves with what it registered. Rejects with PolicyMistake, or what the definition threw. */
export async function registerHandlers(definition: unknown, mail: HookMail): Promise<{ handlers: Handlers; hooks: Hooks }> {
  if (typeof definition !== 'function') {
    throw new PolicyMistake(
      `expected "export default definePolicy((policy) => { ... })", found ${typeNameOf(definition)} as default export`,
    );
  }
  const handlers: Handlers = new Map();
  const hooks: Hooks = new Map();
  let isOpen = true;
  const on = (event: unknown, handler: unknown): void => {
    if (!isEventName(event)) throw new PolicyMistake(`there is no event ${quote(event)}${suggest(event)}`);
    if (!isOpen) throw new PolicyMistake(`${event}: registered too late, when the policy was in force already`);
    if (typeof handler !== 'function') throw new PolicyMistake(`${event}: expected a function, found ${typeNameOf(handler)}`);
    if (handlers.has(event)) throw new PolicyMistake(`${event}: there is a handler already, and there can be one only`);
    handlers.set(event, handler as (...args: never[]) => unknown);
  };
  const hook = (name: unknown, options: unknown, handler: unknown): void => {
    const read = readHook(name, options, handler);
    if ('problem' in read) throw new PolicyMistake(read.problem);
    if (!isOpen) throw new PolicyMistake(`hook ${read.name}: registered too late, when the policy was in force already`);
    if (hooks.has(read.name)) throw new PolicyMistake(`hook ${read.name}: there is one of this name already`);
    hooks.set(read.name, read);
  };
  const policy = { ...mail, on, hook };
  await (definition as (given: typeof policy) => unknown)(policy);
  isOpen = false;
  return { handlers, hooks };
}

/** `null`, `an array`, `text`: what a value is, for messages. */
export function typeNameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  const names: Record<string, string> = { string: 'text', function: 'a function', object: 'an object' };
  return names[typeof value] ?? `a ${typeof value}`;
}

const quote = (name: unknown): string => (typeof name === 'string' ? JSON.stringify(name.slice(0, 100)) : typeNameOf(name));

function suggest(name: unknown): string {
  const near = typeof name === 'string' ? nearest(name.slice(0, 100), eventNames) : undefined;
  return near === undefined ? '' : `; did you mean "${near}"?`;
}
