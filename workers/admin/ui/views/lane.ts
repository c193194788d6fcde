import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { useState } from 'preact/hooks';
import type { Answer } from '../api.ts';
import { clock, count, duration, fromNow, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Facts, type Fact } from '../parts/facts.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { RecordTable } from '../parts/record-table.ts';
import { Age } from '../parts/words.ts';
import { useAsk } from '../use-ask.ts';
import { LaneState } from './lanes.ts';
import { OrderDialog, orderWords, type OrderKind } from './order-dialog.ts';
import { Orders } from './orders.ts';

type Detail = Answer<'GET /api/lanes/{lane}'>;

/** Milliseconds between looks. */
const often = 2000;

/** One destination: what waits, how fast it may go, what it said. */
export function Lane({ name }: { name: string }): View {
  const { data, problem, again } = useAsk('GET /api/lanes/{lane}', { params: { lane: name }, query: {} }, often);
  return html`<p class="crumbs"><a href="/lanes">Lanes</a></p>
    <h1 tabindex="-1">${visible(data?.site ?? name)} ${data && html`<${LaneState} lane=${data} />`}</h1>
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`} ${data && html`<${Actions} lane=${data} onChange=${again} /><${Detail} lane=${data} />`}`;
}

const kinds: readonly OrderKind[] = ['suspend', 'hold', 'retry', 'limits', 'bounce', 'drop'];

function Actions({ lane, onChange }: { lane: Detail; onChange: () => void }): View {
  const [kind, setKind] = useState<OrderKind | undefined>(undefined);
  const close = (): void => {
    setKind(undefined);
    onChange();
  };
  if (!useMayAct()) return null;
  return html`<div class="actions spaced">
    ${kinds.map((each) => html`<button type="button" class=${orderWords[each].danger ? 'danger' : ''} onClick=${() => setKind(each)}>${orderWords[each].verb}…</button>`)}
    ${kind && html`<${OrderDialog} kind=${kind} criteria=${{ lane: lane.lane }} name=${lane.site} onClose=${close} />`}
  </div>`;
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
    <${Orders} fits=${(order: { criteria: Record<string, unknown> }) => concerns(order.criteria, lane)} />
    <${Replies} lane=${lane} />
    <${Sessions} sessions=${lane.sessions} />
    <p class="more">
      <a href=${`/bounces?${new URLSearchParams({ site: lane.site })}`}>Bounces of this site</a>
      <a href=${`/queues/queue/${encodeURIComponent(lane.lane)}`}>Its jobs in BullMQ</a>
    </p>`;
}

/** As far as a lane alone can tell: an order may ask for more of each message. */
const concerns = ({ lane, site, source, everything }: Record<string, unknown>, of: Detail): boolean =>
  everything === true || lane === of.lane || (lane === undefined && (site === of.site || source === of.source));

const backlogOf = (lane: Detail): Fact[] => [
  ['Lane', html`<span class="mono">${visible(lane.lane)}</span>`],
  ['Source', visible(lane.source)],
  ['Ready', count(lane.waiting)],
  ['For a retry', count(lane.delayed)],
  ['In flight', count(lane.active)],
  ['Next retry', lane.next_retry ? html`<span title=${clock(lane.next_retry)}>${fromNow(lane.next_retry, Date.now())}</span>` : '–'],
  ['Oldest message', html`<${Age} at=${lane.oldest} />`],
];

const limitsOf = ({ limits: { connections, concurrency, rate, from } }: Detail): Fact[] => [
  ['Connections', html`${count(connections)} <${From} of=${from.connections} />`],
  ['Transactions at once', html`${concurrency === null ? 'no limit' : count(concurrency)} <${From} of=${from.concurrency} />`],
  ['Rate', html`${rate === null ? 'no limit' : `${count(rate.messages)} messages in ${duration(rate.ms)}`} <${From} of=${from.rate} />`],
];

const From = ({ of }: { of: string }): View =>
  html`<span class="dim">${of === 'settings' ? '' : `by ${of === 'order' ? 'an order' : 'the policy'}`}</span>`;

function Replies({ lane: { last_replies: records } }: { lane: Detail }): View {
  return html`<section aria-labelledby="replies">
    <h2 id="replies">What it last said</h2>
    ${
      records.length === 0
        ? html`<${Empty}>No record of this lane among those of late.<//>`
        : html`<${RecordTable} records=${records} pathOf=${({ id }: DispositionRecord) => `/messages/${id}`} />`
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
