import type { DeliveryJob } from './delivery-job.ts';
import { egressPath, parseLaneName } from './lane.ts';
import { parseQueueName } from './queue-name.ts';

/** What an operator wants done with messages, or allowed a site. */
export const orderKinds = ['suspend', 'hold', 'bounce', 'drop', 'retry', 'rebind', 'limits'] as const;
export type OrderKind = (typeof orderKinds)[number];

/** Which messages: each that is given must fit. Names are compared without regard to case. */
export interface Criteria {
  /** Egress path, `source->site`. */
  lane?: string | undefined;
  site?: string | undefined;
  source?: string | undefined;
  domain?: string | undefined;
  routing_domain?: string | undefined;
  tenant?: string | undefined;
  campaign?: string | undefined;
  /** Return path, or `@domain`; empty: the null sender. */
  sender?: string | undefined;
  message?: string | undefined;
  everything?: true | undefined;
}

/** Another queue: what is absent stays, null is none. */
export interface RebindTo {
  tenant?: string | null | undefined;
  campaign?: string | null | undefined;
  routing_domain?: string | null | undefined;
  source?: string | undefined;
}

export interface OrderedLimits {
  connections?: number | undefined;
  concurrency?: number | undefined;
  rate?: string | undefined;
}

/** An order as everybody knows it; what was done about it is kept elsewhere. */
export interface Order {
  /** 32 hex digits. */
  id: string;
  kind: OrderKind;
  criteria: Criteria;
  reason: string;
  who: string;
  /** Epoch ms, by the clock of Redis, like `expires`. */
  created: number;
  /**
   * `suspend`, `hold`, `limits`: until when it holds; null until it is ended. The others: it concerns messages received until
   * then, and is over when the last look for them is done. The time of its creation: only what waits already.
   */
  expires: number | null;
  /** Of `bounce`: does the sender hear of it? */
  report?: boolean;
  /** Of `rebind`. */
  to?: RebindTo;
  /** Of `limits`. */
  limits?: OrderedLimits;
}

/** An order as it was written; undefined: it is none, and must not keep others from being followed. */
export function parseOrder(text: string): Order | undefined {
  try {
    const { id, kind, criteria, reason, created, expires } = JSON.parse(text) as Record<keyof Order, unknown>;
    const isNamed = typeof id === 'string' && typeof reason === 'string' && orderKinds.includes(kind as OrderKind);
    const isTimed = typeof created === 'number' && (expires === null || typeof expires === 'number');
    if (!isNamed || !isTimed || typeof criteria !== 'object' || criteria === null) return undefined;
    // Without any it would concern all there is, which must be said.
    const values: unknown[] = Object.values(criteria);
    const isSaid = values.length > 0 && values.every((value) => typeof value === 'string' || value === true);
    return isSaid ? (JSON.parse(text) as Order) : undefined;
  } catch {
    return undefined;
  }
}

/** The orders that have not ended, arranged so that asking for one message costs a few look-ups however many there are. */
export interface OrderBook {
  readonly orders: readonly Order[];
  /**
   * What is to be done with a job of a lane now (epoch ms, by the clock of Redis), when it is about to be tried: the end of it
   * goes before another queue, that before being held, and that before a suspension.
   */
  orderFor(job: DeliveryJob, lane: string, now: number): Order | undefined;
  /** The suspension of a whole lane: its sessions stop, and its jobs stay as they are. */
  suspensionOf(lane: string, now: number): Order | undefined;
  /** Orders that limit a lane, the strongest first: a lane's before its site's, and of those the latest. */
  limitsOf(lane: string, now: number): Order[];
}

