import { useEffect, useState } from 'preact/hooks';
import { html, type View } from '../html.ts';
import { duration } from '../format.ts';
import { Trouble } from '../parts/notice.ts';
import { setQuery, usePlace } from '../router.ts';
import { useAsk } from '../use-ask.ts';
import { Numbers } from './overview-numbers.ts';
import { OverTime, Reasons, Sites } from './overview-history.ts';
import { Latest, Subscribers, Workers } from './overview-lists.ts';
import { Warnings } from './overview-warnings.ts';

/** What one look at the recent past covers, and how wide its steps are. */
export const ranges = { '1h': '1m', '6h': '5m', '24h': '15m' } as const;
export type Range = keyof typeof ranges;

/** Milliseconds between looks: at what changes all the time, at what changes slowly. */
const often = 2000;
const seldom = 10_000;

export function Overview(): View {
  const { query } = usePlace();
  const asked = query.get('range') ?? '';
  const range: Range = Object.hasOwn(ranges, asked) ? (asked as Range) : '1h';
  const status = useAsk('GET /api/status', { query: {} }, often);
  // The server counts back while it answers: asked again soon until it has all.
  const [countsEvery, setCountsEvery] = useState(often);
  const counts = useAsk('GET /api/dispositions/counts', { query: { since: range, step: ranges[range], top: 12 } }, countsEvery);
  useEffect(() => setCountsEvery(counts.data?.is_complete ? seldom : often), [counts.data?.is_complete]);
  const lanes = useAsk('GET /api/lanes', { query: { sort: 'age', limit: 200 } }, seldom);
  const sessions = useAsk('GET /api/sessions', { query: { limit: 1 } }, often);
  const workers = useAsk('GET /api/workers', { query: {} }, seldom);
  return html`<h1 class="sr" tabindex="-1">Overview</h1>
    <${Trouble} problem=${status.problem} />
    <${Warnings} status=${status.data} workers=${workers.data} />
    <${Numbers}
      status=${status.data}
      sessions=${sessions.data?.total}
      oldest=${lanes.data?.lanes[0]?.oldest ?? null}
      workers=${workers.data?.workers}
    />
    <section aria-labelledby="history">
      <div class="head">
        <h2 id="history">Over time</h2>
        <${Ranges} range=${range} />
        ${counts.data && !counts.data.is_complete && html`<span class="dim">counted for ${duration(Date.now() - Date.parse(counts.data.counted_since))} so far</span>`}
      </div>
      <${Trouble} problem=${counts.problem} />
      <${OverTime} counts=${counts.data} />
    </section>
    <div class="columns">
      <${Reasons} counts=${counts.data} range=${range} />
      <${Sites} counts=${counts.data} lanes=${lanes.data?.lanes} range=${range} />
    </div>
    <${Latest} />
    <div class="columns">
      <${Subscribers} status=${status.data} />
      <${Workers} workers=${workers.data?.workers} problem=${workers.problem} />
    </div>`;
}

function Ranges({ range }: { range: Range }): View {
  return html`<div class="choice" role="group" aria-label="How far back">
    ${Object.keys(ranges).map(
      (each) =>
        html`<button type="button" aria-pressed=${each === range} onClick=${() => setQuery({ range: each === '1h' ? undefined : each })}>
          ${each}
        </button>`,
    )}
  </div>`;
}
