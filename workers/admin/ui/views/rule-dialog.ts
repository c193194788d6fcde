import { useState } from 'preact/hooks';
import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { ask, Refusal } from '../api.ts';
import { html, type View } from '../html.ts';
import { Dialog } from '../parts/dialog.ts';
import { replyOf } from '../records.ts';
import { Backtest, type Tested } from './backtest.ts';

/** A rule made of what a server said, tried against what servers have said; a person puts it into a rule file. */
export function RuleDialog({ record, onClose }: { record: DispositionRecord; onClose: () => void }): View {
  const [text, setText] = useState(() => JSON.stringify({ [patternOf(replyOf(record))]: record.response.code < 500 ? 550 : 450 }, null, 2));
  const [tested, setTested] = useState<Tested | undefined>(undefined);
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [copied, setCopied] = useState('');
  const test = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      setTested(await ask('POST /api/rules/backtest', { body: { rules: text } }));
    } catch (error) {
      setProblem(error instanceof Refusal ? error.message : String(error));
    }
    setBusy(false);
  };
  const copy = (): void => {
    // Browsers have a clipboard only for pages of this machine and over HTTPS.
    const writing = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('there is none'));
    void writing.then(
      () => setCopied('Copied'),
      () => setCopied('The browser does not allow it: mark the text and copy it.'),
    );
  };
  return html`<${Dialog} title="Rule from this reply" wide onClose=${onClose}>
    <form class="stacked" onSubmit=${test}>
      <p>
        From 500 a reply is for good, below it is tried again. Change pattern and code as you need them, try the rule, then put it into a
        file of${' '}<code>delivery.rules</code>: this page writes no files.
      </p>
      <label
        >Rule
        <textarea
          class="mono"
          rows="5"
          spellcheck=${false}
          value=${text}
          onInput=${(event: Event) => setText((event.target as HTMLTextAreaElement).value)}
        ></textarea>
      </label>
      <p class="problem" role="alert">${problem}</p>
      <div class="actions">
        <button type="submit" class="primary" disabled=${isBusy}>Try it on what servers said</button>
        <button type="button" onClick=${copy}>Copy the rule</button>
        <button type="button" onClick=${onClose}>Close</button>
        <span class="dim" role="status">${copied}</span>
      </div>
    </form>
    <div role="status">${tested && html`<${Backtest} tested=${tested} />`}</div>
  <//>`;
}

/** What is of this one recipient or moment is left open: addresses, links, long numbers. RE2. */
export function patternOf(reply: string): string {
  return reply
    .slice(0, 200)
    .split(/(<[^<>]{0,200}>|\S{1,100}@\S{1,100}|https?:\/\/\S{1,150}|[\da-fA-F-]{6,60}|\[[\d.:a-fA-F]{3,45}\])/)
    .map((part, n) => (n % 2 === 1 ? '.+' : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')))
    .join('')
    .replace(/(?:\.\+\s*)+$/, '')
    .trim();
}
