import { parseResponse, recipientsOf, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { suppressionWords } from '../../../shared/core/dsn/report-policy.ts';
import { replyWireLines } from '../../../shared/core/reply.ts';
import type { ReportMark } from '../../../shared/io/report-marks.ts';
import { html, type Html } from '../html.ts';
import type { Holders, MessageJob } from '../message-jobs.ts';
import { circumstances, count, layout, time, typeBadge, wordsOf } from './layout.ts';

export interface MessageView {
  hostname: string;
  id: string;
  /** Oldest first. */
  records: readonly DispositionRecord[];
  /** What became of the reports of these records, by event id. */
  reports: ReadonlyMap<string, ReportMark>;
  isComplete: boolean;
  holders: Holders | undefined;
}

/** What became of one message, in the order in which it happened. */
export function messagePage({ hostname, id, records, reports, isComplete, holders }: MessageView): Html {
  const body = html`<section id="message" data-live>
    <h1>Message</h1>
    <p class="note mono">${id}</p>
    ${summary(records[0])} ${holders && waiting(holders)}
    <h2>What happened</h2>
    ${records.length === 0 && html`<p class="empty">Its records are not in the log any more.</p>`}
    <ol class="line">
      ${records.map((record) => event(record, reports.get(record.event_id)))}
    </ol>
    ${!isComplete && html`<p class="note">The log is long: there may be records of this message that were not looked at.</p>`}
  </section>`;
  return layout({ title: 'Message', hostname, body });
}

function summary(record: DispositionRecord | undefined): Html | undefined {
  if (!record) return undefined;
  return html`<dl class="facts">
    <div>
      <dt>Sender</dt>
      <dd>${record.sender || '<>'}</dd>
    </div>
    <div>
      <dt>Recipients</dt>
      <dd>${recipientsOf(record).join(', ')}</dd>
    </div>
    <div>
      <dt>Received</dt>
      <dd>${time(record.created_time)}${record.reception_protocol !== null && html` by ${record.reception_protocol}`}</dd>
    </div>
    <div>
      <dt>Size</dt>
      <dd>${count(record.size)} bytes</dd>
    </div>
  </dl>`;
}

function waiting({ jobs, subscribers }: Holders): Html {
  return html`<h2>Still to do</h2>
    <ul class="todo">
      ${jobs.map(job)}${subscribers.map((queue) => html`<li>${queue === 'bounces' ? 'its report is to be made' : 'a hook is to read it'} (${queue})</li>`)}
    </ul>`;
}

function job({ state, lane, data, nextAttempt }: MessageJob): Html {
  const words = { waiting: 'waits', delayed: 'is tried again', active: 'is being tried' }[state];
  const recipients = data.envelope.recipients.map(({ address }) => address).join(', ');
  return html`<li>
    <b>${recipients}</b> ${words}${nextAttempt !== undefined && html` at ${time(nextAttempt)}`} <span class="dim">in ${lane}</span>
  </li>`;
}

function event(record: DispositionRecord, mark: ReportMark | undefined): Html {
  const { response, peer_address: peer } = record;
  const lines = response.content || response.lines ? replyWireLines(parseResponse(response)) : [];
  return html`<li class="${wordsOf(record.type).tone}">
    <p>
      ${time(record.event_time)}
      ${typeBadge(record.type)}${record.num_attempts > 0 && html` <span class="dim">attempt ${record.num_attempts}</span>`}
    </p>
    <p>${recipientsOf(record).map((address) => html`<span class="address">${address}</span> `)}</p>
    ${lines.length > 0 && html`<pre class="reply">${lines.join('\n')}</pre>`}
    <p class="dim">
      ${[peer && `${peer.name} [${peer.addr}]`, circumstances(record)].filter(Boolean).join(' · ')}${record.next_attempt !== undefined && html` · next attempt ${time(record.next_attempt)}`}
    </p>
    ${mark && html`<p class="report">${report(mark)}</p>`}
    <details>
      <summary>Record</summary>
      <pre>${JSON.stringify(record, null, 2)}</pre>
    </details>
  </li>`;
}

/** A reason of a newer version is told by its own name. */
function report(mark: ReportMark): Html {
  if (mark.kind === 'sent') return html`its sender was told: <a class="mono" href="/messages/${mark.message}">${mark.message}</a>`;
  const words = new Map(Object.entries(suppressionWords)).get(mark.reason);
  return html`no report: ${words ?? mark.reason}${words !== undefined && html` <span class="dim">(${mark.reason})</span>`}`;
}
