import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { HookHandler, InjectMessage } from '../../shared/core/hook.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { hookQueue, hookSubscription, type Subscription } from '../../shared/core/subscriptions.ts';
import { dkimSigner } from '../../shared/io/dkim.ts';
import { trimBacklogs } from '../../shared/io/hook-backlog.ts';
import { startHook, type Hook } from '../../shared/io/hook.ts';
import { openInjection } from '../../shared/io/inject.ts';
import { openPipeline, type Pipeline } from '../../shared/io/pipeline.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startEndpoint, until } from '../support/endpoint.ts';
import { startRebound, type Relay, type RelayOptions } from '../support/relay.ts';

const home = 'ann@home.test';
const nobody = 'nobody@dest.test';
const refusing = { rules: { rcpt: { [nobody]: '550 5.1.1 no such user' } } };

interface HookedRelay extends Relay {
  pipeline: Pipeline;
  injection: { injectMessage: InjectMessage };
  start(changes?: Partial<Hook>): Promise<{ close(): Promise<void> }>;
  count(state: 'wait' | 'active' | 'delayed' | 'failed'): Promise<number>;
  /** The names that hold the spool entry of a message. */
  holders(message: string | undefined): Promise<string[]>;
}

/** A relay without a bounce worker, whose publishers know one hook called `mine`. */
async function startHooked(
  t: TestContext,
  run: HookHandler,
  options: RelayOptions = {},
  subscription?: Subscription,
): Promise<HookedRelay> {
  const hook = { name: 'mine', types: ['Bounce'] } as const;
  const relay = await startRebound(t, {
    bounces: false,
    sink: refusing,
    ...options,
    config: { bounce: { enabled: false }, ...options.config },
    subscriptions: [subscription ?? hookSubscription(hook)],
  });
  const pipeline = openPipeline(relay.observer);
  cleanUp(t, () => pipeline.close());
  return {
    ...relay,
    pipeline,
    injection: openInjection(relay.observer, pipeline),
    start: async (changes) => {
      const running = await startHook({ ...hook, run, backoff: { first: 20, max: 50 }, ...changes }, relay.observer, pipeline);
      let closing: Promise<void> | undefined;
      const close = (): Promise<void> => (closing ??= running.close());
      cleanUp(t, close);
      return { close };
    },
    count: async (state) => {
      const [count = 0] = await pipeline.queues.backend(hookQueue('mine')).getCounts([state]);
      return count;
    },
    holders: async (message) => {
      const fields = await relay.observer.redis.client.hkeys(relay.observer.redis.key(`spool:${message}`));
      return fields.filter((field) => field.startsWith('h:')).map((field) => field.slice(2));
    },
  };
}

test('an original is kept until its hook is done, and let go of then', async (t) => {
  const seen: { id: string; recipients: readonly string[]; size: number; text: string; start: string }[] = [];
  const relay = await startHooked(t, async (message) => {
    const { id, recipients, size } = message;
    const [text, start] = [await message.content(), await message.content(5)].map((content) => Buffer.from(content ?? []).toString());
    seen.push({ id, recipients, size, text: text ?? '', start: start ?? '' });
  });
  await relay.send({ from: home, to: nobody, text: 'kept words' });
  const [bounce] = await relay.until((record) => record.type === 'Bounce');
  assert.ok(bounce);
  assert.deepEqual(await relay.holders(bounce.id), [`hook-mine/${bounce.event_id}`]);
  await relay.start();
  await until(async () => (await relay.leftovers()).length === 0, 'let go of');
  const [message] = seen;
  assert.ok(message);
  assert.deepEqual([message.id, message.recipients, message.size], [bounce.id, [nobody], bounce.size]);
  assert.match(message.text, /kept words/);
  assert.equal(message.start, message.text.slice(0, 5));
  assert.equal(await relay.observer.redis.client.zcard(relay.observer.redis.key('holds')), 0);
});

