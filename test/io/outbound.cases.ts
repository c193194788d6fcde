import type { Envelope, Recipient } from '../../shared/core/envelope.ts';
import type { ConnectOptions, Target } from '../../shared/io/outbound.ts';
import type { SinkAnswer, SinkMoment, SinkOptions, SinkRules } from '../../shared/io/sink-server.ts';

/** One thing that a server does, and what an SMTP client must make of it. */
export interface Case {
  name: string;
  sink: SinkOptions;
  target?: Partial<Target>;
  timeouts?: Partial<ConnectOptions['timeouts']>;
  /** Messages sent without trouble on the connection before. */
  before?: number;
  to?: (string | Recipient)[];
  envelope?: Partial<Envelope>;
  /** Octets of content, default a few. */
  octets?: number;
  /** One line for each recipient, or one beginning with `no connection:`. */
  want: string[];
  /** What becomes of the next message: it goes over the same connection, or this one is not `usable`. */
  then?: 'same connection' | 'closed';
}

/** Where a client cannot do what a case wants: what it does instead, and why. */
export interface Deviation {
  why: string;
  /** Each of these may come out; which one is a matter of timing. */
  want?: string[][];
  then?: Case['then'] | 'unknown';
}

/** Short enough to wait for, long enough for a busy machine. */
const impatient = { connect: 5000, greeting: 400, command: 400, data: 400, block: 400, final: 400 };

const inTransaction = (n: number, answer: SinkAnswer) => (moment: SinkMoment) => (moment.transaction === n ? answer : undefined);
const forRecipient = (n: number, answer: SinkAnswer) => (moment: SinkMoment) => (moment.recipient.startsWith(`${n}@`) ? answer : undefined);

const lost = 'failed 421 4.4.2 local';
const nonsense = 'failed 451 4.5.0 local';
const ok = 'accepted 250 2.0.0 .';
const lines = (n: number, code: number) => Array.from({ length: n }, (_, i) => `${code}${i < n - 1 ? '-' : ' '}line ${i}`).join('\r\n');

const connecting: Case[] = [
  {
    name: 'a greeting of several lines is a greeting',
    sink: { rules: { connect: '220-mx.test\r\n220-no spam\r\n220 please' } },
    want: [ok],
  },
  { name: 'a greeting of 554 is the end', sink: { rules: { connect: '554 5.7.1 go away' } }, want: ['no connection: 554 5.7.1 connect'] },
  { name: 'a greeting of 421 is the end', sink: { rules: { connect: '421 4.3.2 too busy' } }, want: ['no connection: 421 4.3.2 connect'] },
  { name: 'a dropped connection instead of a greeting', sink: { rules: { connect: 'drop' } }, want: ['no connection: 421 4.4.2 local'] },
  {
    name: 'no greeting in time (rule 19)',
    sink: { rules: { connect: 'hang' } },
    timeouts: impatient,
    want: ['no connection: 421 4.4.2 local'],
  },
  {
    name: 'a greeting of another protocol',
    sink: { rules: { connect: 'HTTP/1.1 400 Bad Request' } },
    want: ['no connection: 451 4.5.0 local'],
  },
  {
    name: 'a greeting with a code out of range (rule 20)',
    sink: { rules: { connect: '650 hello' } },
    want: ['no connection: 451 4.5.0 local'],
  },
  { name: 'a greeting of 354', sink: { rules: { connect: '354 go ahead' } }, want: ['no connection: 451 4.5.0 local'] },
  { name: 'a greeting of 300 lines', sink: { rules: { connect: lines(300, 220) } }, want: ['no connection: 451 4.5.0 local'] },
  {
    name: 'a greeting line of 100,000 octets',
    sink: { rules: { connect: `220 ${'x'.repeat(100_000)}` } },
    want: ['no connection: 451 4.5.0 local'],
  },
  { name: 'a refused EHLO is followed by HELO', sink: { rules: { ehlo: '502 5.5.1 what?' } }, want: [ok], then: 'same connection' },
  {
    name: 'a refused EHLO and a refused HELO',
    sink: { rules: { ehlo: '502 5.5.1 what?', helo: '550 5.7.1 no' } },
    want: ['no connection: 550 5.7.1 HELO'],
  },
  { name: 'a temporary refusal of EHLO', sink: { rules: { ehlo: '451 4.3.0 later' } }, want: ['no connection: 451 4.3.0 EHLO'] },
  { name: '421 to EHLO', sink: { rules: { ehlo: '421 4.3.2 shutting down' } }, want: ['no connection: 421 4.3.2 EHLO'] },
  { name: 'a dropped connection at EHLO', sink: { rules: { ehlo: 'drop' } }, want: ['no connection: 421 4.4.2 local'] },
  {
    name: 'no answer to EHLO in time (rule 19)',
    sink: { rules: { ehlo: 'hang' } },
    timeouts: impatient,
    want: ['no connection: 421 4.4.2 local'],
  },
  { name: 'nonsense in answer to EHLO', sink: { rules: { ehlo: 'hello yourself' } }, want: ['no connection: 451 4.5.0 local'] },
  {
    name: 'a refused LHLO is not followed by HELO',
    sink: { lmtp: true, rules: { ehlo: '502 5.5.1 what?' } },
    target: { protocol: 'lmtp' },
    want: ['no connection: 502 5.5.1 LHLO'],
  },
];

