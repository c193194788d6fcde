import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  isLastReplyLine,
  isPermanent,
  isPositive,
  localReply,
  parseReply,
  replyOnOneLine,
  replyText,
  replyWireLines,
  type Reply,
} from '../../shared/core/reply.ts';

describe('isLastReplyLine', () => {
  const cases: [line: string, want: boolean | undefined][] = [
    ['250 ok', true],
    ['250', true],
    ['250-ok', false],
    ['250-', false],
    ['250 ', true],
    ['250ok', undefined],
    ['25 ok', undefined],
    ['2500', undefined],
    ['', undefined],
    ['hello', undefined],
    ['250_ok', undefined],
    ['250 a\nb', true],
    [' 250 ok', undefined],
  ];
  for (const [line, want] of cases) test(`${JSON.stringify(line)}: ${want}`, () => assert.equal(isLastReplyLine(line), want));
});

describe('parseReply', () => {
  const cases: [name: string, lines: string[], want: Reply | undefined][] = [
    ['code and text', ['250 ok'], { code: 250, lines: ['ok'] }],
    ['a code alone', ['354'], { code: 354, lines: [''] }],
    ['an enhanced code', ['550 5.1.1 no such user'], { code: 550, enhanced: '5.1.1', lines: ['no such user'] }],
    ['an enhanced code alone', ['250 2.0.0'], { code: 250, enhanced: '2.0.0', lines: [''] }],
    [
      'an enhanced code on every line',
      ['550-5.1.1 no', '550 5.1.1 such user'],
      { code: 550, enhanced: '5.1.1', lines: ['no', 'such user'] },
    ],
    [
      'an enhanced code on the last line only',
      ['550-no', '550 5.1.1 such user'],
      { code: 550, enhanced: '5.1.1', lines: ['no', 'such user'], wire: ['550-no', '550 5.1.1 such user'] },
    ],
    [
      'two enhanced codes: the first counts, the second stays text',
      ['550-5.1.1 a', '550 5.7.1 b'],
      { code: 550, enhanced: '5.1.1', lines: ['a', '5.7.1 b'], wire: ['550-5.1.1 a', '550 5.7.1 b'] },
    ],
    ['codes that differ: the last counts', ['250-a', '550 b'], { code: 550, lines: ['a', 'b'], wire: ['250-a', '550 b'] }],
    ['an enhanced code of another class is text (rule 56)', ['550 2.1.5 odd'], { code: 550, lines: ['2.1.5 odd'] }],
    ['leading zeros are no enhanced code (rule 56)', ['550 5.01.1 odd'], { code: 550, lines: ['5.01.1 odd'] }],
    ['four digits are no enhanced code (rule 56)', ['550 5.1.1234 odd'], { code: 550, lines: ['5.1.1234 odd'] }],
    ['class 3 is no enhanced code', ['350 3.1.1 odd'], { code: 350, lines: ['3.1.1 odd'] }],
    ['a version number is no enhanced code (rule 56)', ['554 5.7.1.2 odd'], { code: 554, lines: ['5.7.1.2 odd'] }],
    ['a bare LF is text (rule 120)', ['550 a\nX-Injected: b'], { code: 550, lines: ['a\nX-Injected: b'] }],
    ['199 is out of range (rule 20)', ['199 no'], undefined],
    ['600 is out of range (rule 20)', ['600 no'], undefined],
    ['no lines', [], undefined],
    ['no reply', ['HTTP/1.1 400 Bad Request'], undefined],
    ['a line that is no reply among others', ['250-ok', 'hello'], undefined],
  ];
  for (const [name, lines, want] of cases) test(name, () => assert.deepEqual(parseReply(lines), want));

  test('the command is kept', () => assert.deepEqual(parseReply(['250 ok'], 'RCPT'), { code: 250, lines: ['ok'], command: 'RCPT' }));

  test('long lines and many lines are cut, in all their forms (rule 122)', () => {
    const reply = parseReply(Array.from({ length: 200 }, (_, i) => `550${i < 199 ? '-' : ' '}${'x'.repeat(5000)}`));
    assert.deepEqual([reply?.lines.length, reply?.lines[0]?.length, reply?.lines[0]?.slice(-4)], [50, 2003, 'x...']);
    const wire = reply && replyWireLines(reply);
    assert.deepEqual([wire?.length, wire?.[0]?.slice(0, 5), wire?.[0]?.slice(-4)], [50, '550-x', 'x...']);
  });
});

describe('forms of a reply', () => {
  const reply: Reply = { code: 550, enhanced: '5.1.1', lines: ['no such', 'user\r\nX: y', ''] };
  test('on one line', () => assert.equal(replyOnOneLine(reply), '550 5.1.1 no such user X: y'));
  test('its words', () => assert.equal(replyText(reply), 'no such user X: y'));
  test('its lines again', () =>
    assert.deepEqual(replyWireLines({ ...reply, lines: ['no such', 'user', ''] }), ['550-5.1.1 no such', '550-5.1.1 user', '550 5.1.1']));
  test('its line without an enhanced code', () => assert.deepEqual(replyWireLines({ code: 451, lines: ['later'] }), ['451 later']));
  test('a local one says so', () =>
    assert.deepEqual(localReply(451, '4.4.3', 'no answer'), { code: 451, enhanced: '4.4.3', lines: ['no answer'], local: true }));
  for (const [code, permanent, positive] of [
    [250, false, true],
    [354, false, false],
    [421, false, false],
    [499, false, false],
    [500, true, false],
    [599, true, false],
  ] as const) {
    test(`${code}`, () => assert.deepEqual([isPermanent({ code, lines: [''] }), isPositive({ code, lines: [''] })], [permanent, positive]));
  }
});