test('a large original is read from its tier, as much of it as is asked for', async (t) => {
  const sizes: number[] = [];
  const relay = await startHooked(
    t,
    async (message) => {
      for (const limit of [100_000, undefined]) sizes.push((await message.content(limit))?.length ?? -1);
    },
    { config: { bounce: { enabled: false }, spool: { driver: 'disk', threshold: '64KB' } } },
  );
  await relay.send({ from: home, to: nobody, text: `${'x'.repeat(76)}\r\n`.repeat(20_000) });
  await relay.start();
  await until(() => sizes.length >= 2, 'read');
  assert.deepEqual(sizes.slice(0, 2), [100_000, 1024 * 1024]);
  await until(async () => (await relay.leftovers()).length === 0, 'let go of');
});

test('a hook that fails is tried again; given up it lies in the failed set, and its original is kept no longer than the backlog', async (t) => {
  let runs = 0;
  const run: HookHandler = () => {
    runs++;
    throw new Error('always');
  };
  const subscription: Subscription = { ...hookSubscription({ name: 'mine', types: ['Bounce'] }), backlog: { records: 100, age: 1500 } };
  // No delivery worker may sweep before the test has looked.
  const relay = await startHooked(t, run, { config: { bounce: { enabled: false }, delivery: { sweepInterval: 600_000 } } }, subscription);
  await relay.start({ attempts: 3 });
  await relay.send({ from: home, to: nobody });
  await until(async () => (await relay.count('failed')) === 1, 'given up');
  assert.equal(runs, 3);
  const [bounce] = await relay.records('Bounce');
  assert.ok(bounce);
  const { redis, metrics } = relay.observer;
  assert.equal(await redis.client.hget(`${redis.prefix}:hook-mine:${bounce.event_id}`, 'failedReason'), 'always');
  assert.deepEqual(await relay.holders(bounce.id), [`hook-mine/${bounce.event_id}`]);
  await until(async () => {
    await trimBacklogs(relay.observer, relay.pipeline, false);
    return (await relay.leftovers()).length === 0;
  }, 'let go of when its time is up');
  const { values } = await metrics.hookJobs.get();
  const outcomes = Object.fromEntries(values.map(({ labels, value }) => [labels['outcome'], value]));
  assert.deepEqual(outcomes, { retry: 2, dead: 1, dropped: 0 });
});

test('a hook that takes too long is tried again, and others do not wait for it', async (t) => {
  const done: string[] = [];
  const hung = new Set<string>();
  const relay = await startHooked(
    t,
    (message, record) => {
      if (message.recipients.includes('slow@dest.test') && !hung.has(record.event_id)) {
        hung.add(record.event_id);
        return new Promise(() => undefined);
      }
      return done.push(String(record.recipient));
    },
    { sink: { rules: { rcpt: '550 5.1.1 no' } } },
  );
  await relay.start({ timeout: 500 });
  await relay.send({ from: home, to: 'slow@dest.test' });
  await relay.send({ from: home, to: 'quick@dest.test' });
  await until(() => done.length >= 2, 'both');
  assert.deepEqual([...done].sort(), ['quick@dest.test', 'slow@dest.test']);
  await until(async () => (await relay.leftovers()).length === 0, 'let go of');
});

test('a record that a consumer died with is run by the next one', async (t) => {
  const ran: string[] = [];
  const relay = await startHooked(t, (_message, record) => ran.push(record.event_id));
  await relay.send({ from: home, to: nobody });
  const [bounce] = await relay.until((record) => record.type === 'Bounce');
  assert.equal((await relay.pipeline.queues.take('hook-mine', 'of a consumer that is dead')).kind, 'job');
  await relay.start();
  await until(() => ran.length > 0, 'it ran');
  assert.equal(ran[0], bounce?.event_id);
  await until(async () => (await relay.leftovers()).length === 0, 'let go of');
});

