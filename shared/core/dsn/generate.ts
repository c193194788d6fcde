import { isFormattableDate } from '../date.ts';
import type { DispositionRecord } from '../disposition.ts';
import { unreachable } from '../unreachable.ts';
import { actionOf, type ReportedAction } from './action.ts';
import { composeReport } from './compose.ts';
import { describeMessage, describeRecipient, explainRecord, subjects } from './describe.ts';
import { reportedRecipients, whyNoReport } from './eligible.ts';
import { withoutInternals } from './internals.ts';
import { composeLikeKumo } from './kumomta.ts';
import { latin1 } from './octets.ts';
import { chooseReturned, headerFields, headerOf, messageIdOf, referencesOf, type IncludeOriginal, type ReturnChoice } from './original.ts';
import { checkParams, type ReportParams } from './params.ts';
import { withoutSourceRoute } from './recipient.ts';

export type { ReportParams };

/** What a pure function cannot know. */
export interface ReportWorld {
  /** Epoch ms. */
  now: number;
  /** Left part of the Message-ID, unique. */
  messageId: string;
  /** A random boundary; made longer when it occurs in the content. */
  boundary: string;
}

/** A report and its envelope: the null reverse-path (RFC 3464 §2) and the return path of the message that failed. */
export interface Report {
  sender: '';
  recipient: string;
  content: Uint8Array;
  eightBit: boolean;
  smtpUtf8: boolean;
}

/**
 * The RFC 3464 report of a record, or undefined when none is due: its type is not enabled, or `whyNoReport` has a reason.
 * `original`: the message, or the beginning of one that is larger than `original_limit` (its header at least).
 * Throws TypeError for parameters that are not of the form above, never for what a record or a message holds.
 */
export function generateRfc3464Message(
  params: ReportParams,
  original: Uint8Array | undefined,
  record: DispositionRecord,
  unstable: ReportWorld,
): Report | undefined {
  checkParams(params);
  const world = params.stable_content ? stableWorld(record) : unstable;
  const header = original && headerOf(original);
  const action = actionOf(record);
  if (!action || !isEnabled(params, record, action)) return undefined;
  if (whyNoReport(record, header && latin1(header.subarray(0, 65_536))) !== undefined) return undefined;
  const recipient = withoutSourceRoute(record.sender);
  const choice = original
    ? chooseReturned(includeOf(params, record, action), original, Math.max(original.length, record.size), params.original_limit)
    : {};
  const fields = header ? headerFields(header) : [];
  const inReplyTo = messageIdOf(fields);
  const told = params.disclose_internals === false ? withoutInternals(record) : record;
  const composed =
    params.compatibility === 'kumomta'
      ? composeCompatible(params, record, choice, world)
      : composeReport({
          date: world.now,
          from: author(params, '"Mail Delivery Subsystem"'),
          to: recipient,
          subject: subjects[action],
          messageId: messageId(params, world),
          ...(inReplyTo && { inReplyTo, references: [...referencesOf(fields), inReplyTo] }),
          text: explainRecord(params.reporting_mta.name, told, action, choice.note, world.now),
          message: describeMessage(params.reporting_mta, told, world.now),
          recipients: reportedRecipients(record).map((recipient) => describeRecipient(told, action, recipient, world.now)),
          ...(choice.returned && { returned: choice.returned }),
          boundary: world.boundary,
        });
  return { sender: '', recipient, ...composed };
}

const includeByRet = { FULL: 'FullContent', HDRS: 'HeadersOnly' } as const;

function isEnabled(params: ReportParams, { type }: DispositionRecord, action: ReportedAction): boolean {
  if (action !== 'failed' && params.compatibility === 'kumomta') return false;
  switch (action) {
    case 'failed':
      return (type === 'Expiration' ? params.enable_expiration : params.enable_bounce) ?? false;
    case 'delayed':
      return params.enable_delay ?? false;
    case 'delivered':
    case 'relayed':
      return params.enable_success ?? false;
    default:
      return unreachable(action);
  }
}

/** RFC 3461 §4.3: RET is about failures; where nothing has failed the header is enough. */
function includeOf(params: ReportParams, { dsn }: DispositionRecord, action: ReportedAction): IncludeOriginal {
  const asked = dsn?.ret === undefined ? params.include_original_message : includeByRet[dsn.ret];
  return action === 'failed' || asked === 'No' ? asked : 'HeadersOnly';
}

function composeCompatible(params: ReportParams, record: DispositionRecord, choice: ReturnChoice, world: ReportWorld) {
  return composeLikeKumo({
    record,
    recipients: reportedRecipients(record).map((r) => r.address),
    returnPath: withoutSourceRoute(record.sender),
    reportingMta: params.reporting_mta,
    from: author(params, 'Mail Delivery Subsystem'),
    messageId: messageId(params, world),
    ...(choice.returned && { returned: choice.returned }),
    boundary: world.boundary,
  });
}

/** The same for the same record. */
function stableWorld({ timestamp }: DispositionRecord): ReportWorld {
  return { now: isFormattableDate(timestamp * 1000) ? timestamp * 1000 : 0, messageId: 'UUID', boundary: 'report-boundary' };
}

const messageId = (params: ReportParams, world: ReportWorld): string => `<${world.messageId}@${params.reporting_mta.name}>`;

export function author(params: ReportParams, displayName: string): string {
  const from = params.from || `mailer-daemon@${params.reporting_mta.name}`;
  return from.includes('<') ? from : `${displayName} <${from}>`;
}
