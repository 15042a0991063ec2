// Devices: cpu, cuda
// Source: closed form "is right for f32 of any size"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { dot } from '../../reference/dots.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('dots on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const eachAlone = (x: Tensor[], y: Tensor[]) =>
    Promise.all(
      x.map(async (one, i) => {
        const own = Tensor.full(device, [1], NaN, { dtype: 'f64' });
        ops.dots(device, { x: [one], y: [y[i]!], out: own });
        return (await own.read())[0];
      }),
    );

  it.each([
    ['f32', 'f32'],
    ['f64', 'f64'],
    ['f16', 'bf16'],
    ['f32', 'f64'],
  ] as const)('sums the products of pairs in f64, %s and %s', async (left, right) => {
    const x = awkward.map((n) => tensorOf(device, normal(n, n + 1), [n], left));
    const y = awkward.map((n) => tensorOf(device, normal(n, n + 2), [n], right));
    const out = Tensor.full(device, [awkward.length], NaN, { dtype: 'f64' });
    ops.dots(device, { x, y, out });
    const actual = await out.read();
    for (const [i, n] of awkward.entries()) {
      const [a, b] = [await valuesOf(x[i]!), await valuesOf(y[i]!)];
      // Each of the two sums errs by at most n roundings of what was added up, and far less in practice.
      const magnitude = dot(a.map(Math.abs), b.map(Math.abs));
      expectClose([actual[i]!], [dot(a, b)], { dtype: 'f64', ulps: 4 + Math.sqrt(n), magnitude });
    }
  });

  it.each(['f32', 'f64', 'bf16'] as const)(
    'gives the bits of each pair alone where all share a long vector: %s',
    async (dtype) => {
      const [count, size] = [11, (1 << 18) + 597];
      const shared = Tensor.randn(device, [size], { seed: 1 }).cast(dtype);
      const x = Array.from({ length: count }, (_, i) => Tensor.randn(device, [size], { seed: i + 2 }).cast(dtype));
      const out = Tensor.full(device, [count], NaN, { dtype: 'f64' });
      const y = x.map(() => shared);
      ops.dots(device, { x, y, out });
      expect([...(await out.read())]).toEqual(await eachAlone(x, y));
    },
  );

  it('takes parts of one long vector beside it, each by its own length', async () => {
    const [size, few] = [(1 << 18) + 597, 31];
    const y = Tensor.randn(device, [size], { seed: 1 });
    const parts = [y, y.rows(0, few), y, y.rows(0, 1 << 18)];
    const x = parts.map((part, i) => Tensor.randn(device, part.shape, { seed: i + 2 }));
    const out = Tensor.full(device, [parts.length], NaN, { dtype: 'f64' });
    ops.dots(device, { x, y: parts, out });
    expect([...(await out.read())]).toEqual(await eachAlone(x, parts));
  });

  it('is right for f32 of any size', async () => {
    const x = tensorOf(device, new Array(100).fill(2 ** -100));
    const y = tensorOf(device, new Array(100).fill(2 ** 100));
    const out = Tensor.zeros(device, [3], { dtype: 'f64' });
    ops.dots(device, { x: [x, x, y], y: [x, y, y], out });
    expect(await out.read()).toEqual(new Float64Array([100 * 2 ** -200, 100, 100 * 2 ** 200]));
  });

  it('carries infinities and NaN into their own sums alone', async () => {
    const x = [tensorOf(device, [1, Infinity]), tensorOf(device, [NaN, 1]), tensorOf(device, [0, Infinity])];
    const y = [tensorOf(device, [1, 1]), tensorOf(device, [1, 1]), tensorOf(device, [1, 0])];
    const one = tensorOf(device, [3]);
    const out = Tensor.zeros(device, [4], { dtype: 'f64' });
    ops.dots(device, { x: [...x, one], y: [...y, one], out });
    expect(await out.read()).toEqual(new Float64Array([Infinity, NaN, NaN, 9]));
  });
});

const valid = (device: Device) => ({
  x: [Tensor.zeros(device, [3])],
  y: [Tensor.zeros(device, [3])],
  out: Tensor.zeros(device, [1], { dtype: 'f64' }),
});
describe.each(onlyCpu)('dots', () => {
  refusesWrongFields('dots', valid);
  refuses('dots', valid, (device) => {
    const i32 = Tensor.zeros(device, [3], { dtype: 'i32' });
    const f64 = Tensor.zeros(device, [1], { dtype: 'f64' });
    return [
      [{ y: [] }, 'ERR_ARGUMENT', 'dots: y must be as many as x, got 0'],
      [{ x: [i32] }, 'ERR_DTYPE', 'dots: x must be floating, got i32[3]'],
      [{ y: [i32] }, 'ERR_DTYPE', 'dots: y must be floating, got i32[3]'],
      [{ y: [Tensor.zeros(device, [3, 1])] }, 'ERR_SHAPE', "dots: y must have x's shape, got f32[3, 1] for x f32[3]"],
      [{ out: Tensor.zeros(device, [1]) }, 'ERR_DTYPE', 'dots: out must be f64, got f32[1]'],
      [{ x: [], y: [] }, 'ERR_SHAPE', 'dots: out must have one element a pair, got f64[1]'],
      [{ x: [f64], out: f64 }, 'ERR_ARGUMENT', 'dots: out must not share a tensor with x'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [x, y] = [tensorOf(device, normal(100001, 1)), tensorOf(device, normal(100001, 2))];
      const out = Tensor.zeros(device, [1], { dtype: 'f64' });
      ops.dots(device, { x: [x], y: [y], out });
      return [out];
    }));
});
