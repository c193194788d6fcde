import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment, mainFile, startCommandLine } from '../support/command-line.ts';

const jsonLines = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

interface Line {
  type: string;
  recipient: string;
  event_id: string;
}

test('the log is searched and shown through the API', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: { rcpt: { 'no@dest.test': '550 5.1.1 no\u001b[2J' } } } });
  for (const to of ['a@dest.test', 'no@dest.test', 'b@dest.test']) await system.send({ from: 'ann@home.test', to });
  await system.until(({ type, recipient }) => (type === 'Delivery' || type === 'Bounce') && String(recipient).endsWith('@dest.test'), 3);
  const found = await system.rebound('log', 'search', '--type', 'Bounce,Delivery', '--domain', 'dest.test');
  assert.equal(found.code, 0, found.stderr);
  assert.equal(found.stdout.trim().split('\n').length, 3);
  assert.match(found.stdout, / {2}Bounce +550 5\.1\.1 +ann@home\.test -> no@dest\.test/);
  assert.ok(!found.stdout.includes('\u001b'));
  const bounces = jsonLines<Line>((await system.rebound('log', 'export', '--code', '550')).stdout);
  assert.deepEqual(new Set(bounces.map(({ recipient }) => recipient)), new Set(['no@dest.test']));
  const all = jsonLines<Line>((await system.rebound('log', 'search', '--json')).stdout).map((line) => line.event_id);
  const reversed = jsonLines<Line>((await system.rebound('log', 'search', '--json', '--reverse')).stdout).map((line) => line.event_id);
  assert.ok(all.length > 3);
  assert.deepEqual(reversed.slice(-all.length).reverse(), all.slice(0, reversed.length));
  const [bounce] = bounces as (Line & { log_id: string })[];
  const local = await system.reboundWith({ env: { REBOUND_URL: '', REDIS_URL: system.redis.url } }, 'log', 'export', '--code', '550');
  const kept = jsonLines<Line & { log_id: string }>(local.stdout).find(({ event_id: id }) => id === bounce?.event_id);
  assert.equal(bounce?.log_id, kept?.log_id, local.stderr);
  assert.match(String(kept?.log_id), /^\d+-\d+$/);
  const one = await system.rebound('log', 'show', bounce?.event_id ?? '');
  assert.match(one.stdout, /^event +\S+ {2}Bounce [^]*^means +\S[^]*^report +\S/m, one.stderr);
  const unknown = await system.rebound('log', 'show', `${'0'.repeat(32)}.0.1.b1`);
  assert.deepEqual([unknown.code, /has such a record/.test(unknown.stderr)], [1, true], unknown.stderr);
  const last = await system.rebound('log', 'tail', '--limit', '2');
  assert.equal(last.stdout.trim().split('\n').length, 2);
  const wrong = await system.rebound('log', 'search', '--since', 'ever');
  assert.equal(wrong.code, 2);
});

