import { classifyBounce } from '../../shared/core/bounce-class.ts';
import type { Judgement } from '../../shared/core/judge.ts';
import { parseLaneName } from '../../shared/core/lane.ts';
import { readClass, type FailureMeta } from '../../shared/core/policy/bounce-classification.ts';
import { parseQueueName } from '../../shared/core/queue-name.ts';
import { originalReply } from '../../shared/core/reply.ts';
import { responseLine } from '../../shared/core/rules/response-line.ts';
import { fewAtOnce } from './few-at-once.ts';
import type { World } from './world.ts';

const event = 'bounce_classification';

/** The bounce class of each judgement: the policy's, else that of the rule files, else the built-in one. */
export async function classify(judgements: readonly Judgement[], lane: string, queue: string, world: World): Promise<string[]> {
  const { policy, config } = world.context;
  const { responseLineBreaks: lineBreaks } = config.delivery;
  const { domain, tenant, campaign, routingDomain = domain } = parseQueueName(queue);
  const site = parseLaneName(lane)?.site ?? '';
  const rules = world.rules.current && { rules: world.rules.current, place: { domain, site }, lineBreaks };
  const byRules = ({ type, reply }: Judgement): string => (type === 'Delivery' ? 'Uncategorized' : classifyBounce(reply, rules));
  const handler = policy.handlerOf(event);
  if (!handler) return judgements.map(byRules);

  return fewAtOnce(judgements, async (judgement) => {
    const { type, reply } = judgement;
    if (type === 'Delivery') return byRules(judgement);
    const failure: FailureMeta = {
      type,
      domain,
      ...(tenant !== undefined && { tenant }),
      ...(campaign !== undefined && { campaign }),
      routingDomain,
      site,
      ...(reply.command !== undefined && { command: reply.command }),
      isLocal: reply.local === true,
    };
    const own = readClass(await handler(responseLine(originalReply(reply), lineBreaks), failure));
    if (own && 'name' in own) return own.name;
    if (own) policy.complain(event, own.problem);
    return byRules(judgement);
  });
}
