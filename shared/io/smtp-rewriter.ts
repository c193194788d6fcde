import { responseText, rewriteReply, type ConnMeta } from '../core/policy/smtp-server-rewrite-response.ts';
import type { Reply } from '../core/reply.ts';
import type { PolicyLink } from './policy.ts';
import type { SentReply } from './smtp-replies.ts';
import type { SmtpSession } from './smtp-session.ts';

const event = 'smtp_server_rewrite_response';

/** What rewrites replies as the policy wants them; undefined when it has no handler for them. What it returns never rejects. */
export function responseRewriter(
  policy: PolicyLink,
  session: SmtpSession,
  hostname: string,
): ((reply: Reply, line: string | undefined) => Promise<SentReply>) | undefined {
  const handler = policy.handlerOf(event);
  return (
    handler &&
    (async (reply, line) => {
      const text = responseText(reply);
      const eightBit = session.envelope?.smtpUtf8 === true;
      const rewritten = rewriteReply(reply, await handler(reply.code, text, line, connMeta(session, hostname)), eightBit);
      if (rewritten && 'reply' in rewritten) return rewritten;
      if (rewritten) policy.complain(event, rewritten.problem);
      return { reply, text: text.split('\n') };
    })
  );
}

/** The connection as handlers see it. */
export function connMeta(session: SmtpSession, hostname: string): ConnMeta {
  const { tls, user } = session;
  return {
    sessionId: session.id,
    hostname,
    clientAddress: session.remoteAddress,
    clientPort: session.remotePort,
    listenerAddress: session.localAddress,
    listenerPort: session.localPort,
    ...(session.helo && { ehloDomain: session.helo }),
    isTrusted: session.isTrusted,
    ...(tls && { tls }),
    ...(user && { user: { name: user.name, ...(user.tenant && { tenant: user.tenant }) } }),
  };
}
