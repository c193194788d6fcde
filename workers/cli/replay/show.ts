import { printable, printableJson } from '../../../shared/core/printable.ts';
import { formatReplayTarget, type ReplaySample, type ReplaySurvey } from '../../../shared/core/replay.ts';
import type { ReplayState } from '../../../shared/io/replay-state.ts';

type OutcomeSample = ReplaySample & { outcome: string };

export const replayAsJson = (state: ReplayState, sample?: readonly OutcomeSample[]): string =>
  printableJson(
    JSON.stringify({ ...state, plan: { ...state.plan, target: formatReplayTarget(state.plan.target) }, ...(sample && { sample }) }),
  );

/** One line of the list. */
export function replayAsRow({ id, plan, status, who, begun, queued, pending }: ReplayState): string {
  const words = status === 'queued' && pending === 0 ? 'done' : status;
  return [
    id,
    timeOf(begun),
    words.padEnd(11),
    formatReplayTarget(plan.target).padEnd(16),
    `${queued} queued, ${pending} pending`,
    printable(who),
  ].join('  ');
}

export function replayAsLines(state: ReplayState, sample: readonly OutcomeSample[]): string[] {
  const { plan, why, skipped, queued, pending, outcomes } = state;
  return [
    replayAsRow(state),
    `filter   ${printable(JSON.stringify(plan.filter))}${plan.force ? ', by force' : ''}`,
    ...(why ? [`why      ${printable(why)}`] : []),
    '',
    ...table(new Map([['queued', queued], ...Object.entries(outcomes), ['pending', pending]])),
    ...(skipped > 0 ? [`${skipped} more records fit that are of no use to ${formatReplayTarget(plan.target)}`] : []),
    ...(sample.length > 0 ? ['', ...sample.map((item) => `${printable(item.outcome, 40).padEnd(22)} ${sampleAsRow(item)}`)] : []),
  ];
}

export const surveyAsJson = (survey: ReplaySurvey): string =>
  printableJson(
    JSON.stringify({
      records: survey.records,
      skipped: survey.skipped,
      sites: Object.fromEntries(survey.sites),
      codes: Object.fromEntries(survey.codes),
      classes: Object.fromEntries(survey.classes),
      sample: survey.sample,
    }),
  );

/** Of each table the most frequent. */
const mostRows = 15;

export function surveyAsLines({ records, skipped, sites, codes, classes, sample }: ReplaySurvey): string[] {
  const part = (title: string, counts: ReadonlyMap<string, number>): string[] => {
    if (counts.size === 0) return [];
    const rows = [...counts].toSorted(([, a], [, b]) => b - a);
    const others = rows.slice(mostRows).reduce((sum, [, count]) => sum + count, 0);
    return ['', title, ...table(new Map([...rows.slice(0, mostRows), ...(others > 0 ? [['and others', others] as const] : [])]))];
  };
  return [
    `${records - skipped} records would be replayed${skipped > 0 ? `; ${skipped} more fit that are of no use to the target` : ''}. Nothing was written.`,
    ...part('site', sites),
    ...part('code', codes),
    ...part('class', classes),
    ...(sample.length > 0 ? ['', 'the first of them', ...sample.map(sampleAsRow)] : []),
  ];
}

const table = (counts: ReadonlyMap<string, number>): string[] =>
  [...counts].map(([name, count]) => `${String(count).padStart(10)}  ${printable(name, 100)}`);

const sampleAsRow = ({ event_id: id, type, time, sender, recipient, site, code }: ReplaySample): string =>
  printable(`${time}  ${type}  ${code}  ${sender || '<>'} -> ${recipient}  ${site || '-'}  ${id}`);

const timeOf = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ');
