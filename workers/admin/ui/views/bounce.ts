import { useState } from 'preact/hooks';
import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import type { Answer } from '../api.ts';
import { clock, size, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Facts, type Fact } from '../parts/facts.ts';
import { Loading, Trouble } from '../parts/notice.ts';
import { Time, TypeBadge } from '../parts/words.ts';
import { commandWords, recipientsOf } from '../records.ts';
import { useAsk } from '../use-ask.ts';
import { Conversation } from './bounce-conversation.ts';
import { Report } from './bounce-report.ts';
import { ReplayDialog } from './replay-dialog.ts';
import { RuleDialog } from './rule-dialog.ts';

type Fate = Answer<'GET /api/dispositions/{event}'>;

/** Milliseconds between looks while its report or a replay of it is under way. */
const often = 2000;
/** A replay shows itself within this time. Milliseconds. */
const soon = 15_000;

/** One failure, to its bottom: what was said and means, how it came to that, what its sender was told. */
export function Bounce({ event }: { event: string }): View {
  const [isUnderWay, setUnderWay] = useState(false);
  const { data, problem, again } = useAsk(
    'GET /api/dispositions/{event}',
    { params: { event }, query: {} },
    isUnderWay ? often : undefined,
  );
  const [actedAt, setActedAt] = useState(0);
  const isPending = data !== undefined && (data.report.outcome === 'waiting' || data.replays.some(({ outcome }) => outcome === null));
  const isNext = isPending || Date.now() - actedAt < soon;
  if (isNext !== isUnderWay) setUnderWay(isNext);
  const acted = (): void => {
    setActedAt(Date.now());
    again();
  };
  const record = data?.record;
  return html`<p class="crumbs"><a href="/bounces">Bounces</a></p>
    <h1 tabindex="-1">
      ${record ? html`${visible(recipientsOf(record).slice(0, 3).join(', '))} <${TypeBadge} type=${record.type} />` : 'Bounce'}
    </h1>
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`} ${data && html`<${Detail} fate=${data} onChange=${acted} />`}`;
}

function Detail({ fate, onChange }: { fate: Fate; onChange: () => void }): View {
  const { record } = fate;
  return html`<${Actions} record=${record} onChange=${onChange} />
    <${Said} fate=${fate} />
    <div class="columns">
      <section aria-labelledby="facts">
        <h2 id="facts">Circumstances</h2>
        <${Facts} facts=${factsOf(record)} />
      </section>
      <section aria-labelledby="fate">
        <h2 id="fate">What became of it</h2>
        <${Facts} facts=${fateOf(fate)} />
      </section>
    </div>
    <${Conversation} event=${record.event_id} />
    <${Report} fate=${fate} />
    <section>
      <details>
        <summary>The record, as it is in the log</summary>
        <pre tabindex="0">${visible(JSON.stringify(record, null, 2))}</pre>
      </details>
    </section>`;
}

function Actions({ record, onChange }: { record: DispositionRecord; onChange: () => void }): View {
  const [open, setOpen] = useState<'report' | 'redeliver' | 'rule' | undefined>(undefined);
  const mayAct = useMayAct();
  const close = (): void => {
    setOpen(undefined);
    onChange();
  };
  if (!mayAct) return html`<p class="lead">To redeliver, replay or try a rule, the role operator is needed.</p>`;
  const isOwn = record.id !== '' && record.type !== 'Feedback';
  return html`<div class="actions spaced">
    ${isOwn && html`<button type="button" onClick=${() => setOpen('report')}>Make the report again</button>`}
    ${isOwn && html`<button type="button" onClick=${() => setOpen('redeliver')}>Deliver again</button>`}
    ${record.response.code >= 400 && !record.response.local && html`<button type="button" onClick=${() => setOpen('rule')}>Rule from this reply</button>`}
    ${open === 'rule' && html`<${RuleDialog} record=${record} onClose=${close} />`}
    ${(open === 'report' || open === 'redeliver') && html`<${ReplayDialog} record=${record} to=${open === 'report' ? 'bounces' : 'redeliver'} onClose=${close} />`}
  </div>`;
}

/** The reply to the letter, and the same in plain words. */
function Said({ fate: { record, explanation } }: { fate: Fate }): View {
  const { response, peer_address: peer } = record;
  const e = response.enhanced_code;
  const lines =
    response.wire ?? linesOf(response.code, e ? `${e.class}.${e.subject}.${e.detail} ` : '', response.lines ?? [response.content]);
  const who = response.local
    ? 'This relay noted'
    : `${peer ? `${peer.name || 'The server'} [${peer.addr}]` : 'The server'} said${response.command ? ` to ${commandWords(response.command)}` : ''}`;
  return html`<section class="said" aria-labelledby="said">
    <h2 id="said">${visible(who)}</h2>
    <pre tabindex="0">${visible(lines.join('\n'))}</pre>
    ${response.rewritten_from !== undefined && html`<p class="dim">A rule or the policy made ${response.code} of the server's ${response.rewritten_from}.</p>`}
    ${
      explanation &&
      html`<p class="meaning"><b>${explanation.reason}</b> ${explanation.advice}</p>
        <p class="dim">${lastingWords(record)} Status ${explanation.status}.</p>`
    }
  </section>`;
}

const linesOf = (code: number, enhanced: string, lines: readonly string[]): string[] =>
  lines.map((line, n) => `${code || ''}${n < lines.length - 1 ? '-' : ' '}${enhanced}${line}`);

function lastingWords({ type, response: { code } }: DispositionRecord): string {
  if (type === 'Expiration') return 'It was tried until its time ran out.';
  if (type === 'TransientFailure') return 'The problem may pass: it is tried again.';
  if (type === 'AdminBounce') return 'A person ended it.';
  return code >= 500 ? 'Codes from 500 are for good: it was not tried again.' : 'A code below 500 may pass by itself.';
}

const factsOf = (record: DispositionRecord): Fact[] => [
  ['When', html`<${Time} at=${record.event_time} />`],
  ['Recipients', visible(recipientsOf(record).join(', '))],
  ['Sender', visible(record.sender) || '<> (a report)'],
  ['Message', record.id ? html`<a class="mono" href=${`/messages/${encodeURIComponent(record.id)}`}>${visible(record.id)}</a>` : '–'],
  ['Received', html`<${Time} at=${record.created_time} />`],
  ['Attempts', record.num_attempts],
  [
    'Site',
    record.site
      ? html`<a href=${`/bounces?${new URLSearchParams({ site: record.site })}`}>${visible(record.site)}</a> (<a
            href=${`/lanes/${encodeURIComponent(record.site)}`}
            >its lane</a
          >)`
      : '–',
  ],
  ['Queue', visible(record.queue) || '–'],
  [
    'Class',
    html`<a href=${`/bounces?${new URLSearchParams({ class: record.bounce_classification })}`}
      >${visible(record.bounce_classification)}</a
    >`,
  ],
  ['Size', size(record.size)],
  [
    'TLS',
    record.tls_protocol_version
      ? visible(`${record.tls_protocol_version} ${record.tls_cipher ?? ''}`)
      : record.peer_address?.is_secure
        ? 'yes'
        : 'no',
  ],
];

function fateOf({ report, replays, redelivered_as: again, original, logged }: Fate): Fact[] {
  const kept = { kept: 'still kept', gone: 'gone, as nobody needs it any more', none: 'there never was one' }[original];
  return [
    ['Report', reportWords(report)],
    ['Delivered again', again ? html`as <a class="mono" href=${`/messages/${again}`}>${again}</a>` : 'no'],
    ...replays.map(({ id, to, outcome }): Fact => [
      'Replay',
      html`<a href=${`/replays/${id}`}>to ${visible(to)}</a>: ${visible(outcome ?? 'not yet')}`,
    ]),
    ['Original message', kept],
    ['In the log since', clock(logged)],
  ];
}

function reportWords({ outcome, message, reason, words }: Fate['report']): View {
  switch (outcome) {
    case 'sent':
      return message ? html`sent to its sender, as <a class="mono" href=${`/messages/${message}`}>${message}</a>` : 'sent';
    case 'suppressed':
      return html`none, on purpose: ${visible(words ?? reason ?? 'not known')}
      ${words !== null && html`${' '}<span class="dim">[${visible(reason ?? '')}]</span>`}`;
    case 'waiting':
      return 'it waits to be made';
    case 'none':
      return 'nobody is told of such a record';
    default:
      return 'it is not remembered any more';
  }
}
