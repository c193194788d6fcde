import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Every metric of the product, declared in one place; the table in the README is made from it. */
export function openMetrics(instance: string) {
  const registry = new Registry();
  registry.setDefaultLabels({ instance });
  collectDefaultMetrics({ register: registry, prefix: 'rebound_' });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) => new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) => new Gauge({ name, help, labelNames, registers });
  return {
    registry,
    connections: counter('rebound_ingress_connections_total', 'SMTP connections, by result', 'result'),
    openConnections: gauge('rebound_ingress_connections', 'Open SMTP connections'),
    received: counter('rebound_messages_received_total', 'Messages accepted with 250, by protocol', 'protocol'),
    receivedBytes: counter('rebound_received_bytes_total', 'Octets of accepted messages'),
    rejected: counter('rebound_ingress_rejections_total', 'Replies of 4xx and 5xx to clients, by code', 'code'),
    dispositions: counter('rebound_dispositions_total', 'Disposition records, by type', 'type'),
    classified: counter(
      'rebound_bounces_classified_total',
      'Bounces, expirations and temporary failures, by bounce class; classes of rule files are "other" (docs/rules.md)',
      'class',
    ),
    rewrites: counter(
      'rebound_status_rewrites_total',
      'Rejections given another status, by what it made of them (permanent, temporary, code: same class), refused, or error',
      'result',
    ),
    ruleLoads: counter('rebound_rule_loads_total', 'Rule files read: loaded, or failed with the rules of before in force', 'result'),
    sessions: gauge('rebound_delivery_sessions', 'Open delivery sessions'),
    connects: counter('rebound_outbound_connections_total', 'Connections to remote servers, by result', 'result'),
    deliverySeconds: new Histogram({
      name: 'rebound_delivery_seconds',
      help: 'Time from reception to delivery',
      buckets: [0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400],
      registers,
    }),
    reports: counter('rebound_reports_total', 'Reports by outcome: sent, or why there is none (docs/reporting-policy.md)', 'outcome'),
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
    hookSeconds: new Histogram({
      name: 'rebound_hook_seconds',
      help: 'Time from a disposition until its webhook or hook was done, by queue',
      labelNames: ['hook'],
      buckets: [0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400],
      registers,
    }),
    hookDepth: gauge('rebound_hook_depth', 'Records by subscriber and state: waiting, delayed, active, dead (admin only)', 'hook', 'state'),
    queueDepth: gauge('rebound_queue_depth', 'Messages waiting, delayed and in flight over all lanes (admin only)', 'state'),
    eventStreams: gauge('rebound_event_streams', 'Open event streams of the API (admin only)'),
    redisErrors: counter('rebound_redis_errors_total', 'Failed Redis operations, by operation', 'operation'),
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
    logLost: counter('rebound_log_lost_total', 'Dispositions dropped from Redis before they were archived, because it ran short of room'),
    archived: counter('rebound_archive_records_total', 'Dispositions archived'),
    archivedBytes: counter('rebound_archive_written_bytes_total', 'Octets written to the archive'),
    archiveErrors: counter('rebound_archive_errors_total', 'Failed attempts to archive'),
    archiveSize: gauge('rebound_archive_bytes', 'Octets of the archive (of the admin process that archives; 0 elsewhere)'),
    archiveLag: gauge(
      'rebound_archive_lag_records',
      'Dispositions that are in Redis only (of the admin process that archives; 0 elsewhere)',
    ),
    archiveLagSeconds: gauge('rebound_archive_lag_seconds', 'Age of the oldest one of them; up to an hour is usual'),
    orders: gauge('rebound_orders', 'Orders in force, by kind, as this process knows them (docs/steering.md)', 'kind'),
    steered: counter('rebound_steered_total', 'Messages put off, ended, moved or hurried by an order, by its kind', 'kind'),
    swept: counter('rebound_lanes_swept_total', 'Lanes woken by the sweeper'),
  };
}

export type Metrics = ReturnType<typeof openMetrics>;
