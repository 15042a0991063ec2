// Turns one handwritten digit into another: ink moves as the transport plan between the two says.
// usage: node examples/transport/morph.mjs [--images folder]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, sinkhorn, Tensor } from 'orthokit';
import { loadDigits, pixels } from '../digits/data.mjs';
import { Sheet } from './picture.mjs';

const side = 28;
const frames = 9;
const pairs = [
  [1, 7],
  [3, 8],
  [0, 6],
];

/**
 * The ink of a picture: positions in pixels, two numbers a point, and masses of total 1.
 * @param {Float32Array} image
 */
export function inkOf(image) {
  const inked = [...image.keys()].filter((k) => image[k] > 0.05);
  const total = inked.reduce((sum, k) => sum + image[k], 0);
  return {
    points: Float64Array.from(inked.flatMap((k) => [Math.floor(k / side), k % side])),
    masses: Float64Array.from(inked, (k) => image[k] / total),
    total,
  };
}

/**
 * The pictures on the way from one to the other, both ends included: each element of the plan moves on its straight line.
 * @param {Device} device @param {Float32Array} from @param {Float32Array} to
 */
export async function morph(device, from, to) {
  const [start, end] = [inkOf(from), inkOf(to)];
  const x = Tensor.from(device, start.points, [start.masses.length, 2]);
  const y = Tensor.from(device, end.points, [end.masses.length, 2]);
  // A small part of a squared pixel: hardly any blur.
  const result = await sinkhorn({ x, y }, { a: start.masses, b: end.masses, eps: 0.05, method: 'sns', tol: 1e-4 });
  const { rows, cols, values } = await result.plan({ threshold: 1e-7 });
  for (const own of [x, y, result]) own.dispose();
  const pictures = Array.from({ length: frames }, (_, frame) => {
    const t = frame / (frames - 1);
    const picture = new Float32Array(pixels);
    const ink = (1 - t) * start.total + t * end.total;
    for (const [k, value] of values.entries()) {
      const [i, j] = [2 * rows[k], 2 * cols[k]];
      const at = (/** @type {number} */ d) => (1 - t) * start.points[i + d] + t * end.points[j + d];
      spread(picture, at(0), at(1), ink * value);
    }
    return picture;
  });
  return { pictures, status: result.status, cost: result.cost };
}

/** Puts ink between the four pixels around a place. @param {Float32Array} picture @param {number} row @param {number} column @param {number} ink */
function spread(picture, row, column, ink) {
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [down, right] = [row - top, column - left];
  for (const [r, c, share] of [
    [top, left, (1 - down) * (1 - right)],
    [top, left + 1, (1 - down) * right],
    [top + 1, left, down * (1 - right)],
    [top + 1, left + 1, down * right],
  ])
    if (share > 0 && r < side && c < side) picture[r * side + c] += share * ink;
}

if (process.argv[1] === import.meta.filename) {
  const images = path.join(import.meta.dirname, '..', '..', 'docs', 'images');
  const { values } = parseArgs({ options: { images: { type: 'string', default: images } } });
  const { train } = loadDigits();
  const imageOf = (/** @type {number} */ digit) => {
    const k = train.labels.indexOf(digit);
    return train.images.subarray(k * pixels, (k + 1) * pixels);
  };
  const device = Device.open('cpu');
  const sheet = new Sheet(frames, pairs.length, side, 2);
  for (const [row, [first, second]] of pairs.entries()) {
    const { pictures, status, cost } = await morph(device, imageOf(first), imageOf(second));
    console.log(`${first} to ${second}: ${status}, mean squared way ${cost.toFixed(2)} pixels²`);
    for (const [column, picture] of pictures.entries()) sheet.draw(column, row, picture);
  }
  await device.close();
  console.log(`Pictures: ${path.relative(process.cwd(), sheet.write(values.images, 'morph'))}`);
}
