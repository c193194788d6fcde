import { useState } from 'preact/hooks';
import { ask, Refusal, type Answer } from '../api.ts';
import { count, several, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { Badge, Time } from '../parts/words.ts';
import { useAsk } from '../use-ask.ts';
import { Backtest, type Tested } from './backtest.ts';

type RuleFile = Answer<'GET /api/rules'>['workers'][number]['files'][number];
type Policy = Answer<'GET /api/policy'>['workers'][number];

/** What decides over the words of servers and over mail: the files in force, how often they decided, what is wrong with them. */
export function Rules(): View {
  const rules = useAsk('GET /api/rules', { query: {} }, 5000);
  const policy = useAsk('GET /api/policy', { query: {} }, 5000);
  const mayAct = useMayAct();
  const withFiles = rules.data?.workers.filter(({ files }) => files.length > 0) ?? [];
  return html`<h1 tabindex="-1">Rules and policy</h1>
    <p class="lead">
      A rule says what to make of the words of a server: another code (to bounce at once, or to try again) or a class (what kind of failure
      is counted). The policy is a program of yours that may decide at every step.
    </p>
    <section aria-labelledby="rules">
      <h2 id="rules">Rule files</h2>
      <${Trouble} problem=${rules.problem} />
      ${!rules.data && !rules.problem && html`<${Loading} />`}
      ${rules.data && withFiles.length === 0 && html`<${Empty}>No delivery process goes by rules. Files are named in the setting delivery.rules.<//>`}
      ${withFiles.map(
        ({ instance, alive, files }) =>
          html`<article class="recipient" key=${instance}>
            <h3><span class="mono">${visible(instance)}</span> ${!alive && html`<${Badge} tone="bad">not heard of<//>`}</h3>
            ${files.map((file) => html`<${File} key=${file.file} file=${file} />`)}
          </article>`,
      )}
    </section>
    ${mayAct && html`<${Try} />`}
    <section aria-labelledby="policy">
      <h2 id="policy">Policy</h2>
      <${Trouble} problem=${policy.problem} />
      ${policy.data && policy.data.workers.length === 0 && html`<${Empty}>No process has a policy. Its file is named in the setting policy.file.<//>`}
      ${policy.data && policy.data.workers.length > 0 && html`<${Policies} workers=${policy.data.workers} />`}
    </section>`;
}

function File({ file }: { file: RuleFile }): View {
  return html`<p>
      <span class="mono">${visible(file.file)}</span>
      ${' '}<span class="dim">
        ${`${several(file.rules, 'rule')}, version `}
        <span class="mono">${visible(file.version.slice(0, 12))}</span>${`, ${several(file.hits, 'hit')} since `}<${Time} at=${file.since}
      /></span>
    </p>
    ${file.error && html`<p class="problem">A later version is not in force: ${visible(file.error.message)}</p>`}
    ${
      file.top.length > 0 &&
      html`<table>
        <thead>
          <tr>
            <th class="n">Line</th>
            <th>Pattern</th>
            <th class="n" title="Replies that this rule decided">Hits</th>
          </tr>
        </thead>
        <tbody>
          ${file.top.map(
            (rule) =>
              html`<tr key=${rule.rule}>
                <td class="n">${rule.line}</td>
                <th scope="row" class="mono">${visible(rule.match)}</th>
                <td class="n">${count(rule.hits)}</td>
              </tr>`,
          )}
        </tbody>
      </table>`
    }`;
}

const Policies = ({ workers }: { workers: readonly Policy[] }): View =>
  html`<table class="stack">
    <thead>
      <tr>
        <th>Process</th>
        <th>State</th>
        <th>File</th>
        <th>Handlers</th>
        <th>Hooks</th>
        <th>Since</th>
      </tr>
    </thead>
    <tbody>
      ${workers.map(
        (worker) =>
          html`<tr key=${worker.instance}>
            <th scope="row" class="mono">${visible(worker.instance)}</th>
            <td><${PolicyState} worker=${worker} /></td>
            <td class="mono" data-label="File">${visible(worker.file)} <span class="dim">${visible(worker.version.slice(0, 12))}</span></td>
            <td data-label="Handlers">${visible(worker.handlers.join(', ')) || '–'}</td>
            <td data-label="Hooks">${visible(worker.hooks.join(', ')) || '–'}</td>
            <td data-label="Since"><${Time} at=${worker.since} /></td>
          </tr>`,
      )}
    </tbody>
  </table>`;

function PolicyState({ worker }: { worker: Policy }): View {
  if (worker.error) return html`<${Badge} tone="bad">mistake<//> <span class="bad">${visible(worker.error.message)}</span>`;
  if (!worker.is_running) return html`<${Badge} tone="bad">starting again<//>`;
  if (worker.left_alone.length > 0)
    return html`<${Badge} tone="wait">hung<//> ${visible(worker.left_alone.map(({ handler }) => handler).join(', '))}`;
  return html`<${Badge} tone=${worker.alive ? 'good' : 'plain'}>${worker.alive ? 'in force' : 'not heard of'}<//>`;
}

/** Any rules, against what servers have said; nothing is written. */
function Try(): View {
  const [text, setText] = useState('{\n  "(?i)mailbox full": 552\n}');
  const [tested, setTested] = useState<Tested | undefined>(undefined);
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const test = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    await ask('POST /api/rules/backtest', { body: { rules: text } }).then(setTested, (error: unknown) =>
      setProblem(error instanceof Refusal ? error.message : String(error)),
    );
    setBusy(false);
  };
  return html`<section aria-labelledby="try">
    <h2 id="try">Try rules on what servers said</h2>
    <form class="stacked" onSubmit=${test}>
      <label
        >Rules, as they stand in a file
        <textarea
          class="mono"
          rows="5"
          spellcheck=${false}
          value=${text}
          onInput=${(event: Event) => setText((event.target as HTMLTextAreaElement).value)}
        ></textarea>
      </label>
      <p class="problem" role="alert">${problem}</p>
      <div class="actions"><button type="submit" class="primary" disabled=${isBusy}>Try them</button></div>
    </form>
    <div role="status">${tested && html`<${Backtest} tested=${tested} />`}</div>
  </section>`;
}
