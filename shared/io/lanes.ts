import type { Config } from '../core/config.ts';
import { sessionId, wakeAt } from '../core/lane.ts';
import { openLaneLimits, type LaneLimits, type LimitsInForce } from './lane-limits.ts';
import type { Orders } from './orders.ts';
import type { Queues, Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';

/** The queue of connection permits: whoever holds its job `<lane>/<n>` may hold one connection to the lane's site. */
export const sessionsQueue = 'sessions';

export interface SessionJob {
  lane: string;
  /** The permit's number; absent in a wake-up, which only starts session 0. */
  index?: number;
}

/** Lanes: their registry, limits and wake-ups. */
export interface Lanes {
  /** Adds what a new or returned job needs to be seen: the lane in the registry, its limits, and session 0. */
  wake(tx: Transaction, lane: string): void;
  /** Has session 0 start at `at` (epoch ms) or up to half a second later. */
  wakeLater(tx: Transaction, lane: string, at: number): void;
  /** Adds the permit with this number, unless it exists. */
  addSession(tx: Transaction, lane: string, index: number): void;
  limits(lane: string): LimitsInForce;
  /** Has these limits hold for the lane for a minute, in place of the settings'. */
  steer(lane: string, limits: LaneLimits): Promise<void>;
  /** Gives no job of the lane to anyone for this time: the answer to a 421. */
  hold(lane: string, ms: number): Promise<void>;
  /** Ends that time. */
  release(lane: string): Promise<void>;
  /** Is there a job that may be taken now? The rate is not looked at: whoever meets it sets a wake-up. */
  hasWork(lane: string): Promise<boolean>;
  /** Lanes that have had work lately. */
  names(): Promise<string[]>;
  /** Wakes lanes that have work and no session, and are not suspended; takes back the jobs of killed workers. Resolves to how many were woken. */
  sweep(): Promise<number>;
}

/** How long a process trusts that a lane it registered is still registered. Milliseconds. */
const registrationTtl = 60_000;
/** An empty lane leaves the registry after this. Milliseconds; far above `registrationTtl`. */
const idleLaneTtl = 3_600_000;
/** A retry that is due may wait this long for its wake-up before the sweeper minds. Milliseconds. */
const wakeSlack = 2000;
/**
 * A lane in full work is asked whether its session 0 exists instead of being given it again: a tenth of what adding
 * costs. A session that exists looks at its lane once more after it has ended; one that does not is added at once.
 * Milliseconds.
 */
const awakeFor = 50;
const sessionOptions = { removeOnComplete: true, removeOnFail: true } as const;

/** `isSteered`: may other processes set limits by `steer`? Then what they wrote is left alone. */
export function openLanes(
  redis: RedisLink,
  queues: Queues,
  config: Config['delivery'],
  orders: Orders,
  isSteered: () => boolean = () => false,
): Lanes {
  const registryKey = redis.key('lanes');
  const registered = new Map<string, number>();
  // The server may be another one, or have lost what it was told last.
  redis.client.on('ready', () => registered.clear());
  const limits = openLaneLimits(queues, config, orders, isSteered);

  const register = (tx: Transaction, lane: string): void => {
    const now = Date.now();
    if ((registered.get(lane) ?? 0) > now) return;
    if (registered.size > 10_000) registered.clear();
    tx.whenDone(() => Promise.resolve(void registered.set(lane, now + registrationTtl)));
    tx.redis.zadd(registryKey, now, lane);
    limits.write(tx, lane);
  };
  const addSession = (tx: Transaction, lane: string, index: number): void => {
    const data: SessionJob = { lane, index };
    tx.add(sessionsQueue, { id: sessionId(lane, index), name: 'session', data, opts: sessionOptions });
  };
  // Lanes whose session 0 was there when last looked at, and when that was.
  const awake = new Map<string, number>();
  const sessionKey = (lane: string): string => queues.backend(sessionsQueue).toKey(sessionId(lane, 0));
  const wake = (tx: Transaction, lane: string): void => {
    register(tx, lane);
    const isAwake = (awake.get(lane) ?? 0) > Date.now() - awakeFor;
    const at = tx.length;
    tx.redis.exists(sessionKey(lane));
    if (!isAwake) addSession(tx, lane, 0);
    tx.whenDone(async (results) => {
      if (results[at] === 1) {
        if (awake.size > 10_000) awake.clear();
        awake.set(lane, Date.now());
        return;
      }
      awake.delete(lane);
      if (!isAwake) return;
      const again = queues.begin();
      addSession(again, lane, 0);
      await again.exec();
    });
  };
  const names = (): Promise<string[]> => redis.client.zrange(registryKey, '0', '-1');
  limits.followOrders(names, wake);

  return {
    wake,
    addSession,
    names,
    wakeLater: (tx, lane, at) => {
      register(tx, lane);
      const { id, at: due } = wakeAt(lane, at);
      const data: SessionJob = { lane };
      tx.add(sessionsQueue, { id, name: 'wake', data, delay: Math.max(1, due - Date.now()), opts: sessionOptions });
    },
    steer: (lane, set) => limits.steer(lane, set),
    hold: (lane, ms) => queues.backend(lane).setRateLimit(ms),
    release: async (lane) => void (await redis.client.eval(releaseScript, 1, queues.backend(lane).keys['limiter'] ?? '')),
    hasWork: async (lane) => isWork(await inspect(redis, queues, lane), Date.now()),
    limits: (lane) => limits.of(lane),
    sweep: async () => {
      let woken = 0;
      const idle: string[] = [];
      for (const lane of await names()) {
        const state = await inspect(redis, queues, lane);
        if (state.active > 0) await queues.backend(lane).moveStalledJobsToWait();
        const isAsleep = orders.suspensionOf(lane) !== undefined;
        if (((!isAsleep && isWork(state, Date.now() - wakeSlack)) || state.active > 0) && !state.hasSession) {
          const tx = queues.begin();
          wake(tx, lane);
          await tx.exec();
          woken += 1;
        } else if (state.waiting + state.active === 0 && state.nextDelayed === undefined) {
          idle.push(lane);
        }
      }
      await forget(redis, queues, registryKey, idle);
      return woken;
    },
  };
}

/** BullMQ sets the counter beyond every limit when a lane is held; one that counts is left alone. */
const releaseScript = `
if tonumber(redis.call('GET', KEYS[1]) or 0) > 1000000000 then redis.call('DEL', KEYS[1]) end
return 1`;

interface LaneState {
  waiting: number;
  active: number;
  /** Paused, or its concurrency is used up: then those who have the jobs take the next ones too. */
  isBlocked: boolean;
  /** Epoch ms of the earliest delayed job. */
  nextDelayed: number | undefined;
  hasSession: boolean;
}

const isWork = ({ isBlocked, waiting, nextDelayed }: LaneState, now: number): boolean =>
  !isBlocked && (waiting > 0 || (nextDelayed !== undefined && nextDelayed <= now));

async function inspect(redis: RedisLink, queues: Queues, lane: string): Promise<LaneState> {
  const { keys } = queues.backend(lane);
  const results = await redis.client
    .pipeline()
    .llen(keys['wait'] ?? '')
    .zcard(keys['prioritized'] ?? '')
    .llen(keys['active'] ?? '')
    .zrange(keys['delayed'] ?? '', '0', '0', 'WITHSCORES')
    .exists(queues.backend(sessionsQueue).toKey(sessionId(lane, 0)))
    .hmget(keys['meta'] ?? '', 'paused', 'concurrency')
    .exec();
  const [waiting, prioritized, active, delayed, session, meta] = (results ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
  const [paused, concurrency] = meta as (string | null)[];
  const score = Array.isArray(delayed) ? Number(delayed[1]) : Number.NaN;
  return {
    waiting: Number(waiting) + Number(prioritized),
    active: Number(active),
    isBlocked: typeof paused === 'string' || (typeof concurrency === 'string' && Number(active) >= Number(concurrency)),
    nextDelayed: Number.isNaN(score) ? undefined : score / 0x1000, // BullMQ keeps 12 bits of order below the time
    hasSession: session === 1,
  };
}

/** Removes what an empty lane leaves: its place in the registry, and the keys that BullMQ keeps of an empty queue. */
const forgetScript = `
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[2]) then return 0 end
if redis.call('EXISTS', KEYS[2], KEYS[3], KEYS[4], KEYS[5]) > 0 then return 0 end
if redis.call('HEXISTS', KEYS[6], 'paused') == 1 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
for i = 6, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1`;

/** Takes lanes that were empty for long out of Redis; one that has got work meanwhile stays. */
async function forget(redis: RedisLink, queues: Queues, registryKey: string, lanes: string[]): Promise<void> {
  for (const lane of lanes) {
    const { keys } = queues.backend(lane);
    const named = [
      'wait',
      'active',
      'delayed',
      'prioritized',
      'meta',
      'events',
      'marker',
      'id',
      'stalled',
      'stalled-check',
      'limiter',
      'pc',
    ];
    const all = [registryKey, ...named.map((name) => keys[name] ?? '')];
    await redis.client.eval(forgetScript, all.length, ...all, lane, Date.now() - idleLaneTtl);
  }
}
