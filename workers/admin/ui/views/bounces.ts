import { useMemo } from 'preact/hooks';
import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { clock, count, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Filters, type Field } from '../parts/filters.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { Pages } from '../parts/pages.ts';
import { Address, Reply, Time, TypeBadge } from '../parts/words.ts';
import { bounceTypes, recipientsOf } from '../records.ts';
import { useAsk } from '../use-ask.ts';
import { unique, useStream } from '../use-stream.ts';

const rowsOfPage = 50;
const mostShown = 100;

const fields: readonly Field[] = [
  { name: 'recipient', label: 'Recipient', hint: 'ann@… or @…' },
  { name: 'sender', label: 'Sender', hint: '@… or <>' },
  { name: 'site', label: 'Site' },
  { name: 'code', label: 'Code', hint: '550, 5xx, 5.1.1' },
  { name: 'class', label: 'Class', hint: 'InvalidRecipient' },
  { name: 'tenant', label: 'Tenant' },
  { name: 'text', label: 'Any text' },
  {
    name: 'since',
    label: 'Since',
    options: [
      ['', 'always'],
      ['15m', '15 minutes'],
      ['1h', 'an hour'],
      ['6h', '6 hours'],
      ['24h', 'a day'],
      ['7d', 'a week'],
    ],
  },
  {
    name: 'type',
    label: 'What',
    options: [
      ['', 'all that bounced'],
      ['Bounce', 'refused'],
      ['Expiration', 'expired'],
      ['AdminBounce', 'ended by admin'],
      ['OOB', 'bounced later'],
      ['Feedback', 'complaints'],
      ['TransientFailure', 'deferred'],
      ['Rejection', 'rejected at the door'],
    ],
  },
];

/** What failed, newest first and as it happens; the filters are in the URL. */
export function Bounces({ query }: { query: URLSearchParams }): View {
  const filter = useMemo(() => filterOf(query), [query.toString()]);
  const cursor = query.get('cursor') ?? undefined;
  const { data, problem, again } = useAsk('GET /api/dispositions', { query: { ...filter, limit: rowsOfPage, ...(cursor && { cursor }) } });
  const { since: _, ...ofStream } = filter;
  const fresh = useStream(ofStream, cursor === undefined && problem?.status !== 400, again);
  const records = useMemo(
    () => unique([...fresh, ...(data?.records ?? [])]).slice(0, cursor === undefined ? mostShown : rowsOfPage),
    [fresh, data],
  );
  const words =
    data && data.next !== null && data.searched_to !== null ? `looked back to ${clock(data.searched_to)}` : data && 'all that there is';
  return html`<h1 tabindex="-1">Bounces</h1>
    <p class="lead">
      Mail that did not arrive: refused for good, expired after many tries, or ended by an operator; and what other systems reported later.
      Open one for the reply in plain words, the SMTP conversation and the report that its sender got. New ones appear on top.
    </p>
    <${Filters} query=${query} fields=${fields} problem=${problem} />
    ${problem?.status !== 400 && html`<${Trouble} problem=${problem} />`} ${!data && !problem && html`<${Loading} />`}
    ${data && records.length === 0 && html`<${Empty}>${data.next === null ? 'Nothing fits.' : 'Nothing fits so far; the next page looks further back.'}<//>`}
    ${data && records.length > 0 && html`<${Table} records=${records} />`}
    <p class="sr" role="status">${fresh.length > 0 ? `${count(fresh.length)} new` : ''}</p>
    ${data && html`<${Pages} query=${query} next=${data.next} words=${words} />`}`;
}

function filterOf(query: URLSearchParams): Record<string, string> {
  const given = fields.flatMap(({ name }): [string, string][] => {
    const value = query.get(name);
    return value === null || value === '' ? [] : [[name, value]];
  });
  return { type: bounceTypes.join(','), ...Object.fromEntries(given) };
}

const Table = ({ records }: { records: readonly DispositionRecord[] }): View =>
  html`<table class="stack">
    <thead>
      <tr>
        <th>Time</th>
        <th>What</th>
        <th>Recipient</th>
        <th>Reply</th>
        <th title="What kind of failure it is, by the words of the reply and the rules">Class</th>
      </tr>
    </thead>
    <tbody>
      ${records.map((record) => html`<${Row} key=${record.event_id} record=${record} />`)}
    </tbody>
  </table>`;

function Row({ record }: { record: DispositionRecord }): View {
  const recipients = recipientsOf(record);
  const [first = ''] = recipients;
  return html`<tr>
    <td class="n"><${Time} at=${record.event_time} /></td>
    <td><${TypeBadge} type=${record.type} /></td>
    <th scope="row" data-label="Recipient">
      <a href=${`/bounces/${encodeURIComponent(record.event_id)}`}><${Address}>${first}<//></a>
      ${recipients.length > 1 && html` <span class="dim">and ${count(recipients.length - 1)} more</span>`}
      <div class="dim from">from ${visible(record.sender) || '<>'}</div>
    </th>
    <td data-label="Reply">
      <${Reply} record=${record} />
      <div class="dim from">${visible([record.site, record.peer_address?.name].filter(Boolean).join(' · '))}</div>
    </td>
    <td data-label="Class">${visible(record.bounce_classification)}</td>
  </tr>`;
}
