import type { RedisLink } from './redis.ts';

/** What became of the report of a disposition: the id of the message that it is, or why there is none. */
export type ReportMark = { kind: 'sent'; message: string } | { kind: 'suppressed'; reason: string };

/** How long it is remembered. Seconds. */
export const markLifetime = 7 * 86_400;

/** A string `sent:<message id>` or `suppressed:<reason>`. */
export const reportMarkKey = (redis: RedisLink, eventId: string): string => redis.key(`report:${eventId}`);

export const formatReportMark = (mark: ReportMark): string => (mark.kind === 'sent' ? `sent:${mark.message}` : `suppressed:${mark.reason}`);

/** The marks of those dispositions that have one, by event id. */
export async function readReportMarks(redis: RedisLink, eventIds: readonly string[]): Promise<Map<string, ReportMark>> {
  const unique = [...new Set(eventIds)];
  if (unique.length === 0) return new Map();
  const values = await redis.client.mget(unique.map((eventId) => reportMarkKey(redis, eventId)));
  return new Map(
    unique.flatMap((eventId, n) => {
      const mark = parseReportMark(values[n] ?? null);
      return mark ? [[eventId, mark] as const] : [];
    }),
  );
}

/** A mark of before reasons were kept is the bare id of the report. */
function parseReportMark(text: string | null): ReportMark | undefined {
  if (text === null) return undefined;
  if (text.startsWith('suppressed:')) return { kind: 'suppressed', reason: text.slice('suppressed:'.length) };
  return { kind: 'sent', message: text.replace(/^sent:/, '') };
}
