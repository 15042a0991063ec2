import { allOrNone, filled } from '../../core/all-or-none.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { gather } from '../tables/table.ts';
import { gatherUnordered } from './gather.ts';
import type { MethodContext, PrepareMethod } from './method.ts';
import { dot, type Equations, solutionsOf, weighBy } from './weights.ts';

/** Scores that are held at once. */
const scoresAtOnce = 1 << 22;
/** More candidates than neighbours: scores are rounded in f32, and the nearest are chosen by exact ones. */
const spare = 16;

/**
 * The k shared tokens nearest to the donor's row, weighted, and the same sum of the base's rows: `common_interpolation`
 * of mergekit-tokensurgeon, with distances in f64 whatever the dtype of the tables.
 */
export const commonInterpolation: PrepareMethod = async (context) => {
  const { task, donor, bases, anchors, settings } = context;
  const { device } = task;
  using owned = new Owned<Tensor>();
  const atoms = owned.add(await gather(task, donor, anchors.donor));
  const counterparts: Tensor[] = [];
  for (const { table } of bases) counterparts.push(owned.add(await gatherUnordered(task, table, anchors.base)));
  const squares = await squaresOf(task, atoms);
  const find = neighbourFinder(context, atoms, squares);
  const weigh = weighBy(settings);
  const kept = owned.move();
  return {
    async approximate(targets) {
      const count = targets.shape[0]!;
      const k = Math.min(settings.k, squares.length);
      const indices = new Int32Array(count * k).fill(-1);
      const weights = new Float32Array(count * k);
      const systems: Equations[] = [];
      await find(targets, k, (row, neighbourhood, ids) => {
        indices.set(ids, row * k);
        const found = weigh(neighbourhood);
        if ('a' in found) systems.push(found);
        else weights.set(found, row * k);
      });
      if (systems.length > 0) {
        const solutions = await task.wait(solutionsOf(device, systems));
        const size = solutions.length / count;
        for (let row = 0; row < count; ++row) weights.set(solutions.subarray(row * size, row * size + k), row * k);
      }
      using index = Tensor.from(device, indices, [count, k]);
      using coefficients = Tensor.from(device, weights, [count, k]);
      const combined = (x: Tensor) => () =>
        filled(new Tensor(device, [count, x.shape[1]!]), (out) => {
          ops.combineRows(task.queue, { x, indices: index, coefficients, out });
        });
      return { rows: allOrNone(...counterparts.map(combined)) };
    },
    dispose: () => kept.dispose(),
  };
};

async function squaresOf(task: Task, rows: Tensor): Promise<Float64Array> {
  using squares = vectors.rowSquares(task.queue, rows);
  return await task.read(squares);
}

type Visit = (
  row: number,
  found: { target: Float64Array; neighbours: Float64Array[]; measures: number[] },
  ids: number[],
) => void;

/** Visits each target with its k nearest atoms, the nearest first. */
function neighbourFinder(context: MethodContext, atoms: Tensor, squares: Float64Array) {
  const { task, settings } = context;
  const { device, queue } = task;
  const [count = 0, columns = 0] = atoms.shape;
  const isCosine = settings.metric === 'cosine';
  const step = Math.max(1, Math.floor(scoresAtOnce / count));
  return async (targets: Tensor, k: number, visit: Visit): Promise<void> => {
    const total = targets.shape[0]!;
    const [values] = await task.readAll(targets);
    const wanted = Math.min(count, k + spare);
    for (let from = 0; from < total; from += step) {
      task.check();
      const rows = Math.min(step, total - from);
      using some = Tensor.from(device, values.slice(from * columns, (from + rows) * columns), [rows, columns]);
      using scores = Tensor.zeros(device, [rows, count]);
      ops.gemm(queue, { a: some, b: atoms, c: scores, transB: 'transposed' });
      const [products] = await task.readAll(scores);
      for (let row = 0; row < rows; ++row) {
        const own = products.subarray(row * count, (row + 1) * count);
        const target = Float64Array.from(values.subarray((from + row) * columns, (from + row + 1) * columns));
        const near = nearest(wanted, count, (id) =>
          isCosine ? own[id]! / Math.sqrt(squares[id] || 1) : own[id]! - squares[id]! / 2,
        );
        using index = Tensor.from(device, Int32Array.from(near), [near.length]);
        using candidates = new Tensor(device, [near.length, columns]);
        ops.gatherRows(queue, { x: atoms, index, out: candidates });
        const [read] = await task.readAll(candidates);
        const exact = near.map((id, i) => {
          const neighbour = Float64Array.from(read.subarray(i * columns, (i + 1) * columns));
          return { id, neighbour, measure: isCosine ? cosine(neighbour, target) : distance(neighbour, target) };
        });
        exact.sort((a, b) => (isCosine ? b.measure - a.measure : a.measure - b.measure) || a.id - b.id);
        const chosen = exact.slice(0, k);
        visit(
          from + row,
          { target, neighbours: chosen.map((one) => one.neighbour), measures: chosen.map((one) => one.measure) },
          chosen.map((one) => one.id),
        );
      }
    }
  };
}

/** The ids of the `wanted` largest scores, in any order. */
function nearest(wanted: number, count: number, scoreOf: (id: number) => number): number[] {
  // A heap whose root is the least of the best.
  const ids: number[] = [];
  const scores: number[] = [];
  const sink = (at: number): void => {
    for (let i = at; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < ids.length && scores[child]! < scores[least]!) least = child;
      if (least === i) return;
      [ids[i], ids[least]] = [ids[least]!, ids[i]!];
      [scores[i], scores[least]] = [scores[least]!, scores[i]!];
      i = least;
    }
  };
  for (let id = 0; id < count; ++id) {
    const score = scoreOf(id);
    if (ids.length < wanted) {
      ids.push(id);
      scores.push(score);
      if (ids.length === wanted) for (let i = Math.floor(wanted / 2); i >= 0; i -= 1) sink(i);
    } else if (score > scores[0]!) {
      [ids[0], scores[0]] = [id, score];
      sink(0);
    }
  }
  return ids;
}

function distance(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; ++i) sum += (x[i]! - y[i]!) ** 2;
  return Math.sqrt(sum);
}

const cosine = (x: Float64Array, y: Float64Array): number => dot(x, y) / (Math.sqrt(dot(x, x) * dot(y, y)) || 1);
