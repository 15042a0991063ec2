// Devices: cpu, cuda
// Source: closed form "puts the numbers of columns into rows"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { dtypes } from '../../support/dtypes.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('transpose on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(dtypes)('of %s', (dtype) => {
    it.each(matrixShapes)('turns %i rows of %i columns, also in a batch', async (rows, columns) => {
      for (const batch of [[], [0], [3]]) {
        const size = (batch[0] ?? 1) * rows * columns;
        const fields = (on: Device) => ({
          x: tensorOf(on, normal(size, 1, 100), [...batch, rows, columns], dtype),
          out: Tensor.full(on, [...batch, columns, rows], 1, { dtype }),
        });
        await expectLikeReference('transpose', device, fields, { ulps: 0 });
      }
    });
  });

  it('puts the numbers of columns into rows', async () => {
    const [rows, columns] = [33, 70];
    // Element i, j is 1000 i + j.
    const x = Float64Array.from({ length: rows * columns }, (_, k) => 1000 * Math.floor(k / columns) + (k % columns));
    const out = Tensor.zeros(device, [columns, rows]);
    ops.transpose(device, { x: tensorOf(device, x, [rows, columns]), out });
    const expected = Float64Array.from({ length: x.length }, (_, k) => 1000 * (k % rows) + Math.floor(k / rows));
    expect(await valuesOf(out)).toEqual(expected);
  });

  it('copies -0, infinities and NaN', async () => {
    const x = tensorOf(device, [-0, Infinity, NaN, -Infinity], [2, 2]);
    const out = Tensor.zeros(device, [2, 2]);
    ops.transpose(device, { x, out });
    expect(await out.read()).toEqual(new Float32Array([-0, NaN, Infinity, -Infinity]));
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 3]), out: Tensor.zeros(device, [3, 2]) });
describe.each(onlyCpu)('transpose', () => {
  refusesWrongFields('transpose', valid);
  refuses('transpose', valid, (device) => {
    const of = (...shape: number[]) => Tensor.zeros(device, shape);
    const shape = "transpose: out must have x's shape, turned, got";
    const one = of(1, 1);
    return [
      [{ x: of(3) }, 'ERR_SHAPE', 'transpose: x must be a matrix or a batch of matrices, got f32[3]'],
      [{ x: of(1, 1, 1, 1) }, 'ERR_SHAPE', 'transpose: x must be a matrix or a batch of matrices, got f32[1, 1, 1, 1]'],
      [{ out: of(3, 2).cast('f64') }, 'ERR_DTYPE', "transpose: out must have x's dtype, got f64[3, 2]"],
      [{ out: of(2, 3) }, 'ERR_SHAPE', `${shape} f32[2, 3] for x f32[2, 3]`],
      [{ x: of(4, 2, 3), out: of(3, 2, 4) }, 'ERR_SHAPE', `${shape} f32[3, 2, 4] for x f32[4, 2, 3]`],
      [{ x: one, out: one }, 'ERR_ARGUMENT', 'transpose: out must not share a tensor with x'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = Tensor.zeros(device, [43, 1000]);
      ops.transpose(device, { x: tensorOf(device, normal(43000, 1), [1000, 43]), out });
      return [out];
    }));
});
