// Devices: cpu, cuda
// Source: closed form "adds zeros, infinities and NaN as numbers do"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf } from '../../support/tensors.ts';

describe.each(devices)('addBias on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('adds to %i rows of %i columns, in place too', async (rows, columns) => {
      const inputs = (on: Device) => ({
        x: tensorOf(on, normal(rows * columns, 1), [rows, columns], dtype),
        bias: tensorOf(on, normal(columns, 2), [columns], dtype),
      });
      const apart = (on: Device) => ({ ...inputs(on), out: Tensor.full(on, [rows, columns], NaN, { dtype }) });
      const over = (own: { x: Tensor; bias: Tensor }) => ({ ...own, out: own.x });
      await expectLikeReference('addBias', device, apart, { ulps: 0 });
      await expectLikeReference('addBias', device, (on) => over(inputs(on)), { ulps: 0 });
    });
  });

  it('adds zeros, infinities and NaN as numbers do', async () => {
    const out = Tensor.zeros(device, [2, 3]);
    const bias = tensorOf(device, [-0, Infinity, NaN]);
    ops.addBias(device, { x: tensorOf(device, [-0, -Infinity, 1, 0, 1, 2], [2, 3]), bias, out });
    expect(await out.read()).toEqual(new Float32Array([-0, NaN, NaN, 0, Infinity, NaN]));
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  bias: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('addBias', () => {
  refusesWrongFields('addBias', valid);
  refuses('addBias', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    return [
      [
        { x: Tensor.zeros(device, []) },
        'ERR_SHAPE',
        'addBias: bias must have the last axes of x, got f32[3] for x f32[]',
      ],
      [{ x: f64 }, 'ERR_DTYPE', "addBias: bias must have x's dtype, got f32[3]"],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'addBias: x must be floating, got i32[2, 3]'],
      [{ out: f64 }, 'ERR_DTYPE', "addBias: out must have x's dtype, got f64[2, 3]"],
      [
        { out: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        "addBias: out must have x's shape, got f32[3, 2] for x f32[2, 3]",
      ],
      [
        { bias: Tensor.zeros(device, [2]) },
        'ERR_SHAPE',
        'addBias: bias must have the last axes of x, got f32[2] for x f32[2, 3]',
      ],
      [
        { bias: Tensor.zeros(device, [1, 3]) },
        'ERR_SHAPE',
        'addBias: bias must have the last axes of x, got f32[1, 3] for x f32[2, 3]',
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.addBias(device, { x, bias: tensorOf(device, normal(43, 2)), out: x });
      return [x];
    }));
});
