// All that `import ... from 'rebound'` gives, to programs that have installed the package and to policy files. Nothing here
// starts anything, and nothing of the servers (fastify, bullmq, ioredis) is loaded: test/deploy/package.test.ts holds that.

// Of the admin API.
export { ApiError, ApiUnreachable, ReboundClient } from './client.ts';
export type { Answer, ClientOptions, FieldError, Operations, Request, ServerSentEvent } from './client.ts';

// Reports. `injectMessage` is for hooks alone.
export { generateRfc3464Message, injectMessage } from './policy-asks.ts';
export type { Report, ReportParams } from '../core/dsn/generate.ts';
export { parseRfc3464 } from '../core/dsn/parse.ts';
export type { ParsedRecipient, ParsedReport } from '../core/dsn/parse.ts';
export { parseMime } from '../core/dsn/mime.ts';
export { withText } from '../core/dsn/with-text.ts';
export type { DispositionRecord, RecordType } from '../core/disposition.ts';

// Policy files and what helps in them.
export { definePolicy } from '../core/policy/define.ts';
export type { Policy, PolicyDefinition } from '../core/policy/define.ts';
export { reject } from '../core/policy/reject.ts';
export type { Rejected } from '../core/policy/reject.ts';
export { jsonLoad } from './json-load.ts';
export { memoize } from './policy-memoize.ts';
export { regexSetMap } from '../core/rules/regex-set.ts';

// Hooks.
export type { HookHandler, HookMessage, HookOptions, InjectedMail } from '../core/hook.ts';

// Events.
export type { ConnMeta, RewriteResponseResult, SmtpServerRewriteResponse } from '../core/policy/smtp-server-rewrite-response.ts';
export type { RewriteStatusResult, SmtpClientRewriteDeliveryStatus } from '../core/policy/smtp-client-rewrite-delivery-status.ts';
export type { BounceClassification, BounceClassificationResult, FailureMeta } from '../core/policy/bounce-classification.ts';
export type { CreatedReport, ReportCreated, ReportCreatedResult } from '../core/policy/report-created.ts';
export type {
  AuthDecision,
  Decision,
  RcptDecision,
  SmtpServerAuthPlain,
  SmtpServerConnectionAccepted,
  SmtpServerEhlo,
  SmtpServerMailFromAccepted,
  SmtpServerRcptToAccepted,
} from '../core/policy/smtp-decisions.ts';
export type { HeaderChange } from '../core/header-edit.ts';
export type {
  MessageChanges,
  MessageReceived,
  MessageReceivedResult,
  SmtpServerMessageReceived,
} from '../core/policy/smtp-server-message-received.ts';
export type { GetQueueConfig, QueueConfig } from '../core/policy/get-queue-config.ts';
export type { EgressPathConfig, GetEgressPathConfig } from '../core/policy/get-egress-path-config.ts';
export type { RequeueChanges, RequeuedMessage, RequeueMessage, RequeueMessageResult } from '../core/policy/requeue-message.ts';
