import { Worker } from 'node:worker_threads';
import type { DispositionRecord } from '../core/disposition.ts';
import { checkInjectedMail, type HookMessage, type InjectMessage } from '../core/hook.ts';
import { eventNames, type EventName } from '../core/policy/events.ts';
import type { HookRegistration } from '../core/policy/hook-registration.ts';
import { hookQueue } from '../core/subscriptions.ts';
import { moduleBeside } from './own-files.ts';
import type { Order, ThreadData, Word } from './policy-thread.ts';
import { withTimeout } from './with-timeout.ts';

/** What became of a call. */
export type Answer = { kind: 'returned'; value: unknown } | Failure;
export interface Failure {
  kind: 'error' | 'timeout' | 'hang' | 'crash';
  message: string;
}

/** An event by its name, a hook by that of its queue. */
export type HandlerName = EventName | ReturnType<typeof hookQueue>;

/** One loaded policy, in a thread that it cannot break out of: it may throw, hang, exit or use up its memory. */
export interface PolicyHost {
  readonly events: ReadonlySet<EventName>;
  /** The files it was loaded from. */
  readonly files: readonly string[];
  readonly hooks: readonly HookRegistration[];
  call(event: EventName, args: readonly unknown[], timeoutMs: number): Promise<Answer>;
  /** Calls a hook within its own time. What it asks meanwhile is asked of `message` and `injectMessage`. */
  callHook(hook: HookRegistration, message: HookMessage, record: DispositionRecord, injectMessage: InjectMessage): Promise<Answer>;
  /** Ends the thread when the calls under way are answered or timed out. */
  close(): Promise<void>;
  /** Ends it at once: what is under way has been given up. */
  terminate(): Promise<void>;
}

export interface HostEvents {
  /** The thread is gone, though nobody ended it; a handler that did not return is named. */
  died(failure: Failure, handler: HandlerName | undefined): void;
  /** An exception or rejection that belongs to no call. */
  strayed(message: string): void;
}

/** The policy cannot be used; `files` were looked at. The message begins with the place. */
export class PolicyUnusable extends Error {
  override readonly name = 'PolicyUnusable';
  readonly files: readonly string[];

  constructor(message: string, files: readonly string[]) {
    super(message);
    this.files = files;
  }
}

/** A policy that takes longer to load than this hangs. Milliseconds. */
const loadTimeout = 10_000;
/** A thread that has not said a word for this long after a call timed out hangs. Milliseconds. */
const pongTimeout = 2000;
/** And until it does, it gets no further calls after this. Milliseconds. */
const answersWithin = 200;

/** Loads a policy file in a new thread. Rejects with PolicyUnusable. */
export function startPolicyHost(file: string, events: HostEvents): Promise<PolicyHost> {
  return new Promise((resolve, reject) => {
    const data: ThreadData = { file, running: new SharedArrayBuffer(8) };
    const worker = new Worker(moduleBeside('policy-thread', import.meta.url), {
      workerData: data,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      // Standard output belongs to the program that was called.
      stdout: true,
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    });
    worker.stdout.pipe(process.stderr, { end: false });
    const fail = (message: string, files: readonly string[] = [file]): void => {
      clearTimeout(timer);
      listenNoMore(worker);
      worker.on('error', () => undefined);
      void worker.terminate();
      reject(new PolicyUnusable(message, files));
    };
    const timer = setTimeout(() => fail(`${file}: not loaded after ${loadTimeout / 1000} seconds`), loadTimeout);
    worker.once('error', (error) => fail(`${file}: ${wordsOf(error)}`));
    worker.once('exit', () => fail(`${file}: it ended its thread while it was loaded`));
    worker.on('message', (word: Word) => {
      if (word.kind === 'unusable') fail(word.message, word.files);
      if (word.kind === 'strayed') events.strayed(word.message);
      if (word.kind !== 'ready') return;
      clearTimeout(timer);
      listenNoMore(worker);
      resolve(new Host(worker, word, new Int32Array(data.running), events));
      worker.unref();
    });
  });
}

interface Call {
  handler: HandlerName;
  timer: NodeJS.Timeout;
  settle(answer: Answer): void;
  serves?: Services;
}

/** What a hook may ask. */
interface Services {
  content: HookMessage['content'];
  injectMessage: InjectMessage;
  /** For one answer. Milliseconds. */
  timeout: number;
}

class Host implements PolicyHost {
  readonly events: ReadonlySet<EventName>;
  readonly hooks: readonly HookRegistration[];
  readonly files: readonly string[];
  readonly #worker: Worker;
  readonly #running: Int32Array;
  readonly #listener: HostEvents;
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  /** Runs while the thread owes a sign of life. */
  #pongTimer: NodeJS.Timeout | undefined;
  #pingedAt = 0;
  #isEnding = false;
  #whenIdle: (() => void) | undefined;

