// Memory on which JavaScript writes calls, and from which native code reads them: there each value costs a nanosecond
// to look at, through Node-API about fifty.
import { native } from './native.ts';

/** Numbers of a call; one with more goes through Node-API. */
export const size = 8192;
/**
 * A call; then the count of calls that have been begun, as a getter of a list may make one while another is. Copies of
 * this file that share the binary share it.
 */
export const sheet: Float64Array = native.lendSheet(new Float64Array(size + 1));

/** Tells a call that is being written that another one has been: it may have written here, or moved what was named. */
export function begin(): number {
  const mine = sheet[size]! + 1;
  sheet[size] = mine;
  return mine;
}

const words = new Map<string, number>();
/** Words that native code is asked to keep, and their letters: those of all operations are fewer. */
const mostWords = 1024;
const mostLetters = 63;

/** The number by which calls name a word; −1: it has none. */
export function numberOf(text: string): number {
  const known = words.get(text);
  if (known !== undefined) return known;
  if (words.size === mostWords || text.length > mostLetters) return -1;
  const made = native.numberOfWord(text);
  words.set(text, made);
  return made;
}
