import { useState } from 'preact/hooks';
import { Refusal } from '../api.ts';
import { html, type View } from '../html.ts';
import { Dialog } from './dialog.ts';
import { textOf } from './form.ts';

export interface ActProps {
  title: string;
  /** On the button. */
  verb: string;
  danger?: boolean;
  wide?: boolean;
  onClose: () => void;
  /** Does it. What is resolved is shown in place of the form. */
  act: (fields: FormData) => Promise<View>;
  children?: View;
  /** Without one the change says for itself why. */
  hasReason?: boolean;
}

/** Something that changes mail: what it concerns, why, and a second click. */
export function Act({ title, verb, danger = false, wide = false, onClose, act, children, hasReason = true }: ActProps): View {
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [done, setDone] = useState<View>(undefined);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setProblem('');
    try {
      setDone(await act(fields));
    } catch (error) {
      setProblem(error instanceof Refusal ? error.message : String(error));
    }
    setBusy(false);
  };
  return html`<${Dialog} title=${title} wide=${wide} onClose=${onClose}>
    <div role="status">${done}</div>
    ${
      done === undefined
        ? html`<form class="stacked" onSubmit=${submit}>
            ${children}
            ${hasReason && html`<label>Reason <input name="reason" required maxlength="500" autocomplete="off" placeholder="Kept in the audit log" /></label>`}
            <p class="problem" role="alert">${problem}</p>
            <div class="actions end">
              <button type="button" onClick=${onClose}>Cancel</button>
              <button type="submit" class=${danger ? 'danger' : 'primary'} disabled=${isBusy}>${verb}</button>
            </div>
          </form>`
        : html`<div class="actions end"><button type="button" class="primary" onClick=${onClose}>Close</button></div>`
    }
  <//>`;
}

export const reasonOf = (fields: FormData): string => textOf(fields, 'reason').trim();
