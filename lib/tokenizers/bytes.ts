import { TextDecoder } from 'node:util';

/** A printable character a byte: GPT-2's alphabet. */
function alphabet(): Map<number, number> {
  const bytes = new Map<number, number>();
  let next = 256;
  for (let byte = 0; byte < 256; ++byte) {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    bytes.set(isPrintable ? byte : next++, byte);
  }
  return bytes;
}

const byteOf = alphabet();

/** Text as bytes, one character a byte: cheap to compare and to cut. */
export type Bytes = string;

export function utf8(text: string): Bytes {
  for (let i = 0; i < text.length; ++i) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text).toString('latin1');
  }
  return text;
}

/** The bytes that a byte-level token stands for; one with characters outside the alphabet stands for its own text. */
export function fromByteLevel(token: string): Bytes {
  let bytes = '';
  for (let i = 0; i < token.length; ++i) {
    const byte = byteOf.get(token.charCodeAt(i));
    if (byte === undefined) return utf8(token);
    bytes += String.fromCharCode(byte);
  }
  return bytes;
}

const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

/** The byte of a token `<0xHH>`. */
export function fallbackByte(token: string): Bytes | undefined {
  const [, digits] = token.length === 6 ? (byteToken.exec(token) ?? []) : [];
  return digits === undefined ? undefined : String.fromCharCode(Number.parseInt(digits, 16));
}

const characterOf = new Map([...byteOf].map(([character, byte]) => [byte, String.fromCharCode(character)]));

/** The spelling of a byte in a byte-level vocabulary. */
export function toByteLevel(byte: number): string {
  return characterOf.get(byte) ?? '';
}

/** The spelling of a byte by a byte fallback. */
export function toFallback(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes that are UTF-8. */
export function textOf(bytes: Bytes): string | undefined {
  try {
    return decoder.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}
