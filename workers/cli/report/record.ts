import { z } from 'zod';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { recordSchema } from '../../../shared/core/dsn/record-schema.ts';
import { Failure } from '../command.ts';

/** A JSON log record, ours or one of the original's, or a list of those of one message. Throws Failure naming each field that is missing or wrong. */
export function parseRecords(text: string, file: string): DispositionRecord[] {
  const value = parseJson(text, file);
  const result = z
    .array(recordSchema)
    .min(1)
    .safeParse(Array.isArray(value) ? value : [value]);
  if (result.success) {
    const [first, ...others] = result.data;
    if (others.some(({ id }) => id !== first?.id))
      throw new Failure(`${file}: these are records of several messages; a report is about one`);
    // Fields that were not looked at are not read for a report; that an absent one is no key at all is for the types alone.
    return result.data as unknown as DispositionRecord[];
  }
  if (!Array.isArray(value)) for (const issue of result.error.issues) issue.path.shift();
  throw new Failure(
    result.error.issues.map((issue) => `${file}: ${issue.path.join('.') || 'record'}: ${issue.message}`).join('\n         '),
  );
}

export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(`${file} is not one JSON value: ${(error as Error).message}`, { cause: error });
  }
}
