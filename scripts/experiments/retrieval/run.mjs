// Each sign as one font or house draws it, looked up among the signs of another; and words among all words.
import { emojiOf, houses } from './emoji.mjs';
import { foundBy } from './found.mjs';
import { fonts, signsOf } from './signs.mjs';
import { nearestWords } from './words.mjs';

/**
 * @typedef {{ revision: number, size: 'full' | 'quick' }} Of
 * @typedef {Of & { kind: 'letters', from: keyof typeof fonts, to: keyof typeof fonts }} Letters
 * @typedef {Of & { kind: 'emoji', from: keyof typeof houses, to: keyof typeof houses }} Emoji
 * @typedef {Of & { kind: 'words' }} Words
 * @typedef {Letters | Emoji | Words} Settings
 */

const most = { full: 2000, quick: 90 };
export const k = 8;

/** @param {Letters | Emoji} settings */
const tablesOf = ({ kind, size, ...pair }) => kind === 'letters'
  ? signsOf(fonts[/** @type {Letters} */ (pair).from], fonts[/** @type {Letters} */ (pair).to], most[size])
  : emojiOf(houses[/** @type {Emoji} */ (pair).from], houses[/** @type {Emoji} */ (pair).to], most[size]); // biome-ignore format: a line each

/** @param {Settings} settings */
export async function run(settings) {
  if (settings.kind === 'words') return nearestWords(settings.size);
  const { signs, queries, rows, dim } = tablesOf(settings);
  const found = await foundBy(dim, rows, queries, k);
  const [exact, ...rounded] = found;
  const share = (/** @type {number} */ first) =>
    signs.filter((_, i) => exact.subarray(i * k, i * k + first).includes(i)).length / signs.length;
  const same = rounded.map((ids) => ids.filter((id, i) => id === exact[i]).length / ids.length);
  return { signs, first: share(1), five: share(5), same, found: [...exact] };
}
