import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { bounce, characters, reportOf, statusOf, textOf } from '../support/dsn-record.ts';

const only = (text: string, name: string): string | undefined => valuesOf(readFields(text), name)[0];

const clients: [name: string, meta: Record<string, unknown>, want: string | undefined][] = [
  ['a name', { received_from: '192.0.2.7', ehlo_domain: 'Client.Example' }, 'dns; Client.Example ([192.0.2.7])'],
  ['IPv6', { received_from: '2001:db8::7', ehlo_domain: 'client.example' }, 'dns; client.example ([IPv6:2001:db8::7])'],
  ['an address literal', { received_from: '192.0.2.7', ehlo_domain: '[192.0.2.7]' }, 'dns; [192.0.2.7] ([192.0.2.7])'],
  ['an address with a port', { received_from: '192.0.2.7:4321', ehlo_domain: 'client.example' }, 'dns; client.example ([192.0.2.7])'],
  ['a name that is none', { received_from: '192.0.2.7', ehlo_domain: 'a b' }, undefined],
  ['a name that would end its comment', { received_from: '192.0.2.7', ehlo_domain: 'a) (b' }, undefined],
  ['a name with a line end', { received_from: '192.0.2.7', ehlo_domain: 'a\r\nX-Injected: y' }, undefined],
  ['a name that is not ASCII', { received_from: '192.0.2.7', ehlo_domain: 'bücher.example' }, undefined],
  ['a bare number', { received_from: '192.0.2.7', ehlo_domain: '192.0.2.7' }, undefined],
  ['an address that is none', { received_from: 'unix socket', ehlo_domain: 'client.example' }, undefined],
  ['an address with more behind it', { received_from: 'fe80::1%\r\nX: y', ehlo_domain: 'client.example' }, undefined],
  ['fields of another kind', { received_from: 7, ehlo_domain: ['x'] }, undefined],
  ['nobody', {}, undefined],
];
for (const [name, meta, want] of clients) {
  test(`Received-From-MTA of a client with ${name} (rule 49)`, () => {
    const report = reportOf(bounce({ meta }));
    assert.equal(only(statusOf(report), 'Received-From-MTA'), want);
    assert.equal(parseRfc3464(report.content)?.receivedFromMta?.value, want?.replace(/^dns; | \(.*$/g, ''));
  });
}

const inside = bounce({
  id: '01f',
  meta: { received_from: '10.0.0.7', ehlo_domain: 'desk7.corp.example' },
  peer_address: { name: 'mailbox3.corp.example', addr: '10.0.0.9' },
});

test('what tells of the inside is in no part of a report where it is turned off, the words of the server are (rule 65)', () => {
  const report = reportOf(inside, { disclose_internals: false });
  assert.doesNotMatch(characters(report.content), /corp\.example|10\.0\.0\.|X-Rebound|Received-From/);
  assert.equal(only(statusOf(report), 'Diagnostic-Code'), 'smtp; 550 5.7.1 no thanks');
  assert.match(textOf(report), /^Response: 550 5\.7\.1 no thanks\r$/m);
  assert.doesNotMatch(textOf(report), /communicating/);
});

test('a server that everybody can see is named all the same (rule 65)', () => {
  const report = reportOf(bounce({ peer_address: { name: 'mx.example', addr: '198.51.100.9' } }), { disclose_internals: false });
  assert.equal(only(statusOf(report), 'Remote-MTA'), 'dns; mx.example');
});

test('unless it is turned off all of it is there (rule 65)', () => {
  const status = statusOf(reportOf(inside));
  assert.equal(only(status, 'Received-From-MTA'), 'dns; desk7.corp.example ([10.0.0.7])');
  assert.equal(only(status, 'Remote-MTA'), 'dns; mailbox3.corp.example');
  assert.equal(only(status, 'X-Rebound-Message-ID'), '01f');
});

test('no line of the text is broken inside an address, quoted with blanks or not (rule 36)', () => {
  for (let length = 0; length < 80; length++) {
    const sender = `"${'s'.repeat(length)} a  b"@sender.example`;
    const recipients = [`"${'r'.repeat(length)} c d"@target.example`, '"e f"@target.example'];
    const text = textOf(reportOf(bounce({ sender: sender, recipient: recipients })));
    for (const address of [sender, ...recipients]) assert.ok(text.includes(address), text);
    for (const line of text.split('\r\n')) assert.ok(line.length <= 160);
  }
});

test('an address longer than any is broken all the same, so that its lines are lines (rule 31)', () => {
  const report = reportOf(bounce({ recipient: `"${'a '.repeat(900)}"@x` }));
  for (const line of characters(report.content).split('\r\n')) assert.ok(line.length <= 998);
});
