import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { openMailReader, type MailReader, type ReaderLimits } from '../../shared/io/mail-reader.ts';
import { cleanUp } from '../support/cleanup.ts';

function openReader(t: TestContext, limits?: ReaderLimits): MailReader {
  const reader = openMailReader(limits);
  cleanUp(t, () => reader.close());
  return reader;
}

const bytes = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
const status = (fields: string): string =>
  `Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\n${fields}\n--b--\n`;
const group = (n: number): string => `Final-Recipient: rfc822; r${n}@dest.test\nAction: failed\nStatus: 5.1.1\n`;
const groups = (count: number): string => status(Array.from({ length: count }, (_, n) => group(n)).join('\n'));
const good = bytes(groups(1));

const hostile: [what: string, mail: () => string, kind: string][] = [
  ['10,000 groups', () => groups(10_000), 'bounce'],
  [
    '500 nested parts',
    () => Array.from({ length: 500 }, (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\n\n--b${n}\n`).join(''),
    'other',
  ],
  ['2,000 messages in each other', () => `${'Content-Type: message/rfc822\n\n'.repeat(2000)}x\n`, 'other'],
  ['5,000 parts', () => `Content-Type: multipart/mixed; boundary=b\n\n${'--b\n\nx\n'.repeat(5000)}--b--\n`, 'unreadable'],
  ['50 MB', () => `Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n${`${'QUFB'.repeat(19)}\n`.repeat(650_000)}`, 'other'],
  ['a header line of 1 MB', () => `X-A: ${'a '.repeat(500_000)}\nSubject: x\n\nhello\n`, 'other'],
  ['a header of 3 MB', () => `X-A: ${'a'.repeat(3_000_000)}\n\nhello\n`, 'unreadable'],
  ['a charset that nobody knows', () => 'Content-Type: text/plain; charset=no-such-\u00fc\n\nf\u00fcr\n', 'other'],
  [
    'garbage for base64',
    () => status('!!\u0000\u00ff==\n').replace('message/delivery-status\n', 'message/delivery-status\nContent-Transfer-Encoding: base64\n'),
    'bounce',
  ],
  ['100,000 parameters', () => `Content-Type: multipart/report; ${'a*0=x; '.repeat(100_000)}\n\nx\n`, 'other'],
];

test('hostile messages are read, or refused, in time, and the next report is read (rule 138)', async (t) => {
  const reader = openReader(t, { timeoutMs: 50_000, memoryMb: 256 });
  for (const [what, mail, kind] of hostile) assert.equal((await reader.read(bytes(mail()))).kind, kind, what);
  const reading = await reader.read(good);
  assert.equal(reading.kind, 'bounce');
});

test('of 10,000 groups the first 1,000 are told, and all are counted (rule 138)', async (t) => {
  const reading = await openReader(t).read(bytes(groups(10_000)));
  assert.ok(reading.kind === 'bounce');
  assert.deepEqual([reading.failed.length, reading.actions], [1000, { failed: 10_000 }]);
});

test('a message that takes longer than the limit ends its reader, and a new one reads the next (rule 138)', async (t) => {
  const reader = openReader(t, { timeoutMs: 300, memoryMb: 4000 });
  const slow = bytes(`Content-Type: text/plain\n\n${'\n'.repeat(12_000_000)}`);
  assert.deepEqual(await reader.read(slow), { kind: 'unreadable', why: 'time' });
  // On a machine that is hard pressed a small report may need more than the limit too, the first time.
  let kind = '';
  for (let n = 0; n < 20 && kind !== 'bounce'; n++) ({ kind } = await reader.read(good));
  assert.equal(kind, 'bounce');
});

test('several messages are read at the same time', async (t) => {
  const reader = openReader(t);
  const readings = await Promise.all([reader.read(good), reader.read(good), reader.read(good)]);
  assert.deepEqual(
    readings.map(({ kind }) => kind),
    ['bounce', 'bounce', 'bounce'],
  );
});

test('a message that needs more memory than the limit ends its reader and nothing else (rule 138)', async (t) => {
  const reader = openReader(t, { timeoutMs: 50_000, memoryMb: 64 });
  assert.deepEqual(await reader.read(bytes(`Content-Type: text/plain\n\n${'\n'.repeat(10_000_000)}`)), {
    kind: 'unreadable',
    why: 'memory',
  });
  assert.equal((await reader.read(good)).kind, 'bounce');
});
