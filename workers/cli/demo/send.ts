import { setTimeout as sleep } from 'node:timers/promises';
import { formatDate } from '../../../shared/core/date.ts';
import { replyOnOneLine } from '../../../shared/core/reply.ts';
import { newMessageId } from '../../../shared/io/ids.ts';
import { smtpClient } from '../../../shared/io/smtp-client.ts';
import { Failure } from '../command.ts';
import { sender, type DemoMessage } from './batch.ts';

const timeouts = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 10_000 };

/**
 * Sends the batch over SMTP as any mail program would, one message after the other, `pauseMs` apart. Rejects with
 * Failure when one is not taken.
 */
export async function sendBatch(
  batch: readonly DemoMessage[],
  port: number,
  pauseMs: number,
  onSent: (message: DemoMessage) => void,
): Promise<void> {
  const target = { name: 'localhost', address: '127.0.0.1', port, protocol: 'smtp', tls: 'disabled' } as const;
  const opened = await smtpClient.connect(target, { ehloName: 'laptop.home.example', timeouts });
  if (!opened.ok) throw new Failure(`the relay does not talk to us: ${replyOnOneLine(opened.reply)}`);
  const { connection } = opened;
  try {
    for (const message of batch) {
      const content = Buffer.from(compose(message));
      const recipients = message.recipients.map(({ address }) => ({ address }));
      const envelope = { sender: sender.address, recipients, smtpUtf8: false, eightBit: false };
      const outcomes = await connection.send({ envelope, size: content.length, content });
      const refusal = outcomes.find(({ kind }) => kind !== 'accepted');
      if (refusal) throw new Failure(`the relay refused a message: ${replyOnOneLine(refusal.reply)}`);
      onSent(message);
      if (pauseMs > 0) await sleep(pauseMs);
    }
  } finally {
    await connection.close();
  }
}

function compose({ subject, recipients }: DemoMessage): string {
  return [
    `From: ${sender.name} <${sender.address}>`,
    `To: ${recipients.map(({ address }) => address).join(', ')}`,
    `Subject: ${subject}`,
    `Date: ${formatDate(Date.now())}`,
    `Message-ID: <${newMessageId()}@home.example>`,
    '',
    'Hello,',
    '',
    `this is about "${subject}".`,
    '',
    'Kind regards',
    'Ann',
    '',
  ].join('\r\n');
}
