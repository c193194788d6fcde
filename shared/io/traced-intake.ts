import { domainOf } from '../core/reception.ts';
import type { Intake, Reception } from './intake.ts';
import type { Tracing } from './tracing.ts';

/** Domains of recipients that the span of a message to many names. */
const mostNamedDomains = 20;

/** The intake, each message in a span of its own: what carries it on is given that as its `trace`, and no other. */
export const tracedIntake = (intake: Intake, tracing: Tracing): Intake => ({
  ...intake,
  receive: async (reception, also) => {
    const span = tracing.begin('receive', reception.trace, () => ({ kind: 'server', attributes: describe(reception) }));
    try {
      await intake.receive({ ...reception, trace: span?.traceparent }, also);
    } catch (error) {
      span?.fail('not queued');
      throw error;
    } finally {
      span?.end();
    }
  },
});

const describe = ({ envelope, content, info, tenant }: Reception) => ({
  'messaging.system': 'rebound',
  'messaging.operation.name': 'receive',
  'messaging.operation.type': 'send',
  'messaging.message.id': content.id,
  'messaging.message.body.size': content.size,
  'rebound.protocol': info.protocol,
  'rebound.sender.domain': domainOf(envelope.sender),
  'rebound.recipients': envelope.recipients.length,
  'rebound.recipient.domains': [...new Set(envelope.recipients.map((r) => domainOf(r.address)))].slice(0, mostNamedDomains),
  'rebound.tenant': tenant,
});
