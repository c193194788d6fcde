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
    logLost: new Counter({
      name: 'rebound_log_lost_total',
      help: 'Dispositions dropped from Redis before they were archived, because it ran short of room',
      registers,
    }),
    archived: new Counter({ name: 'rebound_archive_records_total', help: 'Dispositions archived', registers }),
    archivedBytes: new Counter({ name: 'rebound_archive_written_bytes_total', help: 'Octets written to the archive', registers }),
    archiveErrors: new Counter({ name: 'rebound_archive_errors_total', help: 'Failed attempts to archive', registers }),
    archiveSize: new Gauge({
      name: 'rebound_archive_bytes',
      help: 'Octets of the archive (of the admin process that archives; 0 elsewhere)',
      registers,
    }),
    archiveLag: new Gauge({
      name: 'rebound_archive_lag_records',
      help: 'Dispositions that are in Redis only (of the admin process that archives; 0 elsewhere)',
      registers,
    }),
    archiveLagSeconds: new Gauge({
      name: 'rebound_archive_lag_seconds',
      help: 'Age of the oldest one of them; up to an hour is usual',
      registers,
    }),
    swept: new Counter({ name: 'rebound_lanes_swept_total', help: 'Lanes woken by the sweeper', registers }),
  };
}

export type Metrics = ReturnType<typeof openMetrics>;
