import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { endpoints } from '../../shared/core/api/endpoints.ts';
import { ApiError, ApiUnreachable, ReboundClient, type ClientOptions } from '../../shared/io/client.ts';
import { bounceRecord, startTestAdmin, type TestAdmin } from '../support/admin.ts';
import { cleanUp } from '../support/cleanup.ts';

const urlOf = ({ port }: { port: number }): string => `http://127.0.0.1:${port}`;
const clientOf = (admin: TestAdmin, options: ClientOptions = {}): ReboundClient => new ReboundClient({ url: urlOf(admin), ...options });

const login = { name: 'ann', password: 'secret: of änn', role: 'operator' } as const;
const token = { name: 'shop', token: 'token-of-the-shop-0123', role: 'viewer' } as const;

test('every operation is a method of its name', () => {
  const client = new ReboundClient();
  for (const name of Object.keys(endpoints)) assert.equal(typeof client[name as keyof ReboundClient], 'function', name);
});

test('an operation is asked with its path, query and body, and gives its answer', async (t) => {
  const admin = await startTestAdmin(t);
  const client = clientOf(admin);
  const [first = ''] = await admin.queue('bob@dest.test', 'bob@other.test');
  const { lanes, total } = await client.lanes({ query: { sort: 'age', limit: 1, site: undefined } });
  assert.deepEqual([lanes.length, total], [1, 1], 'both domains have the route of all');
  const one = await client.lane({ params: { lane: lanes[0]?.lane ?? '' } });
  assert.equal(one.waiting, 2);
  const message = await client.message({ params: { id: first } });
  assert.deepEqual(
    message.jobs.map(({ recipients }) => recipients),
    [['bob@dest.test']],
  );
  await admin.publish(bounceRecord({ event_id: 'one' }), bounceRecord({ event_id: 'two', type: 'Delivery' }));
  const { records } = await client.dispositions({ query: { type: ['Bounce', 'Delivery'] } });
  assert.deepEqual(
    records.map(({ event_id }) => event_id),
    ['two', 'one'],
  );
  const raw = await client.injectRaw({
    query: { sender: 'ann@home.test', to: ['a@dest.test', 'b@dest.test'] },
    body: 'Subject: ä\n\nhello\n',
  });
  assert.equal(raw.queued, 2);
});

test('a write with an idempotency key is done once', async (t) => {
  const admin = await startTestAdmin(t);
  const mail = { from: 'ann@home.test', to: ['bob@dest.test'], text: 'hello' };
  const client = clientOf(admin);
  const first = await client.inject({ body: mail, idempotencyKey: 'order-1' });
  assert.deepEqual(await client.inject({ body: mail, idempotencyKey: 'order-1' }), first);
  assert.notDeepEqual(await client.inject({ body: mail, idempotencyKey: 'order-2' }), first);
});

test('it logs in with a token, with user and password, and with those of the address', async (t) => {
  const admin = await startTestAdmin(t, { admin: { users: [login], tokens: [token] } });
  const inAddress = `http://ann:${encodeURIComponent(login.password)}@127.0.0.1:${admin.port}`;
  const ways: [ClientOptions, string][] = [
    [{ token: token.token }, 'shop'],
    [{ user: 'ann', password: login.password }, 'ann'],
    [{ url: inAddress }, 'ann'],
    [{ url: `${inAddress}/`, token: token.token }, 'shop'],
  ];
  for (const [options, name] of ways) assert.equal((await clientOf(admin, options).status()).you.name, name);
});

test('what the API refuses is an error with status, words and fields', async (t) => {
  const admin = await startTestAdmin(t, { admin: { tokens: [token] } });
  const refusals: [() => Promise<unknown>, number, string[]][] = [
    [() => clientOf(admin).status(), 401, []],
    [() => clientOf(admin, { token: 'no-token-of-anybody' }).status(), 401, []],
    [() => clientOf(admin, token).config(), 403, []],
    [() => clientOf(admin, token).lanes({ query: { limit: 0, sort: 'size' as 'age' } }), 400, ['limit', 'sort']],
    [() => clientOf(admin, token).lane({ params: { lane: '../../api/audit' } }), 404, []],
    [() => clientOf(admin, token).lane({ params: { lane: '..' } }), 404, []],
    [() => clientOf(admin, token).lane({ params: { lane: 'half \ud800' } }), 404, []],
  ];
  for (const [call, status, fields] of refusals) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.status, status);
      assert.equal(error.message, error.detail);
      assert.deepEqual(new Set(error.errors.map(({ field }) => field)), new Set(fields));
      return true;
    });
  }
});

