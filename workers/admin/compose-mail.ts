import MailComposer from 'nodemailer/lib/mail-composer';
import type { InjectBody, InjectRecipient } from '../../shared/core/api/inject.ts';
import { escapeForHeader, escapeForHtml, substitute } from '../../shared/core/substitute.ts';

/** What differs from message to message. */
export interface Personal {
  /** Those whom the To field names. */
  to: readonly InjectRecipient[];
  /** Undefined: nothing is replaced. */
  values: ReadonlyMap<string, string> | undefined;
  /** Without angle brackets. */
  messageId: string;
  date: Date;
}

/** The MIME message of a JSON one. Nothing is read from files or fetched, whatever is asked for. */
export function composeMail(mail: InjectBody, { to, values, messageId, date }: Personal): Promise<Buffer> {
  const fill = (text: string, escape?: (value: string) => string): string => (values ? substitute(text, values, escape) : text);
  const composer = new MailComposer({
    disableFileAccess: true,
    disableUrlAccess: true,
    from: { name: mail.from.name ?? '', address: mail.from.address },
    to: to.map(({ name, address }) => ({ name: name ?? '', address })),
    date,
    messageId: `<${messageId}>`,
    ...(mail.subject !== undefined && { subject: fill(mail.subject, escapeForHeader) }),
    ...(mail.text !== undefined && { text: fill(mail.text) }),
    ...(mail.html !== undefined && { html: fill(mail.html, escapeForHtml) }),
    headers: Object.entries(mail.headers).map(([key, value]) => ({ key, value: fill(value, escapeForHeader) })),
    attachments: mail.attachments.map(({ filename, content, content_type, cid }) => ({
      filename,
      content: Buffer.from(content, 'base64'),
      ...(content_type !== undefined && { contentType: content_type }),
      ...(cid !== undefined && { cid }),
    })),
  });
  return composer.compile().build();
}
