import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { generateRfc3464Message, type Report, type ReportParams, type ReportWorld } from '../../shared/core/dsn/generate.ts';

export const receivedAt = Date.UTC(2003, 6, 1, 8, 52, 37);
export const failedAt = Date.UTC(2003, 6, 1, 10, 52, 37);

export const params: ReportParams = {
  include_original_message: 'FullContent',
  enable_bounce: true,
  enable_expiration: true,
  reporting_mta: { mta_type: 'dns', name: 'mta1.example.com' },
};

export const world: ReportWorld = { now: failedAt + 1000, messageId: '0198', boundary: 'a-candidate' };

export const original = octets(
  'From: sender@sender.example.com\r\nSubject: Hello!\r\nMessage-ID: <one@sender.example.com>\r\n\r\nhello there\r\n',
);

/** The bounce of the reference's sample, with anything of it replaced. */
export function bounce(changes: Partial<DispositionRecord> = {}): DispositionRecord {
  return {
    type: 'Bounce',
    event_id: 'e1',
    id: '',
    sender: 'sender@sender.example.com',
    recipient: 'recip@target.example.com',
    queue: 'target.example.com',
    site: 'default->target.example.com',
    size: 0,
    response: { code: 550, enhanced_code: { class: 5, subject: 7, detail: 1 }, content: 'no thanks', command: 'RCPT' },
    peer_address: { name: 'target.example.com', addr: '42.42.42.42' },
    timestamp: failedAt / 1000,
    event_time: new Date(failedAt).toISOString(),
    created: receivedAt / 1000,
    created_time: new Date(receivedAt).toISOString(),
    num_attempts: 1,
    bounce_classification: 'Uncategorized',
    egress_pool: null,
    egress_source: null,
    source_address: null,
    feedback_report: null,
    meta: {},
    headers: {},
    delivery_protocol: 'ESMTP',
    reception_protocol: 'ESMTP',
    nodeid: 'node',
    ...changes,
  };
}

/** The expiration of the reference's sample: no server's words, and no peer. */
export const expiration = (changes: Partial<DispositionRecord> = {}): DispositionRecord =>
  bounce({
    type: 'Expiration',
    response: {
      code: 551,
      enhanced_code: { class: 5, subject: 4, detail: 7 },
      content: 'Next delivery time would be at SOME TIME which exceeds the expiry time EXPIRES configured via set_scheduling',
      command: null,
    },
    peer_address: null,
    delivery_protocol: null,
    ...changes,
  });

/** The report of a record; fails when there is none. */
export function reportOf(
  record: DispositionRecord,
  changes: Partial<ReportParams> = {},
  message: Uint8Array | undefined = original,
): Report {
  const report = generateRfc3464Message({ ...params, ...changes }, message, record, world);
  if (!report) throw new Error('there is no report');
  return report;
}

/** One character an octet, both ways. */
export const characters = (content: Uint8Array): string => Buffer.from(content).toString('latin1');
export function octets(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Header and raw parts of a report, taken apart by its boundary and nothing more. */
export function takeApart(report: Report): { header: string; parts: { header: string; body: string }[] } {
  const text = characters(report.content);
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? '';
  const header = text.slice(0, text.indexOf('\r\n\r\n') + 2);
  const body = `\r\n${text.slice(header.length + 2)}`;
  const [preamble, ...rest] = body.split(`\r\n--${boundary}`);
  if (preamble !== '' || rest.pop() !== '--\r\n') throw new Error('the multipart is not framed as it should be');
  const parts = rest.map((part) => {
    const at = part.indexOf('\r\n\r\n');
    return { header: part.slice(2, at + 2), body: part.slice(at + 4) };
  });
  return { header, parts };
}

/** message/delivery-status of a report, as it is written. */
export const statusOf = (report: Report): string => takeApart(report).parts[1]?.body ?? '';
/** The code of a Status field: of class 5 with its comment after it (RFC 3464 §2.3.4), and nothing else. */
export function codeOf(status: string | undefined): string | undefined {
  const [, permanent, other] = /^(?:(5\.\d+\.\d+) \(permanent failure\)|([24]\.\d+\.\d+))$/.exec(status ?? '') ?? [];
  return permanent ?? other;
}

/** The human-readable part, as it is written. */
export const textOf = (report: Report): string => takeApart(report).parts[0]?.body ?? '';
