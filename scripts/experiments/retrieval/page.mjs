// docs/experiments/retrieval.md, from recorded runs, and its picture.
import { Resvg } from '@resvg/resvg-js';
import { markdown, origin, percent, savePicture } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { k } from './run.mjs';
import { by, fonts } from './signs.mjs';

/** Shares of signs that must come first and among five, and of ids that rounding must leave in their places. */
const [least, leastOfFive, leastSame] = [0.5, 0.75, 0.99];

/** @param {readonly any[]} runs @returns {{ found: string, rounded: string }} verdicts by the page's rules */
export function judge(runs) {
  const by = (/** @type {(run: any) => boolean} */ isSeen) => inEach(runs, isSeen);
  return {
    found: by(({ first, five }) => first > least && five > leastOfFive),
    rounded: by(({ same }) => same.every((/** @type {number} */ x) => x >= leastSame)),
  };
}

/** @param {readonly any[]} runs with their `from` and `to` @param {string} effort */
export function pageOf(runs, effort) {
  const { found, rounded } = judge(runs);
  const rows = runs.map(({ from, to, signs, first, five, same }) => [
    `${fonts[from].file} in ${fonts[to].file}`,
    `${signs.length}`,
    ...[first, five, ...same].map(percent),
  ]);
  return `${[
    '# A sign by another font',
    origin('retrieval'),
    `Its ${effort}.`,
    'Letters and signs of Latin, Greek and Cyrillic are drawn by one DejaVu font and looked up among the same signs of another, by the cosine of 16 × 16 gray ' +
      'values without their mean: no network, nothing is learnt. Of signs that a font draws alike, such as A of three alphabets, one takes part.',
    markdown(['queries', 'signs', 'itself first', 'among five', 'ids as f32: f16', 'i8'], rows),
    `![Signs and the ${k} nearest of another font](../images/experiment-retrieval.png)`,
    '## Verdicts',
    `**A sign finds itself in another font: *${found}*.** The rule: of each pair of fonts, more than ${percent(least)} of the signs come first, and more than ` +
      `${percent(leastOfFive)} are among the first five.`,
    `**Rows in f16 and in codes of 8 bits are found as in f32: *${rounded}*.** The rule: at least ${percent(leastSame)} of the ids stand in the same place.`,
    'Missed in sans and serif are accents (ă is found as ā, û as ű) and letters of another alphabet that look alike (Υ for Y, к for ĸ); in the font of one width ' +
      'for all, wide capitals, which it draws narrow (H, N and Ω are found as M). Embeddings that a network has learnt see past that; a search finds what its numbers ' +
      'say, and no more.',
  ].join('\n\n')}\n`;
}

/** @param {any} run @param {string} folder @returns {string[]} the files */
export function drawFound({ from, to, signs, found }, folder) {
  const [step, size, columns] = [40, 28, 3];
  const shown = Array.from({ length: 30 }, (_, i) => Math.floor((i * signs.length) / 30));
  const texts = shown.flatMap((i, at) => {
    const [left, top] = [(at % columns) * (k + 3) * step, Math.floor(at / columns) * 1.2 * step];
    const cell = (
      /** @type {number} */ place,
      /** @type {number} */ sign,
      /** @type {string} */ family,
      /** @type {string} */ fill,
    ) =>
      `<text x="${left + (place + 1) * step}" y="${top + step}" text-anchor="middle" font-family="${family}" fill="${fill}">&#${signs[sign]};</text>`;
    const own = found.slice(i * k, (i + 1) * k);
    return [
      cell(0, i, fonts[/** @type {'sans'} */ (from)].family, '#0072B2'),
      ...own.map((/** @type {number} */ id, /** @type {number} */ place) =>
        cell(place + 1.5, id, fonts[/** @type {'sans'} */ (to)].family, id === i ? '#009E73' : 'black'),
      ),
    ];
  });
  const [width, height] = [columns * (k + 3) * step, 10 * 1.2 * step + step / 2];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-size="${size}"><rect width="100%" height="100%" fill="white"/>${texts.join('')}</svg>`;
  const files = [from, to].map((name) => fonts[/** @type {'sans'} */ (name)].file);
  return savePicture(new Resvg(svg, by(...files)).render(), folder, 'experiment-retrieval');
}
