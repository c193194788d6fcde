import { z } from 'zod';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { ruleEndpoints } from '../../../shared/core/api/rules.ts';
import { backtest } from '../../../shared/io/backtest.ts';
import { openThreadJudge } from '../../../shared/io/backtest-judge.ts';
import { readWorkers } from '../../../shared/io/worker-registry.ts';
import type { Damage } from '../../../shared/io/archive.ts';
import { readFilter } from '../log-search.ts';
import { badRequest, Problem } from '../problem.ts';
import type { Handler } from './mount.ts';

const ruleWorker = ruleEndpoints.rules.answer.shape.workers.element;
const policyWorker = ruleEndpoints.policy.answer.shape.workers.element;

export const rules: Handler<Endpoints['rules']> = async (_request, { context }) => ({
  workers: (await readWorkers(context.redis)).flatMap(({ instance, role, alive, loaded }) => {
    // A process of another version may say less.
    const { success, data } = ruleWorker.safeParse({ instance, role, alive, files: loaded['rules'] });
    return success ? [data] : [];
  }),
});

export const policy: Handler<Endpoints['policy']> = async (_request, { context }) => ({
  workers: (await readWorkers(context.redis)).flatMap(({ instance, role, alive, loaded }) => {
    const said = z.record(z.string(), z.unknown()).safeParse(loaded['policy']);
    if (!said.success) return [];
    const { events: handlers, ...rest } = said.data;
    const { success, data } = policyWorker.safeParse({ instance, role, alive, handlers, ...rest });
    return success ? [data] : [];
  }),
});

/** Of one request. Milliseconds. */
const backtestTime = 10_000;
const usualAge = '7d';
const mostRows = 200;
const mostDamages = 20;
/** Each has a thread. */
const mostAtOnce = 2;
let running = 0;

export const backtestRule: Handler<Endpoints['backtestRule']> = async ({ body }, world) => {
  const { since = 0 } = readFilter({ since: body.since ?? usualAge });
  if (running >= mostAtOnce) throw new Problem(503, 'too many backtests at once', {}, { 'retry-after': '10' });
  running += 1;
  const lineBreaks = world.context.config.delivery.responseLineBreaks;
  try {
    const judging = await openThreadJudge({ text: body.rules, lineBreaks }, backtestTime);
    if (judging === 'over') throw badRequest([{ field: 'rules', message: 'take too long to be read' }]);
    if ('problems' in judging)
      throw badRequest(judging.problems.map(({ line, message }) => ({ field: 'rules', message: `line ${line}: ${message}` })));
    const enough = new AbortController();
    const timer = setTimeout(() => enough.abort(), backtestTime);
    const damage: Damage[] = [];
    try {
      const { rows, others, ...result } = await backtest(world.source, judging.judge, {
        since,
        until: Date.now() + 1,
        order: 'newest',
        most: body.responses,
        signal: enough.signal,
        onDamage: (one) => void (damage.length < mostDamages && damage.push(one)),
      });
      const rest = rows.slice(mostRows).reduce((sum, { responses }) => sum + responses, 0);
      return {
        ...result,
        is_complete: !judging.isOver && !enough.signal.aborted,
        rows: rows.slice(0, mostRows).map(({ rule: { number, line, match }, ...row }) => ({ rule: number, line, match, ...row })),
        others: others + rest,
        damage,
      };
    } finally {
      clearTimeout(timer);
      judging.close();
    }
  } finally {
    running -= 1;
  }
};
