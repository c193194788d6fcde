import assert from 'node:assert/strict';
import test from 'node:test';
import { formatReceived, protocolName, type ReceivedInfo } from '../../shared/core/received.ts';

const info: ReceivedInfo = {
  helo: 'client.test',
  address: '192.0.2.7',
  by: 'relay.test',
  protocol: 'ESMTP',
  id: '0198',
  at: Date.UTC(2003, 6, 1, 8, 52, 37),
};

test('the field has the form of RFC 5321', () => {
  const received = formatReceived({ ...info, recipient: 'bob@dest.test', tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' } });
  assert.equal(
    received,
    'Received: from client.test ([192.0.2.7])\r\n\tby relay.test with ESMTP\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384) id 0198\r\n' +
      '\tfor <bob@dest.test>;\r\n\tTue, 1 Jul 2003 08:52:37 +0000\r\n',
  );
});

const froms: [name: string, change: Partial<ReceivedInfo>, from: string][] = [
  ['an IPv6 client', { address: '2001:db8::1' }, 'client.test ([IPv6:2001:db8::1])'],
  ['a literal', { helo: '[192.0.2.9]' }, '[192.0.2.9] ([192.0.2.7])'],
  ['a bare address', { helo: '192.0.2.9' }, '[192.0.2.7] (helo 192.0.2.9)'],
  ['a name that is none', { helo: 'x);evil(y' }, '[192.0.2.7] (helo x?;evil?y)'],
  ['a name with a backslash and 8-bit', { helo: 'a\\b\u00e9' }, '[192.0.2.7] (helo a?b?)'],
];
for (const [name, change, from] of froms) {
  test(`the from part of ${name} is ${from}`, () => {
    assert.equal(formatReceived({ ...info, ...change }).split('\r\n')[0], `Received: from ${from}`);
  });
}

const protocols: [flags: string, utf8: boolean, name: string][] = [
  ['', false, 'SMTP'],
  ['E', false, 'ESMTP'],
  ['ES', false, 'ESMTPS'],
  ['EA', false, 'ESMTPA'],
  ['ESA', false, 'ESMTPSA'],
  ['E', true, 'UTF8SMTP'],
  ['ESA', true, 'UTF8SMTPSA'],
];
for (const [flags, utf8, name] of protocols) {
  test(`the protocol of a session with "${flags}"${utf8 ? ' and SMTPUTF8' : ''} is ${name}`, () => {
    const session = { isEsmtp: flags.includes('E'), isSecure: flags.includes('S'), isAuthenticated: flags.includes('A') };
    assert.equal(protocolName(session, utf8), name);
  });
}
