import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { describeSettings } from '../../shared/core/config-describe.ts';
import { configSchema } from '../../shared/core/config.ts';
import { loadConfig } from '../../shared/io/config-load.ts';
import { roles } from '../../workers/cli/roles.ts';
import { renderChart, renderFiles, type Manifest } from '../support/helm-template.ts';

// The chart. There is neither Helm nor a cluster here: test/support/helm-template.ts renders it, and these tests hold the
// result against the program, the image and itself (what refers to what). What they look at of a manifest is typed here.

interface Pod {
  automountServiceAccountToken: boolean;
  terminationGracePeriodSeconds: number;
  securityContext: { runAsNonRoot: boolean; runAsUser: number };
  containers: Container[];
  volumes: Record<string, unknown>[];
}
interface Container {
  name: string;
  image: string;
  args: string[];
  env?: { name: string; value: string }[];
  envFrom?: { secretRef: { name: string } }[];
  ports: { name: string; containerPort: number }[];
  securityContext: { readOnlyRootFilesystem: boolean; allowPrivilegeEscalation: boolean; capabilities: { drop: string[] } };
  volumeMounts: { name: string; mountPath: string }[];
  readinessProbe: { httpGet?: { path: string; port: string } };
  livenessProbe?: { httpGet: { path: string; port: string } };
}
interface Workload {
  replicas?: number;
  selector: { matchLabels: Record<string, string> };
  template: { metadata: { labels: Record<string, string>; annotations?: Record<string, string> }; spec: Pod };
  volumeClaimTemplates?: { metadata: { name: string } }[];
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const chart = `${root}infra/helm/rebound`;
const least = { existingSecret: 'rebound' };
const most = {
  ...least,
  settings: { hostname: 'relay.example.net', delivery: { rules: ['rules.json'] } },
  files: { 'rules.json': '{ "rules": [] }\n' },
  imagePullSecrets: [{ name: 'registry' }],
  secretFiles: 'tls',
  spoolClaim: 'spool',
  redis: { tryOut: { enabled: true } },
  keda: { enabled: true },
  service: { type: 'LoadBalancer', annotations: { 'example.org/kind': 'mail' } },
  nodeSelector: { disk: 'fast' },
  tolerations: [{ key: 'mail', operator: 'Exists' }],
};
const variants = { least, most, 'without archive': { ...least, archive: { enabled: false } } };

const find = (manifests: Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  assert.ok(found, `no ${kind} ${name}`);
  return found;
};
const workloads = (manifests: Manifest[]): [string, Workload][] =>
  manifests
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map(({ metadata, spec }) => [metadata.name, spec as Workload]);
const containerOf = (manifests: Manifest[], role: string): Container => {
  const [container] = (find(manifests, 'Deployment', `mail-rebound-${role}`).spec as Workload).template.spec.containers;
  assert.ok(container);
  return container;
};
const includesAll = (labels: Record<string, string>, wanted: Record<string, string>): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

for (const [variant, values] of Object.entries(variants)) {
  const manifests = renderChart(chart, values);

  test(`${variant}: each role has a deployment and a budget of disruptions`, () => {
    for (const role of roles) {
      assert.deepEqual(containerOf(manifests, role).args, [role]);
      const budget = find(manifests, 'PodDisruptionBudget', `mail-rebound-${role}`).spec as { maxUnavailable: number };
      assert.equal(budget.maxUnavailable, 1);
    }
  });

  test(`${variant}: no two things have one name`, () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    assert.deepEqual(names, [...new Set(names)]);
  });

  test(`${variant}: what is selected is there`, () => {
    const pods = workloads(manifests).map(([, { template }]) => template.metadata.labels);
    const selectors = manifests.flatMap(({ kind, metadata, spec }) => {
      if (kind === 'Service') return [[metadata.name, (spec as { selector: Record<string, string> }).selector] as const];
      if (kind === 'ConfigMap' || kind === 'PersistentVolumeClaim' || kind === 'ScaledObject') return [];
      return [[metadata.name, (spec as Workload).selector.matchLabels] as const];
    });
    for (const [name, selector] of selectors) assert.equal(pods.filter((labels) => includesAll(labels, selector)).length, 1, name);
  });

