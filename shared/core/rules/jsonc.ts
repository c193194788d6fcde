/** What a text says, or where and why it says nothing. Line and column count from 1. */
export type JsonResult = { value: unknown } | { problem: JsonProblem };

export interface JsonProblem {
  line: number;
  column: number;
  message: string;
}

/** A member of an object as it stands in the text: JavaScript moves keys such as "421" to the front, and forgets repeated ones. */
export interface JsonMember {
  key: string;
  value: unknown;
  line: number;
}

/** Deeper texts are refused: nobody writes them, and they cost the stack. */
const maxDepth = 100;

/** Parses JSON that may have comments (`//`, `#`, `/* *\/`) and commas before a closing bracket. Linear; never throws. */
export function parseJsonc(text: string): JsonResult {
  const reader = new Reader(text);
  try {
    const value = reader.readValue(0);
    reader.skip();
    if (!reader.isAtEnd) reader.fail('expected the end of the text');
    return { value };
  } catch (error) {
    if (error instanceof SyntaxProblem) return { problem: { ...reader.placeOf(error.at), message: error.message } };
    throw error;
  }
}

/** The members of an object that `parseJsonc` made, in the order of the text. */
export const membersOf = (object: object): readonly JsonMember[] | undefined => members.get(object);

/** The line on which each item of a list that `parseJsonc` made begins. */
export const itemLinesOf = (list: object): readonly number[] | undefined => itemLines.get(list);

// Beside the values, not in them: who prints or compares a value sees only what the text says.
const members = new WeakMap<object, JsonMember[]>();
const itemLines = new WeakMap<object, number[]>();

class SyntaxProblem extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const words: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  readonly #text: string;
  #at = 0;
  #line = 1;
  /** Up to where line breaks were counted. */
  #counted = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith('\uFEFF')) this.#at = 1;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  fail(message: string, at = this.#at): never {
    throw new SyntaxProblem(at, message);
  }

  placeOf(at: number): { line: number; column: number } {
    const before = this.#text.slice(0, at);
    return { line: before.split('\n').length, column: at - before.lastIndexOf('\n') };
  }

  readValue(depth: number): unknown {
    this.skip();
    if (depth > maxDepth) this.fail(`nested more than ${maxDepth} deep`);
    const char = this.#text[this.#at];
    if (char === '{') return this.#readObject(depth);
    if (char === '[') return this.#readList(depth);
    if (char === '"') return this.#readString();
    const number = this.#take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== undefined) return Number(number);
    for (const [word, value] of words) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.fail(char === undefined ? 'the text ends where a value is expected' : `expected a value, not ${show(char)}`);
  }

  /** White space and comments. */
  skip(): void {
    for (;;) {
      this.#take(/[ \t\r\n]+/y);
      if (this.#text.startsWith('/*', this.#at)) {
        const end = this.#text.indexOf('*/', this.#at + 2);
        if (end < 0) this.fail('this comment is never closed');
        this.#at = end + 2;
      } else if (this.#take(/(?:\/\/|#)[^\n]*/y) === undefined) return;
    }
  }

  #readObject(depth: number): unknown {
    const found: JsonMember[] = [];
    this.#readItems('}', () => {
      const line = this.#lineHere();
      if (this.#text[this.#at] !== '"') this.fail('expected a name in double quotes');
      const key = this.#readString();
      this.skip();
      if (this.#text[this.#at] !== ':') this.fail('expected ":"');
      this.#at += 1;
      found.push({ key, line, value: this.readValue(depth + 1) });
    });
    // Defines its properties, so "__proto__" is a name like any other.
    const object = Object.fromEntries(found.map(({ key, value }) => [key, value]));
    members.set(object, found);
    return object;
  }

  #readList(depth: number): unknown {
    const list: unknown[] = [];
    const lines: number[] = [];
    this.#readItems(']', () => {
      lines.push(this.#lineHere());
      list.push(this.readValue(depth + 1));
    });
    itemLines.set(list, lines);
    return list;
  }

  #readItems(close: string, readItem: () => void): void {
    const open = this.#at;
    this.#at += 1;
    for (;;) {
      this.skip();
      if (this.isAtEnd) this.fail(`${show(this.#text.charAt(open))} is never closed`, open);
      if (this.#text[this.#at] === close) break;
      readItem();
      this.skip();
      if (this.#text[this.#at] === ',') this.#at += 1;
      else if (!this.isAtEnd && this.#text[this.#at] !== close) this.fail(`expected "," or ${show(close)}`);
    }
    this.#at += 1;
  }

  #readString(): string {
    const start = this.#at;
    this.#at += 1;
    for (;;) {
      this.#take(/[^"\\\u0000-\u001f]+/y);
      const char = this.#text[this.#at];
      if (char === '"') break;
      if (char !== '\\') this.fail(char === undefined || char === '\n' ? 'this string is never closed' : 'a control character', start);
      if (this.#take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y) === undefined)
        this.fail(`"\\${this.#text[this.#at + 1] ?? ''}" is no escape of JSON: a backslash of a pattern is written twice, "\\\\"`);
    }
    this.#at += 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    if (match !== undefined) this.#at += match.length;
    return match;
  }

  #lineHere(): number {
    for (let i = this.#text.indexOf('\n', this.#counted); i >= 0 && i < this.#at; i = this.#text.indexOf('\n', this.#counted)) {
      this.#line += 1;
      this.#counted = i + 1;
    }
    return this.#line;
  }
}

const show = (char: string): string => (char === '"' ? "'\"'" : `"${char}"`);
