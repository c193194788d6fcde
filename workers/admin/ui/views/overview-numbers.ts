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
  status: Status;
  sessions: number | undefined;
  /** Reception of the message that waits longest. */
  oldest: string | null;
  workers: Answer<'GET /api/workers'>['workers'] | undefined;
}

/** What happens each second, and what waits. */
export function Numbers({ status, sessions, oldest, workers }: NumbersProps): View {
  const perSecond = useRates(status.records.counts);
  const { counts } = status.records;
  const bounced = bouncedOf(counts);
  const { waiting, delayed, active, lanes } = status.queue;
  const alive = workers?.filter((worker) => worker.alive).length;
  return html`<section aria-label="Now" class="tiles">
    <${Tile}
      word="Accepted"
      unit="/s"
      value=${rate(perSecond(({ Reception }) => Reception))}
      note=${`${count(counts.Reception)} counted`}
    />
    <${Tile}
      word="Delivered"
      unit="/s"
      value=${rate(perSecond(({ Delivery }) => Delivery))}
      note=${`${count(counts.Delivery)} counted`}
      tone="good"
    />
    <${Tile}
      word="Deferred"
      unit="/s"
      value=${rate(perSecond(({ TransientFailure }) => TransientFailure))}
      note=${`${count(counts.TransientFailure)} counted`}
      tone="wait"
    />
    <${Tile}
      word="Bounced"
      unit="/s"
      value=${rate(perSecond(bouncedOf))}
      note=${`${percent(bounced, bounced + counts.Delivery)} of what ended`}
      tone="bad"
    />
    <${Tile}
      word="Queue"
      href="/lanes"
      value=${count(waiting + delayed + active)}
      note=${`${count(waiting)} ready, ${count(delayed)} for a retry, ${count(active)} in flight`}
    />
    <${Tile}
      word="Oldest"
      href="/lanes?sort=age"
      value=${oldest ? duration(Date.now() - Date.parse(oldest)) : '–'}
      note="since its reception"
    />
    <${Tile}
      word="Sessions"
      value=${sessions === undefined ? '–' : count(sessions)}
      note=${`open, in ${count(lanes)} ${lanes === 1 ? 'lane' : 'lanes'}`}
    />
    <${Tile}
      word="Reports"
      value=${count(status.bounces.waiting + status.bounces.delayed + status.bounces.active)}
      note="records wait for theirs"
    />
    <${Tile}
      word="Workers"
      value=${alive === undefined ? '–' : count(alive)}
      note=${workers && alive !== undefined && alive < workers.length ? `${workers.length - alive} not heard of` : 'alive'}
    />
  </section>`;
}

interface TileProps {
  word: string;
  value: string;
  unit?: string;
  note: string;
  tone?: Tone;
  href?: string;
}

function Tile({ word, value, unit, note, tone = 'plain', href }: TileProps): View {
  const isZero = /^(?:0|–)$/.test(value);
  return html`<div class=${`tile ${isZero ? 'zero' : tone}`}>
    <h2>${href ? html`<a href=${href}>${word}</a>` : word}</h2>
    <p class="value">${value}${unit && html`<small>${unit}</small>`}</p>
    <p class="dim">${note}</p>
  </div>`;
}

const bouncedOf = ({ Bounce, Expiration, AdminBounce, OOB }: Counts): number => Bounce + Expiration + AdminBounce + OOB;

/** Of counts that grow; a count that shrank was begun anew by the server, and so is this. */
function useRates(counts: Counts): (of: (counts: Counts) => number) => number {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    const now: Sample = { at: Date.now(), counts };
    setSamples((before) => {
      const last = before.at(-1);
      const isFresh = last !== undefined && counts.Reception >= last.counts.Reception && counts.Delivery >= last.counts.Delivery;
      return [...(isFresh ? before.filter(({ at }) => now.at - at < window_) : []), now];
    });
  }, [counts]);
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || last.at === first.at) return () => 0;
  const seconds = (last.at - first.at) / 1000;
  return (of) => Math.max(0, of(last.counts) - of(first.counts)) / seconds;
}
