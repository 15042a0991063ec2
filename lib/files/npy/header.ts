// The header of an array of NumPy: magic, version, length, and a dictionary as Python writes it, of whose grammar a
// small part is read, and nothing evaluated.
import type { Fail } from '../json/scanner.ts';
import { quote, shortened } from '../quote.ts';
import { type Element, elementOf } from './dtypes.ts';

/** Bytes of a header's text; NumPy itself reads 10,000. */
const mostBytes = 1 << 16;
const mostRank = 64;
const magic = '\x93NUMPY';
const alignment = 64;

/** An array as its header describes it. */
export interface ArrayHeader {
  /** The element type as NumPy spells it; of a structured one the beginning. */
  readonly descr: string;
  /** Undefined where no tensor holds such elements. */
  readonly element: Element | undefined;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** True where the elements stand column after column. */
  readonly fortranOrder: boolean;
}

/** Reads the next bytes of an array, in order. */
export type ReadNext = (bytes: Uint8Array) => Promise<void>;

/** Reads and checks a header; answers how many bytes it had, too. */
export async function readArrayHeader(
  read: ReadNext,
  size: number,
  fail: Fail,
): Promise<{ header: ArrayHeader; headerBytes: number }> {
  if (size < 10) fail(`the array must have a header, got ${size} bytes`);
  const start = Buffer.alloc(10);
  await read(start);
  const found = start.toString('latin1', 0, 6);
  if (found !== magic)
    fail(found.startsWith('PK') ? 'the array must be of NumPy, got an archive (.npz)' : 'the array must be of NumPy, got other data'); // biome-ignore format: one line
  const [major, minor] = [start[6]!, start[7]!];
  if (major < 1 || major > 3 || minor !== 0) fail(`the format version must be 1.0, 2.0 or 3.0, got ${major}.${minor}`);
  let length = start.readUInt16LE(8);
  let before = 10;
  if (major > 1) {
    if (size < 12) fail(`the array must have a header, got ${size} bytes`);
    const more = Buffer.alloc(2);
    await read(more);
    length += more.readUInt16LE(0) * 65536;
    before = 12;
  }
  if (length > mostBytes) fail(`the header must have at most ${mostBytes} bytes, got ${length}`);
  if (before + length > size) fail(`the header must end within the array, got ${length} bytes of ${size}`);
  const bytes = Buffer.alloc(length);
  await read(bytes);
  const text = bytes.toString(major === 3 ? 'utf8' : 'latin1');
  return { header: new HeaderText(text, fail).header(), headerBytes: before + length };
}

/** A header of version 1.0, padded so that the data are aligned. */
export function writeArrayHeader(descr: string, shape: readonly number[]): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const whole = Math.ceil((10 + text.length + 1) / alignment) * alignment;
  const bytes = Buffer.alloc(whole, ' ');
  bytes.write(magic, 'latin1');
  bytes[6] = 1;
  bytes[7] = 0;
  bytes.writeUInt16LE(whole - 10, 8);
  bytes.write(text, 10, 'latin1');
  bytes[whole - 1] = 0x0a;
  return bytes;
}

class HeaderText {
  readonly #text: string;
  readonly #fail: Fail;
  #at = 0;

  constructor(text: string, fail: Fail) {
    this.#text = text;
    this.#fail = fail;
  }

  /** `{'descr': …, 'fortran_order': …, 'shape': …}`, the keys in any order. */
  header(): ArrayHeader {
    const found: { descr?: string; element?: Element | undefined; fortranOrder?: boolean; shape?: number[] } = {};
    this.#expect('{');
    while (!this.#take('}')) {
      const key = this.#string();
      this.#expect(':');
      if (key === 'descr' && found.descr === undefined) Object.assign(found, this.#descr());
      else if (key === 'fortran_order' && found.fortranOrder === undefined) found.fortranOrder = this.#boolean();
      else if (key === 'shape' && found.shape === undefined) found.shape = this.#tuple();
      else this.#fail(`the header must have descr, fortran_order and shape once, got ${quote(shortened(key))}`);
      if (this.#take(',')) continue;
      this.#expect('}');
      break;
    }
    this.#skipBlanks();
    if (this.#at < this.#text.length) this.#wrong('its end');
    const { descr, element, fortranOrder, shape } = found;
    if (descr === undefined || fortranOrder === undefined || shape === undefined)
      return this.#fail('the header must have descr, fortran_order and shape, got less');
    return { descr, element, fortranOrder, shape };
  }

  #wrong(must: string): never {
    const got = this.#text.slice(this.#at, this.#at + 16);
    return this.#fail(`the header must have ${must} at character ${this.#at}, got ${quote(got)}`);
  }

  #skipBlanks(): void {
    while (' \n\t\r'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #take(character: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) this.#wrong(quote(character));
  }

  #word(word: string): boolean {
    this.#skipBlanks();
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  /** Without escapes, which no key and no plain element type has. */
  #string(): string {
    this.#skipBlanks();
    const mark = this.#text[this.#at];
    if (mark !== "'" && mark !== '"') this.#wrong('a string');
    const end = this.#text.indexOf(mark!, this.#at + 1);
    const text = end < 0 ? '\\' : this.#text.slice(this.#at + 1, end);
    if (text.includes('\\') || text.includes('\n')) this.#wrong('a plain string');
    this.#at = end + 1;
    return text;
  }

  #boolean(): boolean {
    if (this.#word('True')) return true;
    return this.#word('False') ? false : this.#wrong('True or False');
  }

  /** A string, or the list of a structured type, which is passed over. */
  #descr(): Pick<ArrayHeader, 'descr' | 'element'> {
    this.#skipBlanks();
    const begin = this.#at;
    if (this.#text[begin] !== '[' && this.#text[begin] !== '(') {
      const descr = this.#string();
      return { descr: shortened(descr), element: elementOf(descr) };
    }
    let depth = 0;
    do {
      const character = this.#text[this.#at];
      if (character === undefined) this.#wrong('the end of a list');
      if (character === "'" || character === '"') this.#passString(character!);
      else {
        if ('[('.includes(character!)) depth += 1;
        if ('])'.includes(character!)) depth -= 1;
        this.#at += 1;
      }
    } while (depth > 0);
    return { descr: shortened(this.#text.slice(begin, this.#at)), element: undefined };
  }

  #passString(mark: string): void {
    this.#at += 1;
    while (this.#text[this.#at] !== mark) {
      if (this.#at >= this.#text.length) this.#wrong('the end of a string');
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    }
    this.#at += 1;
  }

  /** `()`, `(3,)`, `(3, 4)`; Python 2 wrote `3L`. */
  #tuple(): number[] {
    const sizes: number[] = [];
    this.#expect('(');
    let isOpen = true;
    while (!this.#take(')')) {
      if (!isOpen) this.#wrong("','");
      sizes.push(this.#whole());
      if (sizes.length > mostRank) this.#fail(`the shape must have at most ${mostRank} sizes, got more`);
      isOpen = this.#take(',');
      if (!isOpen && sizes.length === 1) this.#wrong("','");
    }
    return sizes;
  }

  #whole(): number {
    this.#skipBlanks();
    const begin = this.#at;
    while (/[0-9]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
    const digits = this.#text.slice(begin, this.#at);
    if (digits.length === 0 || digits.length > 16 || !Number.isSafeInteger(Number(digits))) {
      this.#at = begin;
      this.#wrong('a size');
    }
    this.#word('L');
    return Number(digits);
  }
}
