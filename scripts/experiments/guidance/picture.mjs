// A grid of digits: a block for each way, a row for each scale, a column for each class.
import { savePicture } from '../parts.mjs';
import { classes, pixels, side } from './digits.mjs';
import { most, scales, ways } from './run.mjs';

const [zoom, gap, between, across] = [3, 2, 14, 2];
const [orange, blue] = [
  [213, 94, 0],
  [0, 114, 178],
];

/** @param {number} value in hundredths: white paper at −100, black ink at 100, blue and orange beyond @returns {readonly number[]} */
function colourOf(value) {
  if (value > 100 * most) return orange;
  if (value < -100 * most) return blue;
  const grey = Math.round((255 * (1 - Math.min(1, Math.max(-1, value / 100)))) / 2 / 17) * 17;
  return [grey, grey, grey];
}

/** @param {Record<string, readonly number[]>} shown of each way and scale the pixels of a digit of each class, in hundredths @param {string} folder @returns {string[]} the file */
export function drawGrid(shown, folder) {
  const cell = zoom * side + gap;
  const names = Object.keys(ways);
  const [wide, high] = [classes * cell + between, scales.length * cell + between];
  const [width, height] = [across * wide - between, Math.ceil(names.length / across) * high - between];
  const out = new Uint8Array(4 * width * height).fill(255);
  for (const [w, way] of names.entries())
    for (const [s, scale] of scales.entries())
      for (let c = 0; c < classes; ++c) {
        const own = shown[`${way} ${scale}`].slice(c * pixels, (c + 1) * pixels);
        for (let y = 0; y < zoom * side; ++y)
          for (let x = 0; x < zoom * side; ++x) {
            const colour = colourOf(own[Math.floor(y / zoom) * side + Math.floor(x / zoom)]);
            const [left, top] = [(w % across) * wide + c * cell + x, Math.floor(w / across) * high + s * cell + y];
            out.set(colour, 4 * (top * width + left));
          }
      }
  return savePicture({ width, height, pixels: out }, folder, 'experiment-guidance');
}
