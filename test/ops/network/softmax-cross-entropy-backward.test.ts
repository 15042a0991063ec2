// Devices: cpu, cuda
// Source: golden network.json
// Source: formula "agrees with central differences of the loss"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { softmaxCrossEntropy } from '../../reference/softmax-cross-entropy.ts';
import { softmaxCrossEntropyBackward as reference } from '../../reference/softmax-cross-entropy-backward.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { lossData, networkGolden } from '../../support/network-golden.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** Labels of all columns; about one in eight is negative. */
function labelsOf(rows: number, columns: number): number[] {
  const next = uniform(rows + columns);
  return Array.from({ length: rows }, () => (next() < 0.125 ? -1 : Math.floor(next() * columns)));
}

describe.each(devices)('softmaxCrossEntropyBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const i32 = (labels: readonly number[]) => tensorOf(device, labels, [labels.length], 'i32');

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes.filter(([, columns]) => columns > 0))(
      'agrees with the reference on %i rows of %i columns, in place too',
      async (rows, columns) => {
        const logits = tensorOf(device, normal(rows * columns, 1, 5), [rows, columns], dtype);
        const labels = labelsOf(rows, columns);
        const scale = 3;
        const expected = reference(await valuesOf(logits), labels, scale);
        const grad = Tensor.full(device, [rows, columns], NaN, { dtype });
        ops.softmaxCrossEntropyBackward(device, { logits, labels: i32(labels), grad, scale });
        // As the softmax; at the label, p − 1 cancels.
        const ulps = dtype === 'f32' ? 3 : 8 + Math.sqrt(columns);
        const counted = Math.max(1, labels.filter((label) => label >= 0).length);
        const magnitude = expected.map((_, i) =>
          dtype === 'f64' && labels[Math.floor(i / columns)] === i % columns ? scale / counted : 0,
        );
        expectClose(await valuesOf(grad), expected, { dtype, ulps, magnitude });
        ops.softmaxCrossEntropyBackward(device, { logits, labels: i32(labels), grad: logits, scale });
        expect(sameBits(await logits.read(), await grad.read())).toBe(true);
      },
    );
  });

  it('takes no part of the losses of all classes where they count nothing, however heavy a class is', async () => {
    const weights = tensorOf(device, [1, 2, Infinity], [3]);
    const gradOf = async (labels: number[], more: object) => {
      const logits = Tensor.zeros(device, [labels.length, 3]);
      ops.softmaxCrossEntropyBackward(device, { logits, labels: i32(labels), weights, grad: logits, over: 1, ...more });
      return [...(await valuesOf(logits))];
    };
    const rowWeights = Tensor.zeros(device, [2]);
    expect((await gradOf([0, 1], { rowWeights, smoothing: 0.5 })).map(Math.abs)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await gradOf([0], {})).toEqual([-2 / 3, 1 / 3, 1 / 3].map(Math.fround));
  });

  it('agrees with central differences of the loss', async () => {
    const [x, labels] = [normal(15, 1), [4, -1, 0]];
    const grad = Tensor.zeros(device, [3, 5], { dtype: 'f64' });
    ops.softmaxCrossEntropyBackward(device, { logits: tensorOf(device, x, [3, 5], 'f64'), labels: i32(labels), grad });
    const actual = await grad.read();
    const [loss, step] = [(at: Float64Array) => softmaxCrossEntropy(at, labels).loss, 1e-5];
    for (let i = 0; i < 15; i++)
      expect(actual[i]).toBeCloseTo((loss(x.with(i, x[i]! + step)) - loss(x.with(i, x[i]! - step))) / (2 * step), 9);
  });

  it('keeps the digits of the gradient at the label where the probability is near 1', async () => {
    const grad = tensorOf(device, [20, 0], [1, 2]);
    ops.softmaxCrossEntropyBackward(device, { logits: grad, labels: i32([0]), grad });
    const p = 1 / (1 + Math.exp(20));
    expectClose(await valuesOf(grad), [-p, p], { dtype: 'f32', ulps: 3 });
  });

  it('keeps the digits of small exponentials for the scale that lifts them', async () => {
    // exp(−88) is subnormal in f32, exp(−104) is less than half of the smallest number.
    const [depths, scale] = [[80, 88, 95, 103, 104, 110, 119], 1e30];
    const logits = tensorOf(device, [0, ...depths.map((depth) => -depth)], [1, depths.length + 1]);
    const sum = depths.reduce((sum, depth) => sum + Math.exp(-depth), 1);
    const expected = depths.map((depth) => (scale * Math.exp(-depth)) / sum);
    const grad = Tensor.full(device, [1, depths.length + 1], NaN);
    ops.softmaxCrossEntropyBackward(device, { logits, labels: i32([0]), grad, scale });
    expectClose((await valuesOf(grad)).subarray(1), expected, { dtype: 'f32', ulps: 3 });
    ops.softmaxCrossEntropyBackward(device, { logits, labels: i32([0]), grad: logits, scale });
    expect(sameBits(await logits.read(), await grad.read())).toBe(true);
  });

  it('is 0 for negative labels, whatever the row holds, and NaN for labels beyond the columns', async () => {
    const logits = tensorOf(device, [NaN, Infinity, 0, 0, 0, 0], [3, 2]);
    const grad = Tensor.full(device, [3, 2], 7);
    ops.softmaxCrossEntropyBackward(device, { logits, labels: i32([-1, 2, 0]), grad });
    expect(await grad.read()).toEqual(new Float32Array([0, 0, NaN, NaN, -0.25, 0.25]));
    ops.softmaxCrossEntropyBackward(device, { logits, labels: i32([-1, -2, -3]), grad });
    expect(await grad.read()).toEqual(new Float32Array(6));
  });

  it('is NaN in rows with NaN, +inf or nothing but -inf, and right where a class is ruled out', async () => {
    const inf = Infinity;
    const grad = tensorOf(device, [NaN, 0, 0, inf, -inf, -inf, 0, -inf], [4, 2]);
    ops.softmaxCrossEntropyBackward(device, { logits: grad, labels: i32([1, 1, 0, 1]), grad, scale: 4 });
    expect(await grad.read()).toEqual(new Float32Array([NaN, NaN, NaN, NaN, NaN, NaN, 1, -1]));
  });
});

