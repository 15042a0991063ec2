// The images of each way: a block, a column for each class.

import { classes, pixels, side } from '../guidance/digits.mjs';
import { savePicture } from '../parts.mjs';

const [zoom, gap, between, across] = [2, 2, 14, 2];

/** @param {readonly { shown: readonly number[] }[]} found images of each way, in hundredths from −100 to 100 @param {string} folder @returns {string[]} the file */
export function drawDigits(found, folder) {
  const cell = zoom * side + gap;
  const rows = found[0].shown.length / pixels / classes;
  const [wide, high] = [classes * cell + between, rows * cell + between];
  const [width, height] = [across * wide - between, Math.ceil(found.length / across) * high - between];
  const out = new Uint8Array(4 * width * height).fill(255);
  for (const [w, { shown }] of found.entries())
    for (let i = 0; i < rows * classes; ++i)
      for (let y = 0; y < zoom * side; ++y)
        for (let x = 0; x < zoom * side; ++x) {
          const value = shown[i * pixels + Math.floor(y / zoom) * side + Math.floor(x / zoom)];
          const grey = Math.round((255 * (1 - value / 100)) / 2 / 17) * 17;
          const [left, top] = [
            (w % across) * wide + (i % classes) * cell + x,
            Math.floor(w / across) * high + Math.floor(i / classes) * cell + y,
          ];
          out.set([grey, grey, grey], 4 * (top * width + left));
        }
  return savePicture({ width, height, pixels: out }, folder, 'experiment-distill');
}
