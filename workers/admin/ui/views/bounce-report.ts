import { useState } from 'preact/hooks';
import type { Answer } from '../api.ts';
import { size, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { useMayAct } from '../may.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { useAsk } from '../use-ask.ts';

type Preview = NonNullable<Answer<'POST /api/reports/preview'>['report']>;

/** The report as its sender sees it. What was sent is gone with its delivery: it is made again of the same record. */
export function Report({ fate }: { fate: Answer<'GET /api/dispositions/{event}'> }): View {
  const mayAct = useMayAct();
  const { data, problem } = useAsk('POST /api/reports/preview', mayAct ? { body: { event_id: fate.record.event_id } } : undefined);
  return html`<section aria-labelledby="report">
    <h2 id="report">The report, as the sender sees it</h2>
    ${!mayAct && html`<${Empty}>A report may return the message: to see it, the role operator is needed.<//>`}
    <${Trouble} problem=${problem} />
    ${mayAct && !data && !problem && html`<${Loading} />`}
    ${data && !data.report && html`<${Empty}>Of this record there is no report: ${visible(fate.report.words ?? data.reason ?? 'nobody is told')}.<//>`}
    ${
      fate.report.outcome === 'suppressed' &&
      data?.report &&
      html`<p class="spaced">
        Nobody was told, on purpose: ${visible(fate.report.words ?? fate.report.reason ?? 'not known')}. It would have been this:
      </p>`
    }
    ${data?.report && html`<${Shown} report=${data.report} original=${fate.original} wasSent=${fate.report.outcome === 'sent'} event=${fate.record.event_id} />`}
  </section>`;
}

interface ShownProps {
  report: Preview;
  original: 'kept' | 'gone' | 'none';
  wasSent: boolean;
  event: string;
}

function Shown({ report, original, wasSent, event }: ShownProps): View {
  const [isSource, setSource] = useState(false);
  const download = (): void => {
    // Each octet is one character: the file is what is sent, to the last octet.
    const octets = Uint8Array.from(report.content, (char) => char.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([octets], { type: 'message/rfc822' }));
    const anchor = document.createElement('a');
    anchor.href = url;
    anchor.download = `report-${event.replace(/[^\w.-]/g, '_')}.eml`;
    anchor.click();
    URL.revokeObjectURL(url);
  };
  const header = /^[\s\S]*?\r?\n\r?\n/.exec(report.content)?.[0] ?? '';
  return html`<div class="head">
      <div class="choice" role="group" aria-label="How to show it">
        <button type="button" aria-pressed=${!isSource} onClick=${() => setSource(false)}>As it is read</button>
        <button type="button" aria-pressed=${isSource} onClick=${() => setSource(true)}>Source</button>
      </div>
      <button type="button" onClick=${download}>Download .eml</button>
      <span class="dim">${size(report.size)}</span>
    </div>
    ${
      isSource
        ? html`<pre class="letter" tabindex="0">${visible(report.content)}</pre>`
        : html`<div class="letter">
            <dl>
              ${['From', 'To', 'Subject'].map(
                (name) =>
                  html`<div key=${name}>
                    <dt>${name}</dt>
                    <dd>${visible(fieldOf(header, name))}</dd>
                  </div>`,
              )}
            </dl>
            <pre tabindex="0">${visible(report.text ?? '(it has no part in words)')}</pre>
          </div>`
    }
    <p class="dim">
      ${wasSent ? 'Made again from the record: what was sent is not kept.' : 'Made from the record; nothing is sent by looking.'}
      ${original === 'kept' ? '' : ' The original is gone: what the report returned of it is not shown.'}
    </p>`;
}

/** One field of the header, unfolded. */
const fieldOf = (header: string, name: string): string =>
  new RegExp(`^${name}:[ \\t]*((?:[^\\r\\n]|\\r?\\n[ \\t])*)`, 'im').exec(header)?.[1]?.replace(/\r?\n[ \t]+/g, ' ') ?? '';
