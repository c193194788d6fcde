import type { DispositionRecord, RecordType } from '../../../shared/core/disposition.ts';
import { html, type Html } from '../html.ts';

/** A whole page around `body`. Elements with `data-live` and an id are kept fresh by the script. */
export function layout({ title, hostname, body }: { title: string; hostname: string; body: Html }): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Rebound</title>
        <link rel="icon" href="/ui/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/ui/admin.css" />
        <script src="/ui/admin.js" defer></script>
      </head>
      <body>
        <header class="top">
          <a class="brand" href="/"><img src="/ui/icon.svg" alt="" width="22" height="22" />Rebound</a>
          <nav><a href="/">Overview</a><a href="/queues">Queues</a><a href="/docs">API</a><a href="/metrics">Metrics</a></nav>
          <p class="host">${hostname}<span id="link" class="link" role="status">live</span></p>
        </header>
        <main>${body}</main>
      </body>
    </html> `;
}

/** The words people use for a type of record, and how it is coloured. */
export const typeWords: Record<RecordType, { word: string; tone: 'good' | 'wait' | 'bad' | 'plain' }> = {
  Reception: { word: 'received', tone: 'plain' },
  Delivery: { word: 'delivered', tone: 'good' },
  TransientFailure: { word: 'deferred', tone: 'wait' },
  Bounce: { word: 'bounced', tone: 'bad' },
  Expiration: { word: 'expired', tone: 'bad' },
  AdminBounce: { word: 'ended by admin', tone: 'bad' },
  Rejection: { word: 'rejected', tone: 'plain' },
  Delayed: { word: 'moved', tone: 'plain' },
  OOB: { word: 'bounced later', tone: 'bad' },
  Feedback: { word: 'complaint', tone: 'bad' },
};

/** A record may come from a newer version: what is unknown is told by its own name. */
export const wordsOf = (type: RecordType): (typeof typeWords)[RecordType] =>
  Object.hasOwn(typeWords, type) ? typeWords[type] : { word: String(type), tone: 'plain' };

export function typeBadge(type: RecordType): Html {
  const { word, tone } = wordsOf(type);
  return html`<span class="badge ${tone}">${word}</span>`;
}

/** Where something was said, to what, and what that amounts to. */
export const circumstances = ({ site, response, bounce_classification: label }: DispositionRecord): string =>
  [site, response.local ? 'said here' : response.command && `to ${response.command}`, label !== 'Uncategorized' && label]
    .filter(Boolean)
    .join(' · ');

/** A time of a record, in UTC; the script shows it in the reader's zone. */
export function time(at: string | number): Html {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return html`<time>${at}</time>`;
  const iso = date.toISOString();
  return html`<time datetime="${iso}" title="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

/** `12,345` */
export const count = (n: number): string => n.toLocaleString('en-US');
