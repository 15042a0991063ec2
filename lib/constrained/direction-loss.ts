import { callback } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { OrthokitError, refusal } from '../core/errors.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Options of {@link cdmLoss}. */
export interface CdmLossOptions {
  /** Gets the derivative by v, of its shape and dtype; a call that fails leaves it. Default: none. */
  gradOut?: Tensor | undefined;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<CdmLossOptions, 'gradOut' | 'signal'>> = {
  gradOut: check.tensorOption,
  signal: watchers<never>().signal,
};

/**
 * The loss that a predictor of {@link cdmSolve} is trained by: of the directions v that it made of right-hand sides r,
 * the mean of |r − α A v|² with α = v·r / v·A v, what the best step along each leaves. It is 0 for v = c A⁻¹ r, and the
 * same for any multiple of v.
 *
 * Source: Kaneda, Akar, Chen, Kala, Hyde and Teran 2023.
 *
 * @param r `[n]` or `[batch, n]`, of the operator's dtype.
 * @param v The other tensor, of the same shape.
 * @returns f64 of one element; the caller's
 * @example
 * using loss = await cdmLoss(operator, r, v, { gradOut });
 *
 * @throws ERR_ARGUMENT where v·A v is not positive, for products that are not finite and for what the operator throws;
 * ERR_SHAPE, ERR_DTYPE,
 * ERR_DEVICE for what does not fit; ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
 */
export async function cdmLoss(
  operator: LinearOperator,
  r: Tensor,
  v: Tensor,
  options: CdmLossOptions = {},
): Promise<Tensor> {
  const where = 'cdmLoss';
  checkOperator(where, 'operator', operator, true);
  const { device, dtype } = operator;
  const [n] = operator.shape;
  check.tensor(where, 'r', r, { dtypes: [dtype], device, filled: true });
  if (r.shape.length > 2 || r.shape.at(-1) !== n)
    throw refusal(where, 'r', `have shape [${n}] or [any,${n}]`, `[${r.shape}]`, 'ERR_SHAPE');
  check.tensor(where, 'v', v, { dtypes: [dtype], shape: r.shape, device });
  const { gradOut, signal } = readOptions(where, options, schema);
  if (gradOut) check.tensor(where, 'gradOut', gradOut, { dtypes: [dtype], shape: r.shape, device });
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const batch = r.size / n;
  const rowsOf = (x: Tensor): Tensor[] =>
    r.shape.length === 1 ? [x] : Array.from({ length: batch }, (_, i) => owned.add(owned.add(x.rows(i, i + 1)).reshape([n]))); // biome-ignore format: one line
  const make = (): Tensor => owned.add(new Tensor(device, r.shape, dtype));
  const [rs, vs, ss] = [rowsOf(r), rowsOf(v), rowsOf(make())];
  const apply = (x: Tensor, out: Tensor): Promise<void> =>
    callback(task, `${where}: operator.apply`, [x, out], () => operator.apply(x, out));
  for (const [i, row] of vs.entries()) await apply(row, ss[i]!);
  const products = owned.add(new Tensor(device, [2 * batch], 'f64'));
  vectors.dots(queue, [...vs.map((row, i) => [row, ss[i]!] as const), ...vs.map((row, i) => [row, rs[i]!] as const)], products); // biome-ignore format: one line
  const numbers = await task.read(products);
  const checkFinite = (all: Float64Array): void => {
    const other = all.find((x) => !Number.isFinite(x));
    if (other !== undefined) throw refusal(where, 'r and v', 'have finite products', other);
  };
  checkFinite(numbers as Float64Array);
  for (let i = 0; i < batch; ++i)
    if (!(numbers[i]! > 0))
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${where}: v·A v must be above 0, got ${numbers[i]}${batch > 1 ? ` in row ${i}` : ''}`,
      );
  const es = rowsOf(make());
  for (const [i, e] of es.entries()) {
    const alpha = numbers[batch + i]! / numbers[i]!;
    vectors.combine(queue, e, [1, rs[i]!], [-alpha, ss[i]!]);
  }
  const [squares, slopes] = [owned.add(new Tensor(device, [batch], 'f64')), owned.add(new Tensor(device, [batch], 'f64'))]; // biome-ignore format: one line
  vectors.dots(queue, es.map((e) => [e, e] as const), squares); // biome-ignore format: one line
  vectors.dots(queue, es.map((e, i) => [e, ss[i]!] as const), slopes); // biome-ignore format: one line
  const [lost, bent] = await task.readAll(squares, slopes);
  for (const all of [lost, bent]) checkFinite(all as Float64Array);
  const loss = (lost as Float64Array).reduce((sum, x) => sum + x / batch, 0);
  if (gradOut) {
    const grads = make();
    const images = rowsOf(grads);
    for (const [i, e] of es.entries()) await apply(e, images[i]!);
    const share = -2 / batch;
    for (const [i, image] of images.entries()) {
      const a = numbers[i]!;
      const [alpha, slope] = [numbers[batch + i]! / a, (bent as Float64Array)[i]! / a];
      vectors.combine(queue, image, [share * slope, rs[i]!], [-2 * share * slope * alpha, ss[i]!], [share * alpha, image]); // biome-ignore format: one line
    }
    vectors.copy(queue, grads, gradOut);
  }
  return Tensor.from(device, Float64Array.of(loss), [1]);
}
