import { isAscii, octets, parsePath, type Mailbox, type Path } from './address.ts';
import type { Envelope, Notify } from './envelope.ts';
import { localReply, type Reply } from './reply.ts';
import { decodeUtf8Address } from './utf8-address.ts';
import { decodeXtext } from './xtext.ts';

/** A well-formed MAIL command. */
export interface MailCommand {
  /** The reverse-path; empty for the null sender. */
  sender: string;
  /** Declared octets (RFC 1870). */
  size?: number;
  smtpUtf8: boolean;
  ret?: NonNullable<Envelope['ret']>;
  /** xtext as received. */
  envid?: string;
}

/** A well-formed RCPT command. */
export interface RcptCommand {
  mailbox: Mailbox;
  notify?: Notify[];
  /** `addr-type;xtext` as received. */
  orcpt?: string;
}

/** `address` of a refused command: what it named, as far as it could be read. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; reply: Reply; address: string };

/** Values by upper-case keyword; `true` for a keyword without value. */
type Params = Map<string, string | true>;

const mailKeywords = new Set(['SIZE', 'BODY', 'SMTPUTF8', 'RET', 'ENVID', 'AUTH']);
const rcptKeywords = new Set(['NOTIFY', 'ORCPT']);
// RFC 3461 §5.4: the longest values that a server must take. Octets.
const maxEnvid = 100;
const maxOrcpt = 500;

/** Parses `MAIL FROM:<...> ...` (RFC 5321 §4.1.1.2, RFC 1870, 6152, 6531, 3461, 4954). */
export function parseMail(line: string): Parsed<MailCommand> {
  const path = pathAfter(/^MAIL[ \t]+FROM:[ \t]*/i, line);
  if (!path) return refuse('', 501, '5.1.7', 'Syntax: MAIL FROM:<address>');
  const sender = path.mailbox?.address ?? '';
  if (path.mailbox?.domain === '') return refuse(sender, 501, '5.1.7', 'The sender needs a domain');
  const params = parseParams(line.slice(path.end), mailKeywords);
  if (!(params instanceof Map)) return { ok: false, reply: params, address: sender };
  const bad = badMailParam(params);
  if (bad) return { ok: false, reply: bad, address: sender };
  const smtpUtf8 = params.has('SMTPUTF8');
  if (!smtpUtf8 && !isAscii(sender)) return refuse(sender, 553, '5.6.7', 'A UTF-8 address needs SMTPUTF8');
  const size = text(params, 'SIZE');
  const ret = text(params, 'RET')?.toUpperCase();
  const envid = text(params, 'ENVID');
  return {
    ok: true,
    value: {
      sender,
      smtpUtf8,
      ...(size !== undefined && { size: Number(size) }),
      ...((ret === 'FULL' || ret === 'HDRS') && { ret }),
      ...(envid !== undefined && { envid }),
    },
  };
}

/** Parses `RCPT TO:<...> ...` (RFC 5321 §4.1.1.3, RFC 3461); `smtpUtf8` is what MAIL declared. */
export function parseRcpt(line: string, smtpUtf8: boolean): Parsed<RcptCommand> {
  const mailbox = pathAfter(/^RCPT[ \t]+TO:[ \t]*/i, line);
  if (!mailbox?.mailbox) return refuse('', 501, '5.1.3', 'Syntax: RCPT TO:<address>');
  const { address } = mailbox.mailbox;
  const params = parseParams(line.slice(mailbox.end), rcptKeywords);
  if (!(params instanceof Map)) return { ok: false, reply: params, address };
  if (!smtpUtf8 && !isAscii(address)) return refuse(address, 553, '5.6.7', 'A UTF-8 address needs SMTPUTF8');
  const notify = params.has('NOTIFY') ? parseNotify(text(params, 'NOTIFY') ?? '') : undefined;
  if (params.has('NOTIFY') && !notify) return refuse(address, 501, '5.5.4', 'NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY');
  const orcpt = text(params, 'ORCPT');
  if (params.has('ORCPT') && !isOrcpt(orcpt ?? '', smtpUtf8)) return refuse(address, 501, '5.5.4', 'ORCPT is a type, ";" and xtext');
  return { ok: true, value: { mailbox: mailbox.mailbox, ...(notify && { notify }), ...(orcpt !== undefined && { orcpt }) } };
}

