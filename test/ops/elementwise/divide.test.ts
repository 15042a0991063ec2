// Devices: cpu, cuda
// Source: closed form "writes over its own operands, even both"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf } from '../../support/tensors.ts';

describe.each(devices)('divide on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('rounds the quotients of a list once, %s', (dtype) =>
    expectLikeReference(
      'divide',
      device,
      (on) => ({
        x: awkward.map((n) => tensorOf(on, normal(n, n + 1), [n], dtype)),
        y: awkward.map((n) => tensorOf(on, normal(n, n + 2), [n], dtype)),
        out: awkward.map((n) => Tensor.full(on, [n], NaN, { dtype })),
      }),
      { ulps: 0 },
    ),
  );

  it('writes over its own operands, even both', async () => {
    const [x, y] = [tensorOf(device, [1, 6, -3]), tensorOf(device, [4, 2, 0.5])];
    ops.divide(device, { out: [x], x: [x], y: [y] });
    expect(await x.read()).toEqual(new Float32Array([0.25, 3, -6]));
    ops.divide(device, { out: [y], x: [x], y: [y] });
    expect(await y.read()).toEqual(new Float32Array([0.0625, 1.5, -12]));
    ops.divide(device, { out: [x], x: [x], y: [x] });
    expect(await x.read()).toEqual(new Float32Array([1, 1, 1]));
  });

  it('divides zeros, infinities and NaN as numbers do', async () => {
    const x = tensorOf(device, [1, -1, 0, Infinity, NaN, 0, 1e-30, 1e30]);
    const y = tensorOf(device, [0, 0, 0, Infinity, 1, -2, 1e30, 1e-30]);
    const out = Tensor.zeros(device, [8]);
    ops.divide(device, { out: [out], x: [x], y: [y] });
    expect(await out.read()).toEqual(new Float32Array([Infinity, -Infinity, NaN, NaN, NaN, -0, 0, Infinity]));
  });
});

const valid = (device: Device) => ({
  out: [Tensor.zeros(device, [3])],
  x: [Tensor.zeros(device, [3])],
  y: [Tensor.zeros(device, [3])],
});
describe.each(onlyCpu)('divide', () => {
  refusesWrongFields('divide', valid);
  refuses('divide', valid, (device) => {
    const [a, b] = [Tensor.zeros(device, [3]), Tensor.zeros(device, [3])];
    return [
      [{ x: [] }, 'ERR_ARGUMENT', 'divide: x must be as many as out, got 0'],
      [{ y: [a, b] }, 'ERR_ARGUMENT', 'divide: y must be as many as out, got 2'],
      [
        { x: [Tensor.zeros(device, [1, 3])] },
        'ERR_SHAPE',
        "divide: x must have out's shape, got f32[1, 3] for out f32[3]",
      ],
      [{ y: [Tensor.zeros(device, [2])] }, 'ERR_SHAPE', "divide: y must have out's shape, got f32[2] for out f32[3]"],
      [
        { x: [Tensor.zeros(device, [3], { dtype: 'f64' })] },
        'ERR_DTYPE',
        "divide: x must have out's dtype, got f64[3]",
      ],
      [{ out: [Tensor.zeros(device, [3], { dtype: 'i32' })] }, 'ERR_DTYPE', 'divide: out must be floating, got i32[3]'],
      [{ out: [a, a], x: [b, b], y: [b, b] }, 'ERR_ARGUMENT', 'divide: out holds a tensor that is already an output'],
      [{ out: [a, b], x: [b, a], y: [b, a] }, 'ERR_ARGUMENT', 'divide: out must not share a tensor with x'],
    ];
  });

  it.each(['f32', 'bf16'] as const)('gives the same bits on any number of threads: %s', (dtype) =>
    expectSameBits((device) => {
      const [x, y] = [1, 2].map((seed) => tensorOf(device, normal(40001, seed), [40001], dtype)) as [Tensor, Tensor];
      ops.divide(device, { out: [x], x: [x], y: [y] });
      return [x];
    }),
  );
});