  constructor(worker: Worker, { events, hooks, files }: Word & { kind: 'ready' }, running: Int32Array, listener: HostEvents) {
    this.events = new Set(events);
    this.hooks = hooks;
    this.files = files;
    this.#worker = worker;
    this.#running = running;
    this.#listener = listener;
    worker.on('message', (word: Word) => this.#hear(word));
    worker.on('error', (error) => this.#die({ kind: 'crash', message: wordsOf(error) }));
    worker.on('exit', () => this.#die({ kind: 'crash', message: 'the policy ended its thread' }));
  }

  call(event: EventName, args: readonly unknown[], timeoutMs: number): Promise<Answer> {
    return this.#call(event, timeoutMs, (id) => ({ kind: 'call', id, event, args, until: Date.now() + timeoutMs }));
  }

  callHook(hook: HookRegistration, message: HookMessage, record: DispositionRecord, injectMessage: InjectMessage): Promise<Answer> {
    const { name, timeout } = hook;
    const { id: messageId, sender, recipients, size } = message;
    const facts = { id: messageId, sender, recipients, size };
    const orderOf = (id: number): Order => ({ kind: 'hook', id, name, message: facts, record });
    return this.#call(hookQueue(name), timeout, orderOf, { content: (limit) => message.content(limit), injectMessage, timeout });
  }

  #call(handler: HandlerName, timeoutMs: number, orderOf: (id: number) => Order, serves?: Services): Promise<Answer> {
    // Nobody waits for a thread that does not answer.
    const isMute = this.#pongTimer !== undefined && performance.now() - this.#pingedAt > answersWithin;
    if (isMute || this.#isEnding) return Promise.resolve({ kind: 'hang', message: 'the policy does not answer' });
    this.#lastId = (this.#lastId % 0x7fffffff) + 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#expire(id, timeoutMs), timeoutMs);
      this.#calls.set(id, { handler, timer, settle: resolve, ...(serves && { serves }) });
      this.#worker.postMessage(orderOf(id));
    });
  }

  async close(): Promise<void> {
    if (this.#calls.size > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    await this.terminate();
  }

  async terminate(): Promise<void> {
    this.#isEnding = true;
    clearTimeout(this.#pongTimer);
    for (const id of this.#calls.keys()) this.#settle(id, { kind: 'crash', message: 'the process ends' });
    await this.#worker.terminate();
  }

  #hear(word: Word): void {
    switch (word.kind) {
      case 'returned':
        return this.#settle(word.id, { kind: 'returned', value: word.value });
      case 'threw':
        return this.#settle(word.id, { kind: 'error', message: word.message });
      case 'strayed':
        return this.#listener.strayed(word.message);
      case 'ask':
        return void this.#serve(word);
      case 'pong':
        clearTimeout(this.#pongTimer);
        this.#pongTimer = undefined;
        return undefined;
      default:
        return undefined;
    }
  }

  /** Never rejects. A call that is over is told nothing more, and nothing more is done for it. */
  async #serve(question: Word & { kind: 'ask' }): Promise<void> {
    const { id } = question;
    const reply = await this.#answer(question).then(
      (value) => ({ value }),
      (error: unknown) => ({ problem: wordsOf(error) }),
    );
    if (!this.#isEnding) this.#worker.postMessage({ kind: 'reply', id, ...reply } satisfies Order);
  }

  async #answer(question: Word & { kind: 'ask' }): Promise<unknown> {
    const serves = this.#calls.get(question.call)?.serves;
    if (!serves) throw new Error('this call of the hook is over');
    const { content, injectMessage, timeout } = serves;
    if (question.what === 'inject') return withTimeout(injectMessage(checkInjectedMail(question.mail)), timeout);
    const octets = await withTimeout(content(question.limit), timeout);
    // A copy: what is passed on takes all of the memory that it is a part of along.
    return octets && Uint8Array.from(octets);
  }

  #settle(id: number, answer: Answer): void {
    const call = this.#calls.get(id);
    if (!call) return;
    clearTimeout(call.timer);
    this.#calls.delete(id);
    call.settle(answer);
    if (this.#calls.size === 0) this.#whenIdle?.();
  }

  #expire(id: number, timeoutMs: number): void {
    const handler = this.#calls.get(id)?.handler;
    this.#settle(id, { kind: 'timeout', message: `no answer after ${timeoutMs} ms` });
    if (this.#pongTimer || this.#isEnding) return;
    this.#pingedAt = performance.now();
    // A handler that waits lets the thread answer; one that is in a loop does not.
    let started = Atomics.load(this.#running, 1);
    const judge = (): void => {
      const now = Atomics.load(this.#running, 1);
      if (now !== started) {
        // It works off what waits; the answer to the ping stands behind that.
        started = now;
        this.#pongTimer = setTimeout(judge, pongTimeout);
        return;
      }
      const place = Atomics.load(this.#running, 0) - 1;
      const hook = this.hooks[place - eventNames.length];
      const running = hook ? hookQueue(hook.name) : eventNames[place];
      this.#die({ kind: 'hang', message: 'the handler does not return' }, running ?? handler);
    };
    this.#pongTimer = setTimeout(judge, pongTimeout);
    this.#worker.postMessage({ kind: 'ping' } satisfies Order);
  }

  #die(failure: Failure, handler?: HandlerName): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    clearTimeout(this.#pongTimer);
    for (const id of this.#calls.keys()) this.#settle(id, failure);
    void this.#worker.terminate();
    this.#listener.died(failure, handler);
  }
}

/** Each event by its name: Node has listeners of its own on the worker. */
function listenNoMore(worker: Worker): void {
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
