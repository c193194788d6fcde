import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { findTool } from '../support/foreign-tools.ts';

// The alerts of infra/prometheus/rules.yml on series of a minute per sample, run by Prometheus' own tool.

const root = fileURLToPath(new URL('../..', import.meta.url));
const rulesFile = join(root, 'infra/prometheus/rules.yml');

interface Rule {
  alert?: string;
  labels?: { severity?: string };
  annotations?: { summary?: string; description?: string; runbook?: string };
}
const { groups } = parse(await readFile(rulesFile, 'utf8')) as { groups: { rules: Rule[] }[] };
const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);

/** In Prometheus' notation: `1+2x60` is 61 samples from 1 in steps of 2, `5x60` 61 samples of 5. */
type Series = Record<string, string>;
interface Case {
  alert: string;
  fires: Series;
  quiet: Series;
  /** When to look. Minutes. */
  at?: number;
}

const dispositions = (type: string): string => `rebound_dispositions_total{type="${type}"}`;
const outcome = (of: string): string => `rebound_site_outcomes_total{site="mx.a.test",outcome="${of}"}`;
const reports = (of: string): string => `rebound_reports_total{outcome="${of}"}`;
const lane = (state: string): string => `rebound_lane_messages{lane="default->mx.a.test",state="${state}"}`;
const calls = (result: string): string => `rebound_hook_call_seconds_count{hook="webhook-crm",result="${result}"}`;
const day = 1440;

