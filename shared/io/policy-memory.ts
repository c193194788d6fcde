import { LRUCache } from 'lru-cache';
import type { ArgsOf, EventName } from '../core/policy/events.ts';
import { memoize } from './memoize.ts';
import type { PolicyLink } from './policy.ts';

/** How long an answer is good. Milliseconds. */
const ttl = 60_000;
const capacity = 10_000;

/**
 * A handler whose answers are remembered for a minute, and asked for anew when the policy is loaded again. What is returned
 * gives undefined without a handler; its promise resolves with undefined when the handler fails and has never answered, and with
 * its last answer when it has, be it that of an earlier policy: a path that was to be encrypted stays so. `read` checks a result.
 */
export function rememberAnswers<E extends EventName, V>(
  policy: PolicyLink,
  event: E,
  read: (result: unknown) => { value: V } | { problem: string },
): (...args: ArgsOf<E>) => Promise<V | undefined> | undefined {
  const good = new LRUCache<string, { value: V }>({ max: capacity });
  const ask = async (...args: ArgsOf<E>): Promise<V> => {
    const answer = await policy.callOf(event)?.(...args);
    if (!answer) throw new Error(`no answer of ${event}`);
    const result = read(answer.value);
    if ('value' in result) {
      good.set(JSON.stringify(args), { value: result.value });
      return result.value;
    }
    policy.complain(event, result.problem);
    throw new Error(result.problem);
  };
  let version = -1;
  let remembered = ask;
  return (...args) => {
    if (!policy.handles(event)) return undefined;
    if (version !== policy.version) {
      version = policy.version;
      remembered = memoize(ask, { name: event, ttl, capacity });
    }
    return remembered(...args).catch(() => good.get(JSON.stringify(args))?.value);
  };
}
