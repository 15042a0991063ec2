// Devices: cpu, cuda
// Axes: products
// Source: values "Trion, dct2" in test/optimizers/check-values.test.ts
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { coefficientSets } from '../../reference/newton-schulz.ts';
import { trion } from '../../reference/trion.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy } from '../../support/tensors.ts';

const { jordan } = coefficientSets;
const method: Method = {
  op: 'trion',
  reference: each(trion),
  // Two steps of Newton–Schulz show all that a step does, and leave rounding errors small.
  options: { lr: 0.02, rank: 5, coefficients: jordan.slice(0, 6), eps: 1e-7 },
  states: { momenta: 'like' },
  shapes: [[33, 12], [7, 25], [3, 5, 9], [4, 3, 2, 2], [1, 1], [1, 6], [0, 4]], // biome-ignore format: one line
};
describeStep(method);

const common = { lr: 0.02, weightDecay: 0.01, rank: 2 };
describeCheckValues(method, [
  {
    name: 'jordan, dct2',
    options: { ...common, coefficients: jordan },
    wide: [0.4736622342, 0.0957127846, 0.0545478013],
    tall: [0.44912645, 0.4733796308, 0.0818741379],
  },
]);

describe.each(devices)('trion on %s', (kind) => {
  it('with all vectors of the basis is a Newton–Schulz step of the sum of gradients, whatever the basis', async () => {
    const device = Device.open(kind);
    const grad = tensorOf(device, normal(40, 1), [5, 8], 'f64');
    const run = (op: 'trion' | 'muon', more: object) => {
      const weights = [Tensor.zeros(device, [5, 8], { dtype: 'f64' })];
      const momenta = [Tensor.zeros(device, [5, 8], { dtype: 'f64' })];
      ops[op](device, { weights, grads: [grad], momenta, lr: 1, coefficients: jordan, ...more } as never);
      return weights[0]!.read();
    };
    const expected = await run('muon', { momentumForm: 'heavy-ball', nesterov: 'off' });
    for (const basis of ['dct2', 'dct3'])
      for (const [i, w] of (await run('trion', { rank: 5, basis })).entries()) expect(w).toBeCloseTo(expected[i]!, 12);
    await device.close();
  });

  it('refuses ranks below one, vectors, and what Newton–Schulz refuses', async () => {
    const device = Device.open(kind);
    const code = (more: object, shape = [3, 4]) => {
      const like = () => [Tensor.zeros(device, shape)];
      const fields = { weights: like(), grads: like(), momenta: like(), lr: 1, coefficients: jordan, ...more };
      return thrownBy(() => ops.trion(device, fields)).code;
    };
    expect(code({}, [4])).toBe('ERR_SHAPE');
    for (const more of [
      { rank: 0 },
      { momentum: 1 },
      { eps: -1 },
      { normScale: 0 },
      { coefficients: [1] },
      { coefficients: [NaN, 0, 0] },
      { basis: 'dct4' },
    ])
      expect(code(more)).toBe('ERR_ARGUMENT');
    await device.close();
  });
});
