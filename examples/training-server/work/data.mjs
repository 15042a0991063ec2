import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { Device, loadTensors } from 'orthokit';
import { limits } from '../limits.mjs';
import { JobError } from './job-error.mjs';

/**
 * @typedef {object} Images
 * @property {Float32Array} images one after the other
 * @property {Int32Array} labels
 */

/**
 * Images to train and to test: the digits that the example has, or a file of the server's data folder with `images`
 * [N, …] and `labels` [N], of which every fifth is for testing.
 *
 * @param {string | undefined} folder
 * @param {string} name
 * @returns {Promise<{ train: Images, test: Images, size: number, classes: number }>}
 */
export async function imagesOf(folder, name) {
  if (name === 'digits') {
    const { loadDigits } = await import('../../digits/data.mjs');
    return { ...loadDigits(), size: 784, classes: 10 };
  }
  const device = Device.open('cpu', { threads: 1 });
  try {
    const { images, labels } = await loadTensors(await fileOf(folder, `${name}.safetensors`), device);
    const count = labels?.size ?? 0;
    if (images?.dtype !== 'f32' || labels?.dtype !== 'i32' || labels.shape.length !== 1)
      throw new JobError('ERR_FORMAT', `the data ${name} must have images in f32 and labels in i32`);
    if (count < 5 || images.shape[0] !== count || images.size === 0)
      throw new JobError('ERR_SHAPE', `the data ${name} must have as many images as labels, 5 at least`);
    const [pixels, numbers] = [await images.read(), await labels.read()];
    const classes = Array.from(numbers).reduce((most, label) => Math.max(most, label), 0) + 1;
    if (numbers.some((label) => label < 0) || classes > 65_536)
      throw new JobError('ERR_ARGUMENT', `the data ${name} must have labels from 0 to 65535`);
    const size = images.size / count;
    const part = (/** @type {(index: number) => boolean} */ isIn) => {
      const rows = Array.from(numbers.keys()).filter(isIn);
      const own = new Float32Array(rows.length * size);
      for (const [i, row] of rows.entries()) own.set(pixels.subarray(row * size, (row + 1) * size), i * size);
      return { images: own, labels: Int32Array.from(rows, (row) => numbers[row]) };
    };
    return { train: part((i) => i % 5 !== 4), test: part((i) => i % 5 === 4), size, classes };
  } finally {
    await device.close();
  }
}

/**
 * A text as letters by number, its last twentieth for tests: Moby-Dick, or a file of the server's data folder.
 *
 * @param {string | undefined} folder
 * @param {string} name
 */
export async function textOf(folder, name) {
  if (name === 'moby-dick') return (await import('../../gpt/text.mjs')).loadText();
  const file = await fileOf(folder, `${name}.txt`);
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const text = [...(await handle.readFile('utf8'))];
    const letters = [...new Set(text)].sort();
    if (letters.length > 4096) throw new JobError('ERR_ARGUMENT', `the text ${name} must have at most 4096 letters`);
    const numbers = new Map(letters.map((letter, i) => [letter, i]));
    const all = Int32Array.from(text, (letter) => numbers.get(letter) ?? 0);
    const split = Math.floor(0.95 * all.length);
    return { letters, train: all.subarray(0, split), test: all.subarray(split) };
  } finally {
    await handle.close();
  }
}

/** A regular file of the folder, of bounded size. @param {string | undefined} folder @param {string} name */
async function fileOf(folder, name) {
  const missing = new JobError('ERR_ARGUMENT', `there are no data of the name ${path.parse(name).name}`);
  if (folder === undefined) throw missing;
  const file = path.join(folder, name);
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => {
    throw missing;
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw missing;
    if (stat.size > limits.dataBytes)
      throw new JobError('ERR_UNSUPPORTED', `data must have at most ${limits.dataBytes} bytes, got ${stat.size}`);
    return file;
  } finally {
    await handle.close();
  }
}