test('a hook passes over what was queued before its types changed', async (t) => {
  let runs = 0;
  const relay = await startHooked(t, () => runs++);
  await relay.send({ from: home, to: nobody });
  await relay.until((record) => record.type === 'Bounce');
  await relay.start({ types: ['Expiration'] });
  await until(async () => (await relay.leftovers()).length === 0, 'let go of');
  assert.equal(runs, 0);
});

test('each of several subscribers hears a record, and of none is anything kept at the end', async (t) => {
  const endpoint = await startEndpoint(t);
  const heard: DispositionRecord[] = [];
  const relay = await startHooked(t, (_message, record) => heard.push(record), {
    bounces: true,
    config: { bounce: { enabled: true }, webhooks: { crm: { url: endpoint.url, batchWait: 0 } } },
  });
  await relay.start();
  await relay.send({ from: home, to: nobody });
  const [bounce] = await relay.until((record) => record.type === 'Bounce');
  await relay.sink.next((mail) => mail.sender === '');
  await until(() => endpoint.seen().has(bounce?.event_id ?? '') && heard.length > 0, 'the webhook and the hook');
  assert.equal(heard[0]?.event_id, bounce?.event_id);
  await relay.until((record) => record.type === 'Delivery' && record.sender === '');
  await until(async () => (await relay.leftovers()).length === 0, 'nothing is left');
});

test('what a hook injects goes out as mail; nonsense is refused before anything is queued', async (t) => {
  const relay = await startHooked(t, () => undefined);
  const { injectMessage } = relay.injection;
  const content = 'Subject: hello\nFrom: ops@home.test\n\nGr\u00fc\u00dfe\n.\nmore\n';
  const id = await injectMessage({
    sender: home,
    recipients: ['bob@dest.test', 'eve@other.test'],
    content,
    tenant: 'acme',
    once: 'mine/1',
  });
  assert.equal(await injectMessage({ sender: home, recipients: ['bob@dest.test'], content, once: 'mine/1' }), id);
  const twice = { sender: home, recipients: ['bob@dest.test'], content, once: 'mine/3' };
  const [first, second] = await Promise.all([injectMessage(twice), injectMessage(twice)]);
  assert.equal(first, second, 'at the same time, too');
  const mail = await relay.sink.next((message) => message.recipients.includes('bob@dest.test'));
  assert.ok(mail.bytes.toString().endsWith('Subject: hello\r\nFrom: ops@home.test\r\n\r\nGr\u00fc\u00dfe\r\n.\r\nmore\r\n'));
  const { privateKey: key } = generateKeyPairSync('ed25519');
  const sign = dkimSigner([{ domain: 'relay.test', selector: 's1', algorithm: 'ed25519-sha256', key }]);
  const signing = openInjection(relay.observer, relay.pipeline, sign);
  await signing.injectMessage({
    sender: '',
    recipients: ['signed@dest.test'],
    content: content.replace('ops@home.test', 'ops@relay.test'),
    once: 'mine/2',
  });
  const signed = await relay.sink.next((message) => message.recipients.includes('signed@dest.test'));
  assert.match(signed.bytes.toString(), /^DKIM-Signature:[^]*d=relay\.test[^]*\r\nSubject: hello\r\n/m);
  const nonsense = [
    { sender: 'a b@home.test' },
    { sender: `${home}>\r\nRCPT TO:<eve@dest.test` },
    { recipients: [] },
    { recipients: ['nobody'] },
    { once: '' },
    { content: 'x'.repeat(26 * 1024 * 1024) },
  ];
  for (const change of nonsense) await assert.rejects(injectMessage({ sender: home, recipients: ['bob@dest.test'], content, ...change }));
  const receptions = await relay.records('Reception');
  assert.deepEqual(
    receptions.map(({ sender, reception_protocol }) => [sender, reception_protocol]),
    [
      [home, 'Hook'],
      [home, 'Hook'],
      ['', 'Report'],
    ],
  );
});
