import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { ReboundClient } from '../../../shared/io/client.ts';
import { apiHelp, apiOptions, exitCodes, openApi, type ApiFlags } from '../api/connect.ts';
import { orderColumns, type Order } from '../api/order-table.ts';
import { paperOf, print, printJson, renderTable } from '../api/table.ts';
import { Failure, UsageError, type Command } from '../command.ts';
import { criteriaHelp, criteriaOptions, isSame, readCriteria, type Flags } from './criteria.ts';

/** A command that ends orders of one kind, by their ids or by the criteria they were given. */
export function endingCommand(kind: Order['kind'], summary: string): Command {
  const options: ParseArgsOptionsConfig = { ...criteriaOptions, ...apiOptions, reason: { type: 'string' } };
  return {
    help: {
      usage: '<order>... | <criteria> --reason <text> [options]',
      summary,
      options: [
        ['<order>', 'its id, as "rebound orders" lists it'],
        ...criteriaHelp,
        ['--reason <text>', 'why; kept in the audit log'],
        ...apiHelp,
      ],
      notes: `Criteria are those with which it was given. What waited goes on at once.\n${exitCodes}`,
    },
    run: async (args) => {
      const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
      const flags = values as Flags;
      const { reason } = flags;
      if (typeof reason !== 'string') throw new UsageError('--reason is needed');
      const criteria = positionals.length > 0 ? undefined : readCriteria(flags);
      const api = await openApi(flags as ApiFlags);
      const ids = criteria === undefined ? readIds(positionals) : await idsOf(api, kind, criteria);
      await endOrders(api, ids, reason, flags['json'] === true);
      return 0;
    },
  };
}

/** Ends them, and says what was done of each. */
export async function endOrders(api: ReboundClient, ids: readonly string[], reason: string, json: boolean): Promise<void> {
  const orders: Order[] = [];
  for (const id of ids) orders.push(await api.endOrder({ params: { id }, body: { reason } }));
  if (json) printJson({ orders });
  else print(renderTable(orderColumns, orders, paperOf(process.stdout, process.env)));
}

export function readIds(ids: readonly string[]): readonly string[] {
  for (const id of ids)
    if (!/^[0-9a-f]{32}$/.test(id)) throw new UsageError(`"${id.slice(0, 80)}" is no id of an order: it has 32 digits from 0 to f`);
  return ids;
}

async function idsOf(api: ReboundClient, kind: Order['kind'], criteria: Readonly<Record<string, unknown>>): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await api.orders({ query: { kind, limit: 1000, cursor: cursor ?? undefined } });
    ids.push(...page.orders.filter((order) => isSame(order.criteria, criteria)).map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== null);
  if (ids.length === 0) throw new Failure(`there is no ${kind} with these criteria; "rebound orders --kind ${kind}" lists them`);
  return ids;
}
