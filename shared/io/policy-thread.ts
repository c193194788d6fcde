// Runs in a thread of its own: the policy file, its handlers, and nothing of ours that mail depends on.
import { registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import type { DispositionRecord } from '../core/disposition.ts';
import { registerHandlers, typeNameOf, type Handlers, type Hooks } from '../core/policy/define.ts';
import type { HookRegistration } from '../core/policy/hook-registration.ts';
import type { MessageFacts } from '../core/hook-message.ts';
import { moduleBeside } from './own-files.ts';
import { generateRfc3464Message, hearReply, injectMessage, messageOf, runCall } from './policy-asks.ts';
import { areWordsKept, keepWords } from './policy-secrecy.ts';
import type { Question, Reply } from './policy-asks.ts';
import { eventNames, isSecretEvent, type EventName } from '../core/policy/events.ts';
import { PolicyReject } from '../core/policy/reject.ts';

export interface ThreadData {
  file: string;
  /** The handler that is running, or 0: from 1 on those of `eventNames`, behind them the hooks in their order. It can be read while a handler does not return. */
  running: SharedArrayBuffer;
}

/** To the thread. */
export type Order =
  | { kind: 'call'; id: number; event: EventName; args: readonly unknown[]; until: number }
  | { kind: 'hook'; id: number; name: string; message: MessageFacts; record: DispositionRecord }
  | ({ kind: 'reply' } & Reply)
  | { kind: 'ping' };

/** From the thread. `files`: what was loaded, so that changes can be seen. */
export type Word =
  | { kind: 'ready'; events: EventName[]; hooks: HookRegistration[]; files: string[] }
  | { kind: 'unusable'; message: string; files: string[] }
  | { kind: 'returned'; id: number; value: unknown }
  | { kind: 'threw'; id: number; message: string }
  | { kind: 'strayed'; message: string }
  | ({ kind: 'ask' } & Question)
  | { kind: 'pong' };

const { file, running: buffer } = workerData as ThreadData;
const running = new Int32Array(buffer);
const files = new Set([file]);
const say = (word: Word): void => parentPort?.postMessage(word);
const ownFolder = new URL('../../', import.meta.url).href;
const library = moduleBeside('library', import.meta.url).href;
let lastLoaded = file;

// A policy file lies anywhere, and finds us by name all the same.
registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === 'rebound') return { url: library, shortCircuit: true };
    try {
      return next(specifier, context);
    } catch (error) {
      // A file that is not there yet: when it comes, the policy is loaded again.
      const { url } = error as { url?: string };
      if (url?.startsWith('file:') && !isOurs(url)) files.add(fileURLToPath(url));
      throw error;
    }
  },
  load: (url, context, next) => {
    if (url.startsWith('file:') && !isOurs(url)) {
      lastLoaded = fileURLToPath(url);
      files.add(lastLoaded);
    }
    return next(url, context);
  },
});
// What nobody waits for must not end the thread.
const stray = (error: unknown): void => say({ kind: 'strayed', message: areWordsKept() ? describeBriefly(error) : describe(error) });
process.on('uncaughtException', stray);
process.on('unhandledRejection', stray);

try {
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  const { handlers, hooks } = await registerHandlers(module.default, { generateRfc3464Message, injectMessage });
  if ([...handlers.keys()].some(isSecretEvent)) keepWords();
  parentPort?.on('message', (order: Order) => {
    if (order.kind === 'ping') say({ kind: 'pong' });
    else if (order.kind === 'reply') hearReply(order);
    else if (order.kind === 'hook') void runHook(order, hooks);
    else void obey(order, handlers);
  });
  const registrations = [...hooks.values()].map(({ name, types, needsOriginal, timeout }) => ({ name, types, needsOriginal, timeout }));
  say({ kind: 'ready', events: [...handlers.keys()], hooks: registrations, files: [...files] });
} catch (error) {
  say({ kind: 'unusable', message: describe(error), files: [...files] });
}

async function obey({ id, event, args, until }: Order & { kind: 'call' }, handlers: Handlers): Promise<void> {
  // Nobody waits for it any more.
  if (Date.now() > until) return;
  try {
    const handler = handlers.get(event) as ((...args: readonly unknown[]) => unknown) | undefined;
    Atomics.store(running, 0, eventNames.indexOf(event) + 1);
    Atomics.add(running, 1, 1);
    const result = handler?.(...args);
    Atomics.store(running, 0, 0);
    answer(id, await result);
  } catch (error) {
    Atomics.store(running, 0, 0);
    if (error instanceof PolicyReject) answer(id, error.value);
    else say({ kind: 'threw', id, message: isSecretEvent(event) ? describeBriefly(error) : describe(error) });
  }
}

/** What a hook returns is of no interest. */
async function runHook({ id, name, message, record }: Order & { kind: 'hook' }, hooks: Hooks): Promise<void> {
  const place = [...hooks.keys()].indexOf(name);
  try {
    Atomics.store(running, 0, eventNames.length + place + 1);
    Atomics.add(running, 1, 1);
    const work = runCall(id, () => hooks.get(name)?.handler(messageOf(message, id), record));
    Atomics.store(running, 0, 0);
    await work;
    say({ kind: 'returned', id, value: undefined });
  } catch (error) {
    Atomics.store(running, 0, 0);
    say({ kind: 'threw', id, message: describe(error) });
  }
}

function answer(id: number, value: unknown): void {
  try {
    say({ kind: 'returned', id, value });
  } catch {
    say({ kind: 'threw', id, message: `it returned ${typeNameOf(value)} that cannot be passed on` });
  }
}

/** The files of the program are not those of the policy; what users put into its folder is. */
function isOurs(url: string): boolean {
  const path = url.startsWith(ownFolder) ? url.slice(ownFolder.length) : '';
  return /^(?:shared|workers|node_modules)\//.test(path) || url.includes('/node_modules/');
}

/** `/etc/policy.ts:12: TypeError: x is not a function`: the place in the policy, where there is one. */
function describe(error: unknown): string {
  try {
    return wordsOf(error);
  } catch {
    return `${file}: the handler threw what cannot be described`;
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${inspect(error, { depth: 0 }).slice(0, 500)}`;
  const words = error.name === 'PolicyMistake' ? error.message : `${error.name}: ${error.message}`;
  const place = placeOf(error.stack ?? '');
  return `${place ?? (error instanceof SyntaxError ? lastLoaded : file)}: ${words.slice(0, 1000)}`;
}

/** The place alone: the words may hold the password that the handler was given. */
function describeBriefly(error: unknown): string {
  let place: string | undefined;
  try {
    place = error instanceof Error ? placeOf(error.stack ?? '') : undefined;
  } catch {
    // An error of a kind of its own.
  }
  return `${place ?? file}: the handler threw (its words are left out, they may hold a password)`;
}

/** The first place in a stack that lies in a file of the policy. */
function placeOf(stack: string): string | undefined {
  for (const [, path = '', line] of stack.matchAll(/(?:file:\/\/)?(\/[^\s():]+):(\d+)/g)) {
    const decoded = decodeURI(path);
    if (files.has(decoded)) return `${decoded}:${line}`;
  }
  return undefined;
}
