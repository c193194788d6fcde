import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bounce, characters, expiration, octets, original, params, reportOf } from '../support/dsn-record.ts';

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));
const sampleOriginal = 'Content-Type: text/plain;\n\tcharset="us-ascii"\nSubject: Hello!\n\nhello there\n';
const compatible = { ...params, compatibility: 'kumomta', stable_content: true };
let folder = '';

const group =
  'Reporting-MTA: dns; mta.x\r\n\r\nFinal-Recipient: rfc822; a@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\nFinal-Recipient: rfc822; b@x.test\r\nAction: delayed\r\n';
const status = (type: string, fields: string): string =>
  `Content-Type: ${type}; boundary=b\r\n\r\n--b\r\n\r\nsome words\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n${fields}\r\n--b--\r\n`;

const files: Record<string, unknown> = {
  'bounce.json': bounce({ meta: { trusted: true } }),
  'stranger.json': bounce(),
  'expiration.json': expiration(),
  'null-sender.json': bounce({ sender: '' }),
  'reception.json': bounce({ type: 'Reception' }),
  'incomplete.json': { type: 'Bounce', sender: 'a@x.example', recipient: [], response: { code: 'x' } },
  'minimal.json': {
    meta: { trusted: true },
    type: 'Bounce',
    sender: 'sender@sender.example.com',
    recipient: 'recip@target.example.com',
    response: { code: 550, content: 'no thanks' },
    timestamp: 1057056757,
    created: 1057049557,
  },
  'params.json': params,
  'compatible.json': compatible,
  'compatible-header.json': { ...compatible, include_original_message: 'HeadersOnly' },
  'expirations-only.json': { ...params, enable_bounce: false },
  'wrong-params.json': { ...params, enable_bounces: true },
  'list.json': [],
  'two.json': [bounce({ recipient: 'a@x.test' }), bounce({ recipient: 'b@x.test' })],
  'two-messages.json': [bounce({ id: '1' }), bounce({ id: '2' })],
  'one-wrong.json': [bounce(), { ...bounce(), sender: 7 }],
  'settings.json': { hostname: 'relay.example.net', bounce: { includeOriginal: 'No' } },
  'german.json': { bounce: { tenants: { acme: { language: 'de' } } } },
  'acme.json': bounce({ queue: 'acme@target.example.com', meta: { trusted: true } }),
  'silent.json': { bounce: { tenants: { acme: { enabled: false } } } },
  'reading.json': { ingress: { reports: { to: ['sender.example.com'] } } },
  'receipt.eml': octets(
    'Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nA: b\r\n--b--\r\n',
  ),
  'vacation.eml': octets('Auto-Submitted: auto-replied\r\nSubject: away\r\n\r\nI am away.\r\n'),
  'empty.eml': octets(status('multipart/report', 'Reporting-MTA: dns; mta.x\r\n')),
  'mixed.eml': octets(status('multipart/mixed', group)),
  'base64.eml': octets(
    status('multipart/mixed', Buffer.from(group).toString('base64')).replace(
      'status\r\n',
      'status\r\nContent-Transfer-Encoding: base64\r\n',
    ),
  ),
  'forwarded.eml': octets(
    `Content-Type: multipart/mixed; boundary=f\r\n\r\n--f\r\n\r\nsee below\r\n--f\r\nContent-Type: message/rfc822\r\n\r\n${status('multipart/report', group)}\r\n--f--\r\n`,
  ),
  'own.txt': octets('Subject: Ours\n\n{{#case}}\n{{recipients}} {{response}}\n{{/case}}\n'),
  'mistaken.txt': octets('Subject: Ours\n\n{{#case}}\n{{recipient}} {{response}}\n{{/case}}\n'),
  'broken.json': octets('{'),
  'original.eml': octets(sampleOriginal),
  'latin1.eml': octets('Subject: s\r\n\r\nf\u00fcr\r\n'),
  'complaint.eml': octets(
    'Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b\r\n' +
      'Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Loop/1\u009b2J\r\n--b--\r\n',
  ),
  'report.eml': reportOf(bounce({ id: '01f' }), {}, original).content,
  'esc.eml': octets(characters(reportOf(bounce()).content).replace('no thanks\r\nLast', 'no\u001b[31m\u00c2\u009b1m thanks\r\nLast')),
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rebound-report-'));
  const write = ([name, value]: [string, unknown]): Promise<void> =>
    writeFile(join(folder, name), value instanceof Uint8Array ? value : JSON.stringify(value));
  await Promise.all(Object.entries(files).map(write));
});
after(() => rm(folder, { recursive: true, force: true }));

