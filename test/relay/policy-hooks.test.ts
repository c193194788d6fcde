import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseMime } from '../../shared/core/dsn/mime.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { hookQueue } from '../../shared/core/subscriptions.ts';
import { policyFolder, type PolicyFolder } from '../support/policy.ts';
import { startRole, type RoleProcess } from '../support/processes.ts';
import { startRebound, type Relay, type RelayOptions } from '../support/relay.ts';

const home = 'ann@home.test';
const nobody = 'nobody@dest.test';
const refusing = { rules: { rcpt: { [nobody]: '550 5.1.1 no such user' } } };
const example = (name: string): string => fileURLToPath(new URL(`../../infra/examples/${name}.ts`, import.meta.url));

/** Waits until something is so; a policy takes seconds to be loaded on a slow machine. */
async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 50_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within 50 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A relay whose reports are left to the hooks of a policy file. */
const startWith = (t: TestContext, file: string, options: RelayOptions = {}): Promise<Relay> =>
  startRebound(t, {
    sink: refusing,
    ...options,
    config: { ...options.config, policy: { file, timeout: '20s' }, bounce: { enabled: false } },
  });

test('the example ndr_generator takes the place of the bounce worker', async (t) => {
  const relay = await startWith(t, example('ndr-generator'));
  await relay.send({ from: home, to: nobody, text: 'words of the original' });
  const report = await relay.sink.next((mail) => mail.recipients.includes(home));
  assert.equal(report.sender, '');
  const text = report.bytes.toString();
  assert.match(text, /^Reporting-MTA: dns; mta1\.example\.com\r\n/m);
  assert.match(text, /words of the original/);
  const [block] = parseRfc3464(report.bytes)?.recipients ?? [];
  assert.deepEqual([block?.action, block?.status, block?.finalRecipient?.value], ['failed', '5.1.1', nobody]);
  await relay.until((record) => record.type === 'Delivery' && record.sender === '');
  await until(async () => (await relay.leftovers()).length === 0, 'originals are let go of');
  const receptions = await relay.records('Reception');
  assert.deepEqual(
    receptions.map((record) => record.reception_protocol),
    ['ESMTP', 'Report'],
  );
  const { client, prefix } = relay.observer.redis;
  for (const state of ['wait', 'delayed', 'completed']) assert.equal(await client.exists(`${prefix}:bounces:${state}`), 0, state);
});

test('a report of a hook that is refused itself makes no further report', async (t) => {
  const relay = await startWith(t, example('ndr-generator'), { sink: { rules: { rcpt: '550 5.1.1 no such user' } } });
  await relay.send({ from: home, to: nobody });
  const bounces = await relay.until((record) => record.type === 'Bounce', 2);
  assert.deepEqual(
    bounces.map(({ sender }) => sender),
    [home, ''],
  );
  const { client, prefix } = relay.observer.redis;
  const isDone = async ({ event_id }: { event_id: string }): Promise<boolean> =>
    (await client.zscore(`${prefix}:hook-ndr_generator:completed`, event_id)) !== null;
  for (const bounce of bounces) await until(() => isDone(bounce), 'the hook has heard both');
  assert.equal((await relay.records('Reception')).length, 2);
});

test('the example with words of its own puts them in front of the text, and programs read the same', async (t) => {
  const relay = await startWith(t, example('ndr-generator-with-text'));
  await relay.send({ from: home, to: nobody });
  const { bytes } = await relay.sink.next((mail) => mail.recipients.includes(home));
  const { body } = parseMime(bytes).simpleStructure().textPart;
  assert.match(body, /^MODIFIED!\r\n\S/);
  assert.match(body, /no such user/);
  assert.equal(parseRfc3464(bytes)?.recipients[0]?.status, '5.1.1');
});

test('a message that is larger than what the example reads is returned as its header, not cut', async (t) => {
  const relay = await startWith(t, example('ndr-generator'));
  await relay.send({ from: home, to: nobody, text: `${'words '.repeat(12)}\r\n`.repeat(20_000) });
  const { bytes } = await relay.sink.next((mail) => mail.recipients.includes(home));
  assert.match(bytes.toString(), /Content-Type: text\/rfc822-headers[^]*\r\nSubject: test\r\n/);
  assert.doesNotMatch(bytes.toString(), /words words/);
});

/** What hooks of a policy have written into a file beside it, one line of JSON each. */
interface Notes {
  folder: PolicyFolder;
  read(): Promise<Record<string, unknown>[]>;
  /** Waits for so many notes that fit. */
  until(count: number, fits?: (note: Record<string, unknown>) => boolean): Promise<Record<string, unknown>[]>;
}

