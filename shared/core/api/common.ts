import { z } from 'zod';
import type { DispositionRecord } from '../disposition.ts';

/** How many items a page has at most. */
export const limit = (most: number, usual: number) =>
  z.coerce
    .number({ error: `expected a number from 1 to ${most}` })
    .int({ error: 'expected a whole number' })
    .min(1, { error: `expected a number from 1 to ${most}` })
    .max(most, { error: `expected a number from 1 to ${most}` })
    .default(usual)
    .describe('Items of a page at most');

/** Where a page goes on: an opaque text. */
export const cursor = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,800}$/, { error: 'expected the "next" of a page before' })
  .optional()
  .describe('The "next" of the page before');

/** The place of the next page; null after the last one. */
export const next = z.string().nullable().describe('Cursor of the next page; null after the last');

/** What goes into a reply, a log or a report: one line. */
export const oneLine = (most: number) =>
  z
    .string()
    .trim()
    .min(1, { error: 'expected text' })
    .max(most, { error: `expected ${most} characters at most` })
    .regex(/^[^\p{Cc}\u2028\u2029]*$/u, { error: 'expected one line of text' });

export const reason = oneLine(500).describe('Why; kept in the audit log');

export const messageParams = z.strictObject({
  id: z
    .string()
    .regex(/^[0-9a-f]{32}$/, { error: 'a message id has 32 digits from 0 to f' })
    .describe('Message id'),
});

export const time = z.string().describe('RFC 3339');
export const count = z.int().min(0);

/** A disposition record, as it is in the log. */
export const disposition = z
  .custom<DispositionRecord>((value) => typeof value === 'object' && value !== null)
  .meta({ type: 'object', description: 'A disposition record, with the fields of the log' });

/** The same with its place in the log, which tells the order of records. */
export const loggedDisposition = z
  .custom<DispositionRecord & { log_id: string }>((value) => typeof value === 'object' && value !== null)
  .meta({ type: 'object', description: 'A disposition record, with the fields of the log, and its place there, `log_id`' });