const steps = ['mail', 'rcpt', 'data', 'message'] as const;
const commandOf = { mail: 'MAIL', rcpt: 'RCPT', data: 'DATA', message: '.' } as const;

/** The same eight faults at every step of a transaction, on a new connection. */
const faults: Case[] = steps.flatMap((step) => {
  const fault = (answer: SinkAnswer): SinkRules => ({ [step]: inTransaction(1, answer) });
  const command = commandOf[step];
  return [
    {
      name: `a permanent refusal of ${command}`,
      sink: { rules: fault('550 5.7.1 no') },
      want: [`refused 550 5.7.1 ${command}`],
      then: 'same connection',
    },
    {
      name: `a temporary refusal of ${command}`,
      sink: { rules: fault('451 4.7.1 later') },
      want: [`refused 451 4.7.1 ${command}`],
      then: 'same connection',
    },
    {
      name: `a refusal of ${command} in several lines`,
      sink: { rules: fault('550-5.7.1 no\r\n550 5.7.1 never') },
      want: [`refused 550 5.7.1 ${command}`],
      then: 'same connection',
    },
    {
      name: `421 to ${command}`,
      sink: { rules: fault('421 4.3.2 shutting down') },
      want: [`refused 421 4.3.2 ${command}`],
      then: 'closed',
    },
    { name: `a dropped connection at ${command} (rule 115)`, sink: { rules: fault('drop') }, want: [lost], then: 'closed' },
    {
      name: `no answer to ${command} in time (rule 19)`,
      sink: { rules: fault('hang') },
      timeouts: impatient,
      want: [lost],
      then: 'closed',
    },
    { name: `nonsense in answer to ${command}`, sink: { rules: fault('what do you mean?') }, want: [nonsense], then: 'closed' },
    {
      name: `a code out of range in answer to ${command} (rule 20)`,
      sink: { rules: fault('700 who knows') },
      want: [nonsense],
      then: 'closed',
    },
  ] satisfies Case[];
});

const reused: Case[] = [
  {
    name: '421 to the first command of a reused connection',
    before: 1,
    sink: { rules: { mail: inTransaction(2, '421 4.3.2 that is enough') } },
    want: ['untried 421 4.3.2 MAIL'],
    then: 'closed',
  },
  {
    name: 'a reused connection dropped at its first command',
    before: 1,
    sink: { rules: { mail: inTransaction(2, 'drop') } },
    want: ['untried 421 4.4.2 local'],
    then: 'closed',
  },
  {
    name: 'no answer to the first command of a reused connection',
    before: 1,
    sink: { rules: { mail: inTransaction(2, 'hang') } },
    timeouts: impatient,
    want: [lost],
    then: 'closed',
  },
  {
    name: 'a reused connection dropped at RCPT',
    before: 1,
    sink: { rules: { rcpt: inTransaction(2, 'drop') } },
    want: [lost],
    then: 'closed',
  },
  {
    name: 'a reused connection dropped after the final dot',
    before: 1,
    sink: { rules: { message: inTransaction(2, 'drop') } },
    want: [lost],
    then: 'closed',
  },
  {
    name: 'a refusal of MAIL on a reused connection is a refusal',
    before: 1,
    sink: { rules: { mail: inTransaction(2, '451 4.7.1 later') } },
    want: ['refused 451 4.7.1 MAIL'],
    then: 'same connection',
  },
  { name: 'a thousandth message is as good as the first', before: 999, sink: {}, want: [ok], then: 'same connection' },
];