function pathAfter(command: RegExp, line: string): Path | undefined {
  const match = command.exec(line);
  return match ? parsePath(line, match[0].length) : undefined;
}

/** RFC 5321 §4.1.1.11: 501 for what is not well formed or given twice, 555 for a keyword that we never offered. */
function parseParams(rest: string, known: ReadonlySet<string>): Params | Reply {
  const params: Params = new Map();
  if (rest.trim() === '') return params;
  if (!/^[ \t]/.test(rest)) return localReply(501, '5.5.4', 'A space must follow the address');
  for (const param of rest.trim().split(/[ \t]+/)) {
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\uffff]+))?$/.exec(param);
    if (!match) return localReply(501, '5.5.4', 'A parameter is not well formed');
    const keyword = (match[1] ?? '').toUpperCase();
    if (!known.has(keyword)) return localReply(555, '5.5.4', 'A parameter is not known here');
    if (params.has(keyword)) return localReply(501, '5.5.4', `${keyword} is given twice`);
    params.set(keyword, match[2] ?? true);
  }
  return params;
}

function badMailParam(params: Params): Reply | undefined {
  for (const [keyword, value] of params) {
    const reply = mailParamFault(keyword, value === true ? '' : value, value === true);
    if (reply) return reply;
  }
  return undefined;
}

function mailParamFault(keyword: string, value: string, isBare: boolean): Reply | undefined {
  const bad = (why: string): Reply => localReply(501, '5.5.4', why);
  switch (keyword) {
    case 'SIZE':
      return /^\d{1,20}$/.test(value) ? undefined : bad('SIZE is a number of octets');
    case 'BODY':
      // BINARYMIME needs CHUNKING (RFC 3030), which is not offered.
      if (/^BINARYMIME$/i.test(value)) return localReply(555, '5.5.4', 'BINARYMIME is not offered');
      return /^(?:7BIT|8BITMIME)$/i.test(value) ? undefined : bad('BODY is 7BIT or 8BITMIME');
    case 'SMTPUTF8':
      return isBare ? undefined : bad('SMTPUTF8 takes no value');
    case 'RET':
      return /^(?:FULL|HDRS)$/i.test(value) ? undefined : bad('RET is FULL or HDRS');
    case 'ENVID':
      return value.length <= maxEnvid && decodeXtext(value) !== undefined ? undefined : bad('ENVID is xtext of up to 100 characters');
    default:
      // RFC 4954 §5: AUTH is taken and, as nobody is trusted to vouch for others, not used.
      return value === '<>' || decodeXtext(value) !== undefined ? undefined : bad('AUTH is <> or xtext');
  }
}

function parseNotify(value: string): Notify[] | undefined {
  const values = new Set(value.toUpperCase().split(','));
  const known = [...values].filter((v): v is Notify => v === 'NEVER' || v === 'SUCCESS' || v === 'FAILURE' || v === 'DELAY');
  // RFC 3461 §4.1: NEVER stands alone.
  return known.length < values.size || (values.has('NEVER') && values.size > 1) ? undefined : known;
}

/** RFC 3461 §4.2, and RFC 6533 §3 for type utf-8, whose raw form only comes with SMTPUTF8. */
function isOrcpt(value: string, smtpUtf8: boolean): boolean {
  const match = /^([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+);(.+)$/.exec(value);
  if (!match || octets(value) > maxOrcpt) return false;
  const [, type = '', address = ''] = match;
  if (type.toLowerCase() !== 'utf-8') return decodeXtext(address) !== undefined;
  return (smtpUtf8 || isAscii(address)) && decodeUtf8Address(address) !== undefined;
}

const text = (params: Params, keyword: string): string | undefined => {
  const value = params.get(keyword);
  return value === true ? undefined : value;
};

const refuse = (address: string, code: number, enhanced: string, why: string): { ok: false; reply: Reply; address: string } => ({
  ok: false,
  reply: localReply(code, enhanced, why),
  address,
});
