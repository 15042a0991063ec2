import * as check from '../../core/check.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import type { Owned } from '../../core/owned.ts';
import { count, flag, type Option, readOptions, required, type Schema, watchers, word } from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import {
  type ClusterOptions,
  type ClusterProgress,
  type ClusterResult,
  type ClusterSettings,
  clusterSchema,
} from './options.ts';
import { cluster } from './rounds.ts';

/** Options of {@link transductiveCluster}. */
export interface TransductiveClusterOptions extends ClusterOptions, TaskOptions<ClusterProgress> {
  /** Rows with labels, `[s, d]`, or `[tasks, s, d]`, f32, f64, f16 or bf16. It has no default. */
  support: Tensor;
  /** Their labels, `[tasks · s]`, from 0 to `classes` − 1; each class of each task has one. It has no default. */
  supportLabels: Int32Array | readonly number[];
  /** Rows whose labels are asked for, `[q, d]`, or `[tasks, q, d]`, of the same dtype. It has no default. */
  query: Tensor;
  /** Number of classes, from 1 to the rows of a support. It has no default. */
  classes: number;
  /**
   * `'means'`: centers are means (SLK-Means, and K-means for λ = 0); `'modes'`: they are found by mean shift (SLK-MS);
   * `'fixed'`: they stay the means of the support, and the graph is one of the queries (LaplacianShot). Default:
   * `'means'`.
   */
  mode?: 'means' | 'modes' | 'fixed' | undefined;
  /**
   * `'cl2n'`: rows less `baseMean`, of unit length; `'l2n'`: of unit length; `'none'`: as they are. Default: `'cl2n'`
   * with a `baseMean`, else `'l2n'`.
   */
  normalize?: 'cl2n' | 'l2n' | 'none' | undefined;
  /** The mean `[d]` of features of the classes that the features were trained on; for `'cl2n'` alone. Default: none. */
  baseMean?: Tensor | undefined;
  /** True: queries are moved by the mean of the support less their own. Default: true. */
  shift?: boolean | undefined;
}

interface Given extends ClusterSettings {
  support: Tensor | undefined;
  supportLabels: Int32Array | readonly number[];
  query: Tensor | undefined;
  classes: number;
  mode: 'means' | 'modes' | 'fixed';
  normalize: 'cl2n' | 'l2n' | 'none' | undefined;
  baseMean: Tensor | undefined;
  shift: boolean;
  signal: AbortSignal | undefined;
  onProgress: ((progress: ClusterProgress) => void) | undefined;
}

const wholeNumbers: Option<Int32Array | readonly number[]> = {
  default: [],
  wrong: (x) =>
    x instanceof Int32Array || Array.isArray(x) ? undefined : 'must be an Int32Array or a list of numbers',
};
const normalize: Option<Given['normalize']> = {
  default: undefined,
  wrong: (x) =>
    x === undefined || ['cl2n', 'l2n', 'none'].includes(x) ? undefined : "must be 'cl2n', 'l2n' or 'none'",
};
const schema: Schema<Given> = {
  support: check.tensorOption,
  supportLabels: required(wholeNumbers),
  query: check.tensorOption,
  classes: required(count(1)),
  mode: word<Given['mode']>(['means', 'modes', 'fixed'], 'means'),
  normalize,
  baseMean: check.tensorOption,
  shift: flag(true),
  ...clusterSchema,
  ...watchers<ClusterProgress>(),
};

const where = 'transductiveCluster';

/**
 * Labels for queries from a few rows with labels and from what the queries tell of each other: clusters around centers,
 * where a graph of nearest neighbours draws rows that lie together to the same label. Rows with labels keep them.
 * Features usually come from a network that has seen other classes.
 *
 * Many tasks go in one call, and are clustered at once, each by itself. No call changes what it is given.
 *
 * Memory: 8 bytes for each pair of rows of a task, of at most 32 MB of tasks at a time, and their rows in f64.
 *
 * Source: Ziko, Granger and Ben Ayed, "Scalable Laplacian K-modes" (NeurIPS 2018); Ziko, Dolz, Granger and Ben Ayed,
 * "Laplacian Regularized Few-Shot Learning" (ICML 2020). The authors' programs have the graph of `graph: 'raw'`, under
 * which their energy can rise, and set the rows with labels free after the first step of each inner loop.
 *
 * @example
 * const { labels } = await transductiveCluster({ support, supportLabels: [0, 1, 2, 3, 4], query, classes: 5 });
 *
 * @throws ERR_ARGUMENT for options out of range or that contradict each other, labels that are none, classes
 * without support, fewer rows than neighbours, rows that are not finite, and rows of length 0 where lengths are taken,
 * by name; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted
 */