/** `rebound report <args>` in the folder of the files above. */
async function rebound(args: string, input = ''): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, 'report', ...args.split(' ')], { cwd: folder });
  child.stdin.on('error', () => {}).end(input);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([buffer(child.stdout), buffer(child.stderr), closed]);
  return { code, stdout: characters(out), stderr: err.toString() };
}

const fixture = async (name: string): Promise<string> => characters(await readFile(new URL(`../fixtures/${name}.eml`, import.meta.url)));

const samples: [args: string, fixture: string][] = [
  ['preview --record bounce.json --original original.eml --params compatible.json', 'kumomta-bounce'],
  ['preview --record expiration.json --original original.eml --params compatible-header.json', 'kumomta-expiration'],
];
for (const [args, name] of samples) {
  test(`report ${args} prints the sample of the reference, octet for octet`, async () => {
    assert.deepEqual(await rebound(args), { code: 0, stdout: await fixture(name), stderr: '' });
  });
}

test('a preview without parameters is the report that the settings give', async () => {
  const { code, stdout } = await rebound('preview --record minimal.json --original original.eml --config settings.json');
  assert.equal(code, 0);
  assert.match(stdout, /^From: "Mail Delivery Subsystem" <mailer-daemon@relay\.example\.net>\r$/m);
  assert.match(stdout, /^Reporting-MTA: dns; relay\.example\.net\r$/m);
  assert.match(stdout, /^Status: 5\.0\.0 \(permanent failure\)\r$/m);
  assert.doesNotMatch(stdout, /hello there/);
});

const worded: [args: string, want: RegExp][] = [
  ['preview --record bounce.json', /^Subject: Your message could not be delivered\r$/m],
  ['preview --record bounce.json --template classic', /^Subject: Returned mail\r$/m],
  ['preview --record bounce.json --language es', /^Content-Language: es\r$/m],
  ['preview --record acme.json --config german.json', /^Content-Language: de\r$/m],
  ['preview --record bounce.json --config german.json', /^Content-Language: en\r$/m],
  ['preview --record bounce.json --params params.json', /^Subject: Returned mail\r$/m],
  ['preview --record bounce.json --params params.json --template plain --language fr', /^Content-Language: fr\r$/m],
  ['preview --record bounce.json --template own.txt', /^Subject: Ours\r$[^]*^recip@target\.example\.com 550 5\.7\.1 no thanks\r$/m],
];
for (const [args, want] of worded) {
  test(`report ${args} has the words asked for`, async () => {
    const { code, stdout, stderr } = await rebound(args);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, want);
  });
}
test('a preview of several records of one message is one report', async () => {
  const { code, stdout } = await rebound('preview --record two.json --params params.json');
  assert.equal(code, 0);
  assert.deepEqual(stdout.match(/^Final-Recipient: .*(?=\r$)/gm), [
    'Final-Recipient: rfc822; a@x.test',
    'Final-Recipient: rfc822; b@x.test',
  ]);
});

test('a preview as JSON has the envelope, and the content in an encoding that keeps it', async () => {
  const ascii = await rebound('preview --record bounce.json --params params.json --json');
  const { content, ...envelope } = (JSON.parse(ascii.stdout) as { report: { content: string } }).report;
  assert.deepEqual(envelope, { sender: '', recipient: 'sender@sender.example.com', eightBit: false, smtpUtf8: false, encoding: 'utf-8' });
  assert.match(content, /\r\nFinal-Recipient: rfc822; recip@target\.example\.com\r\n/);
  const eightBit = await rebound('preview --record bounce.json --params params.json --original latin1.eml --json');
  const { report } = JSON.parse(eightBit.stdout) as { report: { content: string; encoding: string; eightBit: boolean } };
  assert.deepEqual([report.encoding, report.eightBit], ['base64', true]);
  assert.match(Buffer.from(report.content, 'base64').toString('latin1'), /\r\nf\u00fcr\r\n/);
});

const none: [args: string, reason: string][] = [
  ['preview --record null-sender.json --params params.json', 'null-sender'],
  ['preview --record reception.json --params params.json', 'not-a-failure'],
  ['preview --record bounce.json --params expirations-only.json', 'not-enabled'],
  ['preview --record bounce.json --original report.eml --params params.json', 'delivery-report'],
];
for (const [args, reason] of none) {
  test(`report ${args} says that none is due: ${reason}`, async () => {
    assert.deepEqual(await rebound(args), { code: 1, stdout: '', stderr: `rebound: no report is due: ${reason}\n` });
    const { code, stdout } = await rebound(`${args} --json`);
    assert.deepEqual([code, JSON.parse(stdout)], [1, { report: null, reason }]);
  });
}

