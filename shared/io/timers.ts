/** Timers of one connection, which keep no process alive. */
export class Timers {
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #mayAct: () => boolean;

  /** `mayAct` is asked when the time has come. */
  constructor(mayAct: () => boolean) {
    this.#mayAct = mayAct;
  }

  after(ms: number, act: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#mayAct()) act();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
    return timer;
  }

  cancel(timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
