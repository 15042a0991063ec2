// Letters as all DejaVu fonts draw them: some letters of some fonts teach a network, others of other fonts are never seen.
import { alphabet, compared, pictures } from '../retrieval/signs.mjs';

export const side = compared;

const styles = (/** @type {string} */ file, /** @type {readonly string[]} */ names) =>
  names.map((name) => file + (name && `-${name}`));
/** Files of fonts by family: a network learns from those of sans, and is asked about those of serif and of one width. */
const families = {
  taught: [
    { family: 'DejaVu Sans', files: styles('DejaVuSans', ['', 'Bold', 'Oblique', 'BoldOblique', 'ExtraLight']) },
    { family: 'DejaVu Sans Condensed', files: styles('DejaVuSansCondensed', ['', 'Bold', 'Oblique', 'BoldOblique']) },
  ],
  unseen: [
    { family: 'DejaVu Serif', files: styles('DejaVuSerif', ['', 'Bold', 'Italic', 'BoldItalic']) },
    { family: 'DejaVu Serif Condensed', files: styles('DejaVuSerifCondensed', ['', 'Bold', 'Italic', 'BoldItalic']) },
    { family: 'DejaVu Sans Mono', files: styles('DejaVuSansMono', ['', 'Bold', 'Oblique', 'BoldOblique']) },
  ],
};

/** @typedef {{ signs: readonly number[], fonts: number, images: Float32Array[][] }} Glyphs images by font and sign, of side × side */

/** @param {readonly { family: string, files: readonly string[] }[]} from @param {readonly number[]} signs @returns {Glyphs} */
function drawn(from, signs) {
  const images = from.flatMap(({ family, files }) => files.map((file) => pictures(signs, file, family)));
  return { signs, fonts: images.length, images };
}

/** Every third letter is never seen by the network; the first third of these chooses λ, the others are the test. @param {'full' | 'quick'} size */
export function glyphsOf(size) {
  const letters = alphabet
    .filter((sign) => /\p{L}/u.test(String.fromCodePoint(sign)))
    .slice(0, size === 'full' ? undefined : 60);
  const isAlike = alikeIn(letters);
  const own = letters.filter((_, i) => !isAlike[i]);
  const held = own.filter((_, i) => i % 3 === 2);
  const small = size === 'quick';
  const some = (/** @type {typeof families.taught} */ from) => (small ? from.slice(0, 1) : from);
  return {
    taught: drawn(
      some(families.taught),
      own.filter((_, i) => i % 3 !== 2),
    ),
    choosing: drawn(
      some(families.taught),
      held.filter((_, i) => i % 3 === 0),
    ),
    unseen: drawn(
      some(families.unseen),
      held.filter((_, i) => i % 3 !== 0),
    ),
  };
}

/** Signs that a font draws like one before, such as A of three alphabets. @param {readonly number[]} signs */
function alikeIn(signs) {
  const seen = new Set();
  return pictures(signs, 'DejaVuSerif', 'DejaVu Serif').map((picture) => {
    const text = String(picture);
    const isKnown = seen.has(text) || picture.every((x) => x === 0);
    seen.add(text);
    return isKnown;
  });
}

/** A picture moved by up to a pixel and a half each way, with noise: no two of a letter are alike. @param {Float32Array} picture @param {() => number} random @param {Float32Array} out @param {number} at */
export function jittered(picture, random, out, at) {
  const [dx, dy] = [3 * random() - 1.5, 3 * random() - 1.5];
  const [fx, fy] = [Math.floor(dx), Math.floor(dy)];
  const [wx, wy] = [dx - fx, dy - fy];
  const pixel = (/** @type {number} */ y, /** @type {number} */ x) =>
    y >= 0 && y < side && x >= 0 && x < side ? picture[y * side + x] : 0;
  for (let y = 0; y < side; ++y)
    for (let x = 0; x < side; ++x) {
      const [a, b] = [y + fy, x + fx];
      const value =
        (1 - wy) * ((1 - wx) * pixel(a, b) + wx * pixel(a, b + 1)) +
        wy * ((1 - wx) * pixel(a + 1, b) + wx * pixel(a + 1, b + 1));
      out[at + y * side + x] = value + 0.2 * (random() - 0.5);
    }
}