test('what a report says is printed by the names of its fields', async () => {
  const { code, stdout } = await rebound('parse report.eml');
  assert.equal(code, 0);
  const [message, recipient, returned, text] = stdout.split('\n\n');
  assert.deepEqual(message?.split('\n'), [
    'Reporting-MTA:        dns; mta1.example.com',
    'Arrival-Date:         Tue, 1 Jul 2003 08:52:37 +0000',
    'X-Rebound-Message-ID: 01f',
  ]);
  assert.deepEqual(recipient?.split('\n'), [
    'Final-Recipient:      rfc822; recip@target.example.com',
    'Action:               failed',
    'Status:               5.7.1',
    'Remote-MTA:           dns; target.example.com',
    'Diagnostic-Code:      smtp; 550 5.7.1 no thanks',
    'Last-Attempt-Date:    Tue, 1 Jul 2003 10:52:37 +0000',
  ]);
  assert.deepEqual(returned?.split('\n'), [
    `Returned:             the whole message, ${original.length} octets`,
    'Message-ID:           <one@sender.example.com>',
  ]);
  assert.match(text ?? '', /^Text:\n {2}The message was received at /);
});

test('as JSON, from standard input: the same with times in RFC 3339', async () => {
  const { code, stdout } = await rebound('parse - --json', characters(files['report.eml'] as Uint8Array));
  assert.equal(code, 0);
  const { text, ...report } = JSON.parse(stdout) as { text: string };
  assert.match(text, /Response: 550 5\.7\.1 no thanks/);
  assert.deepEqual(report, {
    reportingMta: { type: 'dns', value: 'mta1.example.com' },
    arrivalDate: '2003-07-01T08:52:37.000Z',
    extensions: [{ name: 'X-Rebound-Message-ID', value: '01f' }],
    recipients: [
      {
        finalRecipient: { type: 'rfc822', value: 'recip@target.example.com' },
        action: 'failed',
        status: '5.7.1',
        remoteMta: { type: 'dns', value: 'target.example.com' },
        diagnostic: { type: 'smtp', value: '550 5.7.1 no thanks' },
        lastAttemptDate: '2003-07-01T10:52:37.000Z',
        extensions: [],
      },
    ],
    returned: { kind: 'message', messageId: '<one@sender.example.com>', sizeBytes: original.length },
  });
});

for (const args of ['parse esc.eml', 'parse esc.eml --json']) {
  test(`report ${args} lets nothing through that steers a terminal`, async () => {
    const { code, stdout } = await rebound(args);
    assert.equal(code, 0);
    assert.match(stdout, /31m.* thanks/);
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f\u009b]/);
  });
}

