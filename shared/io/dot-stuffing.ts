const dot = 0x2e;
const lf = 0x0a;

/**
 * Doubles the dot at the start of a line (RFC 5321 §4.5.2). `atLineStart`: does the chunk begin a line? Content has
 * CRLF line ends only, so a dot after LF begins one. Returns the chunk itself when there is nothing to do.
 */
export function stuffDots(chunk: Buffer, atLineStart: boolean): { bytes: Buffer; atLineStart: boolean } {
  return { bytes: stuff(chunk, atLineStart), atLineStart: chunk.length === 0 ? atLineStart : chunk.at(-1) === lf };
}

function stuff(chunk: Buffer, atLineStart: boolean): Buffer {
  const begins = atLineStart && chunk[0] === dot;
  let at = chunk.indexOf('\n.', 0, 'latin1');
  if (at < 0 && !begins) return chunk;
  const pieces: Buffer[] = [];
  let from = 0;
  if (begins) pieces.push(oneDot);
  for (; at >= 0; at = chunk.indexOf('\n.', from, 'latin1')) {
    pieces.push(chunk.subarray(from, at + 1), oneDot);
    from = at + 1;
  }
  pieces.push(chunk.subarray(from));
  return Buffer.concat(pieces);
}

const oneDot = Buffer.from('.');

/** Takes the doubled dots away again. `content`: all of it, without the line of the final dot. */
export function unstuffDots(content: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = content[0] === dot ? 1 : 0;
  for (let at = content.indexOf('\n.', 0, 'latin1'); at >= 0; at = content.indexOf('\n.', from, 'latin1')) {
    pieces.push(content.subarray(from, at + 1));
    from = at + 2;
  }
  return pieces.length === 0 && from === 0 ? content : Buffer.concat([...pieces, content.subarray(from)]);
}
