import { readMailbox } from '../mailbox.ts';
import type { IncludeOriginal } from './original.ts';
import type { ReportTemplates } from './word-report.ts';

/** The parameters of the original's function, and some of our own. */
export interface ReportParams {
  /** What is returned of the message, unless its sender asked (RET). */
  include_original_message: IncludeOriginal;
  enable_expiration?: boolean;
  enable_bounce?: boolean;
  /** Warnings of messages that are late (Action delayed). */
  enable_delay?: boolean;
  /** What was asked for with NOTIFY=SUCCESS (Action relayed or delivered). */
  enable_success?: boolean;
  reporting_mta: { mta_type: string; name: string };
  /** Constant content, for tests: boundary and Message-ID are fixed, Date is the time of the record. */
  stable_content?: boolean;
  /** `kumomta`: to the octet what the original writes, with its faults; of failures only, as it knows no other report. */
  compatibility?: 'kumomta';
  /** The report's author, one mailbox (`Help <help@example.com>`); none or empty: mailer-daemon at the reporting MTA. */
  from?: string;
  /** False: nothing of the client that handed the message in, of its id here, and of next hops in private networks. */
  disclose_internals?: boolean;
  /** Octets; a larger message is returned as its header. None: no limit. */
  original_limit?: number;
  /** How the human-readable part is worded. `classic`: as the original does; none: the same. */
  template?: 'classic' | 'plain' | ReportTemplates;
  /** A language tag, or `auto`: that of the message. None: en. `classic` is in English. */
  language?: string;
  /** message/global-delivery-status also for an ASCII return path, whose reader may not know it. */
  global_status?: boolean;
}

/** Throws TypeError naming the parameter that is unknown, missing or not of its kind. */
export function checkParams(params: ReportParams): void {
  const checks: Record<string, (value: unknown) => boolean> = {
    include_original_message: (value) => value === 'FullContent' || value === 'HeadersOnly' || value === 'No',
    reporting_mta: (value) => typeof value === 'object' && value !== null,
    ...optionalKeys,
  };
  checkKeys('', params, checks);
  if (params.compatibility && (params.template ?? 'classic') !== 'classic') {
    throw new TypeError(`with compatibility "${params.compatibility}" the template is "classic"`);
  }
  checkKeys('reporting_mta.', params.reporting_mta, { mta_type: isString, name: isString });
}

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isString = (value: unknown): value is string => typeof value === 'string';

const optionalKeys: Record<string, (value: unknown) => boolean> = {
  enable_expiration: isBoolean,
  enable_bounce: isBoolean,
  enable_delay: isBoolean,
  enable_success: isBoolean,
  stable_content: isBoolean,
  compatibility: (value) => value === 'kumomta',
  from: (value) => isString(value) && (value === '' || readMailbox(value) !== undefined),
  disclose_internals: isBoolean,
  original_limit: (value) => typeof value === 'number' && value >= 0,
  template: (value) => value === 'classic' || value === 'plain' || (typeof value === 'object' && value !== null),
  language: isString,
  global_status: isBoolean,
};

function checkKeys(path: string, value: object, checks: Record<string, (value: unknown) => boolean>): void {
  const entries = new Map<string, unknown>(Object.entries(value));
  for (const key of entries.keys()) if (!Object.hasOwn(checks, key)) throw new TypeError(`unknown parameter ${path}${key}`);
  for (const [key, isValid] of Object.entries(checks)) {
    const given = entries.get(key);
    if (given === undefined && Object.hasOwn(optionalKeys, key)) continue;
    if (!isValid(given)) throw new TypeError(`parameter ${path}${key} is missing or not of its kind`);
  }
}