  test(`${variant}: ports and probes go to ports that there are`, () => {
    for (const [name, { template }] of workloads(manifests)) {
      for (const { ports, readinessProbe, livenessProbe } of template.spec.containers) {
        const known = ports.map((port) => port.name);
        for (const probe of [readinessProbe.httpGet, livenessProbe?.httpGet]) assert.ok(!probe || known.includes(probe.port), name);
      }
    }
    for (const role of ['ingress', 'admin'] as const) {
      const { ports } = find(manifests, 'Service', `mail-rebound-${role}`).spec as { ports: { targetPort: string }[] };
      const known = containerOf(manifests, role).ports.map((port) => port.name);
      assert.ok(ports.every(({ targetPort }) => known.includes(targetPort)));
    }
  });

  test(`${variant}: each mount has its volume, each volume its mount`, () => {
    for (const [name, { template, volumeClaimTemplates = [] }] of workloads(manifests)) {
      const volumes = [
        ...template.spec.volumes.map((volume) => volume['name']),
        ...volumeClaimTemplates.map(({ metadata }) => metadata.name),
      ];
      const mounts = template.spec.containers.flatMap((container) => container.volumeMounts.map((mount) => mount.name));
      assert.deepEqual(volumes.map(String).toSorted(), mounts.toSorted(), name);
    }
  });

