import type { Steps } from '../../core/turns.ts';
import { quote } from '../quote.ts';
import { pauseBytes, Scanner } from './scanner.ts';

/** Values that are kept of one file or one part of it. */
export const mostValues = 524_288;
/** Members that are kept of an object of which only some are wanted. */
const mostMembers = 4096;
/** Bytes of a key. */
export const keyBytes = 65_536;
const maxDepth = 64;
const maxNumber = 64;
/** Digits of which every whole number is exact. */
const exactDigits = 15;
const numberForm = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/;
const escapeForm = /^(["\\/bfnrt]|u[0-9a-fA-F]{4})$/;
const words = { t: 'true', f: 'false', n: 'null' } as const;
const isNumberByte = new Uint8Array(256);
for (const byte of Buffer.from('+-.0123456789Ee')) isNumberByte[byte] = 1;

/** Any JSON value; objects have no prototype, so that every key is an ordinary one. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  [key: string]: Json;
}

export type Kind = 'object' | 'array' | 'string' | 'number' | 'word';

/**
 * Walks over JSON text, value by value, so that a large file is never turned into objects as a whole. Strict where
 * `JSON.parse` is not: keys must be unique, nesting, numbers and rows of white space are bounded. Consumes its bytes,
 * as the scanner does. Whatever may be long is a generator that yields every few kilobytes.
 */
export class JsonReader extends Scanner {
  /** True while the place is within a string that is passed over in parts. */
  #isInText = false;

  /** The kind of the next value; white space before it is taken. */
  kind(): Kind {
    this.skipSpace();
    const byte = this.bytes[this.at];
    if (byte === 0x7b) return 'object';
    if (byte === 0x5b) return 'array';
    if (byte === 0x22) return 'string';
    if (byte === 0x74 || byte === 0x66 || byte === 0x6e) return 'word';
    if (byte === 0x2d || (byte !== undefined && byte >= 0x30 && byte <= 0x39)) return 'number';
    this.unexpected('a value');
  }

  /** The places of an array, one after the other; whoever takes a place takes its value before the next. */
  *items(): Generator<number, void> {
    this.expect('[');
    if (this.accept(']')) return;
    let index = 0;
    do {
      yield index;
      index += 1;
    } while (this.accept(','));
    if (!this.accept(']')) this.unexpected("',' or ']'");
  }

  /** A whole number from 0 to 2⁵³ − 1, in plain digits. */
  override integer(): number {
    const value = super.integer();
    const next = this.bytes[this.at];
    if (next === 0x2e || next === 0x65 || next === 0x45) this.unexpected('a whole number');
    return value;
  }

  number(): number {
    if (this.kind() !== 'number') this.unexpected('a number');
    const bytes = this.bytes;
    const start = this.at;
    let end = start;
    let whole = 0;
    let isWhole = true;
    for (; end - start <= maxNumber; ++end) {
      const byte = bytes[end];
      if (byte === undefined || isNumberByte[byte] === 0) break;
      isWhole &&= byte >= 0x30 && byte <= 0x39;
      whole = whole * 10 + byte - 0x30;
    }
    this.at = end;
    const hasForm = bytes[start] !== 0x30 || end === start + 1;
    if (isWhole && hasForm && end - start <= exactDigits) return whole;
    const text = String.fromCharCode(...bytes.subarray(start, end));
    if (end - start > maxNumber || !numberForm.test(text))
      this.fail(`${this.what} must have numbers of JSON, got ${text} at byte ${start}`);
    return Number(text);
  }

  /** `true`, `false` or `null`. */
  word(): boolean | null {
    const start = this.at;
    const word = words[String.fromCharCode(this.bytes[start]!) as keyof typeof words];
    for (let i = 0; i < word.length; ++i) {
      if (this.bytes[start + i] !== word.charCodeAt(i)) this.unexpected(word);
    }
    this.at += word.length;
    return word === 'null' ? null : word === 'true';
  }

  /** Any value, of at most `limit` bytes a string and a bounded number of values in it. */
  *value(limit: number): Steps<Json> {
    const open: (Json[] | JsonObject)[] = [];
    let key = '';
    let root: Json = null;
    for (let count = 0; ; ++count) {
      this.#checkDepth(open.length);
      if (count === mostValues) this.fail(`${this.what} must have at most ${mostValues} values, got more`);
      const value = yield* this.#begun(limit);
      const around = open.at(-1);
      if (around === undefined) root = value;
      else if (Array.isArray(around)) around.push(value);
      else around[key] = value;
      if (typeof value === 'object' && value !== null && !this.accept(closing(value))) open.push(value);
      else while (open.length > 0 && !this.accept(',')) this.#close(closing(open.pop() as Json[] | JsonObject));
      const inside = open.at(-1);
      if (inside === undefined) return root;
      if (!Array.isArray(inside)) {
        key = this.text(keyBytes);
        if (key in inside) this.fail(`${this.what} must have each key once, got ${quote(key)} twice`);
        this.expect(':');
      }
      yield* this.pause();
    }
  }

  /**
   * The members of an object whose keys are wanted; passes over the others, however many there are. Objects under one
   * of the keys of `inside` are read in the same way.
   */
  *members(limit: number, isWanted: (key: string) => boolean, inside: readonly string[] = []): Steps<JsonObject> {
    if (this.kind() !== 'object') this.fail(`${this.what} must be an object, got another value`);
    const object: JsonObject = Object.create(null);
    let count = 0;
    for (const key of this.keys(keyBytes)) {
      if (!isWanted(key)) yield* this.skip();
      else {
        if (key in object) this.fail(`${this.what} must have each key once, got ${quote(key)} twice`);
        if (count === mostMembers) this.fail(`${this.what} must have at most ${mostMembers} such members as ${quote(key)}, got more`); // biome-ignore format: one line
        const isInside = inside.includes(key) && this.kind() === 'object';
        object[key] = isInside ? yield* this.members(limit, isWanted) : yield* this.value(limit);
        count += 1;
      }
      yield* this.pause();
    }
    return object;
  }

  /** Passes over any value and leaves its bytes as they are. */
  *skip(): Steps<void> {
    // The marks that close what is open.
    const open: string[] = [];
    for (;;) {
      this.#checkDepth(open.length);
      const kind = this.kind();
      if (kind === 'string') while (!this.#passText()) yield;
      else if (kind === 'number') this.number();
      else if (kind === 'word') this.word();
      else this.at += 1;
      const mark = kind === 'array' ? ']' : kind === 'object' ? '}' : undefined;
      if (mark && !this.accept(mark)) open.push(mark);
      else while (open.length > 0 && !this.accept(',')) this.#close(open.pop() as string);
      if (open.length === 0) return;
      if (open.at(-1) === '}') {
        this.skipSpace();
        while (!this.#passText()) yield;
        this.expect(':');
      }
      yield* this.pause();
    }
  }

  /** Nothing but white space follows. */
  end(): void {
    this.skipSpace();
    if (this.at < this.bytes.length) this.unexpected('only white space after its value');
  }

  /** A value without parts, or the opening of one with parts. */
  *#begun(limit: number): Steps<Json> {
    const kind = this.kind();
    if (kind === 'string') return yield* this.longText(limit);
    if (kind === 'number') return this.number();
    if (kind === 'word') return this.word();
    this.at += 1;
    return kind === 'array' ? [] : Object.create(null);
  }

  #close(mark: string): void {
    if (!this.accept(mark)) this.unexpected(`',' or '${mark}'`);
  }

  /** Passes over a string, or a part of a long one, when it answers false and goes on when it is called again. */
  #passText(): boolean {
    const bytes = this.bytes;
    if (!this.#isInText) this.expect('"');
    this.#isInText = true;
    const stop = this.at + pauseBytes;
    for (; this.at < stop; this.at += 1) {
      const byte = bytes[this.at];
      if (byte === undefined || byte < 0x20) this.unexpected('a character of a string');
      if (byte === 0x5c) this.#passEscape();
      else if (byte === 0x22) {
        this.at += 1;
        this.#isInText = false;
        return true;
      }
    }
    return false;
  }

  /** Goes to the last byte of an escape. */
  #passEscape(): void {
    const digits = this.bytes[this.at + 1] === 0x75 ? 4 : 0;
    const text = String.fromCharCode(...this.bytes.subarray(this.at + 1, this.at + 2 + digits));
    if (!escapeForm.test(text)) this.unexpected('an escape of JSON');
    this.at += 1 + digits;
  }

  #checkDepth(depth: number): void {
    if (depth > maxDepth) this.fail(`${this.what} must nest at most ${maxDepth} deep, got more`);
  }
}

const closing = (value: Json[] | JsonObject): string => (Array.isArray(value) ? ']' : '}');
