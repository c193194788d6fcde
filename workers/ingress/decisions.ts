import { readDecision, readLogin, type Decided } from '../../shared/core/policy/smtp-decisions.ts';
import type { EventName } from '../../shared/core/policy/events.ts';
import { localReply, type Reply } from '../../shared/core/reply.ts';
import type { Context } from '../../shared/io/context.ts';
import { connMeta } from '../../shared/io/smtp-rewriter.ts';
import type { Credentials, SmtpSession, SmtpUser } from '../../shared/io/smtp-session.ts';

/** What the policy decides of commands; undefined where it has no handler, so that nobody waits. No promise rejects. */
export interface Decisions {
  connect(session: SmtpSession): Promise<Reply | undefined> | undefined;
  hello(session: SmtpSession, domain: string): Promise<Reply | undefined> | undefined;
  /** May the policy be asked for logins? */
  readonly hasLogins: boolean;
  /** Undefined: the password is wrong. */
  login(session: SmtpSession, credentials: Credentials): Promise<SmtpUser | Reply | undefined>;
  mail(session: SmtpSession, sender: string): Promise<Reply | undefined> | undefined;
  rcpt(session: SmtpSession, recipient: string): Promise<Decided> | undefined;
}

/** Nobody knows whether the password is right: the client must neither be let in nor forget its password. */
const undecided = localReply(454, '4.7.0', 'Temporary authentication failure');
/** The name of a login goes into every record of its mail. */
const maxName = 255;

export function policyDecisions({ policy, config: { hostname } }: Pick<Context, 'policy' | 'config'>): Decisions {
  const read = (event: EventName, result: unknown, mayGrantRelay = false): Decided => {
    const decided = readDecision(result, mayGrantRelay);
    if (decided.problem !== undefined) policy.complain(event, decided.problem);
    return decided;
  };
  return {
    connect: (session) => {
      const handler = policy.handlerOf('smtp_server_connection_accepted');
      return handler && handler(connMeta(session, hostname)).then((result) => read('smtp_server_connection_accepted', result).reply);
    },
    hello: (session, domain) => {
      const handler = policy.handlerOf('smtp_server_ehlo');
      return handler && handler(domain, connMeta(session, hostname)).then((result) => read('smtp_server_ehlo', result).reply);
    },
    get hasLogins() {
      return policy.handles('smtp_server_auth_plain');
    },
    login: async (session, { authz, authc, password }) => {
      const event = 'smtp_server_auth_plain';
      if (!policy.handles(event) || authc.length > maxName) return undefined;
      const answer = await policy.callOf(event)?.(authz, authc, password, connMeta(session, hostname));
      if (!answer) return undecided;
      const { accepted, refused, reply, problem } = readLogin(answer.value);
      if (problem !== undefined) policy.complain(event, problem);
      if (accepted) return { name: authc, ...accepted };
      return refused ? undefined : (reply ?? undecided);
    },
    mail: (session, sender) => {
      const handler = policy.handlerOf('smtp_server_mail_from_accepted');
      return handler && handler(sender, connMeta(session, hostname)).then((result) => read('smtp_server_mail_from_accepted', result).reply);
    },
    rcpt: (session, recipient) => {
      const handler = policy.handlerOf('smtp_server_rcpt_to_accepted');
      return (
        handler && handler(recipient, connMeta(session, hostname)).then((result) => read('smtp_server_rcpt_to_accepted', result, true))
      );
    },
  };
}
