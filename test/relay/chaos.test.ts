import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import nodemailer from 'nodemailer';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { startRole, type RoleProcess } from '../support/processes.ts';
import { startRebound } from '../support/relay.ts';

const home = 'ann@home.test';
const messages = 400;

test('whatever is killed, every message that was accepted is delivered or reported, and each failure has one report (rules 1, 11)', async (t) => {
  const deferred = new Set<string>();
  const relay = await startRebound(t, {
    deliveries: 0,
    bounces: false,
    redis: ['--appendonly', 'yes', '--appendfsync', 'always'],
    config: { delivery: { lockDuration: '1s', sweepInterval: '300ms', connectionsPerSite: 5 } },
    sink: {
      rules: {
        rcpt: ({ recipient }) => {
          if (recipient.startsWith('nobody')) return '550 5.1.1 no such user';
          if (!recipient.startsWith('later') || deferred.has(recipient)) return undefined;
          deferred.add(recipient);
          return '451 4.7.1 later';
        },
        message: { delayMs: 5 },
      },
    },
  });
  const roles = ['delivery', 'delivery', 'bounce'] as const;
  const running: RoleProcess[] = await Promise.all(roles.map((role) => startRole(t, role, relay.redis, relay.config)));

  let isSending = true;
  const accepted: string[] = [];
  const sending = sendAll(relay.port, accepted).finally(() => {
    isSending = false;
  });
  // Workers die and come back as long as mail comes in, and Redis once.
  for (let round = 0; isSending || round < 6; round++) {
    await sleep(250);
    if (round === 2) {
      await relay.redis.kill();
      await sleep(100);
      await relay.redis.restart();
    }
    const victim = round % roles.length;
    await running[victim]?.kill();
    running[victim] = await startRole(t, roles[victim] ?? 'delivery', relay.redis, relay.config);
  }
  await sending;
  assert.ok(accepted.length > messages / 2, `${accepted.length} accepted`);

  const failing = new Set(accepted.filter((recipient) => recipient.startsWith('nobody')));
  const delivered = (): Set<string> => new Set(relay.sink.messages.filter((m) => m.sender === home).flatMap((m) => m.recipients));
  const reports = (): Map<string, string> => reportsById(relay.sink.messages.filter((m) => m.sender === '').map((m) => m.bytes));
  await relay.sink.until(() => {
    const reported = new Set(reports().values());
    const got = delivered();
    return accepted.every((recipient) => (failing.has(recipient) ? reported.has(recipient) : got.has(recipient)));
  }, 60_000);
  // A message whose 250 was lost with Redis may be in the queue all the same: it is nobody's failure.
  const byRecipient = [...reports().values()].filter((recipient) => failing.has(recipient));
  assert.equal(byRecipient.length, failing.size, 'one report a failure, by Message-ID');
  while ((await relay.leftovers()).length > 0) await sleep(50);
});

/** Final-Recipient by the Message-ID of the report. */
function reportsById(contents: Buffer[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const content of contents) {
    const id = /^Message-ID: (\S+)/im.exec(content.toString())?.[1] ?? '';
    found.set(id, parseRfc3464(content)?.recipients[0]?.finalRecipient?.value ?? '');
  }
  return found;
}

async function sendAll(port: number, accepted: string[]): Promise<void> {
  const transport = nodemailer.createTransport({
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    pool: true,
    maxConnections: 5,
    maxMessages: 1000,
  });
  const kinds = ['bob', 'later', 'nobody', 'eve'];
  for (let n = 0; n < messages; n++) {
    const to = `${kinds[n % kinds.length]}-${n}@dest.test`;
    const raw = `From: ${home}\r\nTo: ${to}\r\nSubject: ${n}\r\n\r\nhello\r\n`;
    await transport.sendMail({ envelope: { from: home, to }, raw }).then(
      () => accepted.push(to),
      () => undefined, // Redis is away: the client was told
    );
    await sleep(5);
  }
  transport.close();
}
