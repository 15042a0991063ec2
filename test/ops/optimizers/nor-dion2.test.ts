// Devices: cpu, cuda
// Axes: products
// Source: values "NorDion2" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { coefficientSets } from '../../reference/newton-schulz.ts';
import { norDion2 } from '../../reference/nor-dion2.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const { jordan } = coefficientSets;
const method: Method = {
  op: 'norDion2',
  reference: each(norDion2),
  // Two steps of Newton–Schulz show all that a step does, and leave rounding errors small.
  options: { lr: 0.02, coefficients: jordan.slice(0, 6), fraction: 0.3, efDecay: 0.5, eps: 1e-7 },
  states: {
    momenta: 'like',
    secondMoments: (shape: readonly number[]) => {
      const [batch, rows] = shape.length === 3 ? shape : [1, shape[0]];
      return { shape: [batch! * rows!], dtype: 'f64' };
    },
  },
  shapes: [[13, 31], [17, 5], [3, 7, 9], [4, 3, 2, 2], [1, 5], [0, 4]], // biome-ignore format: one line
};
describeStep(method);
describeCheckValues(method, [
  {
    name: 'half of the rows',
    options: { lr: 0.01, weightDecay: 0.01, coefficients: jordan, fraction: 0.5, efDecay: 0.95 },
    wide: [0.4828825357, 0.0930373153, 0.0249382464],
    tall: [0.4830047139, 0.467981299, 0.0416350264],
  },
]);

describe.each(devices)('nor_dion2 on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('takes rows of a tall matrix, too, and leaves the second moments of the others', async () => {
    const zeros = () => [Tensor.zeros(device, [3, 2], { dtype: 'f64' })];
    const [weights, momenta] = [zeros(), zeros()];
    const secondMoments = [tensorOf(device, [1, 2, 3], [3], 'f64')];
    const grads = [tensorOf(device, [1, -1, 2, 0, 0, 3], [3, 2], 'f64')];
    const fields = { weights, grads, momenta, secondMoments, lr: 1, coefficients: jordan, shapeScale: 'none' } as const;
    ops.norDion2(device, { ...fields, fraction: 0.5, efDecay: 0.25, beta2: 0.5 });
    const [w, m, v] = await Promise.all([weights[0]!, momenta[0]!, secondMoments[0]!].map(valuesOf));
    expect([...m!]).toEqual([0.25, -0.25, 2, 0, 0, 0.75]);
    expect([...w!.slice(2, 4)]).toEqual([0, 0]);
    expect(v![1]).toBe(2);
    // Rows (1, −1) and (0, 3) turn to orthogonal ones of a mean square that jordan's steps bring near a half.
    for (const [i, old] of [[0, 1], [2, 3]] as const) expect(Math.abs(v![i]! - (0.5 * old + 0.25))).toBeLessThan(0.15); // biome-ignore format: one line
  });

  it('refuses second moments of one element, or of another shape, and a factor out of range', () => {
    const thrown = (shape: number[], more: object) =>
      thrownBy(() => {
        const zeros = (own = shape) => [Tensor.zeros(device, own)];
        const lists = { weights: zeros(), grads: zeros(), momenta: zeros(), secondMoments: zeros([shape[0]!]) };
        ops.norDion2(device, { ...lists, lr: 0.1, coefficients: jordan, ...more });
      });
    expect(thrown([2, 1], {}).code).toBe('ERR_SHAPE');
    expect(thrown([2, 3], { secondMoments: [Tensor.zeros(device, [3])] }).code).toBe('ERR_SHAPE');
    expect(thrown([2, 3], { beta2: 1 }).message).toBe('norDion2: beta2 must be in [0, 1), got 1');
    for (const more of [{ rowEps: -1 }, { fraction: 0 }, { efDecay: 2 }])
      expect(thrown([2, 3], more).code).toBe('ERR_ARGUMENT');
  });
});
