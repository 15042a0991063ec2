import { Device } from 'orthokit';
import { RetrievalDatabase } from 'orthokit/data';

/**
 * The `k` nearest rows of each query by their cosine, with rows in f32, in f16 and in codes of 8 bits.
 *
 * @param {number} dim @param {Float32Array} rows @param {Float32Array} queries @param {number} k
 * @returns {Promise<Int32Array[]>}
 */
export async function foundBy(dim, rows, queries, k) {
  const device = Device.open('cpu');
  const found = [];
  for (const dtype of /** @type {const} */ (['f32', 'f16', 'i8'])) {
    const db = new RetrievalDatabase(device, dim, { dtype });
    await db.add(rows);
    found.push((await db.search(queries, k)).ids);
    db.dispose();
  }
  await device.close();
  return found;
}