test('the log is followed through the API', async (t) => {
  const system = await startCommandLine(t);
  await system.send({ from: 'ann@home.test', to: 'first@dest.test' });
  await system.until(({ type }) => type === 'Delivery');
  const child = spawn(process.execPath, [mainFile, 'log', 'tail', '--follow', '--json', '--type', 'Delivery'], {
    env: { ...cleanEnvironment(), REBOUND_URL: system.url },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const lines: Line[] = [];
  let rest = '';
  const untilSeen = async (recipient: string): Promise<void> => {
    for await (const part of child.stdout.iterator({ destroyOnReturn: false })) {
      const parts = (rest + String(part)).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...jsonLines<Line>(parts.join('\n')));
      if (lines.some((line) => line.recipient === recipient)) return;
    }
  };
  await untilSeen('first@dest.test');
  await system.send({ from: 'ann@home.test', to: 'second@dest.test' });
  await untilSeen('second@dest.test');
  assert.deepEqual([...new Set(lines.map(({ recipient }) => recipient))], ['first@dest.test', 'second@dest.test']);
  assert.equal(new Set(lines.map((line) => line.event_id)).size, lines.length, 'none is told twice');
  child.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
});

test('a replay runs in the admin role, is listed, shown and cancelled', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: { rcpt: { 'no@dest.test': '550 5.1.1 no' } } } });
  await system.send({ from: 'ann@home.test', to: 'no@dest.test' });
  await system.until(({ type }) => type === 'Bounce');
  const ask = ['replay', '--to', 'bounces', '--since', '1h', '--type', 'Bounce'];
  const look = await system.rebound(...ask, '--dry-run');
  assert.match(look.stdout, /^1 records would be replayed\. Nothing was written\.$/m, look.stderr);
  const unexplained = await system.rebound(...ask, '--yes');
  assert.deepEqual([unexplained.code, /--why is needed/.test(unexplained.stderr)], [2, true]);
  const done = await system.rebound(...ask, '--yes', '--why', 'mended');
  assert.equal(done.code, 0, done.stderr);
  const [, id = ''] = /^replay +([0-9a-f]{32})$/m.exec(done.stdout) ?? [];
  assert.match(done.stdout, /^status +done$/m);
  assert.match(done.stdout, /^why +mended \(/m);
  const records = await system.rebound('replay', 'show', id, '--records', '9');
  assert.match(records.stdout, /^OUTCOME [^]*^\S+ .* Bounce +550 +no@dest\.test /m, records.stderr);
  const listed = await system.json<{ records: { outcome: string }[] }>('replay', 'show', id, '--records', '9');
  assert.equal(listed.records.length, 1);
  assert.equal((await system.reboundWith({ env: { REBOUND_URL: '' } }, 'replay', 'show', id, '--records', '9')).code, 2);
  assert.match((await system.rebound('replay', 'list')).stdout, new RegExp(`^${id} +done +bounces `, 'm'));
  const cancelled = await system.rebound('replay', 'cancel', id, '--why', 'x');
  assert.equal(cancelled.code, 1, 'it has ended');
});

test('settings, rules and policy in force are shown through the API', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false, config: { bounce: { from: 'postmaster@relay.test' } } });
  const { code, stdout, stderr } = await system.rebound('config', 'show');
  assert.equal(code, 0, stderr);
  assert.equal((JSON.parse(stdout) as { hostname: string }).hostname, 'relay.test');
  assert.match((await system.rebound('rules', 'show')).stdout, /^no process goes by a rule file$/m);
  assert.match((await system.rebound('policy', 'show')).stdout, /^no process has a policy$/m);
});

test('dead letters are listed, put back and dropped', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const none = await system.rebound('queues', 'dead', 'bounces');
  assert.deepEqual([none.code, none.stdout], [0, 'nothing was given up\n'], none.stderr);
  const put = await system.rebound('queues', 'retry', 'bounces', '--all', '--reason', 'mended');
  assert.deepEqual([put.code, put.stdout], [0, '0 put back\n'], put.stderr);
  const gone = await system.rebound('queues', 'drop', 'bounces', 'nothing', '--reason', 'old', '--yes');
  assert.deepEqual([gone.code, gone.stdout], [0, '0 dropped, 1 were no dead letters any more\n'], gone.stderr);
  const calls: [string[], number, RegExp][] = [
    [['queues', 'dead'], 2, /expected the name of one queue/],
    [['queues', 'dead', 'nowhere'], 1, /there is no such queue/],
    [['queues', 'retry', 'bounces', '--all'], 2, /--reason is needed/],
    [['queues', 'retry', 'bounces', 'x', '--all', '--reason', 'x'], 2, /jobs after "retry", or a queue and --all/],
    [['queues', 'drop', 'bounces', '--all', '--reason', 'x'], 2, /--yes is needed/],
  ];
  for (const [args, expected, words] of calls) {
    const { code, stderr } = await system.rebound(...args);
    assert.deepEqual([code, words.test(stderr)], [expected, true], `${args.join(' ')}: ${code} ${stderr}`);
  }
});

