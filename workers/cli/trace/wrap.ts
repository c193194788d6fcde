import type { Paper } from '../api/table.ts';

/** No narrower than this, however narrow the terminal. */
const narrowest = 30;

/** A text on as many lines as it takes, nothing left out; `used`: columns that the prefix takes, which may hold colours. */
export function wrapped(text: string, prefix: string, indent: string, { width }: Paper, used: number): string[] {
  const lines: string[] = [];
  let rest = text;
  let head = prefix;
  let room = Math.max(narrowest, width - used);
  while (rest.length > room) {
    const space = rest.lastIndexOf(' ', room);
    const end = space > room / 2 ? space : room;
    lines.push(`${head}${rest.slice(0, end)}`);
    rest = rest.slice(end).trimStart();
    head = indent;
    room = Math.max(narrowest, width - indent.length);
  }
  return [...lines, `${head}${rest}`.trimEnd()];
}