describe.each(devices)('softmaxCrossEntropyBackward of PyTorch on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(networkGolden.losses.map((one) => [one.smoothing, one.weights !== null, one] as const))(
    'has its gradients and curvatures: smoothing %s, weights %s',
    async (smoothing, _, { weights, grad, curvature }) => {
      const { rows, classes, logits, labels, rowWeights, direction } = lossData;
      const f64 = (values: ArrayLike<number>, shape: number[]) => tensorOf(device, values, shape, 'f64');
      for (const [along, expected] of [
        [undefined, grad],
        [f64(direction, [rows, classes]), curvature],
      ] as const) {
        const out = Tensor.full(device, [rows, classes], NaN, { dtype: 'f64' });
        ops.softmaxCrossEntropyBackward(device, {
          logits: f64(logits, [rows, classes]),
          labels: tensorOf(device, labels, [rows], 'i32'),
          ...(weights && { weights: f64(weights, [classes]) }),
          rowWeights: f64(rowWeights, [rows]),
          ...(along && { direction: along }),
          grad: out,
          smoothing,
          scale: [3, f64([0.5], [1])],
          over: f64([1.5], [1]),
        });
        expectClose(await valuesOf(out), expected, { dtype: 'f64', ulps: 16, magnitude: 1 });
      }
    },
  );
});

const valid = (device: Device) => ({
  logits: Tensor.zeros(device, [2, 3]),
  labels: Tensor.zeros(device, [2], { dtype: 'i32' }),
  grad: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('softmaxCrossEntropyBackward', () => {
  refusesWrongFields('softmaxCrossEntropyBackward', valid);
  refuses('softmaxCrossEntropyBackward', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const op = 'softmaxCrossEntropyBackward';
    return [
      [{ logits: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op}: logits must have an axis, got f32[]`],
      [{ logits: f64.cast('u8') }, 'ERR_DTYPE', `${op}: logits must be floating, got u8[2, 3]`],
      [{ labels: Tensor.zeros(device, [2]) }, 'ERR_DTYPE', `${op}: labels must be i32, got f32[2]`],
      [
        { labels: Tensor.zeros(device, [2, 1], { dtype: 'i32' }) },
        'ERR_SHAPE',
        `${op}: labels must have one element a row of logits, got i32[2, 1] for logits f32[2, 3]`,
      ],
      [{ grad: f64 }, 'ERR_DTYPE', `${op}: grad must have logits' dtype, got f64[2, 3]`],
      [
        { grad: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        `${op}: grad must have logits' shape, got f32[3, 2] for logits f32[2, 3]`,
      ],
      [{ direction: f64 }, 'ERR_DTYPE', `${op}: direction must have logits' dtype, got f64[2, 3]`],
      [
        { direction: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        `${op}: direction must have logits' shape, got f32[3, 2] for logits f32[2, 3]`,
      ],
      [{ scale: Tensor.zeros(device, [2]) }, 'ERR_SHAPE', `${op}: scale on the device must be one number, got f32[2]`],
      [{ beta: 3 }, 'ERR_ARGUMENT', `${op}: beta must be 0 or 1, got 3`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const grad = tensorOf(device, normal(3000 * 43, 1), [3000, 43]);
      const labels = tensorOf(device, labelsOf(3000, 43), [3000], 'i32');
      ops.softmaxCrossEntropyBackward(device, { logits: grad, labels, grad });
      return [grad];
    }));
});
