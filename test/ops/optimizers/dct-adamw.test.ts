// Devices: cpu, cuda
// Source: values "DCT-AdamW, error feedback and rotation, dct2" in test/optimizers/check-values.test.ts
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { dctAdamw } from '../../reference/dct-adamw.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { sizeOf } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { checkSteps, describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Shape = readonly number[];
/** Sides of a state's matrices, from those of a weight. */
const insideOf = (shape: Shape, rank: number) => {
  const [batch, rows, ...rest] = (shape.length === 3 ? shape : [1, ...shape]) as [number, number, ...number[]];
  const columns = sizeOf(rest);
  return { batch, rows, columns, taken: Math.min(rank, rows, columns), longer: Math.max(rows, columns) };
};
const statesOf = (rank: number): Method['states'] => {
  const moments = (shape: Shape) => {
    const { batch, taken, longer } = insideOf(shape, rank);
    return { shape: [batch, taken, longer], dtype: 'f64' as const };
  };
  return {
    momenta: moments,
    roots: moments,
    indices: (shape) => {
      const { batch, taken } = insideOf(shape, rank);
      return { shape: [batch, taken], dtype: 'i32' };
    },
  };
};
const method: Method = {
  op: 'dctAdamw',
  reference: each(dctAdamw),
  options: { lr: 0.02, rank: 5, eps: 1e-8 },
  states: statesOf(5),
  counts: true,
  shapes: [[33, 12], [7, 25], [3, 5, 9], [4, 3, 2, 2], [1, 1], [1, 6], [0, 4]], // biome-ignore format: one line
};
describeStep(method);

const common = { lr: 0.01, weightDecay: 0.01, rank: 2, rotate: 'on', errorFeedback: 'on' };
describeCheckValues({ ...method, states: { ...statesOf(2), feedback: 'like' } }, [
  {
    name: 'rank 2, dct2',
    options: common,
    wide: [0.4672706174, 0.1027281613, 0.0509195082],
    tall: [0.4635203293, 0.474232746, 0.0593652201],
  },
  {
    name: 'rank 2, dct3',
    options: { ...common, basis: 'dct3' },
    wide: [0.4687281502, 0.0996771427, 0.0498726962],
    tall: [0.4652363534, 0.4768339363, 0.0598103799],
  },
]);

const codes = (bits: 8 | 4): Method['states'] => ({
  ...statesOf(5),
  feedback: (shape) => {
    const { batch, rows, columns } = insideOf(shape, 5);
    return { shape: [batch * rows, bits === 8 ? columns : Math.ceil(columns / 2)], dtype: 'u8' };
  },
  ranges: (shape) => {
    const { batch, rows } = insideOf(shape, 5);
    return { shape: [batch * rows, 2], dtype: 'f64' };
  },
});

