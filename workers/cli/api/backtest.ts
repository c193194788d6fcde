import type { Backtest } from '../../../shared/io/backtest.ts';
import type { ReboundClient } from '../../../shared/io/client.ts';
import { warn } from '../log/warn.ts';

/** What rules would have changed of what the admin role has logged, as trying them here tells it. */
export async function backtestRemote(api: ReboundClient, rules: string, since: string): Promise<Backtest & { is_complete: boolean }> {
  const { rows, damage, ...result } = await api.backtestRule({ body: { rules, since, responses: 1_000_000 } });
  for (const { segment, problem } of damage) warn(`${segment} is passed over: ${problem}`);
  if (!result.is_complete) warn('there was no time for all of it: these are the latest');
  return { ...result, rows: rows.map(({ rule: number, line, match, ...row }) => ({ rule: { number, line, match }, ...row })) };
}
