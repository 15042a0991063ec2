import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, optional, positive, type Resolved, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type LbfgsProgress, lbfgs } from '../../solvers/lbfgs.ts';
import type { SolverStatus } from '../../solvers/status.ts';
import { gradientOf, type NetworkForm, type NetworkWeights, Pass } from './convex-network.ts';

/** Options of {@link LearnedProximal.invert} and {@link LearnedProximal.prior}. */
export interface ProximalInvertOptions extends TaskOptions<LbfgsProgress> {
  /**
   * |f(y) − x| of each row over its |x|, or over 1 where that is larger, that is enough: > 0. Default: 1e-8 in f64,
   * 1e-4 in f32.
   */
  tol?: number | undefined;
  /** Whole, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
}

/** The end of {@link LearnedProximal.invert}. */
export interface ProximalInverse {
  /** Like x, the caller's: where f(y) is nearest to x. */
  readonly y: Tensor;
  /** |f(y) − x| of all rows together. */
  readonly residualNorm: number;
  /**
   * The status as {@link lbfgs} gives it; not `'converged'` where a row of x is not among the results of f, or not near
   * enough.
   */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
}

/** The end of {@link LearnedProximal.prior}. */
export interface ProximalPrior {
  /** R at each row of x, up to one number that is the same for all. */
  readonly values: Float64Array;
  /**
   * The status as {@link LearnedProximal.invert} gives it: values of what is not `'converged'` are those of a point
   * beside x.
   */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
}

/** A signal a row. */
export const rowsOf = (x: Tensor, owned: Owned<Tensor>): Tensor =>
  owned.add(x.reshape([x.shape[0]!, x.shape.slice(1).reduce((product, size) => product * size, 1)]));

const invertSchema: Schema<Resolved<ProximalInvertOptions, 'tol' | 'signal' | 'onProgress'>> = {
  tol: optional(positive(1e-8)),
  maxIterations: count(1000),
  ...watchers<LbfgsProgress>(),
};

/** Powers of two that scale a row at most; their squares are numbers, too. */
const mostPower = { f32: 62, f64: 510 };
/** y with f(y) = x, for all rows of a signal x that fits `form`; `checkAlive` is asked after each wait. */
export async function invert(
  where: string,
  { form, weights, checkAlive }: { form: NetworkForm; weights: NetworkWeights; checkAlive(where: string): void },
  x: Tensor,
  options: ProximalInvertOptions,
): Promise<ProximalInverse> {
  const { tol = x.dtype === 'f64' ? 1e-8 : 1e-4, ...rest } = readOptions(where, options, invertSchema);
  const { device } = x;
  const dtype = x.dtype as 'f32' | 'f64';
  using task = new Task<never>(device, { signal: rest.signal });
  using owned = new Owned<Tensor>();
  const squaresOf = (of: Tensor) => task.read(owned.add(vectors.rowSquares(task.queue, rowsOf(of, owned))));
  const lengths = Float64Array.from(await squaresOf(x), Math.sqrt);
  const wrong = lengths.find((one) => !Number.isFinite(one));
  if (wrong !== undefined) throw refusal(where, 'x', 'be finite', `${wrong} for the norm of a row`);
  checkAlive(where);
  const y = owned.add(x.copy());
  const given = owned.add(x.copy());
  // Each row counts in its own unit u, a power of two: v = y / u has a gradient of (f(y) − x) / u.
  const units = lengths.map((one) => 2 ** Math.min(mostPower[dtype], Math.floor(Math.log2(Math.max(1, one)))));
  const factors = (of: (unit: number) => number): Tensor => {
    const one = owned.add(new Tensor(device, [units.length], dtype));
    one.write(dtype === 'f64' ? units.map(of) : Float32Array.from(units, of));
    return one;
  };
  const [up, down, twice] = [factors((u) => u), factors((u) => 1 / u), factors((u) => u ** -2)];
  const v = owned.add(new Tensor(device, x.shape, dtype));
  const scaled = owned.add(new Tensor(device, x.shape, dtype));
  ops.scaleAxis(device, { x: y, scale: down, axis: 0, out: v });
  ops.scaleAxis(device, { x: given, scale: down, axis: 0, out: scaled });
  const potentials = owned.add(new Tensor(device, x.shape.slice(0, 1), dtype));
  const [across, sum] = [owned.add(vectors.scalar(device)), owned.add(vectors.scalar(device))];
  const evaluate = (out: Tensor | undefined, grad?: Tensor): void => {
    checkAlive(where);
    ops.scaleAxis(device, { x: v, scale: up, axis: 0, out: y });
    using pass = new Pass(device, form, weights, y);
    if (out) {
      pass.potential(potentials);
      vectors.dot(device, potentials, twice, sum);
      vectors.dot(device, v, scaled, across);
      vectors.combine(device, out, [1, sum], [-1, across]);
    }
    if (!grad) return;
    pass.gradient(grad);
    vectors.axpy(device, -1, given, grad);
    ops.scaleAxis(device, { x: grad, scale: down, axis: 0, out: grad });
  };
  const oracle = {
    params: [v],
    value: (out: Tensor) => evaluate(out),
    gradient: ([grad]: readonly Tensor[], value?: Tensor) => evaluate(value, grad),
  };
  const { status, iterations } = await lbfgs(oracle, { tol, ...rest });
  checkAlive(where);
  ops.scaleAxis(device, { x: v, scale: up, axis: 0, out: y });
  gradientOf(device, form, weights, y, scaled);
  vectors.axpy(device, -1, given, scaled);
  const missed = Float64Array.from(await squaresOf(scaled), Math.sqrt);
  const isSolved = missed.every((one, i) => one <= tol * Math.max(1, lengths[i]!));
  const residualNorm = missed.reduce((norm, one) => Math.hypot(norm, one), 0);
  // Rows that are all near enough may miss more together; rounding may take what the last step had.
  const found = isSolved ? 'converged' : status === 'converged' ? 'at-precision' : status;
  return { y: owned.release(y), residualNorm, status: found, iterations };
}
