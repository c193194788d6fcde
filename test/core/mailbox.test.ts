import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mailboxProblem, readMailbox } from '../../shared/core/mailbox.ts';

const right: [text: string, name: string, address: string][] = [
  ['help@x.test', '', 'help@x.test'],
  [' <help@x.test> ', '', 'help@x.test'],
  ['Help <help@x.test>', 'Help', 'help@x.test'],
  ['Help Desk<help@x.test>', 'Help Desk', 'help@x.test'],
  ['"Help, Desk" <help@x.test>', '"Help, Desk"', 'help@x.test'],
  ['"a \\" b" <help@x.test>', '"a \\" b"', 'help@x.test'],
  ['Dr. Help (me) <help@x.test>', '"Dr. Help (me)"', 'help@x.test'],
  ['a \\ b <help@x.test>', '"a \\\\ b"', 'help@x.test'],
  ['=?utf-8?Q?=C3=BC?= <help@x.test>', '=?utf-8?Q?=C3=BC?=', 'help@x.test'],
  ['"a b"@x.test', '', '"a b"@x.test'],
  ['Help <"a>b"@x.test>', 'Help', '"a>b"@x.test'],
  ['help@[192.0.2.1]', '', 'help@[192.0.2.1]'],
];
for (const [text, name, address] of right) {
  test(`${text} is a mailbox`, () => {
    const { domain } = readMailbox(text) ?? assert.fail();
    assert.deepEqual(readMailbox(text), { name, address, domain: address.slice(address.lastIndexOf('@') + 1) });
    assert.ok(domain.length > 0);
    assert.equal(mailboxProblem(text), undefined);
  });
}

const wrong = [
  '',
  '<>',
  'Help Desk',
  'postmaster',
  'a@b.example>',
  '<a@b.example',
  '<<a@b.example>>',
  'a@b.example c@d.example',
  'a@b.example, c@d.example',
  'a@b.example, Me <c@d.example>',
  'Me <a@b.example>, c@d.example',
  'Me <a@b.example> <c@d.example>',
  'Group: Me <a@b.example>;',
  '"Help <a@b.example>',
  'Help" <a@b.example>',
  '"Help" Desk <a@b.example>',
  '"Help\\" <a@b.example>',
  'Help <@x,@y:a@b.example>',
  'Help\r\nBcc: x <a@b.example>',
  'Help\u0007 <a@b.example>',
  'Hilfe für alle <a@b.example>',
  'hilfe@bücher.example',
  'a@b.example.',
  'a b@c.example',
];
for (const text of wrong) {
  test(`${JSON.stringify(text)} is no mailbox, and is told so`, () => {
    assert.equal(readMailbox(text), undefined);
    assert.match(mailboxProblem(text) ?? '', /expected an address such as/);
  });
}
