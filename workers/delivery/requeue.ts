import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { Judgement, Verdict } from '../../shared/core/judge.ts';
import { laneName } from '../../shared/core/lane.ts';
import type { Recipient } from '../../shared/core/envelope.ts';
import { readRequeue, type RequeueChanges, type RequeuedMessage, type RequeueVerdict } from '../../shared/core/policy/requeue-message.ts';
import { formatQueueName, parseQueueName } from '../../shared/core/queue-name.ts';
import { replyOnOneLine } from '../../shared/core/reply.ts';
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

/** Asks the policy about a message that is to be put back, once for each reply: what one recipient's server says ends no other's. `expires`: epoch ms. */
export async function requeue(lane: string, job: DeliveryJob, verdict: Verdict, expires: number, world: World): Promise<Requeued> {
  const { policy, config } = world.context;
  const handler = verdict.remaining && policy.handlerOf(event);
  if (!handler || !verdict.remaining) return { verdict };
  const sources = config.outbound.sources.map(({ name }) => name);
  const known = sources.length > 0 ? sources : ['default'];
  const judgements: Verdict['judgements'] = [];
  const recipients: Recipient[] = [];
  let wish: Extract<RequeueVerdict, { kind: 'changes' }> | undefined;
  for (const judgement of verdict.judgements) {
    if (judgement.type !== 'TransientFailure') {
      judgements.push(judgement);
      continue;
    }
    const addresses = judgement.recipients.map(({ address }) => address);
    const answer = readRequeue(await handler(messageOf(job, addresses), replyOnOneLine(judgement.reply), job.attempts + 1), known);
    if ('problem' in answer) policy.complain(event, answer.problem ?? '');
    if (answer.kind === 'bounce')
      judgements.push(judgement, { type: 'AdminBounce', recipients: judgement.recipients, reply: answer.reply });
    else if (answer.kind === 'expire') judgements.push(expired(judgement, job));
    else {
      judgements.push(judgement);
      recipients.push(...judgement.recipients);
      // One job goes one way: that of the first who has a wish.
      if (answer.kind === 'changes' && (Object.keys(answer.changes).length > 0 || answer.delay !== undefined)) wish ??= answer;
    }
  }
  if (recipients.length === 0) return { verdict: { judgements } };
  const { retryAt } = verdict.remaining;
  if (!wish) return { verdict: { judgements, remaining: { recipients, retryAt } } };
  const now = Date.now();
  const moved = movedJob(job, wish.changes);
  const isMoved = moved !== undefined && (job.requeues ?? 0) < maxRequeues;
  if (moved && !isMoved) policy.complain(event, `a message changes its queue ${maxRequeues} times at most`);
  const least = isMoved ? 0 : Math.min(shortestDelay, Math.max(0, retryAt - now));
  const delay = wish.delay ?? (isMoved ? 0 : undefined);
  const at = delay === undefined ? retryAt : Math.min(now + Math.max(delay, least), Math.max(expires, now));
  const next = { judgements, remaining: { recipients, retryAt: at } };
  return isMoved ? { verdict: next, to: { lane: await laneOf(lane, moved, world), job: moved } } : { verdict: next };
}

/** The server's last words, as with any other that had its time (RFC 3464 §2.3.3). */
function expired(judgement: Judgement, { last }: DeliveryJob): Judgement {
  const isEarlier = judgement.reply.local === true && last !== undefined && !last.reply.local;
  return { ...judgement, type: 'Expiration', ...(isEarlier && { reply: last.reply, isEarlier }) };
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
export function movedJob(job: DeliveryJob, changes: RequeueChanges): DeliveryJob | undefined {
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
export async function laneOf(lane: string, job: DeliveryJob, { router }: World): Promise<string> {
  const target = job.routingDomain ?? job.domain;
  const route = await router.route(target);
  if (route.kind === 'hosts') return laneName(job.source, route.site);
  // Nowhere to go for now: the next attempt, from here, finds that out.
  return lane;
}
