import { useState } from 'preact/hooks';
import { ask, Refusal, type Answer } from '../api.ts';
import { count, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Act, reasonOf } from '../parts/act.ts';
import { textOf } from '../parts/form.ts';
import { Empty, Trouble } from '../parts/notice.ts';
import { Badge, Time } from '../parts/words.ts';
import { go } from '../router.ts';
import type { Tone } from '../records.ts';
import { useAsk } from '../use-ask.ts';
import { Preview } from './replay-preview.ts';

type Replay = Answer<'GET /api/replays'>['replays'][number];
export type Previewed = Answer<'POST /api/replays/preview'>;

const filters = [
  ['since', 'Since', '2h, 7d or a time'],
  ['until', 'Until', 'now'],
  ['type', 'Type', 'Bounce, Expiration'],
  ['recipient', 'Recipient', 'ann@… or @…'],
  ['sender', 'Sender', '@… or <>'],
  ['site', 'Site', ''],
  ['code', 'Code', '550, 5xx, 5.1.1'],
  ['class', 'Class', 'InvalidRecipient'],
  ['tenant', 'Tenant', ''],
  ['message', 'Message', 'its id'],
  ['text', 'Any text', ''],
] as const;

/** Dispositions of the past, once more: chosen, looked at, begun; and those of before. */
export function Replays(): View {
  const { data, problem, again } = useAsk('GET /api/replays', { query: { limit: 50 } }, 2000);
  const mayAct = useMayAct();
  return html`<h1 tabindex="-1">Replays</h1>
    <p class="lead">
      What is in the log can be done again, for a whole set of records: reports made once more, mail delivered again, webhooks and hooks
      (programs that hear of each record) told again. Choose the records, look at the preview, then begin; nothing is sent before.
    </p>
    <${Choice} mayAct=${mayAct} onBegun=${again} />
    <section aria-labelledby="history">
      <h2 id="history">Replays so far</h2>
      <${Trouble} problem=${problem} />
      ${data && data.replays.length === 0 && html`<${Empty}>There was none yet.<//>`}
      ${data && data.replays.length > 0 && html`<${Table} replays=${data.replays} />`}
    </section>`;
}

type Asked = { to: string } & Partial<Record<(typeof filters)[number][0], string>>;

/** Only what was previewed can be begun: any change of the fields asks for another look. */
function Choice({ mayAct, onBegun }: { mayAct: boolean; onBegun: () => void }): View {
  const [asked, setAsked] = useState<Asked | undefined>(undefined);
  const [preview, setPreview] = useState<Previewed | undefined>(undefined);
  const [problem, setProblem] = useState<Refusal | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const [isBeginning, setBeginning] = useState(false);
  const targets = useTargets();
  const look = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    const given = filters.flatMap(([name]): [string, string][] =>
      textOf(fields, name).trim() === '' ? [] : [[name, textOf(fields, name).trim()]],
    );
    const question: Asked = { to: textOf(fields, 'to'), ...Object.fromEntries(given) };
    setBusy(true);
    setProblem(undefined);
    setPreview(undefined);
    try {
      setPreview(await ask('POST /api/replays/preview', { body: question }));
      setAsked(question);
    } catch (error) {
      setProblem(error instanceof Refusal ? error : new Refusal(0, String(error)));
    }
    setBusy(false);
  };
  const close = (): void => {
    setBeginning(false);
    onBegun();
  };
  return html`<section aria-labelledby="choose">
    <h2 id="choose">Choose</h2>
    <form class="filters" onSubmit=${look} onInput=${() => setPreview(undefined)}>
      <label
        >To
        <select name="to">
          ${targets.map(([value, word]) => html`<option value=${value}>${visible(word)}</option>`)}
        </select></label
      >
      ${filters.map(([name, label, hint]) => html`<${FilterField} key=${name} name=${name} label=${label} hint=${hint} problem=${problem} />`)}
      <button type="submit" disabled=${isBusy}>Preview</button>
    </form>
    ${problem && problem.fields.length === 0 && html`<${Trouble} problem=${problem} />`}
    <div role="status">${preview && html`<${Preview} preview=${preview} />`}</div>
    ${preview && asked && mayAct && preview.records > 0 && html`<div class="actions spaced"><button type="button" class="primary" onClick=${() => setBeginning(true)}>Begin this replay…</button></div>`}
    ${isBeginning && asked && preview && html`<${BeginDialog} asked=${asked} preview=${preview} onClose=${close} />`}
  </section>`;
}

function FilterField({ name, label, hint, problem }: { name: string; label: string; hint: string; problem: Refusal | undefined }): View {
  const wrong = problem?.fields.find(({ field }) => field === name)?.message;
  return html`<label>
    ${label}
    <input
      name=${name}
      placeholder=${hint}
      defaultValue=${name === 'since' ? '24h' : ''}
      autocomplete="off"
      spellcheck=${false}
      aria-invalid=${wrong ? 'true' : undefined}
    />
    ${wrong && html`<span class="wrong" role="alert">${wrong}</span>`}
  </label>`;
}

/** Where a replay may go: what every relay has, and the subscribers of this one. */
function useTargets(): readonly (readonly [value: string, word: string])[] {
  const { data } = useAsk('GET /api/subscribers', { query: {} });
  const others = (data?.subscribers ?? []).flatMap(({ queue }): [string, string][] => {
    const [kind, ...name] = queue.split('-');
    return (kind === 'webhook' || kind === 'hook') && name.length > 0 ? [[`${kind}:${name.join('-')}`, `${kind} ${name.join('-')}`]] : [];
  });
  return [['bounces', 'reports: make them again'], ['redeliver', 'delivery: the messages again'], ...others];
}

function BeginDialog({ asked, preview, onClose }: { asked: Asked; preview: Previewed; onClose: () => void }): View {
  const act = async (fields: FormData): Promise<View> => {
    const { id } = await ask('POST /api/replays', {
      body: { ...asked, rate: Number(textOf(fields, 'rate')), force: fields.has('force'), reason: reasonOf(fields) },
    });
    go(`/replays/${id}`);
    return html`<p>It has begun.</p>`;
  };
  return html`<${Act} title="Begin this replay" verb="Begin" onClose=${onClose} act=${act}>
    <p><b>${count(preview.records - preview.skipped)}${preview.is_complete ? '' : ' or more'}</b> records go to ${visible(asked.to)}.</p>
    <label
      >Records a second at most <input name="rate" type="number" min="1" max="999999" required defaultValue="1000" inputmode="numeric"
    /></label>
    <label class="check"><input type="checkbox" name="force" /> Also what was sent before</label>
  <//>`;
}

