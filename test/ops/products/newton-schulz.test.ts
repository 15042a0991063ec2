// Devices: cpu, cuda
// Axes: products
// Source: property "converges to orthogonal rows or columns: %d × %d"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { coefficientSets, type NewtonSchulzOptions, newtonSchulz } from '../../reference/newton-schulz.ts';
import { norm } from '../../reference/norms.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { arrayOf } from '../../support/dtypes.ts';
import { singularValues } from '../../support/singular-values.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const { jordan, you5, polarExpress, polarExpressKj } = coefficientSets;
// Every singular value converges to 1.
const convergent = Array.from({ length: 20 }, () => [1.875, -1.25, 0.375]).flat();

async function orthogonalized(
  device: Device,
  x: Float64Array,
  shape: number[],
  dtype: 'f32' | 'f64',
  options: NewtonSchulzOptions,
): Promise<Float64Array> {
  const out = Tensor.full(device, shape, NaN, { dtype });
  ops.newtonSchulz(device, { x: tensorOf(device, x, shape, dtype), out, ...options });
  return valuesOf(out);
}

describe.each(devices)('newton_schulz on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const G0 = Float64Array.from({ length: 24 }, (_, k) => {
    const [i, j] = [Math.floor(k / 6), k % 6];
    return Math.sin(0.7 * (i + 1) + 1.3 * (j + 1) + 0.1 * i * j);
  });

  it.each([
    { name: 'jordan', coefficients: jordan, first: 0.5949336979, size: 1.9216951478, last: 0.2562249315 },
    { name: 'you5', coefficients: you5, first: 0.5692173646, size: 2.0337416406 },
    { name: 'polar express', coefficients: polarExpress, first: 0.5384754667, size: 2.0708368956 },
  ])('check values of $name', async ({ coefficients, first, size, last }) => {
    const out = await orthogonalized(device, G0, [4, 6], 'f64', { coefficients });
    expect(out[0]).toBeCloseTo(first, 9);
    expect(norm(out)).toBeCloseTo(size, 9);
    if (last !== undefined) expect(out[23]).toBeCloseTo(last, 9);
  });

  it('maps every singular value by the polynomials, whatever the vectors', async () => {
    const before = singularValues(G0, 4, 6);
    const known = [2.68289842, 2.07336457, 0.51216369, 0.12773668];
    for (const [i, value] of known.entries()) expect(before[i]).toBeCloseTo(value, 7);
    for (const coefficients of [jordan, you5, polarExpress]) {
      const after = singularValues(await orthogonalized(device, G0, [4, 6], 'f64', { coefficients }), 4, 6);
      const mapped = before.map((s) => {
        let y = s / (norm(G0) + 1e-7);
        for (let k = 0; k < coefficients.length; k += 3)
          y = coefficients[k]! * y + coefficients[k + 1]! * y ** 3 + coefficients[k + 2]! * y ** 5;
        return y;
      });
      expectClose(
        after,
        mapped.sort((a, b) => b - a),
        { dtype: 'f64', ulps: 256, magnitude: 1 },
      );
    }
  });

  const shapes: number[][] = [[1, 1], [1, 33], [33, 1], [31, 65], [65, 31], [130, 60], [3, 17, 33], [4, 33, 17], [5, 0], [0, 5], [0, 3, 3]]; // biome-ignore format: one line
  it.each(shapes.map((shape) => ({ shape })))('$shape against the reference', async ({ shape }) => {
    const [rows, columns] = shape.slice(-2) as [number, number];
    const count = shape.length === 3 ? shape[0]! : 1;
    for (const [dtype, ulps] of [
      ['f32', 64],
      ['f64', 64],
    ] as const)
      for (const options of [{ coefficients: jordan }, { coefficients: polarExpressKj, scale: 1.02, eps: 1e-6 }, {}]) {
        const x = Float64Array.from(arrayOf(normal(count * rows * columns, rows), dtype));
        // Each matrix of a batch has a norm of its own.
        for (let i = 0; i < x.length; i++) x[i]! *= 2 ** Math.floor(i / (rows * columns));
        const expected = Float64Array.from({ length: count }, (_, i) => i).reduce<number[]>(
          (all, i) =>
            all.concat([
              ...newtonSchulz(x.subarray(i * rows * columns, (i + 1) * rows * columns), rows, columns, options),
            ]),
          [],
        );
        const actual = await orthogonalized(device, x, shape, dtype, options);
        // The first steps multiply small singular values, and their errors, by up to 8 each.
        expectClose(actual, expected, { dtype, ulps: ulps * 8, magnitude: 0.1 });
      }
  });

  it.each([
    [31, 65],
    [65, 31],
    [40, 40],
  ])('converges to orthogonal rows or columns: %d × %d', async (rows, columns) => {
    for (const [dtype, bound] of [
      ['f32', 2e-5],
      ['f64', 1e-12],
    ] as const) {
      const x = normal(rows * columns, 5);
      const out = await orthogonalized(device, x, [rows, columns], dtype, { coefficients: convergent });
      const values = singularValues(out, rows, columns);
      expect(Math.max(...values.map((s) => Math.abs(s - 1)))).toBeLessThan(bound);
    }
  });

  it.each([1e-30, 1e30])('does not depend on the size of x, %d', async (scale) => {
    const x = normal(33 * 65, 1);
    for (const dtype of ['f32', 'f64'] as const) {
      const options = { coefficients: jordan, eps: 0 };
      const plain = await orthogonalized(device, x, [33, 65], dtype, options);
      const scaled = await orthogonalized(device, x.map((v) => v * scale), [33, 65], dtype, options); // biome-ignore format: one line
      expectClose(scaled, plain, { dtype, ulps: 512, magnitude: 0.1 });
    }
  });

  it('a zero matrix stays zero, beside others and without eps', async () => {
    const x = normal(2 * 12, 1).fill(0, 0, 12);
    for (const eps of [0, 1e-7]) {
      const out = await orthogonalized(device, x, [2, 3, 4], 'f32', { coefficients: jordan, eps });
      expect(out.subarray(0, 12)).toEqual(new Float64Array(12));
      expect(norm(out.subarray(12))).toBeGreaterThan(1);
    }
  });

  it('may write to its input', async () => {
    const x = tensorOf(device, normal(12, 3), [3, 4]);
    const out = new Tensor(device, [3, 4]);
    ops.newtonSchulz(device, { x, out, coefficients: jordan });
    ops.newtonSchulz(device, { x, out: x, coefficients: jordan });
    expect(await x.read()).toEqual(await out.read());
  });

  it('refuses what does not fit', () => {
    const x = Tensor.zeros(device, [2, 3]);
    const out = Tensor.zeros(device, [2, 3]);
    const code = (more: object) => thrownBy(() => ops.newtonSchulz(device, { x, out, ...more })).code;
    expect(code({ x: Tensor.zeros(device, [6]), out: Tensor.zeros(device, [6]) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [3, 2]) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ coefficients: [1, 2] })).toBe('ERR_ARGUMENT');
    expect(code({ coefficients: [1, 2, NaN] })).toBe('ERR_ARGUMENT');
    expect(code({ eps: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ scale: 0 })).toBe('ERR_ARGUMENT');
  });
});
