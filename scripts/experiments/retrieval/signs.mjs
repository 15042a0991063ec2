// Letters and signs as several fonts draw them, as rows of numbers.
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';

/** Pixels of a cell's side as it is drawn, and as it is compared. */
const drawn = 48;
export const compared = 16;
const across = 32;

/** Latin, Greek and Cyrillic. */
const ranges = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0x17f],
  [0x388, 0x38a],
  [0x38e, 0x3a1],
  [0x3a3, 0x3ce],
  [0x400, 0x45f],
];
export const alphabet = ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));

/** @param {readonly number[]} signs @param {string} family */
export function sheetOf(signs, family) {
  const cells = signs.map((sign, i) => {
    const [x, y] = [(i % across) * drawn + drawn / 2, Math.floor(i / across) * drawn + 0.7 * drawn];
    return `<text x="${x}" y="${y}" text-anchor="middle">&#${sign};</text>`;
  });
  const [width, height] = [across * drawn, Math.ceil(signs.length / across) * drawn];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${family}" font-size="${0.6 * drawn}">
<rect width="100%" height="100%" fill="white"/>${cells.join('')}</svg>`;
}

/** Options of a drawing by fonts of the package. @param {...string} files */
export const by = (...files) => ({
  font: {
    loadSystemFonts: false,
    fontFiles: files.map((file) => createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${file}.ttf`)),
  },
});

/** Each sign in 16 × 16 means of its pixels. @param {readonly number[]} signs @param {string} file @param {string} family */
export function pictures(signs, file, family) {
  const { pixels, width } = new Resvg(sheetOf(signs, family), by(file)).render();
  const step = drawn / compared;
  return signs.map((_, i) => {
    const [left, top] = [(i % across) * drawn, Math.floor(i / across) * drawn];
    const picture = new Float32Array(compared ** 2);
    for (let y = 0; y < drawn; ++y)
      for (let x = 0; x < drawn; ++x) {
        const ink = 1 - pixels[4 * ((top + y) * width + left + x)] / 255;
        picture[Math.floor(y / step) * compared + Math.floor(x / step)] += ink / step ** 2;
      }
    return picture;
  });
}

/** @typedef {{ file: string, family: string }} Font */
/** @type {Record<'sans' | 'serif' | 'mono' | 'bold', Font>} */
export const fonts = {
  sans: { file: 'DejaVuSans', family: 'DejaVu Sans' },
  serif: { file: 'DejaVuSerif', family: 'DejaVu Serif' },
  mono: { file: 'DejaVuSansMono', family: 'DejaVu Sans Mono' },
  bold: { file: 'DejaVuSans-Bold', family: 'DejaVu Sans' },
};

/**
 * Signs that two fonts draw, each as a row of numbers of mean 0. Of those that a font draws alike, such as A of three alphabets, the
 * first remains.
 *
 * @param {Font} from @param {Font} to @param {number} most
 */
export function signsOf(from, to, most) {
  const own = [from, to].map(({ file, family }) => pictures(alphabet, file, family));
  const seen = own.map(() => new Set());
  const kept = [...alphabet.keys()].filter((i) => {
    const texts = own.map((all) => String(all[i]));
    const isNew = texts.every((text, font) => !seen[font].has(text) && own[font][i].some((x) => x > 0));
    for (const [font, text] of texts.entries()) seen[font].add(text);
    return isNew;
  });
  const chosen = kept.slice(0, most);
  const rows = own.map((all) => {
    const flat = new Float32Array(chosen.length * compared ** 2);
    for (const [row, i] of chosen.entries()) {
      const mean = all[i].reduce((sum, x) => sum + x, 0) / compared ** 2;
      flat.set(all[i].map((x) => x - mean), row * compared ** 2); // biome-ignore format: one line
    }
    return flat;
  });
  return { signs: chosen.map((i) => alphabet[i]), queries: rows[0], rows: rows[1], dim: compared ** 2 };
}
