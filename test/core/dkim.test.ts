import { test } from 'node:test';
import assert from 'node:assert/strict';
import { canonicalise, finishSignature, prepareSignature } from '../../shared/core/dkim.ts';
import { octets } from '../support/dsn-record.ts';

test('the example of RFC 6376 §3.4.5 has the relaxed form that stands there', () => {
  assert.deepEqual(canonicalise(octets('A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n')), {
    fields: [
      { name: 'a', line: 'a:X' },
      { name: 'b', line: 'b:Y Z' },
    ],
    body: ' C\r\nD E\r\n',
  });
});

const bodies: [name: string, body: string, want: string][] = [
  ['none', '', ''],
  ['blank lines alone', '\r\n \r\n\t\r\n', ''],
  ['no line end at its end', 'a', 'a\r\n'],
  ['blanks instead of a line end', 'a \t', 'a\r\n'],
  ['blank lines inside', 'a\r\n\r\n\r\nb\r\n', 'a\r\n\r\n\r\nb\r\n'],
  ['octets above 127', '\u00e9\u00a0\t\u00ff\r\n', '\u00e9\u00a0 \u00ff\r\n'],
];
for (const [name, body, want] of bodies) {
  test(`the relaxed form of a body: ${name}`, () => assert.equal(canonicalise(octets(`A: b\r\n\r\n${body}`)).body, want));
}

test('a body of a megabyte of blanks, tabs or line ends takes no longer than another', () => {
  for (const filling of [' ', '\t', '\r\n', ' \r\n', ' x']) {
    const began = performance.now();
    canonicalise(octets(`A: b\r\n\r\n${filling.repeat(1_000_000)}x`));
    assert.ok(performance.now() - began < 5000, JSON.stringify(filling));
  }
});

test('the field names what is there, From once more than it is, and is folded', () => {
  const message = canonicalise(octets('Subject: s\r\nFrom: a@x\r\nX-Other: y\r\nDate: d\r\n\r\n'));
  const identity = { domain: 'x.test', selector: 's', algorithm: 'rsa-sha256' } as const;
  const { field, input } = prepareSignature(message, identity, 'HASH', 1_700_000_000_999);
  assert.match(field.replaceAll('\r\n\t', ''), /; t=1700000000;h=From:From:Subject:Date;bh=HASH;b=$/);
  assert.match(input, /^from:a@x\r\nsubject:s\r\ndate:d\r\ndkim-signature:v=1; a=rsa-sha256; .* b=$/);
  const whole = finishSignature(field, 'x'.repeat(684));
  assert.ok(whole.endsWith('x\r\n'));
  for (const line of whole.split('\r\n')) assert.ok(line.length <= 78, line);
});
