import { z } from 'zod';
import { count, duration, flag } from './config-values.ts';

export const retry = {
  interval: duration('30m').describe(
    'Wait before the second attempt (RFC 5321 4.5.4.1: at least 30 minutes); doubles after each further one',
  ),
  maxInterval: duration('4h').describe('The longest wait between two attempts'),
  maxAge: duration('5d').describe('Age at which a message that still fails expires (RFC 5321 4.5.4.1: 4 to 5 days)'),
  jitter: z.number().min(0).max(0.5).default(0.05).describe('Spread of each wait, as a part of it, so that retries do not come in waves'),
};

/** Without defaults: what a queue does not say is taken from `retry`. */
export const queueSchedule = z.strictObject({
  interval: retry.interval.unwrap().optional(),
  maxInterval: retry.maxInterval.unwrap().optional(),
  maxAge: retry.maxAge.unwrap().optional(),
  jitter: retry.jitter.unwrap().optional(),
});

const tlsPolicy = z.enum(['opportunistic', 'required', 'disabled']);
const rate = z.string().regex(/^\d+\/\d*(ms|s|m|h)$/, { error: 'expected messages per time such as "50/s"' });

const timeouts = {
  connect: duration('30s').describe('Connecting'),
  greeting: duration('5m').describe('Greeting (RFC 5321 4.5.3.2.1)'),
  command: duration('5m').describe('EHLO, MAIL, RCPT, AUTH, STARTTLS (4.5.3.2.2 and .3)'),
  data: duration('2m').describe('DATA (4.5.3.2.4)'),
  block: duration('3m').describe('Sending a part of the content (4.5.3.2.5)'),
  final: duration('10m').describe('The answer to the final dot (4.5.3.2.6)'),
};

/** What a policy may say of an egress path, without defaults. */
export const pathSettings = z.strictObject({
  connections: z.int().min(1).max(10_000).optional(),
  concurrency: z.int().min(1).optional(),
  rate: rate.optional(),
  messagesPerConnection: z.int().min(1).optional(),
  idleTimeout: duration('300ms').unwrap().optional(),
  tls: tlsPolicy.optional(),
  timeouts: z
    .strictObject({
      connect: timeouts.connect.unwrap().optional(),
      greeting: timeouts.greeting.unwrap().optional(),
      command: timeouts.command.unwrap().optional(),
      data: timeouts.data.unwrap().optional(),
      block: timeouts.block.unwrap().optional(),
      final: timeouts.final.unwrap().optional(),
    })
    .optional(),
});

/** The settings of the delivery role. */
export const deliverySchema = z
  .strictObject({
    sessions: count(200).describe('Connections one delivery process holds at most'),
    client: z
      .enum(['rebound', 'nodemailer'])
      .default('rebound')
      .describe('SMTP client: our own, or nodemailer (no per-command timeouts, one recipient per transaction where DSN parameters differ)'),
    connectionsPerSite: count(20).describe('Connections to one site, over all delivery processes'),
    messagesPerConnection: count(1000).describe('Messages on one connection'),
    recipientsPerTransaction: count(100).describe('Recipients of one transaction (RFC 5321 4.5.3.1.8)'),
    idleTimeout: duration('300ms').describe('How long a connection without work stays open for the next message'),
    fairnessInterval: duration('10s').describe('Time after which a session gives way when others wait'),
    lockDuration: duration('30s').describe('Time after which the jobs of a killed worker are taken over'),
    sweepInterval: duration('10s').describe('How often forgotten lanes are looked for'),
    rules: z
      .array(z.string().min(1))
      .default([])
      .describe('Rule files, beside the configuration: status and bounce class by what a server said; see docs/rules.md'),
    rulesInterval: duration('10s').describe('How often the rule files are looked at for changes'),
    responseLineBreaks: z
      .enum(['escaped', 'space'])
      .default('escaped')
      .describe('Breaks between the lines of a response, as rules and policy see them: the four characters \\r\\n, or one space'),
    keepConversations: duration('7d').describe(
      'How long the SMTP conversation of an attempt that failed is kept in Redis, about 1 KB each; fewer when memory runs short; 0: none',
    ),
    sites: z
      .record(
        z.string(),
        z.strictObject({
          connections: count(20).describe('Connections to this site'),
          concurrency: z.int().min(1).optional().describe('Transactions in flight to this site'),
          rate: rate.optional().describe('Messages per time'),
        }),
      )
      .default({})
      .describe('Limits of single sites, by site name (the mail exchanger, or host:port of a static route)'),
  })
  .prefault({});

/** Where mail goes, and as whom. */
export const outboundSchema = z
  .strictObject({
    ehloName: z.string().default('').describe('Name in EHLO; empty: hostname'),
    sources: z
      .array(
        z.strictObject({
          name: z
            .string()
            .regex(/^[A-Za-z0-9._-]+$/)
            .describe('Name of the egress source'),
          address: z.string().default('').describe('Local address to send from'),
          ehloName: z.string().default('').describe('Its name in EHLO'),
        }),
      )
      .default([])
      .describe('Egress sources, used in turn by message; none: one source called "default"'),
    port: z.int().min(1).max(65535).default(25).describe('Port of mail exchangers'),
    tls: tlsPolicy
      .default('opportunistic')
      .describe(
        'TLS to mail exchangers. opportunistic: encrypt without checking the certificate, go on in clear when STARTTLS fails; required: a checked certificate or no delivery',
      ),
    family: z.enum(['any', 'ipv4', 'ipv6']).default('any').describe('Addresses used'),
    allowPrivate: flag(false).describe('Deliver to loopback, private and link-local addresses found by DNS'),
    dnsServers: z.array(z.string()).default([]).describe('Resolvers as address or address:port; none: those of the system'),
    dnsTimeout: duration('5s').describe('Time for one DNS answer'),
    routes: z
      .record(
        z.string(),
        z.union([
          z.string(),
          z.strictObject({
            host: z.string().describe('Host name or address'),
            port: z.int().min(1).max(65535).default(25).describe('Port'),
            protocol: z.enum(['smtp', 'lmtp']).default('smtp').describe('Protocol'),
            tls: z
              .enum(['opportunistic', 'required', 'disabled', 'implicit'])
              .optional()
              .describe('TLS; implicit: from the first octet, certificate checked; absent: outbound.tls'),
            user: z.string().default('').describe('Login at the host'),
            password: z.string().default('').describe('Its password'),
          }),
        ]),
      )
      .default({})
      .describe('Static routes: domain or "*" to "host:port" or to a host with protocol, TLS and login'),
    timeouts: z.strictObject(timeouts).prefault({}),
  })
  .prefault({});
