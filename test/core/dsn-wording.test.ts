import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { chooseLanguage } from '../../shared/core/dsn/choose-language.ts';
import { decodeWords, encodeWords } from '../../shared/core/dsn/encoded-word.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { generateRfc3464Message, type Report, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { parseMime } from '../../shared/core/dsn/mime.ts';
import { meaningOf } from '../../shared/core/dsn/status-meaning.ts';
import { parseTemplate } from '../../shared/core/dsn/template.ts';
import { plainSource } from '../../shared/core/dsn/word-report.ts';
import { builtInLanguages, wordingOf } from '../../shared/core/dsn/wording/languages.ts';
import { bounce, expiration, octets, params, reportOf, takeApart, world } from '../support/dsn-record.ts';

const everything: Partial<ReportParams> = { enable_delay: true, enable_success: true };
const plain: Partial<ReportParams> = { ...everything, template: 'plain' };
const address = 'recip@target.example.com';
const message = (...header: string[]): Uint8Array => octets(['From: sender@sender.example.com', ...header, '', 'hello', ''].join('\r\n'));
const response = (code: number, enhanced: string, ...lines: string[]): DispositionRecord['response'] => {
  const [statusClass = 0, subject = 0, detail = 0] = enhanced.split('.').map(Number);
  return { code, enhanced_code: { class: statusClass, subject, detail }, content: lines.join(' '), command: 'RCPT', lines };
};
const unknown = bounce({
  id: '01f',
  response: response(550, '5.1.1', 'The account does not exist.', 'See https://help.example/NoSuchUser'),
});
const full = bounce({
  type: 'TransientFailure',
  response: response(452, '4.2.2', 'mailbox full'),
  delay_warning: true,
  expires: Date.UTC(2003, 6, 6, 8, 52, 37),
});
const asked = { recipients: [{ address, notify: ['SUCCESS'] }] };
const taken = bounce({ type: 'Delivery', response: response(250, '2.0.0', 'taken'), dsn: asked, meta: { trusted: true } });
const unreachable = { ...response(451, '4.4.1', 'No connection to any server'), local: true };

/** The human-readable part without its encoding. */
const wordsOf = ({ content }: Report): string => parseMime(content).simpleStructure().textPart.body;
const header = (report: Report, name: string): string | undefined => valuesOf(readFields(takeApart(report).header), name)[0];
const lines = (...text: string[]): string => text.map((line) => `${line}\r\n`).join('');

// ---- What a status means

const registered: [subject: number, last: number][] = [
  [1, 10],
  [2, 4],
  [3, 6],
  [4, 7],
  [5, 6],
  [6, 10],
  [7, 30],
];
for (const language of builtInLanguages) {
  test(`every registered status has words in ${language} (rule 114)`, () => {
    const wording = wordingOf(language);
    assert.equal(meaningOf('5.0.0', 550, wording).reason, wording.classes[5]);
    const seen: string[] = [];
    for (const [subject, last] of registered) {
      for (let detail = 0; detail <= last; detail++) {
        const own = Object.hasOwn(wording.reasons, `${subject}.${detail}`);
        assert.ok(own, `${subject}.${detail}`);
        for (const statusClass of [4, 5]) {
          const { reason } = meaningOf(`${statusClass}.${subject}.${detail}`, 550, wording);
          assert.match(reason, /^\p{Lu}.{10,}\.$/u);
          seen.push(reason);
        }
      }
    }
    // 6.10 is 6.8 by another name; each of the rest says something of its own.
    assert.equal(new Set(seen).size, seen.length / 2 - 1);
    assert.equal(Object.keys(wording.reasons).length, seen.length / 2);
  });
}

const generalised: [status: string, code: number, like: string][] = [
  ['5.2.99', 550, '5.2.0'],
  ['4.7.123', 450, '4.7.0'],
  ['5.77.123', 550, '5.0.0'],
  ['5.77.0', 550, '5.0.0'],
  ['4.9.1', 450, '4.0.0'],
  ['5.0.7', 550, '5.0.0'],
  ['x', 550, '5.0.0'],
  ['', 550, '5.0.0'],
  ['5.constructor.0', 550, '5.0.0'],
];
for (const [status, code, like] of generalised) {
  test(`a status of "${status}" is told as ${like} (rules 113, 137)`, () => {
    for (const language of builtInLanguages)
      assert.deepEqual(meaningOf(status, code, wordingOf(language)), meaningOf(like, code, wordingOf(language)));
  });
}

