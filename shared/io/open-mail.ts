import { simpleParser, type SimpleParserOptions } from 'mailparser';
import { readMail, type OpenedMail, type Reading } from '../core/inbound/read-mail.ts';
import { headerFields, headerOf } from '../core/dsn/original.ts';

/** A report in a message in a message..: as deep as anybody forwards, and so many messages in all. */
const mostDepth = 3;
const mostMessages = 10;

/** Nothing is made of text or links, what is attached stays as it is, and what is in an attached message is not mixed with the rest. */
const options = {
  keepDeliveryStatus: true,
  ignoreEmbedded: true,
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  skipImageLinks: true,
} as SimpleParserOptions;

/**
 * Says what a message is, and what it reports (RFC 6522 §1: also where a report was attached to another message). Rejects
 * when mailparser cannot take the message apart. Time and memory are for the caller to limit (`openMailReader`).
 */
export async function readReport(content: Uint8Array): Promise<Reading> {
  return (await findReport(content)).reading;
}

/** The same, with the message in which it stands: the one that was given, or one attached to it. */
export async function findReport(content: Uint8Array): Promise<{ reading: Reading; mail: OpenedMail }> {
  let opened = 0;
  const read = async (octets: Uint8Array, depth: number): Promise<{ reading: Reading; mail: OpenedMail }> => {
    opened++;
    const mail = await openMail(octets);
    const reading = readMail(mail);
    if (reading.kind !== 'other' || depth === mostDepth) return { reading, mail };
    for (const { type, content: inner } of mail.parts) {
      if (!/^message\/(?:rfc822|global)$/.test(type) || opened === mostMessages) continue;
      // An attached message that cannot be taken apart is none of those that are looked for.
      const found = await read(inner, depth + 1).catch(() => undefined);
      if (found?.reading.kind === 'bounce' || found?.reading.kind === 'feedback')
        return { reading: { ...found.reading, forwarded: true }, mail: found.mail };
    }
    return { reading, mail };
  };
  return read(content, 0);
}

async function openMail(octets: Uint8Array): Promise<OpenedMail> {
  const { text, attachments } = await simpleParser(Buffer.from(octets.buffer, octets.byteOffset, octets.length), options);
  return {
    fields: headerFields(headerOf(octets)),
    text: text ?? '',
    // A Content-Type without a type is given as `false`, whatever the declarations say.
    parts: attachments.map(({ contentType, content }) => ({ type: String(contentType).toLowerCase(), content })),
  };
}
