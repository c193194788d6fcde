import { useState } from 'preact/hooks';
import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { ask, type Answer } from '../api.ts';
import { count, fromNow, several, size, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Act, reasonOf } from '../parts/act.ts';
import { Facts, type Fact } from '../parts/facts.ts';
import { Loading, Trouble } from '../parts/notice.ts';
import { Address, Badge, Reply, Time, TypeBadge } from '../parts/words.ts';
import { circumstances, wordsOf, type Tone } from '../records.ts';
import { useAsk } from '../use-ask.ts';

type Detail = Answer<'GET /api/messages/{id}'>;
type Line = Detail['timeline'][number];

/** Milliseconds between looks at a message of which something is still to do. */
const often = 3000;
/** Recipients shown; the rest are counted. */
const mostShown = 100;

export function Message({ id }: { id: string }): View {
  const [isOver, setOver] = useState(false);
  const { data, problem, again } = useAsk('GET /api/messages/{id}', { params: { id }, query: {} }, isOver ? undefined : often);
  if (data && data.jobs.length === 0 && !isOver) setOver(true);
  return html`<p class="crumbs"><a href="/messages">Messages</a></p>
    <h1 tabindex="-1">Message <span class="mono dim">${visible(id)}</span></h1>
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`} ${data && html`<${Detail} message=${data} onChange=${again} />`}`;
}

function Detail({ message, onChange }: { message: Detail; onChange: () => void }): View {
  const [isEnding, setEnding] = useState(false);
  const mayAct = useMayAct();
  const records = new Map(message.records.map((record) => [record.event_id, record]));
  const close = (): void => {
    setEnding(false);
    onChange();
  };
  return html`${mayAct && message.jobs.length > 0 && html`<div class="actions spaced"><button type="button" class="danger" onClick=${() => setEnding(true)}>Bounce what still waits</button></div>`}
    ${isEnding && html`<${EndDialog} message=${message} onClose=${close} />`}
    <section aria-labelledby="envelope">
      <h2 id="envelope">Envelope</h2>
      <${Facts} facts=${envelopeOf(message)} />
    </section>
    <section aria-labelledby="timeline">
      <h2 id="timeline">What happened, for each recipient</h2>
      ${message.timeline.slice(0, mostShown).map((line) => html`<${Recipient} key=${line.recipient} line=${line} message=${message} records=${records} />`)}
      ${message.timeline.length > mostShown && html`<p class="dim">and ${count(message.timeline.length - mostShown)} more recipients</p>`}
      ${!message.complete && html`<p class="dim">There was no time for all of log and archive: there may be more.</p>`}
    </section>`;
}

function envelopeOf({ envelope, report_on: about, redelivered_from: from, held_by: held }: Detail): Fact[] {
  if (!envelope) return [['Reception', 'not in the log any more']];
  const { sender, recipients, protocol, peer, user, message_id: messageId } = envelope;
  const facts: Fact[] = [
    ['Sender', visible(sender) || '<> (a report)'],
    ['Recipients', count(recipients.length)],
    [
      'Received',
      html`<${Time}
          at=${envelope.received}
        />${protocol && ` by ${visible(protocol)}`}${peer && ` from ${visible(`${peer.name} [${peer.addr}]`)}`}${user && ` as ${visible(user)}`}`,
    ],
    ['Message-ID', messageId ? html`<span class="mono">${visible(messageId)}</span>` : '–'],
    ['Size', size(envelope.size)],
  ];
  if (about) facts.push(['It is a report on', html`<a class="mono" href=${`/messages/${about}`}>${visible(about)}</a>`]);
  if (from) facts.push(['Delivered again from', html`<a class="mono" href=${`/messages/${from.message}`}>${visible(from.message)}</a>`]);
  if (held.length > 0)
    facts.push(['Content held by', visible(held.map((name) => (name === 'kept' ? 'the setting bounce.keepOriginals' : name)).join(', '))]);
  return facts;
}

const states: Record<Line['state'], { word: string; tone: Tone }> = {
  waiting: { word: 'waits', tone: 'plain' },
  delayed: { word: 'waits for a retry', tone: 'wait' },
  active: { word: 'being tried', tone: 'good' },
  delivered: { word: 'delivered', tone: 'good' },
  bounced: { word: 'bounced', tone: 'bad' },
  expired: { word: 'expired', tone: 'bad' },
  'admin-bounced': { word: 'ended by admin', tone: 'bad' },
  unknown: { word: 'not known', tone: 'plain' },
};

function Recipient({ line, message, records }: { line: Line; message: Detail; records: ReadonlyMap<string, DispositionRecord> }): View {
  const { word, tone } = states[line.state];
  const job = message.jobs.find(({ id }) => id === line.job);
  return html`<article class="recipient">
    <h3><${Address}>${line.recipient}<//> <${Badge} tone=${tone}>${word}<//></h3>
    ${job?.next_attempt && html`<p class="dim">next attempt ${fromNow(job.next_attempt, Date.now())}, in <a href=${`/lanes/${encodeURIComponent(job.lane)}`}>${visible(job.lane)}</a></p>`}
    <ol class="line">
      ${line.events.flatMap((id) => {
        const record = records.get(id);
        return record ? [html`<${Event} key=${id} record=${record} message=${message} />`] : [];
      })}
    </ol>
  </article>`;
}

function Event({ record, message }: { record: DispositionRecord; message: Detail }): View {
  const report = message.reports.find(({ event_id: id }) => id === record.event_id);
  const again = message.redelivered.find(({ event_id: id }) => id === record.event_id);
  const { tone } = wordsOf(record.type);
  return html`<li class=${tone}>
    <p>
      <a href=${`/bounces/${encodeURIComponent(record.event_id)}`}><${Time} at=${record.event_time} /></a>
      <${TypeBadge} type=${record.type} />
      ${record.num_attempts > 0 && html` <span class="dim">attempt ${record.num_attempts}</span>`}
      ${message.conversations.includes(record.event_id) && html` <a class="quiet" href=${`/bounces/${encodeURIComponent(record.event_id)}#conversation`}>conversation</a>`}
    </p>
    ${record.response.content !== '' && html`<p><${Reply} record=${record} /></p>`}
    <p class="dim">
      ${visible([record.peer_address && `${record.peer_address.name} [${record.peer_address.addr}]`, circumstances(record)].filter(Boolean).join(' · '))}
    </p>
    ${report?.message && html`<p>its sender was told: <a class="mono" href=${`/messages/${report.message}`}>${report.message}</a></p>`}
    ${report?.outcome === 'suppressed' && html`<p>no report, on purpose (${visible(report.reason ?? '')})</p>`}
    ${again && html`<p>delivered again as <a class="mono" href=${`/messages/${again.message}`}>${visible(again.message)}</a></p>`}
  </li>`;
}

function EndDialog({ message, onClose }: { message: Detail; onClose: () => void }): View {
  const waiting = message.jobs.flatMap(({ recipients }) => recipients);
  const act = async (fields: FormData): Promise<View> => {
    const { bounced } = await ask('POST /api/messages/{id}/bounce', { params: { id: message.id }, body: { reason: reasonOf(fields) } });
    return html`<p>${several(bounced.length, 'recipient')} ended; the sender is told.</p>`;
  };
  return html`<${Act} title="Bounce what still waits" verb="Bounce" danger onClose=${onClose} act=${act}>
    <p>
      Concerns ${several(waiting.length, 'recipient')}:${' '}${visible(waiting.slice(0, 5).join(', '))}${waiting.length > 5 ? ' …' : ''}.
      This cannot be undone; the reason stands in the report.
    </p>
  <//>`;
}
