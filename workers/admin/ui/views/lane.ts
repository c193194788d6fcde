import type { Answer } from '../api.ts';
import { clock, count, duration, fromNow, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Facts, type Fact } from '../parts/facts.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { Address, Age, Reply, Time, TypeBadge } from '../parts/words.ts';
import { recipientsOf } from '../records.ts';
import { useAsk } from '../use-ask.ts';
import { LaneState } from './lanes.ts';

type Detail = Answer<'GET /api/lanes/{lane}'>;

/** Milliseconds between looks. */
const often = 2000;

/** One destination: what waits, how fast it may go, what it said. */
export function Lane({ name }: { name: string }): View {
  const { data, problem } = useAsk('GET /api/lanes/{lane}', { params: { lane: name }, query: {} }, often);
  return html`<p class="crumbs"><a href="/lanes">Lanes</a></p>
    <h1 tabindex="-1">${visible(data?.site ?? name)} ${data && html`<${LaneState} lane=${data} />`}</h1>
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`} ${data && html`<${Detail} lane=${data} />`}`;
}

function Detail({ lane }: { lane: Detail }): View {
  return html`<div class="columns">
      <section aria-labelledby="backlog">
        <h2 id="backlog">Backlog</h2>
        <${Facts} facts=${backlogOf(lane)} />
      </section>
      <section aria-labelledby="limits">
        <h2 id="limits">Limits in force</h2>
        <${Facts} facts=${limitsOf(lane)} />
      </section>
    </div>
    <${Replies} lane=${lane} />
    <${Sessions} sessions=${lane.sessions} />
    <p class="more">
      <a href=${`/bounces?${new URLSearchParams({ site: lane.site })}`}>Bounces of this site</a>
      <a href=${`/queues/queue/${encodeURIComponent(lane.lane)}`}>Its jobs in BullMQ</a>
    </p>`;
}

const backlogOf = (lane: Detail): Fact[] => [
  ['Lane', html`<span class="mono">${visible(lane.lane)}</span>`],
  ['Source', visible(lane.source)],
  ['Ready', count(lane.waiting)],
  ['For a retry', count(lane.delayed)],
  ['In flight', count(lane.active)],
  ['Next retry', lane.next_retry ? html`<span title=${clock(lane.next_retry)}>${fromNow(lane.next_retry, Date.now())}</span>` : '–'],
  ['Oldest message', html`<${Age} at=${lane.oldest} />`],
];

const limitsOf = ({ limits: { connections, concurrency, rate } }: Detail): Fact[] => [
  ['Connections', count(connections)],
  ['Transactions at once', concurrency === null ? 'no limit' : count(concurrency)],
  ['Rate', rate === null ? 'no limit' : `${count(rate.messages)} messages in ${duration(rate.ms)}`],
];

function Replies({ lane: { last_replies: records } }: { lane: Detail }): View {
  return html`<section aria-labelledby="replies">
    <h2 id="replies">What it last said</h2>
    ${
      records.length === 0
        ? html`<${Empty}>No record of this lane among those of late.<//>`
        : html`<table class="stack">
            <thead>
              <tr>
                <th>Time</th>
                <th>What</th>
                <th>Recipient</th>
                <th>Reply</th>
              </tr>
            </thead>
            <tbody>
              ${records.map(
                (record) =>
                  html`<tr key=${record.event_id}>
                    <td><${Time} at=${record.event_time} /></td>
                    <td><${TypeBadge} type=${record.type} /></td>
                    <td data-label="Recipient">
                      <a href=${`/messages/${record.id}`}><${Address}>${recipientsOf(record)[0] ?? ''}<//></a>
                    </td>
                    <td data-label="Reply"><${Reply} record=${record} /></td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

function Sessions({ sessions }: Pick<Detail, 'sessions'>): View {
  return html`<section aria-labelledby="sessions">
    <h2 id="sessions">Open sessions</h2>
    ${
      sessions.length === 0
        ? html`<${Empty}>None just now.<//>`
        : html`<table>
            <thead>
              <tr>
                <th class="n">Number</th>
                <th>Worker</th>
                <th class="n">Open for</th>
              </tr>
            </thead>
            <tbody>
              ${sessions.map(
                ({ index, worker, since }) =>
                  html`<tr key=${index}>
                    <th scope="row" class="n">${index}</th>
                    <td class="mono">${visible(worker ?? '–')}</td>
                    <td class="n"><${Age} at=${since} /></td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}
