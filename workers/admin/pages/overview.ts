import { recipientsOf, parseResponse, type DispositionRecord, type RecordType } from '../../../shared/core/disposition.ts';
import { replyOnOneLine } from '../../../shared/core/reply.ts';
import { html, type Html } from '../html.ts';
import type { Depths, LaneDepth } from '../lane-depths.ts';
import type { Recent } from '../recent.ts';
import { circumstances, count, layout, time, typeBadge, typeWords } from './layout.ts';

export interface OverviewView {
  hostname: string;
  recent: Recent;
  depths: Depths;
}

const mostLanes = 50;
const mostRecipients = 3;

/** What came in and what became of it, what waits where, and what failed last. */
export function overviewPage({ hostname, recent, depths }: OverviewView): Html {
  const body = html`<h1 class="sr">Overview</h1>
    ${counters(recent)} ${queue(depths)} ${failures(recent.failures)}`;
  return layout({ title: 'Overview', hostname, body });
}

const cards: readonly RecordType[] = [
  'Reception',
  'Delivery',
  'TransientFailure',
  'Bounce',
  'Expiration',
  'AdminBounce',
  'Rejection',
  'OOB',
  'Feedback',
];

function counters({ counts, counted, since }: Recent): Html {
  const card = (type: RecordType): Html =>
    html`<div class="card ${typeWords[type].tone} ${counts[type] === 0 && 'zero'}">
      <dt>${typeWords[type].word}</dt>
      <dd>${count(counts[type])}</dd>
    </div>`;
  return html`<section id="counters" data-live>
    <h2>Recipients</h2>
    <p class="note">
      ${since === undefined ? 'Nothing has come in yet.' : html`in the last ${count(counted)} records, since ${time(since)}`}
    </p>
    <dl class="cards">${cards.map(card)}</dl>
  </section>`;
}

function queue({ lanes, waiting, delayed, active }: Depths): Html {
  const busy = lanes.filter((lane) => lane.waiting + lane.delayed + lane.active > 0 || lane.paused);
  const shown = busy.length > 0 ? busy.slice(0, mostLanes) : lanes.slice(0, mostLanes);
  const deepest = Math.max(1, ...shown.map((lane) => lane.waiting + lane.delayed + lane.active));
  return html`<section id="queue" data-live>
    <h2>Queue</h2>
    <p class="note">
      <b>${count(waiting)}</b> waiting, <b>${count(delayed)}</b> for a retry, <b>${count(active)}</b> in flight, in ${count(lanes.length)}
      ${lanes.length === 1 ? 'lane' : 'lanes'}
    </p>
    ${
      shown.length === 0
        ? html`<p class="empty">No lanes yet. A lane appears with the first message to a site.</p>`
        : html`<table class="stack">
            <thead>
              <tr>
                <th>Site</th>
                <th>Source</th>
                <th class="n">Waiting</th>
                <th class="n">Retry</th>
                <th class="n">In flight</th>
                <th class="wide"></th>
              </tr>
            </thead>
            <tbody>
              ${shown.map((lane) => laneRow(lane, deepest))}
            </tbody>
          </table>`
    }
    ${lanes.length > shown.length && html`<p class="note">and ${count(lanes.length - shown.length)} more</p>`}
  </section>`;
}

function laneRow(lane: LaneDepth, deepest: number): Html {
  const part = (n: number): string => ((n / deepest) * 100).toFixed(2);
  return html`<tr>
    <th scope="row">
      <a href="/queues/queue/${encodeURIComponent(lane.lane)}">${lane.site}</a
      >${lane.paused && html` <span class="badge wait">paused</span>`}${
        lane.heldMs > 0 && html` <span class="badge wait">held ${Math.ceil(lane.heldMs / 1000)} s</span>`
      }
    </th>
    <td data-label="Source">${lane.source}</td>
    <td class="n" data-label="Waiting">${count(lane.waiting)}</td>
    <td class="n" data-label="Retry">${count(lane.delayed)}</td>
    <td class="n" data-label="In flight">${count(lane.active)}</td>
    <td class="wide">
      <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="rail" width="100" height="6" />
        <rect class="waiting" width="${part(lane.waiting)}" height="6" />
        <rect class="delayed" x="${part(lane.waiting)}" width="${part(lane.delayed)}" height="6" />
        <rect class="active" x="${part(lane.waiting + lane.delayed)}" width="${part(lane.active)}" height="6" />
      </svg>
    </td>
  </tr>`;
}

function failures(records: readonly DispositionRecord[]): Html {
  return html`<section id="failures" data-live>
    <h2>Latest failures</h2>
    ${
      records.length === 0
        ? html`<p class="empty">None. What a server refuses or puts off appears here, with its words.</p>`
        : html`<table class="stack failures">
            <thead>
              <tr>
                <th>Time</th>
                <th></th>
                <th>Recipient</th>
                <th>Reply</th>
              </tr>
            </thead>
            <tbody>
              ${records.map(failureRow)}
            </tbody>
          </table>`
    }
  </section>`;
}

function failureRow(record: DispositionRecord): Html {
  const recipients = recipientsOf(record);
  const more = recipients.length - mostRecipients;
  return html`<tr>
    <td data-label="Time"><a href="/messages/${encodeURIComponent(record.id)}">${time(record.event_time)}</a></td>
    <td>${typeBadge(record.type)}</td>
    <td data-label="Recipient">
      ${recipients.slice(0, mostRecipients).map((address) => html`<div class="address">${address}</div>`)}${
        more > 0 && html`<div class="dim">and ${count(more)} more</div>`
      }
      <div class="dim">from ${record.sender || '<>'}</div>
    </td>
    <td data-label="Reply">
      <div class="reply">${replyOnOneLine(parseResponse(record.response))}</div>
      <div class="dim">${circumstances(record)}</div>
    </td>
  </tr>`;
}
