import { parseContentType } from './content-type.ts';
import { isAscii, valuesOf } from './field.ts';
import { readParts, splitEntity, type Entity } from './multipart.ts';
import { concatOctets, decodeText, encodeText, findFaults, latin1 } from './octets.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';

/** A message whose text can be changed and put back; all else stays as it is, octet for octet. */
export interface Mime {
  /** Throws TypeError when the message has no text part. */
  simpleStructure(): SimpleStructure;
  toBytes(): Uint8Array;
}

export interface SimpleStructure {
  textPart: TextPart;
}

/** The first text/plain part that is no attachment; of a report the part that people read. */
export interface TextPart {
  /** As its Content-Language has it. */
  readonly language?: string;
  /**
   * The text without its encoding; what is not of its charset as U+FFFD. What is set comes in lines ended by CRLF, as US-ASCII where
   * that will do, else as UTF-8 in quoted-printable.
   */
  body: string;
}

/** Mail in mail in mail: deeper parts are not looked at. */
const deepest = 10;
/** As in `splitEntity`: what is behind is not looked at, and stays. Octets. */
const largestHeader = 256 * 1024;

/** Never fails: what is no MIME message is one text. A DKIM signature of the message does not outlive a change. */
export function parseMime(content: Uint8Array): Mime {
  const found = findText(content, 0);
  let text: string | undefined;
  const language = found && valuesOf(found.entity.fields, 'Content-Language')[0];
  const textPart: TextPart = {
    ...(language !== undefined && { language }),
    get body() {
      return text ?? (found ? readText(found.entity) : '');
    },
    set body(value: string) {
      text = value.toWellFormed().replace(/\r\n|[\r\n]/g, '\r\n');
    },
  };
  return {
    simpleStructure: () => {
      if (!found) throw new TypeError('the message has no text part');
      return { textPart };
    },
    toBytes: () => (found && text !== undefined && text !== readText(found.entity) ? replacePart(content, found, text) : content),
  };
}

interface FoundText {
  part: Uint8Array;
  entity: Entity;
  /** Of the multiparts that it is in. */
  boundaries: readonly string[];
}

function findText(part: Uint8Array, depth: number, boundaries: readonly string[] = []): FoundText | undefined {
  const entity = splitEntity(part);
  const { type, parameters } = contentType(entity);
  const boundary = parameters.get('boundary')?.trimEnd();
  if (type.startsWith('multipart/') && boundary) {
    if (depth === deepest) return undefined;
    for (const inner of readParts(entity.body, boundary)) {
      const found = findText(inner, depth + 1, [...boundaries, boundary]);
      if (found) return found;
    }
    return undefined;
  }
  const isAttachment = /^\s*attachment\b/i.test(valuesOf(entity.fields, 'Content-Disposition')[0] ?? '');
  // RFC 2045 §5.2: without Content-Type it is text.
  const isText = type === 'text/plain' || valuesOf(entity.fields, 'Content-Type').length === 0;
  return isText && !isAttachment ? { part, entity, boundaries } : undefined;
}

const contentType = ({ fields }: Entity) => parseContentType(valuesOf(fields, 'Content-Type')[0] ?? '');

function readText(entity: Entity): string {
  const octets = entity.read(Number.POSITIVE_INFINITY);
  const charset = contentType(entity).parameters.get('charset')?.toLowerCase() ?? 'us-ascii';
  if (charset === 'us-ascii' || charset === 'utf-8') return decodeText(octets);
  try {
    return new TextDecoder(charset, { ignoreBOM: true }).decode(octets);
  } catch {
    return decodeText(octets);
  }
}

function replacePart(content: Uint8Array, found: FoundText, text: string): Uint8Array {
  const from = found.part.byteOffset - content.byteOffset;
  const to = from + found.part.length;
  const written = writePart(found, text);
  // An empty part has no line end before the delimiter that ends it.
  const isEndMissing = found.part.length === 0 && to < content.length;
  return concatOctets([content.subarray(0, from), written, encodeText(isEndMissing ? '\r\n' : ''), content.subarray(to)]);
}

function writePart({ entity, boundaries }: FoundText, text: string): Uint8Array {
  const octets = encodeText(text);
  const { isUnsafe, hasEightBit } = findFaults(octets);
  // Hidden in quoted-printable, what looks like a delimiter is none, and no boundary has to be changed (RFC 2046 §5.1.1).
  const isDelimiter = boundaries.some((boundary) => text.includes(`--${boundary}`));
  const isPlain = !isUnsafe && !hasEightBit && !isDelimiter;
  const body = isPlain ? octets : encodeText(encodeQuotedPrintable(octets, isDelimiter));
  return concatOctets([
    ...header(entity, isPlain, isAscii(text) ? 'us-ascii' : 'utf-8', boundaries.length === 0),
    encodeText('\r\n'),
    body,
  ]);
}

/** The header as it was, but for what tells how the text is written. */
function header(entity: Entity, isPlain: boolean, charset: string, isTop: boolean): Uint8Array[] {
  const cut = entity.header.length > largestHeader ? entity.header.lastIndexOf(10, largestHeader) + 1 : entity.header.length;
  const rest = withLineEnd(entity.header.subarray(cut));
  const old = fieldsOf(entity.header.subarray(0, cut));
  const has = (name: string): boolean => old.some((field) => field.name === name);
  const { parameters } = contentType(entity);
  const others = [...parameters].filter(([name]) => name !== 'charset').map(([name, value]) => `;\r\n\t${name}=${quote(value)}`);
  const type = `Content-Type: text/plain; charset=${charset}${others.join('')}\r\n`;
  const described = encodeText(`${type}${isPlain ? '' : 'Content-Transfer-Encoding: quoted-printable\r\n'}`);
  const isNeeded = has('content-type') || !isPlain;
  const at = old.findIndex(({ name }) => name === 'content-type');
  const kept = old.map(({ name, octets }, i) => {
    if (i === at) return described;
    return name === 'content-type' || name === 'content-transfer-encoding' ? new Uint8Array() : octets;
  });
  if (at >= 0 || !isNeeded) return [...kept, rest];
  return [...kept, rest, encodeText(isTop && !has('mime-version') ? 'MIME-Version: 1.0\r\n' : ''), described];
}

/** The fields of a header, each with its name in lower case and the lines that it takes. */
function fieldsOf(octets: Uint8Array): { name: string; octets: Uint8Array }[] {
  const fields: { name: string; from: number; to: number }[] = [];
  for (let at = 0; at < octets.length;) {
    const lf = octets.indexOf(10, at);
    const to = lf < 0 ? octets.length : lf + 1;
    const name = /^([!-9;-~]+)[ \t]*:/.exec(latin1(octets.subarray(at, Math.min(to, at + 200))))?.[1]?.toLowerCase();
    const last = fields.at(-1);
    if (name === undefined && last) last.to = to;
    else fields.push({ name: name ?? '', from: at, to });
    at = to;
  }
  return fields.map(({ name, from, to }) => ({ name, octets: withLineEnd(octets.subarray(from, to)) }));
}

/** A header may be all there is of a part, its last line not ended. */
const withLineEnd = (field: Uint8Array): Uint8Array =>
  field.length === 0 || field.at(-1) === 10 ? field : concatOctets([field, encodeText('\r\n')]);

const quote = (value: string): string =>
  /^[A-Za-z0-9!#$%&'*+.^_`{|}~-]+$/.test(value) ? value : `"${value.replace(/[\r\n]+/g, ' ').replace(/["\\]/g, '\\$&')}"`;
