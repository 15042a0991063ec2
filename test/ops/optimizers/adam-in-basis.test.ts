// Devices: cpu, cuda
// Source: formula "is a step of AdamW whose eps is over the correction of the root"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Shape = [number, number, number];
type Kind = 'f32' | 'f64' | 'f16' | 'bf16';
const fieldsOf = (shape: Shape, dtype: 'f32' | 'f64', state: Kind, axis: 'rows' | 'columns', scale = 1) => {
  const [batch, rows, columns] = shape;
  const size = batch * rows * columns;
  return (on: Device) => ({
    momentum: tensorOf(on, normal(size, 1, scale), shape, dtype),
    grad: tensorOf(on, normal(size, 2, scale), shape, dtype),
    norms: Tensor.full(on, [batch, axis === 'rows' ? rows : columns], 2 * scale, { dtype: 'f64' }),
    momentumNorms: Tensor.full(on, [batch, axis === 'rows' ? rows : columns], 8 * scale, { dtype: 'f64' }),
    sizes: Tensor.from(on, normal(batch * (axis === 'rows' ? columns : rows), 4).map(Math.abs), [batch, axis === 'rows' ? columns : rows]), // biome-ignore format: one line
    roots: tensorOf(on, normal(size, 3, scale).map(Math.abs), shape, state),
    steps: Tensor.from(on, Int32Array.of(3), [1], { dtype: 'i32' }),
    out: Tensor.full(on, shape, NaN, { dtype }),
    ...{ beta1: 0.5, beta2: 0.75, eps: 0.125 * scale, least: 0.125, leastOfMomentum: 0.0625, axis },
  });
};

