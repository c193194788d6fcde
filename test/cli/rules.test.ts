import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatResponse, type DispositionRecord } from '../../shared/core/disposition.ts';
import { localReply, parseReply } from '../../shared/core/reply.ts';
import { applyRewrite } from '../../shared/core/rules/rewrite-status.ts';
import { bounce } from '../support/dsn-record.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));
let folder = '';

const files: Record<string, string> = {
  'rules.json': `[
  // Exceptions first.
  { "match": "VIP", "code": null },
  { "match": "over quota", "code": 552, "class": "FullBox", "domain": ["dest.test", "*.dest.test"] },
  { "match": "blocked", "code": 450, "site": "mx.other.test" },
  { "match": "greylisted\\\\\\\\r\\\\\\\\n", "code": 550 },
  { "match": "too many", "code": 550 },
]`,
  'broken.json': '{"a(": 550,\n "b": 200}',
  'settings.json': '{"delivery": {"responseLineBreaks": "space"}}',
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rebound-rules-'));
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
});
after(() => rm(folder, { recursive: true, force: true }));

async function rebound(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, 'rules', ...args], { cwd: folder, env: { ...process.env, REDIS_URL: '', ...env } });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([buffer(child.stdout), buffer(child.stderr), closed]);
  return { code, stdout: out.toString(), stderr: err.toString() };
}

interface Answer {
  response: string;
  matches: boolean;
  status: { rule: { number: number; line: number }; change: string; code: number; enhanced: string | null; refused?: string } | null;
  class: { rule: { number: number } | null; label: string; builtin: string };
}

const tried: [name: string, args: string[], want: [rule: number, change: string, code: number] | undefined, label: string][] = [
  ['a rule that makes a bounce', ['452 4.2.2 over quota', '--domain', 'dest.test'], [2, 'bounce', 552], 'FullBox'],
  ['a rule for another domain', ['452 4.2.2 over quota', '--domain', 'other.test'], undefined, 'QuotaIssues'],
  ['a rule that makes a retry', ['554 5.7.1 blocked', '--site', 'mx.other.test'], [3, 'retry', 450], 'Uncategorized'],
  ['an exception', ['452 4.2.2 over quota, VIP', '--domain', 'dest.test'], [1, 'none', 452], 'FullBox'],
  ['several lines', ['450-4.7.1 greylisted\\r\\n450 4.7.1 come back'], [4, 'bounce', 550], 'TransientFailure'],
];
for (const [name, [response = '', ...more], want, label] of tried) {
  test(`rules test tells of ${name}`, async () => {
    const { code, stdout, stderr } = await rebound(['test', 'rules.json', '--response', response, ...more, '--json']);
    assert.equal(stderr, '');
    const answer = JSON.parse(stdout) as Answer;
    const { status } = answer;
    assert.deepEqual(status ? [status.rule.number, status.change, status.code] : undefined, want);
    if (label !== 'Uncategorized') assert.equal(answer.class.label, label);
    assert.deepEqual([code, answer.matches], want ? [0, true] : [1, false]);
    const told = await rebound(['test', 'rules.json', '--response', response, ...more]);
    assert.equal(told.code, code);
    assert.match(told.stdout, want ? new RegExp(`status: +rule ${want[0]} \\(line \\d\\)`) : /status: +no rule of rules\.json matches/);
  });
}

test('rules test shows the response as the rules see it', async () => {
  const args = ['test', 'rules.json', '--response', '450-4.7.1 greylisted\\r\\n450-4.7.1\\r\\n450 4.7.1 come back'];
  const [escaped, spaced] = [await rebound(args), await rebound([...args, '--config', 'settings.json'])];
  assert.match(escaped.stdout, /^response: 450 4\.7\.1 greylisted\\r\\ncome back\n/);
  assert.match(spaced.stdout, /^response: 450 4\.7\.1 greylisted come back\n/);
  assert.match(
    (await rebound(['test', 'rules.json', '--response', '250 ok'])).stderr,
    /"250 ok" is no rejection: rules are asked about codes from 400 on/,
  );
});

test('rules test heeds the setting for line breaks', async () => {
  const { code } = await rebound(['test', 'rules.json', '--response', '450 greylisted\\r\\nlater', '--config', 'settings.json']);
  assert.equal(code, 1);
});

test('rules test names every mistake of a file, and what it was called with wrongly', async () => {
  const broken = await rebound(['test', 'broken.json', '--response', '550 x']);
  assert.deepEqual([broken.code, broken.stdout], [1, '']);
  assert.match(broken.stderr, /broken\.json:1: rule 1, "a\(": missing closing[^]*broken\.json:2: rule 2: "code" must be/);
  assert.match((await rebound(['test', 'none.json', '--response', '550 x'])).stderr, /none\.json cannot be read/);
  for (const args of [
    ['test', 'rules.json'],
    ['test'],
    ['test', 'rules.json', '--response', 'hello'],
    ['test', 'rules.json', '--response', '250 ok'],
    ['backtest', 'rules.json', '--since', 'soon'],
    ['backtest', 'rules.json', '--since', '24'],
    ['other'],
  ]) {
    const { code, stderr } = await rebound(args);
    assert.deepEqual([code, stderr.split('\n').length], [2, 2], stderr);
  }
});

