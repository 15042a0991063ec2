import { TextDecoder } from 'node:util';

/** Throws the error that a problem of the file deserves; `problem` reads `<field> <what is wrong>, got <value>`. */
export type Fail = (problem: string) => never;

const quoteMark = 0x22;
const backslash = 0x5c;
const maxSpace = 4096;
const slice = 1 << 15;
/** Bytes between two yields. */
export const pauseBytes: number = 1 << 14;

const escapes = new Map<number, number>([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/**
 * Reads the JSON tokens that a header holds: marks, strings, whole numbers. Consumes its bytes: escapes are undone in
 * place. What may be long gives control back as a generator; everything else is bounded.
 */
export class Scanner {
  at = 0;
  protected readonly bytes: Uint8Array;
  protected readonly fail: Fail;
  protected readonly what: string;
  // A byte order mark inside a name belongs to the name.
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #to = 0;
  #pauseAt = pauseBytes;

  /** `what` names the bytes in messages. */
  constructor(bytes: Uint8Array, fail: Fail, what = 'header') {
    this.bytes = bytes;
    this.fail = fail;
    this.what = what;
  }

  /** Takes `mark` if it is the next token. */
  accept(mark: string): boolean {
    this.skipSpace();
    if (this.bytes[this.at] !== mark.charCodeAt(0)) return false;
    this.at += 1;
    return true;
  }

  expect(mark: string): void {
    if (!this.accept(mark)) this.unexpected(`'${mark}'`);
  }

  unexpected(wanted: string): never {
    const byte = this.bytes[this.at];
    const got = byte === undefined ? 'its end' : `0x${byte.toString(16).padStart(2, '0')}`;
    this.fail(`${this.what} must have ${wanted} at byte ${this.at}, got ${got}`);
  }

  /** Goes to another place. */
  goTo(position: number): void {
    this.at = position;
    this.#pauseAt = position + pauseBytes;
  }

  /** Yields if some kilobytes have been read since the last time. */
  *pause(): Generator<undefined, void> {
    if (this.at < this.#pauseAt) return;
    this.#pauseAt = this.at + pauseBytes;
    yield;
  }

  /** The keys of an object, one after the other; whoever takes a key takes its value before the next. */
  *keys(limit: number): Generator<string, void> {
    this.expect('{');
    if (this.accept('}')) return;
    do {
      const key = this.text(limit);
      this.expect(':');
      yield key;
    } while (this.accept(','));
    if (!this.accept('}')) this.unexpected("',' or '}'");
  }

  /** A string of at most `limit` bytes of UTF-8. */
  text(limit: number): string {
    const start = this.#open();
    // The longest spelling of a byte is an escape of six.
    if (!this.#unescape(this.at + 6 * limit + 1) || this.#to - start > limit) {
      this.fail(`${this.what} must have at most ${limit} bytes in the string at byte ${start}, got more`);
    }
    return this.#decode(start, this.#to, false);
  }

  /** A string of at most `limit` bytes of UTF-8, which may be many. */
  *longText(limit: number = Number.POSITIVE_INFINITY): Generator<undefined, string> {
    const start = this.#open();
    for (let isWhole = false; !isWhole; ) {
      isWhole = this.#unescape(this.at + slice);
      if (this.#to - start > limit)
        this.fail(`${this.what} must have at most ${limit} bytes in the string at byte ${start}, got more`);
      if (!isWhole) yield;
    }
    const end = this.#to;
    let text = '';
    let from = start;
    for (; from + slice < end; from += slice) {
      text += this.#decode(from, from + slice, true);
      yield;
    }
    return text + this.#decode(from, end, false);
  }

  /** A whole number from 0 to 2⁵³ − 1, in plain digits. */
  integer(): number {
    this.skipSpace();
    const start = this.at;
    let value = 0;
    for (;;) {
      const byte = this.bytes[this.at];
      if (byte === undefined || byte < 0x30 || byte > 0x39) break;
      value = value * 10 + (byte - 0x30);
      this.at += 1;
      if (value > Number.MAX_SAFE_INTEGER) {
        this.fail(`${this.what} must have numbers below 2^53, got more at byte ${start}`);
      }
      if (value < 10 && this.at - start > 1) {
        this.fail(`${this.what} must have numbers without leading zeros, got one at byte ${start}`);
      }
    }
    if (this.at === start) this.unexpected('a digit');
    return value;
  }

  /** The rest of the header is padding. */
  *padding(): Generator<undefined, void> {
    for (; this.at < this.bytes.length; this.at += 1) {
      if (this.bytes[this.at] !== 0x20) this.unexpected('only spaces after its object');
      if (this.at % slice === 0) yield;
    }
  }

  /** Passes over white space, of which a row is bounded. */
  skipSpace(): void {
    const limit = this.at + maxSpace;
    for (;;) {
      const byte = this.bytes[this.at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.at += 1;
      if (this.at > limit) this.unexpected(`at most ${maxSpace} bytes of white space in a row`);
    }
  }

  #open(): number {
    this.expect('"');
    this.#to = this.at;
    return this.at;
  }

  /** Reads on to the closing quote, which it takes, or to `stop`, when it answers false. */
  #unescape(stop: number): boolean {
    const bytes = this.bytes;
    while (this.at < stop) {
      const byte = bytes[this.at];
      if (byte === undefined || byte < 0x20) this.unexpected('a character of a string');
      if (byte === quoteMark) {
        this.at += 1;
        return true;
      }
      if (byte === backslash) this.#escape();
      else {
        bytes[this.#to] = byte;
        this.#to += 1;
        this.at += 1;
      }
    }
    return false;
  }

  #escape(): void {
    const mark = this.bytes[this.at + 1];
    const plain = mark && escapes.get(mark);
    if (plain) {
      this.at += 2;
      this.#put(plain);
      return;
    }
    let code = this.#unit();
    if (code >= 0xdc00 && code < 0xe000) this.unexpected('a high surrogate before a low one');
    if (code >= 0xd800 && code < 0xdc00) {
      const low = this.#unit();
      if (low < 0xdc00 || low >= 0xe000) this.unexpected('a low surrogate after a high one');
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code < 0x80) this.#put(code);
    else if (code < 0x800) this.#put(0xc0 | (code >> 6), tail(code));
    else if (code < 0x10000) this.#put(0xe0 | (code >> 12), tail(code >> 6), tail(code));
    else this.#put(0xf0 | (code >> 18), tail(code >> 12), tail(code >> 6), tail(code));
  }

  /** `\u` and four hexadecimal digits. */
  #unit(): number {
    const bytes = this.bytes;
    if (bytes[this.at] !== backslash || bytes[this.at + 1] !== 0x75) this.unexpected('an escape of JSON');
    let code = 0;
    for (let i = 2; i < 6; ++i) {
      const digit = hexDigit(bytes[this.at + i]);
      if (digit === undefined) this.unexpected('four hexadecimal digits');
      code = code * 16 + digit;
    }
    this.at += 6;
    return code;
  }

  #put(...bytes: number[]): void {
    for (const byte of bytes) {
      this.bytes[this.#to] = byte;
      this.#to += 1;
    }
  }

  #decode(from: number, to: number, stream: boolean): string {
    try {
      return this.#decoder.decode(this.bytes.subarray(from, to), { stream });
    } catch {
      this.fail(`${this.what} must be UTF-8, got other bytes in the string before byte ${this.at}`);
    }
  }
}

function tail(code: number): number {
  return 0x80 | (code & 0x3f);
}

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}
