import { LRUCache } from 'lru-cache';
import type { DispositionRecord, RecordType } from '../core/disposition.ts';
import { printable } from '../core/printable.ts';
import type { Metrics } from './metrics.ts';

type Outcome = 'delivered' | 'deferred' | 'bounced';
type Counts = Record<Outcome, number> & { recent: number };

const outcomeOf: Partial<Record<RecordType, Outcome>> = {
  Delivery: 'delivered',
  TransientFailure: 'deferred',
  Bounce: 'bounced',
  Expiration: 'bounced',
};

/** Sites with series of their own, and sites that are counted to find these. */
const shownSites = 50;
const knownSites = 2000;
/** How often the busiest are chosen again; what was counted before then counts half. Milliseconds. */
const choiceInterval = 60_000;

/** Counts what sites say in `rebound_site_outcomes_total`, whose cardinality is bounded: anyone can make us send to any number of sites. */
export function openSiteOutcomes({ siteOutcomes }: Pick<Metrics, 'siteOutcomes'>): { count(record: DispositionRecord): void } {
  const known = new LRUCache<string, Counts>({ max: knownSites });
  const shown = new Set<string>();
  let choosesAt = Date.now() + choiceInterval;

  const add = (site: string, outcome: Outcome, n: number): void => siteOutcomes.inc({ site, outcome }, n);
  const show = (site: string, counts: Counts): void => {
    shown.add(site);
    // All three, so that a rate that is none is 0 and not absent.
    for (const outcome of ['delivered', 'deferred', 'bounced'] as const) add(site, outcome, counts[outcome]);
  };
  const hide = (site: string): void => {
    shown.delete(site);
    for (const outcome of ['delivered', 'deferred', 'bounced']) siteOutcomes.remove({ site, outcome });
  };
  const choose = (): void => {
    const busiest = new Map([...known.entries()].toSorted(([, a], [, b]) => b.recent - a.recent).slice(0, shownSites));
    for (const site of shown) if (!busiest.has(site)) hide(site);
    for (const [site, counts] of busiest) if (!shown.has(site)) show(site, counts);
    for (const counts of known.values()) counts.recent /= 2;
  };

  return {
    count: (record) => {
      const outcome = outcomeOf[record.type];
      if (!outcome || record.site === '') return;
      const site = printable(record.site.slice(record.site.indexOf('->') + 2), 200);
      const counts = known.get(site) ?? { delivered: 0, deferred: 0, bounced: 0, recent: 0 };
      known.set(site, counts);
      counts[outcome] += 1;
      counts.recent += 1;
      if (shown.has(site)) add(site, outcome, 1);
      else if (shown.size < shownSites) show(site, counts);
      if (Date.now() < choosesAt) return;
      choosesAt = Date.now() + choiceInterval;
      choose();
    },
  };
}
