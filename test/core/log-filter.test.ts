import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bloomOf, mayContain } from '../../shared/core/bloom.ts';
import { formatLogLine, parseLogLine, parseRecordText } from '../../shared/core/log-entry.ts';
import { indexWords, parseLogFilter, recordMatcher, wordsNeeded, type FilterField, type LogFilter } from '../../shared/core/log-filter.ts';
import { compareLogIds, nextLogId } from '../../shared/core/log-id.ts';
import { printable, printableJson } from '../../shared/core/printable.ts';
import { logRecord } from '../support/log-records.ts';

const now = Date.UTC(2026, 10, 22, 12);

const readable: [field: FilterField, text: string, want: LogFilter][] = [
  ['since', '2h', { since: now - 7_200_000 }],
  ['since', '1h 30m', { since: now - 5_400_000 }],
  ['until', '2026-11-22T11:59:00Z', { until: now - 60_000 }],
  ['until', '2026-11-22T12:59:00.5+01:00', { until: now - 59_500 }],
  ['since', '2026-11-22', { since: now - 12 * 3_600_000 }],
  ['type', 'bounce, Expiration', { types: ['Bounce', 'Expiration'] }],
  ['recipient', '<Bob@Dest.TEST>', { recipient: 'bob@dest.test' }],
  ['recipient', '@dest.test', { recipient: '@dest.test' }],
  ['sender', '<>', { sender: '' }],
  ['domain', 'Dest.test.', { domain: 'dest.test' }],
  ['code', '550, 4XX,5.1.1', { codes: ['550', '4xx', '5.1.1'] }],
  ['class', 'InvalidRecipient', { classes: ['invalidrecipient'] }],
  ['message', '0198A2B4-0000-7000-8000-000000000001', { message: '0198a2b4000070008000000000000001' }],
  ['text', 'No Such User', { text: 'no such user' }],
];
for (const [field, text, want] of readable) {
  test(`the filter ${field}=${text} is understood`, () => assert.deepEqual(parseLogFilter({ [field]: text }, now), { filter: want }));
}

const unreadable: [field: FilterField, text: string][] = [
  ['since', 'yesterday'],
  ['since', '5'],
  ['since', ''],
  ['since', `${'9'.repeat(400)}d`],
  ['since', '2026-02-30T00:00:00Z'],
  ['since', '2026-11-22T24:00:00Z'],
  ['since', '1901-01-01'],
  ['type', 'Bonce'],
  ['type', ','],
  ['recipient', ''],
  ['recipient', '<>'],
  ['recipient', `${'a'.repeat(65_536)}@dest.test`],
  ['domain', 'a@b'],
  ['site', ''],
  ['tenant', ''],
  ['code', '999'],
  ['code', '5.1'],
  ['code', ''],
  ['class', ''],
  ['message', 'not-an-id'],
  ['text', ''],
];
for (const [field, text] of unreadable) {
  test(`the filter ${field}=${text.slice(0, 30)} is refused by its name`, () => {
    const result = parseLogFilter({ [field]: text }, now);
    assert.ok('problems' in result);
    assert.deepEqual(
      result.problems.map((problem) => problem.field),
      [field],
    );
    assert.ok((result.problems[0]?.message.length ?? 0) < 300);
  });
}

test('every wrong field of a filter is told at once, and a time span that ends before it begins', () => {
  const result = parseLogFilter({ code: 'x', type: 'y', since: '1h', until: '2h' }, now);
  assert.deepEqual('problems' in result && result.problems.map(({ field }) => field), ['type', 'code', 'until']);
});

const record = logRecord(4, {
  recipient: ['Bob@Dest.test', 'eve@other.test'],
  queue: 'spring:acme@dest.test',
  site: 'default->mx.dest.test',
});
const judged: [input: Partial<Record<FilterField, string>>, fits: boolean][] = [
  [{}, true],
  [{ type: 'Bounce' }, true],
  [{ type: 'Delivery' }, false],
  [{ recipient: 'bob@dest.test' }, true],
  [{ recipient: 'eve@OTHER.test' }, true],
  [{ recipient: 'eve@dest.test' }, false],
  [{ recipient: '@other.test' }, true],
  [{ recipient: '@test' }, false],
  [{ domain: 'dest.test' }, true],
  [{ domain: 'est.test' }, false],
  [{ sender: record.sender.toUpperCase() }, true],
  [{ sender: '<>' }, false],
  [{ site: 'mx.dest.test' }, true],
  [{ site: 'default->mx.dest.test' }, true],
  [{ site: 'other->mx.dest.test' }, false],
  [{ tenant: 'acme', campaign: 'spring' }, true],
  [{ tenant: 'spring' }, false],
  [{ campaign: 'acme' }, false],
  [{ code: '550' }, true],
  [{ code: '5xx' }, true],
  [{ code: '4xx,5.1.1' }, true],
  [{ code: '551' }, false],
  [{ class: 'invalidrecipient' }, true],
  [{ class: 'QuotaIssues' }, false],
  [{ message: record.id }, true],
  [{ message: 'abc' }, false],
  [{ text: 'DOES NOT EXIST' }, true],
  [{ text: 'offer 2 of this week' }, true],
  [{ text: '550' }, true],
  [{ text: '5.1.1' }, true],
  [{ text: 'nowhere to be found' }, false],
  [{ type: 'Bounce', recipient: 'bob@dest.test', code: '451' }, false],
];
for (const [input, fits] of judged) {
  test(`the record ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(input).slice(0, 100)}`, () => {
    const result = parseLogFilter(input, now);
    assert.ok('filter' in result);
    assert.equal(recordMatcher(result.filter)(record), fits);
  });
}

