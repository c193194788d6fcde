import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { hasSubstitutions, valuesOf, type InjectBody } from '../../../shared/core/api/inject.ts';
import type { Envelope, Recipient } from '../../../shared/core/envelope.ts';
import { SmtpRefusal } from '../../../shared/core/refusal.ts';
import { newMessageId } from '../../../shared/io/ids.ts';
import { checkContent, submit, type CheckedContent, type Submission } from '../../../shared/io/submit.ts';
import { composeMail } from '../compose-mail.ts';
import { badRequest, Problem } from '../problem.ts';
import type { World } from '../world.ts';
import type { ApiRequest, Handler } from './mount.ts';

/** One message to queue: what it is becomes known when it is its turn. */
interface Draft {
  recipients: Recipient[];
  content(): Promise<CheckedContent>;
}

type Call = Pick<ApiRequest<Endpoints['inject']>, 'actor' | 'request' | 'once' | 'note'>;
type Common = Pick<Envelope, 'sender' | 'ret' | 'envid'> & Pick<Submission, 'tenant' | 'campaign'>;

/** Of a client that traces: a field that is given twice is no traceparent. */
const traceOf = ({ headers: { traceparent } }: Call['request']): string | undefined =>
  typeof traceparent === 'string' ? traceparent : undefined;

/** Messages on their way into the queue at once. */
const atOnce = 8;
/** What a repetition with the same Idempotency-Key knows. Seconds. */
const rememberedFor = 86_400;

export const inject: Handler<Endpoints['inject']> = async (call, world) => {
  const { body } = call;
  const isPersonal = hasSubstitutions(body);
  assertRecipients(body.to.length, world);
  const recipients = body.to.map((to): Recipient => {
    const notify = 'notify' in to ? (to.notify ?? body.notify) : body.notify;
    return { address: to.address, ...(notify && { notify }) };
  });
  const draft = (to: InjectBody['to'], of: Recipient[]): Draft => ({
    recipients: of,
    content: async () => {
      const values = isPersonal && to[0] ? valuesOf(body, to[0]) : undefined;
      const messageId = `${newMessageId()}@${world.context.config.hostname}`;
      return checked(await composeMail(body, { to, values, messageId, date: new Date() }), world);
    },
  });
  const drafts = isPersonal ? body.to.map((to, n) => draft([to], recipients.slice(n, n + 1))) : [draft(body.to, recipients)];
  return queueAll(drafts, { ...commonOf(body), sender: body.sender ?? body.from.address }, call, world);
};

export const injectRaw: Handler<Endpoints['injectRaw']> = (call, world) => {
  const { query, body } = call;
  assertRecipients(query.to.length, world);
  const recipients = query.to.map((address): Recipient => ({ address, ...(query.notify && { notify: query.notify }) }));
  const content = checked(body, world);
  const drafts = [{ recipients, content: () => Promise.resolve(content) }];
  return queueAll(drafts, { ...commonOf(query), sender: query.sender }, call, world);
};

const commonOf = ({ ret, envid, tenant, campaign }: Pick<InjectBody, 'ret' | 'envid' | 'tenant' | 'campaign'>) => ({
  ...(ret && { ret }),
  // RFC 3461 §4: `+` and `=` are written as two digits in xtext.
  ...(envid && { envid: envid.replace(/[+=]/g, (char) => `+${char.charCodeAt(0).toString(16).toUpperCase()}`) }),
  tenant,
  campaign,
});

function assertRecipients(count: number, { context }: World): void {
  const { maxRecipients } = context.config.ingress;
  if (count > maxRecipients) throw badRequest([{ field: 'to', message: `expected ${maxRecipients} recipients at most` }]);
}

function checked(content: Buffer, { context }: World): CheckedContent {
  const result = checkContent(content, context);
  if (typeof result === 'string') throw badRequest([{ field: 'body', message: `the message ${result}` }]);
  return result;
}

/** Queues all that can be queued now; what was queued in an earlier request with the same key is not queued again. */
async function queueAll(drafts: readonly Draft[], common: Common, { actor, request, once, note }: Call, world: World) {
  const { context, pipeline } = world;
  const doneKey = once === undefined ? undefined : `${once}:queued`;
  const done = doneKey === undefined ? {} : await context.redis.client.hgetall(doneKey);
  const ids: (string | null)[] = drafts.map((_, n) => done[n] ?? null);
  let refusal: SmtpRefusal | undefined;
  const queueOne = async (draft: Draft, n: number): Promise<void> => {
    const { tenant, campaign, ...envelope } = common;
    const submission: Submission = {
      envelope: { ...envelope, recipients: draft.recipients },
      content: await draft.content(),
      user: actor.name,
      address: request.ip,
      tenant,
      campaign,
      trace: traceOf(request),
    };
    try {
      ids[n] = await submit(context, pipeline, submission, (tx, id) => {
        if (doneKey !== undefined) tx.redis.hset(doneKey, String(n), id).expire(doneKey, rememberedFor);
      });
    } catch (error) {
      if (!(error instanceof SmtpRefusal)) throw error;
      refusal = error;
    }
  };
  const waiting = [...drafts.entries()].filter(([n]) => ids[n] === null).values();
  const takeTurns = async (): Promise<void> => {
    // One iterator for all: each takes the next one. After a refusal the others would only have the same.
    for (const [n, draft] of waiting) if (!refusal) await queueOne(draft, n);
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, takeTurns));
  const results = drafts.flatMap(({ recipients }, n) => recipients.map(({ address }) => ({ recipient: address, id: ids[n] ?? null })));
  const queued = results.filter(({ id }) => id !== null).length;
  note({ target: common.sender, result: `${queued} of ${results.length} recipients queued`, isComplete: queued === results.length });
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure) throw failure.reason;
  if (queued === 0) throw new Problem(503, refusal?.reply.lines.join(' ') ?? 'nothing could be queued', {}, { 'retry-after': '5' });
  return { results, queued };
}
