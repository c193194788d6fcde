import { latin1 } from './dsn/octets.ts';

/** Whose signature it is (RFC 6376 §3.5: d=, s=, a=). */
export interface DkimIdentity {
  domain: string;
  selector: string;
  algorithm: 'rsa-sha256' | 'ed25519-sha256';
}

/** A message in the form that is hashed, relaxed/relaxed (RFC 6376 §3.4.2, §3.4.4); each character is one octet. */
export interface CanonicalMessage {
  fields: { name: string; line: string }[];
  body: string;
}

/** RFC 7489 §3.1.1: in relaxed mode the domain of the author or one above it, but no top-level domain. In any case. */
export function doesAlign(author: string, domain: string): boolean {
  const [from, signing] = [author.toLowerCase(), domain.toLowerCase()];
  return from === signing || (signing.includes('.') && from.endsWith(`.${signing}`));
}

/** The domain of the author of a message, lower case; empty without one. */
export function authorDomain({ fields }: CanonicalMessage): string {
  const from = fields.find(({ name }) => name === 'from')?.line ?? '';
  return /@([A-Za-z0-9._-]+)>?$/.exec(from)?.[1]?.toLowerCase() ?? '';
}

/**
 * What of a report is signed, where it is there: the fields of RFC 6376 §5.4.1, those of MIME, without which its parts
 * could be read as others, and Auto-Submitted, which keeps it from being answered.
 */
const signedFields = [
  'From',
  'To',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  'Auto-Submitted',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
];

/** `content`: header, blank line, body, with CRLF. */
export function canonicalise(content: Uint8Array): CanonicalMessage {
  const text = latin1(content);
  const end = text.indexOf('\r\n\r\n');
  const header = end < 0 ? text.replace(/\r\n$/, '') : text.slice(0, end);
  const fields = header.split(/\r\n(?![ \t])/).map((field) => {
    const colon = field.indexOf(':');
    return { name: field.slice(0, colon).trim().toLowerCase(), line: relaxField(field) };
  });
  return { fields, body: end < 0 ? '' : relaxBody(text.slice(end + 4)) };
}

/**
 * The DKIM-Signature field up to its empty `b=`, and what its signature is over. `bodyHash`: SHA-256 of the canonical
 * body in base64; `time`: epoch ms.
 */
export function prepareSignature(
  { fields }: CanonicalMessage,
  { domain, selector, algorithm }: DkimIdentity,
  bodyHash: string,
  time: number,
): { field: string; input: string } {
  // RFC 6376 §5.4.2: of fields of one name the last comes first.
  const signed = signedFields.flatMap((name) =>
    fields
      .filter((field) => field.name === name.toLowerCase())
      .reverse()
      .map(({ line }) => ({ name, line })),
  );
  // RFC 6376 §8.15: one From more than there is, so that a further one breaks the signature.
  const names = ['From', ...signed.map(({ name }) => name)];
  const field = [
    `DKIM-Signature: v=1; a=${algorithm}; c=relaxed/relaxed;`,
    `d=${domain}; s=${selector}; t=${Math.floor(time / 1000)};`,
    `h=${names.join(':').replace(/(?:[^:]+:){6}/g, '$&\r\n\t')};`,
    `bh=${bodyHash};`,
    'b=',
  ].join('\r\n\t');
  return { field, input: [...signed.map(({ line }) => line), relaxField(field)].join('\r\n') };
}

/** The whole field with its CRLF. `signature`: base64. */
export const finishSignature = (field: string, signature: string): string =>
  `${field}${(signature.match(/.{1,72}/g) ?? []).join('\r\n\t')}\r\n`;

function relaxField(field: string): string {
  const colon = field.indexOf(':');
  const value = field.slice(colon + 1).replaceAll('\r\n', '');
  return `${field.slice(0, colon).trim().toLowerCase()}:${value.replace(/[ \t]+/g, ' ').trim()}`;
}

function relaxBody(body: string): string {
  const text = body.replace(/[ \t]{2,}|\t/g, ' ').replaceAll(' \r\n', '\r\n');
  let end = text.endsWith(' ') ? text.length - 1 : text.length;
  while (text.endsWith('\r\n', end)) end -= 2;
  return end === 0 ? '' : `${text.slice(0, end)}\r\n`;
}
