import { recipientsOf, type DispositionRecord, type RecordType } from './disposition.ts';
import type { LogFilter } from './log-filter.ts';
import { hookName, hookQueue, webhookQueue } from './subscriptions.ts';

/** Who gets the records again. */
export type ReplayTarget = { kind: 'bounces' } | { kind: 'webhook'; name: string } | { kind: 'hook'; name: string } | { kind: 'redeliver' };

/** A replay as it was asked for. Plain values: it is kept as JSON, and a resumed replay does what the first run was told. */
export interface ReplayPlan {
  /** With `until`: what is logged after the beginning, such as what the replay itself brings about, is no part of it. */
  filter: LogFilter & { until: number };
  target: ReplayTarget;
  /** Records a second at most. */
  rate: number;
  /** Send again what was sent. */
  force: boolean;
}

/** What marks a job that belongs to a replay. */
export interface ReplayMark {
  /** Of the replay. */
  id: string;
  force?: true;
}

/** Records of redelivery wait in a queue of their own. */
export const redeliverQueue = 'redeliver';

/** Reads `bounces`, `redeliver`, `webhook:NAME`, `hook:NAME`; undefined when it is none. */
export function parseReplayTarget(text: string): ReplayTarget | undefined {
  if (text === 'bounces' || text === 'redeliver') return { kind: text };
  const [kind, name, ...more] = text.split(':');
  if ((kind !== 'webhook' && kind !== 'hook') || name === undefined || !hookName.test(name) || more.length > 0) return undefined;
  return { kind, name };
}

export const formatReplayTarget = (target: ReplayTarget): string => ('name' in target ? `${target.kind}:${target.name}` : target.kind);

export function queueOfTarget(target: ReplayTarget): string {
  if (target.kind === 'webhook') return webhookQueue(target.name);
  if (target.kind === 'hook') return hookQueue(target.name);
  return target.kind === 'redeliver' ? redeliverQueue : target.kind;
}

/** The same for the same record of the same replay, so that adding it again adds nothing; never that of the record's first job. */
export const replayJobId = (eventId: string, replayId: string): string => `${eventId}${separator}${replayId}`;

/** The replay that a job belongs to, from its id; undefined for one of the live flow. */
export const replayOfJobId = (jobId: string): string | undefined => /~([0-9a-f]{32})$/.exec(jobId)?.[1];

/** BullMQ forbids ":"; no event id of ours has this. */
const separator = '~';

/** Failures for good, of which the message can be tried again. */
export const redeliverable: readonly RecordType[] = ['Bounce', 'Expiration', 'AdminBounce'];

/** Counts of a dry run. */
export interface ReplaySurvey {
  records: number;
  /** Of these, records that the target has no use for. */
  skipped: number;
  sites: Map<string, number>;
  codes: Map<string, number>;
  classes: Map<string, number>;
  sample: ReplaySample[];
}

/** A record in a few words. */
export interface ReplaySample {
  event_id: string;
  type: string;
  time: string;
  sender: string;
  recipient: string;
  site: string;
  code: number;
}

export const emptySurvey = (): ReplaySurvey => ({
  records: 0,
  skipped: 0,
  sites: new Map(),
  codes: new Map(),
  classes: new Map(),
  sample: [],
});

/** Adds a record to the counts, which stay of bounded size whatever comes. */
export function addToSurvey(survey: ReplaySurvey, record: DispositionRecord, isUseful: boolean): void {
  survey.records += 1;
  if (!isUseful) {
    survey.skipped += 1;
    return;
  }
  const { site, response, bounce_classification: name } = record;
  const e = response.enhanced_code;
  count(survey.sites, String(site).slice(0, longest) || '-');
  count(survey.codes, `${response.code}${e ? ` ${e.class}.${e.subject}.${e.detail}` : ''}`.slice(0, longest));
  count(survey.classes, String(name).slice(0, longest));
  if (survey.sample.length < sampleSize) survey.sample.push(sampleOf(record));
}

export function sampleOf(record: DispositionRecord): ReplaySample {
  const [recipient = ''] = recipientsOf(record);
  const cut = (value: unknown): string => (typeof value === 'string' ? value.slice(0, longest) : '');
  return {
    event_id: cut(record.event_id),
    type: cut(record.type),
    time: cut(record.event_time),
    sender: cut(record.sender),
    recipient: cut(recipient),
    site: cut(record.site),
    code: Number(record.response.code),
  };
}

const sampleSize = 10;
/** Names that are counted apart. */
const mostNames = 2000;
/** Characters of a name. */
const longest = 200;
const others = '(others)';

function count(counts: Map<string, number>, name: string): void {
  const key = counts.has(name) || counts.size < mostNames ? name : others;
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
