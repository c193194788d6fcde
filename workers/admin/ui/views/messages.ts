import type { Answer } from '../api.ts';
import { count, size, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Empty, Loading, Trouble } from '../parts/notice.ts';
import { Address, Time, TypeBadge } from '../parts/words.ts';
import { textOf } from '../parts/form.ts';
import { go } from '../router.ts';
import { useAsk } from '../use-ask.ts';

type Found = Answer<'GET /api/messages'>['messages'][number];

/** A message by its id, its Message-ID, or an address of its envelope. */
export function Messages({ query }: { query: URLSearchParams }): View {
  const wanted = query.get('find') ?? '';
  const search = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = textOf(new FormData(event.currentTarget as HTMLFormElement), 'find').trim();
    const id = text.replaceAll('-', '').toLowerCase();
    if (/^[0-9a-f]{32}$/.test(id)) go(`/messages/${id}`);
    else go(text === '' ? '/messages' : `/messages?${new URLSearchParams({ find: text })}`);
  };
  const by = /^@|^[^\s<>@]+@[^\s<>@]+$/.test(wanted) && !query.has('message_id') ? 'address' : 'message_id';
  const { data, problem } = useAsk('GET /api/messages', wanted === '' ? undefined : { query: { [by]: wanted, limit: 50 } });
  // What looks like an address may be a Message-ID without its brackets.
  const other = useAsk(
    'GET /api/messages',
    data?.messages.length === 0 && by === 'address' && !wanted.startsWith('@') ? { query: { message_id: wanted, limit: 50 } } : undefined,
  );
  const messages = [...(data?.messages ?? []), ...(other.data?.messages ?? [])];
  return html`<h1 tabindex="-1">Messages</h1>
    <p class="lead">
      What happened to a message, from its reception to the last word on each recipient. Look for it by the id in our 250 reply or in its
      report, by its Message-ID, or by an address of its envelope.
    </p>
    <form class="filters" role="search" onSubmit=${search}>
      <label class="grow"
        >Id, Message-ID or address
        <input
          name="find"
          defaultValue=${wanted}
          autocomplete="off"
          spellcheck=${false}
          placeholder="ann@example.org, @example.org or <…@…>"
      /></label>
      <button type="submit" class="primary">Find</button>
    </form>
    <${Trouble} problem=${problem} />
    ${wanted !== '' && !data && !problem && html`<${Loading} />`}
    ${data && messages.length === 0 && html`<${Empty}>Nothing was found${data.complete ? '' : ' in the time there was'}.<//>`}
    ${messages.length > 0 && html`<${Table} messages=${messages} />`}
    ${messages.length > 0 && data && !data.complete && html`<p class="dim">There was no time for all of log and archive: there may be more.</p>`}`;
}

const Table = ({ messages }: { messages: readonly Found[] }): View =>
  html`<table class="stack">
    <thead>
      <tr>
        <th>Received</th>
        <th>Sender</th>
        <th>Recipients</th>
        <th>Last heard</th>
        <th class="n">Size</th>
      </tr>
    </thead>
    <tbody>
      ${messages.map(
        (message) =>
          html`<tr key=${message.id}>
            <th scope="row">
              <a href=${`/messages/${message.id}`}><${Time} at=${message.received} /></a>
            </th>
            <td data-label="Sender"><${Address}>${message.sender}<//></td>
            <td data-label="Recipient">
              <${Address}>${message.recipients.slice(0, 3).join(', ')}<//
              >${message.recipients.length > 3 && html` <span class="dim">and ${count(message.recipients.length - 3)} more</span>`}
            </td>
            <td data-label="Reply">
              <${TypeBadge} type=${message.last.type} /> <span class="reply">${visible(message.last.content)}</span>
            </td>
            <td class="n">${size(message.size)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
