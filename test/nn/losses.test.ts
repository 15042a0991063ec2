// Devices: cpu, cuda
// Options of crossEntropy, and draws of sample, beside all that functions share.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { expectClose } from '../support/compare.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { lossData, networkGolden } from '../support/network-golden.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

const { rows, classes } = lossData;

describe.each(devices)('losses and draws of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const f64 = (values: ArrayLike<number>, shape: readonly number[]) => tensorOf(device, values, shape, 'f64');
  const labels = tensorOf(device, lossData.labels, [rows], 'i32');

  it.each(networkGolden.losses.map((one) => [one.smoothing, one.weights !== null, one] as const))(
    'crossEntropy has the losses of PyTorch: smoothing %s, weights %s',
    async (smoothing, _, { weights, losses }) => {
      const options = { smoothing, ...(weights && { weights: f64(weights, [classes]) }) };
      const model = { x: f64(lossData.logits, [rows, classes]) };
      const sum = losses.reduce((a, b) => a + b, 0);
      for (const [over, divisor] of [
        [undefined, 5],
        [2.5, 2.5],
        [f64([4], [1]), 4],
      ] as const) {
        using step = nn.valueAndGrad((m: nn.Traced<typeof model>) =>
          nn.crossEntropy(m.x, labels, { ...options, over }),
        );
        const { value } = step(model);
        expectClose(await valuesOf(value), [sum / divisor], { dtype: 'f64', ulps: 16, magnitude: 4 });
      }
    },
  );

  it('micro-batches of unequal counts give the gradient of the whole batch by over', async () => {
    const model = { w: f64(normal(classes * 3, 1), [classes, 3]) };
    const input = normal(rows * 3, 2);
    const loss = (m: nn.Traced<typeof model>, x: Tensor, y: Tensor, over?: number) =>
      nn.crossEntropy(nn.linear({ weight: m.w }, x), y, { over });
    using step = nn.valueAndGrad(loss);
    const whole = await step(model, f64(input, [rows, 3]), labels)
      .grads.get(model.w)!
      .read();
    const part = (from: number, to: number) =>
      [f64(input.subarray(3 * from, 3 * to), [to - from, 3]), labels.rows(from, to), 5] as const;
    step(model, ...part(0, 2));
    const parts = await step
      .accumulate(model, ...part(2, rows))
      .grads.get(model.w)!
      .read();
    expectClose(Float64Array.from(parts), Float64Array.from(whole), { dtype: 'f64', ulps: 16, magnitude: 1 });
  });

  it('samples apart keep the divisor that is given', async () => {
    const model = { w: f64(normal(classes * 3, 1), [classes, 3]) };
    const x = f64(normal(rows * 3, 2), [rows, 3]);
    const loss = (m: nn.Traced<typeof model>, y: Tensor) =>
      nn.crossEntropy(nn.linear({ weight: m.w }, y), labels, { over: 4, smoothing: 0.2 });
    using apart = nn.valueAndGrad(loss, { perSample: true });
    using together = nn.valueAndGrad(loss);
    const each = await valuesOf(apart(model, x).grads.get(model.w)!);
    const sum = await valuesOf(together(model, x).grads.get(model.w)!);
    const size = classes * 3;
    const added = sum.map((_, i) => each.filter((_, k) => k % size === i).reduce((a, b) => a + b, 0));
    expectClose(added, sum, { dtype: 'f64', ulps: 16, magnitude: 1 });
  });

  it('refuses options that are none', () => {
    const model = { x: f64(lossData.logits, [rows, classes]) };
    const thrown = (options: object) =>
      thrownBy(() => nn.forward((m: typeof model) => nn.crossEntropy(m.x, labels, options))(model));
    expect(thrown({ over: 0 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.crossEntropy: over must be a positive number or a tensor, got 0',
    });
    expect(thrown({ smoothing: 2 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.crossEntropy: smoothing must be in [0, 1], got 2',
    });
    expect(thrown({ weights: [1] }).message).toMatch('nn.crossEntropy: weights must be a tensor, got');
  });

  it('sample draws as softmax says, the same at one place of the sequence', async () => {
    const logits = [0, Math.log(2), Math.log(5)];
    const model = { x: f64(Array.from({ length: 2000 }, () => logits).flat(), [4, 500, 3]) };
    const drawn = async (options: Partial<nn.SampleOptions>) => {
      using call = nn.forward((m: typeof model) => nn.sample(m.x, { seed: 3, position: 0, ...options }));
      const result = call(model);
      expect([result.shape, result.dtype]).toEqual([[4, 500], 'i32']);
      return [...(await result.read())];
    };
    const draws = await drawn({});
    const share = (column: number) => draws.filter((draw) => draw === column).length / 2000;
    for (const [column, p] of [1 / 8, 2 / 8, 5 / 8].entries())
      expect(Math.abs(share(column) - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 2000));
    expect(await drawn({})).toEqual(draws);
    expect(await drawn({ position: 1 })).not.toEqual(draws);
    expect(new Set(await drawn({ topK: 2 }))).toEqual(new Set([1, 2]));
    expect(new Set(await drawn({ temperature: 0 }))).toEqual(new Set([2]));
    expect(new Set(await drawn({ topK: 1 }))).toEqual(new Set([2]));
  });

  it('sample has no gradient', () => {
    const model = { x: f64([1, 2], [1, 2]) };
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>) => {
      nn.sample(m.x, { seed: 1, position: 0 });
      return nn.sum(m.x);
    });
    expect(thrownBy(() => step(model))).toEqual({
      code: 'ERR_UNSUPPORTED',
      message: 'nn.sample: a draw must stand in nn.forward, got a gradient',
    });
  });

  it('rope continues at a place for each sequence', async () => {
    const model = { x: f64(normal(2 * 6 * 8, 1), [2, 6, 8]) };
    const turned = async (x: Tensor, offset: number | Tensor) => {
      using call = nn.forward((m: { x: Tensor }) => nn.rope(m.x, { heads: 2, offset }));
      return valuesOf(call({ x }));
    };
    const all = await turned(model.x, 0);
    // The last two places of the first sequence, the first two of the second.
    const values = await valuesOf(model.x);
    const part = f64([...values.subarray(32, 48), ...values.subarray(48, 64)], [2, 2, 8]);
    const own = await turned(part, tensorOf(device, [4, 0], [2], 'i32'));
    expectClose(own, [...all.subarray(32, 48), ...all.subarray(48, 64)], { dtype: 'f64', ulps: 4, magnitude: 1 });
  });
});
