import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { composeReport } from '../../shared/core/dsn/compose.ts';
import { builtInLanguages } from '../../shared/core/dsn/wording/languages.ts';
import type { Action } from '../../shared/core/dsn/report.ts';
import { bounce, characters, expiration, failedAt, octets, original, receivedAt, reportOf } from '../support/dsn-record.ts';
import { findReader, type ReaderName } from '../support/foreign-tools.ts';

// Reports of every kind, read back by programs that no one here wrote.

interface Outcome {
  recipient: string;
  originalRecipient?: string;
  action: Action;
  status: string;
  /** Diagnostic-Code without its type. */
  reason: string;
}

interface Kind {
  name: string;
  content: Uint8Array;
  outcomes: Outcome[];
  subject: string;
  /** Undefined: only the header comes back. */
  body?: string;
  /** Of the original. */
  messageId?: string;
}

const response = (code: number, status: string, ...lines: string[]): DispositionRecord['response'] => {
  const [klass = 0, subject = 0, detail = 0] = status.split('.').map(Number);
  return { code, enhanced_code: { class: klass, subject, detail }, content: lines.join(' '), command: 'RCPT', lines };
};

const longReason = `the mailbox is full and has been for ${'a very long time, '.repeat(20)}as we said`;
const hostileLines = [
  'no\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; evil@x.example',
  '--a-candidate--',
  'Status: 2.0.0 =?utf-8?Q?a=0D=0AX-Injected:_y?= (unclosed "quote <b>',
  '\u001b[31m\u0000\u0007caf\u00e9; rfc822; more',
];
const hostileReason =
  '550-5.7.1 no?Action: delivered?Final-Recipient: rfc822; evil@x.example 550-5.7.1 --a-candidate-- ' +
  '550-5.7.1 Status: 2.0.0 =?utf-8?Q?a=0D=0AX-Injected:_y?= (unclosed "quote <b> 550 5.7.1 ?[31m??caf?; rfc822; more';
const failed = { action: 'failed', status: '5.7.1', reason: '550 5.7.1 no thanks' } as const;
const whole = { subject: 'Hello!', body: 'hello there\n', messageId: '<one@sender.example.com>' };
const multiLine = response(550, '5.1.1', 'The account does not exist.', 'Check for typos, or see', 'https://help.example/NoSuchUser');
const latin1 = octets('From: a@x.example\r\nSubject: Hello!\r\n\r\nf\u00fcr --a-candidate\r\n--a-candidate--\r\n.\r\nFrom you\r\n');
const longHeader = octets(`From: a@x.example\r\nSubject: Hello!\r\nX-Long: ${'x'.repeat(2000)}\r\n\r\nbody\r\n`);
const withOrcpt = {
  envid: 'QQ+2B31',
  recipients: [{ address: 'recip@target.example.com', orcpt: 'rfc822;alias+2Bone@sender.example.com' }],
};