const tones: Record<Replay['status'], Tone> = {
  waiting: 'plain',
  running: 'good',
  interrupted: 'wait',
  queued: 'good',
  done: 'plain',
  cancelled: 'plain',
};

export const StatusBadge = ({ status }: { status: Replay['status'] }): View => html`<${Badge} tone=${tones[status]}>${status}<//>`;

const Table = ({ replays }: { replays: readonly Replay[] }): View =>
  html`<table class="stack">
    <thead>
      <tr>
        <th>Begun</th>
        <th>State</th>
        <th>To</th>
        <th>Reason</th>
        <th>By</th>
        <th class="n">Records</th>
        <th class="n">To do</th>
      </tr>
    </thead>
    <tbody>
      ${replays.map(
        (replay) =>
          html`<tr key=${replay.id}>
            <th scope="row">
              <a href=${`/replays/${replay.id}`}><${Time} at=${replay.begun} /></a>
            </th>
            <td><${StatusBadge} status=${replay.status} /></td>
            <td data-label="To">${visible(replay.to)}</td>
            <td data-label="Reason">${visible(replay.reason)}</td>
            <td data-label="By">${visible(replay.who)}</td>
            <td class="n" data-label="Records">${count(replay.queued)}</td>
            <td class="n" data-label="To do">${count(replay.pending)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
