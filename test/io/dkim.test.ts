import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { dkimRecord, dkimSigner, loadDkimKeys } from '../../shared/io/dkim.ts';
import { dkimSettings, ed25519Key, pemOf, readRecord, rsaKey, storeFiles } from '../support/dkim-keys.ts';
import { bounce, characters, octets, reportOf } from '../support/dsn-record.ts';

// The other verifier, dkimpy, reads what went through the whole relay: test/relay/dkim.test.ts.

const now = Date.UTC(2026, 10, 22);
const messages: [name: string, content: Uint8Array][] = [
  ['a report', reportOf(bounce()).content],
  [
    'a report with an 8-bit original',
    reportOf(bounce(), {}, octets('From: a@mta1.example.com\r\nSubject: \u00fc\r\n\r\nf\u00fcr  \t \r\n \r\n\r\n')).content,
  ],
  ['a report whose header has UTF-8', reportOf(bounce({ sender: 'jürgen@bücher.example' })).content],
  [
    'a report with a long thread',
    reportOf(bounce(), {}, octets(`Subject: s\r\nMessage-ID: <m@x>\r\nReferences: ${'<a@x>\r\n '.repeat(30)}\r\n\r\nb`)).content,
  ],
  ['a message without body', octets('From: a@mta1.example.com\r\nSubject: s\r\n\r\n')],
  ['a message with only the end of a header', octets('From: a@mta1.example.com\r\nSubject: s\r\n')],
  ['a body of blank lines', octets('From: a@mta1.example.com\r\n\r\n\r\n \r\n\r\n')],
  ['a body without a last line end', octets('From: a@mta1.example.com\r\n\r\nb  c ')],
  ['a field of several occurrences', octets('From: a@mta1.example.com\r\nSubject: one\r\nSubject: two\r\n\r\nb\r\n')],
];
for (const [name, content] of messages) {
  test(`mailauth finds both signatures right: ${name}`, async (t) => {
    const { verify, sign } = await setUp(t);
    const signature = await sign(content, now);
    for (const line of signature.split('\r\n')) assert.ok(line.length <= 998, line);
    const message = Buffer.concat([Buffer.from(signature, 'latin1'), content]);
    assert.deepEqual(await verify(message), [
      { algo: 'rsa-sha256', result: 'pass' },
      { algo: 'ed25519-sha256', result: 'pass' },
    ]);
    assert.match(signature, new RegExp(`; t=${now / 1000};`));
  });
}

test('a report is signed with the keys of its author alone', async (t) => {
  const { keys } = await loadDkimKeys([...(await dkimSettings(t, 'example.com')), ...(await dkimSettings(t, 'acme.test'))]);
  const domainsFor = async (from: string): Promise<(string | undefined)[]> =>
    Array.from((await dkimSigner(keys)(octets(`From: ${from}\r\nSubject: s\r\n\r\nb\r\n`), now)).matchAll(/\sd=([^;]*);/g), ([, d]) => d);
  assert.deepEqual(await domainsFor('Acme <help@mail.Acme.test>'), ['acme.test', 'acme.test']);
  assert.deepEqual(await domainsFor('"me@acme.test" <mailer-daemon@mx.example.com>'), ['example.com', 'example.com']);
  assert.deepEqual(await domainsFor('help@notacme.test'), []);
});

const tampering: [name: string, change: (text: string) => string][] = [
  ['another word in the body', (text) => text.replace('no thanks', 'all fine')],
  ['another Subject', (text) => text.replace('Subject: Returned mail', 'Subject: Mail')],
  ['another Auto-Submitted', (text) => text.replace('auto-replied', 'no')],
  ['a second From', (text) => `From: evil@x.test\r\n${text}`],
  ['another boundary', (text) => text.replace('boundary="', 'boundary="x')],
];
for (const [name, change] of tampering) {
  test(`mailauth finds no signature right after a change: ${name}`, async (t) => {
    const { verify, sign } = await setUp(t);
    const { content } = reportOf(bounce());
    const text = `${await sign(content, now)}${characters(content)}`;
    const changed = change(text);
    assert.notEqual(changed, text);
    for (const { result } of await verify(Buffer.from(changed, 'latin1'))) assert.notEqual(result, 'pass');
  });
}

async function setUp(t: Parameters<typeof dkimSettings>[0]) {
  const { keys, problems } = await loadDkimKeys(await dkimSettings(t, 'mta1.example.com'));
  assert.deepEqual(problems, []);
  const records = new Map(keys.map((key) => readRecord(dkimRecord(key))));
  const resolver = (name: string) => Promise.resolve([[records.get(name) ?? '']]);
  return {
    sign: dkimSigner(keys),
    verify: async (message: Buffer) => {
      const { results } = await dkimVerify(message, { resolver: resolver as never });
      return results.map(({ algo, status }) => ({ algo, result: status.result }));
    },
  };
}

/** A key whose exponents are those of another one: it is read and cannot sign. */
function damagedPem(): string {
  const [one, other] = [rsaKey(2048), rsaKey(2048)].map((key) => key.export({ format: 'jwk' }));
  return pemOf(createPrivateKey({ format: 'jwk', key: { ...one, d: other?.d, dp: other?.dp, dq: other?.dq } as never }));
}

const publicPem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
const encryptedPem = ed25519Key().export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
const ecPem = pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const faults: [name: string, pem: string, want: RegExp][] = [
  ['words', 'SECRET-WORDS', /^expected a private key in PEM/],
  ['nothing', '', /^expected a private key in PEM/],
  ['half a key', pemOf(rsaKey(2048)).slice(0, 400), /^expected a private key in PEM/],
  ['a public key', publicPem, /^expected a private key in PEM/],
  ['a key with a passphrase', encryptedPem, /without a passphrase$/],
  ['a key of another kind', ecPem, /^expected an RSA or Ed25519 key, this is ec$/],
  ['a key that is too short', pemOf(rsaKey(768)), /^an RSA key of 768 bits is too short/],
  ['a damaged key', damagedPem(), /^the key is damaged/],
];
for (const [name, pem, want] of faults) {
  test(`a key file with ${name} is a mistake in the settings`, async (t) => {
    const [keyFile = ''] = await storeFiles(t, [pem]);
    const { keys, problems } = await loadDkimKeys([{ domain: 'x.test', selector: 's', keyFile }]);
    assert.deepEqual(keys, []);
    assert.deepEqual(
      problems.map(({ source, value }) => [source, value]),
      [['bounce.dkim.0.keyFile', JSON.stringify(keyFile)]],
    );
    assert.match(problems[0]?.message ?? '', want);
    assert.ok(!/SECRET|BEGIN/.test(problems[0]?.message ?? ''), 'what is in the file is not shown');
  });
}

test('every key file that is wrong is told, and one that is not there', async () => {
  const { problems } = await loadDkimKeys(['/nowhere/a', '/nowhere/b'].map((keyFile) => ({ domain: 'x.test', selector: 's', keyFile })));
  assert.deepEqual(
    problems.map(({ source }) => source),
    ['bounce.dkim.0.keyFile', 'bounce.dkim.1.keyFile'],
  );
  assert.match(problems[1]?.message ?? '', /^cannot be read: ENOENT/);
});

test('a short RSA key works and is warned of', async (t) => {
  const [keyFile = ''] = await storeFiles(t, [pemOf(rsaKey(1024))]);
  const { keys, problems, warnings } = await loadDkimKeys([{ domain: 'x.test', selector: 's', keyFile }]);
  assert.deepEqual([keys.length, problems.length], [1, 0]);
  assert.match(warnings[0]?.message ?? '', /1024 bits: use one of 2048/);
});
