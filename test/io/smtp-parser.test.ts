import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import fc from 'fast-check';
import { SmtpParser } from '../../shared/io/smtp-parser.ts';

/** What a parser makes of chunks: the content between DATA and its end, and the commands around it. */
async function parse(chunks: Buffer[]): Promise<{ pieces: string[]; commands: string[] }> {
  const pieces: string[] = [];
  const commands: string[] = [];
  const parser: SmtpParser = new SmtpParser({
    command: (line, done) => {
      commands.push(line.toString('latin1'));
      if (line.toString() === 'DATA') {
        const write = async (piece: Buffer): Promise<void> => void pieces.push(piece.toString('latin1'));
        parser.startContent({ write, end: (proceed) => setImmediate(proceed) });
      }
      done();
    },
    longLine: (done) => {
      commands.push('(too long)');
      done();
    },
    mayTalk: () => true,
  });
  for (const chunk of chunks) parser.write(Buffer.from(chunk));
  parser.end();
  await once(parser, 'finish');
  return { pieces, commands };
}

/** The rules of RFC 5321 §4.1.1.4 and §4.5.2 in one line each. */
function expected(wire: string): { content: string; rest: string } {
  const end = `\r\n${wire}`.indexOf('\r\n.\r\n');
  return { content: wire.slice(0, end).replace(/(^|\r\n)\./g, '$1'), rest: wire.slice(end + 3) };
}

const token = fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', '\r\n..', '\r\n.\r', 'a', '\0', '\xff');

test('content is what RFC 5321 says, wherever the network divides it (rule 126)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(token, { maxLength: 30 }), fc.array(fc.nat(80), { maxLength: 8 }), async (tokens, cuts) => {
      const wire = `${tokens.join('')}\r\n.\r\n`;
      const sent = Buffer.from(`DATA\r\n${wire}`, 'latin1');
      const edges = [...new Set([0, ...cuts.filter((cut) => cut < sent.length), sent.length])].sort((a, b) => a - b);
      const { pieces, commands } = await parse(edges.slice(1).map((edge, n) => sent.subarray(edges[n], edge)));
      const { content, rest } = expected(wire);
      assert.equal(pieces.join(''), content);
      const lines = rest.split('\n').slice(0, -1);
      assert.deepEqual(
        commands
          .slice(1, 1 + lines.length)
          .join('\n')
          .replaceAll('\r', ''),
        lines.join('\n').replaceAll('\r', ''),
      );
      // The scan of lines relies on it.
      for (const [n, piece] of pieces.entries()) assert.ok(!(piece.endsWith('\r') && pieces[n + 1]?.startsWith('\n')));
    }),
    { numRuns: 2000 },
  );
});

const lines: [name: string, chunks: string[], commands: string[]][] = [
  ['LF alone ends a command too', ['NOOP\nNOOP\r\n'], ['NOOP', 'NOOP']],
  ['a line in pieces', ['NO', 'O', 'P\r', '\nQUIT\r\n'], ['NOOP', 'QUIT']],
  ['a line that is not ended', ['NOOP\r\nQUI'], ['NOOP']],
  ['an empty line', ['\r\n'], ['']],
  ['a line too long', [`${'x'.repeat(12_289)}\r\nNOOP\r\n`], ['(too long)', 'NOOP']],
  ['a line too long in pieces', ['x'.repeat(9000), 'x'.repeat(9000), 'x\r\nNOOP\r\n'], ['(too long)', 'NOOP']],
  ['a line just right', [`${'x'.repeat(12_287)}\r\n`], ['x'.repeat(12_287)]],
];
for (const [name, chunks, commands] of lines) {
  test(`of commands, ${name}: read as ${commands.length}`, async () => {
    assert.deepEqual((await parse(chunks.map((chunk) => Buffer.from(chunk)))).commands, commands);
  });
}
