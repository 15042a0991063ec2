import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { LinePoint } from '../../solvers/line-search.ts';
import type { Pair } from '../problem/cost.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';
import { farthest } from './streaming.ts';

/** A vector of the dual in both potentials: its part along the rows, then that along the columns, f64. */
export type DualVector = readonly Tensor<'f64'>[];

const pairOf = ([rows, columns]: DualVector): Pair => ({ rows: rows!, columns: columns! });

/** The dual at a point, as a function that is to be minimized. */
export interface DualPoint extends LinePoint {
  readonly at: DualVector;
  /** eps Σ P − a · f − b · g; infinite where the plan overflows. */
  readonly value: number;
  /** (P 1 − a, Pᵀ 1 − b) */
  readonly gradient: DualVector;
  /** Row and column sums of P. */
  readonly sums: DualVector;
  /** Euclidean norm of the gradient. */
  readonly norm: number;
  /** L1 norm of the gradient. */
  readonly error: number;
}

/** The solution of a system of {@link FullDual.solve}, and its products with the right-hand side and with itself. */
export interface Solved {
  readonly x: DualVector;
  readonly along: number;
  readonly square: number;
}

/** Below this change of the dual's value a decrease is rounding. */
export const roundingOf = ({ value }: DualPoint, eps: number): number => 64 * 2 ** -52 * Math.max(Math.abs(value), eps);

/** The dual in both potentials, which the published methods work on. A mass of 0 keeps its potential of −infinity. */
class FullDual {
  readonly plan: ScaledPlan;
  readonly rows: number;
  readonly columns: number;
  readonly #owned: Owned<Tensor>;
  readonly #masses: DualVector;
  readonly #finite: DualVector;
  readonly #ones: DualVector;
  readonly #starts: Tensor;
  readonly #kernel: Tensor;
  /** Tensors of each point that may still be asked for. */
  readonly #points = new Map<DualPoint, Owned<Tensor>>();
  /** Columns and values of the sparse plan. */
  #entries: readonly [Tensor, Tensor] | undefined;

