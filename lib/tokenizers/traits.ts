import type { Steps } from '../core/turns.ts';
import type { Json, JsonObject } from '../files/json/reader.ts';

const metaspace = '\u2581';
const pauseValues = 1 << 11;

/** Statements of a normalizer, a pre-tokenizer or a decoder about how tokens spell text. */
export interface Traits {
  readonly byteLevel: boolean;
  readonly metaspace: boolean;
  readonly byteFallback: boolean;
}

/** Looks through all that a part consists of. */
export function* traitsOf(part: Json): Steps<Traits> {
  const traits = { byteLevel: false, metaspace: false, byteFallback: false };
  const left = [part];
  for (let count = 1; left.length > 0; ++count) {
    if (count % pauseValues === 0) yield;
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    if (!Array.isArray(value)) {
      const { type } = value;
      traits.byteLevel ||= type === 'ByteLevel';
      traits.metaspace ||= type === 'Metaspace' || (type === 'Replace' && replacesSpaces(value));
      traits.byteFallback ||= type === 'ByteFallback';
    }
    for (const member of Object.values(value)) left.push(member);
  }
  return traits;
}

/** A replacement of spaces by U+2581 or back. */
function replacesSpaces({ pattern, content }: JsonObject): boolean {
  const isObject = typeof pattern === 'object' && pattern !== null && !Array.isArray(pattern);
  const text = isObject ? pattern['String'] : pattern;
  return (text === metaspace && content === ' ') || (text === ' ' && content === metaspace);
}
