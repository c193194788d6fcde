import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import type { LogEntry } from '../../../shared/core/log-entry.ts';
import { filterFields, type FilterField } from '../../../shared/core/log-filter.ts';
import type { Answer, ReboundClient, Request } from '../../../shared/io/client.ts';
import type { Output } from './output.ts';
import { warn } from './warn.ts';

export interface RemoteRequest {
  verb: 'tail' | 'search' | 'export';
  /** As they were given: the server knows the time. */
  filter: Partial<Record<FilterField, string>>;
  isReverse: boolean;
  isFollowing: boolean;
  limit: number;
}

type Query = NonNullable<Request<'dispositions'>['query']>;
type Page = Answer<'dispositions'>;
/** A record with its place in the log. */
type Logged = Page['records'][number];

const pageSize = 1000;
/** Clocks of the processes that write may differ by this. Milliseconds. */
const clockDifference = 60_000;

/** The log and its archive as the API tells them. Resolves with the exit code, as reading them here does. */
export async function readRemote(api: ReboundClient, request: RemoteRequest, output: Output): Promise<number> {
  const { verb, isReverse, isFollowing, limit } = request;
  const filter = Object.fromEntries(filterFields.map((field) => [field, request.filter[field]])) as Query;
  let isDamaged = false;
  const read = (order: 'newest' | 'oldest', most: number): AsyncGenerator<Logged> =>
    records(api, { ...filter, order, limit: Math.min(most, pageSize) }, most, output.signal, (damage) => {
      isDamaged = true;
      for (const { segment, problem } of damage) warn(`${segment} is passed over: ${problem}`);
    });
  if (verb === 'tail') await tail(api, { filter, isFollowing, limit }, read, output);
  else for await (const record of read(isReverse ? 'newest' : 'oldest', limit)) await output.write(entryOf(record));
  if (output.isBroken) return 0;
  if (output.signal.aborted && !isFollowing) return 130;
  return isDamaged ? 1 : 0;
}

const entryOf = ({ log_id: at, ...record }: Logged): LogEntry => ({ at, record });

async function* records(
  api: ReboundClient,
  query: Query,
  most: number,
  signal: AbortSignal,
  onDamage: (damage: Page['damage']) => void,
): AsyncGenerator<Logged, void, undefined> {
  let left = most;
  let cursor: string | undefined;
  do {
    const page: Page = await api.dispositions({ query: { ...query, cursor } });
    if (page.damage.length > 0) onDamage(page.damage);
    for (const record of page.records) {
      if (signal.aborted) return;
      yield record;
      left -= 1;
      if (left <= 0) return;
    }
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && !signal.aborted);
}

async function tail(
  api: ReboundClient,
  { filter, isFollowing, limit }: { filter: Query; isFollowing: boolean; limit: number },
  read: (order: 'newest', most: number) => AsyncGenerator<Logged>,
  output: Output,
): Promise<void> {
  // More than are shown: the stream begins a little earlier than it must, and what is known already is passed over.
  const known = await Array.fromAsync(read('newest', isFollowing ? Math.max(limit, pageSize) : limit));
  for (const record of known.slice(0, limit).reverse()) await output.write(entryOf(record));
  if (!isFollowing || output.signal.aborted) return;
  const seen = new Set(known.map(({ event_id: id }) => id));
  const { until: _, ...streamed } = filter;
  const from = Math.floor((known[0]?.timestamp ?? Date.now() / 1000) * 1000) - clockDifference;
  for await (const { id: at = '0-0', event, data } of api.events({
    query: { ...streamed, since: undefined, after: `${from}-0` },
    signal: output.signal,
  })) {
    if (event === 'gap') warn('the log does not reach back to what was told last: some records are missing');
    if (event !== undefined) continue;
    const record = JSON.parse(data) as DispositionRecord;
    if (!seen.has(record.event_id)) await output.write({ at, record });
  }
}
