import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { uniform } from '../../core/philox.ts';
import { readOptions, type Schema, watchers, whole, word } from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import { index } from '../../core/vectors.ts';
import {
  type ClusterOptions,
  type ClusterProgress,
  type ClusterResult,
  type ClusterSettings,
  clusterSchema,
} from './options.ts';
import { cluster } from './rounds.ts';

/** Options of {@link laplacianKModes}. */
export interface LaplacianKModesOptions extends ClusterOptions, TaskOptions<ClusterProgress> {
  /** `'modes'`: centers are found by mean shift; `'means'`: they are means. Default: `'modes'`. */
  mode?: 'means' | 'modes' | undefined;
  /** `'l2n'`: rows of unit length; `'none'`: as they are. Default: `'none'`. */
  normalize?: 'l2n' | 'none' | undefined;
  /** Seed of the rows that centers start from: whole, from 0 to 2⁵³. Default: 0. */
  seed?: number | undefined;
}

interface Given extends ClusterSettings {
  mode: 'means' | 'modes';
  normalize: 'l2n' | 'none';
  seed: number;
  signal: AbortSignal | undefined;
  onProgress: ((progress: ClusterProgress) => void) | undefined;
}

const schema: Schema<Given> = {
  mode: word<Given['mode']>(['means', 'modes'], 'modes'),
  normalize: word<Given['normalize']>(['l2n', 'none'], 'none'),
  seed: whole(0, 0, 2 ** 53),
  ...clusterSchema,
  ...watchers<ClusterProgress>(),
};

/**
 * Clusters without any labels: k centers, modes of their clusters by default, and a graph of nearest neighbours that
 * draws rows that lie together to the same one, as in {@link transductiveCluster}. Centers start from rows that are
 * drawn far from each other (k-means++). Several problems go in one call. x stays as it is.
 *
 * Memory: 8 bytes for each pair of rows of a problem, so that some ten thousand rows are the most that fit.
 *
 * Source: Ziko, Granger and Ben Ayed, "Scalable Laplacian K-modes" (NeurIPS 2018); Arthur and Vassilvitskii,
 * "k-means++: The Advantages of Careful Seeding" (SODA 2007).
 *
 * @example
 * const { labels, prototypes } = await laplacianKModes(x, 10, { seed: 1 });
 *
 * @param x Rows `[n, d]`, or those of several problems `[tasks, n, d]`, f32, f64, f16 or bf16.
 * @param k Clusters, from 1 to n.
 * @throws ERR_ARGUMENT for options out of range or that contradict each other, more clusters or neighbours than rows,
 * rows that are not finite, and rows of length 0 where lengths are taken, by name; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
 * ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted
 */
export async function laplacianKModes(
  x: Tensor,
  k: number,
  options: LaplacianKModesOptions = {},
): Promise<ClusterResult> {
  const where = 'laplacianKModes';
  check.tensor(where, 'x', x, { dtypes: check.floating, filled: true });
  const rank = x.shape.length;
  if (rank !== 2 && rank !== 3) throw refusal(where, 'x', 'be rows, or rows of tasks', `[${x.shape}]`, 'ERR_SHAPE');
  const given = readOptions(where, options, schema);
  const [rows, d] = x.shape.slice(-2) as [number, number];
  if (!(Number.isInteger(k) && k >= 1 && k <= rows))
    throw refusal(where, 'k', `be a whole number from 1 to ${rows}, the rows`, shown(k));
  if (given.neighbours > rows) throw refusal(where, 'neighbours', `be at most ${rows}, the rows`, given.neighbours);
  const { mode, sigma, neighbours } = given;
  if (given.assignments === 'soft' && mode !== 'means')
    throw refusal(where, 'assignments', "be 'hard' for modes", shown('soft'));
  if (sigma !== undefined && mode !== 'modes')
    throw refusal(where, 'sigma', "be given for 'modes' alone", shown(sigma));
  if (mode === 'modes' && neighbours === 1 && sigma === undefined)
    throw refusal(where, 'neighbours', "be from 2 on for 'modes' without a sigma", 1);
  using task = new Task<ClusterProgress>(x.device, given);
  using query = x.reshape([x.size / (rows * d), rows, d]);
  const lengths = given.normalize === 'l2n' ? 'unit' : 'own';
  const demands = {
    ...given,
    classes: k,
    fixed: undefined,
    start: (products: Tensor, first: number, owned: Owned<Tensor>) =>
      startOf(task, products, first, k, given.seed, owned),
  };
  return await cluster(where, task, { support: undefined, query, mean: undefined, lengths, shift: 'none' }, demands, rank === 3); // biome-ignore format: one line
}

/** Weights of centers that are rows: the first is any, the others by their squared distance to the nearest one. */
async function startOf(
  task: Task<ClusterProgress>,
  products: Tensor,
  first: number,
  k: number,
  seed: number,
  owned: Owned<Tensor>,
): Promise<Tensor> {
  const { device } = products;
  const [tasks, n] = products.shape as [number, number];
  using own = new Owned<Tensor>();
  const lines = own.add(products.reshape([tasks * n, n]));
  const elements = own.add(products.reshape([tasks * n * n, 1]));
  const diagonal = own.add(new Tensor(device, [tasks * n, 1], 'f64'));
  const places = own.add(index(device, tasks * n, (row) => row * n + (row % n)));
  ops.gatherRows(task.queue, { x: elements, index: places, out: diagonal });
  const squares = (await task.read(diagonal)) as Float64Array;
  const weights = new Float64Array(tasks * k * n);
  const least = new Float64Array(tasks * n).fill(Infinity);
  const chosen = new Int32Array(tasks);
  const line = own.add(new Tensor(device, [tasks, n], 'f64'));
  for (let c = 0; c < k; ++c) {
    for (let t = 0; t < tasks; ++t) {
      const u = uniform(seed, first + t, c);
      chosen[t] = c === 0 ? Math.floor(u * n) : drawn(least.subarray(t * n, (t + 1) * n), u);
      weights[(t * k + c) * n + chosen[t]!] = 1;
    }
    if (c === k - 1) break;
    using at = index(device, tasks, (t) => t * n + chosen[t]!);
    ops.gatherRows(task.queue, { x: lines, index: at, out: line });
    const found = (await task.read(line)) as Float64Array;
    for (let t = 0; t < tasks; ++t) {
      const other = squares[t * n + chosen[t]!]!;
      for (let i = t * n; i < (t + 1) * n; ++i)
        least[i] = Math.min(least[i]!, Math.max(0, squares[i]! + other - 2 * found[i]!));
      least[t * n + chosen[t]!] = 0;
    }
  }
  return owned.add(Tensor.from(device, weights, [tasks, k, n]));
}

/** The place that u in [0, 1) falls upon, each as wide as its share; where all are 0, any. */
function drawn(shares: Float64Array, u: number): number {
  const total = shares.reduce((sum, x) => sum + x, 0);
  if (!(total > 0)) return Math.floor(u * shares.length);
  let rest = u * total;
  let last = 0;
  for (const [i, share] of shares.entries()) {
    if (share === 0) continue;
    last = i;
    rest -= share;
    if (rest < 0) return i;
  }
  return last;
}
