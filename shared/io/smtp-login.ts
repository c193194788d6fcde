import type { Reply } from '../core/reply.ts';
import { ReplyingConnection } from './smtp-replies.ts';
import type { Credentials, SmtpUser } from './smtp-session.ts';

const maxFailedLogins = 3;

/** A connection whose logins smtp-server's SASL reads; the decision, and the words of a refusal, are ours. */
export abstract class LoginConnection extends ReplyingConnection {
  #failedLogins = 0;
  /** What the answer to a login is, where smtp-server would say it in other words. */
  #refusal: Reply | undefined;

  /** Undefined: the password is wrong. A reply: whatever is said instead. */
  protected abstract authenticate(credentials: Credentials): Promise<SmtpUser | Reply | undefined>;

  /** What smtp-server shall answer to a password. */
  async login(credentials: Credentials): Promise<{ user?: SmtpUser; responseCode?: number; message?: string }> {
    const found = await this.authenticate(credentials);
    if (found && 'name' in found) return { user: found };
    // Who is to try again later (4xx) has given no wrong password.
    const isLast = (!found || found.code >= 500) && ++this.#failedLogins >= maxFailedLogins;
    if (isLast) return { responseCode: 421, message: 'Too many failed logins, closing connection' };
    this.#refusal = found;
    return { message: 'Authentication credentials invalid' };
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal) this.reply(refusal);
    else super.send(code, data, context);
  }
}
