import type { BounceClassification } from './bounce-classification.ts';
import type { ReportCreated } from './report-created.ts';
import type { SmtpClientRewriteDeliveryStatus } from './smtp-client-rewrite-delivery-status.ts';
import type { GetEgressPathConfig } from './get-egress-path-config.ts';
import type { GetQueueConfig } from './get-queue-config.ts';
import type { RequeueMessage } from './requeue-message.ts';
import type {
  SmtpServerAuthPlain,
  SmtpServerConnectionAccepted,
  SmtpServerEhlo,
  SmtpServerMailFromAccepted,
  SmtpServerRcptToAccepted,
} from './smtp-decisions.ts';
import type { SmtpServerMessageReceived } from './smtp-server-message-received.ts';
import type { SmtpServerRewriteResponse } from './smtp-server-rewrite-response.ts';

/** What is known of an event besides its name. */
interface PolicyEvent<Handler> {
  /** Never there: it carries the type of the handler. */
  readonly handler?: Handler;
  /** Its arguments hold a password: what its handler throws is told without its words. */
  readonly isSecret?: true;
}

const event = <Handler>(properties: Pick<PolicyEvent<Handler>, 'isSecret'> = {}): PolicyEvent<Handler> => properties;

/** Every event that a policy may handle, and the type of its handler: an event is added by one line here. */
const policyEvents = {
  smtp_server_rewrite_response: event<SmtpServerRewriteResponse>(),
  smtp_client_rewrite_delivery_status: event<SmtpClientRewriteDeliveryStatus>(),
  bounce_classification: event<BounceClassification>(),
  report_created: event<ReportCreated>(),
  smtp_server_connection_accepted: event<SmtpServerConnectionAccepted>(),
  smtp_server_ehlo: event<SmtpServerEhlo>(),
  smtp_server_auth_plain: event<SmtpServerAuthPlain>({ isSecret: true }),
  smtp_server_mail_from_accepted: event<SmtpServerMailFromAccepted>(),
  smtp_server_rcpt_to_accepted: event<SmtpServerRcptToAccepted>(),
  smtp_server_message_received: event<SmtpServerMessageReceived>(),
  get_queue_config: event<GetQueueConfig>(),
  get_egress_path_config: event<GetEgressPathConfig>(),
  requeue_message: event<RequeueMessage>(),
};

export type EventName = keyof typeof policyEvents;
export type HandlerOf<E extends EventName> = NonNullable<(typeof policyEvents)[E]['handler']>;
export type ArgsOf<E extends EventName> = Parameters<HandlerOf<E>>;

export const eventNames = Object.keys(policyEvents) as EventName[];

export const isEventName = (name: unknown): name is EventName => typeof name === 'string' && Object.hasOwn(policyEvents, name);

export const isSecretEvent = (name: EventName): boolean => policyEvents[name].isSecret === true;
