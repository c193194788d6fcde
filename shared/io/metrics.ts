import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Of prom-client's own: gauges with the name of a counter, which tools take for one. */
const misnamed = ['active_handles_total', 'active_requests_total', 'active_resources_total'];
/** Of what takes from a moment to a day; seconds. */
const longTimes = [0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400];
/** Of one call; seconds. */
const shortTimes = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];

/**
 * Every metric of the product, declared in one place; the table in the README is made from it. None has a label that names
 * the process: Prometheus adds `instance` itself.
 */
export function openMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'rebound_' });
  for (const name of misnamed) registry.removeSingleMetric(`rebound_nodejs_${name}`);
  const declare = declareIn(registry);
  return { registry, ...ofMail(declare), ...ofConsumers(declare), ...ofSystem(declare), ...ofStores(declare) };
}

export type Metrics = ReturnType<typeof openMetrics>;

function declareIn(registry: Registry) {
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) => new Gauge({ name, help, labelNames, registers });
  return {
    gauge,
    counter: <L extends string>(name: string, help: string, ...labelNames: L[]) => new Counter({ name, help, labelNames, registers }),
    histogram: <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
      new Histogram({ name, help, buckets, labelNames, registers }),
    /** Not told until it is set: its 0 would mean something. */
    unknown: (name: string, help: string) => {
      const made = gauge(name, help);
      made.remove({});
      return made;
    },
  };
}

type Declare = ReturnType<typeof declareIn>;

/** What goes in and out. */
const ofMail = ({ counter, gauge, histogram }: Declare) => ({
  build: gauge('rebound_build_info', 'Always 1; what runs here', 'version', 'node', 'role'),
  connections: counter('rebound_ingress_connections_total', 'SMTP connections, by result', 'result'),
  openConnections: gauge('rebound_ingress_connections', 'Open SMTP connections'),
  received: counter('rebound_messages_received_total', 'Messages accepted with 250, by protocol', 'protocol'),
  receivedBytes: counter('rebound_received_bytes_total', 'Octets of accepted messages'),
  rejected: counter('rebound_ingress_rejections_total', 'Replies of 4xx and 5xx to clients, by code', 'code'),
  dispositions: counter('rebound_dispositions_total', 'Disposition records, by type', 'type'),
  classified: counter(
    'rebound_bounces_classified_total',
    'Bounces, expirations and temporary failures, by type and bounce class; classes of rule files are "other" (docs/rules.md)',
    'type',
    'class',
  ),
  siteOutcomes: counter(
    'rebound_site_outcomes_total',
    'What the busiest destinations of a process said: delivered, deferred or bounced; the rest is in rebound_dispositions_total only',
    'site',
    'outcome',
  ),
  rewrites: counter(
    'rebound_status_rewrites_total',
    'Rejections given another status, by what it made of them (permanent, temporary, code: same class), refused, or error',
    'result',
  ),
  sessions: gauge('rebound_delivery_sessions', 'Open delivery sessions'),
  sessionLimit: gauge(
    'rebound_delivery_sessions_limit',
    'Delivery sessions that this process may have (delivery.sessions); 0 in other roles',
  ),
  connects: counter('rebound_outbound_connections_total', 'Connections to remote servers, by result', 'result'),
  deliverySeconds: histogram('rebound_delivery_seconds', 'Time from reception to delivery', longTimes),
  orders: gauge('rebound_orders', 'Orders in force, by kind, as this process knows them (docs/steering.md)', 'kind'),
  steered: counter('rebound_steered_total', 'Messages put off, ended, moved or hurried by an order, by its kind', 'kind'),
  swept: counter('rebound_lanes_swept_total', 'Lanes woken by the sweeper'),
});

/** Reports, and code and programs of the owner. */
const ofConsumers = ({ counter, histogram }: Declare) => ({
  reports: counter('rebound_reports_total', 'Reports by outcome: sent, or why there is none (docs/reporting-policy.md)', 'outcome'),
  reportErrors: counter('rebound_report_errors_total', 'Failed attempts to make a report; it is tried again'),
  reportFaults: counter(
    'rebound_report_faults_total',
    'Reports sent with less than they should have, by fault: unsigned (DKIM failed), minimal (the full one could not be made)',
    'fault',
  ),
  inbound: counter(
    'rebound_inbound_total',
    'What came to ingress.reports.to, by kind and by what found the original (docs/reading-reports.md)',
    'kind',
    'match',
  ),
  hookJobs: counter(
    'rebound_hook_records_total',
    'Records for webhooks and hooks, by queue and outcome: done, retry, dead (given up), dropped (waited too long)',
    'hook',
    'outcome',
  ),
  hookSeconds: histogram('rebound_hook_seconds', 'Time from a disposition until its webhook or hook was done, by queue', longTimes, 'hook'),
  hookCalls: histogram(
    'rebound_hook_call_seconds',
    'Time of one request of a webhook or one call of a hook, by queue and result: ok or failed',
    shortTimes,
    'hook',
    'result',
  ),
  policySeconds: histogram(
    'rebound_policy_seconds',
    'Time of one call of a policy handler, failed ones included, by event',
    shortTimes,
    'event',
  ),
  policyFailures: counter(
    'rebound_policy_failures_total',
    'Calls of policy handlers that gave no usable answer, by event and kind (docs/policy.md)',
    'event',
    'kind',
  ),
  policyLoads: counter(
    'rebound_policy_loads_total',
    'Times a policy file was loaded, by result; one that failed left the one before in force',
    'result',
  ),
  ruleLoads: counter('rebound_rule_loads_total', 'Rule files read: loaded, or failed with the rules of before in force', 'result'),
});

