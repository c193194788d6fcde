/** Controls, what ends a line, half characters, and marks that turn the direction of writing: what could steer a terminal or deceive its reader. */
const unsafe = /[\p{Cc}\p{Cs}\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu;

/** A foreign text for a terminal: on one line, at most `length` characters, harmless. */
export function printable(text: string, length = 1000): string {
  const cut = text.length > length ? `${text.slice(0, length - 1)}…` : text;
  return cut.replace(unsafe, '�');
}

/** The same value as JSON, with everything escaped that `printable` replaces. */
export const printableJson = (json: string): string =>
  json.replace(unsafe, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
