import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { parseLaneName } from '../../shared/core/lane.ts';
import type { Outcome } from '../../shared/core/outcome.ts';
import { readStatusRewrite } from '../../shared/core/policy/smtp-client-rewrite-delivery-status.ts';
import { parseQueueName } from '../../shared/core/queue-name.ts';
import { replyWireLines, type Reply } from '../../shared/core/reply.ts';
import { applyRewrite, rewriteStatus, type StatusRewrite } from '../../shared/core/rules/rewrite-status.ts';
import { responseLine } from '../../shared/core/rules/response-line.ts';
import type { PolicyLink } from '../../shared/io/policy.ts';
import type { RuleFiles } from '../../shared/io/rule-file.ts';
import type { Config } from '../../shared/core/config.ts';
import { fewAtOnce } from './few-at-once.ts';
import type { World } from './world.ts';

/** Whose rejection it is. `routing_domain` is the domain where none is set. */
export interface RejectionPlace {
  domain: string;
  tenant: string | undefined;
  campaign: string | undefined;
  routing_domain: string;
  site: string;
  command: string;
}

/**
 * Decides the status of a rejection: a status in place of the server's, or undefined for the server's own. What it
 * returns is checked; what it throws is logged and counted, and the server's status stays.
 */
export type StatusRewriter = (reply: Reply, place: RejectionPlace) => StatusRewrite | undefined | Promise<StatusRewrite | undefined>;

/** The rewriter that goes by the rule files. */
export const rulesRewriter =
  (files: RuleFiles, { responseLineBreaks }: Config['delivery']): StatusRewriter =>
  (reply, place) =>
    files.current && rewriteStatus(files.current, reply, place, responseLineBreaks);

const event = 'smtp_client_rewrite_delivery_status';

/** The rewriter that asks the policy; a handler that fails or answers nonsense has no say. */
export const policyRewriter =
  (policy: PolicyLink, { responseLineBreaks }: Config['delivery']): StatusRewriter =>
  async (reply, { domain, tenant, campaign, routing_domain }) => {
    const handler = policy.handlerOf(event);
    if (!handler) return undefined;
    const wanted = readStatusRewrite(await handler(responseLine(reply, responseLineBreaks), domain, tenant, campaign, routing_domain));
    if (!wanted || !('problem' in wanted)) return wanted;
    policy.complain(event, wanted.problem);
    return undefined;
  };

/** The answers that speak of the message: not to a connection, EHLO, STARTTLS or AUTH, and nothing that we say ourselves. */
const rejecting = new Set<string | undefined>(['MAIL', 'RCPT', 'DATA', '.']);

/** The outcomes of an attempt with the status that rules and policy give them: the one place where it is done, before they are judged. */
export async function rewriteOutcomes(outcomes: Outcome[], job: DeliveryJob, lane: string, world: World): Promise<Outcome[]> {
  if (world.rewriters.length === 0 || !outcomes.some(isRejection)) return outcomes;
  const { routingDomain, tenant, campaign, domain } = parseQueueName(job.queue);
  const place = { domain, tenant, campaign, routing_domain: routingDomain ?? domain, site: parseLaneName(lane)?.site ?? '' };
  // A hundred recipients that were refused in the same words are asked about once.
  const different = new Map(outcomes.filter(isRejection).map(({ reply }) => [keyOf(reply), reply]));
  const rewrite = async ([key, reply]: [string, Reply]): Promise<[string, Reply]> => [
    key,
    await rewriteReply(reply, { ...place, command: reply.command ?? '' }, world),
  ];
  const rewritten = new Map(await fewAtOnce([...different], rewrite));
  return outcomes.map((outcome) =>
    isRejection(outcome) ? { ...outcome, reply: rewritten.get(keyOf(outcome.reply)) ?? outcome.reply } : outcome,
  );
}

const keyOf = (reply: Reply): string => `${reply.command}\n${replyWireLines(reply).join('\n')}`;

const isRejection = ({ kind, reply }: Outcome): boolean => kind === 'refused' && reply.local !== true && rejecting.has(reply.command);

async function rewriteReply(reply: Reply, place: RejectionPlace, { rewriters, context }: World): Promise<Reply> {
  const { metrics, log } = context;
  try {
    for (const rewriter of rewriters) {
      const rewrite = await rewriter(reply, place);
      if (rewrite === undefined) continue;
      const result = applyRewrite(reply, rewrite);
      if (!('refused' in result)) {
        if (result !== reply) metrics.rewrites.inc({ result: effectOf(reply.code, result.code) });
        return result;
      }
      metrics.rewrites.inc({ result: 'refused' });
      log.warn({ event: 'rewrite_refused', site: place.site, from: reply.code, to: rewrite.code, reason: result.refused });
      return reply;
    }
  } catch (error) {
    metrics.rewrites.inc({ result: 'error' });
    log.error({ event: 'rewrite_failed', site: place.site, code: reply.code, error: String(error) }, "the server's status stays");
  }
  return reply;
}

function effectOf(from: number, to: number): 'permanent' | 'temporary' | 'code' {
  if (from < 500 === to < 500) return 'code';
  return to < 500 ? 'temporary' : 'permanent';
}
