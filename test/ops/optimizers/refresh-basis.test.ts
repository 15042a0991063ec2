// Devices: cpu, cuda
// Source: property "its products with the matrix are orthogonal, by falling norms"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { basisSides } from '../../reference/conda.ts';
import { singularVectors } from '../../reference/singular-vectors.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Shape = [number, number, number];
type Side = 'std' | 'reverse_std' | 'left' | 'right';
const fieldsOf = (shape: Shape, dtype: 'f32' | 'f64', side: Side, scale = 1) => {
  const { batch, length, vectors } = basisSides(shape, side);
  const data = normal(shape[0] * shape[1] * shape[2], 1, scale);
  return (on: Device) => ({
    x: tensorOf(on, data, shape, dtype),
    basis: Tensor.zeros(on, [batch, length, vectors], { dtype }),
    steps: Tensor.from(on, Int32Array.of(6), [1], { dtype: 'i32' }),
    ...{ gap: 3, side },
  });
};

describe.each(devices)('refresh_basis on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Shape, 'f32' | 'f64', Side, number]>([
    [[3, 9, 5], 'f32', 'std', 1],
    [[2, 5, 9], 'f64', 'std', 1e30],
    [[1, 31, 7], 'f32', 'left', 1e-30],
    [[1, 7, 31], 'f64', 'reverse_std', 1],
    [[2, 1, 1], 'f32', 'right', 1],
    [[2, 0, 3], 'f32', 'std', 1],
  ])('of %j in %s, side %s, size %d', (...given) =>
    expectLikeReference('refreshBasis', device, fieldsOf(...given), {
      ulps: given[1] === 'f32' ? 8 : 1e4,
      of: 'largest',
    }),
  );

  it('its products with the matrix are orthogonal, by falling norms', async () => {
    for (const [rows, columns, side, isLeft] of [
      [31, 7, 'std', false],
      [7, 31, 'std', true],
      [31, 7, 'reverse_std', true],
    ] as const) {
      const [length, vectors, x] = [isLeft ? rows : columns, 7, normal(rows * columns, 1)];
      const out = Tensor.zeros(device, [1, length, vectors], { dtype: 'f64' });
      const steps = Tensor.zeros(device, [1], { dtype: 'i32' });
      ops.refreshBasis(device, { x: tensorOf(device, x, [1, rows, columns], 'f64'), basis: out, steps, side });
      const basis = await valuesOf(out);
      const products = Array.from({ length: vectors }, (_, j) =>
        Array.from({ length: isLeft ? columns : rows }, (_, k) => {
          let sum = 0;
          for (let i = 0; i < length; ++i)
            sum += basis[i * vectors + j]! * x[isLeft ? i * columns + k : k * columns + i]!;
          return sum;
        }),
      );
      const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
      for (const [a, one] of products.entries())
        for (const [b, other] of products.entries()) {
          if (a < b) expect(Math.abs(dot(one, other))).toBeLessThan(1e-12 * dot(one, one));
          if (a < b) expect(dot(one, one)).toBeGreaterThan(dot(other, other));
        }
    }
  });

  it.each(['left', 'right'] as const)('of degenerate matrices, side %s', async (side) => {
    const vectorsOf = async (data: number[], rows: number, columns: number) => {
      const fields = fieldsOf([1, rows, columns], 'f64', side)(device);
      fields.x.write(Float64Array.from(data));
      ops.refreshBasis(device, fields);
      return { fields, basis: await valuesOf(fields.basis) };
    };
    // Of zeros, and of the identity, the axes.
    for (const data of [Array(9).fill(0), [1, 0, 0, 0, 1, 0, 0, 0, 1]])
      expect(Array.from((await vectorsOf(data, 3, 3)).basis)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
    const [rows, columns] = side === 'left' ? [4, 2] : [2, 4];
    expect(Array.from((await vectorsOf(Array(8).fill(0), rows, columns)).basis)).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
    // Of the longer side, beside the one that there is, the first axis at a right angle to it.
    const one = side === 'left' ? [0, 0, 0, 3, 0, 4, 0, 0] : [0, 0, 0, 0, 0, 3, 4, 0];
    const expected = side === 'left' ? [0, 1, 0.6, 0, 0.8, 0, 0, 0] : [0, 1, 0.6, 0, 0.8, 0, 0, 0];
    for (const [i, x] of (await vectorsOf(one, rows, columns)).basis.entries()) expect(x).toBeCloseTo(expected[i]!, 14);
    // Of rank one: the first is that of the matrix, and all are orthonormal.
    const [u, v] = [[1, 2, -2], [2, 0, 1, 2]]; // biome-ignore format: one line
    const data = u.flatMap((a) => v.map((b) => a * b));
    const { basis } = await vectorsOf(data, 3, 4);
    const length = side === 'left' ? 3 : 4;
    const first = singularVectors(Float64Array.from(data), 3, 4, side === 'left')[0]!;
    for (let i = 0; i < length; ++i) expect(basis[3 * i]).toBeCloseTo(first[i]!, 12);
    for (const a of [0, 1, 2])
      for (const b of [0, 1, 2]) {
        let dot = 0;
        for (let i = 0; i < length; ++i) dot += basis[3 * i + a]! * basis[3 * i + b]!;
        expect(dot).toBeCloseTo(a === b ? 1 : 0, 12);
      }
  });

  it('leaves a basis that is not due, or under a guard', async () => {
    const start = fieldsOf([1, 4, 3], 'f32', 'std')(device);
    const kept = async (more: object) => {
      const fields = { ...start, basis: Tensor.full(device, [1, 3, 3], 0.5), ...more };
      ops.refreshBasis(device, fields);
      return (await valuesOf(fields.basis)).every((value) => value === 0.5);
    };
    const guard = (value: number) => tensorOf(device, [value], [1], 'f64');
    expect(await kept({})).toBe(false);
    expect(await kept({ gap: 4 })).toBe(true);
    expect(await kept({ guard: guard(0) })).toBe(false);
    expect(await kept({ guard: guard(1) })).toBe(true);
  });

  it('is NaN for a matrix that is not finite, and for no other one of its batch', async () => {
    for (const value of [NaN, Infinity]) {
      const fields = fieldsOf([3, 4, 3], 'f32', 'std')(device);
      fields.x.write(Float32Array.from(normal(36, 1)).with(13, value));
      ops.refreshBasis(device, fields);
      const places = [...(await valuesOf(fields.basis))].flatMap((x, i) => (Number.isNaN(x) ? [i] : []));
      expect(places).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17]);
    }
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.refreshBasis(device, { ...fieldsOf([2, 4, 3], 'f32', 'std')(device), ...more })).code;
    expect(code({ x: Tensor.zeros(device, [4, 3]) })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [2, 4, 3], { dtype: 'bf16' }) })).toBe('ERR_DTYPE');
    expect(code({ basis: Tensor.zeros(device, [2, 4, 4]) })).toBe('ERR_SHAPE');
    expect(code({ basis: Tensor.zeros(device, [2, 3, 3], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ side: 'left' })).toBe('ERR_SHAPE');
    expect(code({ steps: Tensor.zeros(device, [2], { dtype: 'i32' }) })).toBe('ERR_SHAPE');
    expect(code({ steps: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
    expect(code({ guard: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
    expect(code({ gap: 0 })).toBe('ERR_ARGUMENT');
    expect(code({ side: 'both' })).toBe('ERR_ARGUMENT');
  });
});
