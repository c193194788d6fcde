import { html, type View } from '../html.ts';
import { usePlace } from '../router.ts';

/** The way through a list that is never read as a whole: to its next page, and to its first. */
export function Pages({ query, next, words }: { query: URLSearchParams; next: string | null; words: View }): View {
  const { path } = usePlace();
  const to = (cursor: string | null): string => {
    const changed = new URLSearchParams(query);
    changed.delete('cursor');
    if (cursor !== null) changed.set('cursor', cursor);
    const text = changed.toString();
    return text === '' ? path : `${path}?${text}`;
  };
  return html`<nav class="pages" aria-label="Pages">
    <span class="dim">${words}</span>
    ${query.has('cursor') && html`<a href=${to(null)}>First page</a>`}
    ${next !== null && html`<a href=${to(next)} rel="next">Next page</a>`}
  </nav>`;
}
