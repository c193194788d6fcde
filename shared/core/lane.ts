/**
 * Names of lanes and of their sessions. A lane is the BullMQ queue of one egress path, `source->site`; a session is the
 * right to hold one connection to the site, and its job id is the permit: `<lane>/0` to `<lane>/k-1`.
 */
// Longer than any domain name (253, RFC 1035 §2.3.4) with its source: real sites never share a lane by being cut.
const maxNameLength = 400;

/** The lane of an egress path. BullMQ forbids `:` in queue names; IPv6 literals get `;` instead. */
export function laneName(source: string, site: string): string {
  return `${source}->${site.replaceAll(':', ';')}`.slice(0, maxNameLength);
}

/** The parts of a lane's name, the site as it was given; undefined for a queue that is no lane. */
export function parseLaneName(lane: string): { source: string; site: string } | undefined {
  const arrow = lane.indexOf('->');
  return arrow < 0 ? undefined : { source: lane.slice(0, arrow), site: lane.slice(arrow + 2).replaceAll(';', ':') };
}

/** The egress path of a lane, `source->site`, as people and records name it. */
export const egressPath = (lane: string): string => lane.replaceAll(';', ':');

/** The job id of the n-th connection permit of a lane. */
export const sessionId = (lane: string, index: number): string => `${lane.replaceAll(':', ';')}/${index}`;

/** Wake-ups are rounded up to this, so that many retries of one moment share one job. Milliseconds. */
const wakeGranularity = 500;

/** The id and time of the job that wakes a lane at `at` (epoch ms) or at most half a second later. */
export function wakeAt(lane: string, at: number): { id: string; at: number } {
  const rounded = Math.ceil(at / wakeGranularity) * wakeGranularity;
  return { id: `${lane}/due-${rounded}`, at: rounded };
}
