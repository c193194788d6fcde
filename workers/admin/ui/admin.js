'use strict';

// Keeps every element with `data-live` as the server would show it now, and writes times in the reader's zone.

const interval = 2000;
const shown = new Map();

const live = (root) => [...root.querySelectorAll('[data-live][id]')];

function localTimes(root) {
  const today = new Date().toDateString();
  for (const element of root.querySelectorAll('time[datetime]')) {
    const date = new Date(element.dateTime);
    element.textContent = date.toDateString() === today ? date.toLocaleTimeString() : date.toLocaleString();
  }
}

function say(word, isLost) {
  const link = document.getElementById('link');
  if (link.textContent !== word) link.textContent = word;
  link.classList.toggle('lost', isLost);
}

async function refresh() {
  const response = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(String(response.status));
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const fresh of live(page)) {
    const old = document.getElementById(fresh.id);
    const text = fresh.innerHTML;
    // What has not changed stays, with the reader's selection in it.
    if (!old || shown.get(fresh.id) === text) continue;
    shown.set(fresh.id, text);
    localTimes(fresh);
    old.replaceWith(document.adoptNode(fresh));
  }
}

async function loop() {
  const isReading = document.hidden || document.querySelector('details[open]');
  if (!isReading)
    await refresh().then(
      () => say('live', false),
      () => say('no answer', true),
    );
  setTimeout(loop, interval);
}

for (const element of live(document)) shown.set(element.id, element.innerHTML);
localTimes(document);
document.addEventListener('visibilitychange', () => !document.hidden && refresh().catch(() => say('no answer', true)));
setTimeout(loop, interval);
