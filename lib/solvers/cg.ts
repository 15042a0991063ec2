import { OrthokitError } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { kind, type Resolved, readOptions, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { checkOperator, type LinearOperator } from './operator.ts';
import { System, type SystemOptions, type SystemResult, systemSchema } from './system.ts';

/** Options of {@link cg}. */
export interface CgOptions extends SystemOptions {
  /** About the inverse of the operator, symmetric and positive; it may differ from one iteration to the next. Default: none. */
  preconditioner?: LinearOperator | undefined;
}

const schema: Schema<
  Resolved<CgOptions, 'x0' | 'tol' | 'maxIterations' | 'history' | 'signal' | 'onProgress' | 'preconditioner'>
> = { ...systemSchema, preconditioner: kind(isRecord, 'an operator') };

/**
 * x of A x = b by conjugate gradients, where A is symmetric and positive definite. A residual that the recurrence thinks small
 * enough is computed anew; where it is not, iterations go on from there. Scalars stay on the device, and are read once an
 * iteration.
 *
 * Memory: 5 vectors, 4 without a preconditioner.
 *
 * Source: Hestenes and Stiefel 1952; the step of Polak and Ribière lets preconditioners differ (Golub and Ye 1999).
 *
 * @example
 * const { x, status } = await cg(operator, b, { tol: 1e-10 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options, operators and vectors that do not fit, for NaN, for a b
 * that is not finite and for what functions throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason
 * when aborted
 */
export async function cg(operator: LinearOperator, b: Tensor, options: CgOptions = {}): Promise<SystemResult> {
  const where = 'cg';
  const given = readOptions(where, options, schema);
  using system = new System(where, operator, b, given);
  const { preconditioner } = given;
  if (preconditioner !== undefined) {
    checkOperator(where, 'preconditioner', preconditioner, true);
    const fits = preconditioner.shape[0] === operator.shape[0] && preconditioner.dtype === operator.dtype;
    if (!fits || preconditioner.device !== operator.device)
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${where}: preconditioner must be like operator, ${operator.dtype} of ${operator.shape[0]} on its device, got ${preconditioner.dtype} of ${preconditioner.shape[0]}`,
      );
  }
  const { task, x, residual } = system;
  const { queue } = task;
  const [direction, product] = [system.vector(), system.vector()];
  const step = preconditioner ? system.vector() : residual;
  const precondition = async (): Promise<void> => {
    if (preconditioner) await system.apply(residual, step, preconditioner, 'preconditioner');
  };
  const [curvature, descent, length, numbers] = [1, 1, 1, 3].map((count) => system.scalars(count)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];

  let norm = await system.evaluate();
  let verified = norm;
  let isExact = true;
  let isNew = true;
  system.tell(norm);
  for (;;) {
    if (system.isSmall(norm)) {
      if (isExact) return system.result('converged', norm);
      // The updates have gone their own way by rounding.
      norm = await system.evaluate();
      if (!system.isSmall(norm) && norm > verified / 2) return system.result('at-precision', norm);
      [verified, isExact, isNew] = [norm, true, true];
      continue;
    }
    if (system.iterations >= system.maxIterations)
      return system.result('max-iterations', isExact ? norm : await system.evaluate());
    if (isNew) {
      await precondition();
      vectors.copy(queue, step, direction);
      vectors.dot(queue, residual, step, descent);
    }
    await system.apply(direction, product);
    vectors.dot(queue, direction, product, curvature);
    vectors.divide(queue, descent, curvature, length);
    vectors.axpy(queue, [-1, length], product, residual);
    await precondition();
    vectors.dots(queue, [[residual, residual], [residual, step], [product, step]], numbers); // biome-ignore format: one line
    const [[bend], [before], [squared, after, along]] = (await task.readAll(
      curvature,
      descent,
      numbers,
    )) as unknown as [number[], number[], number[]];
    system.iterations += 1;
    if (!(before! > 0 && bend! > 0)) {
      system.check(bend! + before!);
      return system.result('breakdown', await system.evaluate());
    }
    vectors.axpy(queue, before! / bend!, direction, x);
    // Polak and Ribière: the change of the residual is −length · product.
    const share = preconditioner ? -along! / bend! : after! / before!;
    vectors.combine(queue, direction, [1, step], [share, direction]);
    vectors.dot(queue, residual, step, descent);
    norm = Math.sqrt(squared!);
    system.check(norm);
    [isNew, isExact] = [false, false];
    system.tell(norm);
  }
}