test('Redis away is status 503, with the time to wait', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.redis.kill();
  await assert.rejects(
    clientOf(admin).lanes(),
    (error) => error instanceof ApiError && error.status === 503 && error.retryAfter !== undefined,
  );
  await admin.redis.restart();
});

test('no answer is another error, and an aborted call its own', async (t) => {
  const silent = await listen(t, createServer());
  const free = await listen(t, createServer());
  await new Promise((resolve) => free.server.close(resolve));
  await assert.rejects(new ReboundClient({ url: free.url }).status(), (error) => {
    assert.ok(error instanceof ApiUnreachable);
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
    return true;
  });
  await assert.rejects(new ReboundClient({ url: silent.url, timeout: 50 }).status(), {
    name: 'ApiUnreachable',
    message: `${silent.url} has not answered for 0.05 s`,
  });
  const stop = new AbortController();
  const reason = new Error('enough');
  const call = new ReboundClient({ url: silent.url }).status({ signal: stop.signal });
  stop.abort(reason);
  await assert.rejects(call, reason);
  await assert.rejects(new ReboundClient({ url: silent.url, signal: AbortSignal.abort(reason) }).status(), reason);
});

test('a password in the address is in no error', async () => {
  const client = new ReboundClient({ url: 'http://ann:hunter2@127.0.0.1:1' });
  await assert.rejects(client.status(), (error) => !JSON.stringify([String(error), (error as Error).stack]).includes('hunter2'));
  assert.throws(() => new ReboundClient({ url: 'ftp://ann:hunter2@127.0.0.1' }), {
    message: 'expected an address such as http://127.0.0.1:8080',
  });
});