const mistakes: [args: string, code: number, want: RegExp][] = [
  ['show', 2, /^rebound: expected "report preview --record <file>" or "report parse <file>"; see/],
  ['preview', 2, /needs --record <file>/],
  ['preview bounce.json --record bounce.json', 2, /expected "report preview/],
  ['preview --record - --original -', 2, /standard input can be read only once/],
  ['parse', 2, /expected "report preview/],
  ['parse report.eml --record bounce.json', 2, /expected "report preview/],
  ['parse report.eml --unknown', 2, /--unknown/],
  ['preview --record absent.json', 1, /^rebound: absent\.json cannot be read: ENOENT/],
  ['preview --record list.json', 1, /^rebound: list\.json: /],
  [
    'preview --record two-messages.json',
    1,
    /^rebound: two-messages\.json: these are records of several messages; a report is about one\n$/,
  ],
  ['preview --record one-wrong.json', 1, /^rebound: one-wrong\.json: 1\.sender: /],
  ['preview --record two.json --params compatible.json', 1, /^rebound: with compatibility "kumomta" a report is made of one record\n$/],
  ['preview --record broken.json', 1, /^rebound: broken\.json is not one JSON value: /],
  [
    'preview --record incomplete.json',
    1,
    /incomplete\.json: recipient: [^]*response\.code: [^]*response\.content: [^]*timestamp: [^]*created: /,
  ],
  ['preview --record bounce.json --params wrong-params.json', 1, /^rebound: wrong-params\.json: unknown parameter enable_bounces\n$/],
  ['preview --record bounce.json --template mistaken.txt', 1, /^mistaken\.txt:4: there is no {{recipient}}; did you mean recipients\?$/m],
  [
    'preview --record bounce.json --template plain --language it',
    1,
    /^rebound: --language = "it": template "plain" has en, de, fr, es only\n$/,
  ],
  ['preview --record bounce.json --params compatible.json --template plain', 1, /^rebound: --template: with compatibility "kumomta"/],
  ['preview --record bounce.json --params list.json', 1, /^rebound: list\.json: expected a JSON object\n$/],
  ['parse original.eml', 1, /^rebound: original\.eml is not a delivery report/],
  ['parse receipt.eml', 1, /^rebound: receipt\.eml is not a delivery report: it is a receipt \(MDN, RFC 8098\)\n$/],
  ['parse vacation.eml --json', 1, /^rebound: vacation\.eml is not a delivery report: it is an automatic answer/],
  ['preview --record bounce.json --language it', 1, /^rebound: --language = "it": template "plain" has en, de, fr, es only\n$/],
];
for (const [args, code, want] of mistakes) {
  test(`report ${args} ends with ${code} and says why`, async () => {
    const result = await rebound(args);
    assert.deepEqual([result.code, result.stdout], [code, '']);
    assert.match(result.stderr, want);
    assert.doesNotMatch(result.stderr, /\n {4}at /, 'a stack trace');
  });
}

for (const name of ['mixed', 'base64', 'forwarded']) {
  test(`a report in another form than it should have is read as the relay reads it: ${name}`, async () => {
    const { code, stdout, stderr } = await rebound(`parse ${name}.eml`);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(
      stdout,
      /Final-Recipient: +rfc822; a@x\.test\nAction: +failed\n[^]*b@x\.test\nAction: +delayed\n[^]*Text:\n {2}some words\n$/,
    );
    const json = JSON.parse((await rebound(`parse ${name}.eml --json`)).stdout) as { recipients: unknown[] };
    assert.equal(json.recipients.length, 2);
  });
}

test('a report that names no recipient is printed, and said to be of no use', async () => {
  const { code, stdout, stderr } = await rebound('parse empty.eml');
  assert.deepEqual([code, stderr], [1, 'rebound: the message/delivery-status part of empty.eml names no recipient\n']);
  assert.match(stdout, /^Reporting-MTA: +dns; mta\.x\n/);
});

const suppressed: [args: string, reason: string][] = [
  ['preview --record stranger.json', 'untrusted'],
  ['preview --record acme.json --config silent.json', 'disabled'],
  ['preview --record bounce.json --config reading.json', 'read-here'],
];
for (const [args, reason] of suppressed) {
  test(`report ${args} shows what the bounce role would not send, and why: ${reason}`, async () => {
    const { code, stdout, stderr } = await rebound(args);
    assert.equal(code, 0);
    assert.match(stdout, /^Status: 5\.7\.1 \(permanent failure\)\r$/m);
    assert.match(stderr, new RegExp(`^rebound: the bounce role would send none: ${reason} \\(`));
    const json = JSON.parse((await rebound(`${args} --json`)).stdout) as { suppressed: string };
    assert.equal(json.suppressed, reason);
  });
}

test('a complaint is printed by the names of its fields', async () => {
  const { code, stdout } = await rebound('parse complaint.eml');
  assert.deepEqual([code, stdout], [0, 'Feedback-Type:        abuse\nUser-Agent:           Loop/1?2J\n']);
});

test('a complaint is printed as JSON', async () => {
  const { code, stdout } = await rebound('parse complaint.eml --json');
  assert.equal(code, 0);
  assert.partialDeepStrictEqual(JSON.parse(stdout), { feedback_type: 'abuse', user_agent: 'Loop/1?2J', original_rcpt_to: [] });
});

test('the example of the documentation is what the command prints', async () => {
  const document = await readFile(new URL('../../docs/reports.md', import.meta.url), 'utf8');
  const [record = '', parameters = '', message = '', report = ''] = Array.from(
    document.matchAll(/^```(?:json)?\n([^]*?)^```$/gm),
    (match) => match[1] ?? '',
  );
  await Promise.all([
    writeFile(join(folder, 'example.json'), record),
    writeFile(join(folder, 'example-params.json'), parameters),
    writeFile(join(folder, 'example.eml'), message),
  ]);
  const { stdout } = await rebound('preview --record example.json --original example.eml --params example-params.json');
  assert.equal(stdout.replaceAll('\r\n', '\n'), report);
});
