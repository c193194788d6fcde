import { chooseBoundary } from './boundary.ts';
import { parseContentType } from './content-type.ts';
import { valuesOf } from './field.ts';
import { parseMime } from './mime.ts';
import { readParts, splitEntity, type Entity } from './multipart.ts';
import { concatOctets, encodeText, latin1 } from './octets.ts';
import { headerOf } from './original.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';
import { wordingOf } from './wording/languages.ts';
import { wrapText } from './wrap-text.ts';

/**
 * A report of ours for a server without 8BITMIME (RFC 6152 §3): an 8-bit message that it returns gives way to its header
 * (message/rfc822 may not be encoded, RFC 2046 §5.2.1), the text says so, and what is 8-bit else is in quoted-printable.
 * Parts that are ASCII stay as they are, octet for octet; a signature of the report would not hold any more and goes.
 * Undefined for what is no multipart/report or has a header that is not ASCII.
 */
export function toSevenBit(report: Uint8Array): Uint8Array | undefined {
  const top = splitEntity(report);
  const { type, parameters } = contentTypeOf(top);
  const boundary = parameters.get('boundary') ?? '';
  if (type !== 'multipart/report' || boundary === '' || hasEightBit(top.header)) return undefined;
  const parts = readParts(top.body, boundary).map((octets) => convert(octets));
  const isCut = parts.some((part) => part.isCut);
  const octets = parts.map((part) => part.octets);
  // What was 8-bit could not hold it, nor can its quoted-printable form; a report that was not made here might.
  if (octets.some(hasEightBit) || chooseBoundary(boundary, octets) !== boundary) return undefined;
  const converted = concatOctets([
    encodeText(`${withoutFields(latin1(top.header), ['dkim-signature', 'content-transfer-encoding'])}\r\n`),
    ...octets.flatMap((part, i) => [encodeText(`${i === 0 ? '' : '\r\n'}--${boundary}\r\n`), part]),
    encodeText(`\r\n--${boundary}--\r\n`),
  ]);
  return isCut && octets[0] ? withNote(converted, octets[0]) : converted;
}

/** One part; `isCut`: something of it is not returned any more. */
function convert(octets: Uint8Array): { octets: Uint8Array; isCut: boolean } {
  if (!hasEightBit(octets)) return { octets, isCut: false };
  const part = splitEntity(octets);
  if (contentTypeOf(part).type === 'message/rfc822') {
    const header = headerOf(part.body);
    return { octets: quoted('Content-Type: text/rfc822-headers\r\n', header), isCut: true };
  }
  return { octets: quoted(withoutFields(latin1(part.header), ['content-transfer-encoding']), part.body), isCut: false };
}

/** Octets in quoted-printable where they must be (RFC 6522 §4 allows it for a header). */
function quoted(header: string, body: Uint8Array): Uint8Array {
  if (!hasEightBit(body)) return concatOctets([encodeText(`${header}\r\n`), body]);
  return encodeText(`${header}Content-Transfer-Encoding: quoted-printable\r\n\r\n${encodeQuotedPrintable(body)}`);
}

/** The report with a sentence at the end of its text, in the language of that; as it is where its first part is no text. */
function withNote(report: Uint8Array, first: Uint8Array): Uint8Array {
  const part = splitEntity(first);
  const isAttachment = /^\s*attachment\b/i.test(valuesOf(part.fields, 'Content-Disposition')[0] ?? '');
  if (isAttachment || !/^(?:text\/plain)?$/.test(contentTypeOf(part).type)) return report;
  const note = wordingOf(valuesOf(part.fields, 'Content-Language')[0] ?? 'en').note({ kind: 'eight-bit' });
  const mime = parseMime(report);
  const { textPart } = mime.simpleStructure();
  const { body } = textPart;
  textPart.body = [`${body}${body === '' || body.endsWith('\n') ? '' : '\r\n'}`, ...wrapText(note), ''].join('\r\n');
  return mime.toBytes();
}

/** A header without some of its fields, folded lines and all; the others as they are. */
function withoutFields(header: string, names: readonly string[]): string {
  const fields = header.match(/[^\n]*\n(?:[ \t][^\n]*\n)*/g) ?? [];
  return fields
    .filter(
      (field) =>
        !names.includes(
          field
            .slice(0, Math.max(field.indexOf(':'), 0))
            .trim()
            .toLowerCase(),
        ),
    )
    .join('');
}

const contentTypeOf = (entity: Entity) => parseContentType(valuesOf(entity.fields, 'Content-Type')[0] ?? '');

const hasEightBit = (octets: Uint8Array): boolean => octets.some((octet) => octet > 127);
