// Devices: cpu, cuda
// Source: values "lr 1, b₀² .01: check values"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { adagradNorm } from '../../reference/adagrad-norm.ts';
import { matricesOf } from '../../reference/step.ts';
import { expectClose } from '../../support/compare.ts';
import { devices } from '../../support/devices.ts';
import { checkValues, describeStep, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const squares = { squares: () => ({ shape: [1], dtype: 'f64' as const }) };
const rows = {
  squares: (shape: readonly number[]) => {
    const { batch, rows } = matricesOf(shape);
    return { shape: [shape.length === 0 ? 1 : batch * rows], dtype: 'f64' as const };
  },
};
const method: Method = {
  op: 'adagradNorm',
  reference: (list, states, step, options) =>
    adagradNorm(
      list,
      states.map((s) => s['squares']!),
      step,
      options,
    ),
  options: { lr: 0.5 },
  states: squares,
  counts: true,
};
describeStep(method);
describeStep({ ...method, options: { lr: 0.5, scope: 'global', lrDecay: 0.5, eps: 1e-3 } });
describeStep({
  ...method,
  options: { lr: 0.5, scope: 'rows' },
  states: rows,
  shapes: [[33, 31], [31], [], [0], [3, 5, 7], [4, 3, 2, 2], [2, 20001]],
});

describe.each(devices)('adagrad_norm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('lr 1, b₀² .01: check values', async () => {
    const own: Method = { ...method, options: { lr: 1 }, start: { squares: 0.01 } };
    const expected = [0.1802102548, 0.2295034089, 1.1611550814];
    for (const [i, x] of (await checkValues(device, own, 4, 6)).entries()) expect(x).toBeCloseTo(expected[i]!, 9);
  });

  it('rows: each row has its own rate', async () => {
    const weights = [Tensor.zeros(device, [2, 2])];
    const grads = [tensorOf(device, [3, 4, 30, 40], [2, 2])];
    const squares = [Tensor.zeros(device, [2], { dtype: 'f64' })];
    const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
    ops.adagradNorm(device, { weights, grads, squares, steps, lr: 1, scope: 'rows' });
    expect(await valuesOf(squares[0]!)).toEqual(Float64Array.from([25, 2500]));
    expectClose(await weights[0]!.read(), [-0.6, -0.8, -0.6, -0.8], { dtype: 'f32', ulps: 2 });
  });

  it('global: one number in all accumulators, also of parameters that do not step', async () => {
    const grads = [tensorOf(device, [3]), tensorOf(device, [4])];
    for (const count of [2, 3]) {
      const weights = [Tensor.zeros(device, [1]), Tensor.zeros(device, [1])];
      const squares = Array.from({ length: count }, () => Tensor.zeros(device, [1], { dtype: 'f64' }));
      const steps = [0, 0].map(() => Tensor.zeros(device, [1], { dtype: 'i32' }));
      ops.adagradNorm(device, { weights, grads, squares, steps, lr: 1, scope: 'global' });
      for (const square of squares) expect(await valuesOf(square)).toEqual(Float64Array.from([25]));
      const moved = [...(await valuesOf(weights[0]!)), ...(await valuesOf(weights[1]!))];
      expectClose(moved, [-0.6, -0.8], { dtype: 'f32', ulps: 2 });
    }
  });

  it('refuses squares that do not fit the scope', () => {
    const weights = [Tensor.zeros(device, [2, 3])];
    const grads = [Tensor.zeros(device, [2, 3])];
    const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
    const code = (shape: number[], scope: 'rows' | 'tensor', dtype: 'f32' | 'f64' = 'f64') =>
      thrownBy(() =>
        ops.adagradNorm(device, { weights, grads, squares: [Tensor.zeros(device, shape, { dtype })], steps, scope }),
      ).code;
    expect(code([1], 'rows')).toBe('ERR_SHAPE');
    expect(code([2], 'tensor')).toBe('ERR_SHAPE');
    expect(code([1], 'tensor', 'f32')).toBe('ERR_DTYPE');
  });
});
