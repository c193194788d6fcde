import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Config } from '../core/config.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import type { HookMessage, InjectMessage } from '../core/hook.ts';
import { isEventName, type ArgsOf, type EventName } from '../core/policy/events.ts';
import type { HookRegistration } from '../core/policy/hook-registration.ts';
import { hookQueue } from '../core/subscriptions.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { PolicyUnusable, startPolicyHost, type Failure, type HandlerName, type PolicyHost } from './policy-host.ts';

/** The policy of one process. No call of an event rejects, and none outlasts `policy.timeout`. */
export interface PolicyLink {
  /**
   * What calls the handler of an event; undefined when there is none, which costs nothing to find out. Resolves with
   * what the handler returned, unchecked: whoever asks knows what it can use, and tells `complain` when it cannot.
   * Resolves with undefined, which every event takes for "as it would be without me", when the handler failed.
   */
  handlerOf<E extends EventName>(event: E): ((...args: ArgsOf<E>) => Promise<unknown>) | undefined;
  /** The same for whoever must tell a failure from nothing: resolves with undefined when the handler failed. */
  callOf<E extends EventName>(event: E): ((...args: ArgsOf<E>) => Promise<{ value: unknown } | undefined>) | undefined;
  /** Is there a handler in the policy that was loaded last, though it may not be called just now? */
  handles(event: EventName): boolean;
  /** Counts the loads: what was remembered of a handler is not of another version's. */
  readonly version: number;
  /** A handler returned what cannot be used. */
  complain(event: EventName, problem: string): void;
  /** What is in force; undefined where there is none. */
  loaded(): LoadedPolicyInfo | undefined;
  /** Of the policy that was loaded last: another array after each load. They stay while its thread is replaced. */
  readonly hooks: readonly HookRegistration[];
  /** Calls `listener` whenever `hooks` is another array. */
  onHooks(listener: () => void): void;
  /**
   * Has a hook hear a record; passes over one of a type that it does not hear (any more). Rejects when the hook failed, which is counted
   * already: it is for the record to come again.
   */
  runHook(name: string, message: HookMessage, record: DispositionRecord, injectMessage: InjectMessage): Promise<void>;
  /** Loads the file again; the policy in force stays when it cannot be used. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

export interface LoadedPolicyInfo {
  file: string;
  /** Those that it has handlers for. */
  events: EventName[];
  hooks: string[];
  /** Of the content of its files: the same on all machines. */
  version: string;
  /** When it was loaded; RFC 3339. */
  since: string;
  /** False while its thread, which was lost, is started again. */
  is_running: boolean;
  /** Handlers that hung, and until when they are not called. */
  left_alone: { handler: EventName; until: string }[];
  /** Why the version that is there now is not the one in force. */
  error: { time: string; message: string } | null;
}

/** Characters. */
const longestError = 1000;

/** How often the files of the policy are looked at. Milliseconds. */
const watchInterval = 1000;
/** A handler that hung is left alone for this long. Milliseconds. */
const hangPause = 60_000;
const firstRestart = 100;
const maxRestart = 30_000;
/** A thread that lived this long is started again at once. Milliseconds. */
const healthyAfter = 60_000;

/** Loads the policy of a process. Rejects with PolicyUnusable when it cannot be used. */
export async function openPolicy(config: Config['policy'], log: Logger, metrics: Metrics): Promise<PolicyLink> {
  if (config.file === '') return noPolicy;
  const policy = new LoadedPolicy(config, log, metrics);
  await policy.start();
  return policy;
}