test('without an enhanced code the code of the reply may say why, and only then', () => {
  const en = wordingOf('en');
  assert.deepEqual(meaningOf('5.0.0', 552, en), meaningOf('5.2.2', 550, en));
  assert.deepEqual(meaningOf('4.0.0', 452, en), meaningOf('4.3.1', 450, en));
  assert.deepEqual(meaningOf('5.0.0', 551, en), meaningOf('5.1.6', 550, en));
  assert.deepEqual(meaningOf('5.1.1', 552, en), meaningOf('5.1.1', 550, en));
  assert.equal(meaningOf('5.0.0', 554, en).reason, en.classes[5]);
  assert.equal(meaningOf('2.0.0', 250, en).advice, '');
});

test('a kind of a language is told in it, an unknown one in English', () => {
  assert.deepEqual(
    ['de', 'de-AT', 'fr-ca', 'ES', 'it', 'x', ''].map((tag) => wordingOf(tag).language),
    ['de', 'de', 'fr', 'es', 'en', 'en', 'en'],
  );
});

// ---- The template "plain", whole

test('a failure in English (rules 35, 36)', () => {
  const report = reportOf(unknown, plain, message('Subject: Hello!'));
  assert.equal(header(report, 'Subject'), 'Your message could not be delivered');
  assert.equal(takeApart(report).parts[0]?.header, 'Content-Type: text/plain; charset=us-ascii\r\nContent-Language: en\r\n');
  assert.equal(
    wordsOf(report),
    lines(
      'This is an automatic message from the mail system mta1.example.com. It is',
      'about your message "Hello!" of 1 July 2003, 08:52 UTC.',
      '',
      'Your message could not be delivered to:',
      '',
      '  recip@target.example.com',
      '',
      'There is no mailbox with this address.',
      '',
      'The server target.example.com (42.42.42.42) said:',
      '',
      '  550-5.1.1 The account does not exist.',
      '  550 5.1.1 See https://help.example/NoSuchUser',
      '',
      'No further attempt will be made to deliver it. Check the address for typing',
      'errors, or ask the recipient for the right one, and send the message again.',
      '',
      'For help, write to postmaster@mta1.example.com and name this number: 01f.',
    ),
  );
});

test('a delay in German: nothing need be done (rule 36)', () => {
  const report = reportOf(full, { ...plain, language: 'de' }, message('Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?='));
  assert.equal(decodeWords(header(report, 'Subject') ?? ''), 'Ihre Nachricht verspätet sich');
  assert.equal(
    takeApart(report).parts[0]?.header,
    'Content-Type: text/plain; charset=utf-8\r\nContent-Language: de\r\nContent-Transfer-Encoding: quoted-printable\r\n',
  );
  assert.equal(
    wordsOf(report),
    lines(
      'Dies ist eine automatische Nachricht des Mailsystems mta1.example.com. Es',
      'geht um Ihre Nachricht „Grüße“ vom 1. Juli 2003, 08:52 Uhr UTC.',
      '',
      'Ihre Nachricht konnte bisher nicht zugestellt werden an:',
      '',
      '  recip@target.example.com',
      '',
      'Das Postfach ist voll.',
      '',
      'Der Server target.example.com (42.42.42.42) antwortete:',
      '',
      '  452 4.2.2 mailbox full',
      '',
      'Sie brauchen nichts zu tun und die Nachricht nicht noch einmal zu senden:',
      'Die Zustellung wird bis zum 6. Juli 2003, 08:52 Uhr UTC weiter versucht.',
      'Sollte sie endgültig scheitern, erhalten Sie Bescheid.',
      '',
      'Hilfe erhalten Sie unter postmaster@mta1.example.com.',
    ),
  );
});