const kinds: Kind[] = [
  {
    name: 'a bounce',
    content: reportOf(bounce()).content,
    outcomes: [{ recipient: 'recip@target.example.com', ...failed }],
    ...whole,
  },
  {
    name: 'a bounce with ENVID and ORCPT',
    content: reportOf(bounce({ dsn: withOrcpt })).content,
    outcomes: [{ recipient: 'recip@target.example.com', originalRecipient: 'alias+one@sender.example.com', ...failed }],
    ...whole,
  },
  {
    name: 'an expiration after a server’s temporary refusals',
    content: reportOf(
      expiration({
        response: response(452, '4.2.2', longReason),
        peer_address: { name: 'target.example.com', addr: '42.42.42.42' },
      }),
    ).content,
    outcomes: [{ recipient: 'recip@target.example.com', action: 'failed', status: '4.2.2', reason: `452 4.2.2 ${longReason}` }],
    ...whole,
  },
  {
    name: 'an expiration without a server’s word',
    content: reportOf(expiration({ response: { ...response(451, '4.4.1', 'No connection to any server'), local: true } })).content,
    outcomes: [{ recipient: 'recip@target.example.com', action: 'failed', status: '4.4.1', reason: 'No connection to any server' }],
    ...whole,
  },
  {
    name: 'several recipients',
    content: reportOf(bounce({ recipient: ['Bob@x.example', "o'hara+x@x.example", '"a b"@x.example'] })).content,
    outcomes: [
      { recipient: 'Bob@x.example', ...failed },
      { recipient: "o'hara+x@x.example", ...failed },
      { recipient: '"a b"@x.example', ...failed },
    ],
    ...whole,
  },
  {
    name: 'a reply of several lines',
    content: reportOf(bounce({ response: multiLine })).content,
    outcomes: [
      {
        recipient: 'recip@target.example.com',
        action: 'failed',
        status: '5.1.1',
        reason: '550-5.1.1 The account does not exist. 550-5.1.1 Check for typos, or see 550 5.1.1 https://help.example/NoSuchUser',
      },
    ],
    ...whole,
  },
  {
    name: 'an 8-bit original full of delimiters',
    content: reportOf(bounce(), {}, latin1).content,
    outcomes: [{ recipient: 'recip@target.example.com', ...failed }],
    subject: 'Hello!',
    body: 'f\u00fcr --a-candidate\n--a-candidate--\n.\nFrom you\n',
  },
  {
    name: 'the header alone',
    content: reportOf(bounce(), { include_original_message: 'HeadersOnly' }).content,
    outcomes: [{ recipient: 'recip@target.example.com', ...failed }],
    subject: 'Hello!',
    messageId: whole.messageId,
  },
  {
    name: 'a header in quoted-printable',
    content: reportOf(bounce(), {}, longHeader).content,
    outcomes: [{ recipient: 'recip@target.example.com', ...failed }],
    subject: 'Hello!',
  },
  {
    name: 'a hostile reply',
    content: reportOf(bounce({ response: response(550, '5.7.1', ...hostileLines) })).content,
    outcomes: [{ recipient: 'recip@target.example.com', action: 'failed', status: '5.7.1', reason: hostileReason }],
    ...whole,
  },
  ...builtInLanguages.map((language) => ({
    name: `plain words in ${language}`,
    content: reportOf(bounce(), { template: 'plain', language }).content,
    outcomes: [{ recipient: 'recip@target.example.com', ...failed }],
    ...whole,
  })),
  ...(['delayed', 'relayed', 'delivered', 'expanded'] as const).map(reportOfAction),
];

/** What the composer makes of the actions that are no failures. */
function reportOfAction(action: Exclude<Action, 'failed'>): Kind {
  const [status, reply] = action === 'delayed' ? ['4.2.2', '452 4.2.2 full'] : ['2.1.5', '250 2.1.5 fine'];
  const { content } = composeReport({
    date: failedAt,
    from: '"Mail Delivery Subsystem" <mailer-daemon@mta1.example.com>',
    to: 'sender@sender.example.com',
    subject: 'Delivery status',
    messageId: '<1@mta1.example.com>',
    text: 'A text.\r\n',
    message: { reportingMta: { type: 'dns', value: 'mta1.example.com' }, arrivalDate: receivedAt },
    recipients: [
      {
        finalRecipient: { type: 'rfc822', value: 'recip@target.example.com' },
        action,
        status,
        remoteMta: { type: 'dns', value: 'target.example.com' },
        diagnostic: { type: 'smtp', lines: [reply] },
        ...(action === 'delayed' && { willRetryUntil: failedAt + 86_400_000 }),
      },
    ],
    returned: { kind: 'message', content: original, encoding: '7bit' },
    boundary: 'a-candidate',
  });
  return {
    name: `an action "${action}"`,
    content,
    outcomes: [{ recipient: 'recip@target.example.com', action, status, reason: reply }],
    ...whole,
  };
}

/**
 * Checks what a reader makes of each kind, as it lies in a mailbox (LF) and as it travels (CRLF), which
 * Mail::DeliveryStatus::BounceParser is not made for: its lines are those of the system.
 */
function readWith(reader: ReaderName, check: (kind: Kind, read: never) => void, lineEnds = ['\n', '\r\n']): void {
  suite(`${reader} reads`, async () => {
    await test('reports of every kind', async (t) => {
      const read = await findReader(t, reader);
      if (!read) return;
      for (const lineEnd of lineEnds) {
        const files = await store(
          t,
          kinds.map((kind) => characters(kind.content).replaceAll('\r\n', lineEnd)),
        );
        const results = await read(files);
        assert.equal(results.length, kinds.length);
        for (const [i, kind] of kinds.entries()) {
          await t.test(`${kind.name}, lines ended by ${JSON.stringify(lineEnd)}`, () => check(kind, results[i] as never));
        }
      }
    });
  });
}

