// Softmax regressions of real data: which digit an image is, and which language a message is in, by its words.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as nn from 'orthokit/nn';
import { loadDigits, pixels } from '../../../examples/digits/data.mjs';

/** @typedef {'digits' | 'words'} Data */
/** @typedef {{ x: Float64Array, labels: Int32Array, count: number, width: number, classes: number }} Problem the last column of x is 1 */

export const sizes = { full: 1500, quick: 60 };
const side = 14;
/** Words fall into so many columns by a hash. */
const columns = 256;
const languages = ['cs', 'de', 'es', 'fr', 'it', 'pl', 'pt-br', 'tr'];

/** So many numbers below `all`, by the seed. @param {number} all @param {number} count @param {number} seed */
const some = (all, count, seed) => nn.batches({ count: all, size: count, seed })[Symbol.iterator]().next().value.index;

/** @param {Data} data @param {'full' | 'quick'} size @param {number} seed @returns {Problem} */
export const problemOf = (data, size, seed) =>
  data === 'digits' ? digits(sizes[size], seed) : words(sizes[size], seed);

/** @param {number} count @param {number} seed @returns {Problem} */
function digits(count, seed) {
  const { train } = loadDigits();
  const width = side * side + 1;
  const x = new Float64Array(count * width);
  const index = some(train.labels.length, count, seed);
  for (const [i, from] of index.entries()) {
    for (let at = 0; at < pixels; ++at)
      x[i * width + Math.floor(at / 56) * side + Math.floor((at % 28) / 2)] += train.images[from * pixels + at] / 4;
    x[(i + 1) * width - 1] = 1;
  }
  return { x, labels: Int32Array.from(index, (from) => train.labels[from]), count, width, classes: 10 };
}

/** FNV-1a. @param {string} word */
function hashOf(word) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(word)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Messages of the TypeScript compiler; each is a row of length 1 beside its 1. @param {number} count @param {number} seed @returns {Problem} */
function words(count, seed) {
  const folder = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace('package.json', 'lib');
  const all = languages.flatMap((language, label) => {
    const messages = JSON.parse(readFileSync(`${folder}/${language}/diagnosticMessages.generated.json`, 'utf8'));
    return Object.values(messages).map((text) => ({ text: /** @type {string} */ (text), label }));
  });
  const width = columns + 1;
  const x = new Float64Array(count * width);
  const index = some(all.length, count, seed);
  for (const [i, from] of index.entries()) {
    const row = x.subarray(i * width, i * width + columns);
    for (const word of all[from].text.toLowerCase().match(/\p{L}+/gu) ?? []) row[hashOf(word) % columns] += 1;
    const length = Math.hypot(...row) || 1;
    for (let at = 0; at < columns; ++at) row[at] /= length;
    x[(i + 1) * width - 1] = 1;
  }
  return { x, labels: Int32Array.from(index, (from) => all[from].label), count, width, classes: languages.length };
}
