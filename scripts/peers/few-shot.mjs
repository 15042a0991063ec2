// node scripts/peers/few-shot.mjs [tasks] [dimensions] [turns]: 5-way 1-shot tasks of 75 queries by SLK-Means, f32 features on one
// thread, against the authors' form in NumPy, SciPy and scikit-learn. Prints a line each: the least milliseconds of processors;
// and the share of labels that are the same, as the graphs differ.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, Tensor } from 'orthokit';
import { transductiveCluster } from 'orthokit/data';
import { here, python, turn } from './turns.mjs';

const [tasks = 600, d = 512, turns = 1] = process.argv.slice(2).map(Number);
const [classes, queries] = [5, 75];
const limit = 600_000;
const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
try {
  // Centers, and noise about them: as far from each other as features of a network are.
  const middles = await Tensor.randn(device, [tasks, classes, d], { seed: 1 }).read();
  const around = (rows, seed) => {
    const x = Tensor.randn(device, [tasks, rows, d], { seed });
    return x.read().then((values) =>
      values.map((v, at) => {
        const [row, j] = [Math.floor(at / d), at % d];
        return v + 0.2 * middles[(Math.floor(row / rows) * classes + (row % classes)) * d + j];
      }),
    );
  };
  const [support, query] = [await around(classes, 2), await around(queries, 3)];
  const labels = Int32Array.from({ length: tasks * classes }, (_, i) => i % classes);
  const given = {
    support: Tensor.from(device, support, [tasks, classes, d]),
    query: Tensor.from(device, query, [tasks, queries, d]),
    supportLabels: labels,
    classes,
  };
  let ours = Infinity;
  let own;
  for (let round = 0; round < 3; ++round) {
    const begin = process.cpuUsage();
    const result = await transductiveCluster(given);
    const { user, system } = process.cpuUsage(begin);
    ours = Math.min(ours, (user + system) / 1000);
    own = result.labels;
    result.probabilities.dispose();
    result.prototypes.dispose();
  }
  for (const [name, array] of Object.entries({ support, query, labels, own }))
    writeFileSync(path.join(folder, name), new Uint8Array(array.buffer));
  console.log(`${tasks} tasks of ${classes + queries} x ${d}, one thread, ms of processors`);
  console.log(`orthokit: ${ours.toFixed(0)}`);
  for (let i = 0; i < turns; ++i) {
    const answer = turn([python, here('few_shot_peer.py'), folder, tasks, classes, queries, classes, d], limit);
    if (answer.skipped) throw new Error(answer.skipped);
    console.log(`NumPy: ${answer.min_ms.toFixed(0)}, ${(answer.min_ms / ours).toFixed(1)} times; ${(100 * answer.same).toFixed(1)} % of labels are the same`); // biome-ignore format: one line
  }
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}