const remote = (line: string, command = 'RCPT') => {
  const reply = parseReply([line], command);
  assert.ok(reply);
  return reply;
};
const rewritten = applyRewrite(remote('452 4.2.2 over quota'), { code: 554 });
assert.ok(!('refused' in rewritten));

const record = (changes: Partial<DispositionRecord>, line?: string): DispositionRecord =>
  bounce({
    queue: 'dest.test',
    site: 'default->mx.dest.test',
    ...(line !== undefined && { response: formatResponse(remote(line)) }),
    ...changes,
  });

interface Past {
  responses: number;
  changed: number;
  others: number;
  rows: {
    rule: { number: number; line: number };
    site: string;
    change: string;
    responses: number;
    recipients: number;
    example: { response: string };
  }[];
}

test('rules backtest counts by rule and site what the rules would have changed', async (t) => {
  const redis = await startRedis(t);
  const link = await connectRedis(t, redis.url);
  const key = link.key('log');
  const now = Date.now();
  let serial = 0;
  const write = async (age: number, ...records: (DispositionRecord | string)[]): Promise<void> => {
    const pipeline = link.client.pipeline();
    for (const r of records) pipeline.xadd(key, `${now - age}-${++serial}`, 'r', typeof r === 'string' ? r : JSON.stringify(r));
    const results = await pipeline.exec();
    assert.ok(results?.every(([error]) => error === null));
  };
  const hour = 3_600_000;
  await write(30 * hour, record({ type: 'TransientFailure' }, '452 4.2.2 over quota, long ago'));
  // More than one page of the log, so that none is read twice or left out.
  const many = Array.from({ length: 1203 }, (_, i) =>
    record({ type: 'TransientFailure', recipient: ['a@dest.test', `b${i}@dest.test`] }, '452 4.2.2 over quota'),
  );
  await write(2 * hour, ...many);
  await write(
    hour,
    record({ type: 'Bounce', response: formatResponse(rewritten) }),
    record({ type: 'Bounce', site: 'default->mx.other.test', queue: 'tenant@other.test' }, '554 5.7.1 blocked'),
    record({ type: 'Bounce' }, '554 5.7.1 blocked'),
    record({ type: 'Expiration' }, '452 4.2.2 over quota'),
    record({ type: 'TransientFailure' }, '452 4.5.3 too many recipients'),
    record({ type: 'TransientFailure' }, '452 4.2.2 over quota, VIP'),
    // None of these is a rejection by a server of a message.
    record({ type: 'Delivery' }, '250 over quota'),
    record({ type: 'TransientFailure', response: formatResponse(localReply(452, '4.2.2', 'over quota')) }),
    record({ type: 'TransientFailure', response: formatResponse(remote('452 4.2.2 over quota', 'connect')) }),
    record({ type: 'AdminBounce' }, '550 over quota'),
    'no record',
    '{"type":"Bounce"}',
    'null',
  );
  const { code, stdout, stderr } = await rebound(['backtest', 'rules.json', '--since', '24h', '--json'], { REDIS_URL: redis.url });
  assert.deepEqual([code, stderr], [0, '']);
  const past = JSON.parse(stdout) as Past;
  assert.deepEqual([past.responses, past.changed, past.others], [1209, 1207, 0]);
  const row = (change: string, site: string) => past.rows.find((r) => r.change.startsWith(change) && r.site === site);
  const status = row('452 -> 552: bounce instead of retry', 'mx.dest.test');
  assert.deepEqual([status?.rule.number, status?.rule.line, status?.responses, status?.recipients], [2, 4, 1205, 2408]);
  assert.equal(status?.example.response, '452 4.2.2 over quota');
  assert.equal(row('class FullBox instead of QuotaIssues', 'mx.dest.test')?.responses, 1206);
  assert.equal(row('554 -> 450: retry instead of bounce', 'mx.other.test')?.responses, 1);
  assert.equal(past.rows.length, 3);
  const told = await rebound(['backtest', 'rules.json', '--since', '48h'], { REDIS_URL: redis.url });
  assert.match(
    told.stdout,
    /^1210 rejections by servers in this time \(the oldest of \d{4}-[^)]+\), 1208 of them would have been changed\.\n/,
  );
  assert.match(
    told.stdout,
    /1206 responses \(2409 recipients\) at mx\.dest\.test: 452 -> 552: bounce instead of retry\n {2}rule 2 \(line 4\) "over quota"\n {2}for example /,
  );
  assert.equal(await link.client.xlen(key), many.length + 14);
});

test('rules backtest of an empty log, and without a Redis', async (t) => {
  const redis = await startRedis(t);
  const { code, stdout } = await rebound(['backtest', 'rules.json', '--json'], { REDIS_URL: redis.url });
  assert.deepEqual([code, JSON.parse(stdout)], [0, { responses: 0, changed: 0, oldest: null, rows: [], others: 0 }]);
  const none = await rebound(['backtest', 'rules.json'], { REBOUND_DATA_DIR: folder });
  assert.deepEqual([none.code, none.stdout], [1, '']);
  assert.match(none.stderr, /there is no Redis: set REDIS_URL/);
});
