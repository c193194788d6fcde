import type { TestContext } from 'node:test';

const stacks = new WeakMap<TestContext, (() => unknown)[]>();

/** Like `t.after`, but last in, first out: what was started on top of something is closed before it. */
export function cleanUp(t: TestContext, close: () => unknown): void {
  const known = stacks.get(t);
  if (known) {
    known.push(close);
    return;
  }
  const stack = [close];
  stacks.set(t, stack);
  t.after(async () => {
    for (let next = stack.pop(); next; next = stack.pop()) await next();
  });
}
