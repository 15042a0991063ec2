import { callback, checkFinite } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { type Resolved, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Options of {@link checkAdjoint}. */
export interface CheckAdjointOptions {
  /** Seed of the random vectors: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<CheckAdjointOptions, 'signal'>> = {
  seed: whole(0, 0, 2 ** 32 - 1),
  signal: watchers<never>().signal,
};

/** Random numbers of a normal distribution in each tensor. */
export function fillNormal(queue: Device, x: readonly Tensor[], seed: number, stream: number): void {
  ops.random(queue, { x, seed, stream, distribution: 'normal' });
}

/**
 * The distance of an operator's two ways from being each other's adjoint:
 * |⟨A x, y⟩ − ⟨x, Aᵀ y⟩| / (|A x| |y| + |x| |Aᵀ y|) for random x and y; of the size of rounding if they are. 0 for an
 * operator that gives zeros.
 *
 * @example
 * if ((await checkAdjoint(operator)) > 1e-12) throw new Error('adjoint is not the adjoint of apply');
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE for what is no operator with an adjoint, for NaN and for what its
 * functions throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted
 */
export async function checkAdjoint(operator: LinearOperator, options: CheckAdjointOptions = {}): Promise<number> {
  const where = 'checkAdjoint';
  checkOperator(where, 'operator', operator);
  const { seed, signal } = readOptions(where, options, schema);
  if (typeof operator.adjoint !== 'function')
    throw refusal(where, 'operator', 'have a function adjoint', shown(operator.adjoint));
  const { device, dtype, shape } = operator;
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const make = (size: number) => owned.add(new Tensor(device, [size], dtype));
  const [x, y] = [make(shape[1]), make(shape[0])];
  const [ax, aty] = [make(shape[0]), make(shape[1])];
  fillNormal(task.queue, [x], seed, 0);
  fillNormal(task.queue, [y], seed, 1);
  await callback(task, `${where}: operator.apply`, [x, ax], () => operator.apply(x, ax));
  await callback(task, `${where}: operator.adjoint`, [y, aty], () => operator.adjoint!(y, aty));
  const out = owned.add(new Tensor(device, [6], 'f64'));
  vectors.dots(task.queue, [[ax, y], [x, aty], [ax, ax], [y, y], [x, x], [aty, aty]], out); // biome-ignore format: one line
  const numbers = await task.read(out);
  const [forward, backward] = numbers as unknown as [number, number];
  const [axs, ys, xs, atys] = [...numbers.subarray(2)].map(Math.sqrt) as [number, number, number, number];
  for (const value of [forward, axs]) checkFinite(`${where}: operator.apply`, value);
  for (const value of [backward, atys]) checkFinite(`${where}: operator.adjoint`, value);
  const size = axs * ys + xs * atys;
  return size === 0 ? 0 : Math.abs(forward - backward) / size;
}
