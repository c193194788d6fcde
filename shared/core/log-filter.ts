import { recipientsOf, recordTypes, type DispositionRecord, type RecordType } from './disposition.ts';
import { parseDuration } from './duration.ts';
import { nearest } from './nearest.ts';
import { parseQueueName } from './queue-name.ts';
import { domainOf } from './reception.ts';

/**
 * Which records of the disposition log are wanted; a field that is absent wants all. Plain values: a filter may be kept as
 * JSON and used again. Times are when a record was logged.
 */
export interface LogFilter {
  /** Epoch ms, this one included. */
  since?: number;
  /** Epoch ms, this one excluded. */
  until?: number;
  types?: RecordType[];
  /** Lower case; `@domain` for every address of a domain; of the sender, empty for the null sender. */
  recipient?: string;
  sender?: string;
  /** The domain of a recipient. */
  domain?: string;
  /** A lane (`source->site`), or a site whatever the source. */
  site?: string;
  tenant?: string;
  campaign?: string;
  /** `550`, `5xx`, `5.1.1`. */
  codes?: string[];
  /** Labels of `bounce_classification`, lower case. */
  classes?: string[];
  /** The id of the message. */
  message?: string;
  /** Its Message-ID with its angle brackets: of Receptions alone. */
  messageId?: string;
  /** Lower case: the sender or a recipient. */
  party?: string;
  /** Lower case; stands in any text of the record, or is its code. */
  text?: string;
}

export const filterFields = [
  'type',
  'since',
  'until',
  'recipient',
  'sender',
  'domain',
  'site',
  'tenant',
  'campaign',
  'code',
  'class',
  'message',
  'text',
] as const;
export type FilterField = (typeof filterFields)[number];

export interface FilterProblem {
  field: FilterField;
  /** What was expected, for people. */
  message: string;
}

/** Reads a filter as people and query strings write it, `now` in epoch ms. Type, code and class take several with commas. */
export function parseLogFilter(
  input: Partial<Record<FilterField, string | undefined>>,
  now: number,
): { filter: LogFilter } | { problems: FilterProblem[] } {
  const filter: LogFilter = {};
  const problems: FilterProblem[] = [];
  for (const field of filterFields) {
    const text = input[field];
    if (text === undefined) continue;
    const message = text.length > longest ? `expected at most ${longest} characters` : readers[field](text.trim(), filter, now);
    if (message !== undefined) problems.push({ field, message });
  }
  const { since, until } = filter;
  if (since !== undefined && until !== undefined && since >= until)
    problems.push({ field: 'until', message: 'expected a time after since' });
  return problems.length > 0 ? { problems } : { filter };
}

/** Does a record fit, its time apart? Made once for many records. */
export function recordMatcher(filter: LogFilter): (record: DispositionRecord) => boolean {
  const { types, recipient, sender, domain, site, tenant, campaign, codes, classes, message, messageId, party, text } = filter;
  const tests: ((record: DispositionRecord) => boolean)[] = [];
  if (types) tests.push(({ type }) => types.includes(type));
  if (recipient !== undefined) tests.push((record) => recipientsOf(record).some((address) => isAddress(address, recipient)));
  if (sender !== undefined) tests.push((record) => isAddress(record.sender, sender));
  if (domain !== undefined) tests.push((record) => recipientsOf(record).some((address) => domainOf(address) === domain));
  if (site !== undefined) tests.push((record) => sitesOf(record).includes(site));
  if (tenant !== undefined) tests.push((record) => queueOf(record).tenant === tenant);
  if (campaign !== undefined) tests.push((record) => queueOf(record).campaign === campaign);
  if (codes) tests.push((record) => codesOf(record).some((code) => codes.includes(code)));
  if (classes) tests.push((record) => classes.includes(classOf(record)));
  if (message !== undefined) tests.push(({ id }) => id === message);
  if (messageId !== undefined) tests.push((record) => messageIdOf(record) === messageId);
  if (party !== undefined)
    tests.push((record) => isAddress(record.sender, party) || recipientsOf(record).some((address) => isAddress(address, party)));
  if (text !== undefined) tests.push((record) => codesOf(record).includes(text) || hasText(record, text));
  return (record) => tests.every((fits) => fits(record));
}

