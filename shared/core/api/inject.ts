import { z } from 'zod';
import { parsePath } from '../address.ts';
import type { Notify } from '../envelope.ts';
import { placeholdersIn } from '../substitute.ts';
import { oneLine } from './common.ts';
import { mostErrors } from './problem.ts';

export const isAddress = (text: string): boolean => {
  const path = parsePath(`<${text}>`, 0);
  return path?.mailbox?.address === text && path.mailbox.domain !== '' && path.end === text.length + 2;
};

const wrongAddress = 'expected an address such as "ann@example.org"';
const address = z.string().refine(isAddress, { error: wrongAddress });
const displayName = oneLine(200);

/** `ann@example.org` or `Ann <ann@example.org>`. */
const mailboxText = z
  .string()
  .max(600, { error: wrongAddress })
  .transform((text) => {
    const match = /^([^<>]*)<([^<>]*)>$/.exec(text);
    const name = (match?.[1] ?? '').trim().replace(/^"(.*)"$/, '$1');
    return { address: match?.[2] ?? text, name: name === '' ? undefined : name };
  })
  .pipe(z.strictObject({ address, name: z.union([displayName, z.undefined()]) }));
const mailbox = z.union([mailboxText, z.strictObject({ address, name: displayName.optional() })], { error: wrongAddress });

const notifyWords = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'] as const satisfies readonly Notify[];
// RFC 3461 §4.1: NEVER stands alone.
const notify = z
  .array(z.enum(notifyWords, { error: `expected one of ${notifyWords.join(', ')}` }))
  .min(1)
  .max(4)
  .refine((words) => words.length === 1 || !words.includes('NEVER'), { error: 'NEVER stands alone' })
  .describe('Of what the sender wants to hear (RFC 3461)');
const ret = z.enum(['FULL', 'HDRS'], { error: 'expected FULL or HDRS' }).describe('What reports return of the message');
// RFC 3461 §4.4: up to 100 characters in xtext, where one may take three.
const envid = z
  .string()
  .regex(/^[!-~]{1,33}$/, { error: 'expected 1 to 33 printable ASCII characters' })
  .describe('Envelope id, given back in reports');
const label = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, { error: 'expected letters, digits, ".", "_" or "-"' });

const values = z
  .record(z.string().regex(/^[A-Za-z_][\w.-]{0,63}$/, { error: 'expected a name such as first_name' }), z.string().max(10_000))
  .refine((all) => Object.keys(all).length <= 100, { error: 'expected 100 values at most' });

const recipient = z.union(
  [mailboxText, z.strictObject({ address, name: displayName.optional(), substitutions: values.optional(), notify: notify.optional() })],
  { error: wrongAddress },
);

/** Fields that are written here, or that would tell recipients or the next hop what is not so. */
const ownFields = /^(?:from|to|cc|bcc|subject|sender|return-path|received|mime-version|content-.*|dkim-signature|delivered-to)$/i;

const headers = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]{0,99}$/, { error: 'expected a field name such as Reply-To' })
      .refine((name) => !ownFields.test(name), { error: 'this field is written by Rebound' }),
    oneLine(4000),
  )
  .refine((all) => Object.keys(all).length <= 100, { error: 'expected 100 fields at most' });

const attachment = z.strictObject({
  filename: oneLine(200),
  content: z.base64({ error: 'expected base64' }).describe('Base64'),
  content_type: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}$/, {
      error: 'expected a media type such as application/pdf',
    })
    .optional(),
  cid: z
    .string()
    .regex(/^[A-Za-z0-9._@-]{1,100}$/, { error: 'expected letters, digits, ".", "_", "@" or "-"' })
    .optional()
    .describe('For `cid:` in the html'),
});

/** More than `ingress.maxRecipients` are refused besides. */
const mostRecipients = 100_000;

export const injectBody = z
  .strictObject({
    from: mailbox,
    sender: z
      .union([z.literal(''), address], { error: wrongAddress })
      .optional()
      .describe('Return path; absent: the address of `from`'),
    to: z.array(recipient).min(1, { error: 'expected at least one recipient' }).max(mostRecipients),
    subject: oneLine(2000).optional(),
    text: z.string().optional(),
    html: z.string().optional(),
    headers: headers.default({}),
    attachments: z.array(attachment).max(100).default([]),
    substitutions: values.optional().describe('Values for recipients that have none of that name'),
    notify: notify.optional(),
    ret: ret.optional(),
    envid: envid.optional(),
    tenant: label.optional(),
    campaign: label.optional(),
  })
  .superRefine((mail, context) => {
    if (mail.text === undefined && mail.html === undefined)
      context.addIssue({ code: 'custom', path: ['text'], message: 'expected text or html' });
    if (!hasSubstitutions(mail)) return;
    const asked = placeholdersIn([mail.subject, mail.text, mail.html, ...Object.values(mail.headers)].join('\n'));
    // No more than are told: a thousand recipients without values for a hundred names are as many mistakes.
    let missing = 0;
    for (const [n, to] of mail.to.entries()) {
      const known = valuesOf(mail, to);
      for (const name of asked) {
        if (known.has(name)) continue;
        context.addIssue({ code: 'custom', path: ['to', n, 'substitutions', name], message: 'has no value' });
        if (++missing === mostErrors) return;
      }
    }
  });

export type InjectBody = z.output<typeof injectBody>;
export type InjectRecipient = InjectBody['to'][number];

/** With them each recipient has a message of his own. */
export const hasSubstitutions = (mail: Pick<InjectBody, 'substitutions' | 'to'>): boolean =>
  mail.substitutions !== undefined || mail.to.some((to) => 'substitutions' in to);

/** His own values before those for all. */
export const valuesOf = (mail: Pick<InjectBody, 'substitutions'>, to: InjectRecipient): ReadonlyMap<string, string> =>
  new Map(Object.entries({ ...mail.substitutions, ...('substitutions' in to ? to.substitutions : {}) }));

export const rawQuery = z.strictObject({
  sender: z.union([z.literal(''), address], { error: wrongAddress }).describe('Return path; empty: the null sender'),
  to: z
    .union([z.string(), z.array(z.string())])
    .transform((value) => [value].flat())
    .pipe(z.array(address).min(1))
    .describe('A recipient; given several times, several'),
  notify: z
    .union([z.string(), z.array(z.string())])
    .transform((value) => [value].flat().flatMap((text) => text.split(',')) as Notify[])
    .pipe(notify)
    .optional()
    .describe('Of what the sender wants to hear (RFC 3461), separated by commas'),
  ret: ret.optional(),
  envid: envid.optional(),
  tenant: label.optional(),
  campaign: label.optional(),
});
