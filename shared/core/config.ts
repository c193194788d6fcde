import { z } from 'zod';
import { adminSchema } from './config-admin.ts';
import { archiveSchema } from './config-archive.ts';
import { deliverySchema, outboundSchema, type pathSettings, queueSchedule, retry } from './config-delivery.ts';
import { tracingSchema } from './config-tracing.ts';
import { bytes, cidr, count, duration, flag, hostname, languageTag, limit, port } from './config-values.ts';
import { recordTypes } from './disposition.ts';
import { optionalRules } from './dsn/report-policy.ts';

/**
 * Every setting of every role: one schema gives validation, defaults and the table in the README. A file (JSON or
 * TypeScript) and the environment (`REBOUND_INGRESS_PORT` for `ingress.port`) are laid over the defaults.
 */

/** What goes well, and what anybody can cause by talking to the SMTP port, must be asked for. */
const ordinary: readonly string[] = ['Reception', 'Delivery', 'Rejection'];

export const configSchema = z.strictObject({
  hostname: hostname.default('localhost').describe('Name of this system: banner, EHLO, Received, Reporting-MTA, addresses of reports'),
  dataDir: z.string().min(1).default('./data').describe('Folder of embedded Redis, disk spool and archive, from the working folder'),
  redis: z
    .strictObject({
      url: z
        .string()
        .default('')
        .describe(
          'redis://, rediss://, unix:///path, redis-sentinel://a:26379,b:26379/master or redis-cluster://a:7000,b:7000; also read from REDIS_URL. Empty: the embedded Redis',
        ),
      prefix: z
        .string()
        .regex(/^[A-Za-z0-9_-]+$/, { error: 'expected letters, digits, "-" or "_"' })
        .default('rebound')
        .describe('Prefix of every key; kept in one hash slot of a cluster'),
      requireDurable: flag(false).describe('Refuse to start when Redis may evict keys or has no append-only file; otherwise a warning'),
      timeout: duration('5s').describe('How long ingress waits for Redis before it answers 451'),
    })
    .prefault({}),
  ingress: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address to listen on'),
      port: port(2525).describe('SMTP port'),
      tlsPort: port(0).describe('Port for implicit TLS; 0: none'),
      banner: z.string().max(200).default('Rebound').describe('Words of the greeting after the host name'),
      tls: z
        .strictObject({
          key: z.string().default('').describe('PEM file of the private key, beside the configuration; empty: no STARTTLS'),
          cert: z.string().default('').describe('PEM file of the certificate chain, beside the configuration'),
        })
        .prefault({}),
      trusted: z.array(cidr).default(['127.0.0.0/8', '::1/128']).describe('Networks that may relay anywhere'),
      proxies: z.array(cidr).default([]).describe('Load balancers whose PROXY protocol (v1) header is believed; from them it is required'),
      domains: z.array(z.string()).default([]).describe('Domains anyone may send to through this relay'),
      reports: z
        .strictObject({
          to: z
            .array(z.string().regex(/^(?:[^\s@]+@)?[^\s@]+$/, { error: 'expected a domain, or an address such as "fbl@example.org"' }))
            .default([])
            .describe(
              'Domains, and single addresses, whose mail is read as reports instead of relayed: late bounces and complaints, from anyone; see docs/reading-reports.md',
            ),
          maxSize: bytes('10MB').describe('Largest message to them'),
        })
        .prefault({}),
      users: z
        .array(
          z.strictObject({
            name: z.string().min(1).describe('Login name'),
            password: z.string().min(1).describe('The password, or its hash from `rebound hash-password`'),
            tenant: z.string().optional().describe('Tenant that the mail of this login belongs to'),
          }),
        )
        .default([])
        .describe('Logins that may relay anywhere'),
      allowPlainAuth: flag(false).describe('Offer AUTH without TLS'),
      maxSize: bytes('25MB').describe('Largest message (SIZE)'),
      maxRecipients: count(1000).describe('Recipients per message; RFC 5321 4.5.3.1.8 wants at least 100'),
      maxConnections: count(2000).describe('Open connections of one ingress process'),
      maxConnectionsPerAddress: count(100).describe('Open connections of one client address; trusted networks have no such limit'),
      maxMessagesPerMinute: count(1000).describe('Messages per minute of one client address; trusted networks have no such limit'),
      maxMessagesPerConnection: count(10000).describe('Messages on one connection before it is closed with 421'),
      maxHops: count(100).describe('Received fields after which a message is a loop (RFC 5321 6.3)'),
      maxLineLength: z.int().min(998).default(998).describe('Longest line of a message in octets, without CRLF'),
      bareNewlines: z.enum(['refuse', 'fix']).default('refuse').describe('A CR or LF by itself in a message: refuse it, or make it CRLF'),
      greetingDelay: duration('100ms').describe(
        'Wait before the greeting in which an untrusted client may not talk; trusted networks: none',
      ),
      idleTimeout: duration('5m').describe('Silence after which a connection is closed (RFC 5321 4.5.3.2.7)'),
      dataDeadline: duration('15m').describe('Longest time for the content of one message'),
      sessionDeadline: duration('2h').describe('Longest life of a connection'),
      lookupTimeout: duration('1s').describe(
        'How long after the content the mail exchangers of a domain may take, before its own lane is used',
      ),
    })
    .prefault({}),
  spool: z
    .strictObject({
      driver: z
        .enum(['redis', 'disk'])
        .default('redis')
        .describe('Where messages above spool.threshold wait; disk: one host, or a folder all hosts share'),
      threshold: bytes('128KB').describe('Messages up to this size are kept in Redis with their job'),
      maxRedisMemory: z
        .number()
        .min(0.1)
        .max(1)
        .default(0.9)
        .describe('Part of Redis maxmemory above which new messages are refused with 452'),
      minFreeDisk: bytes('512MB').describe('Free space below which new messages are refused with 452'),
    })
    .prefault({}),
  delivery: deliverySchema,
  outbound: outboundSchema,
  retry: z.strictObject(retry).prefault({}),
  queues: z
    .record(z.string(), queueSchedule)
    .default({})
    .describe('Schedules of single queues, by queue name (campaign:tenant@domain), tenant (tenant@) or domain'),
  bounce: z
    .strictObject({
      enabled: flag(true).describe('Make reports; false where hooks of your own make them (docs/hooks.md), or nobody'),
      concurrency: count(50).describe('Reports made at once by one bounce process'),
      originalLimit: bytes('50KB').describe('A larger original is returned as its header only'),
      includeOriginal: z
        .enum(['FullContent', 'HeadersOnly', 'No'])
        .default('FullContent')
        .describe('What a report returns of the message, unless its sender asked (RET)'),
      globalStatus: flag(false).describe(
        'Report on internationalised mail in message/global-delivery-status (RFC 6533) to ASCII return paths too; see docs/reports.md',
      ),
      delayWarning: duration('4h').describe(
        'Age at which the sender of a message that still waits is warned, at its next failed attempt, and the time between two warnings; 0: never',
      ),
      delayWarnings: count(1).describe('Warnings of delay for one recipient at most'),
      hold: duration('5s').describe(
        'How long outcomes of a message with several recipients are waited for, to tell them in one report; 0: a report for each disposition',
      ),
      mixed: flag(true).describe('Tell failures, delays and successes of one message in one report; false: a report for each of these'),
      from: z.string().default('').describe('Address of reports; empty: mailer-daemon@hostname'),
      template: z
        .string()
        .min(1)
        .default('plain')
        .describe('Wording of reports: plain, classic, or a file or folder of templates, beside the configuration; see docs/reports.md'),
      language: languageTag
        .default('en')
        .describe('Language of reports: en, de, fr, es, one of your templates, or auto: that of the message'),
      tenants: z
        .record(
          z.string(),
          z.strictObject({
            enabled: z.boolean().optional(),
            template: z.string().min(1).optional(),
            language: languageTag.optional(),
            from: z.string().optional(),
          }),
        )
        .default({})
        .describe('The same for the mail of single tenants, by name: enabled, template, language, from'),
      dkim: z
        .array(
          z.strictObject({
            domain: hostname.describe('Domain of the signature (d=): that of bounce.from, or of a tenant, or one above it'),
            selector: z
              .string()
              .regex(/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/, {
                error: 'expected a selector such as "mail2026", of at most 63 characters between dots',
              })
              .describe('Name of the key in the DNS (s=)'),
            keyFile: z.string().min(1).describe('PEM file of the private key, RSA or Ed25519, beside the configuration'),
          }),
        )
        .default([])
        .describe('Keys that sign reports (DKIM): domain, selector, PEM file beside the configuration; see docs/reports.md'),
      discloseInternals: flag(true).describe(
        'Tell in reports the client that handed the message in, its id here, and next hops in private networks',
      ),
      suppress: z
        .array(z.enum(optionalRules, { error: `expected one of ${optionalRules.map((rule) => `"${rule}"`).join(', ')}` }))
        .default([...optionalRules])
        .describe('Whom to send no report although the RFCs allow it; see docs/reporting-policy.md'),
      keepOriginals: duration('0').describe('How long failed messages are kept for replay --to redeliver; 0: until they are told'),
      maxHops: count(100).describe('No report about a message with more Received fields than this: it goes round in a loop'),
      maxPerSender: limit(20_000).describe('Reports to one address within bounce.limitWindow, over all bounce processes; 0: no limit'),
      maxPerDomain: limit(100_000).describe('The same for all addresses of one domain'),
      limitWindow: duration('1h').describe('Time for which reports are counted; it begins with the first one'),
    })
    .prefault({}),
  policy: z
    .strictObject({
      file: z
        .string()
        .default('')
        .describe('Policy file (TypeScript or JavaScript, docs/policy.md), relative to the configuration file; empty: none'),
      timeout: duration('1s').describe('How long a handler may take before mail goes on without its answer'),
    })
    .prefault({}),
  webhooks: z
    .record(
      z.string(),
      z.strictObject({
        url: z.string().describe('http:// or https:// address that records are posted to'),
        types: z
          .array(z.enum(recordTypes, { error: `expected one of ${recordTypes.join(', ')}` }))
          .min(1)
          .default(recordTypes.filter((type) => !ordinary.includes(type)))
          .describe('Records that it hears'),
        secret: z.string().default('').describe('Key of the signature'),
        secretFile: z.string().default('').describe('File that holds it instead, beside the configuration'),
        headers: z.record(z.string(), z.string()).default({}).describe('Further fields of each request'),
        batchSize: z.int().min(1).max(1000).default(100).describe('Records in one request at most'),
        batchWait: duration('1s').describe('How long a record waits for others'),
        concurrency: z.int().min(1).max(50).default(2).describe('Requests at once of one process'),
        timeout: duration('30s').describe('Time for one request'),
        maxAge: duration('1d').describe('Age at which a record that could not be posted is given up'),
        maxBacklog: count(100_000).describe('Records that wait at most; then the oldest are dropped'),
        tlsVerify: flag(true).describe('Check the certificate'),
      }),
    )
    .default({})
    .describe('Endpoints that dispositions are posted to, by name; see docs/hooks.md'),
  log: z
    .strictObject({
      level: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info').describe('Least level that is logged'),
      format: z.enum(['auto', 'json', 'text']).default('auto').describe('text on a terminal, else JSON lines'),
      keepRecords: count(250_000).describe('Dispositions kept in Redis, about 1 KB each; fewer when its memory runs short'),
      maxAge: duration('30d').describe('Age at which a disposition leaves Redis'),
    })
    .prefault({}),
  archive: archiveSchema,
  admin: adminSchema,
  health: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address of /healthz, /readyz and /metrics of a worker'),
      port: port(0).describe('Their port; 0: none'),
    })
    .prefault({}),
  tracing: tracingSchema,
  shutdownTimeout: duration('30s').describe('Time for work in hand after SIGTERM'),
});

export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
export type PathSettings = z.output<typeof pathSettings>;
export type RetrySchedule = Config['retry'];
export type BounceConfig = Config['bounce'];
export type WebhookConfig = Config['webhooks'][string];
