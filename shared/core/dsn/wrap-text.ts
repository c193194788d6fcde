/** RFC 5322 §2.1.1 asks for 78 at most; two are left for whoever quotes the text. */
const width = 76;

/**
 * Stands for a blank at which no line may break, as in `"a b"@example.net`. It is a control, which no safe value and no template
 * holds, and a blank again after `wrapText`.
 */
export const heldBlank = '\u0001';

/** One line as several of at most 76 characters, each after `indent`, broken at blanks alone: a longer word is a longer line. */
export function wrapText(text: string, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((wrapped) => `${indent}${wrapped}`.trimEnd().replaceAll(heldBlank, ' '));
}
