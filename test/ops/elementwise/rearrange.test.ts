// Devices: cpu, cuda
// Source: property "comes back by the inverse order"
// Source: closed form "turns a matrix, and gives heads their own matrices"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal, sizeOf, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** A random order of n axes. */
function orderOf(n: number, next: () => number): number[] {
  const axes = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; --i) {
    const j = Math.floor(next() * (i + 1));
    [axes[i], axes[j]] = [axes[j]!, axes[i]!];
  }
  return axes;
}

describe.each(devices)('rearrange on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(['f32', 'f64', 'f16', 'bf16', 'i32', 'u8'] as const)(
    'takes up to eight axes in any order, %s',
    async (dtype) => {
      const next = uniform(dtype.length);
      for (const shape of [
        [1],
        [33],
        [33, 65],
        [7, 5, 31],
        [2, 33, 3, 4, 8],
        [3, 1, 2, 1, 4, 2, 3, 5],
        [4, 0, 3],
        [70, 2, 40],
      ])
        for (let trial = 0; trial < 3; ++trial) {
          const axes = orderOf(shape.length, next);
          const values = normal(sizeOf(shape), trial).map((x) => Math.abs(Math.round(10 * x)));
          await expectLikeReference(
            'rearrange',
            device,
            (on) => ({
              x: tensorOf(on, values, [sizeOf(shape)], dtype),
              out: Tensor.full(on, [sizeOf(shape)], 7, { dtype }),
              shape,
              axes,
            }),
            { ulps: 0 },
          );
        }
    },
  );

  it('comes back by the inverse order', async () => {
    const shape = [3, 33, 2, 17];
    const axes = [2, 0, 3, 1];
    const x = tensorOf(device, normal(sizeOf(shape), 1), shape);
    const [there, back] = [
      Tensor.full(
        device,
        axes.map((axis) => shape[axis]!),
        NaN,
      ),
      Tensor.full(device, shape, NaN),
    ];
    ops.rearrange(device, { x, out: there, axes });
    ops.rearrange(device, { x: there, out: back, axes: [1, 3, 0, 2] });
    expect(sameBits(await back.read(), await x.read())).toBe(true);
  });

  it('turns a matrix, and gives heads their own matrices', async () => {
    const matrix = tensorOf(device, [1, 2, 3, 4, 5, 6], [2, 3]);
    const turned = Tensor.zeros(device, [3, 2]);
    ops.rearrange(device, { x: matrix, out: turned, axes: [1, 0] });
    expect([...(await valuesOf(turned))]).toEqual([1, 4, 2, 5, 3, 6]);
    // Two places of two heads of two.
    const rows = tensorOf(device, [0, 1, 10, 11, 2, 3, 12, 13], [2, 4]);
    const heads = Tensor.zeros(device, [2, 2, 2]);
    ops.rearrange(device, { x: rows, out: heads, shape: [2, 2, 2], axes: [1, 0, 2] });
    expect([...(await valuesOf(heads))]).toEqual([0, 1, 2, 3, 10, 11, 12, 13]);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  out: Tensor.zeros(device, [3, 2]),
  axes: [1, 0],
});
describe.each(onlyCpu)('rearrange', () => {
  refusesWrongFields('rearrange', (device) => ({ x: Tensor.zeros(device, [3]), out: Tensor.zeros(device, [3]) }));
  refuses('rearrange', valid, (device) => {
    const op = 'rearrange';
    return [
      [
        { out: Tensor.zeros(device, [3, 2], { dtype: 'f64' }) },
        'ERR_DTYPE',
        `${op}: out must have x's dtype, got f64[3, 2]`,
      ],
      [{ x: Tensor.zeros(device, []) }, 'ERR_ARGUMENT', `${op}: shape must have one to eight axes, got 0`],
      [{ shape: [1, 1, 1, 1, 1, 1, 1, 2, 3] }, 'ERR_ARGUMENT', `${op}: shape must have one to eight axes, got 9`],
      [{ shape: [2, 2.5] }, 'ERR_ARGUMENT', `${op}: shape must hold whole numbers that are not negative, got 2.5`],
      [{ shape: [-2, -3] }, 'ERR_ARGUMENT', `${op}: shape must hold whole numbers that are not negative, got -2`],
      [{ shape: [2, 4] }, 'ERR_SHAPE', `${op}: shape must hold as many elements as x, got 8`],
      [{ axes: [0] }, 'ERR_ARGUMENT', `${op}: axes must name each axis once, got 1`],
      [{ axes: [1, 1] }, 'ERR_ARGUMENT', `${op}: axes must name each axis once, got 1`],
      [{ axes: [0, 2] }, 'ERR_ARGUMENT', `${op}: axes must name each axis once, got 2`],
      [{ axes: [0, -1] }, 'ERR_ARGUMENT', `${op}: axes must name each axis once, got -1`],
      [
        { out: Tensor.zeros(device, [3, 3]) },
        'ERR_SHAPE',
        `${op}: out must have as many elements as x, got f32[3, 3] for x f32[2, 3]`,
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = Tensor.zeros(device, [43 * 1000]);
      ops.rearrange(device, { x: tensorOf(device, normal(1000 * 43, 1), [1000, 43]), out, axes: [1, 0] });
      return [out];
    }));
});