/** Without a policy file. */
export const noPolicy: PolicyLink = {
  handlerOf: () => undefined,
  callOf: () => undefined,
  handles: () => false,
  version: 0,
  complain: () => undefined,
  loaded: () => undefined,
  hooks: [],
  onHooks: () => undefined,
  runHook: (name) => Promise.reject(new Error(`there is no hook ${name}`)),
  reload: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

class LoadedPolicy implements PolicyLink {
  hooks: readonly HookRegistration[] = [];
  readonly #hookListeners: (() => void)[] = [];
  readonly #config: Config['policy'];
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #said = new Repetitions();
  /** Until when a handler that hung is not called. */
  readonly #paused = new Map<EventName, number>();
  #host: PolicyHost | undefined;
  #events: ReadonlySet<EventName> = new Set();
  #version = 0;
  #digest = '';
  #error: LoadedPolicyInfo['error'] = null;
  #files: readonly string[];
  #versions = '';
  #watcher: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restartDelay = firstRestart;
  #loadedAt = 0;
  /** Loads come one after another. */
  #loading: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(config: Config['policy'], log: Logger, metrics: Metrics) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
    // From the start: Prometheus sees no increase in what begins with its first one.
    metrics.policyLoads.inc({ result: 'failed' }, 0);
    this.#files = [config.file];
  }

  async start(): Promise<void> {
    await this.#load();
    this.#watch();
  }

  handlerOf<E extends EventName>(event: E): ((...args: ArgsOf<E>) => Promise<unknown>) | undefined {
    const call = this.callOf(event);
    return call && (async (...args) => (await call(...args))?.value);
  }

  callOf<E extends EventName>(event: E): ((...args: ArgsOf<E>) => Promise<{ value: unknown } | undefined>) | undefined {
    const host = this.#host;
    if (!host?.events.has(event) || this.#isPaused(event)) return undefined;
    return async (...args) => {
      const stopWatch = this.#metrics.policySeconds.startTimer({ event });
      const answer = await host.call(event, args, this.#config.timeout).finally(() => stopWatch());
      if (answer.kind === 'returned') return { value: answer.value };
      this.#count(event, answer.kind, answer.message);
      return undefined;
    };
  }

  handles(event: EventName): boolean {
    return this.#events.has(event);
  }

  get version(): number {
    return this.#version;
  }

  complain(event: EventName, problem: string): void {
    this.#count(event, 'nonsense', problem);
  }

  loaded(): LoadedPolicyInfo | undefined {
    const now = Date.now();
    return {
      file: this.#config.file,
      events: [...this.#events],
      hooks: this.hooks.map(({ name }) => name),
      version: this.#digest,
      since: new Date(this.#loadedAt).toISOString(),
      is_running: this.#host !== undefined,
      left_alone: [...this.#paused].flatMap(([handler, until]) => (until > now ? [{ handler, until: new Date(until).toISOString() }] : [])),
      error: this.#error,
    };
  }

  onHooks(listener: () => void): void {
    this.#hookListeners.push(listener);
  }

  async runHook(name: string, message: HookMessage, record: DispositionRecord, injectMessage: InjectMessage): Promise<void> {
    const host = this.#host;
    if (!host) throw new Error('the policy is not loaded just now');
    const hook = host.hooks.find((one) => one.name === name);
    if (!hook) throw new Error(`there is no hook ${name} any more`);
    if (!hook.types.includes(record.type)) return;
    const answer = await host.callHook(hook, message, record, injectMessage);
    if (answer.kind === 'returned') return;
    this.#count(hookQueue(name), answer.kind, answer.message);
    throw new Error(answer.message);
  }

  reload(): Promise<void> {
    return this.#loadAfterOthers(() => this.#paused.clear());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#watcher);
    clearTimeout(this.#restart);
    await this.#loading;
    await this.#host?.terminate();
  }

  #loadAfterOthers(whenLoaded: () => void): Promise<void> {
    const { file } = this.#config;
    const work = this.#loading.then(async () => {
      if (!this.#isClosed) await this.#load().then(whenLoaded);
    });
    const quiet = work.catch((error: unknown) => {
      this.#log.error({ event: 'policy_not_loaded', file, error: wordsOf(error), isOneInForce: this.#host !== undefined });
    });
    this.#loading = quiet;
    return quiet;
  }

  /** Takes the file as it is now into force. Rejects with PolicyUnusable and leaves everything as it is. */
  async #load(): Promise<void> {
    const { file } = this.#config;
    this.#versions = await versionsOf(this.#files);
    try {
      const host = await this.#open();
      const before = this.#host;
      this.#host = host;
      this.hooks = host.hooks;
      this.#events = host.events;
      this.#version += 1;
      this.#loadedAt = Date.now();
      this.#error = null;
      this.#metrics.policyLoads.inc({ result: 'loaded' });
      this.#log.info({ event: 'policy_loaded', file, events: [...host.events], hooks: host.hooks.map(({ name }) => name) });
      await this.#look(host.files);
      this.#digest = await digestOf(host.files);
      void before?.close();
      for (const listener of this.#hookListeners) listener();
    } catch (error) {
      this.#metrics.policyLoads.inc({ result: 'failed' });
      this.#error = { time: new Date().toISOString(), message: wordsOf(error).slice(0, longestError) };
      if (error instanceof PolicyUnusable) await this.#look([...new Set([...this.#files, ...error.files])]);
      throw error;
    }
  }

  async #open(): Promise<PolicyHost> {
    const host: PolicyHost = await startPolicyHost(this.#config.file, {
      died: (failure, handler) => this.#lost(host, failure, handler),
      strayed: (message) => this.#count('none', 'error', message),
    });
    return host;
  }

  /** Files that were not looked at before the load are looked at from now on. */
  async #look(files: readonly string[]): Promise<void> {
    const known = this.#files;
    // Those looked at before keep their version of before the load: a change during it is seen as one.
    const before = new Map(known.map((file, i) => [file, this.#versions.split(' ')[i] ?? '']));
    const after = (await versionsOf(files)).split(' ');
    this.#files = files;
    this.#versions = files.map((file, i) => before.get(file) ?? after[i] ?? '').join(' ');
  }

  /** By looking again and again: editors replace files, and containers mount them, where no event is heard. */
  #watch(): void {
    if (this.#isClosed) return;
    this.#watcher = setTimeout(() => {
      void versionsOf(this.#files)
        .then((versions) => (versions === this.#versions ? undefined : this.reload()))
        .finally(() => this.#watch());
    }, watchInterval).unref();
  }

  #isPaused(event: EventName): boolean {
    const until = this.#paused.get(event);
    if (until === undefined) return false;
    if (Date.now() < until) return true;
    this.#paused.delete(event);
    return false;
  }

  #lost(host: PolicyHost, failure: Failure, handler: HandlerName | undefined): void {
    this.#count(handler ?? 'none', failure.kind, failure.message);
    // A hook needs no pause: its record comes again later and later.
    if (this.#host !== host || this.#isClosed) return;
    if (isEventName(handler) && failure.kind === 'hang') this.#paused.set(handler, Date.now() + hangPause);
    this.#host = undefined;
    this.#log.error({ event: 'policy_lost', file: this.#config.file, kind: failure.kind, handler, error: failure.message });
    this.#startAgain();
  }

  #startAgain(): void {
    const isFirst = Date.now() - this.#loadedAt > healthyAfter;
    this.#restartDelay = isFirst ? firstRestart : Math.min(this.#restartDelay * 2, maxRestart);
    this.#restart = setTimeout(() => {
      void this.#loadAfterOthers(() => undefined).then(() => {
        if (!this.#host && !this.#isClosed) this.#startAgain();
      });
    }, this.#restartDelay).unref();
  }

  #count(event: HandlerName | 'none', kind: Failure['kind'] | 'nonsense', message: string): void {
    if (this.#isClosed) return; // what was given up
    this.#metrics.policyFailures.inc({ event, kind });
    if (this.#said.isNew(`${event} ${kind} ${message}`)) this.#log.warn({ event: 'policy_failed', handler: event, kind, error: message });
  }
}

/** What was logged is not logged for every mail: once a minute, and no more than so many different texts. */
class Repetitions {
  readonly #seen = new Set<string>();
  #since = 0;

  isNew(text: string): boolean {
    const now = Date.now();
    if (now - this.#since > repetitionWindow) {
      this.#seen.clear();
      this.#since = now;
    }
    if (this.#seen.has(text) || this.#seen.size >= maxTexts) return false;
    this.#seen.add(text);
    return true;
  }
}

const repetitionWindow = 60_000;
const maxTexts = 200;

/** Of what the files say; their names and times are not the same on all machines. */
async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file).catch(() => ''));
  return hash.digest('hex').slice(0, 12);
}

/** What changes whenever one of the files does. */
async function versionsOf(files: readonly string[]): Promise<string> {
  const versions = await Promise.all(
    files.map((file) =>
      stat(file, { bigint: true }).then(
        ({ mtimeNs, size, ino }) => `${mtimeNs}/${size}/${ino}`,
        () => 'absent',
      ),
    ),
  );
  return versions.join(' ');
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