/** `body`: of a policy; `hears(handler)` registers the hook `mine`, `note(object)` writes a note, `notes()` reads them. */
const noting = (folder: string, body: string): string => `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { definePolicy, injectMessage } from 'rebound';
const file = ${JSON.stringify(folder)};
const note = (what) => appendFileSync(file, JSON.stringify(what) + '\\n');
const notes = () => existsSync(file) ? readFileSync(file, 'utf8').trim().split('\\n').map((line) => JSON.parse(line)) : [];
export default definePolicy((policy) => {
  const hears = (handler, options = {}) => policy.hook('mine', { types: ['Bounce'], ...options }, handler);
  ${body}
});
`;

async function notesOf(t: TestContext, body: string): Promise<Notes & { put(body: string): Promise<void> }> {
  const folder = await policyFolder(t, '');
  const file = folder.path('notes.jsonl');
  const put = (text: string): Promise<void> => folder.put('policy.ts', noting(file, text));
  await put(body);
  const read = async (): Promise<Record<string, unknown>[]> => {
    const text = await readFile(file, 'utf8').catch(() => '');
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return {
    folder,
    put,
    read,
    until: async (count, fits = () => true) => {
      let found: Record<string, unknown>[] = [];
      await until(async () => (found = (await read()).filter(fits)).length >= count, `${count} notes of the hook`);
      return found;
    },
  };
}

const bounceOf = async (relay: Relay): Promise<string> => {
  const [bounce] = await relay.until((record) => record.type === 'Bounce');
  return bounce?.event_id ?? '';
};

test('a hook is given the message and the record, and reads as much of the message as it wants', async (t) => {
  const notes = await notesOf(
    t,
    `hears(async (message, record) => {
      const { id, sender, recipients, size } = message;
      const [whole, start] = [await message.content(), await message.content(5)].map((octets) => Buffer.from(octets).toString());
      const subject = await message.header('subject');
      const problems = [];
      for (const limit of [-1, NaN, 'x']) await message.content(limit).catch((error) => problems.push(error.name));
      note({ id, sender, recipients, size, whole, start, subject, problems, event: record.event_id, type: record.type });
      return () => 'what a hook returns is of no interest';
    });`,
  );
  const relay = await startWith(t, notes.folder.file);
  await relay.send({ from: home, to: nobody, text: 'all the words' });
  const [note] = await notes.until(1);
  const [bounce] = await relay.records('Bounce');
  assert.ok(note && bounce);
  const { whole, start, ...rest } = note;
  assert.match(String(whole), /Subject: test\r\n[^]*all the words/);
  assert.equal(start, String(whole).slice(0, 5));
  const { id, sender, size, event_id } = bounce;
  const want = { id, sender, recipients: [nobody], size, subject: ['test'], problems: ['RangeError', 'RangeError', 'RangeError'] };
  assert.deepEqual(rest, { ...want, event: event_id, type: 'Bounce' });
  await until(async () => (await relay.leftovers()).length === 0, 'let go of');
});

test('a hook that throws hears the record again, with the same event_id, until it succeeds', async (t) => {
  const notes = await notesOf(
    t,
    `hears((message, record) => {
      note({ event: record.event_id });
      if (notes().length < 3) throw new Error('not yet');
    });`,
  );
  const relay = await startWith(t, notes.folder.file);
  await relay.send({ from: home, to: nobody });
  const heard = await notes.until(3);
  const event = await bounceOf(relay);
  assert.deepEqual([...new Set(heard.map((note) => note['event']))], [event]);
  await until(async () => (await relay.leftovers()).length === 0, 'done, and the original let go of');
});

test('what a hook injects with "once" is injected once, however often it runs', async (t) => {
  const notes = await notesOf(
    t,
    `hears(async (message, record) => {
      const content = 'Subject: ticket\\n\\nhello\\n';
      const id = await policy.injectMessage({ sender: '${home}', recipients: ['desk@dest.test'], content, once: record.event_id + '/ticket' });
      note({ id });
      if (notes().length < 3) throw new Error('not yet');
    });`,
  );
  const relay = await startWith(t, notes.folder.file);
  await relay.send({ from: home, to: nobody });
  const ids = (await notes.until(3)).map((note) => note['id']);
  await relay.sink.next((mail) => mail.recipients.includes('desk@dest.test'));
  const receptions = (await relay.records('Reception')).filter((record) => record.reception_protocol === 'Hook');
  assert.deepEqual(
    receptions.map(({ id }) => id),
    [...new Set(ids)],
  );
});

test('mail that cannot be injected is refused with its reason, and many at once are all answered', async (t) => {
  const notes = await notesOf(
    t,
    `const reasons = [];
    const fails = (mail) => injectMessage(mail).catch((error) => reasons.push(error.message));
    const outside = fails({ sender: '', recipients: ['a@dest.test'], content: 'x' });
    hears(async (message, record) => {
      await outside;
      await fails({ sender: '', recipients: 'a@dest.test', content: 'x' });
      await fails({ sender: 'a b', recipients: ['a@dest.test'], content: 'x' });
      const content = 'Subject: many\\r\\n\\r\\n';
      const many = Array.from({ length: 50 }, (_, n) => injectMessage({ sender: '', recipients: ['many@dest.test'], content, once: record.event_id + n }));
      note({ reasons, ids: new Set(await Promise.all(many)).size });
    });`,
  );
  const relay = await startWith(t, notes.folder.file);
  await relay.send({ from: home, to: nobody });
  const [note] = await notes.until(1);
  const reasons = [
    'injectMessage: there is no hook that is running',
    'injectMessage: recipients: expected an array of addresses',
    '"a b" is no address',
  ];
  assert.deepEqual(note, { reasons, ids: 50 });
});

test('a hook that hangs is stopped and runs again, and replies of ingress do not wait for it', async (t) => {
  const notes = await notesOf(
    t,
    `policy.on('smtp_server_rewrite_response', (status, response, command) => command === 'DATA' ? 'by policy ' + response : undefined);
    const loaded = Math.random();
    hears((message, record) => {
      note({ event: record.event_id, loaded });
      while (notes().length < 2);
    }, { timeout: '1s' });`,
  );
  const relay = await startWith(t, notes.folder.file);
  const greeting = async (): Promise<string> => (await relay.send({ from: home, to: 'bob@dest.test' })).response;
  await relay.send({ from: home, to: nobody });
  await notes.until(1);
  // The loop ends by nothing but the end of its thread, for no other hook writes a second note.
  assert.match(await greeting(), /^250 by policy /);
  const heard = await notes.until(2);
  const event = await bounceOf(relay);
  assert.deepEqual([...new Set(heard.map((note) => note['event']))], [event]);
  assert.notEqual(heard[1]?.['loaded'], heard[0]?.['loaded'], 'in another thread');
  assert.match(await greeting(), /^250 by policy /);
  await until(async () => (await relay.leftovers()).length === 0, 'done');
});

test('a hook that ends its thread in the middle of an injection runs again in another, and the mail goes out once', async (t) => {
  const notes = await notesOf(
    t,
    `hears(async (message, record) => {
      const mail = { sender: '', recipients: ['desk@dest.test'], content: 'Subject: x\\n\\n', once: record.event_id };
      const injected = injectMessage(mail);
      note({ event: record.event_id });
      if (notes().length < 2) process.exit(1);
      await injected;
    });`,
  );
  const relay = await startWith(t, notes.folder.file);
  await relay.send({ from: home, to: nobody });
  const heard = await notes.until(2);
  const event = await bounceOf(relay);
  assert.deepEqual([...new Set(heard.map((note) => note['event']))], [event]);
  await until(async () => (await relay.leftovers()).length === 0, 'done');
  assert.equal((await relay.records('Reception')).filter((record) => record.reception_protocol === 'Report').length, 1);
});

test('a hook that waits for ever is tried again after its time, and its thread goes on', async (t) => {
  const notes = await notesOf(
    t,
    `const loaded = Math.random();
    hears((message, record) => {
      note({ loaded });
      return notes().length < 2 ? new Promise(() => undefined) : undefined;
    }, { timeout: '1s' });`,
  );
  const relay = await startWith(t, notes.folder.file);
  await relay.send({ from: home, to: nobody });
  const [first, second] = await notes.until(2);
  assert.equal(second?.['loaded'], first?.['loaded']);
  await until(async () => (await relay.leftovers()).length === 0, 'done');
});

test('hooks come and go when the policy is loaded again, in every process', async (t) => {
  const notes = await notesOf(t, '');
  const relay = await startWith(t, notes.folder.file);
  const { client, prefix } = relay.observer.redis;
  /** Sends mail again and again, for nobody knows when each process has loaded the policy; the event that it came to hold for. */
  const sendUntil = async (isSo: (event: string) => Promise<boolean>): Promise<string> => {
    let found = '';
    await until(async () => {
      const before = (await relay.records('Bounce')).length;
      await relay.send({ from: home, to: nobody });
      const bounces = await relay.until((record) => record.type === 'Bounce', before + 1);
      found = bounces.at(-1)?.event_id ?? '';
      return isSo(found);
    }, 'the policy is in force');
    return found;
  };
  const isQueued = async (event: string): Promise<boolean> => (await client.exists(`${prefix}:${hookQueue('mine')}:${event}`)) === 1;
  await notes.put('hears((message, record) => note({ version: 1, event: record.event_id }));');
  const added = await sendUntil(isQueued);
  await notes.until(1, (note) => note['version'] === 1 && note['event'] === added);
  await until(() => relay.context.subscriptions.some(({ queue }) => queue === hookQueue('mine')), 'ingress knows it');

  await notes.put("policy.hook('other', { types: ['Bounce'] }, (message, record) => note({ other: record.event_id }));");
  const removed = await sendUntil(async (event) => !(await isQueued(event)));
  await notes.until(1, (note) => note['other'] === removed);

  await notes.put('hears((message, record) => note({ version: 2, event: record.event_id }));');
  const back = await sendUntil(isQueued);
  await notes.until(1, (note) => note['version'] === 2 && note['event'] === back);
  assert.deepEqual(
    (await notes.read()).filter((note) => note['event'] === removed),
    [],
  );
});

/** A bounce role as a process of its own, once it is at work. */
async function startBounceProcess(t: TestContext, relay: Relay): Promise<RoleProcess> {
  const role = await startRole(t, 'bounce', relay.redis, relay.config);
  await until(() => {
    assert.equal(role.child.exitCode, null, role.log());
    return role.log().includes('"event":"ready"');
  }, 'the bounce role is ready');
  return role;
}

test('a record whose hook was running when its process was killed is heard again, with the same event_id', async (t) => {
  const notes = await notesOf(
    t,
    `hears((message, record) => {
      note({ event: record.event_id, pid: process.pid });
      return notes().length < 2 ? new Promise(() => undefined) : undefined;
    }, { timeout: '5m' });`,
  );
  const relay = await startWith(t, notes.folder.file, { bounces: false });
  const first = await startBounceProcess(t, relay);
  await relay.send({ from: home, to: nobody });
  await notes.until(1);
  await first.kill();
  const second = await startBounceProcess(t, relay);
  const heard = await notes.until(2);
  const event = await bounceOf(relay);
  assert.deepEqual(heard.slice(0, 2), [
    { event, pid: first.child.pid },
    { event, pid: second.child.pid },
  ]);
  await until(async () => (await relay.leftovers()).length === 0, 'done');
});

test('two bounce processes share the work of a hook', async (t) => {
  const notes = await notesOf(
    t,
    // Nobody gets on until both are at work.
    `hears(async (message, record) => {
      note({ event: record.event_id, pid: process.pid });
      while (new Set(notes().map(({ pid }) => pid)).size < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    }, { timeout: '5m' });`,
  );
  const relay = await startWith(t, notes.folder.file, { bounces: false });
  const processes = [await startBounceProcess(t, relay), await startBounceProcess(t, relay)];
  for (let n = 0; n < 24; n++) await relay.send({ from: home, to: nobody });
  const heard = await notes.until(24);
  const bounces = await relay.until((record) => record.type === 'Bounce', 24);
  assert.deepEqual(new Set(heard.map((note) => note['pid'])), new Set(processes.map(({ child }) => child.pid)));
  assert.deepEqual(new Set(heard.map((note) => note['event'])), new Set(bounces.map(({ event_id }) => event_id)));
  await until(async () => (await relay.leftovers()).length === 0, 'done');
});

test('a process that is told to end gives a record back whose hook still waits, and ends well', async (t) => {
  const notes = await notesOf(
    t,
    "hears((message, record) => (note({ event: record.event_id }), new Promise(() => undefined)), { timeout: '5m' });",
  );
  const relay = await startWith(t, notes.folder.file, { bounces: false, config: { shutdownTimeout: '1s' } });
  const role = await startBounceProcess(t, relay);
  await relay.send({ from: home, to: nobody });
  const [heard] = await notes.until(1);
  assert.equal(await role.terminate(), 0, role.log());
  const { client, prefix } = relay.observer.redis;
  const waiting = await client.lrange(`${prefix}:${hookQueue('mine')}:wait`, 0, -1);
  assert.deepEqual(waiting, [heard?.['event']]);
});