async function store(t: TestContext, messages: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-readers-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = messages.map((_, i) => join(folder, `${i}.eml`));
  await Promise.all(files.map((file, i) => writeFile(file, messages[i] ?? '', 'latin1')));
  return files;
}

interface EmailRead {
  types: string[];
  parameters: Record<string, string>;
  auto: string | null;
  date: string | null;
  to: string[];
  text: string;
  reporter: string | null;
  envelopeId: string | null;
  recipients: { recipient: string; original: string | null; action: string; status: string; diagnosis: string; fields: string[] }[];
  subject: string | null;
  body: string | null;
  defects: string[];
}

const groupFields = [
  'Original-Recipient',
  'Final-Recipient',
  'Action',
  'Status',
  'Remote-MTA',
  'Diagnostic-Code',
  'Last-Attempt-Date',
  'Will-Retry-Until',
];

readWith('Python’s email package', (kind, read: EmailRead) => {
  assert.deepEqual(read.defects, []);
  const returned = kind.body === undefined ? 'text/rfc822-headers' : 'message/rfc822';
  assert.deepEqual(read.types, ['text/plain', 'message/delivery-status', returned]);
  assert.equal(read.parameters['report-type'], 'delivery-status');
  assert.equal(read.auto, 'auto-replied');
  assert.match(read.date ?? '', /^2003-07-01T10:52:3[78]\+00:00$/);
  assert.deepEqual(read.to, ['sender@sender.example.com']);
  assert.equal(read.reporter, 'dns; mta1.example.com');
  assert.equal(read.envelopeId, kind.name.includes('ENVID') ? 'QQ+31' : null);
  const outcomes = read.recipients.map(({ recipient, original: orcpt, action, status, diagnosis }) => ({
    recipient: withoutType(recipient, 'rfc822'),
    ...(orcpt !== null && { originalRecipient: withoutType(orcpt, 'rfc822') }),
    action,
    status,
    reason: withoutType(diagnosis, /^\d/.test(kind.outcomes[0]?.reason ?? '') ? 'smtp' : 'x-rebound'),
  }));
  assert.deepEqual(outcomes, kind.outcomes);
  for (const { fields } of read.recipients) {
    assert.deepEqual(
      fields.filter((name) => !groupFields.includes(name)),
      [],
    );
  }
  assert.equal(read.subject, kind.subject);
  assert.equal(read.body?.replaceAll('\r\n', '\n') ?? undefined, kind.body);
});

function withoutType(value: string, type: string): string {
  assert.ok(value.startsWith(`${type}; `), value);
  return value.slice(type.length + 2);
}

/** Addresses by what they did; the address that the sender knows goes before. */
const addressesOf = (kind: Kind, action: Action): string[] =>
  kind.outcomes
    .filter((outcome) => outcome.action === action)
    .map((outcome) => outcome.originalRecipient ?? outcome.recipient)
    .toSorted();

readWith('flufl.bounce', (kind, read: { temporary: string[]; permanent: string[] }) => {
  assert.deepEqual(read, { temporary: addressesOf(kind, 'delayed'), permanent: addressesOf(kind, 'failed') });
});

interface BounceParserRead {
  is_bounce: boolean;
  type: string | null;
  message_id: string | null;
  addresses: string[];
  reports: { email: string; action: string; status: string; reason: string; smtp_code: string; std_reason: string }[];
}

readWith(
  'Mail::DeliveryStatus::BounceParser',
  (kind, read: BounceParserRead) => {
    const action = kind.outcomes[0]?.action;
    assert.equal(read.is_bounce, action === 'failed');
    if (action !== 'failed') {
      assert.equal(read.type, `delivery-status ${action}`);
      return;
    }
    const reports = read.reports.map((of) => ({ recipient: of.email, action: of.action, status: of.status, reason: of.reason }));
    const want = kind.outcomes.map(({ originalRecipient, recipient, ...others }) => ({
      recipient: originalRecipient ?? recipient,
      ...others,
    }));
    assert.deepEqual(reports, want);
    assert.deepEqual(read.addresses.toSorted(), addressesOf(kind, 'failed'));
    assert.equal(read.message_id ?? undefined, kind.messageId);
  },
  ['\n'],
);

