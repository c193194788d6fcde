import { setTimeout as sleep } from 'node:timers/promises';
import { isAscii, parsePath } from '../core/address.ts';
import type { Envelope } from '../core/envelope.ts';
import type { InjectedMail, InjectMessage } from '../core/hook.ts';
import { fixNewlines } from '../core/message.ts';
import { isQueuePart } from '../core/queue-name.ts';
import type { Context } from './context.ts';
import type { DkimSigner } from './dkim.ts';
import { newMessageId } from './ids.ts';
import type { Pipeline } from './pipeline.ts';
import { formatReportMark, markLifetime, readReportMarks, reportMarkKey } from './report-marks.ts';

/** With `sign` reports are signed like those of the bounce worker; one that cannot be signed is put off, for its hook to try again. */
export function openInjection(
  { config, redis }: Context,
  { spool, intake }: Pick<Pipeline, 'spool' | 'intake'>,
  sign?: DkimSigner,
): { injectMessage: InjectMessage } {
  const { maxRecipients, maxSize } = config.ingress;
  const inject: InjectMessage = async (mail) => {
    const { once, tenant, campaign } = mail;
    if (once !== undefined && (once === '' || once.length > 200)) throw new RangeError('once: expected 1 to 200 characters');
    for (const [field, part] of Object.entries({ tenant, campaign }))
      if (part && !isQueuePart(part)) throw new TypeError(`${field}: expected up to 100 printable ASCII characters without ! : @`);
    const content = contentOf(mail);
    if (content.length === 0) throw new TypeError('content: expected a message');
    const envelope = envelopeOf(mail, content, maxRecipients);
    if (content.length > maxSize) throw new RangeError(`a message of ${content.length} octets is larger than ingress.maxSize`);
    const earlier = once === undefined ? undefined : (await readReportMarks(redis, [once])).get(once);
    if (earlier?.kind === 'sent') return earlier.message;
    spool.assertRoom();
    const draft = spool.draft(newMessageId());
    try {
      await draft.write(content);
      if (sign && mail.sender === '') draft.prepend(Buffer.from(await sign(content, Date.now()), 'latin1'));
      await intake.receive(
        {
          envelope,
          content: draft,
          // As of a report: the sender is us.
          info: { protocol: mail.sender === '' ? 'Report' : 'Hook', peer: null, isTrusted: true },
          ...(tenant && { tenant }),
          ...(campaign && { campaign }),
        },
        (tx) => {
          if (once === undefined) return;
          const mark = formatReportMark({ kind: 'sent', message: draft.id });
          tx.redis.set(reportMarkKey(redis, once), mark, 'EX', markLifetime);
        },
      );
    } catch (error) {
      await draft.discard();
      throw error;
    }
    return draft.id;
  };
  const underWay = new Map<string, Promise<string>>();
  return {
    injectMessage: (mail) => {
      const { once } = mail;
      if (once === undefined) return inject(mail);
      // One after the other, so that the second finds the mark of the first: a hook may run again while we are at its mail.
      const earlier = underWay.get(once) ?? Promise.resolve('');
      const work = earlier.catch(() => undefined).then(() => whileClaimed(redis, once, () => inject(mail)));
      underWay.set(once, work);
      return work.finally(() => {
        if (underWay.get(once) === work) underWay.delete(once);
      });
    },
  };
}

/**
 * The same over all processes: a job whose lock was lost runs in two. The claim ends by itself when its holder dies. Throws when another
 * holds it for ten seconds.
 */
async function whileClaimed<T>(redis: Context['redis'], once: string, work: () => Promise<T>): Promise<T> {
  const key = redis.key(`injecting:${once}`);
  const me = newMessageId();
  const deadline = Date.now() + claimLifetime;
  while ((await redis.client.set(key, me, 'PX', claimLifetime, 'NX')) !== 'OK') {
    if (Date.now() > deadline) throw new Error(`"${once}" is being injected by another process`);
    await sleep(50);
  }
  try {
    return await work();
  } finally {
    await redis.client.eval(release, 1, key, me).catch(() => undefined);
  }
}

/** Milliseconds. */
const claimLifetime = 10_000;
const release = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

/** A line end of its own kind could end the message early at the next server. */
const contentOf = ({ content }: InjectedMail): Buffer =>
  Buffer.from(fixNewlines((typeof content === 'string' ? Buffer.from(content) : Buffer.from(content)).toString('latin1')), 'latin1');

function envelopeOf(mail: InjectedMail, content: Buffer, maxRecipients: number): Envelope {
  const { sender, recipients } = mail;
  if (recipients.length === 0 || recipients.length > maxRecipients) throw new RangeError(`expected 1 to ${maxRecipients} recipients`);
  const isNull = sender === '';
  if (!isNull) assertAddress(sender);
  for (const recipient of recipients) assertAddress(recipient);
  return {
    sender,
    // RFC 3461 §6.1: no report about a report.
    recipients: recipients.map((address) => ({ address, ...(isNull && { notify: ['NEVER' as const] }) })),
    smtpUtf8: mail.smtpUtf8 ?? ![sender, ...recipients].every(isAscii),
    eightBit: mail.eightBit ?? content.some((octet) => octet > 127),
  };
}

function assertAddress(address: string): void {
  const path = parsePath(`<${address}>`, 0);
  if (path?.mailbox?.address !== address || path.end !== address.length + 2)
    throw new TypeError(`"${address.slice(0, 300)}" is no address`);
}
