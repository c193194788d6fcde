import { queueUnavailable } from '../../shared/core/refusal.ts';
import { localReply, type Reply } from '../../shared/core/reply.ts';
import { hashPassword, verifyPassword } from '../../shared/io/password.ts';
import type { RcptCommand } from '../../shared/core/smtp-params.ts';
import type { Refusal, SmtpHandlers, SmtpSession, SmtpUser } from '../../shared/io/smtp-session.ts';
import { reportAddresses } from '../../shared/io/report-addresses.ts';
import { policyDecisions } from './decisions.ts';
import { openClientLimits } from './limits.ts';
import { receive, receptionInfo, tooLarge, type ReceiveDeps } from './receive.ts';
import { ownRecipients } from './relay.ts';

/** Commands whose refusal is a disposition: they are about mail. */
const mailCommands = new Set(['MAIL', 'RCPT', 'DATA', '.']);

const tooManyConnections = localReply(421, '4.3.2', 'Too many connections, try again later');
const tooManyOfAddress = localReply(421, '4.7.0', 'Too many connections from your address, try again later');

/** Who may do what: one handler for each step of a transaction. */
export function sessionHandlers(deps: ReceiveDeps): SmtpHandlers & { stop(): void } {
  const { context, spool, intake } = deps;
  const { metrics, log, redis } = context;
  const { ingress } = context.config;
  const limits = openClientLimits(ingress.maxMessagesPerMinute);
  const isOwn = ownRecipients(ingress.domains);
  const isForReports = reportAddresses(ingress.reports.to);
  const findUser = ingress.users.length > 0 ? logins(ingress.users) : undefined;
  const decisions = policyDecisions(context);
  let open = 0;

  const relayTo = (session: SmtpSession, { mailbox }: RcptCommand, mayAlsoRelay: boolean): Reply | undefined => {
    if (isForReports(mailbox.address)) return undefined;
    const mayRelay = session.isTrusted || session.user !== undefined || mayAlsoRelay || isOwn(mailbox);
    if (!mayRelay) return localReply(550, '5.7.1', 'Relaying denied');
    if (mailbox.domain !== '') intake.prepare(mailbox.domain.toLowerCase());
    return undefined;
  };

  return {
    connect: (session) => {
      const max = session.isTrusted ? Number.POSITIVE_INFINITY : ingress.maxConnectionsPerAddress;
      const isFull = open >= ingress.maxConnections;
      if (isFull || !limits.connect(session.remoteAddress, max)) {
        metrics.connections.inc({ result: 'refused' });
        return isFull ? tooManyConnections : tooManyOfAddress;
      }
      metrics.connections.inc({ result: 'accepted' });
      metrics.openConnections.inc();
      open++;
      return undefined;
    },
    accept: (session) => decisions.connect(session),
    hello: (session, name) => decisions.hello(session, name),
    offersAuth: () => findUser !== undefined || decisions.hasLogins,
    login: async (session, credentials) => {
      const { authz, authc, password } = credentials;
      // RFC 4616 §2: to act for another needs more than a password of one's own; only a policy can know of that.
      const isOther = authz !== '' && authz !== authc;
      return (await findUser?.(isOther ? '' : authc, password)) ?? decisions.login(session, credentials);
    },
    mail: (session, { sender, size }): Refusal => {
      if (!redis.isReady) return queueUnavailable(undefined).reply;
      if (size !== undefined && size > ingress.maxSize) return tooLarge;
      spool.assertRoom();
      if (session.isTrusted || limits.message(session.remoteAddress)) return decisions.mail(session, sender);
      return localReply(450, '4.7.1', 'Too many messages from your address, try again later');
    },
    rcpt: (session, command): Refusal => {
      const decision = decisions.rcpt(session, command.mailbox.address);
      if (!decision) return relayTo(session, command, false);
      return decision.then(({ reply, mayRelay }) => reply ?? relayTo(session, command, mayRelay === true));
    },
    data: (session, envelope) => {
      const isRead = envelope.recipients.some(({ address }) => isForReports(address));
      return receive(deps, session, envelope, isRead ? Math.min(ingress.maxSize, ingress.reports.maxSize) : ingress.maxSize);
    },
    refused: (session, reply, { sender, recipients }) => {
      metrics.rejected.inc({ code: String(reply.code) });
      if (reply.command === undefined || !mailCommands.has(reply.command)) return;
      intake.reject({ sender, recipients, reply, info: receptionInfo(session) });
    },
    close: (session) => {
      metrics.openConnections.dec();
      open--;
      limits.disconnect(session.remoteAddress);
    },
    failed: (reason, error) => {
      if (reason !== 'socket') metrics.connections.inc({ result: reason === 'proxy' ? 'no_proxy_header' : 'tls_failed' });
      log.debug({ event: 'connection_failed', reason, error: error.message });
    },
    stop: () => limits.close(),
  };
}

interface ConfiguredUser {
  name: string;
  password: string;
  tenant?: string | undefined;
}

function logins(users: readonly ConfiguredUser[]): (name: string, password: string) => Promise<SmtpUser | undefined> {
  const byName = new Map(users.map((user) => [user.name, user]));
  // A name that nobody has takes as long as a wrong password.
  const nobody = hashPassword('');
  return async (name, password): Promise<SmtpUser | undefined> => {
    const user = byName.get(name);
    const isRight = await verifyPassword(password, user?.password ?? (await nobody));
    return user && isRight ? { name, ...(user.tenant && { tenant: user.tenant }) } : undefined;
  };
}