const word = fc.oneof(
  fc.constantFrom('a', 'b@c.test', 'B@C.test', 'x:y@c.test', '@', '', 'default->mx', '550'),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const anyRecord = fc
  .record({
    sender: word,
    recipient: fc.oneof(word, fc.array(word, { maxLength: 3 })),
    queue: word,
    site: word,
    id: word,
    bounce_classification: word,
  })
  .map((changes) => logRecord(4, changes));

test('what fits a filter has a word of each list that the filter needs: the index never hides a record', () => {
  const fields: FilterField[] = ['recipient', 'sender', 'domain', 'site', 'tenant', 'campaign', 'class', 'message', 'code', 'type'];
  let fitted = 0;
  fc.assert(
    fc.property(anyRecord, fc.constantFrom(...fields), fc.nat(20), (it, field, choice) => {
      // The filter is made of the record's own strings, so that it often fits.
      const own = [
        it.sender,
        it.site,
        it.queue,
        it.id,
        it.bounce_classification,
        ...[it.recipient].flat(),
        'c.test',
        '@c.test',
        'mx',
        'x',
        'y',
        'Bounce',
        '5xx',
      ];
      const result = parseLogFilter({ [field]: own[choice % own.length] }, now);
      if (!('filter' in result) || !recordMatcher(result.filter)(it)) return;
      fitted += 1;
      const words = new Set(indexWords(it));
      for (const some of wordsNeeded(result.filter))
        assert.ok(
          some.some((needed) => words.has(needed)),
          `${some.join()} of ${[...words].join()}`,
        );
    }),
    { numRuns: 2000 },
  );
  assert.ok(fitted > 50, `only ${fitted} filters fitted`);
});

test('a message is found by its Message-ID and by either side, and the index does not hide it', () => {
  const it = logRecord(4, { headers: { 'Message-ID': '<a@B.test>' }, sender: 'Ann@home.test', recipient: ['bob@dest.test', 'x@y.test'] });
  const cases: [filter: LogFilter, fits: boolean][] = [
    [{ messageId: '<a@B.test>' }, true],
    [{ messageId: '<A@B.test>' }, false],
    [{ messageId: 'a@B.test' }, false],
    [{ party: 'ann@home.test' }, true],
    [{ party: 'x@y.test' }, true],
    [{ party: '@home.test' }, true],
    [{ party: '@y.test' }, true],
    [{ party: 'bob@home.test' }, false],
  ];
  const words = new Set(indexWords(it));
  for (const [filter, fits] of cases) {
    assert.equal(recordMatcher(filter)(it), fits, JSON.stringify(filter));
    assert.equal(
      wordsNeeded(filter).every((some) => some.some((one) => words.has(one))),
      fits,
      JSON.stringify(filter),
    );
  }
  assert.equal(recordMatcher({ messageId: '<a@B.test>' })({ ...it, headers: undefined as never }), false, 'a record of another program');
});

test('a Bloom filter knows all it was given, and little else', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const bits = bloomOf(new Set(words));
      return words.every((it) => mayContain(bits, it));
    }),
  );
  const bits = bloomOf(new Set(Array.from({ length: 3000 }, (_, n) => `ruser${n}@d.test`)));
  const wrong = Array.from({ length: 10_000 }, (_, n) => `rother${n}@d.test`).filter((it) => mayContain(bits, it)).length;
  assert.ok(wrong < 100, `${wrong} of 10,000`);
});

test('a record comes back from its line of the archive as it was, with the id that stands in front', () => {
  const texts = [
    JSON.stringify(record),
    JSON.stringify(record, null, 2),
    JSON.stringify({ log_id: '9-9', ...record, headers: { x: 'a\nb\u2028"c' } }),
  ];
  for (const text of texts) {
    const parsed = parseRecordText(text);
    assert.ok(parsed);
    const line = formatLogLine({ at: '17-4', record: parsed }, text);
    assert.ok(!line.includes('\n'));
    assert.deepEqual(parseLogLine(line), { at: '17-4', record: parsed });
  }
});

test('what is no record of the log is none, whatever it is', () => {
  for (const text of [
    undefined,
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"type":"Bounce"}',
    '{"type":"Bounce","sender":"a","recipient":[1],"response":{"content":""}}',
  ]) {
    assert.equal(parseRecordText(text), undefined);
  }
  for (const line of ['', '{"log_id":"', '{"log_id":"x",}', JSON.stringify(record)]) assert.equal(parseLogLine(line), undefined);
});

test('ids of the log are compared as numbers of any length', () => {
  const sorted = ['0-0', '0-1', '9-0', '9-9', '9-10', '10-0', '1763780000000-18446744073709551614', '1763780000000-18446744073709551615'];
  assert.deepEqual(sorted.toReversed().toSorted(compareLogIds), sorted);
  assert.deepEqual(['9-9', '9-18446744073709551615'].map(nextLogId), ['9-10', '10-0']);
});

test('nothing in a foreign text can steer a terminal or turn its direction', () => {
  const hostile = 'a\u001b[31m\u009b2J\r\n\u202eb\u2066\u200f\u0007\ud800';
  assert.equal(printable(hostile), 'a�[31m�2J���b����');
  const json = printableJson(JSON.stringify({ hostile }));
  assert.match(json, /^[ -~]*$/);
  assert.deepEqual(JSON.parse(json), { hostile });
  assert.equal(printable('x'.repeat(65_536)).length, 1000);
});