/** The words by which an index finds a record: whatever fits a filter has one word of each list of `wordsNeeded`. */
export function indexWords(record: DispositionRecord): string[] {
  const { tenant, campaign } = queueOf(record);
  const words = [
    `y${record.type}`,
    ...addressWords('r', 'd', recipientsOf(record)),
    ...addressWords('s', 'e', [record.sender]),
    ...sitesOf(record).map((site) => `l${site}`),
    ...codesOf(record).map((code) => `k${code}`),
    `b${classOf(record)}`,
  ];
  if (record.id) words.push(`i${record.id}`);
  const messageId = messageIdOf(record);
  if (messageId !== undefined) words.push(`m${messageId}`);
  if (tenant !== undefined) words.push(`t${tenant}`);
  if (campaign !== undefined) words.push(`c${campaign}`);
  return words;
}

/** Of each list a record that fits has at least one word. */
export function wordsNeeded(filter: LogFilter): string[][] {
  const { types, recipient, sender, domain, site, tenant, campaign, codes, classes, message, messageId, party } = filter;
  const one = (prefix: string, value: string | undefined): string[][] => (value === undefined ? [] : [[prefix + value]]);
  const address = (whole: string, ofDomain: string, value: string | undefined): string[][] =>
    value?.startsWith('@') ? one(ofDomain, value.slice(1)) : one(whole, value);
  return [
    ...address('r', 'd', recipient),
    ...address('s', 'e', sender),
    ...one('d', domain),
    ...one('i', message),
    ...one('m', messageId),
    ...(party === undefined ? [] : [party.startsWith('@') ? [`d${party.slice(1)}`, `e${party.slice(1)}`] : [`r${party}`, `s${party}`]]),
    ...one('l', site),
    ...one('t', tenant),
    ...one('c', campaign),
    ...(codes ? [codes.map((code) => `k${code}`)] : []),
    ...(classes ? [classes.map((name) => `b${name}`)] : []),
    ...(types ? [types.map((type) => `y${type}`)] : []),
  ];
}

/** As `headers` of records name it, and as other programs that write such records do. */
export const messageIdHeader = 'Message-ID';

/** The Message-ID of a record that has it. Records of other programs may lack `headers`. */
export function messageIdOf({ headers }: DispositionRecord): string | undefined {
  const value = (headers as DispositionRecord['headers'] | undefined)?.[messageIdHeader];
  return typeof value === 'string' ? value : undefined;
}

/** Characters of one value: more is no address and no text that anybody looks for. */
const longest = 1000;

/** Puts the value into the filter, or says what was expected. */
type Reader = (text: string, filter: LogFilter, now: number) => string | undefined;

const addressReader =
  (field: 'recipient' | 'sender'): Reader =>
  (text, filter) => {
    const address = text.replace(/^<(.*)>$/, '$1').toLowerCase();
    if (address === '' && !(field === 'sender' && text === '<>')) {
      return `expected an address, or "@example.org" for a domain${field === 'sender' ? ', or "<>" for the null sender' : ''}`;
    }
    filter[field] = address;
    return undefined;
  };
const wordReader =
  (field: 'site' | 'tenant' | 'campaign', expected: string): Reader =>
  (text, filter) => {
    if (text === '') return expected;
    filter[field] = text;
    return undefined;
  };
const timeReader =
  (field: 'since' | 'until'): Reader =>
  (text, filter, now) => {
    const at = parseTime(text, now);
    if (at === undefined) return 'expected how long ago ("90s", "2h", "7d") or a time as 2026-11-22T14:30:00Z';
    filter[field] = at;
    return undefined;
  };
