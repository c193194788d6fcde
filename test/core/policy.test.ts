import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HookMail } from '../../shared/core/hook.ts';
import { maskCommandLine } from '../../shared/core/policy/command-line.ts';
import { registerHandlers } from '../../shared/core/policy/define.ts';
import { rewriteReply } from '../../shared/core/policy/smtp-server-rewrite-response.ts';
import type { Reply } from '../../shared/core/reply.ts';

const ok: Reply = { code: 250, enhanced: '2.0.0', lines: ['Ok: queued as 1'], command: '.' };
const refusal: Reply = { code: 550, enhanced: '5.7.1', lines: ['Relaying denied'], command: 'RCPT', local: true };
const ehlo: Reply = { code: 250, lines: ['relay.test at your service', 'PIPELINING', 'DSN'], command: 'EHLO' };
const goAhead: Reply = { code: 354, lines: ['End data with <CR><LF>.<CR><LF>'], command: 'DATA' };
const challenge: Reply = { code: 334, lines: ['VXNlcm5hbWU6'], command: 'AUTH' };
const startTls: Reply = { code: 220, enhanced: '2.0.0', lines: ['Ready to start TLS'], command: 'STARTTLS' };
const banner: Reply = { code: 220, lines: ['relay.test ESMTP Rebound'] };

/** What goes out: the lines with their code; `as it was`; or the problem. */
function rewritten(original: Reply, result: unknown, eightBit = false): string {
  const got = rewriteReply(original, result, eightBit);
  if (!got) return 'as it was';
  return 'problem' in got ? got.problem : got.text.map((line) => `${got.reply.code} ${line}`).join('|');
}

const results: [name: string, original: Reply, result: unknown, want: string][] = [
  ['nothing', ok, undefined, 'as it was'],
  ['null', ok, null, 'as it was'],
  ['an empty pair', ok, [], 'as it was'],
  ['a pair of nothing', ok, [null, undefined], 'as it was'],
  ['the same status', ok, 250, 'as it was'],
  ['the same of both', ok, [250, '2.0.0 Ok: queued as 1'], 'as it was'],
  ['a status', ok, 451, '451 2.0.0 Ok: queued as 1'],
  ['a status in a pair', ok, [451], '451 2.0.0 Ok: queued as 1'],
  ['a text', ok, 'fine', '250 fine'],
  ['a text in a pair', ok, [null, 'fine'], '250 fine'],
  ['both', ok, [421, '4.3.2 go away'], '421 4.3.2 go away'],
  ['lines', ok, [250, 'super fantastic!\n2.0.0 Ok: queued as 1'], '250 super fantastic!|250 2.0.0 Ok: queued as 1'],
  ['lines with CRLF', ok, 'a\r\nb', '250 a|250 b'],
  ['a line end behind the last line', ok, 'a\nb\n', '250 a|250 b'],
  ['an empty line between', ok, 'a\n\nb', '250 a|250 |250 b'],
  [
    'an extension more',
    ehlo,
    'relay.test at your service\nPIPELINING\nDSN\nXCOOL',
    '250 relay.test at your service|250 PIPELINING|250 DSN|250 XCOOL',
  ],
  ['the longest line', ok, 'x'.repeat(506), `250 ${'x'.repeat(506)}`],
  ['another refusal', refusal, [450, '4.7.1 not now'], '450 4.7.1 not now'],
  ['another success', ok, 252, '252 2.0.0 Ok: queued as 1'],
  ['a banner that refuses', banner, [554, 'no'], '554 no'],
  ['words of 354', goAhead, 'go on', '354 go on'],

  ['a text as status', ok, ['250', 'x'], 'expected a number as status, found text'],
  ['a number as text', ok, [250, 5], 'expected text, found a number'],
  ['an object', ok, { status: 250 }, 'expected a number as status, found an object'],
  ['true', ok, true, 'expected a number as status, found a boolean'],
  ['three values', ok, [250, 'a', 'b'], 'expected a status and a text, found more'],
  ['199', ok, 199, 'status 199 is not one from 200 to 599'],
  ['600', ok, 600, 'status 600 is not one from 200 to 599'],
  ['no whole number', ok, 250.5, 'status 250.5 is not one from 200 to 599'],
  ['not a number', ok, Number.NaN, 'status NaN is not one from 200 to 599'],
  ['an empty text', ok, '', 'the text is empty'],
  ['a text of line ends', ok, '\n\n', 'the text is empty'],
  ['a long line', ok, `a\n${'x'.repeat(507)}`, 'a line of the text has more than 506 octets'],
  ['too many lines', ok, 'x\n'.repeat(51), 'the text has more than 50 lines'],
  ['a CR alone', ok, 'a\rb', 'the text holds control characters'],
  ['NUL', ok, 'a\0b', 'the text holds control characters'],
  ['C1 controls', ok, 'a\x85b', 'the text holds control characters'],
  ['8-bit text', ok, 'schön', 'the text is not ASCII, and the client has not asked for SMTPUTF8'],
  ['354 to 250', goAhead, 250, '354 cannot become 250: what the client sends next depends on it'],
  ['354 to 421', goAhead, 421, '354 cannot become 421: what the client sends next depends on it'],
  ['334 to 535', challenge, 535, '334 cannot become 535: what the client sends next depends on it'],
  ['220 of STARTTLS to 454', startTls, 454, '220 cannot become 454: what the client sends next depends on it'],
  ['250 to 354', ok, 354, '250 cannot become 354: what the client sends next depends on it'],
  ['550 to 250', refusal, 250, '550 cannot become 250: what was refused was not done'],
];

