import { clock, count, several, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import type { Previewed } from './replays.ts';

/** What a replay would do: how many, of what kind, and some of them. */
export function Preview({ preview }: { preview: Previewed }): View {
  const { records, skipped, sites, codes, classes, sample, is_complete: isComplete, searched_to: to } = preview;
  return html`<p class="spaced">
      <b>${several(records, 'record')}</b
      >${records === 1 ? ' fits' : ' fit'}${skipped > 0 && html`, of which the target has no use for ${count(skipped)}`}${!isComplete && ` (looked at up to ${to ? clock(to) : 'a part'}; the replay takes all)`}.
    </p>
    <div class="columns three">
      <${Names} title="Sites" names=${sites} /><${Names} title="Codes" names=${codes} /><${Names} title="Classes" names=${classes} />
    </div>
    ${sample.length > 0 && html`<${Sample} sample=${sample} />`}`;
}

const mostNames = 6;

function Names({ title, names }: { title: string; names: readonly { name: string; count: number }[] }): View {
  if (names.length === 0) return null;
  return html`<table>
    <thead>
      <tr>
        <th>${title}</th>
        <th class="n">Records</th>
      </tr>
    </thead>
    <tbody>
      ${names.slice(0, mostNames).map(
        ({ name, count: n }) =>
          html`<tr key=${name}>
            <th scope="row">${visible(name)}</th>
            <td class="n">${count(n)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export interface Sampled {
  event_id: string;
  type: string;
  time: string;
  sender: string;
  recipient: string;
  site: string;
  code: number | null;
  outcome?: string | null | undefined;
}

export const Sample = ({ sample, hasOutcome = false }: { sample: readonly Sampled[]; hasOutcome?: boolean }): View =>
  html`<table class="stack spaced">
    <thead>
      <tr>
        <th>Time</th>
        <th>Recipient</th>
        <th>Sender</th>
        <th>Site</th>
        <th class="n">Code</th>
        ${hasOutcome && html`<th>What became of it</th>`}
      </tr>
    </thead>
    <tbody>
      ${sample.map(
        (one) =>
          html`<tr key=${one.event_id}>
            <td>${clock(one.time)}</td>
            <th scope="row"><a href=${`/bounces/${encodeURIComponent(one.event_id)}`}>${visible(one.recipient)}</a></th>
            <td data-label="Sender">${visible(one.sender) || '<>'}</td>
            <td data-label="Site">${visible(one.site)}</td>
            <td class="n" data-label="Code">${one.code ?? '–'}</td>
            ${hasOutcome && html`<td data-label="What became of it">${visible(one.outcome ?? 'not yet, or not known any more')}</td>`}
          </tr>`,
      )}
    </tbody>
  </table>`;