const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const readers: Record<FilterField, Reader> = {
  type: (text, filter) => {
    const types: RecordType[] = [];
    for (const name of listOf(text)) {
      const type = recordTypes.find((known) => known.toLowerCase() === name.toLowerCase());
      if (type === undefined) return `expected ${recordTypes.join(', ')}${suggest(name)}`;
      types.push(type);
    }
    if (types.length === 0) return `expected ${recordTypes.join(', ')}`;
    filter.types = types;
    return undefined;
  },
  since: timeReader('since'),
  until: timeReader('until'),
  recipient: addressReader('recipient'),
  sender: addressReader('sender'),
  domain: (text, filter) => {
    const name = text.replace(/^@/, '');
    const domain = domainOf(`@${name}`);
    if (domain === '' || name.includes('@')) return 'expected a domain such as "example.org"';
    filter.domain = domain;
    return undefined;
  },
  site: wordReader('site', 'expected a site such as "mx.example.org", or a lane such as "default->mx.example.org"'),
  tenant: wordReader('tenant', 'expected the name of a tenant'),
  campaign: wordReader('campaign', 'expected the name of a campaign'),
  code: (text, filter) => {
    const codes = listOf(text).map((code) => code.toLowerCase());
    if (codes.length === 0 || !codes.every((code) => /^(?:[2-5]\d\d|[2-5]xx|[245]\.\d{1,3}\.\d{1,3})$/.test(code))) {
      return 'expected a code such as "550", "5xx" or "5.1.1"';
    }
    filter.codes = codes;
    return undefined;
  },
  class: (text, filter) => {
    const classes = listOf(text).map((name) => name.toLowerCase());
    if (classes.length === 0) return 'expected a class of bounces such as "InvalidRecipient"';
    filter.classes = classes;
    return undefined;
  },
  message: (text, filter) => {
    const id = text.replaceAll('-', '').toLowerCase();
    if (!/^[0-9a-f]{1,64}$/.test(id)) return 'expected the id of a message: 32 hexadecimal digits';
    filter.message = id;
    return undefined;
  },
  text: (text, filter) => {
    if (text === '') return 'expected some text';
    filter.text = text.toLowerCase();
    return undefined;
  },
};

function suggest(name: string): string {
  const near = nearest(name, recordTypes);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

const rfc3339 = /^(\d{4}-\d\d-(\d\d))(?:[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))?$/i;

/** A duration before `now`, a time of RFC 3339, or a day (from its beginning in UTC), as epoch ms. */
function parseTime(text: string, now: number): number | undefined {
  const match = rfc3339.exec(text);
  if (match) {
    const day = new Date(`${match[1]}T00:00:00Z`);
    // The thirtieth of February would be read as a day of March.
    if (Number.isNaN(day.getTime()) || day.getUTCDate() !== Number(match[2])) return undefined;
    const at = match[3] === undefined ? day.getTime() : Date.parse(text.replace(' ', 'T').toUpperCase());
    return at >= 0 ? at : undefined;
  }
  // A bare number could be anything.
  const ago = /^\d*$/.test(text) ? undefined : parseDuration(text);
  return ago === undefined || !(ago <= now) ? undefined : now - ago;
}

const isAddress = (address: string, wanted: string): boolean =>
  wanted.startsWith('@') ? domainOf(address) === wanted.slice(1) : address.toLowerCase() === wanted;

const addressWords = (whole: string, ofDomain: string, addresses: readonly string[]): string[] =>
  addresses.flatMap((address) => [whole + address.toLowerCase(), ofDomain + domainOf(address)]);

/** The lane and the site of a record. Records of other programs may lack what ours have. */
function sitesOf({ site }: DispositionRecord): string[] {
  if (typeof site !== 'string' || site === '') return [];
  const arrow = site.indexOf('->');
  return arrow < 0 ? [site] : [site, site.slice(arrow + 2)];
}

const queueOf = ({ queue }: DispositionRecord): { tenant?: string; campaign?: string } =>
  typeof queue === 'string' ? parseQueueName(queue) : {};

function codesOf({ response }: DispositionRecord): string[] {
  const { code, enhanced_code: e } = response;
  return [String(code), `${String(code).charAt(0)}xx`, ...(e ? [`${e.class}.${e.subject}.${e.detail}`] : [])];
}

const classOf = ({ bounce_classification: name }: DispositionRecord): string => String(name).toLowerCase();

/** Looks at every string, however deep, without recursion: foreign records may be nested as deep as JSON allows. */
function hasText(record: DispositionRecord, wanted: string): boolean {
  const left: unknown[] = [record];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'string') {
      if (value.toLowerCase().includes(wanted)) return true;
    } else if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value)) left.push(inner);
    }
  }
  return false;
}