  constructor(plan: ScaledPlan) {
    const { cost, masses, control } = plan;
    const { rows, columns, device, dtype } = cost;
    using owned = new Owned<Tensor>();
    this.plan = plan;
    [this.rows, this.columns] = [rows, columns];
    this.#masses = [masses.rows, masses.columns];
    this.#finite = vectors.like(this.#masses, owned);
    this.#ones = vectors.like(this.#masses, owned);
    this.#starts = owned.add(new Tensor(device, [rows + 1], 'i32'));
    this.#kernel = owned.add(new Tensor(device, [rows, columns], dtype));
    ops.fill(control.queue, { x: this.#ones, value: 1 });
    this.#owned = owned.move();
  }

  /** A vector that is not set. */
  vector(owned: Owned<Tensor>): DualVector {
    return vectors.like(this.#masses, owned);
  }

  /** Inner products. */
  async dots(...pairs: readonly (readonly [DualVector, DualVector])[]): Promise<Float64Array> {
    const { control, cost } = this.plan;
    using out = new Tensor(cost.device, [pairs.length], 'f64');
    vectors.dots(control.queue, pairs, out);
    return await control.read(out);
  }

  /** The dual at the plan's potentials. */
  start(): Promise<DualPoint> {
    const { rows, columns } = this.plan.absorb();
    return this.#evaluate((at) => vectors.copy(this.plan.control.queue, [rows, columns], at));
  }

  /** The plan goes to the point. */
  finish({ at }: DualPoint): void {
    const { rows, columns } = this.plan.absorb();
    vectors.copy(this.plan.control.queue, at, [rows, columns]);
  }

  /** All points but these go. */
  keep(...points: readonly (DualPoint | undefined)[]): void {
    for (const [point, owned] of this.#points) {
      if (points.includes(point)) continue;
      owned.dispose();
      this.#points.delete(point);
    }
  }

  /** Points on the line from one, at lengths in units of `unit`, for a line search. */
  along(from: DualPoint, direction: DualVector, unit: number): (length: number) => Promise<DualPoint> {
    const { queue } = this.plan.control;
    const moveTo = (length: number) => (at: DualVector) =>
      vectors.combine(queue, at, [1, from.at], [length * unit, direction]);
    return (length) => this.#evaluate(moveTo(length), { from, direction, unit });
  }

  /** out = x − y; 0 for masses of 0. */
  difference(x: DualPoint, y: DualPoint, out: DualVector): void {
    const { queue } = this.plan.control;
    this.#clamped(x.at, out);
    this.#clamped(y.at, this.#finite);
    vectors.axpy(queue, -1, this.#finite, out);
  }

  /** Potentials of masses of 0, which are infinite, become numbers: times 0 they are 0. */
  #clamped(x: DualVector, out: DualVector): void {
    const parameters = [-farthest, Infinity] as const;
    ops.map(this.plan.control.queue, { out, x, function: 'clamp', parameters });
  }

  async #evaluate(
    set: (at: DualVector) => void,
    line?: { from: DualPoint; direction: DualVector; unit: number },
  ): Promise<DualPoint> {
    const { cost, masses, eps, control } = this.plan;
    const { queue } = control;
    control.iterations.evaluations += 1;
    using owned = new Owned<Tensor>();
    const [at, sums, gradient] = [this.vector(owned), this.vector(owned), this.vector(owned)];
    using statistics = new Tensor(cost.device, [4], 'f64');
    using products = new Tensor(cost.device, [3], 'f64');
    set(at);
    cost.planSums(queue, masses, pairOf(at), eps, pairOf(sums), statistics);
    vectors.combine(queue, gradient, [1, sums], [-1, this.#masses]);
    this.#clamped(at, this.#finite);
    const direction = line?.direction ?? gradient;
    vectors.dots(queue, [[this.#finite, this.#masses], [gradient, gradient], [direction, gradient]], products); // biome-ignore format: one line
    const [[, total, ofRows, ofColumns], [linear, square, slope]] = await Promise.all([
      control.read(statistics),
      control.read(products),
    ]);
    const [own, distance] = [eps * total! - linear!, ofRows! + ofColumns!];
    const isNumber = Number.isFinite(own) && Number.isFinite(distance);
    const [value, error] = isNumber ? [own, distance] : [Infinity, Infinity];
    const change = line ? value - line.from.value : 0;
    const norm = Math.sqrt(square!);
    const point = { at, sums, gradient, value, error, norm, change, slope: (line?.unit ?? 1) * slope! };
    this.#points.set(point, owned.move());
    return point;
  }

  /** The next systems' entries: those of the plan that all but `delta` of it are in, `most` of them. */
  async sparsify({ at }: DualPoint, most: number, delta: number): Promise<void> {
    const { cost, eps, control } = this.plan;
    const [rowScale, columnScale] = this.#ones as [Tensor, Tensor];
    for (const tensor of this.#entries ?? []) this.#owned.drop(tensor);
    this.#entries = undefined;
    const room = Math.min(most, this.rows * this.columns) + this.rows + this.columns;
    const columns = this.#owned.add(new Tensor(cost.device, [room], 'i32'));
    const values = this.#owned.add(new Tensor(cost.device, [room], 'f64'));
    using statistics = new Tensor(cost.device, [2], 'f64');
    cost.gibbsKernel(control.queue, pairOf(at), eps, this.#kernel);
    ops.planSparsify(control.queue, {
      kernel: this.#kernel,
      rowScale,
      columnScale,
      starts: this.#starts,
      columns,
      values,
      statistics,
      delta,
    });
    this.#entries = [columns, values];
    await control.read(statistics);
  }

  /** x = factor · ([diag(P 1), P̃; P̃ᵀ, diag(Pᵀ 1)] + shift)⁻¹ rhs with the entries P̃ of `sparsify`, by CG. */
  async solve(
    { sums }: DualPoint,
    rhs: DualVector,
    { shift, tol, factor }: { shift: number; tol: number; factor: number },
    owned: Owned<Tensor>,
  ): Promise<Solved> {
    const { control, cost } = this.plan;
    const { queue } = control;
    using scratch = new Owned<Tensor>();
    const diagonal = this.vector(scratch);
    const x = this.vector(owned);
    using statistics = new Tensor(cost.device, [4], 'f64');
    using products = new Tensor(cost.device, [2], 'f64');
    const [columns, values] = this.#entries!;
    const [rowMass, columnMass] = diagonal as [Tensor, Tensor];
    const [rowRhs, columnRhs] = rhs as [Tensor, Tensor];
    const [step, columnStep] = x as [Tensor, Tensor];
    const sides = { rowMass, rowSums: rowMass, columnMass, rowRhs, columnRhs, step, columnStep };
    vectors.combine(queue, diagonal, [1, sums], [shift, this.#ones]);
    ops.sparseNewtonStep(queue, {
      starts: this.#starts,
      columns,
      values,
      ...sides,
      statistics,
      tol,
      maxIterations: 1000,
    });
    vectors.scale(queue, factor, x);
    vectors.dots(queue, [[rhs, x], [x, x]], products); // biome-ignore format: one line
    const [[iterations], [along, square]] = await Promise.all([control.read(statistics), control.read(products)]);
    control.iterations.cg += iterations!;
    return { x, along: along!, square: square! };
  }

  [Symbol.dispose](): void {
    this.keep();
    this.#owned.dispose();
  }
}

/** A step of a published method: the next point, perhaps the same, or nothing where rounding hides what is better. */
export type DualStep = (here: DualPoint, owned: Owned<Tensor>) => Promise<DualPoint | undefined>;

/** Steps from where the plan stands, to an L1 error of at most `tol`. The plan always goes to the last point. */
export async function solveFullDual(
  plan: ScaledPlan,
  tol: number,
  method: (dual: FullDual) => DualStep,
): Promise<SolverEnd> {
  const { control, eps } = plan;
  using dual = new FullDual(plan);
  const step = method(dual);
  let here = await dual.start();
  let before: DualPoint | undefined;
  try {
    for (;;) {
      control.reportError(eps, here.error);
      if (here.error <= tol) return 'converged';
      if (control.newtonLeft <= 0) return 'max-iterations';
      control.iterations.newton += 1;
      using owned = new Owned<Tensor>();
      const next = await step(here, owned);
      if (!next) return 'at-precision';
      if (next !== here) [before, here] = [here, next];
      dual.keep(before, here);
    }
  } finally {
    dual.finish(here);
  }
}
