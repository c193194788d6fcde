import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startCommandLine } from '../support/command-line.ts';

interface Sent {
  results: { recipient: string; message: string | null; fate: string; attempts: number; reply: string }[];
}

test('send waits until every recipient is settled, and says what became of each', async (t) => {
  const system = await startCommandLine(t, {
    sink: { rules: { rcpt: { 'no@dest.test': '550 5.1.1 no such user\u001b[31m' } } },
  });
  const { code, stdout } = await system.rebound(
    ...'send --from ann@home.test --to bob@dest.test,no@dest.test --to eve@other.test --subject hi --text hello --wait'.split(' '),
  );
  assert.equal(code, 1, 'not delivered to all');
  assert.match(stdout, /^RECIPIENT +BECAME +ATTEMPTS +REPLY +MESSAGE\n/);
  assert.match(stdout, /^bob@dest\.test +delivered +1 +250 /m);
  assert.match(stdout, /^eve@other\.test +delivered +1 +250 /m);
  assert.match(stdout, /^no@dest\.test +bounced +1 +550 5\.1\.1 no such user/m);
  assert.ok(!stdout.includes('\u001b'), 'what a server says steers no terminal');
  const asJson = await system.rebound(...'send --from ann@home.test --to no@dest.test --text x --wait --json'.split(' '));
  assert.ok(!asJson.stdout.includes('\u001b'));
  assert.equal((JSON.parse(asJson.stdout) as Sent).results[0]?.reply, '550 5.1.1 no such user\u001b[31m', 'JSON keeps its value');
  assert.match(String(system.sink.messages[0]?.bytes), /^Subject: hi\r$/m);
});

test('a message comes from a file, from standard input, or is written already', async (t) => {
  const system = await startCommandLine(t);
  const file = join(system.redis.dir, 'mail.eml');
  await writeFile(file, 'From: x@y.test\r\nSubject: written already\r\n\r\nas it is\r\n');
  const to = ['--from', 'ann@home.test', '--to', 'bob@dest.test', '--wait', '--json'];
  const ways: [string[], string, RegExp][] = [
    [['send', '--raw', file], '', /^Subject: written already\r$[^]*as it is/m],
    [['send', '--raw', '-'], 'Subject: piped\n\nx\n', /^Subject: piped\r$/m],
    [['send', '--file', file], '', /written already[^]*as it is/],
    [['send'], 'words of standard input', /words of standard input/],
  ];
  for (const [way, input, content] of ways) {
    const before = system.sink.messages.length;
    const { code, stdout, stderr } = await system.reboundWith({ input }, ...way, ...to);
    assert.equal(code, 0, stderr);
    const { results } = JSON.parse(stdout) as Sent;
    assert.deepEqual(
      results.map(({ recipient, fate }) => [recipient, fate]),
      [['bob@dest.test', 'delivered']],
    );
    assert.match(String(system.sink.messages.slice(before)[0]?.bytes), content, way.join(' '));
  }
});

test('who waits no longer is told what waits', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: { rcpt: '451 4.2.0 later' } } });
  const { code, stdout } = await system.rebound(...'send --from a@home.test --to b@dest.test --text x --wait --for 3s'.split(' '));
  assert.equal(code, 1);
  assert.match(stdout, /^b@dest\.test +waiting +/m);
});

test('a message that was sent with a key is sent once', async (t) => {
  const system = await startCommandLine(t);
  const args = ['send', '--from', 'a@home.test', '--to', 'b@dest.test', '--text', 'x', '--key', 'order-1'];
  assert.deepEqual(await system.json(...args), await system.json(...args));
});

test('a wrong call says which option is wrong', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const calls: [string[], RegExp][] = [
    [['send', '--to', 'a@b.test'], /--from is needed/],
    [['send', '--from', 'a@b.test'], /--to is needed/],
    [['send', '--from', 'a@b.test', '--to', 'a@b.test', '--text', 'x', '--raw', 'y'], /one of --text, --file and --raw/],
    [['send', '--from', 'a@b.test', '--to', 'a@b.test', '--raw', 'y', '--subject', 'x'], /--subject does not go with --raw/],
    [['send', '--from', 'a@b.test', '--to', 'nobody', '--text', 'x'], /to\.0.*: expected an address/],
    [['send', '--from', 'a@b.test', '--to', 'a@b.test', '--text', 'x', '--wait', '--for', 'ever'], /--for must be a time/],
  ];
  for (const [args, words] of calls) {
    const { code, stderr } = await system.rebound(...args);
    assert.deepEqual([code, words.test(stderr)], [2, true], `${args.join(' ')}: ${stderr}`);
  }
});