test('what the compatible form costs: Python’s email package finds no diagnosis in an expiration, and half a status', async (t) => {
  const read = await findReader(t, 'Python’s email package');
  if (!read) return;
  const forms = [{ compatibility: 'kumomta' } as const, {}].map((changes) => characters(reportOf(expiration(), changes).content));
  const [compatible, ours] = (await read(await store(t, forms))) as EmailRead[];
  assert.equal(compatible?.date, null);
  assert.equal(compatible?.recipients[0]?.diagnosis, null);
  assert.match(compatible?.recipients[0]?.status ?? '', /^5\.4\.7 Next .*=$/);
  assert.match(ours?.recipients[0]?.diagnosis ?? '', /^x-rebound; Next delivery time .* set_scheduling$/);
  assert.equal(ours?.recipients[0]?.status, '4.4.7');
});

// ---- Internationalised mail. Of the global types these readers know little: why a report with an ASCII return path is
// of the classic type (docs/reports.md).

const utf8Original = new TextEncoder().encode('From: jürgen@x.example\r\nSubject: Grüße\r\nMessage-ID: <1@x>\r\n\r\nWörter\r\n');
const utf8Failure = (sender: string): DispositionRecord =>
  bounce({
    sender,
    recipient: ['jörg+a@x.example', 'bob@x.example'],
    response: response(550, '5.1.1', 'kein Empfänger'),
    dsn: { smtp_utf8: true, recipients: [] },
  });
const international = {
  classic: reportOf(utf8Failure('ann@x.example'), {}, utf8Original).content,
  encoded: reportOf(utf8Failure('ann@x.example'), { global_status: true }, utf8Original).content,
  utf8: reportOf(utf8Failure('änn@x.example'), {}, utf8Original).content,
};

async function readInternational<T>(t: TestContext, reader: ReaderName): Promise<Record<keyof typeof international, T> | undefined> {
  const read = await findReader(t, reader);
  if (!read) return undefined;
  const { classic, encoded, utf8 } = international;
  const messages = [classic, encoded, utf8].map((content) => characters(content).replaceAll('\r\n', '\n'));
  const [first, second, third] = (await read(await store(t, messages))) as T[];
  assert.ok(first && second && third);
  return { classic: first, encoded: second, utf8: third };
}

test('Python’s email package reads the classic type of an internationalised report, and of the global one the text (rules 102, 105)', async (t) => {
  const read = await readInternational<EmailRead>(t, 'Python’s email package');
  if (!read) return;
  for (const { text, defects } of Object.values(read)) {
    assert.match(text, /addressed to jörg\+a@x\.example,[^]*550 5\.1\.1 kein Empfänger\n/);
    assert.deepEqual(defects, []);
  }
  assert.deepEqual(read.classic.types, ['text/plain', 'message/delivery-status', 'message/global']);
  const recipients = read.classic.recipients.map(({ recipient, action, status, diagnosis }) => [recipient, action, status, diagnosis]);
  assert.deepEqual(recipients, [
    ['utf-8; j\\x{F6}rg\\x{2B}a@x.example', 'failed', '5.1.1', 'smtp; 550 5.1.1 kein Empf?nger'],
    ['rfc822; bob@x.example', 'failed', '5.1.1', 'smtp; 550 5.1.1 kein Empf?nger'],
  ]);
  for (const { types } of [read.encoded, read.utf8])
    assert.deepEqual(types, ['text/plain', 'message/global-delivery-status', 'message/global']);
  assert.equal(read.utf8.subject, 'Grüße');
});

test('flufl.bounce finds the ASCII recipients of the classic type (rules 102, 105)', async (t) => {
  const read = await readInternational<{ temporary: string[]; permanent: string[] }>(t, 'flufl.bounce');
  if (!read) return;
  assert.deepEqual(read.classic, { temporary: [], permanent: ['bob@x.example'] });
});

test('Mail::DeliveryStatus::BounceParser finds the recipients of the classic type in their ASCII form (rules 102, 105)', async (t) => {
  const read = await readInternational<BounceParserRead>(t, 'Mail::DeliveryStatus::BounceParser');
  if (!read) return;
  assert.equal(read.classic.is_bounce, true);
  assert.deepEqual(
    read.classic.reports.map(({ email, action, status, reason }) => [email, action, status, reason]),
    [
      ['j\\x{F6}rg\\x{2B}a@x.example', 'failed', '5.1.1', '550 5.1.1 kein Empf?nger'],
      ['bob@x.example', 'failed', '5.1.1', '550 5.1.1 kein Empf?nger'],
    ],
  );
});
