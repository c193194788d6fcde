import { useEffect, useState } from 'preact/hooks';
import type { Answer } from '../api.ts';
import { count, duration, percent, rate } from '../format.ts';
import { html, type View } from '../html.ts';
import type { Tone } from '../records.ts';

type Status = Answer<'GET /api/status'>;
type Counts = Status['records']['counts'];

interface Sample {
  at: number;
  counts: Counts;
}

/** Rates are those of this time. Milliseconds. */
const window_ = 12_000;

export interface NumbersProps {
  /** Undefined before the first answer: the tiles are there, and their numbers come. */
  status: Status | undefined;
  sessions: number | undefined;
  /** Reception of the message that waits longest. */
  oldest: string | null;
  workers: Answer<'GET /api/workers'>['workers'] | undefined;
}

/** What happens each second, and what waits. */
export function Numbers({ status, sessions, oldest, workers }: NumbersProps): View {
  const counts = status?.records.counts;
  const perSecond = useRates(counts);
  const queue = status?.queue;
  const reports = status?.bounces;
  const alive = workers?.filter((worker) => worker.alive).length;
  const total = (n: number | undefined): string => (n === undefined ? '' : `${count(n)} counted`);
  return html`<section aria-label="Now" class="tiles">
    <${Tile}
      word="Accepted"
      title="Recipients whose mail was taken in, each second"
      unit="/s"
      value=${perSecond(({ Reception }) => Reception)}
      note=${total(counts?.Reception)}
    />
    <${Tile}
      word="Delivered"
      title="Recipients whose mail the other server has taken"
      unit="/s"
      value=${perSecond(({ Delivery }) => Delivery)}
      note=${total(counts?.Delivery)}
      tone="good"
    />
    <${Tile}
      word="Deferred"
      title="Attempts that failed for now (a 4xx reply, or no connection) and will be made again"
      unit="/s"
      value=${perSecond(({ TransientFailure }) => TransientFailure)}
      note=${total(counts?.TransientFailure)}
      tone="wait"
    />
    <${Tile}
      word="Bounced"
      title="Recipients that ended without delivery: refused for good (5xx), expired, or ended by an operator"
      unit="/s"
      value=${perSecond(bouncedOf)}
      note=${counts ? `${percent(bouncedOf(counts), bouncedOf(counts) + counts.Delivery)} of what ended` : ''}
      tone="bad"
    />
    <${Tile}
      word="Queue"
      title="Messages that wait for delivery or are being delivered"
      href="/lanes"
      value=${queue ? count(queue.waiting + queue.delayed + queue.active) : '–'}
      note=${queue ? `${count(queue.waiting)} ready, ${count(queue.delayed)} for a retry, ${count(queue.active)} in flight` : ''}
    />
    <${Tile}
      word="Oldest"
      title="How long ago the message that waits longest came in"
      href="/lanes?sort=age"
      value=${oldest ? duration(Date.now() - Date.parse(oldest)) : '–'}
      note="since its reception"
    />
    <${Tile}
      word="Sessions"
      title="SMTP connections to other servers that are open now; a lane is the queue of one destination"
      value=${sessions === undefined ? '–' : count(sessions)}
      note=${queue ? `open, in ${count(queue.lanes)} ${queue.lanes === 1 ? 'lane' : 'lanes'}` : ''}
    />
    <${Tile}
      word="Reports"
      title="Bounce reports to senders that are still to be made"
      value=${reports ? count(reports.waiting + reports.delayed + reports.active) : '–'}
      note="wait to be made"
    />
    <${Tile}
      word="Workers"
      title="Processes of this relay, by their own word of the last seconds"
      value=${alive === undefined ? '–' : count(alive)}
      note=${workers && alive !== undefined && alive < workers.length ? `${workers.length - alive} not heard of` : 'alive'}
    />
  </section>`;
}

interface TileProps {
  word: string;
  /** What the word means. */
  title: string;
  value: string;
  unit?: string;
  note: string;
  tone?: Tone;
  href?: string;
}

function Tile({ word, title, value, unit, note, tone = 'plain', href }: TileProps): View {
  const isZero = /^(?:0|–)$/.test(value);
  return html`<div class=${`tile ${isZero ? 'zero' : tone}`} title=${title}>
    <h2>${href ? html`<a href=${href}>${word}</a>` : word}</h2>
    <p class="value">${value}${unit && value !== '–' && html`<small>${unit}</small>`}</p>
    <p class="dim">${note}</p>
  </div>`;
}

const bouncedOf = ({ Bounce, Expiration, AdminBounce, OOB }: Counts): number => Bounce + Expiration + AdminBounce + OOB;

/** Of counts that grow; a count that shrank was begun anew by the server, and so is this. A dash until there are two looks. */
function useRates(counts: Counts | undefined): (of: (counts: Counts) => number) => string {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    if (!counts) return;
    const now: Sample = { at: Date.now(), counts };
    setSamples((before) => {
      const last = before.at(-1);
      const isFresh = last !== undefined && counts.Reception >= last.counts.Reception && counts.Delivery >= last.counts.Delivery;
      return [...(isFresh ? before.filter(({ at }) => now.at - at < window_) : []), now];
    });
  }, [counts]);
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || last.at === first.at) return () => '–';
  const seconds = (last.at - first.at) / 1000;
  return (of) => rate(Math.max(0, of(last.counts) - of(first.counts)) / seconds);
}
