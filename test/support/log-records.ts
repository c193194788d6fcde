import type { DispositionRecord, RecordType } from '../../shared/core/disposition.ts';

const types: RecordType[] = ['Reception', 'Delivery', 'Delivery', 'TransientFailure', 'Bounce'];
const replies: Record<string, DispositionRecord['response']> = {
  Reception: { code: 250, enhanced_code: null, content: 'OK', command: null },
  Delivery: {
    code: 250,
    enhanced_code: { class: 2, subject: 0, detail: 0 },
    content: 'OK 1763780000 d2e1a72fcca58-38b4b2 - gsmtp',
    command: null,
  },
  TransientFailure: {
    code: 451,
    enhanced_code: { class: 4, subject: 7, detail: 1 },
    content: 'Greylisting in action, please come back in five minutes; see https://postmaster.example/greylist',
    command: 'RCPT TO:<someone@example.test>',
  },
  Bounce: {
    code: 550,
    enhanced_code: { class: 5, subject: 1, detail: 1 },
    content: "The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos",
    command: 'RCPT TO:<someone@example.test>',
  },
};

/** The `n`th of a stream of records as a relay for many tenants writes them, of a usual size: the same for the same `n`. */
export function logRecord(n: number, changes: Partial<DispositionRecord> = {}): DispositionRecord {
  const type = types[n % types.length] ?? 'Delivery';
  const message = Math.floor(n / 2);
  // A few domains have most of the mail.
  const domain = `d${Math.floor((scatter(n) % 1000) ** 3 / 1e6)}.test`;
  const tenant = `tenant${message % 50}`;
  const at = 1_763_780_000 + Math.floor(n / 100);
  return {
    type,
    event_id: `${hex(message)}.${n % 3}/${type}`,
    id: hex(message),
    sender: `bounces+${message % 5000}@news.${tenant}.test`,
    recipient: `user${n}@${domain}`,
    queue: `campaign${message % 7}:${tenant}@${domain}`,
    site: `default->mx.${domain}`,
    size: 20_000 + (n % 9000),
    response: replies[type] ?? { code: 250, enhanced_code: null, content: 'OK', command: null },
    peer_address: { name: `mx.${domain}`, addr: `192.0.2.${n % 250}`, is_secure: true },
    timestamp: at,
    event_time: new Date(at * 1000).toISOString(),
    created: at - 3,
    created_time: new Date(at * 1000 - 3000).toISOString(),
    num_attempts: 1,
    bounce_classification: type === 'Bounce' ? 'InvalidRecipient' : 'Uncategorized',
    egress_pool: null,
    egress_source: 'default',
    source_address: { address: '192.0.2.10' },
    feedback_report: null,
    meta: {},
    headers: { subject: `Offer ${message % 300} of this week` },
    delivery_protocol: 'ESMTP',
    reception_protocol: 'ESMTPSA',
    nodeid: 'relay.home.test',
    tls_cipher: 'TLS_AES_256_GCM_SHA384',
    tls_protocol_version: 'TLSv1.3',
    session_id: hex(scatter(n)),
    ...changes,
  };
}

/** 32 digits that look like chance, as ids do: what packs well would flatter the figures. */
const hex = (n: number): string =>
  [1, 2, 3, 4]
    .map((i) =>
      scatter(n * 4 + i)
        .toString(16)
        .padStart(8, '0'),
    )
    .join('');

function scatter(n: number): number {
  let h = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