describe.each(devices)('dct_adamw on %s', (kind) => {
  it.each([
    [{ gap: 2 }, {}],
    [{ gap: 3, rotate: 'on', basis: 'dct3' }, {}],
    [{ errorFeedback: 'on' }, { feedback: 'like' as const }],
    [{ errorFeedback: 'on', rotate: 'on', gap: 2, beta1: 0.5 }, { feedback: 'like' as const }],
    [{ errorFeedback: '8bit', rotate: 'on' }, codes(8)],
    [{ errorFeedback: '4bit', rotate: 'on', basis: 'dct3' }, codes(4)],
  ])('five steps with %j', async (options, states) => {
    const device = Device.open(kind);
    // Of matrices with more vectors than are taken: what is left of others is rounding.
    const shapes = 'errorFeedback' in options ? [[33, 12], [7, 25], [3, 9, 8], [8, 3, 2, 2]] : method.shapes!; // biome-ignore format: one line
    const own = {
      ...method,
      shapes,
      states: { ...method.states, ...states },
      options: { ...method.options, ...options },
    };
    await checkSteps(device, own, { dtype: 'f64', steps: 5, ulps: 64 });
    await device.close();
  });

  it('of all vectors is AdamW in the basis: the step of a gradient that is a cosine has its shape', async () => {
    const device = Device.open(kind);
    const [m, n, k] = [9, 6, 2];
    const cosine = Array.from({ length: n }, (_, j) => Math.cos((Math.PI * k * (2 * j + 1)) / (2 * n)));
    for (const dtype of ['f32', 'f64'] as const) {
      const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32') => [Tensor.zeros(device, shape, { dtype })];
      const weights = zeros([m, n], dtype);
      const [momenta, roots] = [zeros([n, m], dtype), zeros([n, m], dtype)];
      const [indices, steps] = [zeros([n], 'i32'), zeros([1], 'i32')];
      // Rounding errors in the other coordinates must not become steps of their own.
      for (let step = 0; step < 3; ++step) {
        const grads = [
          tensorOf(
            device,
            Array.from({ length: m * n }, (_, i) => cosine[i % n]!),
            [m, n],
            dtype,
          ),
        ];
        ops.dctAdamw(device, { weights, grads, momenta, roots, indices, steps, lr: 1, eps: 0 });
      }
      // Three steps of size one along the unit vector.
      for (const [i, w] of (await valuesOf(weights[0]!)).entries())
        expect(w).toBeCloseTo(-3 * Math.sqrt(2 / n) * cosine[i % n]!, dtype === 'f32' ? 5 : 12);
      const own = await valuesOf(roots[0]!);
      for (const [i, r] of own.entries()) if (Math.floor(i / m) !== k) expect(r).toBe(0);
    }
    await device.close();
  });

  it('refuses state that does not fit, and ranks and gaps below one', async () => {
    const device = Device.open(kind);
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' | 'u8' = 'f32') => [Tensor.zeros(device, shape, { dtype })]; // biome-ignore format: one line
    const code = (more: object, shape = [3, 5]) => {
      const state = { momenta: zeros([2, 5]), roots: zeros([2, 5]), indices: zeros([2], 'i32'), steps: zeros([1], 'i32') }; // biome-ignore format: one line
      const fields = { weights: zeros(shape), grads: zeros(shape), ...state, lr: 1, rank: 2, ...more };
      return thrownBy(() => ops.dctAdamw(device, fields)).code;
    };
    expect(code({}, [4])).toBe('ERR_SHAPE');
    for (const more of [
      { rank: 0 },
      { gap: 0 },
      { beta1: 1 },
      { beta2: -1 },
      { eps: -1 },
      { rotate: 'maybe' },
      { basis: 'dct4' },
      { errorFeedback: '2bit' },
      { errorFeedback: 'on' },
      { feedback: zeros([3, 5]) },
      { errorFeedback: '8bit', feedback: zeros([3, 5], 'u8') },
      { errorFeedback: 'on', feedback: zeros([3, 5]), ranges: zeros([3, 2]) },
    ])
      expect(code(more), JSON.stringify(more)).toBe('ERR_ARGUMENT');
    const coded = { errorFeedback: '4bit', feedback: zeros([3, 3], 'u8'), ranges: zeros([3, 2]) };
    for (const more of [
      { rank: 3 },
      { momenta: zeros([5]) },
      { roots: zeros([3, 5]) },
      { indices: zeros([3], 'i32') },
      { errorFeedback: 'on', feedback: zeros([5, 3]) },
      { ...coded, errorFeedback: '8bit' },
      { ...coded, ranges: zeros([3]) },
    ])
      expect(code(more), JSON.stringify(more)).toBe('ERR_SHAPE');
    for (const more of [
      { momenta: zeros([2, 5], 'i32') },
      { roots: zeros([2, 5], 'u8') },
      { indices: zeros([2]) },
      { errorFeedback: 'on', feedback: zeros([3, 5], 'u8') },
      { ...coded, feedback: zeros([3, 3]) },
      { ...coded, ranges: zeros([3, 2], 'f64') },
    ])
      expect(code(more), JSON.stringify(more)).toBe('ERR_DTYPE');
    await device.close();
  });
});
