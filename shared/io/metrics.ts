import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Every metric of the product, declared in one place; the table in the README is made from it. */
export function openMetrics(instance: string) {
  const registry = new Registry();
  registry.setDefaultLabels({ instance });
  collectDefaultMetrics({ register: registry, prefix: 'rebound_' });
  const registers = [registry];
  return {
    registry,
    connections: new Counter({
      name: 'rebound_ingress_connections_total',
      help: 'SMTP connections, by result',
      labelNames: ['result'],
      registers,
    }),
    openConnections: new Gauge({ name: 'rebound_ingress_connections', help: 'Open SMTP connections', registers }),
    received: new Counter({
      name: 'rebound_messages_received_total',
      help: 'Messages accepted with 250, by protocol',
      labelNames: ['protocol'],
      registers,
    }),
    receivedBytes: new Counter({ name: 'rebound_received_bytes_total', help: 'Octets of accepted messages', registers }),
    rejected: new Counter({
      name: 'rebound_ingress_rejections_total',
      help: 'Replies of 4xx and 5xx to clients, by code',
      labelNames: ['code'],
      registers,
    }),
    dispositions: new Counter({
      name: 'rebound_dispositions_total',
      help: 'Disposition records, by type',
      labelNames: ['type'],
      registers,
    }),
    classified: new Counter({
      name: 'rebound_bounces_classified_total',
      help: 'Bounces, expirations and temporary failures, by bounce class; classes of rule files are "other" (docs/rules.md)',
      labelNames: ['class'],
      registers,
    }),
    rewrites: new Counter({
      name: 'rebound_status_rewrites_total',
      help: 'Rejections given another status, by what it made of them (permanent, temporary, code: same class), refused, or error',
      labelNames: ['result'],
      registers,
    }),
    ruleLoads: new Counter({
      name: 'rebound_rule_loads_total',
      help: 'Rule files read: loaded, or failed with the rules of before in force',
      labelNames: ['result'],
      registers,
    }),
    sessions: new Gauge({ name: 'rebound_delivery_sessions', help: 'Open delivery sessions', registers }),
    connects: new Counter({
      name: 'rebound_outbound_connections_total',
      help: 'Connections to remote servers, by result',
      labelNames: ['result'],
      registers,
    }),
    deliverySeconds: new Histogram({
      name: 'rebound_delivery_seconds',
      help: 'Time from reception to delivery',
      buckets: [0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400],
      registers,
    }),
    reports: new Counter({
      name: 'rebound_reports_total',
      help: 'Reports by outcome: sent, or why there is none (docs/reporting-policy.md)',
      labelNames: ['outcome'],
      registers,
    }),
    reportFaults: new Counter({
      name: 'rebound_report_faults_total',
      help: 'Reports sent with less than they should have, by fault: unsigned (DKIM failed), minimal (the full one could not be made)',
      labelNames: ['fault'],
      registers,
    }),
    inbound: new Counter({
      name: 'rebound_inbound_total',
      help: 'What came to ingress.reports.to, by kind and by what found the original (docs/reading-reports.md)',
      labelNames: ['kind', 'match'],
      registers,
    }),
    ...hookMetrics(registers),
    queueDepth: new Gauge({
      name: 'rebound_queue_depth',
      help: 'Messages waiting, delayed and in flight over all lanes (admin only)',
      labelNames: ['state'],
      registers,
    }),
    redisErrors: new Counter({
      name: 'rebound_redis_errors_total',
      help: 'Failed Redis operations, by operation',
      labelNames: ['operation'],
      registers,
    }),
    swept: new Counter({ name: 'rebound_lanes_swept_total', help: 'Lanes woken by the sweeper', registers }),
  };
}

export type Metrics = ReturnType<typeof openMetrics>;

function hookMetrics(registers: Registry[]) {
  return {
    hookJobs: new Counter({
      name: 'rebound_hook_records_total',
      help: 'Records for webhooks and hooks, by queue and outcome: done, retry, dead (given up), dropped (waited too long)',
      labelNames: ['hook', 'outcome'],
      registers,
    }),
    hookSeconds: new Histogram({
      name: 'rebound_hook_seconds',
      help: 'Time from a disposition until its webhook or hook was done, by queue',
      labelNames: ['hook'],
      buckets: [0.05, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400],
      registers,
    }),
    hookDepth: new Gauge({
      name: 'rebound_hook_depth',
      help: 'Records by subscriber and state: waiting, delayed, active, dead (admin only)',
      labelNames: ['hook', 'state'],
      registers,
    }),
  };
}
