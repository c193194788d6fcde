import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import type { Answer, Refusal } from '../api.ts';
import { count, duration, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Empty, Trouble } from '../parts/notice.ts';
import { RecordTable } from '../parts/record-table.ts';
import { Badge } from '../parts/words.ts';
import { bounceTypes } from '../records.ts';
import { useAsk } from '../use-ask.ts';
import { unique, useStream } from '../use-stream.ts';

const mostLatest = 8;

/** The newest bounces; all of them are a page of their own. */
export function Latest(): View {
  const filter = { type: bounceTypes.join(',') };
  const { data, problem, again } = useAsk('GET /api/dispositions', { query: { ...filter, limit: mostLatest } });
  const fresh = useStream(filter, true, again);
  const records = unique([...fresh, ...(data?.records ?? [])]).slice(0, mostLatest);
  return html`<section aria-labelledby="latest">
    <div class="head">
      <h2 id="latest">Latest bounces</h2>
      <a href="/bounces">All bounces</a>
    </div>
    <${Trouble} problem=${problem} />
    ${
      data && records.length === 0
        ? html`<${Empty}>None. What a server refuses for good appears here, with its words.<//>`
        : html`<${RecordTable}
            records=${records}
            pathOf=${({ event_id: event }: DispositionRecord) => `/bounces/${encodeURIComponent(event)}`}
          />`
    }
  </section>`;
}

export function Subscribers({ status }: { status: Answer<'GET /api/status'> | undefined }): View {
  const all = status?.hooks ?? [];
  return html`<section aria-labelledby="subscribers">
    <h2 id="subscribers">Hooks and webhooks</h2>
    ${
      all.length === 0
        ? html`<${Empty}>No program of yours is told what becomes of mail. Webhooks are a setting, hooks a part of the policy.<//>`
        : html`<table>
            <thead>
              <tr>
                <th>Name</th>
                <th class="n">Waiting</th>
                <th class="n">Retry</th>
                <th class="n">In hand</th>
                <th class="n" title="Dead letters: records that could not be handed over in many tries; they are kept for a person">
                  Given up
                </th>
              </tr>
            </thead>
            <tbody>
              ${all.map(
                ({ name, waiting, delayed, active, dead }) =>
                  html`<tr key=${name}>
                    <th scope="row"><a href=${`/queues/queue/${encodeURIComponent(name)}`}>${visible(name)}</a></th>
                    <td class="n">${count(waiting)}</td>
                    <td class="n">${count(delayed)}</td>
                    <td class="n">${count(active)}</td>
                    <td class=${`n ${dead > 0 ? 'bad' : ''}`}>${count(dead)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

export function Workers({
  workers,
  problem,
}: {
  workers: Answer<'GET /api/workers'>['workers'] | undefined;
  problem: Refusal | undefined;
}): View {
  return html`<section aria-labelledby="workers">
    <h2 id="workers">Workers</h2>
    <${Trouble} problem=${problem} />
    ${
      workers?.length === 0
        ? html`<${Empty}>No process has said that it is there.<//>`
        : html`<table>
            <thead>
              <tr>
                <th>Role</th>
                <th>Process</th>
                <th>State</th>
                <th class="n">Up for</th>
              </tr>
            </thead>
            <tbody>
              ${workers?.map(
                (worker) =>
                  html`<tr key=${worker.instance}>
                    <th scope="row">${worker.role}</th>
                    <td class="mono" title=${worker.instance}>${visible(worker.host)}:${worker.pid}</td>
                    <td><${Badge} tone=${worker.alive ? 'good' : 'bad'}>${worker.alive ? 'alive' : 'not heard of'}<//></td>
                    <td class="n">${duration(Date.now() - Date.parse(worker.started))}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}
