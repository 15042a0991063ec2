// node scripts/peers/kmeans.mjs [rows] [columns] [turns]: k-means of the numbers of each row, f32 on one thread, against
// scikit-learn's KMeans with one start, a row at a time. Ours must not leave more squares than theirs, within 0.1 %. Prints a line
// each: the least milliseconds of processors, and the ratio, which the project wants to be 20.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, ops, Tensor } from 'orthokit';
import { here, python, turn } from './turns.mjs';

const [rows = 16, columns = 4096, turns = 2] = process.argv.slice(2).map(Number);
const rounds = 10;
const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));

/** Σ of the squared distances to the nearest number of the row's codebook. */
function squaresOf(x, books, clusters) {
  let sum = 0;
  for (const [i, value] of x.entries()) {
    const from = Math.floor(i / columns) * clusters;
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < clusters; ++k) least = Math.min(least, (value - books[from + k]) ** 2);
    sum += least;
  }
  return sum;
}

try {
  const x = Tensor.randn(device, [rows, columns], { seed: 1 });
  const numbers = await x.read();
  writeFileSync(path.join(folder, 'x'), new Uint8Array(numbers.buffer));
  console.log(`${rows} rows of ${columns} normal numbers, one thread, ms of processors`);
  for (const clusters of [4, 8, 16, 64]) {
    const codebooks = Tensor.zeros(device, [rows, clusters]);
    let ours = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; ++round) {
      const begin = process.cpuUsage();
      ops.kmeansRows(device, { x, codebooks });
      await device.synchronize();
      const { user, system } = process.cpuUsage(begin);
      ours = Math.min(ours, (user + system) / 1000);
    }
    const squares = squaresOf(numbers, await codebooks.read(), clusters);
    let theirs = Number.POSITIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < turns; ++i) {
      const answer = turn([python, here('kmeans_peer.py'), folder, rows, columns, clusters]);
      if (answer.skipped) throw new Error(answer.skipped);
      theirs = Math.min(theirs, answer.min_ms);
      least = Math.min(least, answer.squares);
    }
    if (!(squares <= 1.001 * least)) throw new Error(`${clusters} means leave ${squares} where theirs leave ${least}`);
    const ratio = (theirs / ours).toFixed(1);
    console.log(
      `${clusters} means: orthokit ${ours.toFixed(2)}, scikit-learn ${theirs.toFixed(1)}, ${ratio} times; squares ${(squares / least).toFixed(5)} of theirs`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}
