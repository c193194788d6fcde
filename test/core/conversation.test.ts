import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundConversation, cutLine, maskClientLine, type ConversationLine } from '../../shared/core/conversation.ts';

const cases: [line: string, mayBeCredentials: boolean, shown: string][] = [
  ['MAIL FROM:<ann@home.test> SIZE=12', false, 'MAIL FROM:<ann@home.test> SIZE=12'],
  ['rcpt to:<bob@dest.test>', false, 'rcpt to:<bob@dest.test>'],
  ['NOOP', true, '***'],
  ['AUTH', false, 'AUTH'],
  ['AUTH PLAIN AGFubgBzZWNyZXQ=', false, 'AUTH PLAIN ***'],
  ['auth plain AGFubgBzZWNyZXQ=', false, 'AUTH plain ***'],
  ['AUTH LOGIN', false, 'AUTH LOGIN'],
  ['AUTH LOGIN YW5u', false, 'AUTH LOGIN ***'],
  ['AUTH CRAM-MD5', false, 'AUTH CRAM-MD5'],
  ['AUTH XOAUTH2 dXNlcj1hbm4=', false, 'AUTH XOAUTH2 ***'],
  ['AUTH AGFubgBzZWNyZXQ=', false, 'AUTH ***'],
  ['  AUTH PLAIN secret', false, 'AUTH PLAIN ***'],
  ['\u0000AUTH PLAIN secret', false, 'AUTH PLAIN ***'],
  ['AUTHPLAIN secret', false, 'AUTH ***'],
  ['ATUH PLAIN secret', false, 'ATUH ***'],
  ['PASS secret', false, 'PASS ***'],
  ['XCLIENT LOGIN=ann ADDR=192.0.2.1', false, 'XCLIENT ***'],
  ['XAUTH secret', false, 'XAUTH ***'],
  ['BURL imap://ann:secret@192.0.2.1/INBOX', false, 'BURL ***'],
  ['AGFubgBzZWNyZXQ=', false, '***'],
  ['AGFubgBzZWNyZXQ=', true, '***'],
  ['EHLO client.test', false, 'EHLO client.test'],
  ['FOO', false, 'FOO'],
];
for (const [line, mayBeCredentials, shown] of cases) {
  test(`${JSON.stringify(line)}${mayBeCredentials ? ' after an AUTH' : ''} is shown as ${shown}`, () => {
    assert.equal(maskClientLine(line, mayBeCredentials), shown);
    assert.ok(!/secret|AGFub|YW5u/.test(maskClientLine(line, mayBeCredentials)));
  });
}

const lineNo = (n: number, text = `line ${n}`): ConversationLine => ({ at: n, direction: 'server', text });

test('of a long conversation the first and the last lines are kept, and a note says how many were not', () => {
  const all = Array.from({ length: 1000 }, (_, n) => lineNo(n));
  const { lines, truncated } = boundConversation(all);
  assert.equal(truncated, true);
  assert.equal(lines.length, 100);
  assert.deepEqual([lines[0]?.text, lines.at(-1)?.text], ['line 0', 'line 999']);
  assert.deepEqual(
    lines.filter(({ direction }) => direction === 'note').map(({ text }) => text),
    ['901 lines left out'],
  );
  assert.deepEqual(boundConversation(all.slice(0, 100)), { lines: all.slice(0, 100), truncated: false });
});

test('a conversation of long lines is bounded in characters, too', () => {
  const { lines, truncated } = boundConversation(Array.from({ length: 90 }, (_, n) => lineNo(n, cutLine('x'.repeat(10_000)))));
  assert.equal(truncated, true);
  const size = lines.reduce((sum, { text }) => sum + text.length, 0);
  assert.ok(size < 17_000, `${size}`);
  assert.ok(lines.length > 20);
});