  test(`${variant}: nothing runs as root, writes to its image, or talks to the cluster`, () => {
    for (const [name, { template }] of workloads(manifests)) {
      assert.equal(template.spec.automountServiceAccountToken, false, name);
      assert.equal(template.spec.securityContext.runAsNonRoot, true, name);
      for (const { securityContext } of template.spec.containers) {
        assert.deepEqual(
          securityContext,
          { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
          name,
        );
      }
    }
  });

  test(`${variant}: a role has the time that it needs to finish its work`, () => {
    for (const role of roles) {
      const { template } = find(manifests, 'Deployment', `mail-rebound-${role}`).spec as Workload;
      assert.ok(template.spec.terminationGracePeriodSeconds * 1000 > configSchema.parse({}).shutdownTimeout);
    }
  });

  test(`${variant}: the roles load their settings, and listen where the services look for them`, async (t) => {
    const known = new Set(describeSettings().map(({ env }) => env));
    const folder = await mkdtemp(join(tmpdir(), 'rebound-chart-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(find(manifests, 'ConfigMap', 'mail-rebound').data ?? {}))
      await writeFile(join(folder, name), text);
    for (const role of roles) {
      const { env = [], envFrom, ports } = containerOf(manifests, role);
      assert.deepEqual(envFrom, [{ secretRef: { name: 'rebound' } }]);
      const unknown = env.map(({ name }) => name).filter((name) => !known.has(name) && !['REBOUND_CONFIG', 'REDIS_URL'].includes(name));
      assert.deepEqual(unknown, []);
      const config = await loadConfig({
        env: {
          ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
          REBOUND_CONFIG: join(folder, 'rebound.json'),
          REBOUND_ADMIN_PASSWORD: 'x',
        },
        folder,
      });
      assert.equal(config.hostname, 'relay.example.net');
      const portOf = (name: string) => ports.find((port) => port.name === name)?.containerPort;
      assert.equal(portOf('health'), config.health.port);
      if (role === 'ingress') assert.equal(portOf('smtp'), config.ingress.port);
      if (role === 'admin') assert.equal(portOf('http'), config.admin.port);
      assert.equal(config.spool.driver, variant === 'most' ? 'disk' : 'redis');
    }
  });
}

test('Prometheus is sent to the port of each role that wants no login', () => {
  for (const role of roles) {
    const { template } = find(renderChart(chart, least), 'Deployment', `mail-rebound-${role}`).spec as Workload;
    const health = containerOf(renderChart(chart, least), role).ports.find(({ name }) => name === 'health');
    assert.equal(template.metadata.annotations?.['prometheus.io/port'], String(health?.containerPort), role);
  }
});

test('other settings start other pods, other rules do not', () => {
  const checksum = (values: object): string | undefined =>
    (find(renderChart(chart, { ...least, ...values }), 'Deployment', 'mail-rebound-delivery').spec as Workload).template.metadata
      .annotations?.['checksum/settings'];
  assert.notEqual(checksum({}), checksum({ settings: { hostname: 'other.example.net' } }));
  assert.equal(checksum({}), checksum({ files: { 'rules.json': '{}' } }));
});

test('with KEDA the number of delivery pods is its own, by a metric that the program has', () => {
  const manifests = renderChart(chart, most);
  const { spec } = find(manifests, 'ScaledObject', 'mail-rebound-delivery');
  const scaled = spec as { scaleTargetRef: { name: string }; triggers: { type: string; metadata: Record<string, string> }[] };
  const target = find(manifests, 'Deployment', scaled.scaleTargetRef.name).spec as Workload;
  assert.equal(target.replicas, undefined);
  assert.equal(scaled.triggers[0]?.type, 'prometheus');
  // One number, and no label that the metric does not have: an empty answer scales nothing.
  const query = scaled.triggers[0]?.metadata['query'];
  assert.equal(query, 'max(rebound_queue_depth)');
  assert.match(readFileSync(`${root}README.md`, 'utf8'), /^\| `rebound_queue_depth` \| gauge \|\s*\|/m, 'it has no labels');
  assert.ok(readFileSync(`${root}docs/monitoring.md`, 'utf8').includes(`query: ${query}\n`));
  // KEDA wants text.
  for (const value of Object.values(scaled.triggers[0]?.metadata ?? {})) assert.equal(typeof value, 'string');
});

test('the Redis for trying out has the settings that Rebound asks for', () => {
  const { data } = find(renderChart(chart, most), 'ConfigMap', 'mail-rebound-redis');
  assert.equal(data?.['redis.conf'], readFileSync(`${root}infra/redis/redis.conf`, 'utf8'));
});

test('nothing of the Redis for trying out is there unless it is asked for', () => {
  assert.deepEqual(
    renderChart(chart, least).filter(({ metadata }) => metadata.name.endsWith('-redis')),
    [],
  );
});

test('the pods run the image of the Dockerfile, of the version of the program, as its user', () => {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
  assert.equal(containerOf(renderChart(chart, least), 'delivery').image, `rebound:${version}`);
  assert.match(readFileSync(`${root}infra/docker/Dockerfile`, 'utf8'), /^USER node$/m);
});

test('the notes warn of what is open', () => {
  const notes = (values: Record<string, unknown>): string =>
    renderFiles(chart, values).find(({ name }) => name === 'NOTES.txt')?.text ?? '';
  assert.match(notes(most), /for trying things out[^]*or this is an open relay/);
  assert.doesNotMatch(notes(least), /open relay|trying things out/);
});

// ---- values.schema.json ----

const schema = z.fromJSONSchema(JSON.parse(readFileSync(`${chart}/values.schema.json`, 'utf8')) as Parameters<typeof z.fromJSONSchema>[0]);
const defaults = parse(readFileSync(`${chart}/values.yaml`, 'utf8')) as Record<string, Record<string, unknown>>;

test('the schema knows every value, and all that the tests use', () => {
  const { properties } = JSON.parse(readFileSync(`${chart}/values.schema.json`, 'utf8')) as { properties: object };
  assert.deepEqual(
    Object.keys(defaults).filter((name) => !(name in properties)),
    [],
  );
  for (const values of Object.values(variants)) {
    const whole = { ...defaults, ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, merged(defaults[key], value)])) };
    assert.deepEqual(schema.safeParse(whole).error?.issues ?? [], []);
  }
});

const refused: [what: string, values: object][] = [
  ['no Secret', {}],
  ['a misspelt value', { ...least, exsitingSecret: 'x' }],
  ['a misspelt value of a role', { ...least, delivery: { ...defaults['delivery'], replica: 3 } }],
  ['no replica', { ...least, ingress: { ...defaults['ingress'], replicas: 0 } }],
  ['a URL that is none of Redis', { ...least, redis: { ...defaults['redis'], url: 'http://redis' } }],
  ['settings without a host name', { ...least, settings: {} }],
];
for (const [what, values] of refused)
  test(`the schema refuses ${what}`, () => assert.equal(schema.safeParse({ ...defaults, ...values }).success, false));

test('every template is one that the tests render', () => {
  const rendered = renderFiles(chart, most).map(({ name }) => name);
  assert.deepEqual(
    rendered,
    readdirSync(`${chart}/templates`)
      .filter((name) => !name.startsWith('_'))
      .toSorted(),
  );
});

const merged = (base: unknown, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...(base as object), ...value } : value;
