import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { RandomStream } from '../../core/random.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { eigh, qr } from '../../linalg/index.ts';
import type { Data, SparseLines } from './data.ts';
import { tensorOf } from './numbers.ts';

/** Directions beside those asked for, and how often the sparse matrix and its transpose are multiplied by. */
const oversample = 8;
const power = 2;

/** The orthonormal factor of a matrix; the caller's. */
export async function orthonormal(task: Task<never>, x: Tensor): Promise<Tensor> {
  const { q, r } = await task.waitFor(qr(x));
  r.dispose();
  return q;
}

/**
 * Columns that span the largest left singular directions of the entries, `[rows, rank]`, orthonormal but for rounding:
 * a randomized range and, within it, the eigenvectors of the largest eigenvalues.
 */
export async function spectralStart(task: Task<never>, data: Data, rank: number, seed: number): Promise<Tensor> {
  const { device, dtype, shape, byRow, byColumn } = data;
  const { queue } = task;
  const [m, n] = shape;
  using owned = new Owned<Tensor>();
  const width = Math.min(rank + oversample, m, n);
  const times = (lines: SparseLines, x: Tensor): Tensor => {
    const out = owned.add(new Tensor(device, [lines.count, width], dtype));
    ops.combineEntries(queue, { starts: lines.starts, columns: lines.columns, values: lines.values, x, out });
    owned.drop(x);
    return out;
  };
  const orthogonal = async (x: Tensor): Promise<Tensor> => {
    const q = owned.add(await orthonormal(task, x));
    owned.drop(x);
    return q;
  };
  let range: Tensor = owned.add(new RandomStream(seed).normal(device, [n, width], { dtype }));
  range = await orthogonal(times(byRow, range));
  for (let i = 0; i < power; ++i) {
    const across = await orthogonal(times(byColumn, range));
    range = await orthogonal(times(byRow, across));
  }
  using kept = range.copy();
  const image = times(byColumn, range);
  // Length 1 but for the tiny number, so that its products are in range.
  using size = vectors.scalar(device);
  using tiny = Tensor.full(device, [1], 1e-30, { dtype: 'f64' });
  vectors.norm(queue, image, size);
  vectors.combine(queue, size, [1, size], [1, tiny]);
  ops.map(queue, { x: [size], out: [size], function: 'power', parameters: [-1] });
  vectors.scale(queue, size, image);
  using gram = new Tensor(device, [width, width], dtype);
  ops.gemm(queue, { a: image, b: image, c: gram, transA: 'transposed' });
  const { values, vectors: turns } = await task.waitFor(eigh(gram));
  values.dispose();
  using turn = turns;
  // The last columns are those of the largest eigenvalues.
  const last = new Float64Array(width * rank);
  for (let j = 0; j < rank; ++j) last[(width - rank + j) * rank + j] = 1;
  using pick = tensorOf(device, last, [width, rank], dtype);
  using chosen = new Tensor(device, [width, rank], dtype);
  ops.gemm(queue, { a: turn, b: pick, c: chosen });
  const out = owned.add(new Tensor(device, [m, rank], dtype));
  ops.gemm(queue, { a: kept, b: chosen, c: out });
  return owned.release(out);
}

/** Sets rows longer than 2 · `mu` · √(rank / rows) to 0. */
export async function cutLongRows(task: Task<never>, u: Tensor, mu: number): Promise<void> {
  const [m, rank] = u.shape as [number, number];
  using squares = new Tensor(u.device, [m], 'f64');
  ops.rowReduce(task.queue, { x: u, out: squares, reduction: 'sum_of_squares' });
  const most = (4 * mu * mu * rank) / m;
  const keep = (await task.read(squares)).map((square) => (square > most ? 0 : 1));
  using scale = tensorOf(u.device, keep, [m], u.dtype);
  ops.scaleAxis(task.queue, { x: u, scale, out: u, axis: 0 });
}
