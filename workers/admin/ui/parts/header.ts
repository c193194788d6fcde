import { useState } from 'preact/hooks';
import { ask, endSession, link, type Link, type Me } from '../api.ts';
import { html, type View } from '../html.ts';
import { nav } from '../nav.ts';
import { usePlace } from '../router.ts';
import { useStore } from '../store.ts';

export function Header({ who }: { who?: Me }): View {
  const { path } = usePlace();
  return html`<header class="top">
    <a class="brand" href="/"><${Mark} />Rebound</a>
    <nav class="nav" aria-label="Main">
      ${nav.map(({ path: to, word }) => html`<a href=${to} aria-current=${isCurrent(path, to) ? 'page' : undefined}>${word}</a>`)}
    </nav>
    <div class="who">
      <${LinkState} />
      ${who && html`<span class="host" title="This relay">${who.hostname}</span>`}
      ${who && who.login !== 'none' && html`<span class="role">${who.name} <span class="dim">${who.role}</span></span>`}
      <${ThemeSwitch} />
      ${who?.login === 'session' && html`<button type="button" class="quiet" onClick=${logOut}>Log out</button>`}
    </div>
  </header>`;
}

const isCurrent = (path: string, to: string): boolean => (to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`));

/** The sign of the product, in the colours of the theme. */
const Mark = (): View =>
  html`<svg class="mark" viewBox="0 0 32 32" width="20" height="20" aria-hidden="true">
    <rect width="32" height="32" rx="7" />
    <path d="M6 9l10 12L26 9" />
    <path class="line" d="M9 26h14" />
  </svg>`;

function LinkState(): View {
  const state = useStore(link);
  return html`<span class=${`link ${state.state}`} role="status" title=${state.state === 'lost' ? state.why : undefined}
    >${wordsOf(state)}</span
  >`;
}

function wordsOf(state: Link): string {
  switch (state.state) {
    case 'live':
      return 'live';
    case 'lost':
      return 'reconnecting';
    case 'expired':
      return 'session expired';
    default:
      return '';
  }
}

async function logOut(): Promise<void> {
  await ask('POST /api/logout').catch(() => undefined);
  endSession();
  location.assign('/');
}

type Theme = 'light' | 'dark';

function ThemeSwitch(): View {
  const [theme, setTheme] = useState<Theme>(themeNow);
  const other: Theme = theme === 'dark' ? 'light' : 'dark';
  const change = (): void => {
    document.documentElement.dataset['theme'] = other;
    try {
      localStorage.setItem('theme', other);
    } catch {
      // It holds for this page then.
    }
    setTheme(other);
    window.dispatchEvent(new Event('theme'));
  };
  return html`<button
    type="button"
    class="quiet icon"
    onClick=${change}
    aria-label=${`Use ${other} colours`}
    title=${`Use ${other} colours`}
  >
    <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
      <circle cx="10" cy="10" r="7" />
      <path d="M10 3a7 7 0 0 1 0 14z" />
    </svg>
  </button>`;
}

function themeNow(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}
