import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordTypes } from '../../shared/core/disposition.ts';
import { checkInjectedMail } from '../../shared/core/hook.ts';
import { hookMessage } from '../../shared/core/hook-message.ts';
import { registerHandlers } from '../../shared/core/policy/define.ts';
import { readHook } from '../../shared/core/policy/hook-registration.ts';

const handler = (): void => undefined;
const types = ['Bounce'];

const hooks: [name: string, given: unknown[], want: unknown][] = [
  ['types alone', ['a-b_1', { types }, handler], { name: 'a-b_1', types, needsOriginal: true, timeout: 30_000 }],
  [
    'all options',
    ['x', { types: ['OOB', 'Bounce', 'OOB'], needsOriginal: false, timeout: '2m' }, handler],
    { name: 'x', types: ['OOB', 'Bounce'], needsOriginal: false, timeout: 120_000 },
  ],
  ['a time limit in milliseconds', ['x', { types, timeout: 250 }, handler], { name: 'x', types, needsOriginal: true, timeout: 250 }],
];

for (const [name, [id, options, call], want] of hooks) {
  test(`a hook may be registered with ${name}`, () => {
    assert.deepEqual(readHook(id, options, call), { ...(want as object), handler });
  });
}

const mistakes: [name: string, given: unknown[], want: string][] = [
  ['no text as name', [5, { types }, handler], 'the name of a hook is up to 40 letters, digits, "-" or "_"'],
  ['a colon in its name', ['a:b', { types }, handler], 'the name of a hook is up to 40 letters, digits, "-" or "_"'],
  ['a name of 41 letters', ['a'.repeat(41), { types }, handler], 'the name of a hook is up to 40 letters, digits, "-" or "_"'],
  ['a name alone', ['x'], 'hook x: expected an object with "types" as second argument'],
  ['null as options', ['x', null, handler], 'hook x: expected an object with "types" as second argument'],
  ['an unknown option', ['x', { types, timeuot: 5 }, handler], 'hook x: there is no option "timeuot"; did you mean "timeout"?'],
  ['no types', ['x', {}, handler], `hook x: types: expected an array of ${recordTypes.join(', ')}`],
  ['an empty list of types', ['x', { types: [] }, handler], `hook x: types: expected an array of ${recordTypes.join(', ')}`],
  ['an unknown type', ['x', { types: ['Bounced'] }, handler], 'hook x: types: there is no record type "Bounced"; did you mean "Bounce"?'],
  ['a type that is no text', ['x', { types: [5] }, handler], 'hook x: types: expected names such as "Bounce"'],
  ['a word for needsOriginal', ['x', { types, needsOriginal: 'no' }, handler], 'hook x: needsOriginal: expected true or false'],
  ...[9, 600_001, Number.NaN, 'soon', null].map((timeout): [string, unknown[], string] => [
    `${JSON.stringify(timeout)} as time limit`,
    ['x', { types, timeout }, handler],
    'hook x: timeout: expected milliseconds or a duration like "30s", from 10ms to 10m',
  ]),
  ['no handler', ['x', { types }], 'hook x: expected a function as third argument'],
];

for (const [name, [id, options, call], want] of mistakes) {
  test(`a hook with ${name} is refused: ${want}`, () => {
    assert.deepEqual(readHook(id, options, call), { problem: want });
  });
}

interface Registrar {
  hook(name: unknown, options: unknown, handler: unknown): void;
}
const mail = { generateRfc3464Message: () => undefined, injectMessage: () => Promise.resolve('') };

test('each hook has a name of its own, and none can be registered later', async () => {
  const twice = (policy: Registrar): void => [1, 2].forEach(() => policy.hook('x', { types }, handler));
  await assert.rejects(registerHandlers(twice, mail), { name: 'PolicyMistake', message: 'hook x: there is one of this name already' });
  let kept: Registrar | undefined;
  const { hooks: registered } = await registerHandlers((policy: Registrar) => {
    policy.hook('a', { types }, handler);
    policy.hook('b', { types }, handler);
    kept = policy;
  }, mail);
  assert.deepEqual([...registered.keys()], ['a', 'b']);
  assert.throws(() => kept?.hook('c', { types }, handler), { name: 'PolicyMistake', message: /^hook c: registered too late/ });
});

const right = { sender: '', recipients: ['a@b.test'], content: 'x' };

test('of mail that a policy hands over only what is known is taken', () => {
  assert.deepEqual(checkInjectedMail({ ...right, recipient: 'a@b.test', once: undefined, eightBit: true }), { ...right, eightBit: true });
});

const wrongMail: [change: object, want: RegExp][] = [
  [{ sender: undefined }, /sender: expected text/],
  [{ recipients: 'a@b.test' }, /recipients: expected an array of addresses/],
  [{ recipients: [5] }, /recipients: expected an array of addresses/],
  [{ content: undefined }, /content: expected text or octets/],
  [{ content: [120] }, /content: expected text or octets/],
  [{ once: 5 }, /once: expected text/],
  [{ smtpUtf8: 'yes' }, /smtpUtf8: expected true or false/],
];

for (const [change, want] of wrongMail) {
  test(`mail with ${JSON.stringify(change)} is refused`, () => {
    assert.throws(() => checkInjectedMail({ ...right, ...change }), want);
  });
}

const headers: [name: string, text: string | undefined, field: string, want: string[]][] = [
  ['a field, however it is written', 'subject: a\r\n b\r\n\r\nSubject: body\r\n', 'Subject', ['a b']],
  ['each of several', 'X: 1\r\nY: 2\r\nx: 3\r\n\r\n', 'X', ['1', '3']],
  ['UTF-8', 'Subject: Gr\u00fc\u00dfe\n\nbody', 'subject', ['Gr\u00fc\u00dfe']],
  ['no such field', 'Subject: a\r\n\r\n', 'To', []],
  ['a message without header', '\r\nSubject: a\r\n', 'Subject', []],
  ['a message that is gone', undefined, 'Subject', []],
];

for (const [name, text, field, want] of headers) {
  test(`a hook reads the header: ${name}`, async () => {
    const content = (limit = 1e6): Promise<Uint8Array | undefined> =>
      Promise.resolve(text && new TextEncoder().encode(text).slice(0, limit)) as never;
    const message = hookMessage({ id: '1', sender: '', recipients: [], size: 0 }, content);
    assert.deepEqual(await message.header(field), want);
  });
}
