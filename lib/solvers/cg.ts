import type { Dtype } from '../core/dtypes.ts';
import { OrthokitError, refusal } from '../core/errors.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { isRecord } from '../core/options.ts';
import { kind, notNegative, type Resolved, readOptions, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { SolverStatus } from './status.ts';
import { System, type SystemOptions, type SystemResult, systemSchema } from './system.ts';

/** Options of {@link cg}. */
export interface CgOptions extends SystemOptions {
  /** An approximation of the inverse, symmetric and positive; it may differ between iterations. Default: none. */
  preconditioner?: LinearOperator | undefined;
  /**
   * Rounding of a product with the operator, whose norm is to be about 1, relative to its vector: not negative. A
   * residual of so much |x| is enough. The operator counts as singular along directions of a curvature of at most four
   * times that, and b loses its part along them. Default: 0.
   */
  rounding?: number | undefined;
}

/** The end of {@link cg}. */
export interface CgResult<D extends Dtype = Dtype> extends SystemResult<D> {
  /** The size of what b lost along directions in which the operator is singular up to `rounding`, as a share of |b|. */
  readonly dropped: number;
}

const schema: Schema<
  Resolved<CgOptions, 'x0' | 'tol' | 'maxIterations' | 'history' | 'signal' | 'onProgress' | 'preconditioner'>
> = { ...systemSchema, preconditioner: kind(isRecord, 'an operator'), rounding: notNegative(0) };

/**
 * x of A x = b by conjugate gradients, where A is symmetric and positive definite. A residual that the recurrence
 * thinks small enough is computed anew; where it is not, iterations go on from there. Scalars stay on the device, and
 * are read once an iteration.
 *
 * Memory: 5 vectors, 4 without a preconditioner.
 *
 * Source: Hestenes and Stiefel 1952; the step of Polak and Ribière lets preconditioners differ (Golub and Ye 1999).
 *
 * @example
 * const { x, status } = await cg(operator, b, { tol: 1e-10 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options, operators and vectors that do not fit, for NaN,
 * for a b that is not finite and for what functions throw; ERR_DISPOSED if they dispose of what they are given; the
 * signal's reason when aborted
 */
export async function cg<D extends Dtype>(
  operator: LinearOperator,
  b: Tensor<D>,
  options: CgOptions = {},
): Promise<CgResult<D>> {
  const where = 'cg';
  const given = readOptions(where, options, schema);
  using system = new System(where, operator, b, given);
  const { preconditioner, rounding } = given;
  if (preconditioner !== undefined) {
    checkOperator(where, 'preconditioner', preconditioner, true);
    if (preconditioner.device !== operator.device)
      throw new OrthokitError('ERR_DEVICE', `${where}: preconditioner is on another device`);
    if (preconditioner.shape[0] !== operator.shape[0] || preconditioner.dtype !== operator.dtype) {
      const must = `be like operator, ${operator.dtype} of ${operator.shape[0]}`;
      throw refusal(where, 'preconditioner', must, `${preconditioner.dtype} of ${preconditioner.shape[0]}`);
    }
  }
  const { task, x, residual } = system;
  const { queue } = task;
  const [direction, product] = [system.vector(), system.vector()];
  const step = preconditioner ? system.vector() : residual;
  const precondition = (): Promise<void> | undefined =>
    preconditioner && system.apply(residual, step, preconditioner, 'preconditioner');
  // Numbers of an iteration: its curvature, the descent of a new direction, and products behind the step. Those that
  // only a preconditioner or rounding asks for stand behind.
  const products: (readonly [Tensor, Tensor])[] = [[residual, residual]];
  if (preconditioner) products.push([residual, step], [product, step]);
  if (rounding > 0) products.push([direction, direction], [x, direction], [x, x]);
  const [length, numbers] = [system.scalars(1), system.scalars(2 + products.length)];
  using curvature = numbers.rows(0, 1);
  using ofNew = numbers.rows(1, 2);
  using behind = numbers.rows(2);
  using ofNext = behind.rows(preconditioner ? 1 : 0, preconditioner ? 2 : 1);
  let before = 0;
  let dropped = 0;
  const end = (status: SolverStatus, norm: number): CgResult<D> => ({
    ...system.result(status, norm),
    dropped: system.size === 0 ? 0 : dropped / system.size,
  });

  let norm = await system.evaluate();
  let verified = norm;
  let isExact = true;
  let isNew = true;
  let sizeOfX = options.x0 && rounding > 0 ? await system.norm(x) : 0;
  const isSmall = (): boolean => system.isSmall(norm) || norm <= rounding * sizeOfX;
  system.tell(norm);
  for (;;) {
    if (isSmall()) {
      if (isExact) return end('converged', norm);
      // The updates have gone their own way by rounding.
      norm = await system.evaluate();
      if (!isSmall() && norm > verified / 2) return end('at-precision', norm);
      [verified, isExact, isNew] = [norm, true, true];
      continue;
    }
    if (system.iterations >= system.maxIterations)
      return end('max-iterations', isExact ? norm : await system.evaluate());
    if (isNew) {
      if (preconditioner) await precondition();
      vectors.copy(queue, step, direction);
      vectors.dot(queue, residual, step, ofNew);
    }
    const wait = system.apply(direction, product);
    if (wait) await wait;
    vectors.dot(queue, direction, product, curvature);
    vectors.divide(queue, isNew ? ofNew : ofNext, curvature, length);
    vectors.axpy(queue, [-1, length], product, residual);
    if (preconditioner) await precondition();
    vectors.dots(queue, products, behind);
    const read = [...(await task.read(numbers))];
    const [bend, start, squared] = read as [number, number, number];
    const [after, along] = preconditioner ? (read.slice(3, 5) as [number, number]) : [squared, 0];
    if (isNew) before = start;
    system.iterations += 1;
    if (!(bend + before < Infinity)) system.check(bend + before);
    const [width, across, inner] = rounding > 0 ? (read.slice(-3) as [number, number, number]) : [0, 0, 0];
    if (rounding > 0 && bend <= 4 * rounding * width) {
      dropped += Math.abs(before) / Math.sqrt(width);
      system.lose(-before / width, direction);
      norm = await system.evaluate();
      [verified, isExact, isNew] = [norm, true, true];
      continue;
    }
    if (!(before > 0 && bend > 0)) return end('breakdown', await system.evaluate());
    const taken = before / bend;
    vectors.axpy(queue, taken, direction, x);
    if (rounding > 0) sizeOfX = Math.sqrt(Math.max(0, inner + taken * (2 * across + taken * width)));
    // Polak and Ribière: the change of the residual is −length · product.
    const share = preconditioner ? -along / bend : after / before;
    vectors.combine(queue, direction, [1, step], [share, direction]);
    before = after;
    norm = Math.sqrt(squared);
    system.check(norm);
    [isNew, isExact] = [false, false];
    system.tell(norm);
  }
}
