import { parseResponse, recipientsOf, type DispositionRecord, type RecordType } from '../../../shared/core/disposition.ts';
import { replyOnOneLine } from '../../../shared/core/reply.ts';
import { sender, type DemoMessage } from './batch.ts';
import { exchangerOf, fullDomain, slowDomain, waitingDomain } from './places.ts';
import type { Ledger } from './ledger.ts';
import type { Outcome } from './play.ts';
import { printable, showReport } from './show-report.ts';
import type { DemoSystem } from './system.ts';
import { line, span, type Line, type Style } from './table.ts';

/** What is about to happen, and where. */
export function greeting(batch: readonly DemoMessage[], { smtpPort, dashboard, taken }: DemoSystem): Line[] {
  const recipients = batch.reduce((sum, message) => sum + message.recipients.length, 0);
  return [
    span(''),
    line(span('  Rebound', 'bold'), span('  mail that arrives, mail that does not, and the reports that come back')),
    span(''),
    line(span('  relay      ', 'dim'), span(`smtp://127.0.0.1:${smtpPort}`)),
    line(span('  dashboard  ', 'dim'), span(dashboard)),
    ...(taken.length > 0 ? [span(`             (other programs use ${taken.join(' and ')}, so other ports were chosen)`, 'dim')] : []),
    span(''),
    span(`  ${batch.length} messages of ${sender.address} for ${recipients} recipients. Nothing leaves this machine.`, 'dim'),
    span(''),
  ];
}

/** How it went, and one of the reports; what is missing, if anything is. */
export function conclusion(ledger: Ledger, { end, seconds }: Outcome): Line[] {
  const { sent, delivered, bounced, expired } = ledger.total();
  if (end === 'stopped') return [span(''), span('  Stopped before the end.', 'yellow')];
  if (end === 'incomplete') {
    return [
      span(''),
      span(`  Not everything is accounted for after ${seconds.toFixed(0)} s:`, 'red'),
      ...ledger.missing().map((words) => span(`  ${words}`)),
    ];
  }
  const shown = ledger.reports.find(({ report }) => (report.text ?? '').includes('nobody-of')) ?? ledger.reports[0];
  return [
    span(''),
    line(span('  ✓ ', 'green'), span(`All ${sent} messages are accounted for, in ${seconds.toFixed(1)} s.`)),
    span(`    ${delivered} recipients have their mail. ${bounced + expired} do not, and the sender got exactly one report on each.`),
    span(''),
    ...(shown
      ? [span(`  What ${sender.address} got for the one with three recipients:`), ...showReport(shown.bytes, shown.report), span('')]
      : []),
  ];
}

/** What to look at first, and how to send something oneself. */
export function invitation({ smtpPort, dashboard }: DemoSystem): Line[] {
  const to = 'nobody@shop.example';
  const hint = (address: string, what: string): Line => line(span(`    ${address.padEnd(24)}`), span(what, 'dim'));
  const look = (path: string, what: string): Line[] => [span(`    ${dashboard}${path}`), span(`      ${what}`, 'dim')];
  return [
    span('  Look first (mail goes on in small numbers while you do)', 'bold'),
    span(''),
    ...look('/bounces', 'open one: what the server said and what it means, the SMTP conversation, the report that its sender got'),
    ...look('/lanes', `open ${exchangerOf(waitingDomain)}, where mail waits for a retry: press "Retry now", or end it with "Bounce"`),
    ...look('/rules', 'two rules of a file, and how often each has decided'),
    span(''),
    span('  Then send something', 'bold'),
    span(''),
    span(`    swaks --server 127.0.0.1:${smtpPort} --from you@home.example --to ${to}`),
    span('  or, without swaks,', 'dim'),
    span(
      `    printf 'Subject: hi\\r\\n\\r\\nhello\\r\\n' | curl smtp://127.0.0.1:${smtpPort} --mail-from you@home.example --mail-rcpt ${to} -T -`,
    ),
    span(''),
    hint('anyone@shop.example', 'is delivered'),
    hint('nobody@shop.example', 'does not exist'),
    hint('later@shop.example', 'is greylisted: deferred once, then delivered'),
    hint('spam@shop.example', 'refuses the content'),
    hint('gone@shop.example', 'is put off by its server; a rule makes a bounce of it'),
    hint(`anyone@${fullDomain}`, 'is full, and expires after three seconds'),
    hint(`anyone@${slowDomain}`, 'waits in a line behind others'),
    hint(`anyone@${waitingDomain}`, 'is tried again after ten minutes, or when you say so'),
    span(''),
    line(span('  Every step of it: ', 'dim'), span(dashboard), span('   Stop with Ctrl-C.', 'dim')),
    span(''),
  ];
}

/** No more mail comes by itself; what is there stays. */
export const trickleEnded = (error: unknown): Line => span(`  (no more mail is sent by the demo: ${printable(String(error))})`, 'dim');

const words: Partial<Record<RecordType, readonly [word: string, style: Style]>> = {
  Reception: ['received', 'bold'],
  Delivery: ['delivered', 'green'],
  TransientFailure: ['deferred', 'yellow'],
  Bounce: ['bounced', 'red'],
  Expiration: ['expired', 'magenta'],
  AdminBounce: ['ended', 'red'],
  Rejection: ['rejected', 'red'],
  OOB: ['bounced', 'red'],
  Feedback: ['complaint', 'red'],
};

/** A record of somebody's own mail, on a line. */
export function telling(record: DispositionRecord): Line[] {
  const [word, style] = words[record.type] ?? [record.type, 'dim'];
  const isReport = record.reception_protocol === 'Report';
  if (isReport && record.type === 'Reception') return [];
  const reply = replyOnOneLine(parseResponse(record.response));
  return [
    line(
      span(`  ${new Date(record.event_time).toLocaleTimeString('en-GB')}  `, 'dim'),
      span((isReport && record.type === 'Delivery' ? 'reported' : word).padEnd(11), style),
      span(printable(recipientsOf(record).join(', '))),
      span(record.type === 'Reception' || record.type === 'Delivery' ? '' : `  ${printable(reply)}`, 'dim'),
    ),
  ];
}
