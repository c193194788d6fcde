import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { html, type View } from '../html.ts';
import { recipientsOf } from '../records.ts';
import { Address, Reply, Time, TypeBadge } from './words.ts';

/** A few records, one a line; `pathOf`: where the line leads. */
export function RecordTable({
  records,
  pathOf,
}: {
  records: readonly DispositionRecord[];
  pathOf: (record: DispositionRecord) => string;
}): View {
  return html`<table class="stack">
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
              <a href=${pathOf(record)}><${Address}>${recipientsOf(record)[0] ?? ''}<//></a>
            </td>
            <td data-label="Reply"><${Reply} record=${record} /></td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