const cases: Case[] = [
  {
    alert: 'ReboundNoDelivery',
    fires: { 'rebound_workers{role="delivery"}': '0x60' },
    quiet: { 'rebound_workers{role="delivery"}': '1x60' },
  },
  { alert: 'ReboundRoleMissing', fires: { 'rebound_workers{role="bounce"}': '0x60' }, quiet: { 'rebound_workers{role="bounce"}': '2x60' } },
  { alert: 'ReboundBlind', fires: { 'up{job="rebound-admin"}': '0x60' }, quiet: { 'rebound_workers{role="admin"}': '1x60' } },
  {
    alert: 'ReboundTargetDown',
    fires: { 'up{job="rebound-ingress"}': '0x60' },
    quiet: { 'up{job="rebound-ingress"}': '1x60', 'up{job="x"}': '0x60' },
  },
  {
    alert: 'ReboundEventLoopBlocked',
    fires: { rebound_nodejs_eventloop_lag_p99_seconds: '0.8x60' },
    quiet: { rebound_nodejs_eventloop_lag_p99_seconds: '0.02x60' },
  },
  { alert: 'ReboundRedisAway', fires: { rebound_redis_up: '0x60' }, quiet: { rebound_redis_up: '1x60' } },
  { alert: 'ReboundRedisNotDurable', fires: { rebound_redis_aof_enabled: '0x60' }, quiet: { rebound_redis_aof_enabled: '1x60' } },
  {
    alert: 'ReboundRedisNotDurable',
    fires: { rebound_redis_aof_enabled: '1x60', rebound_redis_aof_last_write_ok: '0x60' },
    quiet: { rebound_redis_aof_enabled: '1x60', rebound_redis_aof_last_write_ok: '1x60' },
  },
  {
    alert: 'ReboundRedisEvicts',
    fires: { rebound_redis_may_evict: '0x60', rebound_redis_evicted_keys_total: '0+1x60' },
    quiet: { rebound_redis_may_evict: '0x60', rebound_redis_evicted_keys_total: '7x60' },
  },
  { alert: 'ReboundRedisEvicts', fires: { rebound_redis_may_evict: '1x60' }, quiet: { rebound_redis_may_evict: '0x60' } },
  {
    alert: 'ReboundRedisFillsUp',
    fires: { rebound_redis_memory_used_bytes: '90x60', rebound_redis_memory_max_bytes: '100x60' },
    quiet: { rebound_redis_memory_used_bytes: '90x60', rebound_redis_memory_max_bytes: '0x60' },
  },
  {
    alert: 'ReboundRedisRefusesWrites',
    fires: { 'rebound_redis_refused_commands_total{error="OOM"}': '0+3x60' },
    quiet: { 'rebound_redis_refused_commands_total{error="OOM"}': '3x60' },
  },
  { alert: 'ReboundSpoolFull', fires: { rebound_spool_has_room: '0x60' }, quiet: { rebound_spool_has_room: '1x60' } },
  {
    alert: 'ReboundDeliveryStalled',
    fires: { rebound_queue_depth: '5x60', [dispositions('Delivery')]: '100x60' },
    quiet: { rebound_queue_depth: '5x60', [dispositions('Delivery')]: '100+1x60' },
  },
  { alert: 'ReboundDeliveryStalled', fires: { rebound_queue_depth: '5x60' }, quiet: { rebound_queue_depth: '0x60' } },
  {
    alert: 'ReboundBacklog',
    fires: { rebound_queue_depth: '100000x60', [dispositions('Delivery')]: '0+60x60' },
    quiet: { rebound_queue_depth: '100000x60', [dispositions('Delivery')]: '0+60000x60' },
  },
  {
    alert: 'ReboundLaneStuck',
    fires: { [lane('waiting')]: '5x60', [lane('active')]: '0x60' },
    quiet: { [lane('waiting')]: '5x60', [lane('active')]: '0x60', 'rebound_lane_suspended{lane="default->mx.a.test"}': '1x60' },
  },
  {
    alert: 'ReboundLaneStuck',
    fires: { [lane('waiting')]: '5x60', [lane('active')]: '0x60', 'rebound_lane_suspended{lane="default->mx.a.test"}': '0x60' },
    quiet: { [lane('waiting')]: '5x60', [lane('active')]: '1 0x59' },
    at: 15,
  },
  {
    // New mail comes in, and nothing goes; or one message every other minute goes.
    alert: 'ReboundLaneStuck',
    fires: { [lane('waiting')]: '5+2x60', [lane('active')]: '0x60' },
    quiet: { [lane('waiting')]: '500-1x60', [lane('active')]: '0x60' },
  },
  { alert: 'ReboundMailOld', fires: { rebound_queue_age_seconds: '400000x90' }, quiet: { rebound_queue_age_seconds: '200000x90' }, at: 80 },
  {
    alert: 'ReboundSiteRejects',
    fires: { [outcome('bounced')]: '0+60x60', [outcome('delivered')]: '0+10x60' },
    quiet: { [outcome('bounced')]: '0+10x60', [outcome('delivered')]: '0+60x60' },
  },
  {
    alert: 'ReboundSiteRejects',
    fires: { [outcome('bounced')]: '0+60x60', [outcome('delivered')]: '0x60' },
    quiet: { [outcome('bounced')]: '0+1x60', [outcome('delivered')]: '0x60' },
  },
  {
    alert: 'ReboundSiteDefers',
    fires: { [outcome('deferred')]: '0+60x60', [outcome('delivered')]: '0+1x60' },
    quiet: { [outcome('deferred')]: '0+60x60', [outcome('delivered')]: '0+60x60' },
  },
  {
    alert: 'ReboundBounceRatioHigh',
    fires: { [dispositions('Bounce')]: '0+60x60', [dispositions('Delivery')]: '0+100x60' },
    quiet: { [dispositions('Bounce')]: '0+10x60', [dispositions('Delivery')]: '0+100x60' },
  },
  {
    alert: 'ReboundRuleNotLoaded',
    fires: { 'rebound_policy_loads_total{result="failed"}': '0+1x60' },
    quiet: { 'rebound_policy_loads_total{result="loaded"}': '0+1x60', 'rebound_rule_loads_total{result="failed"}': '2x60' },
  },
  {
    alert: 'ReboundPolicyFails',
    fires: { 'rebound_policy_failures_total{event="x",kind="error"}': '0+60x60' },
    quiet: { 'rebound_policy_failures_total{event="x",kind="error"}': '0+1x60' },
  },
  {
    alert: 'ReboundReportStorm',
    fires: { [reports('sent')]: `0+6x${day} 10000+1200x60` },
    quiet: { [reports('sent')]: `0+600x${day + 60}` },
    at: day + 55,
  },
  { alert: 'ReboundReportLimit', fires: { [reports('sender-limit')]: '0+5x60' }, quiet: { [reports('sender-limit')]: '5x60' } },
  {
    alert: 'ReboundReportsSuppressed',
    fires: { [reports('sent')]: `0+60x${day + 240}`, [reports('untrusted')]: `0+1x${day} ${day}+600x240` },
    quiet: { [reports('sent')]: `0+60x${day + 240}`, [reports('untrusted')]: `0+100x${day + 240}` },
    at: day + 150,
  },
  { alert: 'ReboundReportsFail', fires: { rebound_report_errors_total: '0+1x60' }, quiet: { rebound_report_errors_total: '9x60' } },
  {
    alert: 'ReboundHookDown',
    fires: { [calls('failed')]: '0+1x60', [calls('ok')]: '100x60' },
    quiet: { [calls('failed')]: '0+9x60', [calls('ok')]: '0+1x60' },
  },
  {
    alert: 'ReboundDeadLetters',
    fires: { 'rebound_hook_records_total{hook="webhook-crm",outcome="dead"}': '0+1x60' },
    quiet: { 'rebound_hook_records_total{hook="webhook-crm",outcome="done"}': '0+1x60' },
  },
  { alert: 'ReboundArchiveLags', fires: { rebound_archive_lag_seconds: '9000x60' }, quiet: { rebound_archive_lag_seconds: '3600x60' } },
  { alert: 'ReboundLogLost', fires: { rebound_log_lost_total: '0+1x60' }, quiet: { rebound_log_lost_total: '60x60' } },
];

