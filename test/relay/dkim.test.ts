import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { dkimRecord, loadDkimKeys } from '../../shared/io/dkim.ts';
import { ConfigError } from '../../shared/io/config-load.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { dkimSettings, readRecord, storeFiles } from '../support/dkim-keys.ts';
import { findReader } from '../support/foreign-tools.ts';
import { startRebound } from '../support/relay.ts';

const home = 'ann@home.test';
const refusing = { rules: { rcpt: { 'bob@dest.test': '550 5.1.1 no such user' } } };

interface Verdict {
  valid: boolean;
  reason: string | null;
  algorithm: string;
  domain: string;
  time: string;
}

/** dkimpy, with the public keys of these settings as the whole DNS. */
async function findVerifier(t: TestContext, settings: Awaited<ReturnType<typeof dkimSettings>>) {
  const read = await findReader(t, 'dkimpy');
  if (!read) return undefined;
  const { keys } = await loadDkimKeys(settings);
  const records = JSON.stringify(Object.fromEntries(keys.map((key) => readRecord(dkimRecord(key)))));
  return async (...messages: Buffer[]) => (await read(await storeFiles(t, [records, ...messages]))) as Verdict[][];
}

test('dkimpy finds both signatures of a report right where it arrives, with an 8-bit original, and none after a change', async (t) => {
  const settings = await dkimSettings(t, 'example.com');
  const verify = await findVerifier(t, settings);
  if (!verify) return;
  const began = Math.floor(Date.now() / 1000);
  const relay = await startRebound(t, { sink: refusing, config: { hostname: 'mx.example.com', bounce: { dkim: settings } } });
  const body = Buffer.from(
    'From: a@x.test\r\nSubject: f\u00fcr\r\nMessage-ID: <m1@x.test>\r\n\r\n gr\u00fc\u00dfe  \t\r\n\r\n.dot\r\n\r\n\r\n',
    'latin1',
  );
  await relay.send({ from: home, to: 'bob@dest.test', raw: body });
  const report = await relay.sink.next((message) => message.sender === '');
  const text = report.bytes.toString('latin1');
  assert.ok(Buffer.from(parseRfc3464(report.bytes)?.returned?.content ?? []).includes(Buffer.from(' gr\u00fc\u00dfe  \t\r\n', 'latin1')));

  const tampered = [text.replace('no such user', 'such a user!'), text.replace(/^Date: /m, 'Date:  Mon, '), `From: evil@x.test\r\n${text}`];
  const [asItIs, ...changed] = await verify(report.bytes, ...tampered.map((message) => Buffer.from(message, 'latin1')));
  assert.deepEqual(
    asItIs?.map(({ valid, reason, algorithm, domain }) => ({ valid, reason, algorithm, domain })),
    ['rsa-sha256', 'ed25519-sha256'].map((algorithm) => ({ valid: true, reason: null, algorithm, domain: 'example.com' })),
  );
  for (const { time } of asItIs) assert.ok(Number(time) >= began && Number(time) <= Date.now() / 1000, time);
  assert.equal(changed.length, 3);
  for (const verdicts of changed) assert.deepEqual([verdicts.length, verdicts.filter(({ valid }) => valid)], [2, []]);
  // RFC 7489 §3.1.1: the author is of the signing domain or below it.
  assert.match(text, /^From: .*@(?:[a-z]+\.)*example\.com>\r$/m);
});

test('without keys a report has no signature', async (t) => {
  const relay = await startRebound(t, { sink: refusing });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const report = await relay.sink.next((message) => message.sender === '');
  assert.doesNotMatch(report.bytes.toString('latin1'), /DKIM-Signature/i);
});

test('the bounce role does not start with a key that it cannot use', async (t) => {
  const dkim = [{ domain: 'relay.test', selector: 's', keyFile: '/nowhere/key.pem' }];
  const relay = await startRebound(t, { bounces: false, config: { bounce: { dkim } } });
  await assert.rejects(
    relay.startBounce(),
    (error) => error instanceof ConfigError && /^bounce\.dkim\.0\.keyFile = .*ENOENT/.test(error.message),
  );
});
