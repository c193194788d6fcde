import { isFormattableDate } from '../date.ts';
import type { DispositionRecord } from '../disposition.ts';
import { readMailbox } from '../mailbox.ts';
import { unreachable } from '../unreachable.ts';
import { actionOf, type ReportedAction } from './action.ts';
import { composeReport } from './compose.ts';
import { describeMessage, describeRecipient, explanationOf, subjects } from './describe.ts';
import { whyNoReport } from './eligible.ts';
import type { ReadField } from './field.ts';
import { withoutInternals } from './internals.ts';
import { composeLikeKumo } from './kumomta.ts';
import { mayBeGlobal, returnGlobal } from './international.ts';
import {
  chooseReturned,
  isWellFormedId,
  messageIdOf,
  readOriginal,
  referencesOf,
  type IncludeOriginal,
  type ReturnChoice,
} from './original.ts';
import { tellable, type ReportedOutcome } from './outcomes.ts';
import { withShortReplies } from './short-replies.ts';
import { checkParams, type ReportParams } from './params.ts';
import { withoutSourceRoute } from './recipient.ts';
import { explain, type Explanation } from './text.ts';
import { wordReport } from './word-report.ts';

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
 * The RFC 3464 report of a record, or of several records of one message (RFC 3464 §2: a group per recipient); undefined when
 * none is due: no record is of an enabled type, or `whyNoReport` has a reason against each.
 * `original`: the message, or the beginning of one that is larger than `original_limit` (its header at least).
 * Throws TypeError for parameters that are not of the form above and for records of several messages, never for what a
 * record or a message holds.
 */
export function generateRfc3464Message(
  params: ReportParams,
  original: Uint8Array | undefined,
  records: DispositionRecord | readonly DispositionRecord[],
  unstable: ReportWorld,
): Report | undefined {
  checkParams(params);
  const world = params.stable_content ? stableWorld(listOf(records)) : unstable;
  const message = original && readOriginal(original);
  const fields = message?.fields ?? [];
  const enabled = listOf(records).filter((record) => isEnabled(params, record) && whyNoReport(record, fields) === undefined);
  const outcomes = withShortReplies(tellable(enabled));
  const [first] = outcomes;
  if (!first) return undefined;
  const { record, action } = first;
  if (outcomes.some((other) => other.record.id !== record.id)) throw new TypeError('a report is about one message (RFC 3464 2)');
  const recipient = withoutSourceRoute(record.sender);
  const choice = chooseReturned(includeOf(params, first), message, record.size, params.original_limit);
  const returned = choice.returned && record.dsn?.smtp_utf8 ? returnGlobal(choice.returned, recipient) : choice.returned;
  const id = messageIdOf(fields);
  const inReplyTo = id !== undefined && isWellFormedId(id) ? id : undefined;
  const host = hostOf(params);
  const told =
    params.disclose_internals === false ? outcomes.map((outcome) => ({ ...outcome, record: withoutInternals(outcome.record) })) : outcomes;
  const composed =
    params.compatibility === 'kumomta'
      ? composeCompatible(params, outcomes, choice, world)
      : composeReport({
          date: world.now,
          from: author(params, '"Mail Delivery Subsystem"'),
          to: recipient,
          messageId: messageId(params, world),
          ...(inReplyTo && { inReplyTo, references: [...referencesOf(fields), inReplyTo] }),
          ...word(params, action, explanationOf(host, told, choice.note, fields, world.now), fields),
          message: describeMessage(params.reporting_mta.mta_type, host, told[0]?.record ?? record, world.now),
          recipients: told.flatMap(({ record, action, recipients }) =>
            recipients.map((recipient) => describeRecipient(record, action, recipient, world.now)),
          ),
          mayBeGlobal: mayBeGlobal(recipient, outcomes, params.global_status ?? false),
          ...(returned && { returned }),
          boundary: world.boundary,
        });
  return { sender: '', recipient, ...composed };
}

function word({ template = 'classic', language = 'en' }: ReportParams, action: ReportedAction, what: Explanation, fields: ReadField[]) {
  if (template === 'classic') return { subject: subjects[action], text: explain(what) };
  return wordReport(what, template, language, fields);
}

const listOf = <T extends object>(one: T | readonly T[]): readonly T[] => (Array.isArray(one) ? one : [one as T]);

const includeByRet = { FULL: 'FullContent', HDRS: 'HeadersOnly' } as const;

function isEnabled(params: ReportParams, record: DispositionRecord): boolean {
  const action = actionOf(record);
  if (action === undefined) return false;
  if (params.compatibility === 'kumomta' && !isReportedByKumo(record)) return false;
  switch (action) {
    case 'failed':
      return (record.type === 'Expiration' ? params.enable_expiration : params.enable_bounce) ?? false;
    case 'delayed':
      return params.enable_delay ?? false;
    case 'delivered':
    case 'relayed':
      return params.enable_success ?? false;
    default:
      return unreachable(action);
  }
}

/** The original tells of expirations, and of what a server refused in SMTP. */
const isReportedByKumo = ({ type, delivery_protocol }: DispositionRecord): boolean =>
  type === 'Expiration' || (type === 'Bounce' && delivery_protocol === 'ESMTP');

/** RFC 3461 §4.3: RET is about failures; where nothing has failed the header is enough. `first`: a failure if there is one. */
function includeOf(params: ReportParams, { record: { dsn }, action }: ReportedOutcome): IncludeOriginal {
  const asked = dsn?.ret === undefined ? params.include_original_message : includeByRet[dsn.ret];
  return action === 'failed' || asked === 'No' ? asked : 'HeadersOnly';
}

function composeCompatible(params: ReportParams, outcomes: readonly ReportedOutcome[], choice: ReturnChoice, world: ReportWorld) {
  const [outcome, another] = outcomes;
  if (!outcome || another) throw new TypeError('with compatibility "kumomta" a report is made of one record');
  const { record, recipients } = outcome;
  return composeLikeKumo({
    record,
    recipients: recipients.map((r) => r.address),
    returnPath: withoutSourceRoute(record.sender),
    reportingMta: params.reporting_mta,
    from: author(params, 'Mail Delivery Subsystem'),
    messageId: messageId(params, world),
    ...(choice.returned && { returned: choice.returned }),
    boundary: world.boundary,
  });
}

/** The same for the same records. */
function stableWorld(records: readonly DispositionRecord[]): ReportWorld {
  const latest = Math.max(...records.map(({ timestamp }) => timestamp * 1000));
  return { now: isFormattableDate(latest) ? latest : 0, messageId: 'UUID', boundary: 'report-boundary' };
}

const messageId = (params: ReportParams, world: ReportWorld): string => `<${world.messageId}@${hostOf(params)}>`;

/** The name of the reporting MTA: without the dot at its end, which no address may have (RFC 5321 §4.1.2); as given in the original's form. */
export const hostOf = ({ reporting_mta: { name }, compatibility }: ReportParams): string =>
  compatibility ? name : name.replace(/\.$/, '');

/** From of the report; mailer-daemon where the parameter is no mailbox. */
export function author(params: ReportParams, displayName: string): string {
  const { name, address } = readMailbox(params.from ?? '') ?? { name: '', address: `mailer-daemon@${hostOf(params)}` };
  return `${name || displayName} <${address}>`;
}
