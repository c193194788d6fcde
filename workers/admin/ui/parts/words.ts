import type { DispositionRecord } from '../../../../shared/core/disposition.ts';
import { clock, duration, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { replyOf, wordsOf, type Tone } from '../records.ts';

/** A word with the colour of a state; the word alone says it too. */
export const Badge = ({ tone, children }: { tone: Tone; children?: View }): View => html`<span class=${`badge ${tone}`}>${children}</span>`;

export function TypeBadge({ type }: { type: string }): View {
  const { word, tone } = wordsOf(type);
  return html`<${Badge} tone=${tone}>${visible(word)}<//>`;
}

/** A time in the reader's zone; the exact one is its title. */
export function Time({ at }: { at: string | number }): View {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return html`<span>${visible(String(at))}</span>`;
  const iso = date.toISOString();
  return html`<time datetime=${iso} title=${iso}>${clock(at)}</time>`;
}

/** How long ago, with the time as its title. */
export function Age({ at }: { at: string | number | null }): View {
  if (at === null) return html`<span class="dim">–</span>`;
  const ms = Date.now() - new Date(at).getTime();
  return html`<time datetime=${new Date(at).toISOString()} title=${clock(at)}>${duration(ms)}</time>`;
}

/** What a server said, to the letter. */
export const Reply = ({ record }: { record: DispositionRecord }): View => html`<span class="reply">${visible(replyOf(record))}</span>`;

export const Address = ({ children }: { children: string }): View => html`<span class="address">${visible(children) || '<>'}</span>`;
