// Each sign as one font draws it, looked up among the signs of another.
import { Device } from 'orthokit';
import { RetrievalDatabase } from 'orthokit/data';
import { fonts, signsOf } from './signs.mjs';

/** @typedef {{ revision: number, size: 'full' | 'quick', from: keyof typeof fonts, to: keyof typeof fonts }} Settings */

const most = { full: 1000, quick: 90 };
export const k = 8;

/** @param {Settings} settings */
export async function run({ size, from, to }) {
  const { signs, queries, rows, dim } = signsOf(fonts[from], fonts[to], most[size]);
  const device = Device.open('cpu');
  const found = [];
  for (const dtype of /** @type {const} */ (['f32', 'f16', 'i8'])) {
    const db = new RetrievalDatabase(device, dim, { dtype });
    await db.add(rows);
    found.push((await db.search(queries, k)).ids);
    db.dispose();
  }
  await device.close();
  const [exact, ...rounded] = found;
  const share = (/** @type {number} */ first) =>
    signs.filter((_, i) => exact.subarray(i * k, i * k + first).includes(i)).length / signs.length;
  const same = rounded.map((ids) => ids.filter((id, i) => id === exact[i]).length / ids.length);
  return { signs, first: share(1), five: share(5), same, found: [...exact] };
}
