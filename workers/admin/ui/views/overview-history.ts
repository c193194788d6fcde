import { useMemo } from 'preact/hooks';
import type { Answer } from '../api.ts';
import { clock, count, percent, visible } from '../format.ts';
import { html, type View } from '../html.ts';
import { Chart } from '../parts/chart.ts';
import { Empty, Loading } from '../parts/notice.ts';
import { Badge } from '../parts/words.ts';

type Counts = Answer<'GET /api/dispositions/counts'>;
type Lane = Answer<'GET /api/lanes'>['lanes'][number];
type SiteCounts = Counts['sites'][number];

export function OverTime({ counts }: { counts: Counts | undefined }): View {
  const charts = useMemo(() => (counts ? chartsOf(counts) : undefined), [counts]);
  if (!charts)
    return html`<div class="columns">
      <div class="chart"></div>
      <div class="chart"></div>
    </div>`;
  return html`<div class="columns">
    <${Chart} title="Throughput" unit="/s" times=${charts.times} lines=${charts.throughput} />
    <${Chart} title="Bounce rate" unit="%" most=${charts.most} times=${charts.times} lines=${charts.bounceRate} />
  </div>`;
}

/** A picture of a relay that has just begun is not a flat line with a hair at its end: so many steps are shown at least. */
const fewestSteps = 10;
/** A step that has only begun says little about a rate. Seconds. */
const leastElapsed = 10;

function chartsOf({ start, step_seconds: step, steps, types }: Counts) {
  const from = Date.parse(start) / 1000;
  const series = (...names: string[]): number[] =>
    sum(
      steps,
      names.map((name) => types[name] ?? []),
    );
  // The last step is not over: what it has so far is told of the time that it has had, once that is worth telling.
  const elapsed = Math.min(step, Date.now() / 1000 - (from + (steps - 1) * step));
  const end = elapsed >= leastElapsed || steps === 1 ? steps : steps - 1;
  const secondsOf = (n: number): number => (n === steps - 1 ? Math.max(1, elapsed) : step);
  const all = Object.values(types);
  const first = Array.from({ length: end }, (_, n) => n).find((n) => all.some((values) => (values?.[n] ?? 0) > 0)) ?? end;
  const begin = Math.max(0, Math.min(first - 1, end - fewestSteps));
  const shown = (values: readonly number[]): number[] => values.slice(begin, end);
  const perSecond = (values: readonly number[]): (number | null)[] =>
    shown(values).map((n, i) => (begin + i < first - 1 ? null : n / secondsOf(begin + i)));
  const delivered = series('Delivery');
  const bounced = series('Bounce', 'Expiration', 'AdminBounce', 'OOB');
  const bouncedThen = shown(bounced);
  const rates = shown(delivered).map((n, i) => {
    const failed = bouncedThen[i] ?? 0;
    return n + failed === 0 ? null : (failed / (n + failed)) * 100;
  });
  return {
    times: Array.from({ length: end - begin }, (_, n) => from + (begin + n) * step),
    throughput: [
      { label: 'accepted', colour: '--accent', values: perSecond(series('Reception')) },
      { label: 'delivered', colour: '--good', values: perSecond(delivered) },
      { label: 'deferred', colour: '--wait', values: perSecond(series('TransientFailure')) },
      { label: 'bounced', colour: '--bad', values: perSecond(bounced) },
    ],
    bounceRate: [{ label: 'of what ended', colour: '--bad', values: rates }],
    most: Math.min(100, Math.max(5, Math.ceil(Math.max(0, ...rates.map((n) => n ?? 0)) * 1.2))),
  };
}

const sum = (length: number, all: readonly (readonly number[])[]): number[] =>
  Array.from({ length }, (_, n) => all.reduce((total, one) => total + (one[n] ?? 0), 0));

/** Why mail bounced: the classes, and how much each is of all. */
export function Reasons({ counts, range }: { counts: Counts | undefined; range: string }): View {
  const all = counts?.failures ?? [];
  const total = all.reduce((n, one) => n + one.total, 0);
  return html`<section aria-labelledby="reasons">
    <h2 id="reasons">Why mail bounced</h2>
    ${
      total === 0
        ? html`${counts ? html`<${Empty}>Nothing bounced within ${range}.<//>` : html`<${Loading} />`}`
        : html`<table>
            <thead>
              <tr>
                <th>Class</th>
                <th class="n">Recipients</th>
                <th class="n">Part</th>
              </tr>
            </thead>
            <tbody>
              ${all.map(
                ({ class: name, total: n }) =>
                  html`<tr key=${name}>
                    <th scope="row"><a href=${`/bounces?${new URLSearchParams({ class: name, since: range })}`}>${visible(name)}</a></th>
                    <td class="n">${count(n)}</td>
                    <td class="n bar"><${Bar} part=${n / total} />${percent(n, total)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

const Bar = ({ part }: { part: number }): View =>
  html`<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
    <rect class="rail" width="100" height="6" />
    <rect width=${(part * 100).toFixed(1)} height="6" />
  </svg>`;

export function Sites({ counts, lanes, range }: { counts: Counts | undefined; lanes: readonly Lane[] | undefined; range: string }): View {
  const sites = counts?.sites ?? [];
  const laneOf = new Map(lanes?.map((lane) => [lane.site, lane]));
  return html`<section aria-labelledby="sites">
    <h2 id="sites">Busiest sites</h2>
    ${
      sites.length === 0
        ? html`${counts ? html`<${Empty}>Nothing was delivered or refused within ${range}.<//>` : html`<${Loading} />`}`
        : html`<table class="stack">
            <thead>
              <tr>
                <th>Site, and what it last said</th>
                <th class="n">Delivered</th>
                <th class="n">Deferred</th>
                <th class="n">Bounced</th>
              </tr>
            </thead>
            <tbody>
              ${sites.map((site) => html`<${SiteRow} key=${site.site} site=${site} lane=${laneOf.get(site.site)} />`)}
            </tbody>
          </table>`
    }
  </section>`;
}

function SiteRow({
  site: { site, delivered, deferred, failed, last_reply: last },
  lane,
}: {
  site: SiteCounts;
  lane: Lane | undefined;
}): View {
  const text = last && [last.code || '', last.enhanced ?? '', last.content].filter((part) => part !== '').join(' ');
  return html`<tr>
    <th scope="row">
      <a href=${lane ? `/lanes/${encodeURIComponent(lane.lane)}` : `/lanes?${new URLSearchParams({ site })}`}>${visible(site)}</a>
      ${(lane?.paused || lane?.suspended) && html` <${Badge} tone="wait">suspended<//>`}
      ${lane && lane.held_ms > 0 && html` <${Badge} tone="wait">left alone<//>`}
      ${last && html`<div class="reply dim clip" title=${`${clock(last.time)} ${visible(text ?? '')}`}>${visible(text ?? '')}</div>`}
    </th>
    <td class="n" data-label="Delivered">${count(delivered)}</td>
    <td class="n" data-label="Deferred">${count(deferred)}</td>
    <td class="n" data-label="Bounced">${count(failed)}</td>
  </tr>`;
}
