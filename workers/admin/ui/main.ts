import { h, render } from 'preact';
import { App } from './app.ts';
import { ask, me } from './api.ts';
import { followLinks } from './router.ts';

followLinks();
const root = document.getElementById('app');
if (root) render(h(App, {}), root);
// 401 is told by `ask`; whatever else is in the way, it is tried again by the page.
void ask('GET /api/me').then(me.set, () => undefined);
