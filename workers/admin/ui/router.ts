import { createStore, useStore } from './store.ts';

export interface Place {
  path: string;
  query: URLSearchParams;
}

const here = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });
const place = createStore<Place>(here());

export const usePlace = (): Place => useStore(place);

/** Paths of the page itself; others are loaded. */
const own = /^\/(?:$|(?:bounces|messages|lanes|replays|rules)(?:\/|$))/;

export const isPage = (path: string): boolean => own.test(path);

export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') history.pushState(null, '', to);
  else history.replaceState(null, '', to);
  place.set(here());
  if (how === 'replace') return;
  window.scrollTo(0, 0);
  // For who hears the page: it says where he is now.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('main h1')?.focus());
}

/** Puts filters into the URL; what is empty is left out. */
export function setQuery(values: Readonly<Record<string, string | undefined>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  go(location.pathname + (text === '' ? '' : `?${text}`), 'replace');
}

/** Links stay links: what a browser does with a modifier key or another button is left to it. */
export function followLinks(): void {
  window.addEventListener('popstate', () => place.set(here()));
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.target instanceof Element ? event.target.closest('a') : null;
    if (!anchor || anchor.target !== '' || anchor.hasAttribute('download') || anchor.origin !== location.origin) return;
    if (!isPage(anchor.pathname) || (anchor.hash !== '' && anchor.pathname === location.pathname)) return;
    event.preventDefault();
    go(anchor.pathname + anchor.search + anchor.hash);
  });
}