export function openOrderBook(orders: readonly Order[]): OrderBook {
  const ofJobs = index(orders.filter(({ kind }) => rankOf[kind] !== undefined));
  const ofLanes = index(orders.filter(isOfWholeLane));
  const limits = index(
    orders.filter(({ kind }) => kind === 'limits'),
    placeFields,
  );
  return {
    orders,
    orderFor: (job, lane, now) => {
      if (ofJobs.size === 0) return undefined;
      const place = placeOf(job, lane);
      let best: Order | undefined;
      for (const [field, byValue] of ofJobs) {
        for (const value of field.values(place)) {
          for (const order of byValue.get(value) ?? []) {
            if (isFor(order, job, now) && (!best || goesBefore(order, best)) && fitsPlace(order.criteria, place)) best = order;
          }
        }
      }
      return best;
    },
    suspensionOf: (lane, now) => {
      if (ofLanes.size === 0) return undefined;
      const place = placeOf(undefined, lane);
      let best: Order | undefined;
      for (const [field, byValue] of ofLanes) {
        for (const value of field.values(place)) {
          for (const order of byValue.get(value) ?? []) {
            if (holds(order, now) && (!best || goesBefore(order, best)) && fitsPlace(order.criteria, place)) best = order;
          }
        }
      }
      return best;
    },
    limitsOf: (lane, now) => {
      if (limits.size === 0) return [];
      const place = placeOf(undefined, lane);
      const found: Order[] = [];
      for (const [field, byValue] of limits) {
        for (const value of field.values(place)) found.push(...(byValue.get(value) ?? []));
      }
      return found
        .filter((order) => holds(order, now) && mayConcern(order.criteria, lane))
        .toSorted(
          (a, b) =>
            Number(b.criteria.lane !== undefined) - Number(a.criteria.lane !== undefined) || b.created - a.created || compareIds(a, b),
        );
    },
  };
}

/** Does an order concern this job, whatever others say? The same that `orderFor` looks up, said in plain. */
export const concerns = (order: Order, job: DeliveryJob, lane: string, now: number): boolean =>
  isFor(order, job, now) && fits(order.criteria, job, lane);

/** Do the criteria fit a job of a lane? */
export const fits = (criteria: Criteria, job: DeliveryJob, lane: string): boolean => fitsPlace(criteria, placeOf(job, lane));

/** Can there be jobs in this lane that the criteria fit? */
export function mayConcern({ lane, site, source }: Criteria, name: string): boolean {
  return fitsPlace({ lane, site, source }, placeOf(undefined, name));
}

/** A suspension of a lane, a site, a source or everything: nothing of a message decides. */
export const isOfWholeLane = ({ kind, criteria }: Order): boolean =>
  kind === 'suspend' && Object.entries(criteria).every(([name, value]) => value === undefined || laneFields.has(name));

const laneFields = new Set(['lane', 'site', 'source', 'everything']);

/** Does an order that holds for a time hold now? */
export const holds = ({ expires }: Pick<Order, 'expires'>, now: number): boolean => expires === null || now < expires;

/** The lower goes first; absent: not for single messages when they are due. */
const rankOf: Partial<Record<OrderKind, number>> = { bounce: 0, drop: 0, rebind: 1, hold: 2, suspend: 3 };

/** Is it the time, and the kind of job, for this order? */
function isFor(order: Order, job: DeliveryJob, now: number): boolean {
  switch (order.kind) {
    case 'suspend':
    case 'hold':
      return holds(order, now);
    case 'rebind':
      // Once each: two orders of different minds do not send a message to and fro.
      return isInTime(order, job) && !job.rebound?.includes(order.id) && isElsewhere(order.to ?? {}, job);
    case 'bounce':
    case 'drop':
    case 'retry':
      return isInTime(order, job);
    case 'limits':
      return false;
  }
}

/** Is that another queue than the one the job is in? */
function isElsewhere({ tenant, campaign, routing_domain: routingDomain, source }: RebindTo, job: DeliveryJob): boolean {
  const before = parseQueueName(job.queue);
  return (
    (tenant !== undefined && (tenant ?? undefined) !== before.tenant) ||
    (campaign !== undefined && (campaign ?? undefined) !== before.campaign) ||
    (routingDomain !== undefined && routingDomain?.toLowerCase() !== job.routingDomain) ||
    (source !== undefined && source !== job.source)
  );
}

const isInTime = ({ expires }: Order, { created }: DeliveryJob): boolean => expires === null || created <= expires;

