/**
 * The decoded form of xtext (RFC 3461 §4), or undefined: `+` takes two upper-case hex digits, and `=`, blanks and
 * controls are never bare. What decodes to anything but printable US-ASCII is refused too (§4.2, §4.4).
 */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-~]|\+[2-7][0-9A-F])+$/.test(text)) return undefined;
  const decoded = text.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decoded.includes('\u007f') ? undefined : decoded;
}

const embeddedCharacter = /\\x\{([0-9A-F]{2,6})\}/g;

/**
 * The decoded form of an address of type `utf-8` (RFC 6533 §3), or undefined: `\x{HEX}` for what is no QCHAR, or raw UTF-8.
 * Control characters, which the grammar would let through, are refused: no mailbox has them.
 */
export function decodeUtf8Address(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-[\]-~\u00a0-\uffff]|\\x\{[0-9A-F]{2,6}\})+$/.test(text)) return undefined;
  let isValid = true;
  const decoded = text.replace(embeddedCharacter, (_, hex: string) => {
    const point = Number.parseInt(hex, 16);
    const isNeeded = point >= 0xa0 || [0x20, 0x2b, 0x3d, 0x5c].includes(point);
    if (!isNeeded || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) isValid = false;
    return isValid ? String.fromCodePoint(point) : '';
  });
  return isValid ? decoded : undefined;
}