const four = ['1@x.test', '2@x.test', '3@x.test', '4@x.test'];
const recipients: Case[] = [
  {
    name: 'every recipient has its own answer (rule 99)',
    to: four,
    sink: { rules: { rcpt: { '2@x.test': '550 5.1.1 no such user', '3@x.test': '450 4.2.1 busy' } } },
    want: [ok, 'refused 550 5.1.1 RCPT', 'refused 450 4.2.1 RCPT', ok],
    then: 'same connection',
  },
  {
    name: 'all recipients refused in different ways',
    to: four.slice(0, 2),
    sink: {
      rules: {
        rcpt: (m) => (m.transaction === 1 ? { '1@x.test': '550 5.1.1 no', '2@x.test': '451 4.2.1 later' }[m.recipient] : undefined),
      },
    },
    want: ['refused 550 5.1.1 RCPT', 'refused 451 4.2.1 RCPT'],
    then: 'same connection',
  },
  {
    name: 'a refusal of the whole message is charged to those still in it (rule 100)',
    to: four.slice(0, 3),
    sink: { rules: { rcpt: { '2@x.test': '550 5.1.1 no' }, message: inTransaction(1, '554 5.6.0 spam') } },
    want: ['refused 554 5.6.0 .', 'refused 550 5.1.1 RCPT', 'refused 554 5.6.0 .'],
    then: 'same connection',
  },
  {
    name: 'a refusal of MAIL is charged to every recipient (rule 100)',
    to: four.slice(0, 2),
    sink: { rules: { mail: inTransaction(1, '550 5.7.1 no') } },
    want: ['refused 550 5.7.1 MAIL', 'refused 550 5.7.1 MAIL'],
    then: 'same connection',
  },
  {
    name: 'a refusal of DATA is charged to those still in it (rule 100)',
    to: four.slice(0, 3),
    sink: { rules: { rcpt: { '2@x.test': '550 5.1.1 no' }, data: inTransaction(1, '451 4.3.0 later') } },
    want: ['refused 451 4.3.0 DATA', 'refused 550 5.1.1 RCPT', 'refused 451 4.3.0 DATA'],
    then: 'same connection',
  },
  {
    name: 'a server that takes DATA although it refused all recipients',
    to: four.slice(0, 2),
    sink: { rules: { rcpt: inTransaction(1, '550 5.1.1 no'), data: inTransaction(1, '354 go ahead') } },
    want: ['refused 550 5.1.1 RCPT', 'refused 550 5.1.1 RCPT'],
    then: 'same connection',
  },
  {
    name: 'a recipient too many is tried again at once',
    to: four,
    sink: { rules: { rcpt: (m) => (m.recipients.length >= 2 ? '452 4.5.3 too many' : undefined) } },
    want: [ok, ok, 'untried 452 4.5.3 RCPT', 'untried 452 4.5.3 RCPT'],
    then: 'same connection',
  },
  {
    name: '552 without an enhanced code means too many, too',
    to: four.slice(0, 2),
    sink: { rules: { rcpt: forRecipient(2, '552 too many') } },
    want: [ok, 'untried 552 RCPT'],
  },
  {
    name: 'a full mailbox is not a recipient too many',
    to: four.slice(0, 2),
    sink: { rules: { rcpt: forRecipient(2, '452 4.2.2 mailbox full') } },
    want: [ok, 'refused 452 4.2.2 RCPT'],
  },
  {
    name: 'the first recipient cannot be one too many',
    to: four.slice(0, 2),
    sink: { rules: { rcpt: '452 4.5.3 too many' } },
    want: ['refused 452 4.5.3 RCPT', 'refused 452 4.5.3 RCPT'],
  },
  {
    name: '421 in the middle of the recipients',
    to: four,
    sink: { rules: { rcpt: { '1@x.test': '550 5.1.1 no', '3@x.test': '421 4.3.2 shutting down' } } },
    want: ['refused 550 5.1.1 RCPT', 'refused 421 4.3.2 RCPT', 'refused 421 4.3.2 RCPT', 'refused 421 4.3.2 RCPT'],
    then: 'closed',
  },
  {
    name: 'a connection dropped in the middle of the recipients',
    to: four,
    sink: { rules: { rcpt: { '1@x.test': '550 5.1.1 no', '3@x.test': 'drop' } } },
    want: ['refused 550 5.1.1 RCPT', lost, lost, lost],
    then: 'closed',
  },
  {
    name: 'silence in the middle of the recipients',
    to: four,
    timeouts: impatient,
    sink: { rules: { rcpt: { '1@x.test': '550 5.1.1 no', '3@x.test': 'hang' } } },
    want: ['refused 550 5.1.1 RCPT', lost, lost, lost],
    then: 'closed',
  },
  {
    name: '354 in answer to RCPT',
    to: four.slice(0, 2),
    sink: { rules: { rcpt: forRecipient(1, '354 go ahead') } },
    want: [nonsense, nonsense],
    then: 'closed',
  },
  { name: '250 in answer to DATA', sink: { rules: { data: '250 ok' } }, want: [nonsense], then: 'closed' },
];

