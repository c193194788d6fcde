import { useState } from 'preact/hooks';
import { ask, type Answer } from '../api.ts';
import { count, fromNow, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Act, reasonOf } from '../parts/act.ts';
import { Empty, Trouble } from '../parts/notice.ts';
import { Badge, Time } from '../parts/words.ts';
import { useAsk } from '../use-ask.ts';
import { orderWords, type OrderKind } from './order-dialog.ts';

type Order = Answer<'GET /api/orders'>['orders'][number];

/** Orders in force, each with its end. `fits`: of all, those to show. */
export function Orders({ fits = () => true }: { fits?: (order: Order) => boolean }): View {
  const { data, problem, again } = useAsk('GET /api/orders', { query: { state: 'in force', limit: 200 } }, 2000);
  const [ending, setEnding] = useState<Order | undefined>(undefined);
  const mayAct = useMayAct();
  const shown = data?.orders.filter(fits) ?? [];
  const close = (): void => {
    setEnding(undefined);
    again();
  };
  return html`<section aria-labelledby="orders">
    <h2 id="orders" title="What operators have ordered: to suspend, hold, limit, end mail, for a time or until it is ended">
      Orders in force
    </h2>
    <${Trouble} problem=${problem} />
    ${data && shown.length === 0 && html`<${Empty}>None: all goes as settings and policy say. An order is what a person tells all workers to do with some mail: suspend it, limit it, end it.<//>`}
    ${
      shown.length > 0 &&
      html`<table class="stack">
        <thead>
          <tr>
            <th>Order</th>
            <th>Concerns</th>
            <th>Reason</th>
            <th>By</th>
            <th>Until</th>
            <th class="n">Messages</th>
            ${mayAct && html`<th><span class="sr">End</span></th>`}
          </tr>
        </thead>
        <tbody>
          ${shown.map(
            (order) =>
              html`<tr key=${order.id}>
                <th scope="row"><${Badge} tone=${order.kind === 'bounce' || order.kind === 'drop' ? 'bad' : 'wait'}>${order.kind}<//></th>
                <td data-label="Concerns">${visible(criteriaWords(order))}</td>
                <td data-label="Reason">${visible(order.reason)}</td>
                <td data-label="By">
                  ${visible(order.who)} <span class="dim"><${Time} at=${order.created} /></span>
                </td>
                <td data-label="Until">${order.expires ? fromNow(order.expires, Date.now()) : 'it is ended'}</td>
                <td class="n" data-label="Messages">${count(order.messages.done)}</td>
                ${mayAct && html`<td><button type="button" onClick=${() => setEnding(order)}>${orderWords[order.kind as OrderKind]?.undo ?? 'End'}</button></td>`}
              </tr>`,
          )}
        </tbody>
      </table>`
    }
    ${ending && html`<${EndDialog} order=${ending} onClose=${close} />`}
  </section>`;
}

const criteriaWords = ({ criteria, limits }: Order): string =>
  [
    ...Object.entries(criteria).map(([name, value]) => (name === 'everything' ? 'everything' : `${name} ${value}`)),
    ...Object.entries(limits ?? {}).map(([name, value]) => `${name} ${value}`),
  ].join(', ');

function EndDialog({ order, onClose }: { order: Order; onClose: () => void }): View {
  const verb = orderWords[order.kind as OrderKind]?.undo ?? 'End';
  const act = async (fields: FormData): Promise<View> => {
    await ask('DELETE /api/orders/{id}', { params: { id: order.id }, body: { reason: reasonOf(fields) } });
    return html`<p>Done: the order holds no more.</p>`;
  };
  return html`<${Act} title=${`${verb}: ${visible(criteriaWords(order))}`} verb=${verb} onClose=${onClose} act=${act}>
    <p>The order of ${visible(order.who)} (${visible(order.reason)}) ends.</p>
  <//>`;
}
