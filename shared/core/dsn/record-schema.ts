import { z } from 'zod';
import { recordTypes } from '../disposition.ts';

const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().default(null);
const code = z.int().min(0).max(999);

/** What a report is made of must be there; what else a record holds is taken as it is. */
export const recordSchema = z.looseObject({
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
