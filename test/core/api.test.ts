import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { injectBody } from '../../shared/core/api/inject.ts';
import { fieldErrors, harmlessJson } from '../../shared/core/api/problem.ts';
import { escapeForHeader, escapeForHtml, placeholdersIn, substitute } from '../../shared/core/substitute.ts';
import { openAttempts } from '../../workers/admin/attempts.ts';

const values = new Map([
  ['name', 'Ann {{secret}} $& $1'],
  ['secret', 'no'],
  ['constructor', 'built'],
]);

const filled: [template: string, want: string][] = [
  ['Dear {{name}}.', 'Dear Ann {{secret}} $& $1.'],
  ['{{ name }}{{\tname\t}}', 'Ann {{secret}} $& $1Ann {{secret}} $& $1'],
  ['{{constructor}} {{toString}} {{__proto__}}', 'built {{toString}} {{__proto__}}'],
  ['{{{{name}}}}', '{{Ann {{secret}} $& $1}}'],
  ['{{na\nme}} {{}} {{ }} {name} {{9}}', '{{na\nme}} {{}} {{ }} {name} {{9}}'],
];
for (const [template, want] of filled)
  test(`${JSON.stringify(template)} is filled in once`, () => assert.equal(substitute(template, values), want));

test('values are escaped for the place where they go', () => {
  assert.equal(
    substitute('<a title="{{x}}">', new Map([['x', `"><b>'\`&`]]), escapeForHtml),
    '<a title="&#34;&#62;&#60;b&#62;&#39;&#96;&#38;">',
  );
  assert.equal(escapeForHeader('a\r\nBcc: b\u2028c\u0000d'), 'a Bcc: b c d');
});

test('templates of any length are read in linear time', () => {
  const began = performance.now();
  for (const text of ['{{'.repeat(500_000), `{{${' '.repeat(1_000_000)}`, `{{${'a'.repeat(1_000_000)}`]) {
    assert.deepEqual(placeholdersIn(text), []);
    assert.equal(substitute(text, values), text);
  }
  assert.ok(performance.now() - began < 10_000);
});

const schema = z.strictObject({
  a: z.union([z.string().max(3), z.strictObject({ b: z.number(), c: z.string().optional() })], { error: 'expected a or its parts' }),
  list: z.array(z.int()).max(2).optional(),
});
const wrong: [value: unknown, want: [field: string, message: RegExp][]][] = [
  [{}, [['a', /expected a or/]]],
  [{ a: { b: 'x' } }, [['a.b', /expected number/]]],
  [{ a: { b: 1, d: 1 } }, [['a.d', /not known here/]]],
  [{ a: 'long' }, [['a', /3/]]],
  [{ a: 7 }, [['a', /expected a or/]]],
  [{ a: 'x', list: [1, 'y'] }, [['list.1', /expected/]]],
  [undefined, [['whole', /is missing/]]],
  [{ a: 'x', ['y'.repeat(1000)]: 1 }, [[`${'y'.repeat(100)}...`, /not known/]]],
];
for (const [value, want] of wrong)
  test(`the mistakes of ${JSON.stringify(value)?.slice(0, 40)} are named by field`, () => {
    const { error } = schema.safeParse(value);
    assert.ok(error);
    const found = fieldErrors(error, 'whole');
    assert.deepEqual(
      found.map(({ field }) => field),
      want.map(([field]) => field),
    );
    for (const [n, [, message]] of want.entries()) assert.match(found[n]?.message ?? '', message);
  });

test('JSON is the same value, without what steers terminals or turns text', () => {
  const value = { text: `\u0000\u001b\u007f\u0085\u009b\u061c\u200e\u202e\u2066\u2028\ufeff"\\é漢😀` };
  const json = harmlessJson(value);
  assert.deepEqual(JSON.parse(json), value);
  assert.ok(/^[\u0020-\u007e\u00a0-\u00ff\u6f22\u{1f600}]*$/u.test(json), json);
});

test('guesses are counted by address for a minute, right ones are not', () => {
  let now = 1_000_000;
  const attempts = openAttempts(() => now);
  const guess = (address: string): boolean => attempts.begin(address) !== undefined;
  for (let n = 0; n < 10; n++) assert.ok(guess('192.0.2.1'));
  assert.ok(!guess('192.0.2.1'));
  assert.ok(!guess('::ffff:192.0.2.1'), 'the same address in its other form');
  for (let n = 0; n < 10; n++) assert.ok(guess(`2001:db8::${n}`));
  assert.ok(!guess('2001:db8::ffff'), 'the network of one customer');
  assert.ok(guess('2001:db8:0:1::1'));
  for (let n = 0; n < 50; n++) attempts.begin('192.0.2.2')?.wasRight();
  assert.ok(guess('192.0.2.2'));
  for (let n = 0; n < 1000; n++) attempts.begin(`10.0.${n >> 8}.${n & 255}`);
  assert.ok(!guess('192.0.2.3'), 'too many of all addresses');
  now += 60_000;
  assert.ok(guess('192.0.2.1') && guess('192.0.2.3'));
});

test('of a letter with names that nobody has a value for, no more mistakes are gathered than are told', () => {
  const { error } = injectBody.safeParse({
    from: 'ann@home.test',
    to: Array.from({ length: 1000 }, (_, n) => ({ address: `r${n}@dest.test`, substitutions: { other: '' } })),
    text: Array.from({ length: 1000 }, (_, n) => `{{name${n}}}`).join(''),
  });
  assert.equal(error?.issues.length, 20);
  assert.deepEqual(fieldErrors(error, 'body')[0], { field: 'to.0.substitutions.name0', message: 'has no value' });
});

test('a field of a message that may not be written is told with the reason', () => {
  const { error } = injectBody.safeParse({ from: 'ann@home.test', to: ['bob@dest.test'], text: '', headers: { Subject: 'x', 'X A': 'x' } });
  assert.deepEqual(error && fieldErrors(error, 'body'), [
    { field: 'headers.Subject', message: 'this field is written by Rebound' },
    { field: 'headers.X A', message: 'expected a field name such as Reply-To' },
  ]);
});
