// Devices: cpu, cuda
// Axes: products
// Source: values "NorMuon repo" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { coefficientSets } from '../../reference/newton-schulz.ts';
import { norMuon } from '../../reference/nor-muon.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const { jordan } = coefficientSets;
const momentsOf =
  (axis: 'row' | 'long') =>
  (shape: readonly number[]): { shape: number[]; dtype: 'f64' } => {
    const [batch, rows, ...rest] = shape.length === 3 ? shape : [1, ...shape];
    const columns = sizeOf(rest);
    return { shape: [batch! * (axis === 'long' ? Math.max(rows!, columns) : rows!)], dtype: 'f64' };
  };
const method: Method = {
  op: 'norMuon',
  reference: each(norMuon),
  // Two steps of Newton–Schulz show all that a step does, and leave rounding errors small.
  options: { lr: 0.02, coefficients: jordan.slice(0, 6), eps: 1e-7 },
  states: { momenta: 'like', secondMoments: momentsOf('row') },
  shapes: [[33, 31], [17, 65], [3, 7, 9], [4, 3, 2, 2], [1, 5], [0, 4]], // biome-ignore format: one line
};
describeStep(method);

const common = { lr: 0.02, weightDecay: 0.01, momentum: 0.95, coefficients: jordan, rowEps: 1e-10 };
describeCheckValues(method, [
  {
    name: 'repo',
    options: common,
    wide: [0.4737131923, 0.0949512098, 0.0727862163],
    tall: [0.4786552807, 0.4637864859, 0.0842176129],
  },
  {
    name: 'paper, jordan',
    options: { ...common, lr: 2e-3, rowEps: 1e-8, variant: 'paper', nesterov: 'off', shapeScale: 'none' },
    wide: [0.488783311, 0.0926464954, 0.0044601626],
    tall: [0.4890854353, 0.4644835456, 0.0043706398],
  },
]);
describeCheckValues({ ...method, states: { ...method.states, secondMoments: momentsOf('long') } }, [
  {
    name: 'axis long, jordan',
    options: { ...common, axis: 'long' },
    wide: [0.4747296586, 0.0946501952, 0.0745739336],
    tall: [0.4786552807, 0.4637864859, 0.0842176129],
  },
]);

describe.each(devices)('nor_muon on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    ['dion', 'row', 1e-8],
    ['nanogpt', 'long', 1e-10],
    ['paper', 'long', 0],
  ] as const)('steps as %s with axis %s, in a list of several shapes', async (variant, axis, rowEps) => {
    const shapes = [[5, 9], [9, 5], [5, 9], [2, 5, 9], [4, 3, 2, 2]]; // biome-ignore format: one line
    const lists = (seed: number) => shapes.map((shape, i) => normal(sizeOf(shape), seed + i));
    const tensors = (seed: number) => lists(seed).map((x, i) => tensorOf(device, x, shapes[i]!, 'f64'));
    const options = { lr: 0.1, coefficients: jordan.slice(0, 6), variant, axis, rowEps, shapeScale: 'none' } as const;
    const [weights, grads, momenta] = [tensors(1), tensors(20), tensors(40)];
    const moments = shapes.map((shape) => Float64Array.from(normal(momentsOf(axis)(shape).shape[0]!, 3), Math.abs));
    const secondMoments = moments.map((x) => tensorOf(device, x, [x.length], 'f64'));
    ops.norMuon(device, { weights, grads, momenta, secondMoments, ...options });
    for (const [i, shape] of shapes.entries()) {
      const p = { shape, weights: Float64Array.from(lists(1)[i]!), grads: Float64Array.from(lists(20)[i]!) };
      norMuon(p, { momenta: Float64Array.from(lists(40)[i]!), secondMoments: moments[i]! }, options);
      expectClose(await valuesOf(weights[i]!), p.weights, { dtype: 'f64', ulps: 256, magnitude: 1 });
      expectClose(await valuesOf(secondMoments[i]!), moments[i]!, { dtype: 'f64', ulps: 256, magnitude: 1 });
    }
  });

  it('refuses vectors, moments of another number, and such as would be of one element', () => {
    const zeros = (...shape: number[]) => [Tensor.zeros(device, shape)];
    const step = (shape: number[], moments: number, more: object = {}) =>
      thrownBy(() => {
        const lists = { weights: zeros(...shape), grads: zeros(...shape), momenta: zeros(...shape) };
        ops.norMuon(device, { ...lists, secondMoments: zeros(moments), lr: 0.1, coefficients: jordan, ...more });
      });
    expect(step([6], 6)).toEqual({
      code: 'ERR_SHAPE',
      message: 'norMuon: weights must have rank 2 or more, got f32[6]',
    });
    expect(step([2, 3], 3).code).toBe('ERR_SHAPE');
    expect(step([2, 3], 2, { axis: 'long' }).code).toBe('ERR_SHAPE');
    expect(step([6, 1], 6).message).toContain('weights must have more than one element in what a second moment is of');
    expect(step([1, 6], 6, { axis: 'long' }).code).toBe('ERR_SHAPE');
    for (const more of [{ beta2: 1 }, { rowEps: -1 }, { variant: 'adam' }])
      expect(step([2, 3], 2, more).code).toBe('ERR_ARGUMENT');
  });
});
