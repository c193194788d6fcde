import { printable } from '../../shared/core/printable.ts';
import { sessionsQueue } from '../../shared/io/lanes.ts';
import { withTimeout } from '../../shared/io/with-timeout.ts';
import { readWorkers } from '../../shared/io/worker-registry.ts';
import { readHookDepths, readQueueDepths } from './hook-depths.ts';
import { depthOf, type Depths, type LaneDepth } from './lane-depths.ts';
import type { World } from './world.ts';

/** Lanes with series of their own: anyone can make us send to any number of sites. No lane has the name of the rest. */
const shownLanes = 30;
const rest = 'other';

/** Less than a scrape waits: what a Redis that hangs said before is not told again. Milliseconds. */
const patience = 4000;

/** Sets the metrics of the system as a whole. While Redis is away they are not told: a 0 would have an autoscaler end the workers. */
export async function collectQueueMetrics(world: World): Promise<void> {
  const { metrics, redis } = world.context;
  const { queueDepth, queueAge, queueMessages, lanes, laneDepth, laneAge, laneSuspended, hookDepth, permits, workers } = metrics;
  const forget = (): void => {
    for (const gauge of [queueDepth, queueAge]) gauge.remove({});
    for (const gauge of [queueMessages, lanes, laneDepth, laneAge, laneSuspended, hookDepth, permits, workers]) gauge.reset();
  };
  if (!redis.isReady) return forget();
  const read = Promise.all([world.depths(), readHookDepths(world), readQueueDepths(world, [sessionsQueue]), readWorkers(redis)]);
  const [depths, hooks, [sessions], processes] = await withTimeout(read, patience).catch((error: unknown) => {
    forget();
    throw error;
  });
  // Between here and the end nothing is waited for: two scrapes at once cannot mix.
  forget();
  noteLanes(depths, world);
  for (const { name: hook, ...states } of hooks) {
    for (const [state, value] of Object.entries(states)) hookDepth.set({ hook, state }, value);
  }
  permits.set({ state: 'active' }, sessions?.active ?? 0);
  permits.set({ state: 'waiting' }, sessions?.waiting ?? 0);
  for (const role of ['ingress', 'delivery', 'bounce', 'admin']) {
    workers.set({ role }, processes.filter((process) => process.alive && process.role === role).length);
  }
}

function noteLanes({ lanes, waiting, delayed, active }: Depths, { context: { metrics }, pipeline: { orders } }: World): void {
  const isSuspended = ({ lane, paused }: LaneDepth): boolean => paused || orders.suspensionOf(lane) !== undefined;
  const stateOf = (lane: LaneDepth): 'open' | 'held' | 'suspended' => (isSuspended(lane) ? 'suspended' : lane.heldMs > 0 ? 'held' : 'open');
  const open = lanes.filter((lane) => stateOf(lane) === 'open');
  metrics.queueDepth.set(active + open.reduce((sum, lane) => sum + lane.waiting + lane.due, 0));
  for (const [state, value] of Object.entries({ waiting, delayed, active })) metrics.queueMessages.set({ state }, value);
  for (const state of ['open', 'held', 'suspended']) metrics.lanes.set({ state }, 0);
  for (const lane of lanes) metrics.lanes.inc({ state: stateOf(lane) });
  const now = Date.now();
  // They are sorted by depth.
  const ages = new Map<string, number>();
  for (const [n, lane] of lanes.entries()) {
    if (depthOf(lane) === 0) break;
    const label = n < shownLanes ? printable(`${lane.source}->${lane.site}`, 200) : rest;
    for (const state of ['waiting', 'delayed', 'active'] as const) metrics.laneDepth.inc({ lane: label, state }, lane[state]);
    if (label !== rest) metrics.laneSuspended.set({ lane: label }, isSuspended(lane) ? 1 : 0);
    if (lane.oldest !== undefined) ages.set(label, Math.max(ages.get(label) ?? 0, (now - lane.oldest) / 1000));
  }
  for (const [lane, age] of ages) metrics.laneAge.set({ lane }, age);
  metrics.queueAge.set(Math.max(0, ...ages.values()));
}
