import { randomBytes } from 'node:crypto';
import { cutLine, masked, type ConversationLine } from '../core/conversation.ts';
import type { Reply } from '../core/reply.ts';
import type { TracedLine } from '../core/trace.ts';
import { decodeLine } from './decode-line.ts';
import type { Tracer } from './tracer.ts';

/** Whom a connection is for, and who may see it live. */
export interface TranscriptUse {
  tracer: Tracer;
  /** The egress path, as people name it. */
  lane: string;
  subject: Subject;
}

/** The message that a connection was opened for, or carries. */
export interface Subject {
  message: string;
  domain: string;
}

/** As it was said: several lines may be one entry. Made readable only when somebody reads it. */
interface Entry {
  at: number;
  direction: ConversationLine['direction'];
  said: string | readonly string[];
}

/** Of the opening, and of one transaction: the first and the last entries are kept. */
const mostEntries = 130;
const firstEntries = 40;
const lastEntries = 60;
/** An entry with more characters is cut at once, so that what a hostile server says does not stay in memory. */
const longEntry = 4096;

/**
 * What was said on an outbound connection: its opening, and the transaction in hand. What it notes for a message that is
 * delivered is a few references; text is made of them when an attempt has failed, or for those who watch.
 * Credentials are masked before they are noted.
 */
export class Transcript {
  readonly #use: TranscriptUse;
  readonly #opening: Entry[] = [];
  #transaction: Entry[] | undefined;
  #subject: Subject;
  /** An AUTH exchange goes on: what the client says is credentials. */
  #isAuth = false;
  #secrets: readonly string[] = [];
  #connection = '';
  #peer: TracedLine['peer'] = null;

  constructor(use: TranscriptUse) {
    this.#use = use;
    this.#subject = use.subject;
  }

  /** A connection is tried; after others that failed, if need be. */
  connecting({ name, address, port }: { name: string; address: string; port: number }): void {
    this.#isAuth = false;
    this.#peer = { name, address };
    const host = address.includes(':') ? `[${address}]` : address;
    this.note(`connecting to ${name === address ? '' : `${name} at `}${host}:${port}`);
  }

  /** A login that a server may repeat in its words. */
  hide({ user, password }: { user: string; password: string }): void {
    const secrets = [password, `\0${user}\0${password}`];
    // Short ones would blot out half of the words, and are no secret.
    const all = [...secrets, ...secrets.map((text) => Buffer.from(text).toString('base64'))].filter((text) => text.length >= 4);
    // The longer first: one may end as another does.
    this.#secrets = all.toSorted((a, b) => b.length - a.length);
  }

  /** A new transaction: what was said in the one before is forgotten. */
  begin(subject: Subject): void {
    this.#subject = subject;
    this.#transaction = [];
  }

  note(text: string): void {
    this.#add('note', text);
  }

  /** Command lines, as they are written. */
  client(text: string): void {
    if (this.#isAuth) return this.#add('client', masked);
    if (!/^AUTH /i.test(text)) return this.#add('client', text);
    this.#isAuth = true;
    const [, mechanism = '', rest] = text.trimEnd().split(' ', 3);
    this.#add('client', rest === undefined ? `AUTH ${mechanism}` : `AUTH ${mechanism} ${masked}`);
  }

  content(octets: number): void {
    this.#add('client', `[${octets} octets]`);
  }

  /** The lines of a reply; their octets as one character each. */
  server(lines: readonly string[]): void {
    if (this.#isAuth) {
      // RFC 4954 §4: a challenge, which may hold what the answer is made of.
      if (lines.at(-1)?.startsWith('334')) return this.#add('server', `334 ${masked}`);
      this.#isAuth = false;
    }
    const isLong = lines.length > 20 || lines.reduce((sum, line) => sum + line.length, 0) > longEntry;
    this.#add('server', isLong ? cutReply(lines.map((line) => this.#withoutSecrets(line))) : lines);
  }

  /** A reply as records, logs and reports may have it: a server that repeats the login tells them no secret. */
  withoutLogin(reply: Reply): Reply {
    const { lines, wire } = reply;
    const hidden = (texts: readonly string[]): string[] => texts.map((text) => this.#withoutSecrets(text));
    return this.#secrets.length === 0 ? reply : { ...reply, lines: hidden(lines), ...(wire && { wire: hidden(wire) }) };
  }

  /** All that is kept, as it can be read. */
  lines(): ConversationLine[] {
    return [...this.#opening, ...(this.#transaction ?? [])].flatMap((entry) => this.#linesOf(entry));
  }

  #add(direction: Entry['direction'], said: Entry['said']): void {
    const entry: Entry = { at: Date.now(), direction, said };
    const entries = this.#transaction ?? this.#opening;
    entries.push(entry);
    if (entries.length > mostEntries) leaveOut(entries);
    if (this.#use.tracer.isWatched) this.#tell(entry);
  }

  #tell(entry: Entry): void {
    const { tracer, lane } = this.#use;
    this.#connection ||= randomBytes(3).toString('hex');
    const { message, domain } = this.#subject;
    for (const line of this.#linesOf(entry)) {
      const traced: TracedLine = {
        ...line,
        process: tracer.process,
        way: 'outbound',
        connection: this.#connection,
        peer: this.#peer,
        lane,
        domains: [domain],
        message,
      };
      const watchers = tracer.wantedBy(traced);
      if (watchers.length > 0) tracer.tell(traced, watchers);
    }
  }

  #linesOf({ at, direction, said }: Entry): ConversationLine[] {
    const texts = typeof said === 'string' ? said.replace(/\r\n$/, '').split('\r\n') : said.map(decodeLine);
    return texts.map((text) => ({ at, direction, text: cutLine(this.#withoutSecrets(text)) }));
  }

  #withoutSecrets(text: string): string {
    let shown = text;
    for (const secret of this.#secrets) if (shown.includes(secret)) shown = shown.replaceAll(secret, masked);
    return shown;
  }
}

function leaveOut(entries: Entry[]): void {
  const note: Entry = { at: entries[firstEntries]?.at ?? 0, direction: 'note', said: 'lines left out' };
  entries.splice(firstEntries, entries.length - firstEntries - lastEntries, note);
}

/** Copied, because a part of a text holds on to all of it. */
function cutReply(lines: readonly string[]): string[] {
  const some = lines.length > 20 ? [...lines.slice(0, 10), '(lines left out)', ...lines.slice(-10)] : lines;
  return some.map((line) => Buffer.from(cutLine(line)).toString());
}