test('several outcomes in French are told one after another, equal ones together', () => {
  const records = [
    taken,
    bounce({ recipient: 'a@x.example', dsn: { recipients: [{ address: 'a@x.example' }] } }),
    bounce({ recipient: '"b c"@x.example' }),
    bounce({ recipient: 'd@x.example', response: response(552, '5.0.0', 'too much') }),
  ];
  const report = generateRfc3464Message({ ...params, ...plain, language: 'fr' }, message(), records, world);
  assert.ok(report);
  assert.equal(decodeWords(header(report, 'Subject') ?? ''), "Votre message n'a pas pu être remis à tous ses destinataires");
  assert.equal(
    wordsOf(report),
    lines(
      'Ceci est un message automatique du système de messagerie mta1.example.com.',
      'Il concerne votre message du 1er juillet 2003 à 08:52 UTC.',
      '',
      "Votre message n'a pas pu être remis à\u00a0:",
      '',
      '  a@x.example',
      '  "b c"@x.example',
      '',
      "Le destinataire ou son système de messagerie n'accepte pas ce message de",
      'votre part.',
      '',
      'Le serveur target.example.com (42.42.42.42) a répondu\u00a0:',
      '',
      '  550 5.7.1 no thanks',
      '',
      'Aucune autre tentative de remise ne sera faite. Adressez-vous au',
      'destinataire ou aux responsables de sa messagerie, et montrez-leur la',
      'réponse du serveur.',
      '',
      "Votre message n'a pas pu être remis à\u00a0:",
      '',
      '  d@x.example',
      '',
      'La boîte aux lettres est pleine.',
      '',
      'Le serveur target.example.com (42.42.42.42) a répondu\u00a0:',
      '',
      '  552 5.0.0 too much',
      '',
      'Aucune autre tentative de remise ne sera faite. Prévenez le destinataire par',
      'un autre moyen, et renvoyez le message lorsque la boîte aux lettres',
      'acceptera de nouveau le courrier.',
      '',
      'Votre message a été transmis au système de messagerie de\u00a0:',
      '',
      '  recip@target.example.com',
      '',
      'Le serveur target.example.com (42.42.42.42) a répondu\u00a0:',
      '',
      '  250 2.0.0 taken',
      '',
      "Ce système ne confirme pas les remises, il n'y aura donc pas d'autre avis.",
      "Vous recevez ce message parce que vous l'avez demandé.",
      '',
      "Pour obtenir de l'aide, écrivez à postmaster@mta1.example.com.",
    ),
  );
});

