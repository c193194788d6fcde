import { randomBytes } from 'node:crypto';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { fieldErrors } from '../../../shared/core/api/problem.ts';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { whyNoReport } from '../../../shared/core/dsn/eligible.ts';
import { generateRfc3464Message } from '../../../shared/core/dsn/generate.ts';
import { headerOf } from '../../../shared/core/dsn/original.ts';
import { parseRfc3464 } from '../../../shared/core/dsn/parse.ts';
import { recordSchema } from '../../../shared/core/dsn/record-schema.ts';
import { fixNewlines } from '../../../shared/core/message.ts';
import { newMessageId } from '../../../shared/io/ids.ts';
import { paramsOf } from '../../../shared/io/report-params.ts';
import { historyOf } from '../message-history.ts';
import { badRequest, Problem } from '../problem.ts';
import type { World } from '../world.ts';
import type { ApiRequest, Handler } from './mount.ts';

type Body = ApiRequest<Endpoints['reportPreview']>['body'];

export const reportPreview: Handler<Endpoints['reportPreview']> = async ({ body }, world) => {
  const { config } = world.context;
  const record = body.event_id === undefined ? parseRecord(body) : await findRecord(body.event_id, world);
  const original = body.original === undefined ? await keptOriginal(record, world) : Buffer.from(fixNewlines(body.original));
  const params = { ...paramsOf(config, record, await world.templates()), ...(body.language !== undefined && { language: body.language }) };
  const unstable = { now: Date.now(), messageId: newMessageId(), boundary: randomBytes(16).toString('hex') };
  const report = generateRfc3464Message(params, original, record, unstable);
  if (!report) {
    const header = original && Buffer.from(headerOf(original)).toString('latin1');
    return { report: null, reason: whyNoReport(record, header) ?? 'none', record };
  }
  const { sender, recipient, content } = report;
  return {
    report: {
      sender,
      recipient,
      content: Buffer.from(content).toString('latin1'),
      size: content.length,
      text: parseRfc3464(content)?.text ?? null,
    },
    reason: null,
    record,
  };
};

function parseRecord({ record }: Body): DispositionRecord {
  const result = recordSchema.safeParse(record);
  if (!result.success)
    throw badRequest(
      fieldErrors(result.error, '').map(({ field, message }) => ({ field: ['record', field].filter(Boolean).join('.'), message })),
    );
  // Fields that were not looked at are not read for a report; that an absent one is no key at all is for the types alone.
  return result.data as unknown as DispositionRecord;
}

/** An event id begins with that of its message. */
async function findRecord(eventId: string, { log, context }: World): Promise<DispositionRecord> {
  const message = /^[0-9a-f]{32}/.exec(eventId)?.[0];
  const { records } = message === undefined ? { records: [] } : await historyOf(message, context, log);
  const found = records.find((record) => record.event_id === eventId);
  if (!found) throw new Problem(404, 'the log has no such record', { errors: [{ field: 'event_id', message: 'is not in the log' }] });
  return found;
}

/** What the bounce worker would read of it. */
async function keptOriginal({ id }: DispositionRecord, { context, pipeline }: World): Promise<Buffer | undefined> {
  const most = context.config.bounce.originalLimit + longestHeader;
  const content = /^[0-9a-f]{32}$/.test(id) ? await pipeline.spool.read(id) : undefined;
  if (!content || Buffer.isBuffer(content)) return content;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of content) {
    parts.push(part);
    size += part.length;
    if (size >= most) break;
  }
  return Buffer.concat(parts);
}

/** Octets. */
const longestHeader = 256 * 1024;
