import { formatDate } from '../../../shared/core/date.ts';
import { replyOnOneLine } from '../../../shared/core/reply.ts';
import { newMessageId } from '../../../shared/io/ids.ts';
import { smtpClient } from '../../../shared/io/smtp-client.ts';
import { Failure } from '../command.ts';

export interface Letter {
  from: { name: string; address: string };
  to: readonly string[];
  subject: string;
  /** The name of the mailing list that it is of. */
  list?: string;
}

/** A mail program's connection to the relay. */
export interface Outbox {
  /** Rejects with Failure when the relay does not take it. */
  send(letter: Letter): Promise<void>;
  close(): Promise<void>;
}

const timeouts = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 10_000 };

/** Rejects with Failure when the relay does not talk to us. */
export async function openOutbox(port: number): Promise<Outbox> {
  const target = { name: 'localhost', address: '127.0.0.1', port, protocol: 'smtp', tls: 'disabled' } as const;
  const opened = await smtpClient.connect(target, { ehloName: 'laptop.home.example', timeouts });
  if (!opened.ok) throw new Failure(`the relay does not talk to us: ${replyOnOneLine(opened.reply)}`);
  const { connection } = opened;
  return {
    send: async (letter) => {
      const content = Buffer.from(compose(letter));
      const recipients = letter.to.map((address) => ({ address }));
      const envelope = { sender: letter.from.address, recipients, smtpUtf8: false, eightBit: false };
      const outcomes = await connection.send({ envelope, size: content.length, content });
      const refusal = outcomes.find(({ kind }) => kind !== 'accepted');
      if (refusal) throw new Failure(`the relay refused a message: ${replyOnOneLine(refusal.reply)}`);
    },
    close: () => connection.close(),
  };
}

const compose = ({ from, to, subject, list }: Letter): string =>
  [
    `From: ${from.name} <${from.address}>`,
    `To: ${to.join(', ')}`,
    `Subject: ${subject}`,
    `Date: ${formatDate(Date.now())}`,
    `Message-ID: <${newMessageId()}@home.example>`,
    ...(list === undefined ? [] : [`List-Id: <${list}>`]),
    '',
    'Hello,',
    '',
    `this is about "${subject}".`,
    '',
    'Kind regards',
    from.name.split(' ')[0] ?? '',
    '',
  ].join('\r\n');
