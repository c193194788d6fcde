import { randomUUID } from 'node:crypto';
import type { Answer, ReboundClient } from '../../../shared/io/client.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { confirm } from '../api/confirm.ts';
import { openApi, type ApiFlags } from '../api/connect.ts';
import { criteriaWords } from '../api/order-table.ts';
import { paperOf, print, printJson, renderTable, type Column, type Paper } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import { followOrder, orderWords } from './follow.ts';
import type { OrderBody } from './steering-command.ts';

export interface Manner {
  /** Nothing is done before somebody says yes. */
  isAsking: boolean;
  /** Nothing is done at all. */
  isPreview: boolean;
  isWaiting: boolean;
  json: boolean;
}

type Preview = Answer<'previewOrder'>;

/** Shows what an order concerns, gives it, and waits until it is carried out. Resolves with the exit code. */
export async function give(body: OrderBody, flags: ApiFlags, { isAsking, isPreview, isWaiting, json }: Manner): Promise<number> {
  const stopped = new AbortController();
  void whenStopped().then(() => stopped.abort());
  const api = await openApi(flags);
  const preview = await api.previewOrder({ body: { criteria: body.criteria } });
  if (isPreview) {
    if (json) printJson(preview);
    else print(previewLines(body, preview, paperOf(process.stdout, process.env)));
    return 0;
  }
  if (!json || isAsking) process.stderr.write(`${previewLines(body, preview, paperOf(process.stderr, process.env)).join('\n')}\n`);
  if (isAsking && !(await confirm(`${body.kind} them? This cannot be undone.`, stopped.signal))) {
    process.stderr.write('nothing was done\n');
    return 1;
  }
  const given = await giveOnce(api, body);
  const order = isWaiting ? await followOrder(api, given, preview.messages, stopped.signal) : given;
  if (json) printJson(order);
  else print(orderWords(order));
  return stopped.signal.aborted ? 130 : 0;
}

/** With a key: an answer that is lost on the way is asked for again, and the order is still one. */
async function giveOnce(api: ReboundClient, body: OrderBody): Promise<Answer<'giveOrder'>> {
  const idempotencyKey = randomUUID();
  try {
    return await api.giveOrder({ body, idempotencyKey });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ApiUnreachable') throw error;
    return api.giveOrder({ body, idempotencyKey });
  }
}

const mostSamples = 5;
const sampleColumns: readonly Column<Preview['sample'][number]>[] = [
  { title: 'MESSAGE', value: ({ message }) => message, isWhole: true },
  { title: 'LANE', value: ({ lane }) => lane },
  { title: 'FROM', value: ({ sender }) => sender || '<>' },
  { title: 'TO', value: ({ recipients: [first = '', ...others] }) => (others.length > 0 ? `${first} +${others.length}` : first) },
  { title: 'AGE', value: ({ created }) => agoOf(created) },
  { title: 'ATTEMPTS', value: ({ attempts }) => attempts },
];

function previewLines({ kind, criteria }: OrderBody, preview: Preview, paper: Paper): string[] {
  const { messages, recipients, lanes, sample, is_complete: isComplete } = preview;
  const count = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
  const words = `${count(messages, 'message')} of ${count(recipients, 'recipient')} in ${count(lanes.length, 'lane')}`;
  return [
    `${kind} ${criteriaWords(criteria)}: ${isComplete ? '' : 'at least '}${words} waiting now`,
    ...(sample.length > 0 ? renderTable(sampleColumns, sample.slice(0, mostSamples), paper) : []),
  ];
}
