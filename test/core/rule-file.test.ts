import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinRules, parseRules, type RuleSet } from '../../shared/core/rules/rule-file.ts';

const place = { domain: 'dest.test', site: 'mx.dest.test' };
const read = (text: string): RuleSet => {
  const rules = parseRules(text);
  assert.ok(!('problems' in rules), JSON.stringify(rules));
  return rules;
};

// As the documentation of the event shows its file, but for comments of our own.
const simple = `{
  // Nobody reads these boxes any more.
  "4\\\\.2\\\\.1 <.+>: Recipient address rejected: this mailbox is inactive and has been disabled": 500,
  "4\\\\.2\\\\.2 The email account that you tried to reach is over quota\\\\.": 500,
}`;

const responses: [response: string, want: number | undefined][] = [
  ['450 4.2.1 <a@b.test>: Recipient address rejected: this mailbox is inactive and has been disabled', 500],
  ['452 4.2.2 The email account that you tried to reach is over quota. Go away', 500],
  ['452 4.2.2 over quota', undefined],
];
for (const [response, want] of responses) {
  test(`the map of the documentation says ${want ?? 'nothing'} of ${response.slice(0, 40)}...`, () => {
    assert.equal(read(simple).status(response, place)?.code ?? undefined, want);
  });
}

test('a map may give code and enhanced code, a class, or say to leave it', () => {
  const rules = read('{"keep": null, "full": "552 5.2.2", "QUOTA": "QuotaIssues", "vip": 450, ".": 550}');
  const status = (text: string) => rules.status(text, place);
  assert.deepEqual([status('keep it full')?.code, status('full')?.code, status('full')?.enhanced], [null, 552, '5.2.2']);
  assert.deepEqual([status('QUOTA')?.number, rules.bounceClass('QUOTA', place)?.class], [5, 'QuotaIssues']);
  assert.equal(rules.bounceClass('full', place), undefined);
});

test('a pattern of digits keeps its place, and of a repeated one the first counts', () => {
  const rules = read('{"over quota": 552, "452": 450,\n "452": 550}');
  assert.equal(rules.status('452 over quota', place)?.code, 552);
  const rule = rules.status('452 later', place);
  assert.deepEqual([rule?.code, rule?.number, rule?.line], [450, 2, 1]);
});

const places: [name: string, rule: object, here: { domain: string; site: string }, want: boolean][] = [
  ['no place', {}, place, true],
  ['the domain', { domain: 'Dest.TEST' }, place, true],
  ['another domain', { domain: 'other.test' }, place, false],
  ['one of several domains', { domain: ['other.test', 'dest.test'] }, place, true],
  ['all below a domain', { domain: '*.test' }, place, true],
  ['all below another', { domain: '*.example' }, place, false],
  ['the site', { site: 'mx.dest.test' }, place, true],
  ['another site', { site: 'mx.other.test' }, place, false],
  ['sites of a kind', { site: '*.dest.test' }, place, true],
  ['the right domain at the wrong site', { domain: 'dest.test', site: 'x' }, place, false],
];
for (const [name, rule, here, want] of places) {
  test(`a rule for ${name} ${want ? 'speaks' : 'is silent'}`, () => {
    const rules = read(
      JSON.stringify([
        { match: 'quota', code: 552, ...rule },
        { match: 'quota', code: 450 },
      ]),
    );
    assert.equal(rules.status('over quota', here)?.code, want ? 552 : 450);
  });
}

test('one rule may speak of both', () => {
  const rules = read('[{"match": "full", "code": 552, "enhanced": "5.2.2", "class": "QuotaIssues", "comment": "ticket 7"}]');
  assert.deepEqual(rules.status('full', place), rules.bounceClass('full', place));
  assert.deepEqual(rules.rules, [
    { number: 1, line: 1, match: 'full', code: 552, enhanced: '5.2.2', class: 'QuotaIssues', comment: 'ticket 7' },
  ]);
});

