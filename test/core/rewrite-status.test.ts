import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatResponse, parseResponse } from '../../shared/core/disposition.ts';
import { originalReply, parseReply, replyOnOneLine, type Reply } from '../../shared/core/reply.ts';
import { responseLine } from '../../shared/core/rules/response-line.ts';
import { applyRewrite, rewriteStatus } from '../../shared/core/rules/rewrite-status.ts';
import { parseRules } from '../../shared/core/rules/rule-file.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { bounce, codeOf, reportOf, statusOf, textOf } from '../support/dsn-record.ts';

const reply = (...lines: string[]): Reply => {
  const parsed = parseReply(lines, 'RCPT');
  assert.ok(parsed);
  return parsed;
};
const applied = (from: Reply, rewrite: { code: unknown; enhanced?: unknown }): Reply => {
  const result = applyRewrite(from, rewrite);
  assert.ok(!('refused' in result), JSON.stringify(result));
  return result;
};

describe('the response on one line', () => {
  const several = reply('550-5.1.1 no such user', '550 5.1.1 ask the postmaster');
  const cases: [name: string, of: Reply, breaks: 'escaped' | 'space', want: string][] = [
    ['one line', reply('452 4.2.2 over quota'), 'escaped', '452 4.2.2 over quota'],
    ['breaks are the characters \\r\\n', several, 'escaped', '550 5.1.1 no such user\\r\\nask the postmaster'],
    ['or one space', several, 'space', '550 5.1.1 no such user ask the postmaster'],
    ['a line that a server sneaked in is a break too', { code: 550, lines: ['a\nb'] }, 'escaped', '550 a\\r\\nb'],
    ['no words', reply('550'), 'escaped', '550'],
  ];
  for (const [name, of, breaks, want] of cases) test(name, () => assert.equal(responseLine(of, breaks), want));
  test('very long ones are cut', () => assert.ok(responseLine({ code: 550, lines: ['x'.repeat(100_000)] }, 'escaped').length < 1100));
});

describe('another status', () => {
  const cases: [name: string, from: string, code: number, enhanced: string | undefined, want: string][] = [
    ['400 to 500', '400 later', 500, undefined, '500 later (rebound: status was rewritten from 400 -> 500)'],
    ['the enhanced code goes along', '452 4.2.2 full', 552, undefined, '552 5.2.2 full (rebound: status was rewritten from 452 -> 552)'],
    ['one that was given is taken', '452 4.2.2 full', 550, '5.2.1', '550 5.2.1 full (rebound: status was rewritten from 452 -> 550)'],
    ['to one that had none', '450 full', 550, '5.2.2', '550 5.2.2 full (rebound: status was rewritten from 450 -> 550)'],
    ['500 to 400', '554 5.7.1 no', 454, undefined, '454 4.7.1 no (rebound: status was rewritten from 554 -> 454)'],
    ['within the class', '452 4.2.2 full', 450, undefined, '450 4.2.2 full (rebound: status was rewritten from 452 -> 450)'],
    ['without words', '450', 550, undefined, '550 (rebound: status was rewritten from 450 -> 550)'],
  ];
  for (const [name, from, code, enhanced, want] of cases) {
    test(name, () => {
      const rewritten = applied(reply(from), { code, ...(enhanced !== undefined && { enhanced }) });
      assert.equal(replyOnOneLine(rewritten), want);
      assert.deepEqual(originalReply(rewritten), reply(from));
      assert.deepEqual(originalReply(parseResponse(formatResponse(rewritten))), reply(from));
    });
  }

  test('of several lines keeps them all, and the note stands last', () => {
    const lines = ['452-4.2.2 over quota', '452-4.2.3 and large', '452 4.2.2 sorry'];
    const rewritten = applied(reply(...lines), { code: 552 });
    assert.equal(replyOnOneLine(rewritten), '552 5.2.2 over quota 4.2.3 and large sorry (rebound: status was rewritten from 452 -> 552)');
    assert.deepEqual(originalReply(rewritten), reply(...lines));
  });

  test('the same code leaves the reply as it is', () => {
    const from = reply('452 4.2.2 full');
    assert.equal(applyRewrite(from, { code: 452, enhanced: '4.3.1' }), from);
  });

  const refused: [name: string, rewrite: { code: unknown; enhanced?: unknown }, from?: string][] = [
    ['250', { code: 250 }],
    ['354', { code: 354 }],
    ['399', { code: 399 }],
    ['600', { code: 600 }],
    ['0', { code: 0 }],
    ['a fraction', { code: 450.5 }],
    ['not a number', { code: Number.NaN }],
    ['text', { code: '550' }],
    ['nothing', { code: undefined }],
    ['an enhanced code of another class', { code: 550, enhanced: '4.2.2' }],
    ['an enhanced code that is none', { code: 550, enhanced: '5.2.2\r\nX: y' }],
    ['an enhanced code of numbers', { code: 550, enhanced: [5, 2, 2] }],
    ['too many recipients made permanent', { code: 550 }, '452 4.5.3 too many recipients'],
  ];
  for (const [name, rewrite, from] of refused) {
    test(`${name} is refused`, () => assert.ok('refused' in applyRewrite(reply(from ?? '450 no'), rewrite)));
  }
});

describe('rules', () => {
  const rules = parseRules(
    '[{"match": "^452 .*\\\\\\\\r\\\\\\\\nfull", "code": 552}, {"match": "keep", "code": null}, {"match": "keep|go", "code": 550}]',
  );
  assert.ok(!('problems' in rules));
  const place = { domain: 'd.test', site: 's.test' };
  test('see the breaks of lines', () => {
    const several = reply('452-over', '452 full');
    assert.equal(rewriteStatus(rules, several, place)?.code, 552);
    assert.equal(rewriteStatus(rules, several, place, 'space'), undefined);
  });
  test('may leave a reply alone', () => assert.equal(rewriteStatus(rules, reply('450 keep it'), place), undefined));
  test('go by what the server said, not by what was made of it', () => {
    const rewritten = applied(reply('450 go'), { code: 550 });
    assert.equal(rewriteStatus(rules, rewritten, place)?.rule.number, 3);
  });
});

describe('the report of a rewritten status', () => {
  const record = (from: string, code: number, type: 'Bounce' | 'Expiration') =>
    bounce({ type, response: formatResponse(applied(reply(from), { code })) });
  const fields = (of: ReturnType<typeof record>) => {
    const text = statusOf(reportOf(of));
    const all = readFields(text.slice(text.indexOf('Final-Recipient')));
    const [action, status, diagnostic] = ['Action', 'Status', 'Diagnostic-Code'].map((name) => valuesOf(all, name)[0]);
    return [action, codeOf(status), diagnostic];
  };
  test('has Action and Status of the new code and the words of the server (rule 116)', () => {
    assert.deepEqual(fields(record('450 4.2.2 over quota', 550, 'Bounce')), ['failed', '5.2.2', 'smtp; 450 4.2.2 over quota']);
    assert.deepEqual(fields(record('450 over quota', 550, 'Bounce')), ['failed', '5.0.0', 'smtp; 450 over quota']);
  });
  test('that expired after a 5xx was made temporary agrees with itself too (rule 116)', () => {
    assert.deepEqual(fields(record('550 5.7.1 blocked', 450, 'Expiration')), ['failed', '4.7.1', 'smtp; 550 5.7.1 blocked']);
  });
  test('tells the reader that the status was rewritten', () => {
    assert.match(textOf(reportOf(record('450 over quota', 550, 'Bounce'))).replace(/\s+/g, ' '), /status was rewritten from 450 -> 550/);
  });
});