/** Of two of one rank: what ends or moves a message as it came, what delays one by its end, so that nothing is put off twice. */
function goesBefore(a: Order, b: Order): boolean {
  const ranks = (rankOf[a.kind] ?? 9) - (rankOf[b.kind] ?? 9);
  if (ranks !== 0) return ranks < 0;
  if (a.kind === 'suspend' || a.kind === 'hold') {
    const ends = (b.expires ?? Number.MAX_SAFE_INTEGER) - (a.expires ?? Number.MAX_SAFE_INTEGER);
    if (ends !== 0) return ends < 0;
  }
  return (a.created - b.created || compareIds(a, b)) < 0;
}

const compareIds = (a: Order, b: Order): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** What of a job and its lane criteria are compared with; lower case. Without a job only the lane is known. */
interface Place {
  lane: string;
  sites: string[];
  source: string;
  domain?: string;
  routingDomain?: string | undefined;
  tenant?: string | undefined;
  campaign?: string | undefined;
  sender?: string;
  message?: string;
}

function placeOf(job: DeliveryJob | undefined, lane: string): Place {
  const path = egressPath(lane).toLowerCase();
  const { source, site } = parseLaneName(path) ?? { source: '', site: path };
  // The marks of a static route (TLS, login) are no part of its name.
  const plus = site.indexOf('+');
  const place: Place = { lane: path, source, sites: plus < 0 ? [site] : [site, site.slice(0, plus)] };
  if (!job) return place;
  const { tenant, campaign } = parseQueueName(job.queue);
  return {
    ...place,
    source: job.source.toLowerCase(),
    domain: job.domain.toLowerCase(),
    routingDomain: job.routingDomain?.toLowerCase(),
    tenant: tenant?.toLowerCase(),
    campaign: campaign?.toLowerCase(),
    sender: job.envelope.sender.toLowerCase(),
    message: job.message,
  };
}

/** One criterion: the value of a place that it is compared with, or several of which one must be it. */
interface Field {
  name: keyof Criteria;
  values(place: Place): (string | undefined)[];
}

/** The most telling first: an order is looked up by the first of these that it has. */
const fields: readonly Field[] = [
  { name: 'message', values: ({ message }) => [message] },
  {
    name: 'sender',
    values: ({ sender }) => [sender, sender === undefined || sender === '' ? undefined : sender.slice(sender.lastIndexOf('@'))],
  },
  { name: 'domain', values: ({ domain }) => [domain] },
  { name: 'campaign', values: ({ campaign }) => [campaign] },
  { name: 'tenant', values: ({ tenant }) => [tenant] },
  { name: 'routing_domain', values: ({ routingDomain }) => [routingDomain] },
  { name: 'lane', values: ({ lane }) => [lane] },
  { name: 'site', values: ({ sites }) => sites },
  { name: 'source', values: ({ source }) => [source] },
];
/** Those that are known of a lane without a job. */
const placeFields = fields.filter(({ name }) => laneFields.has(name));
const everything: Field = { name: 'everything', values: () => [''] };

/** A criterion in the form of places. */
function wanted(criteria: Criteria, { name }: Field): string | undefined {
  const value = criteria[name];
  if (value === undefined || value === true) return undefined;
  return name === 'lane' ? egressPath(value).toLowerCase() : value.toLowerCase();
}

function fitsPlace(criteria: Criteria, place: Place): boolean {
  return fields.every((field) => {
    const value = wanted(criteria, field);
    return value === undefined || field.values(place).includes(value);
  });
}

/** `telling`: the criteria that count. */
function index(orders: readonly Order[], telling: readonly Field[] = fields): Map<Field, Map<string | undefined, Order[]>> {
  const byField = new Map<Field, Map<string | undefined, Order[]>>();
  for (const order of orders) {
    const field = telling.find((one) => wanted(order.criteria, one) !== undefined) ?? everything;
    const value = wanted(order.criteria, field) ?? '';
    const byValue = byField.get(field) ?? new Map<string | undefined, Order[]>();
    byField.set(field, byValue);
    byValue.set(value, [...(byValue.get(value) ?? []), order]);
  }
  return byField;
}
