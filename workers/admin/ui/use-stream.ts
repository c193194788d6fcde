import { useEffect, useRef, useState } from 'preact/hooks';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { ask, link, pathOf } from './api.ts';

/** Kept for a list that lies open all day. */
const mostKept = 200;
/** However many come in, the page is drawn so often. Milliseconds. */
const drawEvery = 400;
const retryAfter = 3000;

/**
 * Records as they happen, the newest first. `isLive` false: none are asked for. A hidden page lets go of its connection,
 * of which a browser has six for all its pages, and goes on where it was. `onOpen`: all that happens from now on will come;
 * what was asked for before may lack what happened in between.
 */
export function useStream(query: Readonly<Record<string, string>>, isLive: boolean, onOpen: () => void): readonly DispositionRecord[] {
  const [records, setRecords] = useState<readonly DispositionRecord[]>([]);
  const question = JSON.stringify(query);
  const last = useRef<string | undefined>(undefined);
  const opened = useRef(onOpen);
  opened.current = onOpen;

  useEffect(() => {
    setRecords([]);
    last.current = undefined;
    if (!isLive) return undefined;
    let source: EventSource | undefined;
    let timer: number | undefined;
    let fresh: DispositionRecord[] = [];
    const draw = window.setInterval(() => {
      if (fresh.length === 0) return;
      const arrived = fresh.toReversed();
      fresh = [];
      setRecords((before) => unique([...arrived, ...before]).slice(0, mostKept));
    }, drawEvery);
    const close = (): void => {
      window.clearTimeout(timer);
      source?.close();
      source = undefined;
    };
    const open = (): void => {
      close();
      if (document.hidden) return;
      const made = new EventSource(pathOf('/api/events', {}, { ...query, ...(last.current && { after: last.current }) }));
      source = made;
      made.addEventListener('message', (event: MessageEvent<string>) => {
        last.current = event.lastEventId || last.current;
        fresh.push(JSON.parse(event.data) as DispositionRecord);
        if (fresh.length > mostKept) fresh.shift();
      });
      made.addEventListener('error', () => {
        if (made.readyState !== EventSource.CLOSED) {
          if (link.get().state === 'live') link.set({ state: 'lost', why: 'the stream of events was cut off' });
          return;
        }
        // An EventSource does not tell what was answered: a question does, and knows what it means.
        void ask('GET /api/me').catch(() => undefined);
        timer = window.setTimeout(open, retryAfter);
      });
      made.addEventListener('open', () => {
        if (link.get().state === 'lost') link.set({ state: 'live' });
        opened.current();
      });
    };
    open();
    document.addEventListener('visibilitychange', open);
    return () => {
      document.removeEventListener('visibilitychange', open);
      window.clearInterval(draw);
      close();
    };
  }, [question, isLive]);
  return records;
}

/** A stream may tell one event twice. */
export function unique(records: readonly DispositionRecord[]): DispositionRecord[] {
  const seen = new Set<string>();
  return records.filter(({ event_id: id }) => !seen.has(id) && seen.add(id));
}
