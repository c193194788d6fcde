import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { ConfigInput } from '../../shared/core/config.ts';
import { startSink, type Sink } from '../../shared/io/sink-server.ts';
import type { Role } from '../../workers/cli/roles.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startCollector, type CollectedSpan } from '../support/collector.ts';
import { until } from '../support/endpoint.ts';
import { freePort } from '../support/ports.ts';
import { startRole, type RoleProcess } from '../support/processes.ts';
import { startRedis } from '../support/redis.ts';
import { startRebound, testConfig } from '../support/relay.ts';
import { startSteered } from '../support/steering.ts';

interface System {
  sink: Sink;
  processes: Map<Role, RoleProcess>;
  adminPort: number;
  inject(to: string, headers?: Record<string, string>): Promise<void>;
}

/** The roles as processes of their own, with these settings of traces. */
async function startSystem(t: TestContext, tracing: ConfigInput['tracing']): Promise<System> {
  const redis = await startRedis(t);
  const sink = await startSink({ rules: { rcpt: { 'nobody@dest.test': '550 5.1.1 <nobody@dest.test>: no such user' } } });
  cleanUp(t, () => sink.close());
  const adminPort = await freePort();
  const config = testConfig(redis.dir, sink.port, { tracing, admin: { port: adminPort }, ingress: { port: await freePort() } });
  const processes = new Map<Role, RoleProcess>();
  for (const role of ['ingress', 'delivery', 'bounce', 'admin'] as const) {
    const started = await startRole(t, role, redis, config);
    processes.set(role, started);
    await until(() => started.log().includes('"event":"ready"'), `${role} to be ready`);
  }
  const inject = async (to: string, headers: Record<string, string> = {}): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/api/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({
        from: { address: 'ann@home.test' },
        to: [{ address: to }],
        subject: 'a secret subject',
        text: 'a secret text',
      }),
    });
    assert.equal(response.status, 202, await response.text());
  };
  return { sink, processes, adminPort, inject };
}

const parent = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const traceparent = (flags: string): Record<string, string> => ({ traceparent: `00-${parent.traceId}-${parent.spanId}-${flags}` });
const childOf = (spans: CollectedSpan[], { spanId }: { spanId: string }, name: string): CollectedSpan => {
  const found = spans.filter((span) => span.parentSpanId === spanId && span.name === name);
  assert.ok(found[0], `${name} under ${spanId}; there are:\n${spans.map((s) => `${s.name} ${s.spanId} < ${s.parentSpanId}`).join('\n')}`);
  return found[0];
};

test('what an order ends is in the trace of its message, and its report too', async (t) => {
  const collector = await startCollector(t);
  const { inject, sink, adminPort } = await startSystem(t, { endpoint: collector.url });
  const give = async (kind: string): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/api/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind, criteria: { domain: 'gone.test' }, reason: 'it has closed' }),
    });
    assert.equal(answer.status, 201, await answer.text());
  };
  await give('hold');
  await give('bounce');
  await inject('ann@gone.test', traceparent('01'));
  await sink.until(() => sink.messages.some(({ sender }) => sender === ''));
  await until(() => collector.spans().some(({ name }) => name === 'report'), 'the span of the report');
  const spans = collector.spans();
  const reported = spans.find(({ name }) => name === 'report');
  assert.equal(reported?.traceId, parent.traceId);
  await until(
    () => collector.spans().some(({ name, spanId }) => name === 'disposition' && spanId === reported?.parentSpanId),
    'the disposition',
  );
});

test('one trace follows a message from the program that injects it to the delivery of its report', async (t) => {
  const collector = await startCollector(t);
  const { inject, sink } = await startSystem(t, { endpoint: collector.url, headers: { 'x-key': 'k3y' } });
  await inject('nobody@dest.test', traceparent('01'));
  await sink.until(() => sink.messages.some(({ sender }) => sender === ''));
  // Each process sends when it likes; a step that is done twice is told twice.
  const wanted = { receive: 2, deliver: 2, disposition: 2, report: 1 };
  const count = (wantedName: string): number => collector.spans().filter(({ name }) => name === wantedName).length;
  await until(() => Object.entries(wanted).every(([name, least]) => count(name) >= least), 'all spans');
  const spans = collector.spans();
  assert.deepEqual([...new Set(spans.map(({ traceId }) => traceId))], [parent.traceId]);

  const received = childOf(spans, parent, 'receive');
  const delivered = childOf(spans, received, 'deliver');
  const bounced = childOf(spans, delivered, 'disposition');
  const reported = childOf(spans, bounced, 'report');
  const reportReceived = childOf(spans, reported, 'receive');
  const reportDelivered = childOf(spans, reportReceived, 'deliver');
  const told = childOf(spans, reportDelivered, 'disposition');
  assert.deepEqual(
    [received, delivered, bounced, reported, reportReceived, reportDelivered, told].map(({ role }) => role),
    ['admin', 'delivery', 'delivery', 'bounce', 'bounce', 'delivery', 'delivery'],
  );
  assert.equal(new Set(spans.map(({ instance }) => instance)).size, 3);
  assert.equal(received.attributes['messaging.message.id'], delivered.attributes['messaging.message.id']);
  assert.notEqual(received.attributes['messaging.message.id'], reportDelivered.attributes['messaging.message.id']);
  assert.partialDeepStrictEqual(delivered.attributes, {
    'messaging.system': 'rebound',
    'network.peer.address': '127.0.0.1',
    'rebound.attempt': 1,
    'error.type': 'Bounce',
  });
  assert.deepEqual(delivered.status, { code: 2, message: '550 5.1.1' });
  assert.partialDeepStrictEqual(bounced.attributes, { 'rebound.disposition': 'Bounce', 'rebound.reply.code': 550 });
  assert.deepEqual(reported.attributes['rebound.report.outcomes'], ['sent']);
  assert.notEqual(told.status.code, 2);

  const sent = collector.requests.map(({ body }) => body).join('');
  for (const word of ['nobody@', 'ann@', 'secret', 'no such user']) assert.ok(!sent.includes(word), `${word} is nobody's business`);
  for (const { path, headers } of collector.requests) assert.deepEqual([path, headers['x-key']], ['/v1/traces', 'k3y']);
});

