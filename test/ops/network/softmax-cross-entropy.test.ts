// Devices: cpu, cuda
// Source: golden network.json
// Source: closed form "is the log of the number of classes where all logits are equal, and the first class wins"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { softmaxCrossEntropy as reference } from '../../reference/softmax-cross-entropy.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { lossData, networkGolden } from '../../support/network-golden.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** Labels of all columns; about one in eight is negative. */
function labelsOf(rows: number, columns: number): number[] {
  const next = uniform(rows + columns);
  return Array.from({ length: rows }, () => (next() < 0.125 ? -1 : Math.floor(next() * columns)));
}

describe.each(devices)('softmaxCrossEntropy on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  async function run(logits: Tensor, labels: readonly number[]): Promise<{ loss: number; correct: number }> {
    const loss = Tensor.full(device, [1], NaN, { dtype: 'f64' });
    const correct = Tensor.full(device, [1], -1, { dtype: 'i32' });
    ops.softmaxCrossEntropy(device, {
      logits,
      labels: tensorOf(device, labels, [labels.length], 'i32'),
      loss,
      correct,
    });
    return { loss: (await loss.read())[0]!, correct: (await correct.read())[0]! };
  }

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes.filter(([, columns]) => columns > 0))(
      'agrees with the reference on %i rows of %i columns',
      async (rows, columns) => {
        const logits = tensorOf(device, normal(rows * columns, 1, 5), [rows, columns], dtype);
        const labels = labelsOf(rows, columns);
        const expected = reference(await valuesOf(logits), labels);
        const { loss, correct } = await run(logits, labels);
        // f32: the error of an exponential. f64: the roundings of a row's sum and of numbers up to about 20.
        const ulps = dtype === 'f32' ? 1 : 4 + Math.sqrt(rows);
        expectClose([loss], [expected.loss], { dtype, ulps, magnitude: dtype === 'f32' ? 1 : 20 });
        expect(correct).toBe(expected.correct);
      },
    );
  });

  it('is the log of the number of classes where all logits are equal, and the first class wins', async () => {
    const { loss, correct } = await run(Tensor.full(device, [4, 10], 1e4), [0, 0, 3, 9]);
    expectClose([loss], [Math.log(10)], { dtype: 'f64', ulps: 2 });
    expect(correct).toBe(2);
  });

  it('is exact for logits far apart, where the probability underflows', async () => {
    expect(await run(tensorOf(device, [0, 10000, -10000], [1, 3]), [2])).toEqual({ loss: 20000, correct: 0 });
  });

  it('keeps small losses: -log of a probability next to 1', async () => {
    const { loss } = await run(tensorOf(device, [0, -30], [1, 2], 'f64'), [0]);
    expect(Math.abs(loss - Math.log1p(Math.exp(-30)))).toBeLessThan(2 ** -52);
  });

  it('leaves rows of negative labels out, whatever they hold; no counted row gives 0', async () => {
    const logits = tensorOf(device, [NaN, Infinity, 0, 0, -Infinity, -Infinity], [3, 2]);
    expectClose([(await run(logits, [-1, 1, -7])).loss], [Math.LN2], { dtype: 'f64', ulps: 2 });
    expect(await run(logits, [-1, -1, -(2 ** 31)])).toEqual({ loss: 0, correct: 0 });
    expect(await run(Tensor.zeros(device, [0, 5]), [])).toEqual({ loss: 0, correct: 0 });
    expect(await run(Tensor.zeros(device, [2, 0]), [-1, -1])).toEqual({ loss: 0, correct: 0 });
  });

  it('is NaN for labels beyond the columns, and never reads there', async () => {
    const logits = tensorOf(device, [3, 0, 0, 0], [2, 2]);
    expect(await run(logits, [0, 2])).toEqual({ loss: NaN, correct: 1 });
    expect(await run(logits, [2 ** 31 - 1, -1])).toEqual({ loss: NaN, correct: 0 });
    expect(await run(Tensor.zeros(device, [1, 0]), [0])).toEqual({ loss: NaN, correct: 0 });
  });

  it.each([
    ['NaN', [NaN, 1, 2], 2, { loss: NaN, correct: 0 }],
    ['+inf', [Infinity, 1, 2], 0, { loss: NaN, correct: 0 }],
    ['nothing but -inf', [-Infinity, -Infinity, -Infinity], 0, { loss: NaN, correct: 0 }],
    ['-inf at the label', [0, -Infinity, 0], 1, { loss: Infinity, correct: 0 }],
    ['-inf elsewhere', [0, -Infinity, -Infinity], 0, { loss: 0, correct: 1 }],
  ] as const)('a row with %s', async (_, row, label, expected) => {
    expect(await run(tensorOf(device, row, [1, 3]), [label])).toEqual(expected);
  });

  it.each(networkGolden.losses.map((one) => [one.smoothing, one.weights !== null, one] as const))(
    'has the losses of PyTorch by row: smoothing %s, weights %s',
    async (smoothing, _, { weights, losses }) => {
      const { rows, classes, logits, rowWeights } = lossData;
      const given = {
        logits: tensorOf(device, logits, [rows, classes], 'f64'),
        labels: tensorOf(device, lossData.labels, [rows], 'i32'),
        ...(weights && { weights: tensorOf(device, weights, [classes], 'f64') }),
        smoothing,
      };
      const own = Tensor.full(device, [rows], NaN, { dtype: 'f64' });
      const loss = Tensor.full(device, [1], NaN, { dtype: 'f64' });
      ops.softmaxCrossEntropy(device, { ...given, loss, losses: own });
      expectClose(await valuesOf(own), losses, { dtype: 'f64', ulps: 16, magnitude: 4 });
      const sum = losses.reduce((a, b) => a + b, 0);
      // Five labels count.
      expectClose(await valuesOf(loss), [sum / 5], { dtype: 'f64', ulps: 16, magnitude: 4 });
      const weighted = losses.map((x, i) => x * rowWeights[i]!);
      const over = tensorOf(device, [2], [1], 'f64');
      ops.softmaxCrossEntropy(device, {
        ...given,
        rowWeights: tensorOf(device, rowWeights, [rows], 'f64'),
        loss,
        losses: own,
        over: [1.5, over],
      });
      expectClose(await valuesOf(own), weighted, { dtype: 'f64', ulps: 16, magnitude: 4 });
      expectClose(await valuesOf(loss), [weighted.reduce((a, b) => a + b, 0) / 3], {
        dtype: 'f64',
        ulps: 16,
        magnitude: 4,
      });
    },
  );

  it('takes classes without weights that hold -inf, and is inf where they have one', async () => {
    const logits = tensorOf(device, [0, 1, -Infinity], [1, 3]);
    const labels = tensorOf(device, [0], [1], 'i32');
    const lossOf = async (weights: number[], smoothing: number) => {
      const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
      ops.softmaxCrossEntropy(device, { logits, labels, weights: tensorOf(device, weights), loss, smoothing });
      return (await loss.read())[0]!;
    };
    expect(await lossOf([1, 1, 0], 0.5)).toBeCloseTo(
      0.5 * Math.log(1 + Math.E) + (0.5 / 3) * (2 * Math.log(1 + Math.E) - 1),
      6,
    );
    expect(await lossOf([1, 1, 1], 0.5)).toBe(Infinity);
    expect(await lossOf([0, 1, 1], 0)).toBe(0);
  });

  it('works without correct', async () => {
    const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
    const labels = tensorOf(device, [1], [1], 'i32');
    ops.softmaxCrossEntropy(device, { logits: Tensor.zeros(device, [1, 2]), labels, loss });
    expectClose(await loss.read(), [Math.LN2], { dtype: 'f64', ulps: 2 });
  });
});

