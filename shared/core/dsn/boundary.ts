import { encodeText, hasOctetsAt } from './octets.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const isCandidate = /^[A-Za-z0-9'()+_,./:=?-]{1,50}$/;

/**
 * The candidate, made longer until no `--boundary` occurs in the content, not even as a prefix (RFC 2046 §5.1.1).
 * Each further letter is the one that the fewest occurrences go on with: content made to collide, even by someone who
 * knows the candidate, is left behind by a factor of 62 a letter, well within the 70 that are allowed.
 */
export function chooseBoundary(candidate: string, content: readonly Uint8Array[]): string {
  let boundary = isCandidate.test(candidate) ? candidate : 'report-boundary';
  for (;;) {
    const next = followers(`--${boundary}`, content);
    if (next === undefined) return boundary;
    boundary += rarest(next);
  }
}

/** How often each octet follows the text in the content; undefined when the text does not occur at all. */
function followers(text: string, content: readonly Uint8Array[]): Map<number, number> | undefined {
  const wanted = encodeText(text);
  const counts = new Map<number, number>();
  for (const piece of content) {
    for (let at = piece.indexOf(45); at >= 0; at = piece.indexOf(45, at + 1)) {
      if (!hasOctetsAt(piece, wanted, at)) continue;
      const follower = piece[at + wanted.length] ?? 0;
      counts.set(follower, (counts.get(follower) ?? 0) + 1);
    }
  }
  return counts.size === 0 ? undefined : counts;
}

function rarest(counts: Map<number, number>): string {
  let best = 'A';
  let least = Number.POSITIVE_INFINITY;
  for (const letter of letters) {
    const count = counts.get(letter.charCodeAt(0)) ?? 0;
    if (count < least) [best, least] = [letter, count];
  }
  return best;
}