for (const [name, original, result, want] of results) {
  test(`a handler that returns ${name} for ${original.code}: ${want}`.replaceAll(/x{9,}/g, 'x...'), () => {
    assert.equal(rewritten(original, result), want);
  });
}

test('with SMTPUTF8 the text may be UTF-8, counted in octets', () => {
  assert.equal(rewritten(ok, 'schön', true), '250 schön');
  assert.equal(rewritten(ok, 'ö'.repeat(254), true), 'a line of the text has more than 506 octets');
  assert.equal(rewritten(ok, 'a\ud800b', true), 'the text holds control characters');
});

test('a rewritten reply is a reply like others: enhanced code, command and origin are known', () => {
  assert.deepEqual(rewriteReply(refusal, [450, '4.7.1 not now\n4.7.1 or later'], false), {
    reply: { code: 450, enhanced: '4.7.1', lines: ['not now', 'or later'], command: 'RCPT', local: true },
    text: ['4.7.1 not now', '4.7.1 or later'],
  });
});

const lines: [line: string, mayBeCredentials: boolean, want: string][] = [
  ['MAIL FROM:<a@b.test>', false, 'MAIL FROM:<a@b.test>'],
  ['AUTH PLAIN AGFubgBzZWNyZXQ=', false, 'AUTH PLAIN ***'],
  ['auth login c2VjcmV0 c2VjcmV0', false, 'AUTH login ***'],
  ['AUTH LOGIN', false, 'AUTH LOGIN'],
  ['AUTH', false, 'AUTH'],
  ['AUTH AGFubgBzZWNyZXQ=', false, 'AUTH ***'],
  ['AUTHPLAIN AGFubgBzZWNyZXQ=', false, 'AUTH ***'],
  ['AUTH=PLAIN AGFubgBzZWNyZXQ=', false, 'AUTH ***'],
  [' AUTH PLAIN AGFubgBzZWNyZXQ=', false, 'AUTH PLAIN ***'],
  ['\0AUTH\tPLAIN\tAGFubgBzZWNyZXQ=', false, 'AUTH PLAIN ***'],
  ['c2VjcmV0', true, '***'],
  ['c2VjcmV0', false, 'c2VjcmV0'],
];

for (const [line, mayBeCredentials, want] of lines) {
  test(`of the line ${JSON.stringify(line)}${mayBeCredentials ? ' after AUTH' : ''} a policy sees ${want}`, () => {
    assert.equal(maskCommandLine(line, mayBeCredentials), want);
  });
}

const mail: HookMail = { generateRfc3464Message: () => undefined, injectMessage: () => Promise.resolve('') };

interface Registrar {
  on(event: unknown, handler: unknown): void;
}
const event = 'smtp_server_rewrite_response';
const definitions: [name: string, definition: unknown, want: string][] = [
  ['no function', undefined, 'expected "export default definePolicy((policy) => { ... })", found undefined as default export'],
  ['an object', {}, 'expected "export default definePolicy((policy) => { ... })", found an object as default export'],
  [
    'an unknown event',
    (policy: Registrar) => policy.on('smtp_server_rewrite_respons', () => undefined),
    'there is no event "smtp_server_rewrite_respons"; did you mean "smtp_server_rewrite_response"?',
  ],
  ['an event that is like none', (policy: Registrar) => policy.on('foo', () => undefined), 'there is no event "foo"'],
  ['an event of the language', (policy: Registrar) => policy.on('constructor', () => undefined), 'there is no event "constructor"'],
  ['an event that is no text', (policy: Registrar) => policy.on(5, () => undefined), 'there is no event a number'],
  ['no handler', (policy: Registrar) => policy.on(event, [1]), `${event}: expected a function, found an array`],
  [
    'two handlers',
    (policy: Registrar) => [1, 2].forEach(() => policy.on(event, () => undefined)),
    `${event}: there is a handler already, and there can be one only`,
  ],
];

for (const [name, definition, want] of definitions) {
  test(`a policy with ${name} is not loaded: ${want}`, async () => {
    await assert.rejects(registerHandlers(definition, mail), { name: 'PolicyMistake', message: want });
  });
}

test('a handler cannot be registered when the policy is in force already', async () => {
  let kept: Registrar | undefined;
  await registerHandlers((policy: Registrar) => {
    kept = policy;
  }, mail);
  assert.throws(() => kept?.on(event, () => undefined), { name: 'PolicyMistake', message: /registered too late/ });
});
