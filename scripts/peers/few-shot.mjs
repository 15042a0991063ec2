// node scripts/peers/few-shot.mjs [tasks] [dimensions] [turns]: 5-way 1-shot tasks of 75 queries by SLK-Means, f32 features on one
// thread, against the operations of the authors' program in NumPy, SciPy and scikit-learn: without the pool of processes that it
// opens in each outer iteration, and with it, of the first tasks. Prints a line each: the least milliseconds of processors, ours
// before and after; and the share of labels that are the same, as the graphs differ.
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
  const race = async () => {
    for (let round = 0; round < 5; ++round) {
      const begin = process.cpuUsage();
      const result = await transductiveCluster(given);
      const { user, system } = process.cpuUsage(begin);
      ours = Math.min(ours, (user + system) / 1000);
      own = result.labels;
      result.probabilities.dispose();
      result.prototypes.dispose();
    }
  };
  await race();
  for (const [name, array] of Object.entries({ support, query, labels, own }))
    writeFileSync(path.join(folder, name), new Uint8Array(array.buffer));
  console.log(`${tasks} tasks of ${classes + queries} x ${d}, one thread, ms of processors`);
  const forms = [['serial', tasks], ['pools', Math.min(tasks, 20)]]; // biome-ignore format: one line
  for (let i = 0; i < turns; ++i)
    for (const [form, some] of forms) {
      const answer = turn(
        [python, here('few_shot_peer.py'), folder, tasks, classes, queries, classes, d, form, some],
        limit,
      );
      if (answer.skipped) throw new Error(answer.skipped);
      await race();
      console.log(`orthokit ${ours.toFixed(0)}; ${form} ${answer.min_ms.toFixed(0)}, ${(answer.min_ms / ours).toFixed(1)} times; ${(100 * answer.same).toFixed(1)} % of labels are the same`); // biome-ignore format: one line
    }
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}
