import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface DionOptions extends Decay {
  momentum?: number;
  eps?: number;
  shapeScale?: 'original' | 'spectral' | 'none';
}

type Matrix = number[][];
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0)));
const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const norm = (x: number[]): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

/** Columns of full rank made orthonormal, each twice; a first one of zeros gives the first axis. */
function orthonormal(x: Matrix): Matrix {
  const done: Matrix = [];
  for (const [j, column] of transposed(x).entries()) {
    let own = column;
    for (const before of [...done, ...done]) {
      const dot = own.reduce((sum, v, i) => sum + v * before[i]!, 0);
      own = own.map((v, i) => v - dot * before[i]!);
    }
    const length = norm(own);
    done.push(length === 0 ? own.map((_, i) => (i === j ? 1 : 0)) : own.map((v) => v / length));
  }
  return transposed(done);
}

/** One power iteration on the sum of gradients, with error feedback. */
export function dion(
  p: Parameter,
  { momenta, bases }: { momenta: Float64Array; bases: Float64Array },
  options: DionOptions,
): Statistics {
  const { momentum = 0.95, eps = 1e-8 } = options;
  const { batch, rows, columns } = matricesOf(p.shape);
  const size = rows * columns;
  const rank = size === 0 ? 0 : bases.length / (batch * columns);
  const update = new Float64Array(momenta.length);
  for (const [i, g] of decayed(p, options).entries()) momenta[i]! += g;
  const matrix = (data: Float64Array, from: number, m: number, n: number): Matrix =>
    Array.from({ length: m }, (_, i) => [...data.subarray(from + i * n, from + (i + 1) * n)]);
  for (let s = 0; s < batch && rank > 0; s++) {
    const m = matrix(momenta, s * size, rows, columns);
    const of = orthonormal(times(m, matrix(bases, s * columns * rank, columns, rank)));
    const r = times(transposed(m), of);
    for (const [k, x] of times(of, transposed(r)).flat().entries()) momenta[s * size + k]! -= (1 - momentum) * x;
    const q = transposed(
      transposed(r).map((column) => {
        const length = norm(column);
        return column.map((x) => (length === 0 ? 0 : x / (length + eps)));
      }),
    );
    bases.set(q.flat(), s * columns * rank);
    update.set(times(of, transposed(q)).flat(), s * size);
  }
  const scale = { original: Math.sqrt(Math.max(1, rows / columns)), spectral: Math.sqrt(rows / columns), none: 1 };
  return apply(p, update, options.lr * scale[options.shapeScale ?? 'spectral'], options);
}
