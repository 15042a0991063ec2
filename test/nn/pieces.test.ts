// Devices: cpu, cuda
// Values of functions that take tensors apart, put them together, and of losses at their ends.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('pieces of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const w = { w: Tensor.from(device, [0], [1]) };
  const whole = (shape: readonly number[], first = 0, dtype: 'f32' | 'i32' = 'f32') => {
    const size = shape.reduce((a, b) => a * b, 1);
    return Tensor.from(
      device,
      Array.from({ length: size }, (_, i) => first + i),
      shape,
      { dtype: 'f32' },
    ).cast(dtype);
  };
  const run = async (fn: () => nn.Value) => {
    using call = nn.forward(fn as (m: typeof w) => nn.Value);
    const { shape, dtype } = call(w);
    return { shape, dtype, values: [...(await call(w).read())] };
  };
  const x = whole([2, 3, 2]);

  describe.each([[[4]], [[2, 2]]])('a linear layer of %j inputs', (shape) => {
    const gradientsOf = async (layer: Record<string, Tensor>, width: number) => {
      const loss = (m: nn.Traced<typeof layer>, y: Tensor) => {
        const lora = m['a'] && { a: m['a'], b: m['b']!, scale: 1 };
        return nn.sum(
          nn.linear({ weight: m['weight']!, ...(m['bias'] && { bias: m['bias'] }), ...(lora && { lora }) }, y),
        );
      };
      using step = nn.valueAndGrad(loss);
      const { value, grads } = step(layer, whole([...shape, width]));
      const read = Object.entries(layer).map(async ([name, tensor]) => [name, [...(await grads.get(tensor)!.read())]]);
      return { value: [...(await value.read())], ...Object.fromEntries(await Promise.all(read)) };
    };

    it('without columns gives the bias', async () => {
      const layer = { weight: whole([3, 0]), bias: whole([3], 1) };
      const y = { shape: [...shape, 3], dtype: 'f32', values: Array.from({ length: 12 }, (_, i) => 1 + (i % 3)) };
      expect(await run(() => nn.linear(layer, whole([...shape, 0])))).toEqual(y);
      const zeros = { ...y, values: y.values.map(() => 0) };
      expect(await run(() => nn.linear({ weight: layer.weight }, whole([...shape, 0])))).toEqual(zeros);
      expect(await gradientsOf(layer, 0)).toEqual({ value: [24], weight: [], bias: [4, 4, 4] });
    });

    it('without results, or with an adapter of rank 0, has gradients', async () => {
      expect(await gradientsOf({ weight: whole([0, 2]) }, 2)).toEqual({ value: [0], weight: [] });
      const layer = { weight: whole([1, 2], 1), a: whole([0, 2]), b: whole([1, 0]) };
      // Σ (x₁ + 2 x₂) over the rows 0 1, 2 3, 4 5, 6 7.
      expect(await gradientsOf(layer, 2)).toEqual({ value: [44], weight: [12, 16], a: [], b: [] });
    });
  });

  it.each<[number, number, number, readonly number[], readonly number[]]>([
    [0, 1, 2, [1, 3, 2], [6, 7, 8, 9, 10, 11]],
    [1, 1, 3, [2, 2, 2], [2, 3, 4, 5, 8, 9, 10, 11]],
    [-1, 1, 2, [2, 3, 1], [1, 3, 5, 7, 9, 11]],
    [-3, 0, 2, [2, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
    [1, 2, 2, [2, 0, 2], []],
  ])('slice of axis %i from %i to %i', async (axis, from, to, shape, values) => {
    expect(await run(() => nn.slice(x, axis, from, to))).toEqual({ shape, dtype: 'f32', values });
  });

  it('concat puts one after the other, integers and tensors without elements too', async () => {
    expect(await run(() => nn.concat([whole([2, 1]), whole([2, 2], 10), whole([2, 0])], 1))).toEqual({
      shape: [2, 3],
      dtype: 'f32',
      values: [0, 10, 11, 1, 12, 13],
    });
    expect(await run(() => nn.concat([whole([2], 0, 'i32'), whole([3], 7, 'i32')], -1))).toEqual({
      shape: [5],
      dtype: 'i32',
      values: [0, 1, 7, 8, 9],
    });
  });

  it.each<[string, string, () => nn.Value]>([
    ['ERR_ARGUMENT', 'nn.slice: slice: axis must be one of the 3 axes of [2,3,2], got 3', () => nn.slice(x, 3, 0, 1)],
    ['ERR_ARGUMENT', 'axis must be one of the 3 axes', () => nn.slice(x, 0.5, 0, 1)],
    ['ERR_SHAPE', 'slice: from and to must be a range in 0 … 3, got 2 and 4', () => nn.slice(x, 1, 2, 4)],
    ['ERR_SHAPE', 'from and to must be a range in 0 … 3, got 2 and 1', () => nn.slice(x, 1, 2, 1)],
    ['ERR_ARGUMENT', 'nn.concat: xs must be a list of tensors and values, got none', () => nn.concat([], 0)],
    ['ERR_SHAPE', 'concat: xs[1] must fit [2,3,2] but for axis 1, got [2,3]', () => nn.concat([x, whole([2, 3])], 1)],
    ['ERR_SHAPE', 'xs[1] must fit [2,3,2] but for axis 2, got [2,3]', () => nn.concat([x, whole([2, 3])], 2)],
    ['ERR_DTYPE', 'nn.concat: ', () => nn.concat([x, x.cast('f64')], 1)],
  ])('%s: %s', (code, words, fn) => {
    using call = nn.forward(fn as (m: typeof w) => nn.Value);
    expect(() => call(w)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
  });

  it('binaryCrossEntropy keeps its digits however sure the logits are', async () => {
    const one = async (z: number, t: number, dtype: 'f32' | 'f64' = 'f32') => {
      const model = { z: Tensor.from(device, Float64Array.of(z), [1]).cast(dtype) };
      using step = nn.valueAndGrad((m: nn.Traced<typeof model>, targets: Tensor) =>
        nn.binaryCrossEntropy(m.z, targets),
      );
      const { value, grads } = step(model, Tensor.from(device, Float64Array.of(t), [1]).cast(dtype));
      return [(await value.read())[0]!, (await grads.get(model.z)!.read())[0]!] as const;
    };
    expect(await one(0, 0.5, 'f64')).toEqual([expect.closeTo(Math.LN2, 15), 0]);
    expect(await one(1000, 1)).toEqual([0, 0]);
    expect(await one(-1000, 1)).toEqual([1000, -1]);
    expect(await one(1000, 0)).toEqual([1000, 1]);
    const [sure] = await one(20, 1);
    expect(Math.abs(sure / Math.log1p(Math.exp(-20)) - 1)).toBeLessThan(1e-6);
    const [value, slope] = await one(0.3, 0.8, 'f64');
    const sigmoid = 1 / (1 + Math.exp(-0.3));
    expect(value).toBeCloseTo(-0.8 * Math.log(sigmoid) - 0.2 * Math.log(1 - sigmoid), 14);
    expect(slope).toBeCloseTo(sigmoid - 0.8, 14);
  });
});
