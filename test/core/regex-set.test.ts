import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonc } from '../../shared/core/rules/jsonc.ts';
import { PatternError, regexSetMap } from '../../shared/core/rules/regex-set.ts';

const finds: [name: string, patterns: string[], text: string, want: number | undefined][] = [
  ['a pattern is searched for anywhere', ['quota'], '452 over quota here', 0],
  ['the first in order decides, not the first in the text', ['quota', 'over'], 'over quota', 0],
  ['a later one decides where earlier ones are not found', ['full', 'quota'], 'over quota', 1],
  ['none is found', ['full'], 'over quota', undefined],
  ['^ is the beginning of the text', ['^quota', '^over'], 'over quota', 1],
  ['$ is the end of the text', ['over$', 'quota$'], 'over quota', 1],
  ['^ and $ do not match at a line break', ['^b$', 'b'], 'a\nb', 1],
  ['an alternative counts as a whole', ['^(?:a|b)$', 'c'], 'b', 0],
  ['an alternative outside a group too', ['x|quota', 'over'], 'over quota', 0],
  ['case counts', ['QUOTA', 'quota'], 'over quota', 1],
  ['unless the pattern says otherwise, for itself alone', ['OVER', '(?i)QUOTA'], 'over quota', 1],
  ['letters beyond ASCII', ['\u00fcberf\u00fcllt'], 'Postfach \u00fcberf\u00fcllt', 0],
  ['in any case', ['(?i)\u00dcBERF\u00dcLLT'], 'Postfach \u00fcberf\u00fcllt', 0],
  ['a dot is one character, beyond the first plane too', ['^a.b$'], 'a\u{1f600}b', 0],
  ['classes of letters', ['^\\p{Greek}+$'], '\u03b1\u03b2\u03b3', 0],
  ['half a character is no reason to fail', ['b'], 'a\ud800b', 0],
  ['word boundaries', ['\\bover\\b', 'over'], 'overdue', 1],
  ['an empty text', ['.', '^$'], '', 1],
];
for (const [name, patterns, text, want] of finds) {
  test(name, () => assert.equal(regexSetMap(patterns.map((p, i) => [p, i] as const)).get(text), want));
}

test('of many rules the first in order decides, wherever it stands among them', () => {
  const rules = Array.from({ length: 1700 }, (_, i) => [`code r${i}x`, i] as const);
  const map = regexSetMap(rules);
  for (const i of [0, 1, 499, 500, 501, 999, 1000, 1699]) assert.equal(map.get(`code r${i}x and code r1699x`), i);
  assert.equal(map.get('code r1700x'), undefined);
});

test('it finds what the engine of JavaScript finds', () => {
  const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '\\w', '\\d', 'ab', '\u00e9', '\\b');
  const piece = fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{1,2}')).map(([a, q]) => (a === '\\b' ? a : `(?:${a})${q}`));
  const sequence = fc.array(piece, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));
  const pattern = fc
    .tuple(fc.constantFrom('', '^'), sequence, sequence, fc.constantFrom('', '$'))
    .map(([a, x, y, z]) => `${a}(?:${x}|${y})${z}`);
  const text = fc.array(fc.constantFrom('a', 'b', 'c', '1', ' ', '\u00e9', '\u{1f600}'), { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 8 }), fc.array(text, { minLength: 1, maxLength: 5 }), (patterns, texts) => {
      const map = regexSetMap(patterns.map((p, i) => [p, i] as const));
      for (const t of texts) {
        const want = patterns.findIndex((p) => new RegExp(p, 'u').test(t));
        assert.equal(map.get(t) ?? -1, want, `${JSON.stringify(patterns)} in ${JSON.stringify(t)}`);
      }
    }),
    { numRuns: 300 },
  );
});

test('hostile patterns and texts cost linear time', () => {
  const hostile = ['(a+)+$', '(a|aa)+$', '(a|a?)+b', '(.*)*x', '(?:a*)*b', '^(\\w+\\s?)*$', 'a.*a.*a.*b'];
  const map = regexSetMap(hostile.map((p) => [p, p] as const));
  const before = performance.now();
  // A backtracking engine would not come back from this in the life of the machine.
  assert.equal(map.get(`${'a'.repeat(100_000)}!`), undefined);
  assert.equal(map.get(`${'a'.repeat(100_000)}!b`), '(a|a?)+b');
  assert.ok(performance.now() - before < 20_000, `${performance.now() - before} ms`);
});

test('five hundred rules with open ends are searched for in 20 KB, which would never end if it were not linear', () => {
  const map = regexSetMap(Array.from({ length: 500 }, (_, i) => [`\\d\\.${i % 8}\\.${i % 17} w${i % 40} <.+>: word${i}x`, i] as const));
  const text = Array.from({ length: 4000 }, (_, i) => `5.${i % 8}.${i % 17} w${i % 40} <a@b>: nothing`)
    .join(' ')
    .slice(0, 20_000);
  assert.equal(map.get(text), undefined);
  assert.equal(map.get(`${text} 5.3.3 w11 <a@b>: word11x`), 11);
});

const bad: [name: string, pattern: string, want: RegExp][] = [
  ['look-ahead', 'a(?=b)', /no look-ahead: put the exception in a rule of its own before/],
  ['negative look-ahead', 'a(?!b)', /no look-ahead/],
  ['look-behind', '(?<!a)b', /no look-behind/],
  ['a back-reference', '(a)\\1', /no back-references: write out/],
  ['an atomic group', '(?>a)b', /no atomic or possessive/],
  ['a possessive count', 'a++b', /no atomic or possessive/],
  ['a comment', 'a(?#b)', /are unknown here/],
  ['a character by number', '\\u00e9', /is written \\x\{e9\}/],
  ['the end in other engines', 'a\\Z', /is written \\z or \$/],
  ['a bracket that is not closed', 'over (quota', /missing closing \): `over \(quota`; a bracket that is meant as such/],
  ['a bracket that was not opened', 'over quota)', /unexpected \).*a bracket that is meant/],
  ['a count of nothing', '*a', /missing argument/],
  ['a count that is too large', 'a{1001}', /invalid repeat count/],
  ['counts of counts', '((x{100}){100}){100}', /invalid repeat count/],
  ['nothing', '', /empty pattern is found in every text/],
  ['far too much', 'x'.repeat(10_001), /10001 characters are too long/],
];
for (const [name, pattern, want] of bad) {
  test(`a pattern with ${name} is refused and helped`, () => {
    assert.throws(
      () => regexSetMap([['good', 1] as const, [pattern, 2] as const]),
      (error) => error instanceof PatternError && error.problems.length === 1 && error.problems[0]?.rule === 2 && want.test(error.message),
    );
  });
}

test('all bad patterns of a file are named, each with its line', () => {
  const json = parseJsonc('{\n  // ours\n  "a(": 1,\n  "good": 2,\n  "(?=x)": 3,\n}');
  assert.ok('value' in json);
  assert.throws(
    () => regexSetMap(json.value as Record<string, number>),
    (error) => error instanceof PatternError && error.problems.map(({ rule, line }) => `${rule}@${line}`).join() === '1@3,3@5',
  );
});

test('patterns of digits keep their place in a file, which JavaScript would move to the front', () => {
  const json = parseJsonc('{"over quota": "a", "452": "b"}');
  assert.ok('value' in json);
  const map = regexSetMap(json.value as Record<string, string>);
  assert.deepEqual([map.size, map.get('452 over quota'), map.get('452 later')], [2, 'a', 'b']);
});
