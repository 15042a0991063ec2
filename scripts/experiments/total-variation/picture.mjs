// A made picture with what photographs have: flat places, slopes, edges and fine detail; parts of photographs; and noise.
import { crop, photograph } from '../photographs.mjs';
import { uniform } from '../policy/play.mjs';

export const side = 48;

/** Rows of numbers from 0 to 1. */
export function clean() {
  const picture = new Float64Array(side * side);
  for (let i = 0; i < side; ++i)
    for (let j = 0; j < side; ++j) {
      let value = 0.25 + (0.5 * j) / side;
      if ((i - 14) ** 2 + (j - 14) ** 2 < 81) value = 0.9;
      if (i > 28 && j < 20) value = 0.15;
      // Detail that a large weight would wash away.
      if (i > 26 && j > 26) value = 0.5 + 0.35 * Math.sin(1.6 * i) * Math.sin(1.6 * j);
      picture[i * side + j] = value;
    }
  return picture;
}

/** Seeds of which a picture is a photograph: parts with sky and rocks, masts and rigging, streets and roofs. */
const photographs = /** @type {const} */ ({
  4: { name: 'alps', columns: 192, row: 20, column: 60 },
  5: { name: 'boats', columns: 192, row: 60, column: 70 },
  6: { name: 'airplane', columns: 192, row: 40, column: 70 },
});

/** The clean picture of a seed: of the first three the made one. @param {number} seed @returns {Float64Array} */
export function cleanOf(seed) {
  const own = Object.hasOwn(photographs, seed) ? photographs[/** @type {4} */ (seed)] : undefined;
  if (!own) return clean();
  const { name, columns, row, column } = own;
  return crop(photograph(name, columns), { row, column, rows: side, columns: side }).values;
}

/** That with normal noise, by the method of Box and Muller. @param {number} seed @param {number} deviation */
export function noisy(seed, deviation) {
  const random = uniform(seed);
  return cleanOf(seed).map(
    (x) => x + deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}