const valid = (device: Device) => ({
  logits: Tensor.zeros(device, [2, 3]),
  labels: Tensor.zeros(device, [2], { dtype: 'i32' }),
  loss: Tensor.zeros(device, [1], { dtype: 'f64' }),
  correct: Tensor.zeros(device, [1], { dtype: 'i32' }),
});
describe.each(onlyCpu)('softmaxCrossEntropy', () => {
  refusesWrongFields('softmaxCrossEntropy', valid, ['correct']);
  refuses('softmaxCrossEntropy', valid, (device) => {
    const f32 = Tensor.zeros(device, [2]);
    const i32 = Tensor.zeros(device, [1], { dtype: 'i32' });
    const f64 = Tensor.zeros(device, [1], { dtype: 'f64' });
    const op = 'softmaxCrossEntropy';
    return [
      [{ logits: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op}: logits must have an axis, got f32[]`],
      [
        { logits: Tensor.zeros(device, [2, 3], { dtype: 'i32' }) },
        'ERR_DTYPE',
        `${op}: logits must be floating, got i32[2, 3]`,
      ],
      [{ labels: f32 }, 'ERR_DTYPE', `${op}: labels must be i32, got f32[2]`],
      [
        { labels: i32 },
        'ERR_SHAPE',
        `${op}: labels must have one element a row of logits, got i32[1] for logits f32[2, 3]`,
      ],
      [{ loss: Tensor.zeros(device, [1]) }, 'ERR_DTYPE', `${op}: loss must be f64, got f32[1]`],
      [
        { loss: Tensor.zeros(device, [2], { dtype: 'f64' }) },
        'ERR_SHAPE',
        `${op}: loss must have one element, got f64[2]`,
      ],
      [{ correct: f32 }, 'ERR_DTYPE', `${op}: correct must be i32, got f32[2]`],
      [
        { correct: Tensor.zeros(device, [0], { dtype: 'i32' }) },
        'ERR_SHAPE',
        `${op}: correct must have one element, got i32[0]`,
      ],
      [{ weights: f64 }, 'ERR_DTYPE', `${op}: weights must have logits' dtype, got f64[1]`],
      [
        { weights: f32 },
        'ERR_SHAPE',
        `${op}: weights must have one element a column of logits, got f32[2] for logits f32[2, 3]`,
      ],
      [{ rowWeights: f64 }, 'ERR_DTYPE', `${op}: rowWeights must have logits' dtype, got f64[1]`],
      [
        { rowWeights: Tensor.zeros(device, [3]) },
        'ERR_SHAPE',
        `${op}: rowWeights must have one element a row of logits, got f32[3] for logits f32[2, 3]`,
      ],
      [{ losses: f64 }, 'ERR_DTYPE', `${op}: losses must have logits' dtype, got f64[1]`],
      [
        { losses: Tensor.zeros(device, [3]) },
        'ERR_SHAPE',
        `${op}: losses must have one element a row of logits, got f32[3] for logits f32[2, 3]`,
      ],
      [{ smoothing: 1.5 }, 'ERR_ARGUMENT', `${op}: smoothing must be in 0 … 1, got 1.5`],
      [{ smoothing: -0.5 }, 'ERR_ARGUMENT', `${op}: smoothing must be in 0 … 1, got -0.5`],
      [{ over: -1 }, 'ERR_ARGUMENT', `${op}: over must not be negative, got -1`],
      [{ over: f32 }, 'ERR_SHAPE', `${op}: over on the device must be one number, got f32[2]`],
      [
        { logits: Tensor.zeros(device, [1, 3]), labels: i32, correct: i32 },
        'ERR_ARGUMENT',
        `${op}: correct must not share a tensor with labels`,
      ],
      [
        { logits: f64.reshape([1, 1]), labels: i32, loss: f64 },
        'ERR_ARGUMENT',
        `${op}: loss must not share a tensor with logits`,
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
      const logits = tensorOf(device, normal(3000 * 43, 1), [3000, 43]);
      ops.softmaxCrossEntropy(device, { logits, labels: tensorOf(device, labelsOf(3000, 43), [3000], 'i32'), loss });
      return [loss];
    }));
});
