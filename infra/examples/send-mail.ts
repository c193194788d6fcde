// A sender to watch Rebound with: node infra/examples/send-mail.ts [host] [port] [milliseconds between messages]. Its recipients are
// under names that are nobody's (RFC 2606); infra/examples/sink.json refuses some of them.
import { setTimeout as sleep } from 'node:timers/promises';
import nodemailer from 'nodemailer';

const [host = '127.0.0.1', port = '2525', interval = '1000'] = process.argv.slice(2);
const recipients = [
  'ann@shop.example',
  'bob@shop.example',
  'eve@news.example',
  'nobody@shop.example',
  'full@shop.example',
  'blocked@news.example',
];
const transport = nodemailer.createTransport({ host, port: Number(port), secure: false, ignoreTLS: true, pool: true, maxConnections: 1 });

for (let n = 0; ; n++) {
  const to = recipients[n % recipients.length] ?? '';
  await transport
    .sendMail({ from: 'sender@home.example', to, subject: `Message ${n}`, text: 'Hello.' })
    .catch((error: Error) => process.stderr.write(`${to}: ${error.message}\n`));
  await sleep(Number(interval));
}
