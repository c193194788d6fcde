import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readReplay, listReplays } from '../../shared/io/replay-state.ts';
import { startWebhook } from '../../shared/io/webhook.ts';
import { startLog, until, type LogUnderTest } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startEndpoint, type Endpoint } from '../support/endpoint.ts';
import { logRecord } from '../support/log-records.ts';

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

interface Run {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with its exit code. */
  ended: Promise<number | null>;
}

interface Commands extends LogUnderTest {
  endpoint: Endpoint;
  /** `rebound replay <args>` as a process of its own. */
  rebound(...args: string[]): Run;
  /** Consumes the queue of the webhook `crm`. */
  consume(): Promise<void>;
}

async function startCommands(t: TestContext, count: number): Promise<Commands> {
  const endpoint = await startEndpoint(t);
  const webhooks = { crm: { url: endpoint.url, batchWait: '10ms' } };
  const log = await startLog(t, { webhooks });
  await log.publish(...Array.from({ length: count }, (_, n) => logRecord(n, { event_id: `e${n}` })));
  const env = {
    ...process.env,
    REDIS_URL: log.redis.url,
    REBOUND_ARCHIVE_DIR: dirname(log.dir),
    REBOUND_DATA_DIR: log.redis.dir,
    REBOUND_WEBHOOKS: JSON.stringify(webhooks),
  };
  return {
    ...log,
    endpoint,
    rebound: (...args) => {
      const command = ['--disable-warning=ExperimentalWarning', main, 'replay', ...args];
      const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      cleanUp(t, () => child.kill('SIGKILL'));
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const ended = once(child, 'close').then(() => child.exitCode);
      return { child, stdout: () => stdout, stderr: () => stderr, ended };
    },
    consume: async () => {
      const settings = log.context.config.webhooks['crm'];
      assert.ok(settings);
      const running = await startWebhook('crm', settings, log.context);
      cleanUp(t, () => running.close());
    },
  };
}

interface Result {
  id: string;
  status: string;
  who: string;
  why: string;
  queued: number;
  pending: number;
  outcomes: Record<string, number>;
  sample: { outcome: string }[];
}

test('a replay is run to its end, shown, listed, and gives numbers as JSON', async (t) => {
  const commands = await startCommands(t, 50);
  await commands.consume();
  const run = commands.rebound('--to', 'webhook:crm', '--since', '1h', '--type', 'bounce', '--yes', '--json', '--why', 'crm was down');
  assert.equal(await run.ended, 0, run.stderr());
  const result = JSON.parse(run.stdout()) as Result;
  assert.deepEqual([result.queued, result.pending, result.outcomes, result.why], [10, 0, { delivered: 10 }, 'crm was down']);
  assert.match(result.who, /^.+@.+$/);
  assert.equal(commands.endpoint.seen().size, 10);
  const shown = commands.rebound('show', result.id);
  assert.equal(await shown.ended, 0);
  assert.match(shown.stdout(), new RegExp(`^${result.id} .* done .* webhook:crm`));
  assert.match(shown.stdout(), /^ +10 {2}delivered$/m);
  const list = commands.rebound('list', '--json');
  assert.equal(await list.ended, 0);
  assert.equal((JSON.parse(list.stdout()) as Result).id, result.id);
});

test('a dry run tells numbers and some records, and leaves nothing', async (t) => {
  const commands = await startCommands(t, 50);
  const { redis } = commands.context;
  const before = (await redis.client.keys('*')).sort();
  const json = commands.rebound('--to', 'bounces', '--since', '1h', '--dry-run', '--json');
  const lines = commands.rebound('--to', 'bounces', '--since', '1h', '--dry-run');
  assert.equal(await json.ended, 0, json.stderr());
  const counts = JSON.parse(json.stdout()) as { records: number; skipped: number; codes: Record<string, number>; sample: unknown[] };
  assert.deepEqual([counts.records, counts.skipped, counts.codes, counts.sample.length], [50, 40, { '550 5.1.1': 10 }, 10]);
  assert.equal(await lines.ended, 0, lines.stderr());
  assert.match(lines.stdout(), /^10 records would be replayed; 40 more fit that are of no use to the target\. Nothing was written\.$/m);
  assert.match(lines.stdout(), /^ +10 {2}InvalidRecipient$/m);
  assert.deepEqual((await redis.client.keys('*')).sort(), before);
});