const kinds: [name: string, record: DispositionRecord, english: RegExp[], not: RegExp | undefined][] = [
  ['a failure', bounce(), [/^Your message could not be delivered to:\r$/m, /does not accept this message from\s+you\.\r$/m], /until/],
  [
    'an expiration for a reason of our own',
    expiration({ response: unreachable }),
    [
      /until its time ran out/,
      /mail system does not answer\.\r$/m,
      /^Our mail system noted:\r\n\r\n {2}4\.4\.1 No connection to any server\r$/m,
    ],
    /The server/,
  ],
  [
    'an expiration without a reason',
    expiration(),
    [/could not be delivered within the time allowed\./, /^ {2}4\.4\.7 Next delivery time/m],
    /The server/,
  ],
  [
    'a delay',
    full,
    [/^Your message has not been delivered yet to:\r$/m, /until 6 July 2003,/, /need not be sent again/],
    /Tell the recipient/,
  ],
  ['a delay without an end', { ...full, expires: Number.NaN }, [/it will be\s+tried again\./], /until/],
  ['mail passed on', taken, [/^Your message was passed on to/m, /You\s+are told because you asked for it\./], /All went well|Check/],
  ['mail delivered', { ...taken, delivery_protocol: 'LMTP' }, [/^Your message was delivered to:\r$/m], /no further news/],
  [
    'what nobody said',
    bounce({ response: { ...response(550, '5.0.0', ''), local: true } }),
    [/no generally known reason/, /^ {2}5\.0\.0\r$/m],
    /undefined/,
  ],
];
for (const [name, record, english, not] of kinds) {
  test(`${name} is told with its recipient, its reply and whom to ask, in every language (rules 35, 36)`, () => {
    for (const language of builtInLanguages) {
      const report = reportOf(record, { ...plain, language }, message('Subject: Hello!'));
      const text = wordsOf(report);
      assert.match(text, /^ {2}recip@target\.example\.com\r$/m);
      assert.match(text, /postmaster@mta1\.example\.com/);
      assert.ok(text.includes('Hello!'));
      for (const line of text.split('\r\n')) assert.ok(line.length <= 78, line);
      assert.doesNotMatch(text, /\{\{|undefined|\[object|NaN|\r\n\r\n\r\n/);
      assert.match(decodeWords(header(report, 'Subject') ?? ''), /^\p{Lu}.{10,}$/u);
    }
    const text = wordsOf(reportOf(record, plain));
    for (const words of english) assert.match(text, words);
    if (not) assert.doesNotMatch(text, not);
  });
}

for (const language of builtInLanguages) {
  test(`why less comes back is said in ${language}`, () => {
    const { note } = wordingOf(language);
    const large = wordsOf(reportOf(bounce(), { ...plain, language, original_limit: 10 }, message('Subject: s')));
    assert.ok(large.replaceAll('\r\n', ' ').includes(note({ kind: 'too-large', limit: 10 })));
    const broken = wordsOf(reportOf(bounce(), { ...plain, language }, message('Subject: s', '', '\0')));
    assert.ok(broken.replaceAll('\r\n', ' ').includes(note({ kind: 'not-mail' })));
  });
}

test('the words of a parameter that is not there are those of the original', () => {
  assert.deepEqual(reportOf(unknown), reportOf(unknown, { template: 'classic', language: 'de' }));
  assert.match(wordsOf(reportOf(unknown)), /^The message was received at /);
});

test('what must not be told of the inside is in no words (disclose_internals)', () => {
  const inside = bounce({ id: 'an-id', peer_address: { name: 'inner.corp', addr: '10.0.0.1' } });
  for (const language of builtInLanguages) {
    const text = wordsOf(reportOf(inside, { ...plain, language, disclose_internals: false }));
    assert.doesNotMatch(text, /an-id|inner\.corp|10\.0\.0\.1|\(\)/);
    assert.match(text, /^ {2}550 5\.7\.1 no thanks\r$/m);
  }
});

test('the compatible form has no other words', () => {
  assert.throws(() => reportOf(unknown, { compatibility: 'kumomta', template: 'plain' }), /^TypeError: with compatibility "kumomta"/);
  assert.throws(() => reportOf(unknown, { template: 'funny' as 'plain' }), /^TypeError: parameter template is missing or not of its kind$/);
});

// ---- The language

const choices: [name: string, wanted: string, header: string[], want: string][] = [
  ['what is set', 'de', ['Accept-Language: fr'], 'de'],
  ['a kind of what is set', 'fr-CA', [], 'fr'],
  ['Accept-Language', 'auto', ['Accept-Language: de'], 'de'],
  ['Accept-Language by quality', 'auto', ['Accept-Language: en;q=0.2, fr ; q=0.9, de-AT;q=0.95'], 'de'],
  ['Accept-Language in its order where equal', 'auto', ['Accept-Language: it, es, fr'], 'es'],
  ['Accept-Language, refused', 'auto', ['Accept-Language: de;q=0'], 'en'],
  ['Accept-Language with a comment', 'auto', ['Accept-Language: (no, really) es'], 'es'],
  ['Content-Language', 'auto', ['Content-Language: fr-FR'], 'fr'],
  ['Accept-Language before Content-Language', 'auto', ['Content-Language: fr', 'Accept-Language: es'], 'es'],
  ['Content-Language where nothing accepted is there', 'auto', ['Content-Language: fr', 'Accept-Language: it'], 'fr'],
  ['nothing known', 'auto', ['Accept-Language: it, *', 'Content-Language: tlh'], 'en'],
  ['nothing said', 'auto', [], 'en'],
  ['a language behind twenty others', 'auto', [`Accept-Language: ${'it,'.repeat(20)} de`], 'en'],
  ['names of JavaScript', 'auto', ['Accept-Language: __proto__, constructor'], 'en'],
];
for (const [name, wanted, fields, want] of choices) {
  test(`the language of a report: ${name}`, () => {
    assert.equal(chooseLanguage(wanted, builtInLanguages, readFields(fields.join('\r\n'))), want);
    const report = reportOf(bounce(), { ...plain, language: wanted }, message(...fields));
    assert.match(takeApart(report).parts[0]?.header ?? '', new RegExp(`^Content-Language: ${want}\r$`, 'm'));
  });
}

test('without English the first language is taken', () => assert.equal(chooseLanguage('auto', ['nl', 'it'], []), 'nl'));

// ---- Templates of one's own

const source = [
  'Subject: [{{host}}] {{subject}} ({{title}})',
  '',
  'Hello {{sender}}, mail {{id}} of {{date}}: {{ intro }}',
  '{{#case}}',
  '* {{outcome}} {{recipients}} ({{status}})',
  '    > {{response}}',
  '{{#failed}}',
  'Why: {{reason}} {{advice}} {{server}} {{said}}',
  '{{/failed}}',
  '{{#delayed}}',
  'Until {{until}}. {{next}}',
  '{{/delayed}}',
  '{{/case}}',
  '{{note}}',
  '',
  '',
  '{{help}} Or {{contact}}.',
  '',
].join('\n');
const own = (text: string) => {
  const read = parseTemplate(text);
  assert.ok('template' in read, JSON.stringify(read));
  return read.template;
};

test('a template of one’s own is filled in; sections of other actions and what is empty are left out', () => {
  const template = { de: own(source) };
  const record = { ...full, id: '01f', recipient: ['a@x.example', '"b c"@x.example'] };
  const report = reportOf(record, { ...everything, template, language: 'de' }, message('Subject: Hi'));
  assert.equal(decodeWords(header(report, 'Subject') ?? ''), '[mta1.example.com] Hi (Ihre Nachricht verspätet sich)');
  assert.equal(
    wordsOf(report),
    lines(
      'Hello sender@sender.example.com, mail 01f of 1. Juli 2003, 08:52 Uhr UTC:',
      'Dies ist eine automatische Nachricht des Mailsystems mta1.example.com. Es',
      'geht um Ihre Nachricht „Hi“ vom 1. Juli 2003, 08:52 Uhr UTC.',
      '',
      '* Ihre Nachricht konnte bisher nicht zugestellt werden an: a@x.example,',
      '"b c"@x.example (4.2.2)',
      '    > 452 4.2.2 mailbox full',
      'Until 6. Juli 2003, 08:52 Uhr UTC. Sie brauchen nichts zu tun und die',
      'Nachricht nicht noch einmal zu senden: Die Zustellung wird bis zum 6. Juli',
      '2003, 08:52 Uhr UTC weiter versucht. Sollte sie endgültig scheitern,',
      'erhalten Sie Bescheid.',
      '',
      'Hilfe erhalten Sie unter postmaster@mta1.example.com; nennen Sie dabei bitte',
      'diese Nummer: 01f. Or postmaster@mta1.example.com.',
    ),
  );
});

test('one template may serve every language, one of a language goes before it', () => {
  const template = { '*': own(source.replace('Hello', 'Any')), fr: own(source.replace('Hello', 'Bonjour')) };
  const begin = (language: string) => wordsOf(reportOf(bounce(), { template, language })).slice(0, 3);
  assert.deepEqual(['fr-FR', 'es', 'auto'].map(begin), ['Bon', 'Any', 'Any']);
  assert.match(wordsOf(reportOf(bounce(), { template, language: 'es' })), /Si necesita ayuda/);
});

test('nothing in a value is expanded (rule 123)', () => {
  const hostile = '{{recipients}} $& $1 $` %s ${x} {{#case}} {{/case}} {{help}}';
  const record = bounce({
    response: response(550, '5.7.1', hostile),
    peer_address: { name: '{{id}}', addr: '$&' },
    recipient: '"{{help}}"@x',
  });
  for (const template of ['plain', { '*': own(source) }] as const) {
    const report = reportOf(record, { template }, message(`Subject: ${hostile}`));
    const text = wordsOf(report).replaceAll('\r\n', ' ').replaceAll(/ +/g, ' ');
    assert.equal(text.split(`550 5.7.1 ${hostile}`).length, 2);
    assert.ok(text.includes('"{{help}}"@x') && text.includes('{{id}} ($&)') && text.includes(`"${hostile}"`));
  }
});

test('values cannot steer what shows them, nor break lines (rule 64)', () => {
  const nasty = 'a\u202eb\u2066c\u001b[31md\0e\r\nf\u2028g\u0001h';
  const record = bounce({ response: response(550, '5.7.1', nasty), recipient: `${nasty}@x`, id: nasty });
  const report = reportOf(record, { template: { '*': own(source) } }, message(`Subject: ${nasty}`, 'Subject: another'));
  assert.doesNotMatch(wordsOf(report), /[\u202e\u2066\u001b\0\u2028\u0001]|(?<!\r)\n/);
  assert.match(wordsOf(report), /a\?b\?c\?\[31md\?e\?f\?g\?h@x/);
});

test('a subject that is not ASCII is made of whole encoded-words in short lines (rule 30)', () => {
  const subject = `${'é\u{1f600}'.repeat(60)} =?utf-8?Q?=0D=0AX:_y?=`;
  const template = { '*': own(source) };
  const report = reportOf(bounce(), { template }, octets(`From: a@x\r\nSubject: ${encodeWords(subject)}\r\n\r\nx\r\n`));
  const field = /^Subject:.*\r\n(?: .*\r\n)*/m.exec(takeApart(report).header)?.[0] ?? '';
  for (const line of field.split('\r\n')) assert.match(line, /^(?:Subject:)?(?: =\?utf-8\?B\?[A-Za-z0-9+/=]+\?=)?$|^$/);
  for (const line of field.split('\r\n')) assert.ok(line.length <= 76, line);
  assert.match(decodeWords(header(report, 'Subject') ?? ''), /^\[mta1\.example\.com\] é\u{1f600}/u);
});

const words: [raw: string, want: string][] = [
  ['plain', 'plain'],
  ['=?utf-8?Q?a=C3=A9_b?=', 'aé b'],
  ['=?UTF-8?b?w6k=?= =?iso-8859-1?q?=E9?=', 'éé'],
  ['=?utf-8*fr?Q?x?= y', 'x y'],
  ['=?koi8-r?B?8NLJ18XU?=', 'Привет'],
  ['=?nonsense?Q?x?=', '=?nonsense?Q?x?='],
  ['=?utf-8?B?%%%?=', '=?utf-8?B?%%%?='],
  ['=?utf-8?Q?unclosed', '=?utf-8?Q?unclosed'],
  ['caf\u00c3\u00a9', 'café'],
  ['caf\u00e9', 'café'],
];
for (const [raw, want] of words) test(`${raw} reads ${want}`, () => assert.equal(decodeWords(raw), want));

const mistakes: [name: string, text: string, want: string[]][] = [
  [
    'nothing',
    '',
    [
      '1: expected "Subject: " and the words of the subject',
      '1: {{recipients}} is missing: it has to stand between {{#case}} and {{/case}}',
      '1: {{response}} is missing: it has to stand between {{#case}} and {{/case}}',
    ],
  ],
  ['an unknown placeholder', 'Subject: {{recipient}}\n\n{{#case}}{{x}}\n', ['1: there is no {{recipient}}; did you mean recipients?']],
  ['a placeholder of a case outside', 'Subject: {{status}}\n\n', ['1: {{status}} has to stand between {{#case}} and {{/case}}']],
  ['no blank line', 'Subject: x\ny\n', ['2: expected a blank line after the subject']],
  ['a section that is not ended', 'Subject: x\n\n\n{{#case}}\n', ['4: {{#case}} is not ended']],
  ['an end without a begin', 'Subject: x\n\n{{/case}}\n', ['3: {{/case}} ends nothing that was begun']],
  ['an unknown section', 'Subject: x\n\n{{#cases}}\n{{/cases}}\n', ['3: there is no {{#cases}}; did you mean case?']],
  ['an action outside', 'Subject: x\n\n{{#failed}}\n{{/failed}}\n', ['3: {{#failed}} has to stand directly inside {{#case}}']],
  ['a case in a case', 'Subject: x\n\n{{#case}}\n{{#case}}\n{{/case}}\n{{/case}}\n', ['4: {{#case}} cannot stand inside another section']],
  ['braces', 'Subject: x\n\n{{help\n', ['3: has "{{" that begins no placeholder']],
  ['a control', 'Subject: x\n\na\u0007\n', ['3: has a control character']],
  [
    'the reply for failures alone',
    source.replace('    > {{response}}', '').replace('Why:', 'Why: {{response}}'),
    ['1: {{response}} is missing: it has to stand between {{#case}} and {{/case}}'],
  ],
];
for (const [name, text, want] of mistakes) {
  test(`a template is refused: ${name}`, () => {
    const read = parseTemplate(text);
    const told = 'problems' in read ? read.problems.map((problem) => `${problem.line}: ${problem.message}`) : [];
    for (const problem of want) assert.ok(told.includes(problem), `${problem} not in\n${told.join('\n')}`);
  });
}

test('the text of the documentation is what is made, and its template the one that is built in', () => {
  const document = readFileSync(new URL('../../docs/reports.md', import.meta.url), 'utf8');
  assert.ok(document.includes(`\`\`\`\n${plainSource}\`\`\``), 'the template');
  for (const [language, template] of [
    ['en', 'plain'],
    ['de', 'plain'],
    ['fr', 'plain'],
    ['es', 'plain'],
  ] as const) {
    const text = wordsOf(reportOf(unknown, { template, language }, message('Subject: Hello!'))).replaceAll('\r\n', '\n');
    assert.ok(document.includes(`\`\`\`\n${text}\`\`\``), `${language}:\n${text}`);
  }
});
