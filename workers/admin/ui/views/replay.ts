import { useState } from 'preact/hooks';
import { ask, type Answer } from '../api.ts';
import { clock, count, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Act, reasonOf } from '../parts/act.ts';
import { Facts, type Fact } from '../parts/facts.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { Pages } from '../parts/pages.ts';
import { Time } from '../parts/words.ts';
import { useAsk } from '../use-ask.ts';
import { Sample } from './replay-preview.ts';
import { StatusBadge } from './replays.ts';

type Detail = Answer<'GET /api/replays/{id}'>;

/** One replay: how far it is, and what became of each record. */
export function Replay({ id, query }: { id: string; query: URLSearchParams }): View {
  const { data, problem, again } = useAsk('GET /api/replays/{id}', { params: { id }, query: {} }, 1500);
  return html`<p class="crumbs"><a href="/replays">Replays</a></p>
    <h1 tabindex="-1">Replay to ${visible(data?.to ?? '…')} ${data && html`<${StatusBadge} status=${data.status} />`}</h1>
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`}
    ${data && html`<${Steering} replay=${data} onChange=${again} /><${Progress} replay=${data} />`}
    ${data && html`<${Records} id=${id} query=${query} />`}`;
}

function Progress({ replay }: { replay: Detail }): View {
  const outcomes = Object.entries(replay.outcomes);
  const facts: Fact[] = [
    ['Reason', visible(replay.reason)],
    ['By', html`${visible(replay.who)}, <${Time} at=${replay.begun} />`],
    ['Filter', html`<span class="mono">${visible(JSON.stringify(replay.filter))}</span>`],
    ['Rate', `${count(replay.rate)} records a second at most${replay.force ? ', also what was sent before' : ''}`],
    ['Log read up to', replay.searched_to ? clock(replay.searched_to) : 'its end'],
    ['Not for this target', count(replay.skipped)],
    ...outcomes.map(([name, n]): Fact => [visible(name), count(n)]),
  ];
  const done = Math.max(0, replay.queued - replay.pending);
  return html`<section aria-labelledby="progress">
    <h2 id="progress">Progress</h2>
    <p class="progress">
      <progress aria-labelledby="progress" max=${Math.max(1, replay.queued)} value=${done}></progress>
      <span role="status">${count(done)} of ${count(replay.queued)} done${replay.is_target_full ? '; it waits for its target' : ''}</span>
    </p>
    <${Facts} facts=${facts} />
  </section>`;
}

function Steering({ replay, onChange }: { replay: Detail; onChange: () => void }): View {
  const [open, setOpen] = useState<'resume' | 'cancel' | undefined>(undefined);
  const mayAct = useMayAct();
  const close = (): void => {
    setOpen(undefined);
    onChange();
  };
  const isOver = replay.status === 'done' || replay.status === 'cancelled';
  if (!mayAct || isOver) return null;
  const act = async (fields: FormData): Promise<View> => {
    const input = { params: { id: replay.id }, body: { reason: reasonOf(fields) } };
    if (open === 'resume') await ask('POST /api/replays/{id}/resume', input);
    else await ask('DELETE /api/replays/{id}', input);
    return html`<p>Done.</p>`;
  };
  return html`<div class="actions spaced">
    ${replay.status === 'interrupted' && html`<button type="button" onClick=${() => setOpen('resume')}>Resume…</button>`}
    <button type="button" class="danger" onClick=${() => setOpen('cancel')}>End for good…</button>
    ${
      open &&
      html`<${Act}
        title=${open === 'resume' ? 'Resume this replay' : 'End this replay for good'}
        verb=${open === 'resume' ? 'Resume' : 'End it'}
        danger=${open === 'cancel'}
        onClose=${close}
        act=${act}
      >
        <p>
          ${open === 'resume' ? 'It goes on where it was.' : 'Nothing more is queued, and what waits does nothing. What was done stays done.'}
        </p>
      <//>`
    }
  </div>`;
}

function Records({ id, query }: { id: string; query: URLSearchParams }): View {
  const cursor = query.get('cursor');
  const { data, problem } = useAsk(
    'GET /api/replays/{id}/records',
    { params: { id }, query: { limit: 50, ...(cursor && { cursor }) } },
    3000,
  );
  return html`<section aria-labelledby="records">
    <h2 id="records">Its records</h2>
    <${Trouble} problem=${problem} />
    ${data && data.records.length === 0 && html`<${Empty}>None on this page.<//>`}
    ${data && data.records.length > 0 && html`<${Sample} sample=${data.records} hasOutcome />`}
    ${data && html`<${Pages} query=${query} next=${data.next} words="" />`}
  </section>`;
}
