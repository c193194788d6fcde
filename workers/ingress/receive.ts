import { isAscii } from 'node:buffer';
import type { Envelope } from '../../shared/core/envelope.ts';
import { isAscii as isAsciiText } from '../../shared/core/address.ts';
import { fixNewlines, scanMessage, type LineFault } from '../../shared/core/message.ts';
import { formatReceived, protocolName } from '../../shared/core/received.ts';
import { SmtpRefusal } from '../../shared/core/refusal.ts';
import { localReply, type Reply } from '../../shared/core/reply.ts';
import { unreachable } from '../../shared/core/unreachable.ts';
import type { Context } from '../../shared/io/context.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { receptionMeta, type Intake, type ReceptionInfo } from '../../shared/io/intake.ts';
import type { ContentReceiver, SmtpSession } from '../../shared/io/smtp-session.ts';
import { holdHeader } from './held-header.ts';
import { lookOver } from './look-over.ts';
import type { Spool } from '../../shared/io/spool.ts';

export interface ReceiveDeps {
  context: Context;
  spool: Spool;
  intake: Intake;
}

/** Takes one message of at most `maxSize` octets: content into the spool while it is looked at, trace field in front, hand-over to the intake. */
export function receive(
  { context, spool, intake }: ReceiveDeps,
  session: SmtpSession,
  envelope: Envelope,
  maxSize: number,
): ContentReceiver {
  const { config, log } = context;
  const { maxHops, maxLineLength, bareNewlines } = config.ingress;
  const draft = spool.draft(newMessageId());
  const scan = scanMessage(maxLineLength);
  // Only where somebody may change it.
  const held = context.policy.handles('smtp_server_message_received') ? holdHeader() : undefined;
  const fixes = bareNewlines === 'fix';
  let size = 0;
  let isEightBit = false;
  let refusal: Reply | undefined;
  let writing: Promise<void> = Promise.resolve();

  const look = (piece: Buffer): Buffer => {
    size += piece.length;
    if (size > maxSize) refusal = tooLarge;
    // RFC 5321 §4.5.2 and RFC 5322 §4: no sender may use it, and programs on the way end their strings at it.
    else if (piece.includes(0)) refusal = localReply(554, '5.6.0', 'The message holds NUL octets');
    if (refusal) return piece;
    isEightBit ||= !isAscii(piece);
    const text = piece.toString('latin1');
    const fixed = fixes ? fixNewlines(text) : text;
    const fault = scan.push(fixed);
    if (fault) refusal = lineRefusal(fault, maxLineLength);
    return fixed === text ? piece : Buffer.from(fixed, 'latin1');
  };

  const failure = (error: unknown): Reply => {
    if (error instanceof SmtpRefusal)
      log.warn({ event: 'message_refused', id: draft.id, code: error.reply.code, cause: String(error.cause) });
    else log.error({ event: 'message_failed', id: draft.id, err: error });
    return error instanceof SmtpRefusal ? error.reply : localReply(451, '4.3.0', 'Internal error, try again later');
  };

  const discard = (): Promise<void> =>
    draft.discard().catch((error: unknown) => log.warn({ event: 'discard_failed', id: draft.id, err: error }));

  const commit = async (): Promise<Reply> => {
    if (scan.hops >= maxHops) return localReply(554, '5.4.6', 'Too many hops, this message is a loop');
    const received = receivedField(session, envelope, draft.id, config.hostname);
    const info = receptionInfo(session);
    const looked =
      held &&
      (await lookOver(context, session, { id: draft.id, envelope, size, held, hasHeader: scan.hasHeader, meta: receptionMeta(info) }));
    if (looked && 'reply' in looked) return looked.reply;
    if (!scan.hasHeader) draft.prepend(Buffer.from('\r\n'));
    if (looked && looked.header.length > 0) draft.prepend(looked.header);
    draft.prepend(Buffer.from(received));
    const { campaign, routingDomain, meta, tenant = session.user?.tenant } = looked?.changes ?? {};
    const eightBit = isEightBit || !isAsciiText(received);
    await intake.receive({
      envelope: {
        ...envelope,
        eightBit,
        // Addresses tell for themselves, each next hop its own.
        smtpUtf8: envelope.smtpUtf8 && eightBit,
      },
      content: draft,
      info,
      messageId: scan.messageId,
      ...(tenant && { tenant }),
      ...(campaign && { campaign }),
      ...(routingDomain && { routingDomain }),
      ...(meta && { meta }),
    });
    return { code: 250, enhanced: '2.0.0', lines: [`Ok: queued as ${draft.id}`] };
  };

  return {
    write: async (piece) => {
      if (refusal) return;
      const taken = look(piece);
      if (!refusal) {
        const content = held ? held.take(taken, scan.headerLength) : taken;
        try {
          if (content.length > 0) await (writing = draft.write(content));
        } catch (error) {
          refusal = failure(error);
        }
      }
      if (refusal) await discard();
    },
    end: async () => {
      const reply = refusal ?? (await commit().catch(failure));
      if (reply.code >= 400) void discard();
      return reply;
    },
    abort: () => {
      refusal ??= localReply(451, '4.4.2', 'Connection lost');
      void writing.then(discard, discard);
    },
  };
}

function receivedField(session: SmtpSession, envelope: Envelope, id: string, hostname: string): string {
  const protocol = protocolName(
    { isEsmtp: session.isEsmtp, isSecure: session.tls !== undefined, isAuthenticated: session.user !== undefined },
    envelope.smtpUtf8,
  );
  const only = envelope.recipients.length === 1 ? envelope.recipients[0] : undefined;
  return formatReceived({
    helo: session.helo,
    address: session.remoteAddress,
    by: hostname,
    protocol,
    id,
    ...(session.tls && { tls: session.tls }),
    ...(only && { recipient: only.address }),
    at: Date.now(),
  });
}

/** How a message came in, for its records. */
export function receptionInfo(session: SmtpSession): ReceptionInfo {
  const { helo, remoteAddress, user, tls } = session;
  return {
    protocol: session.isEsmtp ? 'ESMTP' : 'SMTP',
    peer: { name: helo, address: remoteAddress },
    isTrusted: session.isTrusted || user !== undefined,
    sessionId: session.id,
    ...(user && { user: user.name }),
    ...(tls && { tls }),
  };
}

/** RFC 1870 §6.1 and §6.3. */
export const tooLarge = localReply(552, '5.3.4', 'Message size exceeds the limit');

// X.6.0: it is the content that cannot be taken, not the way the commands were written (X.5.x).
function lineRefusal(fault: LineFault, maxLineLength: number): Reply {
  switch (fault) {
    case 'bare-newline':
      return localReply(554, '5.6.0', 'The message holds a CR or LF by itself (RFC 5321 2.3.8)');
    case 'long-line':
      return localReply(554, '5.6.0', `The message holds a line of more than ${maxLineLength} octets (RFC 5321 4.5.3.1.6)`);
    default:
      return unreachable(fault);
  }
}
