import { type Fail, Scanner } from '../safetensors/scanner.ts';

const maxDepth = 64;
const maxNumber = 64;
const numberForm = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/;
const words = { t: 'true', f: 'false', n: 'null' } as const;

/** Any JSON value; objects have no prototype, so that every key is an ordinary one. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  [key: string]: Json;
}

export type Kind = 'object' | 'array' | 'string' | 'number' | 'word';

/**
 * Walks over JSON text, value by value, so that a large file is never turned into objects as a whole. Strict where
 * `JSON.parse` is not: keys must be unique, nesting is bounded. Consumes its bytes, as the scanner below does.
 */
export class JsonReader {
  readonly #scanner: Scanner;
  readonly #bytes: Uint8Array;
  readonly #fail: Fail;
  readonly #what: string;

  constructor(bytes: Uint8Array, fail: Fail, what: string) {
    this.#scanner = new Scanner(bytes, fail, what);
    this.#bytes = bytes;
    this.#fail = fail;
    this.#what = what;
  }

  /** Where the next token begins, or what is before it. */
  get at(): number {
    return this.#scanner.at;
  }

  /** Goes back to a place that was not consumed. */
  set at(position: number) {
    this.#scanner.at = position;
  }

  /** What the next value is; white space before it is taken. */
  kind(): Kind {
    this.#skipSpace();
    const byte = this.#bytes[this.#scanner.at];
    if (byte === 0x7b) return 'object';
    if (byte === 0x5b) return 'array';
    if (byte === 0x22) return 'string';
    if (byte === 0x74 || byte === 0x66 || byte === 0x6e) return 'word';
    if (byte === 0x2d || (byte !== undefined && byte >= 0x30 && byte <= 0x39)) return 'number';
    this.#scanner.unexpected('a value');
  }

  /** The keys of an object, one after the other; whoever takes a key takes its value before the next. */
  *keys(limit: number): Generator<string, void> {
    this.#scanner.expect('{');
    if (this.#scanner.accept('}')) return;
    do {
      const key = this.#scanner.text(limit);
      this.#scanner.expect(':');
      yield key;
    } while (this.#scanner.accept(','));
    if (!this.#scanner.accept('}')) this.#scanner.unexpected("',' or '}'");
  }

  /** The places of an array, one after the other; whoever takes a place takes its value before the next. */
  *items(): Generator<number, void> {
    this.#scanner.expect('[');
    if (this.#scanner.accept(']')) return;
    let index = 0;
    do {
      yield index;
      index += 1;
    } while (this.#scanner.accept(','));
    if (!this.#scanner.accept(']')) this.#scanner.unexpected("',' or ']'");
  }

  /** A string of at most `limit` bytes of UTF-8. */
  text(limit: number): string {
    return this.#scanner.text(limit);
  }

  /** A whole number from 0 to 2⁵³ − 1, in plain digits. */
  integer(): number {
    const value = this.#scanner.integer();
    const next = this.#bytes[this.#scanner.at];
    if (next === 0x2e || next === 0x65 || next === 0x45) this.#scanner.unexpected('a whole number');
    return value;
  }

  number(): number {
    if (this.kind() !== 'number') this.#scanner.unexpected('a number');
    const start = this.#scanner.at;
    let text = '';
    for (;;) {
      const byte = this.#bytes[this.#scanner.at];
      const isPart = byte !== undefined && /[-+.0-9eE]/.test(String.fromCharCode(byte));
      if (!isPart) break;
      text += String.fromCharCode(byte);
      this.#scanner.at += 1;
      if (text.length > maxNumber) break;
    }
    if (!numberForm.test(text)) this.#fail(`${this.#what} must have numbers of JSON, got ${text} at byte ${start}`);
    return Number(text);
  }

  /** Any value, of at most `limit` bytes a string. */
  value(limit: number, depth = 0): Json {
    this.#checkDepth(depth);
    const kind = this.kind();
    if (kind === 'string') return this.text(limit);
    if (kind === 'number') return this.number();
    if (kind === 'word') return this.#word();
    if (kind === 'array') {
      const list: Json[] = [];
      for (const _ of this.items()) list.push(this.value(limit, depth + 1));
      return list;
    }
    const object: JsonObject = Object.create(null);
    for (const key of this.keys(limit)) {
      if (key in object) this.#fail(`${this.#what} must have each key once, got ${JSON.stringify(key)} twice`);
      object[key] = this.value(limit, depth + 1);
    }
    return object;
  }

  /** Passes over any value and leaves its bytes as they are. */
  skip(depth = 0): void {
    this.#checkDepth(depth);
    const kind = this.kind();
    if (kind === 'string') this.#skipText();
    else if (kind === 'number') this.number();
    else if (kind === 'word') this.#word();
    else if (kind === 'array') for (const _ of this.items()) this.skip(depth + 1);
    else {
      this.#scanner.expect('{');
      if (this.#scanner.accept('}')) return;
      do {
        this.#skipText();
        this.#scanner.expect(':');
        this.skip(depth + 1);
      } while (this.#scanner.accept(','));
      if (!this.#scanner.accept('}')) this.#scanner.unexpected("',' or '}'");
    }
  }

  /** Nothing but white space follows. */
  end(): void {
    this.#skipSpace();
    if (this.#scanner.at < this.#bytes.length) this.#scanner.unexpected('only white space after its value');
  }

  #word(): boolean | null {
    const start = this.#scanner.at;
    const word = words[String.fromCharCode(this.#bytes[start] ?? 0) as keyof typeof words];
    for (let i = 0; i < word.length; i += 1) {
      if (this.#bytes[start + i] !== word.charCodeAt(i)) this.#scanner.unexpected(word);
    }
    this.#scanner.at += word.length;
    return word === 'null' ? null : word === 'true';
  }

  #skipText(): void {
    this.#scanner.expect('"');
    const bytes = this.#bytes;
    for (let at = this.#scanner.at; ; at += 1) {
      const byte = bytes[at];
      if (byte === undefined || byte < 0x20) {
        this.#scanner.at = at;
        this.#scanner.unexpected('a character of a string');
      }
      if (byte === 0x22) {
        this.#scanner.at = at + 1;
        return;
      }
      if (byte === 0x5c) at += 1;
    }
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#scanner.at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#scanner.at += 1;
    }
  }

  #checkDepth(depth: number): void {
    if (depth > maxDepth) this.#fail(`${this.#what} must nest at most ${maxDepth} deep, got more`);
  }
}
