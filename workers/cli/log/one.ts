import { printable } from '../../../shared/core/printable.ts';
import { recipientsOf } from '../../../shared/core/disposition.ts';
import type { Answer, ReboundClient } from '../../../shared/io/client.ts';
import { replyWords } from '../api/reply.ts';
import { print, printJson } from '../api/table.ts';

/** One record and what became of it. Resolves with the exit code. */
export async function showOne(api: ReboundClient, event: string, json: boolean): Promise<number> {
  const answer = await api.disposition({ params: { event } });
  if (json) printJson(answer);
  else print(linesOf(answer));
  return 0;
}

function linesOf({ record, explanation, report, replays, redelivered_as: redelivered, original }: Answer<'disposition'>): string[] {
  const facts: [string, string][] = [
    ['event', `${record.event_id}  ${record.type}  ${record.event_time}`],
    ['message', `${record.id || '-'}, its original is ${originals[original]}`],
    ['from', record.sender || '<>'],
    ['to', recipientsOf(record).join(', ')],
    ['site', record.site || '-'],
    ['reply', replyWords(record)],
    ...(explanation ? [['means', [explanation.reason, explanation.advice].filter(Boolean).join(' ')] as [string, string]] : []),
    ['report', [report.outcome, report.message, report.words ?? report.reason].filter(Boolean).join(', ')],
    ...replays.map(({ id, to, outcome }): [string, string] => ['replay', `${id} to ${to}: ${outcome ?? 'not yet'}`]),
    ...(redelivered === null ? [] : [['again as', redelivered] as [string, string]]),
  ];
  return facts.map(([name, value]) => `${name.padEnd(9)}${printable(value, 2000)}`);
}

const originals = { kept: 'kept', gone: 'not kept any more', none: 'none' } as const;
