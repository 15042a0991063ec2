// Devices: cpu, cuda
// Axes: products
// Source: values "Dion2" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { dion2 } from '../../reference/dion2.ts';
import { coefficientSets } from '../../reference/newton-schulz.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const { jordan } = coefficientSets;
const method: Method = {
  op: 'dion2',
  reference: each(dion2),
  // Two steps of Newton–Schulz show all that a step does, and leave rounding errors small.
  options: { lr: 0.02, coefficients: jordan.slice(0, 6), fraction: 0.3, efDecay: 0.5, eps: 1e-7 },
  states: { momenta: 'like' },
  shapes: [[13, 31], [17, 5], [3, 7, 9], [4, 3, 2, 2], [1, 1], [0, 4]], // biome-ignore format: one line
};
describeStep(method);
describeCheckValues(method, [
  {
    name: 'half of the rows, or columns',
    options: { lr: 0.01, weightDecay: 0.01, coefficients: jordan, fraction: 0.5, efDecay: 0.95 },
    wide: [0.4820317018, 0.0930371885, 0.0255151188],
    tall: [0.4869158107, 0.4636001075, 0.0302024218],
  },
]);

describe.each(devices)('dion2 on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** Weights and momenta, from zeros, after one step at a rate of 1. */
  async function stepped(grad: number[][], more: object): Promise<[number[], number[]]> {
    const shape = [grad.length, grad[0]!.length];
    const [weights, momenta] = [0, 1].map(() => [Tensor.zeros(device, shape, { dtype: 'f64' })]) as [
      Tensor[],
      Tensor[],
    ];
    const grads = [tensorOf(device, grad.flat(), shape, 'f64')];
    ops.dion2(device, { weights, grads, momenta, lr: 1, coefficients: jordan, shapeScale: 'none', ...more });
    return [[...(await valuesOf(weights[0]!))], [...(await valuesOf(momenta[0]!))]];
  }

  it('takes of equal norms the first, and lets what it takes decay alone', async () => {
    const [weights, momenta] = await stepped([[1, -1, 1], [2, 0, 1], [0, 3, 0]], { fraction: 0.5, efDecay: 0.25 }); // biome-ignore format: one line
    expect(weights.slice(3).every((x) => Number.isFinite(x))).toBe(true);
    expect(weights.slice(0, 3).some((x) => x !== 0)).toBe(true);
    expect(weights.slice(3, 6).some((x) => x !== 0)).toBe(true);
    expect(weights.slice(6)).toEqual([0, 0, 0]);
    expect(momenta).toEqual([0.25, -0.25, 0.25, 0.5, 0, 0.25, 0, 3, 0]);
  });

  it('refuses a fraction or a decay out of range, and vectors', () => {
    const zeros = (...shape: number[]) => [Tensor.zeros(device, shape)];
    const thrown = (shape: number[], more: object) =>
      thrownBy(() => {
        const lists = { weights: zeros(...shape), grads: zeros(...shape), momenta: zeros(...shape) };
        ops.dion2(device, { ...lists, lr: 0.1, coefficients: jordan, ...more });
      });
    expect(thrown([2, 3], { fraction: 0 }).message).toBe('dion2: fraction must be in (0, 1], got 0');
    for (const more of [{ fraction: 1.5 }, { efDecay: -1 }, { efDecay: 2 }, { coefficients: [1] }, { eps: -1 }])
      expect(thrown([2, 3], more).code).toBe('ERR_ARGUMENT');
    expect(thrown([6], {}).code).toBe('ERR_SHAPE');
  });
});
