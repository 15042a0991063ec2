// Devices: cpu, cuda
// Axes: products
// Source: property "gives the tridiagonal matrix Vᵀ A V, V orthonormal"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

type Floating = 'f32' | 'f64';
const roundings = { f32: 2 ** -23, f64: 2 ** -52 };

/** A symmetric matrix of normal numbers. */
function symmetric(n: number): Float64Array {
  const half = normal(n * n, 1);
  return Float64Array.from({ length: n * n }, (_, at) => half[at]! + half[(at % n) * n + Math.floor(at / n)]!);
}

/** A basis with room for `count` rows, of which the first is a unit vector. */
function started(n: number, count: number): Float64Array {
  const first = normal(n, 2);
  const length = Math.hypot(...first);
  return Float64Array.from({ length: count * n }, (_, at) => (at < n ? first[at]! / length : NaN));
}

describe.each(devices)('lanczosSteps on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1],
      [31, 1],
      [43, 4],
      [131, 3],
    ])('is like plain loops: %i rows, %i steps', async (n, steps) => {
      const fields = (on: Device) => ({
        matrix: tensorOf(on, symmetric(n), [n, n], dtype),
        basis: tensorOf(
          on,
          started(n, steps + 1).map((x) => (Number.isNaN(x) ? 7 : x)),
          [steps + 1, n],
          dtype,
        ),
        out: Tensor.full(on, [steps, 2], NaN, { dtype: 'f64' }),
      });
      // One step hands its roundings on to the next, of numbers of the matrix's dtype.
      const ulps = { f32: 2 ** 29, f64: 1 }[dtype] * 16 * steps ** 2 * Math.sqrt(n);
      if (n > 1)
        await expectLikeReference('lanczosSteps', device, fields, {
          basis: { ulps: 16 * steps ** 2 * Math.sqrt(n), of: 'largest' },
          out: { ulps, of: 'largest' },
        });
      else {
        // Nothing but rounding is left of a single element.
        const { matrix, basis, out } = fields(device);
        ops.lanczosSteps(device, { matrix, basis, out });
        expect(Math.abs((await out.read())[0]! - symmetric(1)[0]!)).toBeLessThan(4 * roundings[dtype]);
      }
    });

    it('gives the tridiagonal matrix Vᵀ A V, V orthonormal', async () => {
      const [n, steps] = [40, 12];
      const a = symmetric(n);
      const basis = tensorOf(device, started(n, steps + 1), [steps + 1, n], dtype);
      const out = Tensor.full(device, [steps, 2], NaN, { dtype: 'f64' });
      const matrix = tensorOf(device, a, [n, n], dtype);
      // In two calls, of which the second goes on.
      ops.lanczosSteps(device, { matrix, basis, out: out.rows(0, 5) });
      ops.lanczosSteps(device, { matrix, basis, out: out.rows(5, steps), from: 5 });
      const [v, told] = [await valuesOf(basis), await out.read()];
      const row = (i: number) => Array.from(v.slice(i * n, (i + 1) * n), Number);
      const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, one, j) => sum + one * y[j]!, 0);
      const image = (x: readonly number[]) => x.map((_, i) => dot(Array.from(a.slice(i * n, (i + 1) * n)), x));
      const most = 512 * roundings[dtype];
      for (let i = 0; i <= steps; ++i)
        for (let j = 0; j <= i; ++j) {
          expect(Math.abs(dot(row(i), row(j)) - (i === j ? 1 : 0))).toBeLessThan(most);
          if (i === steps) continue;
          const between = i === j ? told[2 * i]! : i === j + 1 ? told[2 * j + 1]! : 0;
          expect(Math.abs(dot(row(i), image(row(j))) - between)).toBeLessThan(20 * most);
        }
    });

    it('takes one step of a product that is there', async () => {
      const n = 33;
      const matrix = tensorOf(device, symmetric(n), [n, n], dtype);
      const start = started(n, 3).map((x) => (Number.isNaN(x) ? 0 : x));
      const [one, other] = [0, 1].map(() => tensorOf(device, start, [3, n], dtype)) as [Tensor<Floating>, Tensor<Floating>]; // biome-ignore format: one line
      const [told, again] = [0, 1].map(() => Tensor.zeros(device, [2, 2], { dtype: 'f64' })) as [Tensor<'f64'>, Tensor<'f64'>]; // biome-ignore format: one line
      ops.lanczosSteps(device, { matrix, basis: one, out: told });
      for (const step of [0, 1]) {
        const [b, c] = [other.rows(step, step + 1).reshape([n, 1]), other.rows(step + 1, step + 2).reshape([n, 1])];
        ops.gemm(device, { a: matrix, b, c });
        ops.lanczosSteps(device, { basis: other, out: again.rows(step, step + 1), from: step });
      }
      expect(await other.read()).toEqual(await one.read());
      expect(await again.read()).toEqual(await told.read());
    });
  });

  it('gives NaN for NaN', async () => {
    const matrix = tensorOf(device, [NaN, 0, 0, 1], [2, 2], 'f64');
    const basis = tensorOf(device, [1, 0, 0, 0], [2, 2], 'f64');
    const out = Tensor.zeros(device, [1, 2], { dtype: 'f64' });
    ops.lanczosSteps(device, { matrix, basis, out });
    expect([...(await out.read())]).toEqual([NaN, NaN]);
  });
});

const valid = (device: Device) => ({
  matrix: Tensor.zeros(device, [3, 3]),
  basis: Tensor.zeros(device, [4, 3]),
  out: Tensor.zeros(device, [2, 2], { dtype: 'f64' }),
  from: 1,
});
describe.each(onlyCpu)('lanczosSteps', () => {
  refusesWrongFields('lanczosSteps', valid, ['matrix']);
  refuses('lanczosSteps', valid, (device) => {
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    return [
      [{ basis: zeros([3]) }, 'ERR_SHAPE', 'lanczosSteps: basis must be a matrix, got f32[3]'],
      [{ basis: zeros([4, 3], 'i32') }, 'ERR_DTYPE', 'lanczosSteps: basis must be f32 or f64, got i32[4, 3]'],
      [{ out: zeros([2, 3], 'f64') }, 'ERR_SHAPE', 'lanczosSteps: out must have two columns, got f64[2, 3]'],
      [{ out: zeros([2, 2]) }, 'ERR_DTYPE', 'lanczosSteps: out must be f64, got f32[2, 2]'],
      [{ from: -1 }, 'ERR_ARGUMENT', 'lanczosSteps: from must not be negative, got -1'],
      [
        { from: 2 },
        'ERR_SHAPE',
        'lanczosSteps: basis must have a row for each step, and those up to from, got f32[4, 3] for out f64[2, 2]',
      ],
      [
        { matrix: zeros([3, 4]) },
        'ERR_SHAPE',
        "lanczosSteps: matrix must be square, of basis's columns, got f32[3, 4] for basis f32[4, 3]",
      ],
      [{ matrix: zeros([3, 3], 'f64') }, 'ERR_DTYPE', "lanczosSteps: matrix must have basis's dtype, got f64[3, 3]"],
      [{ matrix: undefined }, 'ERR_SHAPE', 'lanczosSteps: out must have one row without a matrix, got f64[2, 2]'],
    ];
  });
});
