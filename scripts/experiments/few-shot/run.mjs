// Five letters that a network has never seen, in fonts that it has never seen, of one example each.
import { Device, Tensor } from 'orthokit';
import { transductiveCluster } from 'orthokit/data';
import { uniform } from '../uniform.mjs';
import { clusterDigits } from './digits.mjs';
import { glyphsOf, jittered, side } from './glyphs.mjs';
import { taught, width } from './network.mjs';

/** @import { Glyphs } from './glyphs.mjs' */
/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number }} Settings */

export const sizes = { full: { steps: 700, tasks: 600 }, quick: { steps: 30, tasks: 20 } };
export const [classes, queries, temperature] = [5, 15, 10];
/** Weights of the graph of which the best on other letters is taken. */
export const lambdas = [0.3, 0.7, 1.2, 2, 3, 5, 8];
/** @typedef {{ mode: 'fixed' | 'means' | 'modes', graph: boolean, shift: boolean }} Way */
/** @type {Record<string, Way>} */
export const ways = {
  'nearest prototype': { mode: 'fixed', graph: false, shift: false },
  'nearest prototype, queries moved': { mode: 'fixed', graph: false, shift: true },
  'Laplacian (LaplacianShot)': { mode: 'fixed', graph: true, shift: true },
  'K-means': { mode: 'means', graph: false, shift: true },
  'K-means with the graph (SLK-Means)': { mode: 'means', graph: true, shift: true },
  'mean shift with the graph (SLK-MS)': { mode: 'modes', graph: true, shift: true },
};

/** Tasks: of each class one example, and queries that are drawn by other fonts. @param {Glyphs} glyphs @param {number} count @param {number} seed */
function tasksOf({ signs, fonts, images }, count, seed) {
  const random = uniform(seed);
  const size = side * side;
  const support = new Float32Array(count * classes * size);
  const query = new Float32Array(count * classes * queries * size);
  for (let t = 0; t < count; ++t) {
    const chosen = new Set();
    while (chosen.size < classes) chosen.add(Math.floor(random() * signs.length));
    for (const [c, sign] of [...chosen].entries()) {
      const own = Math.floor(random() * fonts);
      jittered(images[own][sign], random, support, (t * classes + c) * size);
      for (let q = 0; q < queries; ++q) {
        const other = (own + 1 + Math.floor(random() * (fonts - 1))) % fonts;
        jittered(images[other][sign], random, query, ((t * classes + c) * queries + q) * size);
      }
    }
  }
  return { support, query, count };
}

/** @param {Settings} settings */
export async function run({ size: name, seed }) {
  const { steps, tasks } = sizes[name];
  const device = Device.open('cpu', { threads: 1 });
  const { taught: own, choosing, unseen } = glyphsOf(name);
  const { loss, features } = await taught(device, own, { steps, seed });
  const known = new Float32Array(2000 * side * side);
  const random = uniform(77 + seed);
  for (let i = 0; i < 2000; ++i)
    jittered(own.images[i % own.fonts][Math.floor(random() * own.signs.length)], random, known, i * side * side);
  const rows = await features(known);
  const mean = Float32Array.from({ length: width }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < 2000; ++i) sum += rows[i * width + j] / 2000;
    return sum;
  });
  const baseMean = Tensor.from(device, mean, [width]);

  /** @param {ReturnType<typeof tasksOf>} from */
  const tensors = async ({ support, query, count }) => ({
    support: Tensor.from(device, await features(support), [count, classes, width]),
    query: Tensor.from(device, await features(query), [count, classes * queries, width]),
    supportLabels: Int32Array.from({ length: count * classes }, (_, i) => i % classes),
  });
  /** @param {Awaited<ReturnType<typeof tensors>>} given @param {Way} way @param {number} lambda */
  const asked = async (given, { mode, graph, shift }, lambda) => {
    const { labels, probabilities, prototypes } = await transductiveCluster({
      ...given,
      classes,
      mode,
      shift,
      baseMean,
      temperature,
      lambda: graph ? lambda : 0,
    });
    for (const tensor of [probabilities, prototypes]) tensor.dispose();
    return labels;
  };
  /** Shares of right labels, by task. @param {Int32Array} labels @param {number} count */
  const shares = (labels, count) => {
    const each = classes * queries;
    return Array.from({ length: count }, (_, t) => {
      let right = 0;
      for (let i = 0; i < each; ++i) right += Number(labels[t * each + i] === Math.floor(i / queries));
      return right / each;
    });
  };
  const average = (/** @type {readonly number[]} */ x) => x.reduce((sum, value) => sum + value / x.length, 0);

  const [first, second] = [tasksOf(choosing, tasks, 10 + seed), tasksOf(unseen, tasks, 20 + seed)];
  const [forChoice, forTest] = [await tensors(first), await tensors(second)];
  const found = [];
  for (const [way, how] of Object.entries(ways)) {
    let [lambda, best] = [0, 0];
    if (how.graph)
      for (const one of lambdas) {
        const right = average(shares(await asked(forChoice, how, one), tasks));
        if (right > best) [lambda, best] = [one, right];
      }
    const labels = await asked(forTest, how, lambda);
    const all = shares(labels, tasks);
    const right = average(all);
    const deviation = Math.sqrt(average(all.map((x) => (x - right) ** 2)) / tasks);
    // The labels of the first tasks, for the picture.
    found.push({
      way,
      lambda,
      right,
      interval: 1.96 * deviation,
      labels: [...labels.subarray(0, 3 * classes * queries)],
    });
  }
  const counts = { letters: own.signs.length, fonts: own.fonts, unseen: unseen.signs.length, others: unseen.fonts };
  const digits = await clusterDigits(device, name, seed);
  await device.close();
  return { loss, counts, found, digits };
}

/** The pictures of the first tasks of a seed, as they were asked about. @param {'full' | 'quick'} size @param {number} seed @param {number} count */
export const shown = (size, seed, count) => tasksOf(glyphsOf(size).unseen, count, 20 + seed);