export async function transductiveCluster(options: TransductiveClusterOptions): Promise<ClusterResult> {
  const { support, query, baseMean, supportLabels, ...given } = readOptions(where, options, schema);
  check.tensor(where, 'support', support, { dtypes: check.floating, filled: true });
  const rank = support.shape.length;
  if (rank !== 2 && rank !== 3)
    throw refusal(where, 'support', 'be rows, or rows of tasks', `[${support.shape}]`, 'ERR_SHAPE');
  const { device, dtype } = support;
  const front = support.shape.slice(0, rank - 2);
  const [supports, d] = support.shape.slice(-2) as [number, number];
  check.tensor(where, 'query', query, { dtypes: [dtype], device, shape: [...front, undefined, d], filled: true });
  const queries = query.shape[rank - 2]!;
  const tasks = front[0] ?? 1;
  const { classes, mode, shift } = given;
  if (classes > supports)
    throw refusal(where, 'classes', `be at most ${supports}, the rows of the support of a task`, classes);
  const form = given.normalize ?? (baseMean ? 'cl2n' : 'l2n');
  if (form === 'cl2n' && !baseMean) throw refusal(where, 'baseMean', 'be given for cl2n', shown(baseMean));
  if (form !== 'cl2n' && baseMean) throw refusal(where, 'normalize', "be 'cl2n' with a baseMean", shown(form));
  if (baseMean) check.tensor(where, 'baseMean', baseMean, { dtypes: [dtype], device, shape: [d] });
  if (given.assignments === 'soft' && mode !== 'means')
    throw refusal(where, 'assignments', `be 'hard' for ${mode}`, shown('soft'));
  if (given.sigma !== undefined && mode !== 'modes')
    throw refusal(where, 'sigma', "be given for 'modes' alone", shown(given.sigma));
  const tied = mode === 'fixed' ? queries : supports + queries;
  if (given.neighbours > tied)
    throw refusal(where, 'neighbours', `be at most ${tied}, the rows of the graph`, given.neighbours);
  if (mode === 'modes' && given.neighbours === 1 && given.sigma === undefined)
    throw refusal(where, 'neighbours', "be from 2 on for 'modes' without a sigma", 1);
  const fixed = labelsOf(supportLabels, tasks, supports, classes);
  using task = new Task<ClusterProgress>(device, given);
  using ofTasks = rank === 2 ? support.reshape([1, supports, d]) : support.reshape(support.shape);
  using queriesOfTasks = rank === 2 ? query.reshape([1, queries, d]) : query.reshape(query.shape);
  const rows = {
    support: ofTasks,
    query: queriesOfTasks,
    mean: baseMean,
    lengths: form === 'none' ? ('own' as const) : ('unit' as const),
    shift: shift ? ('means' as const) : ('none' as const),
  };
  const start = async (products: Tensor, first: number, owned: Owned<Tensor>): Promise<Tensor> => {
    const [group, n] = products.shape as [number, number];
    return owned.add(Tensor.from(device, meansOf(fixed, first, group, supports, classes, n), [group, classes, n]));
  };
  return await cluster(where, task, rows, { ...given, fixed, start }, rank === 3);
}

/** A copy of labels that are right. */
function labelsOf(given: Int32Array | readonly number[], tasks: number, supports: number, classes: number): Int32Array {
  if (given.length !== tasks * supports)
    throw refusal(where, 'supportLabels', `have ${tasks * supports} elements`, given.length, 'ERR_SHAPE');
  const labels = new Int32Array(given.length);
  const seen = new Uint8Array(tasks * classes);
  for (let at = 0; at < given.length; ++at) {
    const label = given[at]!;
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      throw refusal(where, `supportLabels[${at}]`, `be a whole number from 0 to ${classes - 1}`, shown(label));
    labels[at] = label;
    seen[Math.floor(at / supports) * classes + label] = 1;
  }
  const missing = seen.indexOf(0);
  if (missing >= 0) {
    const [task, label] = [Math.floor(missing / classes), missing % classes]; // biome-ignore format: one line
    throw new OrthokitError('ERR_ARGUMENT', `${where}: class ${label} of task ${task} must have support, got none`);
  }
  return labels;
}

/** Weights of the rows of the support in the means of their classes. */
function meansOf(
  labels: Int32Array,
  first: number,
  tasks: number,
  supports: number,
  classes: number,
  rows: number,
): Float64Array {
  const weights = new Float64Array(tasks * classes * rows);
  const counts = new Int32Array(classes);
  for (let t = 0; t < tasks; ++t) {
    const own = labels.subarray((first + t) * supports, (first + t + 1) * supports);
    counts.fill(0);
    for (const label of own) counts[label]! += 1;
    for (const [i, label] of own.entries()) weights[(t * classes + label) * rows + i] = 1 / counts[label]!;
  }
  return weights;
}
