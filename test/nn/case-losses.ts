// The cases of test/nn/cases as models, and as losses for the calls of orthokit/nn.
import { type Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal, sizeOf, uniform } from '../support/data.ts';
import { type Case, count, labels, rows } from './cases.ts';

export type Model = Record<string, Tensor>;
export type Dtype = 'f32' | 'f64' | 'f16' | 'bf16';

const seedOf = (name: string): number =>
  [...name].reduce((seed, letter) => (Math.imul(seed, 31) + letter.charCodeAt(0)) | 0, 7) >>> 0;

const drawn = new Map<string, Float64Array>();
/** Normal numbers, made once. */
function numbers(shape: readonly number[], seed: number, scale = 1): Float64Array {
  const key = `${shape} ${seed} ${scale}`;
  if (!drawn.has(key)) drawn.set(key, normal(sizeOf(shape), seed, scale));
  return drawn.get(key)!;
}

/** The parameters of a case, and a direction for each. */
export function made(device: Device, one: Case, dtype: Dtype, seed = 1) {
  const data = new Map<string, Float64Array>();
  const model: Model = {};
  const direction = new Map<Tensor, Tensor>();
  for (const [name, shape] of Object.entries(one.params)) {
    const values = numbers(shape, seedOf(`${one.name} ${name} ${seed}`), 0.7);
    // Away from 0, where relu has a corner.
    const far = values.map((x) => (one.isPositive ? 0.5 + Math.abs(x) : x + Math.sign(x) * 0.1));
    data.set(name, far);
    model[name] = Tensor.from(device, far, shape, { dtype: 'f64' }).cast(dtype);
    const along = numbers(shape, seedOf(`${name} ${one.name} ${seed}`));
    direction.set(model[name], Tensor.from(device, along, shape, { dtype: 'f64' }).cast(dtype));
  }
  return { model, data, direction };
}

/** Rows of tables. */
export function indexFor(device: Device, n: number): Tensor<'i32'> {
  const next = uniform(n);
  const index = Int32Array.from({ length: count }, () => Math.floor(next() * Math.min(rows, n)));
  return Tensor.from(device, index, [count]);
}

/** The case as a loss: its result against fixed numbers, which `held` can hold. */
export function lossOf(device: Device, one: Case, dtype: Dtype, held = dtype) {
  let against: Tensor | undefined;
  const masked = Tensor.from(device, labels, [count]);
  return (model: nn.Traced<Model>, index: Tensor): nn.Value => {
    const result = one.call(model, index, masked);
    if (one.isLoss) return result;
    against ??= Tensor.from(device, numbers(result.shape, 5), result.shape, { dtype: 'f64' }).cast(held).cast(dtype);
    return nn.sum(nn.multiply(result, against));
  };
}