test('rules of the first file come first', () => {
  const both = joinRules([read('{"quota": 552, "a": "A"}'), read('{"over": 450, "b": 550, "a": "B"}')]);
  assert.deepEqual(
    ['over quota', 'over', 'b'].map((text) => both.status(text, place)?.code),
    [552, 450, 550],
  );
  assert.equal(both.bounceClass('a', place)?.class, 'A');
  assert.equal(both.rules.length, 5);
});

const mistakes: [name: string, text: string, line: number, message: RegExp][] = [
  ['no JSON', '{"a": 500', 1, /column 1: "\{" is never closed/],
  ['half a file', '{\n  "a": 500,\n  "b', 3, /string is never closed/],
  ['an empty file', '', 1, /text ends/],
  ['a word', '"a"', 1, /expected an object of patterns, or a list/],
  ['a number', '{"a": 200}', 1, /rule 1: "code" must be from 400 to 599/],
  ['a code beyond', '{\n"a": 600}', 2, /400 to 599/],
  ['a code with a fraction', '{"a": 450.5}', 1, /400 to 599/],
  ['another class in the enhanced code', '{"a": "550 4.2.2"}', 1, /"enhanced" must be/],
  ['an enhanced code alone', '[{"match": "a", "enhanced": "5.2.2", "class": "X"}]', 1, /"enhanced" must be/],
  ['a list in a map', '{"a": [1]}', 1, /expected a code such as/],
  ['a rule that says nothing', '[{"match": "a"}]', 1, /neither "code" nor "class"/],
  ['a rule without a pattern', '[\n\n{"code": 500}]', 3, /"match" must be/],
  ['a misspelt name', '[{"match": "a", "codes": 500}]', 1, /there is no "codes" in a rule/],
  ['a class with line breaks', '[{"match": "a", "class": "a\\nb"}]', 1, /"class" must be a label/],
  ['an empty list of domains', '[{"match": "a", "code": 500, "domain": []}]', 1, /"domain" and "site" must be/],
  ['a bad pattern', '{"good": 500,\n "a(": 500}', 2, /rule 2, "a\(": missing closing/],
  ['a pattern of a megabyte', `{"${'x'.repeat(1 << 20)}": 500}`, 1, /too long for a pattern/],
];
for (const [name, text, line, message] of mistakes) {
  test(`${name} is a mistake on line ${line}`, () => {
    const result = parseRules(text);
    assert.ok('problems' in result);
    assert.equal(result.problems.length, 1, JSON.stringify(result.problems));
    assert.equal(result.problems[0]?.line, line);
    assert.match(result.problems[0]?.message ?? '', message);
    assert.ok((result.problems[0]?.message.length ?? 0) < 600);
  });
}

test('all mistakes are told, in the order of the file, twenty at most', () => {
  const result = parseRules(`{${Array.from({ length: 30 }, (_, i) => `\n"${i % 2 ? 'a(' : `b${i}`}": ${i % 2 ? 500 : 200}`).join(',')}}`);
  assert.ok('problems' in result);
  assert.deepEqual(
    result.problems.map(({ line }) => line),
    Array.from({ length: 20 }, (_, i) => i + 2),
  );
});

test('five thousand rules are read and found', () => {
  const rules = read(
    `{${Array.from({ length: 5000 }, (_, i) => `"5\\\\.${i % 9}\\\\.1 <.+>: reason ${i}$": ${i % 2 ? 450 : 550}`).join(',\n')}}`,
  );
  assert.equal(rules.status('550 5.5.1 <a@b.test>: reason 4910', place)?.number, 4911);
  assert.equal(rules.status('550 5.5.1 <a@b.test>: reason 5000', place), undefined);
});

test('too many rules are refused', () => {
  const result = parseRules(`[${'{"match":"a","code":500},'.repeat(20_001)}]`);
  assert.ok('problems' in result && /20001 rules are too many/.test(result.problems[0]?.message ?? ''));
});
