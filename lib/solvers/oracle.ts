import { callback, checkFinite } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { checkParams } from '../core/params.ts';
import { optional, type Resolved, readOptions, type Schema, watchers, whole } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { fillNormal } from './operator.ts';

/**
 * A scalar function of a list of tensors. Results go into tensors that are given, values into an f64 of one element;
 * all is queued on the device of the parameters. A function may be called with other numbers in `params`, and must not
 * write them.
 */
export interface Oracle {
  /** The function's variables, f32 or f64, on one device. */
  readonly params: readonly Tensor[];
  /** out = the function. `sample` names the mini-batch. */
  value(out: Tensor, sample?: number): void | Promise<void>;
  /** gradsₚ = its derivative by paramsₚ, and the value too where that is asked for. */
  gradient(grads: readonly Tensor[], value?: Tensor, sample?: number): void | Promise<void>;
  /** out = its Hessian times v. */
  hessianProduct?(v: readonly Tensor[], out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** out = its Gauss–Newton matrix times v. */
  gaussNewtonProduct?(v: readonly Tensor[], out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** outₚ `[samples, …]` = the derivatives by paramsₚ of each sample's share. */
  perSampleGradients?(out: readonly Tensor[], sample?: number): void | Promise<void>;
}

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED for what is no oracle */
export function checkOracle(
  where: string,
  value: unknown,
  needed: readonly ('value' | 'gradient')[] = ['value', 'gradient'],
): asserts value is Oracle {
  if (!isRecord(value)) throw refusal(where, 'oracle', 'be an oracle', shown(value));
  checkParams(where, 'oracle.params', value['params']);
  for (const name of needed)
    if (typeof value[name] !== 'function')
      throw refusal(where, 'oracle', `have a function ${name}`, shown(value[name]));
}

/** The share of an oracle's value that is rounding, by the dtype of its parameters. */
export const valueRounding: Readonly<Record<'f32' | 'f64', number>> = { f32: 16 * 2 ** -23, f64: 64 * 2 ** -52 };

/** Parameters as they are now; `restore` brings them back, whatever has been queued through a lane since. */
export function saved(params: readonly Tensor[], owned: Owned<Tensor>): () => void {
  const { device } = params[0]!;
  const copies = vectors.like(params, owned);
  vectors.copy(device, params, copies);
  return () => {
    if (!params.some(({ disposed }) => disposed)) vectors.copy(device, copies, params);
  };
}

/** Options of {@link checkGradient}. */
export interface CheckGradientOptions {
  /** Seed of the random direction: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** The mini-batch: whole, from 0 on. Default: none. */
  sample?: number | undefined;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<CheckGradientOptions, 'signal' | 'sample'>> = {
  seed: whole(0, 0, 2 ** 32 - 1),
  sample: optional(whole(0, 0, 2 ** 53 - 1)),
  signal: watchers<never>().signal,
};

/** The cube root of eps, where central differences are best. */
const step = (params: readonly Tensor[]): number => (params[0]!.dtype === 'f64' ? 6e-6 : 5e-3);

/** h = step · (1 + |x|) / |v|, a good step for central differences along v, and 1 / h; on the device. */
export function stepAlong(
  queue: Device,
  x: readonly Tensor[],
  v: readonly Tensor[],
  owned: Owned<Tensor>,
): { h: Tensor; inverse: Tensor } {
  const make = () => owned.add(vectors.scalar(x[0]!.device));
  const [size, length, one] = [make(), make(), make()];
  ops.fill(queue, { x: [one], value: 1 });
  vectors.norm(queue, x, size);
  vectors.norm(queue, v, length);
  vectors.combine(queue, size, [step(x), size], [step(x), one]);
  vectors.combine(queue, length, [1, length], [1e-30, one]);
  vectors.divide(queue, length, size, length);
  vectors.divide(queue, one, length, size);
  return { h: size, inverse: length };
}

/**
 * The distance of an oracle's gradient from its values: the relative difference of its slope along a random direction
 * and that of central differences, of the size of 1e-9 in f64 and 1e-3 in f32 for smooth functions, and of 1 for a
 * gradient that is wrong. The parameters are as before when it ends.
 *
 * @example
 * if ((await checkGradient(oracle)) > 1e-6) throw new Error('gradient is not the gradient of value');
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for what is no oracle, for NaN and for what its functions
 * throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted
 */
export async function checkGradient(oracle: Oracle, options: CheckGradientOptions = {}): Promise<number> {
  const where = 'checkGradient';
  checkOracle(where, oracle);
  const { seed, sample, signal } = readOptions(where, options, schema);
  const { params } = oracle;
  const { device } = params[0]!;
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const restore = saved(params, owned);
  try {
    const direction = vectors.like(params, owned);
    for (const [i, part] of direction.entries()) fillNormal(task.queue, [part], seed, i);
    const { h, inverse } = stepAlong(task.queue, params, direction, owned);
    const gradient = vectors.like(params, owned);
    const [slope, above, below] = [1, 2, 3].map(() => owned.add(vectors.scalar(device))) as [Tensor, Tensor, Tensor];
    const lent = [...params, ...gradient, above, below];
    await callback(task, `${where}: oracle.gradient`, lent, () => oracle.gradient(gradient, undefined, sample));
    vectors.dot(task.queue, gradient, direction, slope);
    vectors.axpy(task.queue, [1, h], direction, params);
    await callback(task, `${where}: oracle.value`, lent, () => oracle.value(above, sample));
    vectors.axpy(task.queue, [-2, h], direction, params);
    await callback(task, `${where}: oracle.value`, lent, () => oracle.value(below, sample));
    const numbers = await task.readAll(slope, above, below, inverse);
    const [expected, high, low, scale] = numbers.map((list) => Number(list[0])) as [number, number, number, number];
    checkFinite(`${where}: oracle.gradient`, expected);
    for (const value of [high, low]) checkFinite(`${where}: oracle.value`, value);
    const difference = ((high - low) * scale) / 2;
    const size = Math.max(Math.abs(expected), Math.abs(difference));
    return size === 0 ? 0 : Math.abs(expected - difference) / size;
  } finally {
    restore();
  }
}

/**
 * The same oracle with products of its Hessian by central differences of its gradient, for those that have none: two
 * gradients a product, right to some ten digits in f64 and four in f32.
 *
 * @example
 * const { hessianProduct } = withDifferences(oracle);
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED for what is no oracle; a product rejects with
 * what the gradient throws, the parameters as before
 */
export function withDifferences(oracle: Oracle): Oracle & Required<Pick<Oracle, 'hessianProduct'>> {
  const where = 'withDifferences';
  checkOracle(where, oracle);
  const { params } = oracle;
  const { device } = params[0]!;
  const hessianProduct = async (v: readonly Tensor[], out: readonly Tensor[], sample?: number): Promise<void> => {
    using task = new Task<never>(device);
    using owned = new Owned<Tensor>();
    const restore = saved(params, owned);
    try {
      const { h, inverse } = stepAlong(device, params, v, owned);
      const [above, below] = [vectors.like(params, owned), vectors.like(params, owned)];
      const gradient = (grads: readonly Tensor[]) =>
        callback(task, `${where}: oracle.gradient`, [...params, ...grads], () =>
          oracle.gradient(grads, undefined, sample),
        );
      vectors.axpy(device, [1, h], v, params);
      await gradient(above);
      restore();
      vectors.axpy(device, [-1, h], v, params);
      await gradient(below);
      vectors.combine(device, out, [[0.5, inverse], above], [[-0.5, inverse], below]);
    } finally {
      restore();
    }
  };
  return {
    params,
    value: (out, sample) => oracle.value(out, sample),
    gradient: (grads, value, sample) => oracle.gradient(grads, value, sample),
    ...(oracle.gaussNewtonProduct && { gaussNewtonProduct: oracle.gaussNewtonProduct.bind(oracle) }),
    ...(oracle.perSampleGradients && { perSampleGradients: oracle.perSampleGradients.bind(oracle) }),
    hessianProduct,
  };
}
