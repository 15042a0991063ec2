// Devices: cpu, cuda
// Axes: products
// Source: values "Dion" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { dion } from '../../reference/dion.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const basisOf =
  (rank: number) =>
  (shape: readonly number[]): { shape: number[]; dtype: 'f64' } => {
    const [batch, rows, ...rest] = shape.length === 3 ? shape : [1, ...shape];
    const columns = sizeOf(rest);
    return { shape: [batch!, columns, Math.min(rank, rows!, columns)], dtype: 'f64' };
  };
const method: Method = {
  op: 'dion',
  reference: each(dion),
  options: { lr: 0.02, momentum: 0.5, eps: 1e-7 },
  // A basis of zeros, of which the first step makes the first axis.
  states: { momenta: 'like', bases: basisOf(1) },
  shapes: [[13, 31], [17, 5], [3, 7, 9], [4, 3, 2, 2], [1, 1], [0, 4]], // biome-ignore format: one line
};
describeStep(method);

describe.each(devices)('dion on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('steps parameters of several shapes and ranks in one list', async () => {
    const shapes = [[5, 9], [9, 5], [5, 9], [2, 5, 9], [5, 9], [4, 3, 2, 2]]; // biome-ignore format: one line
    const ranks = [2, 3, 2, 2, 4, 9];
    const lists = (seed: number) => shapes.map((shape, i) => Float64Array.from(normal(sizeOf(shape), seed + i)));
    const tensors = (seed: number) => lists(seed).map((x, i) => tensorOf(device, x, shapes[i]!, 'f64'));
    const places = shapes.map((shape, i) => basisOf(ranks[i]!)(shape).shape);
    const start = places.map((shape, i) => Float64Array.from(normal(sizeOf(shape), 60 + i)));
    const [weights, grads, momenta] = [tensors(1), tensors(20), tensors(40)];
    const bases = start.map((x, i) => tensorOf(device, x, places[i]!, 'f64'));
    ops.dion(device, { weights, grads, momenta, bases, lr: 0.1, momentum: 0.9 });
    for (const [i, shape] of shapes.entries()) {
      const state = { momenta: lists(40)[i]!, bases: start[i]! };
      const p = { shape, weights: lists(1)[i]!, grads: lists(20)[i]! };
      dion(p, state, { lr: 0.1, momentum: 0.9 });
      const close = { dtype: 'f64', ulps: 4096, magnitude: 1 } as const;
      expectClose(await valuesOf(weights[i]!), p.weights, close);
      expectClose(await valuesOf(momenta[i]!), state.momenta, close);
      expectClose(await valuesOf(bases[i]!), state.bases, close);
    }
  });

  it('refuses bases that do not fit', () => {
    const zeros = (...shape: number[]) => [Tensor.zeros(device, shape)];
    const thrown = (shape: number[], bases: Tensor[], more: object = {}) =>
      thrownBy(() => {
        const lists = { weights: zeros(...shape), grads: zeros(...shape), momenta: zeros(...shape) };
        ops.dion(device, { ...lists, bases, lr: 0.1, ...more });
      }).code;
    expect(thrown([3, 4], [])).toBe('ERR_ARGUMENT');
    for (const bases of [zeros(3, 2), zeros(4, 4), zeros(4), zeros(2, 4, 2)])
      expect(thrown([3, 4], bases)).toBe('ERR_SHAPE');
    expect(thrown([3, 4], [Tensor.zeros(device, [4, 2], { dtype: 'i32' })])).toBe('ERR_DTYPE');
    expect(thrown([4], zeros(4, 1))).toBe('ERR_SHAPE');
    expect(thrown([3, 4], zeros(4, 2), { momentum: 1 })).toBe('ERR_ARGUMENT');
    expect(thrown([3, 4], zeros(4, 2), { eps: -1 })).toBe('ERR_ARGUMENT');
  });
});
