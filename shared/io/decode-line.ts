const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A line whose octets came as one character each: words in UTF-8 as such; other octets above 127 one character each, so that nothing is lost of them. */
export function decodeLine(line: string): string {
  if (!/[\x80-\xff]/.test(line)) return line;
  try {
    return utf8.decode(Buffer.from(line, 'latin1'));
  } catch {
    return line;
  }
}
