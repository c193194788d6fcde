import type { Answer } from '../api.ts';
import { count, duration, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Filters } from '../parts/filters.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { Pages } from '../parts/pages.ts';
import { Age, Badge } from '../parts/words.ts';
import { useAsk } from '../use-ask.ts';
import { Orders } from './orders.ts';

type Row = Answer<'GET /api/lanes'>['lanes'][number];

const rowsOfPage = 50;
/** Milliseconds between looks. */
const often = 2000;

/** Every destination that has had work of late: one page of the list at a time, however long it is. */
export function Lanes({ query }: { query: URLSearchParams }): View {
  const sort = query.get('sort') === 'age' ? 'age' : 'depth';
  const given = Object.fromEntries(['site', 'source', 'cursor'].flatMap((name) => [[name, query.get(name) ?? undefined]]));
  const { data, problem } = useAsk('GET /api/lanes', { query: { ...given, sort, limit: rowsOfPage } }, often);
  return html`<h1 tabindex="-1">Lanes</h1>
    <p class="lead">
      A lane is the queue of one destination: the mail servers of a domain (its site), reached from one of our addresses (its source). Each
      has its own connections, limits and retries, so a slow one holds up no other.
    </p>
    <${Filters}
      query=${query}
      fields=${[
        { name: 'site', label: 'Site contains' },
        { name: 'source', label: 'Source' },
        {
          name: 'sort',
          label: 'First',
          options: [
            ['', 'the deepest'],
            ['age', 'the oldest message'],
          ],
        },
      ]}
    />
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`}
    ${data && data.lanes.length === 0 && html`<${Empty}>No lane fits. A lane appears with the first message to a site and goes an hour after the last.<//>`}
    ${data && data.lanes.length > 0 && html`<${Table} rows=${data.lanes} />`}
    ${data && html`<${Pages} query=${query} next=${data.next} words=${`${count(data.total)} ${data.total === 1 ? 'lane' : 'lanes'}`} />`}
    <${Orders} />`;
}

function Table({ rows }: { rows: readonly Row[] }): View {
  return html`<table class="stack">
    <thead>
      <tr>
        <th>Site</th>
        <th>Source</th>
        <th>State</th>
        <th class="n" title="Messages that can be sent now">Ready</th>
        <th class="n" title="Messages that were deferred and wait for their next attempt">Retry</th>
        <th class="n" title="Messages that are being sent">In flight</th>
        <th class="n" title="Time since the oldest message came in">Oldest</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr key=${row.lane}>
            <th scope="row"><a href=${`/lanes/${encodeURIComponent(row.lane)}`}>${visible(row.site)}</a></th>
            <td data-label="Source">${visible(row.source)}</td>
            <td><${LaneState} lane=${row} /></td>
            <td class="n" data-label="Ready">${count(row.waiting)}</td>
            <td class="n" data-label="Retry">${count(row.delayed)}</td>
            <td class="n" data-label="In flight">${count(row.active)}</td>
            <td class="n" data-label="Oldest"><${Age} at=${row.oldest} /></td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export function LaneState({ lane }: { lane: Pick<Row, 'paused' | 'suspended' | 'held_ms' | 'active' | 'waiting' | 'delayed'> }): View {
  if (lane.suspended || lane.paused)
    return html`<span title=${lane.suspended ? visible(lane.suspended.reason) : undefined}><${Badge} tone="wait">suspended<//></span>`;
  if (lane.held_ms > 0) return html`<${Badge} tone="wait">left alone${lane.held_ms >= 1000 ? ` for ${duration(lane.held_ms)}` : ''}<//>`;
  if (lane.active > 0) return html`<${Badge} tone="good">delivering<//>`;
  if (lane.waiting > 0) return html`<${Badge} tone="plain">ready<//>`;
  return html`<span class="dim">${lane.delayed > 0 ? 'waits for a retry' : 'idle'}</span>`;
}
