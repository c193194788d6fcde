import { useEffect } from 'preact/hooks';
import { clock, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Empty, Trouble } from '../parts/notice.ts';
import { useAsk } from '../use-ask.ts';

/** Who said what, line by line; without the content, which is nobody's business here. */
export function Conversation({ event }: { event: string }): View {
  const { data, problem } = useAsk('GET /api/dispositions/{event}/conversation', { params: { event }, query: {} });
  // A link to it was followed before it was there to be shown.
  useEffect(() => {
    if (location.hash === '#conversation') document.getElementById('conversation')?.scrollIntoView();
  }, [data]);
  const isGone = problem?.status === 404;
  return html`<section aria-labelledby="conversation">
    <h2 id="conversation">The SMTP conversation</h2>
    ${!isGone && html`<${Trouble} problem=${problem} />`}
    ${isGone && html`<${Empty}>It is not kept: of failed attempts it is, for a time (the setting delivery.keepConversations).<//>`}
    ${
      data &&
      html`<ol class="talk" tabindex="0" aria-label="Lines of the conversation">
        ${data.lines.map(
          ({ at, direction, text }, n) =>
            html`<li key=${n} class=${direction}>
              <span class="side" title=${clock(at)}>${{ client: 'we', server: 'server', note: '' }[direction]}</span
              ><span>${visible(text)}</span>
            </li>`,
        )}
      </ol>`
    }
  </section>`;
}