const big = 4_000_000;
const content: Case[] = [
  {
    name: 'an acceptance before the content',
    sink: { rules: { data: '354 go ahead\r\n250 2.0.0 fine' } },
    want: [nonsense],
    then: 'closed',
  },
  {
    name: 'a connection dropped in the middle of the content',
    octets: big,
    sink: { rules: { body: 'drop' } },
    want: [lost],
    then: 'closed',
  },
  {
    name: 'a server that stops reading in the middle of the content (rule 19)',
    octets: 40_000_000,
    sink: { rules: { body: 'hang' } },
    timeouts: impatient,
    want: [lost],
    then: 'closed',
  },
  {
    name: 'a refusal in the middle of the content',
    octets: big,
    sink: { rules: { body: '552 5.3.4 too big' } },
    want: ['refused 552 5.3.4 .'],
    then: 'closed',
  },
  {
    name: '421 in the middle of the content',
    octets: big,
    sink: { rules: { body: '421 4.3.2 shutting down' } },
    want: ['refused 421 4.3.2 .'],
    then: 'closed',
  },
  {
    name: 'an acceptance in the middle of the content',
    // More than the buffers of both sockets hold: the reply is there before all of it is gone.
    octets: 10 * big,
    sink: { rules: { body: '250 2.0.0 fine' } },
    want: [nonsense],
    then: 'closed',
  },
  { name: 'empty content', octets: 0, sink: {}, want: [ok], then: 'same connection' },
];

const replies: Case[] = [
  {
    name: 'a reply line of 20,000 octets is cut, not lost (rule 122)',
    sink: { rules: { mail: inTransaction(1, `550 5.7.1 ${'x'.repeat(20_000)}`) } },
    want: ['refused 550 5.7.1 MAIL'],
    then: 'same connection',
  },
  {
    name: 'a bare LF does not end a reply (rule 120)',
    sink: { rules: { mail: inTransaction(1, '550 5.7.1 no\n250 2.1.0 or yes') } },
    want: ['refused 550 5.7.1 MAIL'],
    then: 'same connection',
  },
  { name: 'a reply of 300 lines', sink: { rules: { mail: lines(300, 250) } }, want: [nonsense], then: 'closed' },
  {
    name: 'an enhanced code of another class is none (rule 56)',
    sink: { rules: { mail: inTransaction(1, '550 2.1.5 no') } },
    want: ['refused 550 MAIL'],
    then: 'same connection',
  },
  {
    name: 'more than one reply to the final dot',
    sink: { rules: { message: '250 2.0.0 taken\r\n250 2.0.0 again' } },
    want: [ok],
    then: 'closed',
  },
];

