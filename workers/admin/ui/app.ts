import { useEffect } from 'preact/hooks';
import { ask, link, me, type Me } from './api.ts';
import { visible } from './format.ts';
import { html, type View } from './html.ts';
import { Header } from './parts/header.ts';
import { Login } from './parts/login.ts';
import { Loading } from './parts/notice.ts';
import { usePlace } from './router.ts';
import { useStore } from './store.ts';
import { viewOf } from './views.ts';

/** Milliseconds. */
const retryAfter = 2000;

export function App(): View {
  const who = useStore(me);
  const { state } = useStore(link);
  useEffect(() => {
    if (who !== undefined || state === 'expired') return undefined;
    const timer = window.setInterval(() => void ask('GET /api/me').then(me.set, () => undefined), retryAfter);
    return () => window.clearInterval(timer);
  }, [who, state]);

  if (who === null) return html`<${Login} />`;
  if (who === undefined) return html`<${Frame}><${Loading} /><//>`;
  return html`<${Frame} who=${who}>
    <${Page} />
    ${state === 'expired' && html`<${Login} who=${who} />`}
  <//>`;
}

function Page(): View {
  const place = usePlace();
  const { title, view } = viewOf(place);
  useEffect(() => {
    document.title = `${visible(title)} · Rebound`;
  }, [title]);
  return view;
}

function Frame({ who, children }: { who?: Me; children?: View }): View {
  return html`<a class="skip" href="#main">Skip to the content</a>
    <${Header} who=${who} />
    <main id="main" tabindex="-1">${children}</main>`;
}
