import type { Refusal } from '../api.ts';
import { html, type View } from '../html.ts';

/** What stands in the place of data: that it is coming, that there is none, or why not. */
export const Loading = (): View => html`<p class="loading" role="status">Loading</p>`;

export const Empty = ({ children }: { children?: View }): View => html`<p class="empty">${children}</p>`;

/** Nothing where the link says it already: all of the page would say the same. */
export function Trouble({ problem }: { problem: Refusal | undefined }): View {
  if (!problem || problem.status === 401 || problem.status < 0) return null;
  return html`<p class="problem" role="alert">${problem.status === 403 ? 'You may not see this: ' : ''}${problem.message}</p>`;
}
