import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import type { Judgement, Verdict } from '../../shared/core/judge.ts';
import { egressPath } from '../../shared/core/lane.ts';
import type { Reply } from '../../shared/core/reply.ts';
import type { HeldJob } from '../../shared/io/queues.ts';
import type { TraceAttributes, TraceSpan, Tracing } from '../../shared/io/tracing.ts';

/** The span of an attempt, from when the job was taken until it is settled; the reception is its parent. */
export const beginAttempt = (held: HeldJob, job: DeliveryJob, tracing: Tracing): TraceSpan | undefined =>
  tracing.continue('deliver', job.trace, () => ({
    kind: 'client',
    attributes: {
      ...common(job),
      'messaging.operation.name': 'deliver',
      'messaging.operation.type': 'process',
      'messaging.destination.name': egressPath(held.queue),
      'messaging.message.body.size': job.size,
      'messaging.batch.message_count': job.envelope.recipients.length,
      'rebound.attempt': job.attempts + 1,
    },
  }));

/** What it came to. No words of the server: they name people. */
export function tellAttempt(span: TraceSpan, { judgements }: Verdict, peer: DispositionRecord['peer_address']): void {
  span.set({
    'server.address': peer?.name,
    'network.peer.address': peer?.addr,
    'rebound.dispositions': judgements.map(({ type }) => type),
  });
  const failed = judgements.find(({ type }) => type !== 'Delivery');
  if (!failed) return;
  span.set({ 'error.type': failed.type });
  span.fail(codeOf(failed.reply));
}

/** The span of one disposition; the attempt is its parent, or the reception where an order ended it; it is the parent of what is made of it. */
export function beginDisposition(
  { type, recipients, reply }: Judgement,
  bounceClass: string | undefined,
  { job, trace }: { job: DeliveryJob; trace?: string | undefined },
  tracing: Tracing,
): TraceSpan | undefined {
  const span = tracing.continue('disposition', trace ?? job.trace, () => ({
    kind: 'internal',
    attributes: {
      ...common(job),
      'messaging.operation.name': 'settle',
      'messaging.operation.type': 'settle',
      'rebound.disposition': type,
      'rebound.recipients': recipients.length,
      'rebound.reply.code': reply.code,
      'rebound.reply.enhanced_code': reply.enhanced,
      ...(type !== 'Delivery' && { 'error.type': bounceClass ?? type }),
    },
  }));
  if (type !== 'Delivery') span?.fail(codeOf(reply));
  return span;
}

const common = (job: DeliveryJob): TraceAttributes => ({
  'messaging.system': 'rebound',
  'messaging.message.id': job.message,
  'rebound.recipient.domain': job.domain,
});

const codeOf = ({ code, enhanced }: Reply): string => `${code}${enhanced ? ` ${enhanced}` : ''}`;
