import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { Verdict } from '../../shared/core/judge.ts';
import { laneName } from '../../shared/core/lane.ts';
import { readRequeue, type RequeueChanges, type RequeuedMessage } from '../../shared/core/policy/requeue-message.ts';
import { formatQueueName, parseQueueName } from '../../shared/core/queue-name.ts';
import { localReply, replyOnOneLine } from '../../shared/core/reply.ts';
import type { World } from './world.ts';

const event = 'requeue_message';

/** A message changes its queue so often at most: two policies of different minds do not send it to and fro for ever. */
const maxRequeues = 10;
/** Without another queue the same server is not asked again sooner than this, or than the schedule says. Milliseconds. */
const shortestDelay = 1000;

/** The verdict with what the policy says to it, and where the job is put back when that is elsewhere. */
export interface Requeued {
  verdict: Verdict;
  to?: { lane: string; job: DeliveryJob };
}

/** Asks the policy about a message that is to be put back. `expires`: epoch ms. */
export async function requeue(lane: string, job: DeliveryJob, verdict: Verdict, expires: number, world: World): Promise<Requeued> {
  const { policy, config } = world.context;
  const handler = verdict.remaining && policy.handlerOf(event);
  if (!handler || !verdict.remaining) return { verdict };
  const { recipients, retryAt } = verdict.remaining;
  const reply = verdict.judgements.find(({ type }) => type === 'TransientFailure')?.reply ?? localReply(451, '4.3.0', 'Unknown');
  const message = messageOf(
    job,
    recipients.map(({ address }) => address),
  );
  const names = config.outbound.sources.map(({ name }) => name);
  const answer = readRequeue(await handler(message, replyOnOneLine(reply), job.attempts + 1), names.length > 0 ? names : ['default']);
  if ('problem' in answer) policy.complain(event, answer.problem ?? '');
  switch (answer.kind) {
    case 'problem':
      return { verdict };
    case 'bounce':
      return { verdict: { judgements: [...verdict.judgements, { type: 'AdminBounce', recipients, reply: answer.reply }] } };
    case 'expire':
      return {
        verdict: { judgements: verdict.judgements.map((j) => (j.type === 'TransientFailure' ? { ...j, type: 'Expiration' as const } : j)) },
      };
    default: {
      const now = Date.now();
      const moved = movedJob(job, answer.changes);
      const isMoved = moved !== undefined && (job.requeues ?? 0) < maxRequeues;
      if (moved && !isMoved) policy.complain(event, `a message changes its queue ${maxRequeues} times at most`);
      const least = isMoved ? 0 : Math.min(shortestDelay, Math.max(0, retryAt - now));
      const delay = answer.delay ?? (isMoved ? 0 : undefined);
      const at = delay === undefined ? retryAt : Math.min(now + Math.max(delay, least), Math.max(expires, now));
      const next = { ...verdict, remaining: { recipients, retryAt: at } };
      return isMoved ? { verdict: next, to: { lane: await laneOf(lane, moved, world), job: moved } } : { verdict: next };
    }
  }
}

function messageOf(job: DeliveryJob, recipients: string[]): RequeuedMessage {
  const { domain, tenant, campaign } = parseQueueName(job.queue);
  return {
    id: job.message,
    sender: job.envelope.sender,
    recipients,
    size: job.size,
    created: job.created,
    domain,
    ...(tenant && { tenant }),
    ...(campaign && { campaign }),
    ...(job.routingDomain && { routingDomain: job.routingDomain }),
    source: job.source,
    meta: job.reception.meta,
  };
}

/** The job in its new queue or with its new source; undefined when that is where it is. */
function movedJob(job: DeliveryJob, changes: RequeueChanges): DeliveryJob | undefined {
  const before = parseQueueName(job.queue);
  const { tenant = before.tenant, campaign = before.campaign, source = job.source } = changes;
  const routingDomain = (changes.routingDomain === undefined ? job.routingDomain : changes.routingDomain)?.toLowerCase();
  const queue = formatQueueName({
    domain: before.domain,
    ...(tenant && { tenant }),
    ...(campaign && { campaign }),
    ...(routingDomain && { routingDomain }),
  });
  if (queue === job.queue && source === job.source) return undefined;
  const { routingDomain: _, ...rest } = job;
  return { ...rest, queue, source, requeues: (job.requeues ?? 0) + 1, ...(routingDomain && { routingDomain }) };
}

/** The lane that the job belongs to now. */
async function laneOf(lane: string, job: DeliveryJob, { router }: World): Promise<string> {
  const target = job.routingDomain ?? job.domain;
  const route = await router.route(target);
  if (route.kind === 'hosts') return laneName(job.source, route.site);
  // Nowhere to go for now: the next attempt, from here, finds that out.
  return lane;
}
