// Clustering with a neighbour graph, for many small tasks at once: all that is asked of rows are their products.
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import { index } from '../../core/vectors.ts';
import type { ClusterProgress, ClusterResult, ClusterSettings } from './options.ts';

/** Rows of tasks, `[tasks, rows, d]`. */
export interface Rows {
  readonly support: Tensor | undefined;
  readonly query: Tensor;
  readonly mean: Tensor | undefined;
  readonly lengths: 'own' | 'unit';
  readonly shift: 'none' | 'means';
}

/** Demands on the clusters of all tasks, and where they start. */
export interface Demands extends ClusterSettings {
  readonly classes: number;
  readonly mode: 'means' | 'modes' | 'fixed';
  /** Labels of the rows of the support, `[tasks · supports]`. */
  readonly fixed: Int32Array | undefined;
  /** Weights `[tasks, classes, rows]` of the first centers, by the products of rows, for the tasks from one on. */
  start(products: Tensor, first: number, owned: Owned<Tensor>): Promise<Tensor>;
}

/** Bytes that the products of the tasks of one launch take, and tasks of it, at most. */
const mostBytes = 2 ** 25;
const mostTasks = 64;

/** Tasks of one launch. */
interface Group {
  readonly first: number;
  readonly tasks: number;
  readonly rows: number;
  readonly supports: number;
}

/**
 * Tensors of a group of tasks, taken in the same order by each: all after the first work in its memory, as fresh pages
 * take about as long as products do.
 */
class Workspace {
  #tensors: Tensor[] = [];
  #taken = 0;
  #device: Device;
  #owned: Owned<Tensor>;

  constructor(device: Device, owned: Owned<Tensor>) {
    this.#device = device;
    this.#owned = owned;
  }

  /** Lends all tensors to another group, of no more tasks than the first. */
  restart(): void {
    this.#taken = 0;
  }

