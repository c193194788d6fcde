import { parseArgs } from 'node:util';
import type { Request } from '../../../shared/io/client.ts';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { orderColumns } from '../api/order-table.ts';
import { paperOf, print, printJson, renderTable } from '../api/table.ts';
import { UsageError, type Help } from '../command.ts';
import { endOrders, readIds } from '../steer/ending-command.ts';
import { orderWords } from '../steer/follow.ts';

export const help: Help = {
  usage: '[list] [--kind <kind>] [--ended] | show <order> | end <order>... --reason <text>',
  summary: 'orders in force: suspensions, holds, bounces and the like',
  options: [
    ['list', 'those in force (also without it)'],
    ['--kind <kind>', 'suspend, hold, bounce, drop, retry, rebind or limits'],
    ['--ended', 'the ended ones of late too'],
    ['show <order>', 'one order and how far it is'],
    ['end <order>...', 'end them: resume, release, take limits back'],
    ['--reason <text>', 'why it is ended; kept in the audit log'],
    ...apiHelp,
  ],
  notes: exitCodes,
};

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
type Kind = NonNullable<NonNullable<Request<'orders'>['query']>['kind']>;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { ...apiOptions, kind: text, reason: text, ended: flag },
    allowPositionals: true,
  });
  const [verb = 'list', ...ids] = positionals;
  const { json, kind, ended, reason } = values;
  switch (verb) {
    case 'list': {
      if (ids.length > 0) throw new UsageError('"orders list" takes no id; "orders show" does');
      const api = await openApi(values);
      const answer = await api.orders({ query: { state: ended ? 'all' : 'in force', kind: kind as Kind | undefined } });
      if (json) printJson(answer);
      else if (answer.orders.length === 0) print([ended ? 'no order has been given of late' : 'no order is in force']);
      else print(renderTable(orderColumns, answer.orders, paperOf(process.stdout, process.env)));
      return 0;
    }
    case 'show': {
      const [id, ...extra] = readIds(ids);
      if (id === undefined || extra.length > 0) throw new UsageError('expected the id of one order after "show"');
      const order = await (await openApi(values)).order({ params: { id } });
      if (json) printJson(order);
      else print(orderWords(order));
      return 0;
    }
    case 'end': {
      if (ids.length === 0) throw new UsageError('expected the id of an order after "end"');
      if (reason === undefined) throw new UsageError('--reason is needed');
      await endOrders(await openApi(values), readIds(ids), reason, json);
      return 0;
    }
    default:
      throw new UsageError('expected "orders list", "orders show" or "orders end"');
  }
}
