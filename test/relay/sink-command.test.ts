import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { smtpClient } from '../../shared/io/smtp-client.ts';

const cli = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

async function startSinkCommand(t: TestContext, rules: string) {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'rules.json');
  await writeFile(file, rules);
  const child = spawn(process.execPath, [cli, 'sink', '--port', '0', '--rules', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value ?? 'null')) as unknown;
  return { child, next, ended, err: () => err };
}

test('the sink answers by its rules file and tells what it accepted', { timeout: 20_000 }, async (t) => {
  const sink = await startSinkCommand(
    t,
    JSON.stringify({
      rcpt: { 'nobody@dest.test': '550 5.1.1 no such user', 'slow@dest.test': { delayMs: 20, answer: '451 4.7.1 later' } },
    }),
  );
  const { at } = (await sink.next()) as { at: string };
  const timeouts = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 5000 };
  const target = { name: 'localhost', address: '127.0.0.1', port: Number(new URL(at).port), protocol: 'smtp', tls: 'disabled' } as const;
  const opened = await smtpClient.connect(target, { ehloName: 'client.test', timeouts });
  assert.ok(opened.ok);
  const recipients = ['ok@dest.test', 'nobody@dest.test', 'slow@dest.test'].map((address) => ({ address }));
  const content = Buffer.from('Subject: x\r\n\r\nx\r\n');
  const outcomes = await opened.connection.send({
    envelope: { sender: 'a@home.test', recipients, smtpUtf8: false, eightBit: false },
    size: content.length,
    content,
  });
  await opened.connection.close();
  assert.deepEqual(
    outcomes.map(({ reply }) => reply.code),
    [250, 550, 451],
  );
  assert.deepEqual(await sink.next(), { event: 'message', sender: 'a@home.test', recipients: ['ok@dest.test'] });
  sink.child.kill('SIGTERM');
  assert.deepEqual(await sink.next(), { event: 'stopped', messages: 1, connections: 1 });
  assert.equal(await sink.ended, 0);
});

const mistakes: [name: string, rules: string, words: RegExp][] = [
  ['no JSON', '{', /the rules cannot be read/],
  ['an unknown step', '{"rcptt": "550 no"}', /rcptt/],
  ['no reply', '{"data": "no thanks"}', /data: expected a reply such as/],
  ['a wrong answer in a table', '{"rcpt": {"a@b.test": 550}}', /rcpt: expected an answer/],
  ['a negative delay', '{"connect": {"delayMs": -1}}', /connect\.delayMs: expected milliseconds/],
];
for (const [name, rules, words] of mistakes) {
  test(`a rules file with ${name} is refused in words`, { timeout: 20_000 }, async (t) => {
    const sink = await startSinkCommand(t, rules);
    assert.equal(await sink.ended, 1);
    assert.match(sink.err(), words);
    assert.ok(!sink.err().includes('    at '), sink.err());
  });
}