describe.each(devices)('adam_in_basis on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Shape, 'f32' | 'f64', Kind, 'rows' | 'columns', number]>([
    [[3, 33, 31], 'f32', 'f32', 'rows', 1],
    [[1, 5, 597], 'f64', 'f64', 'columns', 1],
    [[2, 7, 64], 'f32', 'bf16', 'columns', 1],
    [[1, 9, 4], 'f64', 'f32', 'rows', 1],
    [[1, 9, 12], 'f32', 'f32', 'rows', 1e30],
    [[1, 9, 12], 'f32', 'f32', 'columns', 1e-30],
    [[1, 9, 12], 'f64', 'f64', 'rows', 1e200],
    [[1, 9, 12], 'f64', 'f64', 'columns', 1e-200],
    [[2, 0, 3], 'f32', 'f32', 'rows', 1],
    [[2, 3, 0], 'f32', 'f16', 'columns', 1],
  ])('of %j in %s, roots in %s, axis %s, size %d', (...given) =>
    expectLikeReference('adamInBasis', device, fieldsOf(...given), { ulps: 8 }),
  );

  it('is a step of AdamW whose eps is over the correction of the root', async () => {
    const shape: Shape = [1, 4, 6];
    const [first, second] = [normal(24, 1), normal(24, 2)];
    const zeros = (...of: number[]) => Tensor.zeros(device, of, { dtype: 'f64' });
    const steps = () => Tensor.zeros(device, [1], { dtype: 'i32' });
    const adam = { weights: [zeros(4, 6)], momenta: [zeros(4, 6)], roots: [zeros(4, 6)], steps: [steps()] };
    const own = {
      roots: zeros(4, 6),
      steps: steps(),
      norms: zeros(1, 4),
      momentumNorms: zeros(1, 4),
      sizes: zeros(1, 6),
      out: zeros(...shape),
      beta2: 0.99,
    };
    let before = new Float64Array(24);
    for (const [t, grad] of [first, second].entries()) {
      const correction = Math.sqrt(1 - 0.99 ** (t + 1));
      const grads = [tensorOf(device, grad, [4, 6], 'f64')];
      ops.adamw(device, { ...adam, grads, lr: 1, beta2: 0.99, eps: 0.1 / correction });
      const momentum = adam.momenta[0]!.reshape(shape);
      ops.adamInBasis(device, { ...own, momentum, grad: tensorOf(device, grad, shape, 'f64'), eps: 0.1 });
      const after = Float64Array.from(await valuesOf(adam.weights[0]!));
      for (const [i, u] of (await valuesOf(own.out)).entries()) expect(u).toBeCloseTo(before[i]! - after[i]!, 12);
      before = after;
    }
  });

  it('nothing moves where momentum or gradient is rounding alone', async () => {
    const fields = fieldsOf([1, 1, 3], 'f64', 'f64', 'rows')(device);
    fields.sizes.write(Float64Array.of(1, 0.5, 1));
    const moved = async (momentum: number[], roots: number) => {
      fields.roots.write(new Float64Array(3).fill(roots));
      fields.momentum.write(Float64Array.from(momentum));
      ops.adamInBasis(device, { ...fields, grad: fields.momentum, least: 0 });
      return Array.from(await valuesOf(fields.out), Math.sign);
    };
    expect(await moved([0.5, 0.5, -0.51], 1)).toEqual([0, 1, -1]);
    expect(await moved([0.5, 0.25, 0.1], 1)).toEqual([0, 0, 0]);
  });

  it('nothing moves where there was never a gradient beyond rounding', async () => {
    const fields = fieldsOf([1, 1, 3], 'f64', 'f64', 'rows')(device);
    fields.roots.write(new Float64Array(3));
    fields.sizes.write(new Float64Array(3).fill(1));
    fields.momentum.write(new Float64Array(3).fill(1));
    fields.grad.write(Float64Array.of(0.25, 0.375, 0));
    ops.adamInBasis(device, { ...fields, eps: 0 });
    const [a, b, c] = await valuesOf(fields.out);
    expect([a, c]).toEqual([0, 0]);
    expect(b).not.toBe(0);
    expect(Array.from(await fields.steps.read())).toEqual([4]);
  });

  it('a guard leaves roots and steps, and gives zeros; NaN and infinity stay', async () => {
    const fields = fieldsOf([1, 2, 4], 'f32', 'f32', 'columns')(device);
    const roots = await fields.roots.read();
    ops.adamInBasis(device, { ...fields, guard: tensorOf(device, [1], [1], 'f64') });
    expect(await fields.roots.read()).toEqual(roots);
    expect(Array.from(await fields.steps.read())).toEqual([3]);
    expect(Array.from(await valuesOf(fields.out))).toEqual(Array(8).fill(0));
    fields.grad.write(Float32Array.of(NaN, Infinity, 1, 1, 1, 1, 1, 1));
    fields.norms.write(Float64Array.of(NaN, Infinity, 1, 1));
    ops.adamInBasis(device, fields);
    expect(Array.from(await valuesOf(fields.roots)).slice(0, 2)).toEqual([NaN, Infinity]);
  });

  it('refuses what does not fit', () => {
    const start = fieldsOf([2, 3, 4], 'f32', 'f32', 'rows');
    const code = (more: object) => thrownBy(() => ops.adamInBasis(device, { ...start(device), ...more })).code;
    const zeros = (shape: number[], dtype: Kind | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    for (const name of ['momentum', 'grad', 'out']) {
      expect(code({ [name]: zeros([2, 4, 3]) })).toBe('ERR_SHAPE');
      expect(code({ [name]: zeros([2, 3, 4], 'f64') })).toBe('ERR_DTYPE');
    }
    expect(code({ out: zeros([3, 4]) })).toBe('ERR_SHAPE');
    for (const name of ['norms', 'momentumNorms']) {
      expect(code({ [name]: zeros([2, 4], 'f64') })).toBe('ERR_SHAPE');
      expect(code({ [name]: zeros([2, 3]) })).toBe('ERR_DTYPE');
    }
    expect(code({ sizes: zeros([2, 3], 'f64') })).toBe('ERR_SHAPE');
    expect(code({ sizes: zeros([2, 4]) })).toBe('ERR_DTYPE');
    expect(code({ roots: zeros([2, 3, 5]) })).toBe('ERR_SHAPE');
    expect(code({ roots: zeros([2, 3, 4], 'i32') })).toBe('ERR_DTYPE');
    expect(code({ steps: zeros([1]) })).toBe('ERR_DTYPE');
    expect(code({ guard: zeros([1]) })).toBe('ERR_DTYPE');
    for (const more of [
      { beta1: 1 },
      { beta2: -1 },
      { eps: -1 },
      { least: 1 },
      { leastOfMomentum: -1 },
      { axis: 'all' },
    ])
      expect(code(more)).toBe('ERR_ARGUMENT');
  });
});