const extensions: Case[] = [
  {
    name: '8-bit content for a server without 8BITMIME (rule 74)',
    envelope: { eightBit: true },
    sink: { extensions: ['PIPELINING'] },
    want: ['refused 554 5.6.3 local'],
    then: 'same connection',
  },
  {
    name: 'a UTF-8 recipient for a server without SMTPUTF8 (rule 109)',
    to: ['jörg@x.test'],
    sink: { extensions: ['PIPELINING'] },
    want: ['refused 553 5.6.7 local'],
    then: 'same connection',
  },
  {
    name: 'a UTF-8 header for a server without SMTPUTF8 (rule 109)',
    envelope: { smtpUtf8: true },
    sink: { extensions: ['PIPELINING'] },
    want: ['refused 554 5.6.9 local'],
    then: 'same connection',
  },
  { name: 'a UTF-8 header for a server with SMTPUTF8', envelope: { smtpUtf8: true }, sink: {}, want: [ok] },
  { name: 'a message larger than SIZE (rule 115)', octets: 2000, sink: { extensions: ['SIZE 1000'] }, want: ['refused 552 5.3.4 local'] },
  { name: 'a message as large as SIZE', octets: 1000, sink: { extensions: ['SIZE 1000'] }, want: [ok] },
  {
    name: 'a sender that would be a command of its own',
    envelope: { sender: 'a@x.test>\r\nRCPT TO:<victim@x.test' },
    sink: {},
    want: ['refused 553 5.1.7 local'],
    then: 'same connection',
  },
  {
    name: 'a recipient that would be a command or a parameter of its own',
    sink: {},
    then: 'same connection',
    to: [
      'good@x.test',
      'a@x.test>\r\nRCPT TO:<victim@x.test',
      'b@x.test> NOTIFY=NEVER',
      'c@x.test\0',
      '',
      '"d\r\n"@x.test',
      '"e>f g"@x.test',
    ],
    want: [ok, ...Array.from({ length: 5 }, () => 'refused 553 5.1.3 local'), ok],
  },
];

/** Without PIPELINING no DATA is sent after such refusals. */
const pipelinedOnly: Case[] = [
  {
    name: 'a server that refuses MAIL, but takes RCPT and DATA',
    sink: { rules: { mail: inTransaction(1, '550 5.7.1 no'), rcpt: '250 2.1.5 why not', data: '354 go ahead' } },
    want: ['refused 550 5.7.1 MAIL'],
    then: 'closed',
  },
  {
    name: 'LMTP that takes DATA although it refused all recipients',
    sink: { lmtp: true, rules: { rcpt: '550 5.1.1 no', data: '354 go ahead', body: '250 2.0.0 fine' } },
    target: { protocol: 'lmtp' },
    want: ['refused 550 5.1.1 RCPT'],
    then: 'closed',
  },
];

const lmtp: Case[] = [
  {
    name: 'LMTP answers for each accepted recipient',
    to: four,
    sink: { rules: { rcpt: { '2@x.test': '550 5.1.1 no' }, message: forRecipient(3, '452 4.2.2 full') } },
    want: [ok, 'refused 550 5.1.1 RCPT', 'refused 452 4.2.2 .', ok],
    then: 'same connection',
  },
  {
    name: 'LMTP with all recipients refused',
    to: four.slice(0, 2),
    sink: { rules: { rcpt: inTransaction(1, '550 5.1.1 no') } },
    want: ['refused 550 5.1.1 RCPT', 'refused 550 5.1.1 RCPT'],
    then: 'same connection',
  },
  {
    name: 'LMTP with all deliveries refused',
    to: four.slice(0, 2),
    sink: { rules: { message: inTransaction(1, '550 5.2.1 no') } },
    want: ['refused 550 5.2.1 .', 'refused 550 5.2.1 .'],
    then: 'same connection',
  },
  {
    name: 'LMTP dropped between its final answers',
    to: four.slice(0, 3),
    sink: { rules: { message: forRecipient(2, 'drop') } },
    want: [ok, lost, lost],
    then: 'closed',
  },
  {
    name: 'LMTP with 421 between its final answers',
    to: four.slice(0, 3),
    sink: { rules: { message: forRecipient(2, '421 4.3.2 bye') } },
    want: [ok, 'refused 421 4.3.2 .', 'refused 421 4.3.2 .'],
    then: 'closed',
  },
];

const withoutPipelining = (c: Case): Case => ({
  ...c,
  name: c.name.replace(/(?= \(rule|$)/, ', without PIPELINING'),
  sink: { ...c.sink, extensions: ['8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE'] },
});

const overLmtp = (c: Case): Case => ({ ...c, sink: { ...c.sink, lmtp: true }, target: { protocol: 'lmtp' } });

export const cases: readonly Case[] = [
  ...connecting,
  ...faults,
  ...faults.map(withoutPipelining),
  ...reused,
  ...reused.slice(0, -1).map(withoutPipelining),
  ...recipients,
  ...recipients.map(withoutPipelining),
  ...content,
  ...replies,
  ...extensions,
  ...pipelinedOnly,
  ...lmtp.map(overLmtp),
  ...lmtp.map(overLmtp).map(withoutPipelining),
];
