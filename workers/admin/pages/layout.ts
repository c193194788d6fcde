import { html, type Html } from '../html.ts';
import { nav } from '../ui/nav.ts';
import type { Ui } from '../ui-files.ts';

/** A page without a program, in the look of the others. */
export function layout({ title, hostname, ui, body }: { title: string; hostname: string; ui: Ui; body: Html }): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Rebound</title>
        <link rel="icon" href="${ui.pathOf('icon.svg')}" type="image/svg+xml" />
        <script src="${ui.pathOf('theme.ts')}"></script>
        <link rel="stylesheet" href="${ui.pathOf('tokens.css')}" />
        <link rel="stylesheet" href="${ui.pathOf('ui.css')}" />
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <a class="brand" href="/"><img src="${ui.pathOf('icon.svg')}" alt="" width="20" height="20" />Rebound</a>
          <nav class="nav" aria-label="Main">
            ${nav.map(({ path, word }) => (path === '/docs' ? html`<a href="${path}" aria-current="page">${word}</a>` : html`<a href="${path}">${word}</a>`))}
          </nav>
          <p class="host">${hostname}</p>
        </header>
        <main id="main" class="prose">${body}</main>
      </body>
    </html> `;
}