/** The system as a whole, as the admin role reads it for a scrape. */
const ofSystem = ({ gauge, unknown }: Declare) => ({
  queueDepth: unknown(
    'rebound_queue_depth',
    'Messages that delivery has in hand or could take now, over all lanes: not those of suspended lanes or of lanes put on hold by a 421, nor retries that are not due; for autoscalers (admin only)',
  ),
  queueMessages: gauge('rebound_queue_messages', 'All messages in lanes, by state: waiting, delayed, active (admin only)', 'state'),
  queueAge: unknown('rebound_queue_age_seconds', 'Age since reception of the oldest message at the head of a lane (admin only)'),
  lanes: gauge('rebound_lanes', 'Lanes by state: open, held (put on hold by a 421), suspended (admin only)', 'state'),
  laneDepth: gauge(
    'rebound_lane_messages',
    'Messages of the deepest lanes, by state: waiting, delayed, active; all others are lane="other" (admin only)',
    'lane',
    'state',
  ),
  laneAge: gauge(
    'rebound_lane_age_seconds',
    'Age since reception of the message at the head of each of these lanes; of the others the oldest (admin only)',
    'lane',
  ),
  laneSuspended: gauge('rebound_lane_suspended', 'Is this lane of the deepest ones suspended? 1 or 0 (admin only)', 'lane'),
  permits: gauge(
    'rebound_session_permits',
    'Delivery sessions over all processes: active, or waiting for a process with room (admin only)',
    'state',
  ),
  workers: gauge('rebound_workers', 'Processes heard of in the last 15 seconds, by role (admin only)', 'role'),
  hookDepth: gauge('rebound_hook_depth', 'Records by subscriber and state: waiting, delayed, active, dead (admin only)', 'hook', 'state'),
  eventStreams: gauge('rebound_event_streams', 'Open event streams of the API (admin only)'),
});

/** Redis, spool and archive. */
const ofStores = ({ counter, gauge, unknown }: Declare) => ({
  redisUp: gauge('rebound_redis_up', 'Does Redis answer this process? 1 or 0'),
  redisPing: unknown('rebound_redis_ping_seconds', 'Round trip of a PING, made for the scrape'),
  redisMemory: unknown('rebound_redis_memory_used_bytes', 'Memory that Redis uses'),
  redisMemoryMax: unknown('rebound_redis_memory_max_bytes', 'Memory that Redis may use (maxmemory); 0: no limit'),
  redisAof: unknown('rebound_redis_aof_enabled', 'Does Redis keep an append-only file? 1 or 0'),
  redisAofOk: unknown('rebound_redis_aof_last_write_ok', 'Did its last write to the append-only file succeed? 1 or 0'),
  redisEvicts: unknown('rebound_redis_may_evict', 'May Redis drop keys when its memory is used up, accepted mail among them? 1 or 0'),
  redisEvicted: counter('rebound_redis_evicted_keys_total', 'Keys that Redis dropped for want of memory: mail may be among them'),
  redisRefused: counter(
    'rebound_redis_refused_commands_total',
    'Commands that Redis refused to all its clients, by error: OOM (memory), MISCONF (disk), READONLY, NOREPLICAS',
    'error',
  ),
  spoolHasRoom: unknown(
    'rebound_spool_has_room',
    'Is new mail accepted as far as room goes, in Redis and on disk? 1 or 0: 452 is answered',
  ),
  spoolFree: unknown('rebound_spool_free_bytes', 'Free space of the disk spool (spool.driver: disk)'),
  traceSpans: counter('rebound_trace_spans_total', 'Steps of traces handed to tracing.endpoint, by result: sent, or lost', 'result'),
  redisErrors: counter('rebound_redis_errors_total', 'Failed Redis operations, by operation', 'operation'),
  logLost: counter('rebound_log_lost_total', 'Dispositions dropped from Redis before they were archived, because it ran short of room'),
  archived: counter('rebound_archive_records_total', 'Dispositions archived'),
  archivedBytes: counter('rebound_archive_written_bytes_total', 'Octets written to the archive'),
  archiveErrors: counter('rebound_archive_errors_total', 'Failed attempts to archive'),
  archiveSize: gauge('rebound_archive_bytes', 'Octets of the archive (of the admin process that archives; 0 elsewhere)'),
  archiveLag: gauge('rebound_archive_lag_records', 'Dispositions that are in Redis only (of the admin process that archives; 0 elsewhere)'),
  archiveLagSeconds: gauge('rebound_archive_lag_seconds', 'Age of the oldest one of them; up to an hour is usual'),
});