test('a server in between may say anything', async (t) => {
  const answers: [RequestListener, string, number | undefined][] = [
    [(_, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>no</h1>'), 'the answer is 502 Bad Gateway', 502],
    [(_, response) => response.writeHead(500).end('{"detail": 7, "errors": {}}'), 'the answer is 500 Internal Server Error', 500],
    [(_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 'cannot be reached', undefined],
    [(_, response) => response.writeHead(200).end('<h1>welcome</h1>'), 'cannot be reached', undefined],
  ];
  for (const [answer, words, status] of answers) {
    const { url } = await listen(t, createHttpServer(answer));
    await assert.rejects(new ReboundClient({ url }).status(), (error) => {
      assert.ok(error instanceof (status === undefined ? ApiUnreachable : ApiError));
      assert.ok(error.message.includes(words), error.message);
      return true;
    });
  }
});

test('what a proxy puts before the path stays', async (t) => {
  const paths: (string | undefined)[] = [];
  const { url } = await listen(
    t,
    createHttpServer(({ url: path }, response) => {
      paths.push(path);
      response.end('{}');
    }),
  );
  await new ReboundClient({ url: `${url}/mail/rebound/` }).lane({ params: { lane: 'default->a b/c' } });
  assert.deepEqual(paths, ['/mail/rebound/api/lanes/default-%3Ea%20b%2Fc']);
});

test('events come as they happen, and go on behind the last one when the connection breaks', async (t) => {
  const admin = await startTestAdmin(t);
  const proxy = await startProxy(t, admin.port);
  const stop = new AbortController();
  const client = new ReboundClient({ url: proxy.url, signal: stop.signal });
  await admin.publish(bounceRecord({ event_id: 'one' }));
  const events = client.events({ query: { after: '0', type: 'Bounce' } })[Symbol.asyncIterator]();
  const nextId = async (): Promise<string> => {
    const { value } = await events.next();
    return (JSON.parse(value?.data ?? '{}') as { event_id: string }).event_id;
  };
  assert.equal(await nextId(), 'one');
  await admin.publish(bounceRecord({ event_id: 'two', sender: 'a\r\n\r\ndata: forged' }));
  assert.equal(await nextId(), 'two');
  proxy.breakAll();
  await admin.publish(bounceRecord({ event_id: 'three' }), bounceRecord({ type: 'Delivery' }), bounceRecord({ event_id: 'four' }));
  assert.deepEqual([await nextId(), await nextId()], ['three', 'four']);
  assert.ok(proxy.connections() > 1);
  const last = events.next();
  stop.abort();
  assert.deepEqual(await last, { value: undefined, done: true });
});

test('an event of which the connection broke off the end is asked for again', async (t) => {
  const places: unknown[] = [];
  const { url } = await listen(
    t,
    createHttpServer((request, response) => {
      places.push(request.headers['last-event-id']);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (places.length > 1) response.write('id: 2-0\ndata: two\n\n');
      else response.write('retry: 1\n\nid: 1-0\ndata: one\n\nid: 2-0\ndata: tw', () => response.destroy());
    }),
  );
  const got: string[] = [];
  for await (const { id, data } of new ReboundClient({ url }).events()) if (got.push(`${id} ${data}`) === 2) break;
  assert.deepEqual(got, ['1-0 one', '2-0 two']);
  assert.deepEqual(places, [undefined, '1-0']);
});

test('a stream that cannot be had is an error at once', async (t) => {
  const admin = await startTestAdmin(t);
  const first = (client: ReboundClient, after: string): Promise<unknown> =>
    client.events({ query: { after } })[Symbol.asyncIterator]().next();
  await assert.rejects(first(clientOf(admin), 'now'), (error) => error instanceof ApiError && error.errors[0]?.field === 'after');
  await assert.rejects(first(new ReboundClient({ url: 'http://127.0.0.1:1' }), '0'), ApiUnreachable);
});

test('a loop that is left closes the stream', async (t) => {
  const admin = await startTestAdmin(t);
  const proxy = await startProxy(t, admin.port);
  await admin.publish(bounceRecord());
  for await (const { data } of new ReboundClient({ url: proxy.url }).events({ query: { after: '0' } })) {
    assert.match(data, /^\{/);
    break;
  }
  await proxy.untilIdle();
});

test('nothing but zod comes with it', () => {
  const hooks = `import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) => { const found = next(name, context); console.log(found.url); return found; } });`;
  const file = new URL('../../shared/io/client.ts', import.meta.url);
  const script = `${hooks}\nawait import(${JSON.stringify(file.href)});`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const loaded = stdout.trim().split('\n');
  assert.ok(loaded.length > 10, stderr);
  const foreign = loaded.filter((url) => !url.includes('/shared/core/') && !url.includes('/node_modules/zod/') && !url.startsWith('node:'));
  assert.deepEqual(new Set(foreign.map((url) => url.split('/').pop())), new Set(['client.ts', 'server-sent-events.ts']));
});

/** Never called: that it compiles is the test. */
export function types(client: ReboundClient): void {
  const answer: Promise<{ lanes: { lane: string; oldest: string | null }[] }> = client.lanes();
  void answer;
  void client.lane({ params: { lane: 'default->dest.test' } });
  void client.inject({ body: { from: 'a@b.c', to: ['b@b.c'], text: '' }, idempotencyKey: 'x' });
  // @ts-expect-error -- a filter of that name is not known
  void client.lanes({ query: { sitee: 'x' } });
  // @ts-expect-error -- a number
  void client.lanes({ query: { limit: 'many' } });
  // @ts-expect-error -- one of depth and age
  void client.lanes({ query: { sort: 'size' } });
  // @ts-expect-error -- which one?
  void client.lane();
  // @ts-expect-error -- a reason is needed
  void client.bounceMessage({ params: { id: 'x' }, body: {} });
  // @ts-expect-error -- the sender is needed
  void client.injectRaw({ query: { to: 'x@y.z' }, body: '' });
  // @ts-expect-error -- a look needs no key
  void client.status({ idempotencyKey: 'x' });
  // @ts-expect-error -- the answer has no such field
  void client.status().then(({ lanez }) => lanez);
  // @ts-expect-error -- a stream is no answer
  void client.events().then(String);
  // @ts-expect-error -- there is no such operation
  void client.explode();
}

async function listen<S extends Server>(t: TestContext, server: S): Promise<{ server: S; url: string }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

interface Proxy {
  url: string;
  connections(): number;
  /** Breaks every connection of now. */
  breakAll(): void;
  /** Resolves when no connection is open. */
  untilIdle(): Promise<void>;
}

/** Passes octets on, until it is told to break. */
async function startProxy(t: TestContext, port: number): Promise<Proxy> {
  const open = new Set<Socket>();
  let connections = 0;
  const { server, url } = await listen(
    t,
    createServer((socket) => {
      connections += 1;
      open.add(socket);
      const upstream = connect(port, '127.0.0.1');
      cleanUp(t, () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
      upstream.on('close', () => socket.destroy());
      socket.on('close', () => {
        upstream.destroy();
        open.delete(socket);
        server.emit('idle');
      });
      socket.pipe(upstream).pipe(socket);
    }),
  );
  return {
    url,
    connections: () => connections,
    breakAll: () => {
      for (const socket of open) socket.destroy();
    },
    untilIdle: async () => {
      while (open.size > 0) await once(server, 'idle');
    },
  };
}
