import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { membersOf, parseJsonc } from '../../shared/core/rules/jsonc.ts';

const good: [text: string, want: unknown][] = [
  ['{"a": 1, // one\n "b": [true, null,], /* two */ # three\n}', { a: 1, b: [true, null] }],
  ['\ufeff [1]', [1]],
  ['"\\u00e9\\n\\\\"', '\u00e9\n\\'],
  ['-1.5e3', -1500],
  ['{"//": "# no comment /* */"}', { '//': '# no comment /* */' }],
  ['{}', {}],
  ['[]', []],
];
for (const [text, want] of good) test(`${JSON.stringify(text)} is read`, () => assert.deepEqual(parseJsonc(text), { value: want }));

const bad: [text: string, line: number, column: number, message: RegExp][] = [
  ['', 1, 1, /ends where a value is expected/],
  ['{"a": 1', 1, 1, /"\{" is never closed/],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, /expected "," or "\}"/],
  ['[1, 2} ', 1, 6, /expected "," or "\]"/],
  ['{"a" 1}', 1, 6, /expected ":"/],
  ["{'a': 1}", 1, 2, /expected a name in double quotes/],
  ['{"a": 1}\n{', 2, 1, /expected the end/],
  ['["a\n"]', 1, 2, /string is never closed/],
  ['["a\tb"]', 1, 2, /control character/],
  ['{"4\\.2": 1}', 1, 4, /"\\\." is no escape of JSON: a backslash of a pattern is written twice/],
  ['[1, /* 2]', 1, 5, /comment is never closed/],
  ['[01]', 1, 3, /expected "," or/],
  ['[undefined]', 1, 2, /expected a value, not "u"/],
  ['[,]', 1, 2, /expected a value/],
  ['['.repeat(200), 1, 102, /nested more than 100/],
];
for (const [text, line, column, message] of bad) {
  test(`${JSON.stringify(text.slice(0, 30))} is refused at ${line}:${column}`, () => {
    const result = parseJsonc(text);
    assert.ok('problem' in result);
    assert.deepEqual([result.problem.line, result.problem.column], [line, column], result.problem.message);
    assert.match(result.problem.message, message);
  });
}

test('it reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      assert.deepEqual(parseJsonc(text), { value: JSON.parse(text) as unknown });
    }),
  );
});

test('whatever the text, it gives a value or a problem', () => {
  const piece = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '//', '/*', '*/', '#', '\n', 'a', '1', '-', 'null', ' ');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (parts) => {
      const result = parseJsonc(parts.join(''));
      assert.ok('value' in result || result.problem.line >= 1);
    }),
  );
});

test('"__proto__" is a name like any other, and repeated names are kept beside the value', () => {
  const result = parseJsonc('{"__proto__": 1,\n"a": 2,\n"a": 3}');
  assert.ok('value' in result);
  const value = result.value as object;
  assert.deepEqual(Object.entries(value), [
    ['__proto__', 1],
    ['a', 3],
  ]);
  assert.deepEqual(
    membersOf(value)?.map((m) => [m.key, m.value, m.line]),
    [
      ['__proto__', 1, 1],
      ['a', 2, 2],
      ['a', 3, 3],
    ],
  );
});

test('lines of a megabyte and a hundred thousand lines are read in linear time', () => {
  const before = performance.now();
  assert.ok('value' in parseJsonc(JSON.stringify(['x'.repeat(1 << 20)])));
  assert.ok('problem' in parseJsonc(`["${'\\n'.repeat(1 << 19)}`));
  assert.ok('value' in parseJsonc(`[${'1,\n'.repeat(100_000)}]`));
  assert.ok('value' in parseJsonc(`${'# comment\n'.repeat(100_000)}1`));
  assert.ok(performance.now() - before < 20_000);
});