test('what is not to be sampled is not traced, and no traceparent goes on with it', async (t) => {
  const collector = await startCollector(t);
  const relay = await startRebound(t, { config: { tracing: { endpoint: collector.url, sampling: 0 } } });
  await relay.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  const [delivery] = await relay.until(({ type }) => type === 'Delivery');
  assert.equal(delivery?.traceparent, undefined);
  await relay.context.tracing.close();
  assert.deepEqual(collector.requests, []);
});

test('records name the span that they are from, and outcomes that are told together are linked', async (t) => {
  const collector = await startCollector(t);
  const relay = await startRebound(t, {
    config: { tracing: { endpoint: collector.url }, bounce: { hold: '5s' } },
    sink: { rules: { rcpt: { 'a@one.test': '550 5.1.1 no', 'b@two.test': '550 5.1.1 no' } } },
  });
  await relay.send({ from: 'ann@home.test', to: ['a@one.test', 'b@two.test'] });
  const bounces = await relay.until(({ type }) => type === 'Bounce', 2);
  await until(() => collector.spans().some(({ name, links }) => name === 'report' && links.length > 0), 'a report with a link');
  const report = collector.spans().find(({ name, links }) => name === 'report' && links.length > 0);
  const told = [report?.parentSpanId, ...(report?.links ?? []).map(({ spanId }) => spanId)];
  assert.deepEqual(new Set(told), new Set(bounces.map((record) => record.traceparent?.split('-')[2])));
});

test('a message that an order puts off has no attempt, and the report of one that an order ends is in its trace', async (t) => {
  const collector = await startCollector(t);
  const relay = await startSteered(t, { config: { tracing: { endpoint: collector.url } }, deliveries: 1 });
  const hold = await relay.give({ kind: 'hold', criteria: { domain: 'dest.test' }, reason: 'wait' });
  await relay.untilKnown();
  await relay.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await relay.until(({ type, order }) => type === 'Delayed' && order?.id === hold.id);
  await relay.give({ kind: 'bounce', criteria: { domain: 'dest.test' }, reason: 'gone' });
  const [ended] = await relay.until(({ type }) => type === 'AdminBounce');
  await relay.sink.until(() => relay.sink.messages.some(({ sender }) => sender === ''));
  await until(() => collector.spans().filter(({ name }) => name === 'deliver').length > 0, 'the report to be delivered');
  const spans = collector.spans();
  const received = spans.find(({ name, parentSpanId }) => name === 'receive' && !parentSpanId);
  assert.ok(received);
  const disposed = childOf(spans, received, 'disposition');
  assert.equal(ended?.traceparent?.split('-')[2], disposed.spanId);
  const reported = childOf(spans, childOf(spans, disposed, 'report'), 'receive');
  childOf(spans, reported, 'deliver');
  assert.equal(spans.filter(({ name }) => name === 'deliver').length, 1, 'the original was never tried');
});

const collectors: [name: string, answer: Parameters<typeof startCollector>[1] | 'absent'][] = [
  ['is not there', 'absent'],
  ['never answers', () => undefined],
  ['answers without end', (response) => endless(response)],
  ['refuses', (response) => void response.writeHead(500).end('no')],
];
for (const [name, answer] of collectors) {
  test(`mail goes on when the collector ${name}, and the roles end in time`, async (t) => {
    const url = answer === 'absent' ? `http://127.0.0.1:${await freePort()}` : (await startCollector(t, answer)).url;
    const { inject, sink, processes } = await startSystem(t, { endpoint: url });
    for (let n = 0; n < 5; n++) await inject(`r${n}@dest.test`);
    await sink.until(() => sink.messages.length >= 5);
    for (const process of processes.values()) assert.equal(await process.terminate(), 0);
  });
}

function endless(response: Parameters<NonNullable<Parameters<typeof startCollector>[1]>>[0]): void {
  response.on('error', () => undefined).writeHead(200);
  const timer = setInterval(() => (response.destroyed ? clearInterval(timer) : response.write('x'.repeat(65_536))), 5);
}

test('without an endpoint nothing of OpenTelemetry is loaded', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    for (const role of ['ingress', 'delivery', 'bounce', 'admin']) await import(process.argv[1] + 'workers/' + role + '/main.ts');
    const { noTracing, openTracing } = await import(process.argv[1] + 'shared/io/tracing.ts');
    const off = await openTracing({ endpoint: '', sampling: 1, headers: {} }, 'x-1', {});
    const before = loaded.filter((url) => url.includes('opentelemetry')).length;
    await openTracing({ endpoint: 'http://127.0.0.1:1', sampling: 1, headers: {} }, 'x-1', {});
    const after = loaded.filter((url) => url.includes('opentelemetry')).length;
    console.log(JSON.stringify([off === noTracing, before, after > 0]));
    process.exit(0);`;
  const root = new URL('../../', import.meta.url).href;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, root]);
  assert.deepEqual(JSON.parse(stdout), [true, 0, true]);
});