const toolTest = ({ alert, at = 50 }: Case, series: Series, fires: boolean) => ({
  name: `${alert} ${fires ? 'fires' : 'is quiet'}: ${JSON.stringify(series)}`,
  interval: '1m',
  input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
  promql_expr_test: [
    {
      expr: `count by (alertname) (ALERTS{alertname="${alert}",alertstate="firing"})`,
      eval_time: `${at}m`,
      exp_samples: fires ? [{ labels: `{alertname="${alert}"}`, value: 1 }] : [],
    },
  ],
});

test('each alert goes off when it should, and only then', async (t) => {
  const promtool = findTool(t, 'promtool');
  if (!promtool) return;
  const folder = await mkdtemp(join(tmpdir(), 'rebound-alerts-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'alerts.json');
  const tests = cases.flatMap((one) => [toolTest(one, one.fires, true), toolTest(one, one.quiet, false)]);
  await writeFile(file, JSON.stringify({ rule_files: [rulesFile], evaluation_interval: '5m', tests }));
  await promtool.run('test', 'rules', file).catch((error: { stdout?: string; stderr?: string }) => {
    assert.fail(`${error.stdout ?? ''}${error.stderr ?? ''}`);
  });
});

test('no alert is without a case', () => {
  const tried = new Set(cases.map(({ alert }) => alert));
  assert.deepEqual(
    alerts.map(({ alert }) => alert).filter((alert) => !tried.has(alert ?? '')),
    [],
  );
});

/** Written in the guide of operations, where each procedure was tried. */
const procedures = ['redis-full', 'site-blocks-us', 'report-storm', 'stuck-lane', 'wrong-rule'].map(
  (anchor) => `docs/operations.md#${anchor}`,
);

test('each alert says what it means, what to do and how urgent it is', async () => {
  const guide = await readFile(join(root, 'docs/monitoring.md'), 'utf8');
  const sections = [...guide.matchAll(/^#+ (.+)$/gm)].map(
    ([, title = '']) =>
      `docs/monitoring.md#${title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-')}`,
  );
  for (const { alert, labels, annotations } of alerts) {
    assert.ok(['page', 'ticket'].includes(labels?.severity ?? ''), `${alert}: severity`);
    assert.ok((annotations?.summary?.length ?? 0) > 20 && (annotations?.description?.length ?? 0) > 40, `${alert}: words`);
    assert.ok([...procedures, ...sections].includes(annotations?.runbook ?? ''), `${alert}: there is no ${annotations?.runbook}`);
  }
});
