/** @import { Device } from 'orthokit' */

const rounds = 7;
const repetitions = 10;

/** The way in which {@link shareOf} measures, for the footnote of a table. */
export const method = `${repetitions} steps of the optimizer alone, ${repetitions} of the rest, in turns; median of ${rounds}`;

/**
 * The share of the time of `part` and `rest` that goes to `part`. Both are timed in turns, so that a busy moment of the machine
 * hits both, with the queue empty at the start and at the end of each.
 *
 * @param {Device} device
 * @param {() => void} part queues work
 * @param {() => void} rest queues work
 * @returns {Promise<number>} 0 to 1
 */
export async function shareOf(device, part, rest) {
  const shares = [];
  for (let round = 0; round < rounds; round++) {
    const partTime = await timeOf(device, part);
    const restTime = await timeOf(device, rest);
    shares.push(partTime / (partTime + restTime));
  }
  return shares.sort((a, b) => a - b)[(rounds - 1) / 2];
}

/** @param {Device} device @param {() => void} work */
async function timeOf(device, work) {
  await device.synchronize();
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) work();
  await device.synchronize();
  return performance.now() - start;
}
