import type { BounceClassification } from './bounce-classification.ts';
import type { ReportCreated } from './report-created.ts';
import type { SmtpClientRewriteDeliveryStatus } from './smtp-client-rewrite-delivery-status.ts';
import type { SmtpServerRewriteResponse } from './smtp-server-rewrite-response.ts';

/** What is known of an event besides its name. */
interface PolicyEvent<Handler> {
  /** Never there: it carries the type of the handler. */
  readonly handler?: Handler;
}

const event = <Handler>(): PolicyEvent<Handler> => ({});

/** Every event that a policy may handle, and the type of its handler: an event is added by one line here. */
const policyEvents = {
  smtp_server_rewrite_response: event<SmtpServerRewriteResponse>(),
  smtp_client_rewrite_delivery_status: event<SmtpClientRewriteDeliveryStatus>(),
  bounce_classification: event<BounceClassification>(),
  report_created: event<ReportCreated>(),
};

export type EventName = keyof typeof policyEvents;
export type HandlerOf<E extends EventName> = NonNullable<(typeof policyEvents)[E]['handler']>;
export type ArgsOf<E extends EventName> = Parameters<HandlerOf<E>>;

export const eventNames = Object.keys(policyEvents) as EventName[];

export const isEventName = (name: unknown): name is EventName => typeof name === 'string' && Object.hasOwn(policyEvents, name);
