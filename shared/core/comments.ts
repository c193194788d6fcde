/** Structured field text without its comments, nested ones too (RFC 5322 §3.2.2); quoted strings are left as they are. Linear. */
export function withoutComments(text: string): string {
  let depth = 0;
  let isQuoted = false;
  let kept = '';
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '\\') {
      if (depth === 0) kept += text.slice(i, i + 2);
      i++;
    } else if (isQuoted || (char === '"' && depth === 0)) {
      if (char === '"') isQuoted = !isQuoted;
      kept += char;
    } else if (char === '(') {
      depth++;
    } else if (char === ')' && depth > 0) {
      depth--;
      if (depth === 0) kept += ' ';
    } else if (depth === 0) {
      kept += char;
    }
  }
  return kept;
}
