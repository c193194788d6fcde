import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { ask } from '../api.ts';
import { html, type View } from '../html.ts';
import { Act, reasonOf } from '../parts/act.ts';
import { recipientsOf } from '../records.ts';

/** One record again: its report, or its message. */
export function ReplayDialog({
  record,
  to,
  onClose,
}: {
  record: DispositionRecord;
  to: 'bounces' | 'redeliver';
  onClose: () => void;
}): View {
  const isReport = to === 'bounces';
  const [recipient = ''] = recipientsOf(record);
  const act = async (fields: FormData): Promise<View> => {
    const begun = await ask('POST /api/replays', {
      body: { to, message: record.id, type: record.type, recipient, force: fields.has('force'), reason: reasonOf(fields) },
    });
    return html`<p>It runs: <a href=${`/replays/${begun.id}`}>see what becomes of it</a>.</p>`;
  };
  return html`<${Act}
    title=${isReport ? 'Make the report again' : 'Deliver again'}
    verb=${isReport ? 'Make it again' : 'Deliver again'}
    onClose=${onClose}
    act=${act}
  >
    <p>
      ${
        isReport
          ? 'The record goes once more to where reports are made, with the settings and wordings of now.'
          : 'The message is put back into the queue for the recipients of this record, as a message of its own. That needs its content, which is kept while somebody holds it.'
      }
    </p>
    <label class="check"><input type="checkbox" name="force" /> Also if that was done before</label>
  <//>`;
}
