import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';

/** Takes the content of a message: dots unstuffed, never divided between a CR and its LF. */
export interface ContentSink {
  /** Resolves when the next piece may come; must not reject. */
  write(piece: Buffer): Promise<void>;
  /** The content is over; `done` lets the commands behind it be read. */
  end(done: () => void): void;
}

export interface ParserEvents {
  /** A command line without its line end; `done` lets the next be read. */
  command(line: Buffer, done: () => void): void;
  /** A line longer than any command may be; it was thrown away. */
  longLine(done: () => void): void;
  /** Octets before any were allowed; nothing is read after `false`. */
  mayTalk(): boolean;
}

type Next = (error?: Error | null) => void;

/** RFC 4954 §4: lines of an AUTH exchange may be this long; all others are shorter. */
export const maxCommandLine = 12_288;
/** Lines done at once before other connections have their turn. */
const maxTurns = 100;
const crlfDot = Buffer.from('\r\n.');
const endOfData = Buffer.from('\r\n.\r\n');

/**
 * smtp-server's parser with our own reading: content goes to the sink in the socket's chunks instead of through a
 * stream of its own, and hostile dots cost no more than others (theirs copy and wait for every dotted line). Only
 * CRLF.CRLF ends content (RFC 5321 §4.1.1.4), whatever other servers take for it.
 */
export class SmtpParser extends SMTPStream {
  readonly #events: ParserEvents;
  #partialLine: Buffer | undefined;
  #isLineTooLong = false;
  #sink: ContentSink | undefined;
  /** How much of CRLF.CRLF was seen at the end of the content so far: held back until it is known what it is. */
  #held = 0;
  /** Nothing of the content was seen: the CRLF held is that of the DATA line. */
  #isContentStart = false;

  constructor(events: ParserEvents) {
    super();
    this.#events = events;
  }

  /** What follows is content, until its end. */
  startContent(sink: ContentSink): void {
    this.#sink = sink;
    this.#held = 2;
    this.#isContentStart = true;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: Next): void {
    if (this.isClosed || !this.#events.mayTalk()) next();
    else this.#run(chunk, 0, next);
  }

  /** A line that the client did not end is no command. */
  override _flushData(): void {
    this.#partialLine = undefined;
  }

  #run(chunk: Buffer, start: number, next: Next): void {
    let at = start;
    for (let turns = 0; turns < maxTurns; turns++) {
      if (this.isClosed || at >= chunk.length) return next();
      let isInLoop = true;
      let isDone = false;
      const proceed = (): void => {
        if (isInLoop) isDone = true;
        else this.#run(chunk, at, next);
      };
      at = this.#sink ? this.#takeContent(this.#sink, chunk, at, proceed) : this.#takeLine(chunk, at, proceed);
      isInLoop = false;
      if (!isDone) return;
    }
    setImmediate(() => this.#run(chunk, at, next));
  }

  #takeLine(chunk: Buffer, start: number, proceed: () => void): number {
    const lf = chunk.indexOf(0x0a, start);
    this.#keepLine(chunk.subarray(start, lf < 0 ? chunk.length : lf));
    if (lf < 0) {
      proceed();
      return chunk.length;
    }
    const line = this.#partialLine ?? Buffer.alloc(0);
    const isTooLong = this.#isLineTooLong;
    this.#partialLine = undefined;
    this.#isLineTooLong = false;
    if (isTooLong) this.#events.longLine(proceed);
    else this.#events.command(line.at(-1) === 0x0d ? line.subarray(0, -1) : line, proceed);
    return lf + 1;
  }

  #keepLine(part: Buffer): void {
    const before = this.#partialLine?.length ?? 0;
    if (this.#isLineTooLong || before + part.length > maxCommandLine) {
      this.#partialLine = undefined;
      this.#isLineTooLong = true;
    } else {
      this.#partialLine = this.#partialLine ? Buffer.concat([this.#partialLine, part]) : part;
    }
  }

  #takeContent(sink: ContentSink, chunk: Buffer, start: number, proceed: () => void): number {
    let at = start;
    const pieces: Buffer[] = [];
    if (this.#held > 0) {
      while (this.#held < endOfData.length && at < chunk.length && chunk[at] === endOfData[this.#held]) {
        this.#held++;
        at++;
      }
      if (this.#held === endOfData.length) {
        if (!this.#isContentStart) pieces.push(endOfData.subarray(0, 2));
        this.#finish(sink, pieces, proceed);
        return at;
      }
      if (at === chunk.length) {
        proceed();
        return at;
      }
      pieces.push(...this.#release());
    }
    const { piece, end, isEnd, held } = unstuff(chunk, at);
    this.#held = held;
    if (piece.length > 0) pieces.push(piece);
    if (isEnd) this.#finish(sink, pieces, proceed);
    else void writeAll(sink, pieces).then(proceed);
    return end;
  }

  /** What was held back is content after all, without its dot: a dot that starts a line is not part of it (RFC 5321 §4.5.2). */
  #release(): Buffer[] {
    const crlf = this.#isContentStart ? [] : [endOfData.subarray(0, Math.min(this.#held, 2))];
    const cr = this.#held === 4 ? [endOfData.subarray(3, 4)] : [];
    this.#held = 0;
    this.#isContentStart = false;
    return [...crlf, ...cr];
  }

  #finish(sink: ContentSink, pieces: Buffer[], proceed: () => void): void {
    this.#sink = undefined;
    this.#held = 0;
    void writeAll(sink, pieces).then(() => sink.end(proceed));
  }
}

async function writeAll(sink: ContentSink, pieces: Buffer[]): Promise<void> {
  for (const piece of pieces) await sink.write(piece);
}

/**
 * The content of a chunk from `start` on, its dots removed in place, up to the end of the content or of the chunk.
 * `end`: index of the first octet not used. `held`: how much of CRLF.CRLF the chunk ends with.
 */
function unstuff(chunk: Buffer, start: number): { piece: Buffer; end: number; isEnd: boolean; held: number } {
  let write = start;
  let read = start;
  const copyTo = (end: number): void => {
    if (write !== read) chunk.copyWithin(write, read, end);
    write += end - read;
  };
  const result = (end: number, isEnd: boolean, held: number) => ({ piece: chunk.subarray(start, write), end, isEnd, held });
  for (let found = chunk.indexOf(crlfDot, read); found >= 0; found = chunk.indexOf(crlfDot, read)) {
    const dot = found + 2;
    const rest = chunk.length - dot - 1;
    const isCr = chunk[dot + 1] === 0x0d;
    if (isCr && chunk[dot + 2] === 0x0a) {
      copyTo(dot);
      return result(dot + 3, true, 0);
    }
    if (rest === 0 || (rest === 1 && isCr)) {
      copyTo(found);
      return result(chunk.length, false, 3 + rest);
    }
    copyTo(dot);
    read = dot + 1;
  }
  const last = chunk.length - 1;
  const held = chunk[last] === 0x0d ? 1 : last > read && chunk[last] === 0x0a && chunk[last - 1] === 0x0d ? 2 : 0;
  copyTo(chunk.length - held);
  return result(chunk.length, false, held);
}
