import { useState } from 'preact/hooks';
import { ask, Refusal, type Answer, type Input } from '../api.ts';
import { count, several, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Act, reasonOf } from '../parts/act.ts';
import { textOf } from '../parts/form.ts';
import { Loading, Trouble } from '../parts/notice.ts';
import { useAsk } from '../use-ask.ts';

export type OrderKind = 'suspend' | 'hold' | 'retry' | 'bounce' | 'drop' | 'limits';
type Body = NonNullable<Input<'POST /api/orders'>['body']>;
export type Criteria = NonNullable<Input<'POST /api/orders/preview'>['body']>['criteria'];
type Order = Answer<'POST /api/orders'>;

/** What each does, in words; `undo`: how it ends. */
export const orderWords: Record<OrderKind, { verb: string; title: string; words: string; danger?: true; undo?: string }> = {
  suspend: {
    verb: 'Suspend',
    title: 'Suspend',
    words: 'Nothing is tried until it is resumed. Messages grow older meanwhile, and expire.',
    undo: 'Resume',
  },
  hold: { verb: 'Hold', title: 'Hold', words: 'Nothing is tried until it is released. The time does not count as age.', undo: 'Release' },
  retry: { verb: 'Retry now', title: 'Retry now', words: 'What waits for a retry is tried at once.' },
  bounce: {
    verb: 'Bounce',
    title: 'Bounce',
    words: 'What waits ends now, and what comes while the order holds. Senders are told with this reason. What bounced stays so.',
    danger: true,
    undo: 'End',
  },
  drop: { verb: 'Drop', title: 'Drop', words: 'What waits is thrown away, and nobody is told. This cannot be undone.', danger: true },
  limits: {
    verb: 'Limit',
    title: 'Limits',
    words: 'Stronger limits than those of settings and policy, until they are lifted.',
    undo: 'Lift',
  },
};

const lives: readonly (readonly [string, string])[] = [
  ['15m', '15 minutes'],
  ['1h', 'an hour'],
  ['6h', '6 hours'],
  ['24h', 'a day'],
];

/** An order: what it concerns now, for how long, why. Afterwards how far it is, and the way back. */
export function OrderDialog({
  kind,
  criteria,
  name,
  onClose,
}: {
  kind: OrderKind;
  criteria: Criteria;
  name: string;
  onClose: () => void;
}): View {
  const { title, verb, words, danger } = orderWords[kind];
  const act = async (fields: FormData): Promise<View> =>
    html`<${Given} order=${await ask('POST /api/orders', { body: bodyOf(kind, criteria, fields) })} />`;
  return html`<${Act} title=${`${title}: ${visible(name)}`} verb=${verb} danger=${danger ?? false} onClose=${onClose} act=${act}>
    <p>${words}</p>
    <${Concerned} criteria=${criteria} />
    ${kind === 'limits' && html`<${LimitFields} />`}
    ${
      (kind === 'suspend' || kind === 'hold' || kind === 'limits') &&
      html`<label
        >For
        <select name="duration">
          <option value="">until I end it</option>
          ${lives.map(([value, word]) => html`<option value=${value}>${word}</option>`)}
        </select></label
      >`
    }
    ${
      (kind === 'bounce' || kind === 'drop') &&
      html`<label
        >Also what comes within
        <select name="duration">
          <option value="0s">no time: only what waits now</option>
          <option value="5m">5 minutes</option>
          ${lives.map(([value, word]) => html`<option value=${value}>${word}</option>`)}
        </select></label
      >`
    }
    ${kind === 'bounce' && html`<label class="check"><input type="checkbox" name="report" checked /> Senders get reports</label>`}
  <//>`;
}

function bodyOf(kind: OrderKind, criteria: Criteria, fields: FormData): Body {
  const duration = textOf(fields, 'duration');
  const life = { criteria, reason: reasonOf(fields), ...(duration !== '' && { duration }) };
  switch (kind) {
    case 'bounce':
      return { kind, ...life, report: fields.has('report') };
    case 'limits': {
      const number = (name: string): number | undefined => (textOf(fields, name) === '' ? undefined : Number(textOf(fields, name)));
      const [connections, concurrency, rate] = [number('connections'), number('concurrency'), textOf(fields, 'rate').trim()];
      return {
        kind,
        ...life,
        limits: {
          ...(connections !== undefined && { connections }),
          ...(concurrency !== undefined && { concurrency }),
          ...(rate !== '' && { rate }),
        },
      };
    }
    default:
      return { kind, ...life };
  }
}

const LimitFields = (): View =>
  html`<label>Connections <input name="connections" type="number" min="1" max="10000" inputmode="numeric" /></label>
    <label>Transactions at once <input name="concurrency" type="number" min="1" inputmode="numeric" /></label>
    <label>Rate <input name="rate" placeholder="50/s or 1000/h" autocomplete="off" /></label>`;

/** What the order would concern now. */
function Concerned({ criteria }: { criteria: Criteria }): View {
  const { data, problem } = useAsk('POST /api/orders/preview', { body: { criteria } });
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<${Loading} />`;
  return html`<div class="concerned" role="status">
    <p>
      Waiting now: <b>${data.is_complete ? '' : 'at least '}${several(data.messages, 'message')}</b> with
      ${` ${several(data.recipients, 'recipient')} in ${several(data.lanes.length, 'lane')}`}.
    </p>
    ${
      data.sample.length > 0 &&
      html`<ul>
        ${data.sample.slice(0, 3).map((one) => html`<li key=${one.message + one.lane}>${visible(one.sender) || '<>'} to ${visible(one.recipients.slice(0, 2).join(', '))}</li>`)}
      </ul>`
    }
  </div>`;
}

function Given({ order: given }: { order: Order }): View {
  const [ended, setEnded] = useState(false);
  const { data } = useAsk('GET /api/orders/{id}', { params: { id: given.id }, query: {} }, 1000);
  const order = data ?? given;
  const { undo } = orderWords[given.kind as OrderKind] ?? {};
  const [problem, setProblem] = useState('');
  const end = async (): Promise<void> => {
    setProblem('');
    try {
      await ask('DELETE /api/orders/{id}', { params: { id: given.id }, body: { reason: 'undone at once' } });
      setEnded(true);
    } catch (error) {
      setProblem(error instanceof Refusal ? error.message : String(error));
    }
  };
  return html`<p>
      ${ended ? 'It is undone.' : `It is ${order.state}: ${count(order.messages.done)} of ${several(order.messages.matched, 'message')} done${order.messages.busy > 0 ? `, ${count(order.messages.busy)} are just being tried` : ''}.`}
    </p>
    <p class="problem" role="alert">${problem}</p>
    ${!ended && undo && order.state !== 'ended' && html`<p><button type="button" onClick=${end}>Undo: ${undo.toLowerCase()}</button></p>`}`;
}
