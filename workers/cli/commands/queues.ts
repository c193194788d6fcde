import { parseArgs } from 'node:util';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { queueColumns } from '../api/queue-table.ts';
import { paperOf, print, printJson, renderTable } from '../api/table.ts';
import type { Help } from '../command.ts';

export const help: Help = {
  usage: '[--json]',
  summary: 'queues of sessions, inbound reports, the bounce worker, webhooks and hooks',
  options: apiHelp,
  notes: `DEAD counts what was given up. Lanes have a command of their own: "rebound lanes".\n${exitCodes}`,
};

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: apiOptions });
  const api = await openApi(values);
  const answer = await api.queues();
  if (values.json) printJson(answer);
  else print(renderTable(queueColumns, answer.queues, paperOf(process.stdout, process.env)));
  return 0;
}
