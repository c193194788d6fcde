import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TracedLine } from '../../shared/core/trace.ts';
import { startSink, type SinkOptions } from '../../shared/io/sink-server.ts';
import { nodemailerClient } from '../../shared/io/smtp-client-nodemailer.ts';
import { smtpClient } from '../../shared/io/smtp-client.ts';
import { Transcript } from '../../shared/io/transcript.ts';

const timeouts = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 5000 };
const login = { user: 'relay-user', password: 'pass word 4711' };
const secrets = [login.password, `\0${login.user}\0${login.password}`].flatMap((text) => [text, Buffer.from(text).toString('base64')]);

/** A transcript, and what somebody who watches all of it has seen. */
function openTranscript(): { transcript: Transcript; seen: TracedLine[] } {
  const seen: TracedLine[] = [];
  const tracer = {
    process: 'test',
    isWatched: true,
    wantedBy: () => ['somebody'],
    tell: (line: TracedLine) => void seen.push(line),
    close: () => undefined,
  };
  return { transcript: new Transcript({ tracer, lane: 'default->x', subject: { message: 'm', domain: 'x.test' } }), seen };
}

const repeating = `535-5.7.8 no: ${login.password}\r\n535 5.7.8 nor ${Buffer.from(`\0${login.user}\0${login.password}`).toString('base64')}`;
const cases: [name: string, sink: SinkOptions, want: RegExp][] = [
  ['AUTH PLAIN', { login }, /> AUTH PLAIN \*\*\*\n< 235 /],
  ['AUTH LOGIN', { login: { ...login, mechanisms: ['LOGIN'] } }, /> AUTH LOGIN\n< 334 \*\*\*\n> \*\*\*\n< 334 \*\*\*\n> \*\*\*\n< 235 /],
  [
    'a server that repeats the password',
    { login, rules: { auth: repeating } },
    /> AUTH PLAIN \*\*\*\n< 535-5\.7\.8 no: \*\*\*\n< 535 5\.7\.8 nor \*\*\*/,
  ],
];
for (const [client, outbound] of Object.entries({ 'own client': smtpClient, nodemailer: nodemailerClient })) {
  for (const [name, options, want] of cases) {
    test(`${client}: no credentials are in a transcript, kept or live: ${name}`, async (t) => {
      const sink = await startSink(options);
      t.after(() => sink.close());
      const { transcript, seen } = openTranscript();
      const result = await outbound.connect(
        { name: 'mx.test', address: sink.host, port: sink.port, protocol: 'smtp', tls: 'disabled', login },
        { ehloName: 'relay.test', timeouts, transcript },
      );
      if (result.ok) await result.connection.close();
      assert.ok(
        sink.log.some((line) => line.includes('AUTH')),
        'it did log in',
      );
      for (const lines of [transcript.lines(), seen]) {
        const text = lines.map((line) => `${{ client: '>', server: '<', note: '*' }[line.direction]} ${line.text}`).join('\n');
        assert.match(text, want);
        for (const secret of secrets) assert.ok(!text.includes(secret), `${text} has ${JSON.stringify(secret)}`);
      }
    });
  }

  test(`${client}: content is told by its size, small or large, and the next transaction forgets the one before`, async (t) => {
    const sink = await startSink();
    t.after(() => sink.close());
    const { transcript } = openTranscript();
    const result = await outbound.connect(
      { name: 'mx.test', address: sink.host, port: sink.port, protocol: 'smtp', tls: 'disabled' },
      { ehloName: 'relay.test', timeouts, transcript },
    );
    assert.ok(result.ok);
    const said = (): string[] => transcript.lines().map(({ text }) => text);
    const send = async (content: Buffer, sender: string): Promise<void> => {
      transcript.begin({ message: sender, domain: 'x.test' });
      const envelope = { sender, recipients: [{ address: 'a@x.test' }], smtpUtf8: false, eightBit: false };
      const [outcome] = await result.connection.send({ envelope, size: content.length, content });
      assert.equal(outcome?.kind, 'accepted');
    };
    await send(Buffer.from('Subject: hidden words\r\n\r\nhidden words\r\n'), 'first@x.test');
    assert.ok(
      said().some((text) => /^\[\d+ octets\]$/.test(text)),
      said().join('\n'),
    );
    assert.ok(said().includes('EHLO relay.test'));
    await send(Buffer.from(`Subject: hidden words\r\n\r\n${'hidden words\r\n'.repeat(10_000)}`), 'second@x.test');
    const text = said().join('\n');
    assert.match(text, /EHLO relay\.test[^]*MAIL FROM:<second@x\.test>[^]*\[1\d{5} octets\]/);
    assert.ok(!text.includes('first@x.test') && !text.includes('hidden words'), text);
    await result.connection.close();
  });
}

test('what a hostile server says is bounded, line by line and as a whole', async () => {
  const { transcript } = openTranscript();
  const flood = Array.from({ length: 200 }, () => `250-${'x'.repeat(8000)}`);
  for (let n = 0; n < 1000; n++) transcript.server([...flood, '250 end']);
  const lines = transcript.lines();
  assert.ok(lines.length <= 131 * 21, `${lines.length}`);
  assert.ok(lines.every(({ text }) => text.length <= 513));
  assert.ok(lines.some(({ direction, text }) => direction === 'note' && text === 'lines left out'));
});