test('a report is previewed through the API, of a record and of an event of the log', async (t) => {
  const system = await startCommandLine(t, {
    sink: { rules: { rcpt: { 'no@dest.test': '550 5.1.1 no' } } },
    config: { bounce: { from: 'postmaster@relay.test' } },
  });
  await system.send({ from: 'ann@home.test', to: 'no@dest.test' });
  await system.until(({ type }) => type === 'Bounce');
  const [bounce] = jsonLines<Line>((await system.rebound('log', 'export', '--type', 'Bounce', '--recipient', 'no@dest.test')).stdout);
  assert.ok(bounce);
  // The name is one that only the settings of the admin role have.
  const from = /^From: .*postmaster@relay\.test/m;
  const ofEvent = await system.rebound('report', 'preview', '--event', bounce.event_id);
  assert.match(ofEvent.stdout, from, ofEvent.stderr);
  assert.match(ofEvent.stdout, /^Final-Recipient: rfc822; ?no@dest\.test/m);
  const german = await system.reboundWith(
    { input: JSON.stringify(bounce) },
    'report',
    'preview',
    '--record',
    '-',
    '--language',
    'de',
    '--json',
  );
  const { report } = JSON.parse(german.stdout) as { report: { recipient: string; content: string } };
  assert.equal(report.recipient, 'ann@home.test', german.stderr);
  assert.match(report.content, from);
  const none = await system.reboundWith({ input: JSON.stringify({ ...bounce, type: 'Delivery' }) }, 'report', 'preview', '--record', '-');
  assert.deepEqual([none.code, none.stderr.startsWith('rebound: no report is due: ')], [1, true], none.stderr);
  const calls: [string[], number, RegExp][] = [
    [['--event', `${'0'.repeat(32)}.0.1.b1`], 1, /the log has no such record/],
    [['--event', bounce.event_id, '--record', 'x'], 2, /needs --record <file>, or --event <id>/],
    [['--event', bounce.event_id, '--template', 'classic'], 2, /--params and --template are read here only/],
  ];
  for (const [args, expected, words] of calls) {
    const { code, stderr } = await system.rebound('report', 'preview', ...args);
    assert.deepEqual([code, words.test(stderr)], [expected, true], `${args.join(' ')}: ${code} ${stderr}`);
  }
});

test('rules are tried through the API on what servers said', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: { rcpt: { 'full@dest.test': '452 4.2.2 mailbox full' } } } });
  await system.send({ from: 'ann@home.test', to: 'full@dest.test' });
  await system.until(({ type }) => type === 'TransientFailure');
  const file = join(system.redis.dir, 'rules.json');
  await writeFile(file, '{"mailbox full": 550}');
  const told = await system.rebound('rules', 'backtest', file, '--since', '1h');
  assert.match(
    told.stdout,
    /^\d+ rejections by servers [^]*of them would have been changed[^]*452 -> 550[^]*rule 1 \(line 1\)/,
    told.stderr,
  );
  const { responses, rows } = await system.json<{ responses: number; rows: { rule: { number: number } }[] }>('rules', 'backtest', file);
  // It is tried again all the while.
  assert.ok(responses >= 1);
  assert.deepEqual(
    rows.map(({ rule }) => rule.number),
    [1],
  );
  await writeFile(file, '{"(": 550}');
  const wrong = await system.rebound('rules', 'backtest', file);
  assert.deepEqual([wrong.code, wrong.stderr.includes('rules.json:1')], [1, true], wrong.stderr);
});

test('the audit log is read: who changed what, chosen by time, name, action and text', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  for (const [tenant, reason] of [
    ['acme', 'unpaid'],
    ['other', 'asked'],
  ] as const)
    assert.equal((await system.rebound('hold', '--tenant', tenant, '--reason', reason, '--no-wait')).code, 0);
  const all = await system.rebound('audit');
  assert.match(all.stdout, /^TIME +WHO +ACTION +STATUS +TARGET [^]*giveOrder[^]* asked\n[^]*giveOrder[^]* unpaid\n$/, all.stderr);
  const rows: [string[], string[]][] = [
    [['--limit', '1'], ['asked']],
    [['--text', 'ACME'], ['unpaid']],
    [
      ['--since', '1h', '--action', 'endOrder,giveorder'],
      ['asked', 'unpaid'],
    ],
    [['--action', 'endOrder'], []],
    [['--who', 'nobody'], []],
    [['--since', '2999-01-01T00:00:00Z'], []],
  ];
  for (const [args, expected] of rows) {
    const { entries } = await system.json<{ entries: { reason: string }[] }>('audit', ...args);
    assert.deepEqual(
      entries.map(({ reason }) => reason),
      expected,
      args.join(' '),
    );
  }
  assert.equal((await system.rebound('audit', '--since', 'ever')).code, 2);
  const { subscribers } = await system.json<{ subscribers: { queue: string }[] }>('queues');
  assert.ok(subscribers.some(({ queue }) => queue === 'bounces'));
  assert.match((await system.rebound('queues')).stdout, /^QUEUE .* HEARS\n[^]*^bounces .* Bounce/m);
  assert.equal((await system.rebound('workers', '--sessions')).stdout, 'no delivery session is open\n');
});
