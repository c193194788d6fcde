import type { InjectMessage } from '../core/hook.ts';
import type { HookRegistration } from '../core/policy/hook-registration.ts';
import type { Context } from './context.ts';
import { startHook, type Hook, type RunningHook } from './hook.ts';
import type { Pipeline } from './pipeline.ts';

/** The thread's own limit comes first, for it finds out whether the thread is alive. Milliseconds. */
const grace = 5000;

interface Consumer {
  hook: Hook;
  started: Promise<RunningHook>;
}

/**
 * Runs a consumer for each hook of the policy: those there are when it resolves, and those that come and go when the policy is loaded
 * again. Rejects when one of the first cannot be started.
 */
export async function startPolicyHooks(
  context: Context,
  pipeline: Pick<Pipeline, 'queues' | 'spool'>,
  injectMessage: InjectMessage,
): Promise<{ close(): Promise<void> }> {
  const { config, policy, log } = context;
  const consumers = new Map<string, Consumer>();
  const closing = new Set<Promise<unknown>>();
  let isClosed = false;

  const start = (registration: HookRegistration): Consumer => {
    const { name } = registration;
    const hook: Hook = {
      ...propertiesOf(registration),
      name,
      run: (message, record) => policy.runHook(name, message, record, injectMessage),
    };
    const started = startHook(hook, context, pipeline);
    started.catch((error: unknown) => log.error({ event: 'hook_not_started', hook: name, error: String(error) }));
    return { hook, started };
  };
  const close = (name: string, { started }: Consumer, patience?: number): void => {
    consumers.delete(name);
    // Work in hand is finished meanwhile, and nobody waits for it: the same name may come back before it is done.
    const work = started
      .then((running) => running.close(patience))
      .catch((error: unknown) => log.warn({ event: 'hook_not_closed', hook: name, error: String(error) }))
      .finally(() => closing.delete(work));
    closing.add(work);
  };
  const follow = (): void => {
    if (isClosed) return;
    for (const registration of policy.hooks) {
      const known = consumers.get(registration.name);
      // What was kept for it before is let go of all the same.
      if (known) Object.assign(known.hook, propertiesOf(registration), known.hook.needsOriginal && { needsOriginal: true });
      else consumers.set(registration.name, start(registration));
    }
    for (const [name, consumer] of consumers) {
      if (!policy.hooks.some((hook) => hook.name === name)) close(name, consumer);
    }
  };
  const closeAll = async (): Promise<void> => {
    isClosed = true;
    for (const [name, consumer] of consumers) close(name, consumer, config.shutdownTimeout);
    await Promise.all(closing);
  };

  follow();
  policy.onHooks(follow);
  try {
    await Promise.all([...consumers.values()].map(({ started }) => started));
  } catch (error) {
    await closeAll();
    throw error;
  }
  return { close: closeAll };
}

const propertiesOf = ({ types, needsOriginal, timeout }: HookRegistration) => ({ types, needsOriginal, timeout: timeout + grace });