  take<D extends Dtype>(shape: readonly number[], dtype: D): Tensor<D> {
    const at = this.#taken++;
    if (at === this.#tensors.length) this.#tensors.push(this.#owned.add(new Tensor(this.#device, shape, dtype)));
    const whole = this.#tensors[at] as Tensor<D>;
    return whole.shape[0] === shape[0] ? whole : this.#owned.add(whole.rows(0, shape[0]!));
  }
}

/** Clusters all tasks; `told` hears how far it is. */
export async function cluster(
  where: string,
  task: Task<ClusterProgress>,
  { support, query, ...form }: Rows,
  demands: Demands,
  isBatch: boolean,
): Promise<ClusterResult> {
  const { device } = query;
  const [tasks, queries, d] = query.shape as [number, number, number];
  const supports = support ? support.shape[1]! : 0;
  const rows = supports + queries;
  const step = Math.max(1, Math.min(mostTasks, Math.floor(mostBytes / (8 * rows * rows))));
  using made = new Owned<Tensor>();
  const dtype = query.dtype === 'f64' ? 'f64' : 'f32';
  const probabilities = made.add(new Tensor(device, [tasks, queries, demands.classes], dtype));
  const prototypes = made.add(new Tensor(device, [tasks, demands.classes, d], dtype));
  const labels = new Int32Array(tasks * queries);
  const lasts = new Float64Array(tasks);
  const totals = new Int32Array(tasks);
  const energies: number[] = [];
  const innerSteps: number[] = [];
  let iterations = 0;
  let status: ClusterResult['status'] = 'converged';
  using working = new Owned<Tensor>();
  const space = new Workspace(device, working);
  for (let first = 0; first < tasks; first += step) {
    using owned = new Owned<Tensor>();
    space.restart();
    const group: Group = { first, tasks: Math.min(step, tasks - first), rows, supports };
    const part = (x: Tensor): Tensor => owned.add(x.rows(first, first + group.tasks));
    const own = { ...form, support: support && part(support), query: part(query) };
    const trace = (taken: number, own: Float64Array): void => {
      innerSteps.push(taken);
      energies.push(...own);
    };
    const one = await clusterGroup(where, task, own, demands, group, space, owned, isBatch ? undefined : trace);
    ops.cast(task.queue, { out: [part(probabilities)], x: [one.probabilities] });
    ops.cast(task.queue, { out: [part(prototypes)], x: [one.prototypes] });
    labels.set(one.labels, first * queries);
    lasts.set(one.energy, first);
    totals.set(one.steps, first);
    iterations = Math.max(iterations, one.iterations);
    if (one.status === 'max-iterations' || status === 'converged') status = one.status;
    task.report({ iterations: one.iterations, tasks: first + group.tasks });
  }
  await task.synchronize();
  const shaped = (x: Tensor): Tensor => (isBatch ? x : made.add(x.reshape(x.shape.slice(1))));
  const result = { probabilities: shaped(probabilities), prototypes: shaped(prototypes) };
  made.release(result.probabilities);
  made.release(result.prototypes);
  return {
    labels,
    ...result,
    energy: isBatch ? lasts : Float64Array.from(energies),
    innerSteps: isBatch ? totals : Int32Array.from(innerSteps),
    iterations,
    status,
  };
}

interface GroupResult {
  readonly probabilities: Tensor;
  readonly prototypes: Tensor;
  readonly labels: Int32Array;
  readonly energy: Float64Array;
  readonly steps: Int32Array;
  readonly iterations: number;
  readonly status: ClusterResult['status'];
}

async function clusterGroup(
  where: string,
  task: Task<ClusterProgress>,
  form: Rows,
  demands: Demands,
  group: Group,
  space: Workspace,
  owned: Owned<Tensor>,
  trace: ((taken: number, energies: Float64Array) => void) | undefined,
): Promise<GroupResult> {
  const { queue } = task;
  const { device } = form.query;
  const { tasks, rows, supports, first } = group;
  const { classes, mode } = demands;
  const d = form.query.shape[2]!;
  const f64 = (...shape: number[]): Tensor<'f64'> => space.take(shape, 'f64');
  const i32 = (shape: number[], value: number): Tensor<'i32'> => {
    const x = space.take(shape, 'i32');
    ops.fill(queue, { x: [x], value });
    return x;
  };
  // Distances are differences of products: f32 would leave nothing of rows that are close together, far from 0.
  const x = f64(tasks, rows, d);
  const [norms, center] = [f64(tasks, rows), f64(tasks, d)];
  const { support, query, mean, lengths, shift } = form;
  const given = { query, ...(support && { support }), ...(mean && { mean }) };
  ops.taskFeatures(queue, { ...given, x, norms, center, lengths, shift });
  const products = f64(tasks, rows, rows);
  ops.symmetricProduct(queue, { a: x, c: products });
  const degree = demands.neighbours - 1;
  const neighbours = space.take([tasks, rows, degree], 'i32');
  const distances = f64(tasks, rows, degree);
  const from = mode === 'fixed' ? supports : 0;
  ops.taskNeighbours(queue, { products, index: neighbours, distances, from });
  checkNorms(where, await task.read(norms), group, lengths);
  const weights = await demands.start(products, first, owned);
  const sigmaSquares = mode === 'modes' ? sigmasOf(queue, distances, demands, group, f64) : undefined;
  const fixed =
    demands.fixed &&
    owned.add(
      Tensor.from(device, demands.fixed.slice(first * supports, (first + tasks) * supports), [tasks, supports]),
    );
  const z = f64(tasks, rows, classes);
  const labels = i32([tasks, rows], -1);
  const energies = f64(tasks, demands.maxInnerSteps);
  const [taken, vanished, active] = [i32([tasks], 0), i32([tasks], 0), i32([tasks], 1)];
  const isActive = new Int32Array(tasks).fill(1);
  const energy = new Float64Array(tasks);
  const steps = new Int32Array(tasks);
  let status: ClusterResult['status'] = 'converged';
  const ended = (word: ClusterResult['status']): void => {
    if (word === 'max-iterations' || status === 'converged') status = word;
  };
  const { lambda, temperature, graph, innerTol: tol } = demands;
  const update = mode === 'fixed' ? 'none' : demands.assignments;
  let [iterations, kept] = [0, 0];
  while (isActive.includes(1)) {
    const start = iterations > 0 && update === 'soft' ? 'kept' : 'costs';
    const own = { products, neighbours, weights, z, labels, energies, taken, vanished, active };
    const rules = { lambda, temperature, tol, graph, update, start } as const;
    ops.clusterRound(queue, { ...own, ...rules, ...(fixed && { fixed }), ...(sigmaSquares && { sigmaSquares }) });
    iterations += 1;
    const [counts, lost] = await task.readAll(taken, vanished);
    const last = await lastTwo(task, energies, counts);
    const all = trace && (await task.read(energies));
    for (let t = 0; t < tasks; ++t) {
      if (isActive[t] === 0) continue;
      const isBroken = update !== 'none' && lost[t]! > 0;
      if (isBroken) {
        ended('breakdown');
        isActive[t] = 0;
        // There is what was before this round, of which nothing counts; before the first one there is nothing.
        if (iterations > 1) continue;
      }
      kept = iterations;
      const count = counts[t]!;
      const at = t * demands.maxInnerSteps;
      if (all) trace(count, all.subarray(at, at + count));
      const [now, before] = [last[2 * t]!, energy[t]!];
      energy[t] = now;
      steps[t]! += count;
      if (update === 'none') {
        const change = count > 1 ? Math.abs(now - last[2 * t + 1]!) : 0;
        if (!(change <= tol * Math.abs(now))) ended('max-iterations');
      } else if (!isBroken && !(iterations > 1 && Math.abs(now - before) <= demands.tol * Math.abs(before))) {
        if (iterations < demands.maxIterations) continue;
        ended('max-iterations');
      }
      isActive[t] = 0;
    }
    active.write(isActive);
    task.report({ iterations: kept, tasks: first });
  }
  return {
    ...finish(queue, { x, center, weights, z }, group, f64),
    ...(await labelsOf(task, labels, group)),
    energy,
    steps,
    iterations: kept,
    status,
  };
}

/** The last energy of each task, and the one before it, if there is one; all would take far longer to read. */
async function lastTwo(task: Task<ClusterProgress>, energies: Tensor, counts: Int32Array): Promise<Float64Array> {
  const [tasks, most] = energies.shape as [number, number];
  using elements = energies.reshape([tasks * most, 1]);
  using chosen = index(energies.device, 2 * tasks, (at) => {
    const t = Math.floor(at / 2);
    return t * most + Math.max(0, counts[t]! - 1 - (at % 2));
  });
  using out = new Tensor(energies.device, [2 * tasks, 1], 'f64');
  ops.gatherRows(task.queue, { x: elements, index: chosen, out });
  return (await task.read(out)) as Float64Array;
}

/** σ² of each task. */
function sigmasOf(
  queue: Device,
  distances: Tensor<'f64'>,
  { sigma }: Demands,
  { tasks, rows }: Group,
  f64: (...shape: number[]) => Tensor<'f64'>,
): Tensor<'f64'> {
  const sums = f64(tasks);
  if (sigma !== undefined) {
    ops.fill(queue, { x: [sums], value: sigma * sigma });
    return sums;
  }
  using lines = distances.reshape([tasks, distances.size / tasks]);
  ops.rowReduce(queue, { x: lines, out: sums, reduction: 'sum' });
  ops.linearCombination(queue, { out: [sums], terms: [sums], coefficients: [1 / (5 * rows)] });
  return sums;
}

/** Probabilities of the queries, and centers where the rows were. */
function finish(
  queue: Device,
  { x, center, weights, z }: Record<'x' | 'center' | 'weights' | 'z', Tensor>,
  { tasks, rows, supports }: Group,
  f64: (...shape: number[]) => Tensor<'f64'>,
): { probabilities: Tensor; prototypes: Tensor } {
  const [classes, d, queries] = [weights.shape[1]!, x.shape[2]!, rows - supports];
  const prototypes = f64(tasks, classes, d);
  ops.gemm(queue, { a: weights, b: x, c: prototypes });
  const ones = f64(tasks, classes, 1);
  ops.fill(queue, { x: [ones], value: 1 });
  using back = center.reshape([tasks, 1, d]);
  ops.gemm(queue, { a: ones, b: back, c: prototypes, beta: 1 });
  const probabilities = f64(tasks, queries, classes);
  using lines = z.reshape([tasks * rows, classes]);
  using out = probabilities.reshape([tasks * queries, classes]);
  using chosen = index(z.device, tasks * queries, (at) => Math.floor(at / queries) * rows + supports + (at % queries));
  ops.gatherRows(queue, { x: lines, index: chosen, out });
  return { probabilities, prototypes };
}

async function labelsOf(
  task: Task<ClusterProgress>,
  labels: Tensor<'i32'>,
  { tasks, rows, supports }: Group,
): Promise<{ labels: Int32Array }> {
  const all = await task.read(labels);
  const queries = rows - supports;
  const own = new Int32Array(tasks * queries);
  for (let t = 0; t < tasks; ++t) own.set(all.subarray(t * rows + supports, (t + 1) * rows), t * queries);
  return { labels: own };
}

/** @throws ERR_ARGUMENT for rows that are not finite, or of length 0 where lengths are taken */
function checkNorms(where: string, norms: Float64Array, { first, rows, supports }: Group, lengths: string): void {
  const at = norms.findIndex((norm) => !Number.isFinite(norm) || (norm === 0 && lengths === 'unit'));
  if (at < 0) return;
  const row = at % rows;
  const named = row < supports ? `support row ${row}` : `${supports > 0 ? 'query ' : ''}row ${row - supports}`;
  const problem =
    norms[at] === 0 ? 'must have a length, less the mean, got zeros' : 'must be finite, got NaN or infinity';
  throw new OrthokitError('ERR_ARGUMENT', `${where}: ${named} of task ${first + Math.floor(at / rows)} ${problem}`);
}
