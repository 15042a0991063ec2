// Devices: cpu, cuda
// Source: formula "agrees with central differences of the forward operation"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { rowSoftmax } from '../../reference/row-softmax.ts';
import { rowSoftmaxBackward as reference } from '../../reference/row-softmax-backward.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('rowSoftmaxBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const grad = tensorOf(device, normal(rows * columns, 1), [rows, columns], dtype);
      const y = tensorOf(device, rowSoftmax(normal(rows * columns, 2), columns), [rows, columns], dtype);
      const out = Tensor.full(device, [rows, columns], NaN, { dtype });
      const probabilities = await valuesOf(y);
      const expected = reference(await valuesOf(grad), probabilities, columns);
      ops.rowSoftmaxBackward(device, { grad, y, out });
      // grad − mean cancels, where both are about 1 or smaller than the largest gradient.
      const most = largest(await valuesOf(grad));
      const magnitude = probabilities.map((p) => p * most);
      const ulps = dtype === 'f32' ? 0.51 : 4 + Math.sqrt(columns);
      expectClose(await valuesOf(out), expected, { dtype, ulps, magnitude });
      ops.rowSoftmaxBackward(device, { grad, y, out: grad });
      expect(sameBits(await grad.read(), await out.read())).toBe(true);
    });
  });

  it('agrees with central differences of the forward operation', async () => {
    const [x, weights] = [normal(5, 1), normal(5, 2)];
    const value = (at: Float64Array) => rowSoftmax(at, 5).reduce((sum, p, j) => sum + p * weights[j]!, 0);
    const y = tensorOf(device, x, [1, 5], 'f64');
    ops.rowSoftmax(device, { x: y, out: y });
    const out = tensorOf(device, weights, [1, 5], 'f64');
    ops.rowSoftmaxBackward(device, { grad: out, y, out });
    const step = 1e-5;
    const slope = (j: number) => (value(x.with(j, x[j]! + step)) - value(x.with(j, x[j]! - step))) / (2 * step);
    const actual = await out.read();
    for (let j = 0; j < 5; j++) expect(actual[j]).toBeCloseTo(slope(j), 9);
  });

  it('keeps NaN and infinities to their rows', async () => {
    const grad = tensorOf(device, [NaN, 0, Infinity, 0, 1, 3], [3, 2]);
    const y = Tensor.full(device, [3, 2], 0.5);
    ops.rowSoftmaxBackward(device, { grad, y, out: grad });
    expect(await grad.read()).toEqual(new Float32Array([NaN, NaN, NaN, -Infinity, -0.5, 0.5]));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3]),
  y: Tensor.zeros(device, [2, 3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('rowSoftmaxBackward', () => {
  refusesWrongFields('rowSoftmaxBackward', valid);
  refuses('rowSoftmaxBackward', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const turned = Tensor.zeros(device, [3, 2]);
    return [
      [{ grad: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'rowSoftmaxBackward: grad must have an axis, got f32[]'],
      [{ grad: f64.cast('i32') }, 'ERR_DTYPE', 'rowSoftmaxBackward: grad must be floating, got i32[2, 3]'],
      [{ y: f64 }, 'ERR_DTYPE', "rowSoftmaxBackward: y must have grad's dtype, got f64[2, 3]"],
      [{ out: f64 }, 'ERR_DTYPE', "rowSoftmaxBackward: out must have grad's dtype, got f64[2, 3]"],
      [{ y: turned }, 'ERR_SHAPE', "rowSoftmaxBackward: y must have grad's shape, got f32[3, 2] for grad f32[2, 3]"],
      [
        { out: turned },
        'ERR_SHAPE',
        "rowSoftmaxBackward: out must have grad's shape, got f32[3, 2] for grad f32[2, 3]",
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [grad, y] = [1, 2].map((seed) => tensorOf(device, normal(1000 * 43, seed), [1000, 43]));
      ops.rowSoftmaxBackward(device, { grad: grad!, y: y!, out: grad! });
      return [grad!];
    }));
});
