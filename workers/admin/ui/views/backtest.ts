import type { Answer } from '../api.ts';
import { clock, count, several, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Empty } from '../parts/notice.ts';

export type Tested = Answer<'POST /api/rules/backtest'>;

/** What rules would have changed of what servers said. */
export function Backtest({ tested }: { tested: Tested }): View {
  const { responses, changed, oldest, is_complete: isComplete, rows, others } = tested;
  return html`<p>
      ${`${count(changed)} of ${several(responses, 'refusal')} since ${oldest ? clock(oldest) : 'the beginning of the log'} would have been changed`}${isComplete ? '' : ' (there was no time for all)'}.
    </p>
    ${
      rows.length === 0
        ? html`<${Empty}>None of them fits.<//>`
        : html`<table class="stack">
            <thead>
              <tr>
                <th>Change</th>
                <th>Site</th>
                <th class="n">Refusals</th>
                <th class="n">Recipients</th>
                <th>Example</th>
              </tr>
            </thead>
            <tbody>
              ${rows.slice(0, 50).map(
                (row, n) =>
                  html`<tr key=${n}>
                    <th scope="row">${visible(row.change)}</th>
                    <td>${visible(row.site)}</td>
                    <td class="n" data-label="Refusals">${count(row.responses)}</td>
                    <td class="n" data-label="Recipients">${count(row.recipients)}</td>
                    <td data-label="Reply"><span class="reply">${visible(row.example.response)}</span></td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
    ${others > 0 && html`<p class="dim">and ${count(others)} more</p>`}`;
}
