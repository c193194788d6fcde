/**
 * The decoded form of xtext (RFC 3461 §4), or undefined: `+` takes two upper-case hex digits, and `=`, blanks and
 * controls are never bare. What decodes to anything but printable US-ASCII is refused too (§4.2, §4.4).
 */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-~]|\+[2-7][0-9A-F])+$/.test(text)) return undefined;
  const decoded = text.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decoded.includes('\u007f') ? undefined : decoded;
}
