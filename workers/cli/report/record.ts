import { z } from 'zod';
import { recordTypes, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { Failure } from '../command.ts';

const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().default(null);
const code = z.int().min(0).max(999);

/** What a report is made of must be there; what else a record holds is taken as it is. */
const schema = z.looseObject({
  type: z.enum(recordTypes),
  sender: z.string(),
  recipient: z.union([z.string(), z.array(z.string()).min(1)]),
  response: z.looseObject({
    code,
    content: z.string(),
    enhanced_code: orNull(z.looseObject({ class: code, subject: code, detail: code })),
    command: orNull(z.string()),
    lines: z.array(z.string()).min(1).optional(),
    local: z.boolean().optional(),
  }),
  timestamp: z.number(),
  created: z.number(),
  id: z.string().default(''),
  queue: z.string().default(''),
  event_id: z.string().default(''),
  size: z.number().min(0).default(0),
  num_attempts: z.number().default(1),
  meta: z.record(z.string(), z.unknown()).default({}),
  peer_address: orNull(z.looseObject({ name: z.string(), addr: z.string() })),
  delivery_protocol: orNull(z.string()),
  dsn: z
    .looseObject({
      envid: z.string().optional(),
      ret: z.enum(['FULL', 'HDRS']).optional(),
      smtp_utf8: z.boolean().optional(),
      recipients: z.array(z.looseObject({ address: z.string(), notify: z.array(z.string()).optional(), orcpt: z.string().optional() })),
    })
    .optional(),
});

/** A JSON log record, ours or one of the original's, or a list of those of one message. Throws Failure naming each field that is missing or wrong. */
export function parseRecords(text: string, file: string): DispositionRecord[] {
  const value = parseJson(text, file);
  const result = z
    .array(schema)
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
