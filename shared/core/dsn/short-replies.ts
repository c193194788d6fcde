import { parseResponse, type DispositionRecord } from '../disposition.ts';
import { replyWireLines } from '../reply.ts';
import type { ReportedOutcome } from './outcomes.ts';

/** What all replies together may take of a report, each as often as it stands there. Characters. */
const mostSaid = 256 * 1024;
/** More than this is never told of one. */
const longestReply = 8192;
const longestLine = 200;

/**
 * The outcomes with replies that a report can hold: a hostile server has a thousand recipients and a long story for each. Of a
 * reply that does not fit any more the last line is told, which has the code (RFC 5321 §4.2.1), and a mark that it was cut.
 */
export function withShortReplies(outcomes: readonly ReportedOutcome[]): ReportedOutcome[] {
  let left = mostSaid;
  return outcomes.map((outcome) => {
    const { record, recipients } = outcome;
    const lines = replyWireLines(parseResponse(record.response));
    const length = lines.reduce((sum, line) => sum + line.length, 0);
    // Once for each recipient, once in the text.
    const taken = Math.min(length, longestReply) * (recipients.length + 1);
    if (taken <= left) {
      left -= taken;
      return outcome;
    }
    return { ...outcome, record: { ...record, response: shortened(record.response, lines.at(-1) ?? '') } };
  });
}

function shortened({ lines, content, ...response }: DispositionRecord['response'], wireLine: string): DispositionRecord['response'] {
  const words = (lines?.at(-1) ?? content).slice(0, longestLine);
  return { ...response, content: `${words} ...`, lines: [words, '...'], wire: [wireLine.slice(0, longestLine), '...'] };
}
