// Devices: cpu, cuda
// Source: closed form "is 0 far below, infinite far above, and never NaN for a forbidden pair"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { gibbsKernel as reference } from '../../reference/gibbs-kernel.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, numbers, transportShapes, vector } from '../../support/transport.ts';

describe.each(devices)('gibbsKernel on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
      const values = numbers(n * m, 1, 0, 4, dtype).map((x, k) => (k % 11 === 10 ? Infinity : x));
      const [f, g] = [numbers(n, 2), numbers(m, 3).map((x, j) => (j % 9 === 8 ? -Infinity : x))];
      const cost = tensorOf(device, values, [n, m], dtype);
      const before = await cost.read();
      const kernel = Tensor.full(device, [n, m], NaN, { dtype });
      const potentials = { rowPotential: vector(device, f), columnPotential: vector(device, g) };
      ops.gibbsKernel(device, { cost, ...potentials, kernel, eps: 0.25 });
      expectClose(await valuesOf(kernel), reference(values, f, g, 0.25), { dtype, ulps: dtype === 'f32' ? 1 : 40 });
      expect(sameBits(await cost.read(), before)).toBe(true);
    });

    it('takes a batch, each problem with its own potentials', async () => {
      const [batch, n, m] = [3, 7, 33];
      const [values, f, g] = [numbers(batch * n * m, 1, 0, 4, dtype), numbers(batch * n, 2), numbers(batch * m, 3)];
      const kernel = Tensor.full(device, [batch, n, m], NaN, { dtype });
      ops.gibbsKernel(device, {
        cost: tensorOf(device, values, [batch, n, m], dtype),
        rowPotential: Tensor.from(device, f, [batch, n]),
        columnPotential: Tensor.from(device, g, [batch, m]),
        kernel,
        eps: 0.25,
      });
      const part = (x: Float64Array, k: number) => x.subarray((k * x.length) / batch, ((k + 1) * x.length) / batch);
      const got = await valuesOf(kernel);
      for (let k = 0; k < batch; k++) {
        const expected = reference(part(values, k), part(f, k), part(g, k), 0.25);
        expectClose(part(got, k), expected, { dtype, ulps: dtype === 'f32' ? 1 : 40 });
      }
    });

    it('is 0 far below, infinite far above, and never NaN for a forbidden pair', async () => {
      const cost = tensorOf(device, [0, 1, -1, Infinity], [1, 4], dtype);
      const kernel = Tensor.zeros(device, [1, 4], { dtype });
      const potentials = { rowPotential: empty(device, 1), columnPotential: empty(device, 4) };
      for (const tensor of Object.values(potentials)) tensor.write(new Float64Array(tensor.size));
      ops.gibbsKernel(device, { cost, ...potentials, kernel, eps: 1e-3 });
      expect([...(await valuesOf(kernel))]).toEqual([1, 0, Infinity, 0]);
    });
  });
});

const valid = (device: Device) => ({
  cost: Tensor.zeros(device, [3, 2]),
  rowPotential: empty(device, 3),
  columnPotential: empty(device, 2),
  kernel: Tensor.zeros(device, [3, 2]),
});
describe.each(onlyCpu)('gibbsKernel', () => {
  refusesWrongFields('gibbsKernel', valid);
  refuses('gibbsKernel', valid, (device) => {
    const f64 = Tensor.zeros(device, [3, 2], { dtype: 'f64' });
    return [
      [
        { cost: empty(device, 3) },
        'ERR_SHAPE',
        'gibbsKernel: cost must be a matrix or a batch of matrices, got f64[3]',
      ],
      [
        { cost: Tensor.zeros(device, [2, 3, 2]) },
        'ERR_SHAPE',
        'gibbsKernel: rowPotential must be f64 with one element a row, got f64[3] for cost f32[2, 3, 2]',
      ],
      [{ cost: f64.cast('bf16') }, 'ERR_DTYPE', 'gibbsKernel: cost must be f32 or f64, got bf16[3, 2]'],
      [{ cost: f64 }, 'ERR_DTYPE', "gibbsKernel: kernel must have the cost's dtype, got f32[3, 2]"],
      [
        { kernel: Tensor.zeros(device, [2, 3]) },
        'ERR_SHAPE',
        "gibbsKernel: kernel must have the cost's shape, got f32[2, 3] for cost f32[3, 2]",
      ],
      [
        { rowPotential: empty(device, 2) },
        'ERR_SHAPE',
        'gibbsKernel: rowPotential must be f64 with one element a row, got f64[2] for 3',
      ],
      [
        { columnPotential: Tensor.zeros(device, [2]) },
        'ERR_DTYPE',
        'gibbsKernel: columnPotential must be f64 with one element a column, got f32[2]',
      ],
      [{ eps: 0 }, 'ERR_ARGUMENT', 'gibbsKernel: eps must be positive and finite, got 0'],
      [{ eps: Infinity }, 'ERR_ARGUMENT', 'gibbsKernel: eps must be positive and finite, got inf'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const kernel = Tensor.zeros(device, [300, 70]);
      const cost = tensorOf(device, numbers(300 * 70, 1), [300, 70]);
      const potentials = {
        rowPotential: vector(device, numbers(300, 2)),
        columnPotential: vector(device, numbers(70, 3)),
      };
      ops.gibbsKernel(device, { cost, ...potentials, kernel });
      return [kernel];
    }));
});
