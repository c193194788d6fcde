import type { Envelope } from '../../shared/core/envelope.ts';
import { editHeader } from '../../shared/core/header-edit.ts';
import {
  headersForPolicy,
  readMessageResult,
  type MessageChanges,
  type MessageReceived,
} from '../../shared/core/policy/smtp-server-message-received.ts';
import type { Reply } from '../../shared/core/reply.ts';
import type { Context } from '../../shared/io/context.ts';
import { connMeta } from '../../shared/io/smtp-rewriter.ts';
import type { SmtpSession } from '../../shared/io/smtp-session.ts';
import type { HeldHeader } from './held-header.ts';

const event = 'smtp_server_message_received';

/** What the policy makes of a message. `header`: what stands in front of what was written. */
export type Lookover = { reply: Reply } | { header: Buffer; changes: Omit<MessageChanges, 'headers'> };

export interface Received {
  id: string;
  envelope: Envelope;
  /** Octets, the header that is held included. */
  size: number;
  held: HeldHeader;
  /** Does it begin with a header field or the blank line? */
  hasHeader: boolean;
  meta: MessageReceived['meta'];
}

/** Has the policy look over a message that was received whole. Never rejects. */
export async function lookOver(
  { policy, config }: Pick<Context, 'policy' | 'config'>,
  session: SmtpSession,
  { id, envelope, size, held, hasHeader, meta }: Received,
): Promise<Lookover> {
  const handler = policy.handlerOf(event);
  const content = held.content;
  const raw = content.toString('latin1');
  // Without its blank line; of a header that is cut, without the line that is.
  const header = held.isCut ? raw.slice(0, raw.lastIndexOf('\r\n') + 2) : raw.replace(/\r\n\r\n$/, '\r\n').replace(/^\r\n$/, '');
  const unchanged = { header: held.isCut ? Buffer.alloc(0) : content, changes: {} };
  if (!handler) return unchanged;
  const tenant = session.user?.tenant;
  const message: MessageReceived = {
    id,
    sender: envelope.sender,
    recipients: envelope.recipients.map(({ address }) => address),
    size,
    headers: headersForPolicy(header),
    isHeaderCut: held.isCut,
    ...(tenant && { tenant }),
    meta,
  };
  const verdict = readMessageResult(await handler(message, connMeta(session, config.hostname)), !held.isCut);
  if ('problem' in verdict) policy.complain(event, verdict.problem);
  if ('problem' in verdict) return unchanged;
  if ('fault' in verdict && verdict.fault !== undefined) policy.complain(event, verdict.fault);
  if ('reply' in verdict) return { reply: verdict.reply };
  const { headers = [], ...changes } = verdict.changes;
  if (headers.length === 0) return { ...unchanged, changes };
  const edited = editHeader(held.isCut ? '' : header, headers);
  const rest = held.isCut || !hasHeader ? '' : raw.slice(header.length);
  return { header: Buffer.from(edited + rest, 'latin1'), changes };
}
