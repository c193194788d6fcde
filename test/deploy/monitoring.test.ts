import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { Config } from '../../shared/core/config.ts';
import { startSink } from '../../shared/io/sink-server.ts';
import { roles, type Role } from '../../workers/cli/roles.ts';
import { cleanUp } from '../support/cleanup.ts';
import { until } from '../support/endpoint.ts';
import { findTool } from '../support/foreign-tools.ts';
import { freePort } from '../support/ports.ts';
import { startRole } from '../support/processes.ts';
import { startRedis } from '../support/redis.ts';
import { testConfig } from '../support/relay.ts';

// What Prometheus and Grafana are given, against what the roles really tell.

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Target {
  refId: string;
  expr: string;
}
interface Panel {
  id: number;
  type: string;
  title: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
}
interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: { name: string; type: string; definition?: string }[] };
}

const folder = 'infra/grafana/dashboards';
const dashboards = readdirSync(join(root, folder)).map((file) => JSON.parse(read(`${folder}/${file}`)) as Dashboard);
const { groups } = parse(read('infra/prometheus/rules.yml')) as { groups: { rules: { record?: string; expr: string }[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** As Prometheus gets it: Grafana puts its variables in. */
const filledIn = (expr: string): string => expr.replaceAll('$__rate_interval', '1m').replace(/\$\w+/g, '.*');
const variables = dashboards.flatMap(({ templating }) => templating.list.flatMap(({ definition }) => definition ?? []));
const queries = dashboards.flatMap(({ panels }) =>
  panels.flatMap(({ targets = [], title }) => targets.map(({ expr }) => ({ title, expr: filledIn(expr) }))),
);

/** Scrapes by role, from processes that have moved some mail. */
const scrapes = new Map<string, string>();
/** Label names by metric. */
const exported = new Map<string, Set<string>>();

before(async (t) => {
  await scrapeRoles(t as TestContext);
  for (const text of scrapes.values()) {
    for (const [, name = ''] of text.matchAll(/^# TYPE (\S+) /gm)) if (!exported.has(name)) exported.set(name, new Set());
    for (const [, sample = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
      const known = exported.get(sample) ?? new Set();
      for (const [, label = ''] of labels.matchAll(/(?:^|,)(\w+)="/g)) known.add(label);
      exported.set(sample, known);
    }
  }
  // Labels of what has not happened in so short a time are as declared.
  for (const [, name = '', labels = ''] of read('README.md').matchAll(/^\| `(rebound_\w+)` \| \w+ \| (.*?) \|/gm)) {
    for (const sample of [name, `${name}_bucket`, `${name}_count`]) {
      if (sample !== name && !read('README.md').includes(`\`${name}\` | histogram`)) continue;
      exported.set(
        sample,
        new Set([
          ...(exported.get(sample) ?? []),
          ...(sample.endsWith('_bucket') ? ['le'] : []),
          ...[...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
        ]),
      );
    }
  }
  for (const { record, expr } of rules) if (record) exported.set(record, new Set(labelsIn(expr)));
});

async function scrapeRoles(t: TestContext): Promise<void> {
  const redis = await startRedis(t, '--appendonly', 'yes');
  const sink = await startSink({ rules: { rcpt: { 'nobody@dest.test': '550 5.1.1 no such user', 'later@dest.test': '451 4.3.0 later' } } });
  cleanUp(t, () => sink.close());
  const rules = join(redis.dir, 'rules.json');
  await writeFile(rules, '[]');
  const config = testConfig(redis.dir, sink.port, {
    admin: { port: 0 },
    ingress: { port: await freePort() },
    delivery: { rules: [rules] },
    webhooks: { crm: { url: `http://127.0.0.1:${sink.port}/`, types: ['OOB'] } },
  });
  const ports = new Map<string, number>();
  for (const role of roles) {
    const port = await freePort();
    ports.set(role, port);
    const started = await startRole(t, role, redis, { ...config, health: { host: '127.0.0.1', port } } as Config);
    await until(() => started.log().includes('"event":"ready"'), `${role} to be ready`);
  }
  await sendSome(config.ingress.port);
  const scrape = async (role: string): Promise<string> => (await fetch(`http://127.0.0.1:${ports.get(role)}/metrics`)).text();
  await until(async () => /^rebound_reports_total\{outcome="sent"\} 1$/m.test(await scrape('bounce')), 'a report');
  await until(async () => /^rebound_dispositions_total\{type="TransientFailure"\} [1-9]/m.test(await scrape('delivery')), 'a deferral');
  await until(async () => /^rebound_spool_has_room 1$/m.test(await scrape('ingress')), 'a look at the spool');
  for (const role of roles) scrapes.set(role, await scrape(role));
}

async function sendSome(port: number): Promise<void> {
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true });
  for (const to of ['bob@dest.test', 'nobody@dest.test', 'later@dest.test'])
    await transport.sendMail({ from: 'ann@home.test', to, text: 'x' });
  transport.close();
}

/** The names of metrics in an expression. */
const metricsIn = (expr: string): string[] =>
  [...bare(expr).matchAll(/(?<![\w:$])(?:rebound[_:][\w:]*|up|ALERTS)(?![\w:])/g)].map(([name]) => name);
/** The labels that it names, in matchers and groupings. */
const labelsIn = (expr: string): string[] => [
  ...[...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = '']) => [...inner.matchAll(/(\w+)\s*[=!]~?"/g)].map(([, label = '']) => label)),
  ...[...bare(expr).matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, inner = '']) =>
    inner.split(/\s*,\s*/).filter((label) => label !== ''),
  ),
];
const bare = (expr: string): string => expr.replace(/\{[^}]*\}/g, '');
/** Of Prometheus itself. */
const ofPrometheus: Record<string, string[]> = { up: [], ALERTS: ['alertname', 'alertstate'] };
const always = ['job', 'instance'];

function assertKnown(where: string, expr: string): void {
  const names = metricsIn(expr);
  assert.ok(names.length > 0, `${where}: no metric in ${expr}`);
  const labels = new Set(always);
  for (const name of names) {
    const known = exported.get(name) ?? ofPrometheus[name];
    assert.ok(known, `${where}: nothing exports ${name}`);
    for (const label of known) labels.add(label);
  }
  for (const label of labelsIn(expr)) assert.ok(labels.has(label), `${where}: none of ${names.join(', ')} has a label ${label}`);
}

test('what each role tells is as Prometheus wants it', async (t) => {
  const promtool = findTool(t, 'promtool');
  if (!promtool) return;
  assert.equal(scrapes.size, roles.length);
  for (const [role, text] of scrapes) {
    await promtool
      .feed(text, 'check', 'metrics')
      .catch((error: { stderr?: string }) => assert.fail(`${role}: ${error.stderr ?? 'promtool could not be run'}`));
  }
});

test('each role tells what it is, and its own state', () => {
  for (const [role, text] of scrapes) {
    assert.match(text, new RegExp(`^rebound_build_info\\{version="\\d[^"]*",node="v\\d[^"]*",role="${role}"\\} 1$`, 'm'));
    for (const name of ['rebound_redis_up', 'rebound_redis_aof_enabled', 'rebound_spool_has_room'])
      assert.match(text, new RegExp(`^${name} 1$`, 'm'));
    for (const name of [
      'rebound_nodejs_eventloop_lag_p99_seconds',
      'rebound_process_cpu_seconds_total',
      'rebound_process_resident_memory_bytes',
    ])
      assert.match(text, new RegExp(`^${name} \\d`, 'm'));
    assert.doesNotMatch(text, /instance="/, 'Prometheus has a label of that name');
  }
});

test('what an alert counts from the first one on is told before it happens', () => {
  const told: [role: Role, sample: string][] = [
    ['bounce', 'rebound_hook_records_total{hook="webhook-crm",outcome="dead"} 0'],
    ['delivery', 'rebound_hook_records_total{hook="webhook-crm",outcome="dropped"} 0'],
    ['delivery', 'rebound_rule_loads_total{result="failed"} 0'],
    ['bounce', 'rebound_reports_total{outcome="sender-limit"} 0'],
    ['bounce', 'rebound_log_lost_total 0'],
  ];
  for (const [role, sample] of told) assert.ok(scrapes.get(role)?.includes(`\n${sample}\n`), `${role}: ${sample}`);
});

test('only admin tells of the queues: an autoscaler must not see a 0 of others', () => {
  for (const [role, text] of scrapes) assert.equal(/^rebound_queue_depth \d+$/m.test(text), role === 'admin', role);
  for (const role of roles) assert.match(scrapes.get('admin') ?? '', new RegExp(`^rebound_workers\\{role="${role}"\\} 1$`, 'm'));
});

test('rules and scrapes are what Prometheus reads', async (t) => {
  const promtool = findTool(t, 'promtool');
  if (!promtool) return;
  await promtool.run('check', 'rules', join(root, 'infra/prometheus/rules.yml'));
  await promtool.run('check', 'config', join(root, 'infra/prometheus/prometheus.yml'));
});

test('rules ask for what is exported', () => {
  for (const { expr, record } of rules) assertKnown(record ?? 'alert', expr);
});

test('the dashboard asks for what is exported', () => {
  assert.ok(queries.length > 50);
  for (const { title, expr } of queries) assertKnown(title, expr);
  for (const definition of variables) {
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? [];
    assert.ok(exported.get(metric)?.has(label), definition);
  }
});

test('each expression of the dashboard can be parsed', async (t) => {
  const promtool = findTool(t, 'promtool');
  if (!promtool) return;
  const dir = await mkdtemp(join(tmpdir(), 'rebound-dashboard-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'queries.json');
  await writeFile(
    file,
    JSON.stringify({ groups: [{ name: 'dashboard', rules: queries.map(({ expr }, n) => ({ record: `query:${n}`, expr })) }] }),
  );
  await promtool.run('check', 'rules', file).catch((error: { stderr?: string }) => assert.fail(error.stderr));
});

test('the panels have ids and places of their own, the variables they use, and the data source that is provisioned', () => {
  const { datasources } = parse(read('infra/grafana/provisioning/datasources/prometheus.yml')) as {
    datasources: { type: string; url: string }[];
  };
  assert.deepEqual(
    datasources.map(({ type, url }) => [type, url]),
    [['prometheus', 'http://prometheus:9090']],
  );
  for (const { uid, panels, templating } of dashboards) {
    assert.match(uid, /^\w+$/);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    );
    assert.equal(new Set(cells).size, cells.length, 'no panel lies on another');
    const known = new Set([...templating.list.map(({ name }) => name), '__rate_interval']);
    for (const { datasource, targets = [], gridPos } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24);
      if (targets.length > 0) assert.equal(datasource?.uid, '${datasource}');
      for (const { expr } of targets) for (const [, name = ''] of expr.matchAll(/\$(\w+)/g)) assert.ok(known.has(name), name);
    }
  }
});

test('what is asked for is found, and what is not exported is not', () => {
  assert.throws(() => assertKnown('x', 'sum(rebound_nothing_total)'), /nothing exports rebound_nothing_total/);
  assert.throws(() => assertKnown('x', 'sum by (lane) (rebound_dispositions_total)'), /a label lane/);
  assert.throws(() => assertKnown('x', 'rebound_dispositions_total{typ="Bounce"}'), /a label typ/);
});
