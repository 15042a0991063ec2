// Devices: cpu, cuda
// Source: formula "agrees with central differences of the forward operation"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { rowLogsumexp } from '../../reference/row-logsumexp.ts';
import { rowLogsumexpBackward as reference } from '../../reference/row-logsumexp-backward.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('rowLogsumexpBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const grad = tensorOf(device, normal(rows, 2), [rows], dtype);
      const x = tensorOf(device, normal(rows * columns, 1, 20), [rows, columns], dtype);
      const out = Tensor.full(device, [rows, columns], NaN, { dtype });
      const expected = reference(await valuesOf(grad), await valuesOf(x), columns);
      ops.rowLogsumexpBackward(device, { grad, x, out });
      // f32: as the softmax. f64: the exponentials, their sum and the quotient, in this and in the reference.
      const ulps = dtype === 'f32' ? 3 : 9 + Math.sqrt(columns);
      expectClose(await valuesOf(out), expected, { dtype, ulps });
      ops.rowLogsumexpBackward(device, { grad, x, out: x });
      expect(sameBits(await x.read(), await out.read())).toBe(true);
    });
  });

  it('agrees with central differences of the forward operation', async () => {
    const [x, grad] = [normal(10, 1), normal(2, 2)];
    const value = (at: Float64Array) => rowLogsumexp(at, 2, 5).reduce((sum, v, i) => sum + v * grad[i]!, 0);
    const out = tensorOf(device, x, [2, 5], 'f64');
    ops.rowLogsumexpBackward(device, { grad: tensorOf(device, grad, [2], 'f64'), x: out, out });
    const actual = await out.read();
    for (let j = 0; j < 10; j++) {
      const slope = (value(x.with(j, x[j]! + 1e-5)) - value(x.with(j, x[j]! - 1e-5))) / 2e-5;
      expect(actual[j]).toBeCloseTo(slope, 9);
    }
  });

  it('keeps the digits of exponentials that are subnormal in f32', async () => {
    const x = tensorOf(device, [0.3, -95, -110, -125], [1, 4]);
    const grad = tensorOf(device, [1e20], [1]);
    const expected = reference(await valuesOf(grad), await valuesOf(x), 4);
    ops.rowLogsumexpBackward(device, { grad, x, out: x });
    const actual = await valuesOf(x);
    expectClose(actual.slice(0, 3), expected.slice(0, 3), { dtype: 'f32', ulps: 3 });
    expect(actual[3]).toBe(0);
  });

  it('keeps NaN and infinities to their rows', async () => {
    const grad = tensorOf(device, [NaN, 2, 2, 2]);
    const x = tensorOf(device, [0, 0, -Infinity, 5, NaN, 1, -Infinity, -Infinity], [4, 2]);
    ops.rowLogsumexpBackward(device, { grad, x, out: x });
    expect(await x.read()).toEqual(new Float32Array([NaN, NaN, 0, 2, NaN, NaN, NaN, NaN]));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2]),
  x: Tensor.zeros(device, [2, 3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('rowLogsumexpBackward', () => {
  refusesWrongFields('rowLogsumexpBackward', valid);
  refuses('rowLogsumexpBackward', valid, (device) => {
    const op = 'rowLogsumexpBackward:';
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op} x must have an axis, got f32[]`],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', `${op} x must be floating, got i32[2, 3]`],
      [{ x: f64 }, 'ERR_DTYPE', `${op} grad must have x's dtype, got f32[2]`],
      [{ out: f64 }, 'ERR_DTYPE', `${op} out must have x's dtype, got f64[2, 3]`],
      [
        { grad: Tensor.zeros(device, [3]) },
        'ERR_SHAPE',
        `${op} grad must have one element a row of x, got f32[3] for x f32[2, 3]`,
      ],
      [
        { out: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        `${op} out must have x's shape, got f32[3, 2] for x f32[2, 3]`,
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.rowLogsumexpBackward(device, { grad: tensorOf(device, normal(1000, 2)), x, out: x });
      return [x];
    }));
});