test('Ctrl-C leaves a replay to be resumed, and nothing comes twice', async (t) => {
  const commands = await startCommands(t, 300);
  const { redis } = commands.context;
  const first = commands.rebound('--to', 'webhook:crm', '--since', '1h', '--yes', '--rate', '20');
  const queued = async (): Promise<number> => (await listReplays(redis))[0]?.queued ?? 0;
  await until(async () => (await queued()) > 0, 'it to begin');
  first.child.kill('SIGINT');
  assert.equal(await first.ended, 130, first.stderr());
  assert.match(first.stderr(), /"rebound replay resume [0-9a-f]{32}" goes on/);
  assert.ok((await queued()) < 300);
  const id = (await listReplays(redis))[0]?.id ?? '';
  assert.equal((await readReplay(redis, id))?.status, 'interrupted');
  await redis.client.hset(redis.key(`replay:${id}`), 'plan', JSON.stringify({ ...(await readReplay(redis, id))?.plan, rate: 10_000 }));
  await commands.consume();
  const second = commands.rebound('resume', id, '--json');
  assert.equal(await second.ended, 0, second.stderr());
  const result = JSON.parse(second.stdout()) as Result;
  assert.deepEqual([result.queued, result.outcomes], [300, { delivered: 300 }]);
  const got = commands.endpoint.requests.flatMap(({ records }) => records.map(({ event_id }) => event_id));
  assert.deepEqual([got.length, new Set(got).size], [300, 300]);
});

test('cancel ends a replay for good', async (t) => {
  const commands = await startCommands(t, 300);
  const first = commands.rebound('--to', 'webhook:crm', '--since', '1h', '--yes', '--rate', '20');
  await until(async () => ((await listReplays(commands.context.redis))[0]?.queued ?? 0) > 0, 'it to begin');
  const id = (await listReplays(commands.context.redis))[0]?.id ?? '';
  const cancel = commands.rebound('cancel', id);
  assert.equal(await cancel.ended, 0, cancel.stderr());
  assert.equal(await first.ended, 1, first.stderr());
  assert.equal(await commands.rebound('resume', id).ended, 1);
  assert.equal(await commands.rebound('cancel', id).ended, 1);
});

test('what is called wrongly is named and does nothing', async (t) => {
  const commands = await startCommands(t, 1);
  const cases: [args: string[], code: number, words: RegExp][] = [
    [[], 2, /--to must be/],
    [['--to', 'nowhere', '--since', '1h', '--yes'], 2, /--to must be/],
    [['--to', 'bounces', '--yes'], 2, /--since or --message is needed/],
    [['--to', 'bounces', '--since', '1h'], 2, /--yes or --dry-run is needed/],
    [['--to', 'bounces', '--since', 'soon', '--yes'], 2, /--since: expected/],
    [['--to', 'bounces', '--since', '1h', '--yes', '--rate', '0'], 2, /--rate must be/],
    [['--to', 'webhook:other', '--since', '1h', '--yes'], 1, /no webhook "other"/],
    [['--to', 'hook:other', '--since', '1h', '--yes'], 1, /no hook "other"/],
    [['resume'], 2, /expected the id of a replay/],
    [['resume', 'x'], 2, /expected the id of a replay/],
    [['show', '0'.repeat(32)], 1, /there is no replay 0{32}/],
    [['undo'], 2, /expected list, show, resume, cancel or --to/],
  ];
  for (const [args, code, words] of cases) {
    const run = commands.rebound(...args);
    assert.equal(await run.ended, code, args.join(' '));
    assert.match(run.stderr(), words);
  }
  assert.equal((await listReplays(commands.context.redis)).length, 0);
});
