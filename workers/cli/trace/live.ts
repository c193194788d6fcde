import type { TracedLine } from '../../../shared/core/trace.ts';
import { printable } from '../../../shared/core/printable.ts';
import { colour, type Paper, type Style } from '../api/table.ts';
import { signs, signStyles } from './timeline.ts';
import { wrapped } from './wrap.ts';

/** A line as the API streams it. */
export type LiveLine = Omit<TracedLine, 'at'> & { at: string };

/** Connections whose head was printed; the oldest is forgotten, and only has it printed again. */
const mostConnections = 1000;

/** Lines of many conversations among each other: time, tag of the connection, who speaks, what. A new connection says whose it is. */
export function openLiveLines(): (line: LiveLine, paper: Paper) => string[] {
  /** The message that each connection is about. */
  const seen = new Map<string, string | undefined>();
  return (line, paper) => {
    const tag = printable(line.connection, 12).padEnd(6);
    const prefix = (sign: string, style: Style | undefined): string =>
      `${colour(printable(line.at, 30).slice(11, 23), 'dim', paper)} ${colour(tag, tagStyle(tag), paper)} ${colour(sign, style, paper)} `;
    const note = (text: string): string[] => wrapped(colourless(text), prefix('=', 'bold'), ' '.repeat(22), paper, 22);
    const lines: string[] = [];
    if (!seen.has(line.connection)) lines.push(...note(`${line.way}  ${whoOf(line)}  ${line.process}`));
    if (line.message !== undefined && seen.get(line.connection) !== line.message) lines.push(...note(`message ${line.message}`));
    if (!seen.has(line.connection) && seen.size >= mostConnections) seen.delete(seen.keys().next().value ?? '');
    seen.set(line.connection, line.message ?? seen.get(line.connection));
    const isRefusal = line.direction === 'server' && /^[45]\d\d/.test(line.text);
    lines.push(
      ...wrapped(
        colourless(line.text),
        prefix(signs[line.direction] ?? '?', isRefusal ? 'red' : signStyles[line.direction]),
        ' '.repeat(22),
        paper,
        22,
      ),
    );
    return lines;
  };
}

const colourless = (text: string): string => printable(text, 2000);

const whoOf = ({ way, lane, peer }: LiveLine): string => {
  const other = peer ? `${peer.name || '-'} [${peer.address}]` : '-';
  return way === 'outbound' ? `${lane ?? '-'}  ${other}` : other;
};

const tagStyles: readonly Style[] = ['cyan', 'magenta', 'yellow', 'blue', 'green'];
/** A tag is hexadecimal. */
const tagStyle = (tag: string): Style | undefined => tagStyles[Number.parseInt(tag, 16) % tagStyles.length];
