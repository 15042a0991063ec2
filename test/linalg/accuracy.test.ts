// Devices: cpu, cuda
// Residuals and orthogonality of 10·ε·√n in the spectral norm, n the smaller side, of matrices whose singular values are
// known.
import { afterAll, describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { cholesky, eigh, lu, polar, qr, randomizedSvd, svd } from '../../lib/linalg/index.ts';
import { type Dtype, multiply, transposed } from '../support/dense.ts';
import { devices } from '../support/devices.ts';
import { spacing } from '../support/dtypes.ts';
import {
  expectColumns,
  expectResidual,
  gluedWilkinson,
  productOf,
  spectra,
  spectraNames,
  withSpectrum,
} from '../support/spectra.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

type Shape = readonly [rows: number, columns: number];

describe.each(devices)('accuracy on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const shapes: Shape[] =
    kind === 'cpu'
      ? [
          [40, 40],
          [400, 130],
          [130, 260],
          [260, 260],
        ]
      : [[40, 30]];
  const sides = kind === 'cpu' ? [40, 130, 260, 400] : [40];

  describe.each(['f32', 'f64'] as const)('%s', (dtype: Dtype) => {
    describe.each(spectraNames)('of a spectrum that is %s', (spectrum) => {
      it.each(shapes)('svd and polar of %i × %i', async (rows, columns) => {
        const a = withSpectrum([rows, columns], spectrum, dtype);
        using x = tensorOf(device, a, [rows, columns], dtype);
        const found = await svd(x);
        const [u, s, v] = [await valuesOf(found.u), await valuesOf(found.s), await valuesOf(found.v)];
        const k = s.length;
        for (const vectors of [u, v]) expectColumns(vectors, k, dtype);
        const right = scaledColumns(v, s);
        expectResidual(a, columns, productOf([u, k], [transposed(right, k), columns]), dtype);
        const values = spectra[spectrum](k, dtype);
        const most = 10 * spacing(1, dtype) * Math.sqrt(k) * values[0]!;
        for (const [i, value] of s.entries()) expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(most);
        for (const tensor of Object.values(found)) tensor.dispose();

        using p = await polar(x);
        const own = await valuesOf(p);
        const tall = rows >= columns ? own : transposed(own, columns);
        expectColumns(tall, k, dtype);
        // A is its polar factor times a symmetric matrix.
        const all = rows >= columns ? a : transposed(a, columns);
        const middle = multiply(transposed(tall, k), all, Math.max(rows, columns));
        const symmetric = middle.map((value, i) => (value + middle[(i % k) * k + Math.floor(i / k)]!) / 2);
        expectResidual(all, k, productOf([tall, k], [symmetric, k]), dtype);
      });

      it.each(shapes)('qr, lu and randomizedSvd of %i × %i', async (rows, columns) => {
        const a = withSpectrum([rows, columns], spectrum, dtype);
        const k = Math.min(rows, columns);
        using x = tensorOf(device, a, [rows, columns], dtype);
        const { q, r } = await qr(x);
        expectColumns(await valuesOf(q), k, dtype);
        expectResidual(a, columns, productOf([await valuesOf(q), k], [await valuesOf(r), columns]), dtype);
        for (const tensor of [q, r]) tensor.dispose();

        const factored = await lu(x);
        const [triangles, pivots] = [await valuesOf(factored.lu), await valuesOf(factored.pivots)];
        const exchanged = Float64Array.from(
          a,
          (_, i) => a[pivots[Math.floor(i / columns)]! * columns + (i % columns)]!,
        );
        const lower = Float64Array.from({ length: rows * k }, (_, i) => {
          const [row, column] = [Math.floor(i / k), i % k];
          return row === column ? 1 : column < row ? triangles[row * columns + column]! : 0;
        });
        const upper = Float64Array.from({ length: k * columns }, (_, i) =>
          i % columns >= Math.floor(i / columns) ? triangles[i]! : 0,
        );
        expectResidual(exchanged, columns, productOf([lower, k], [upper, columns]), dtype);
        for (const tensor of Object.values(factored)) tensor.dispose();

        const rank = Math.ceil(k / 2);
        const found = await randomizedSvd(x, { rank });
        const [u, s, v] = [await valuesOf(found.u), await valuesOf(found.s), await valuesOf(found.v)];
        for (const vectors of [u, v]) expectColumns(vectors, rank, dtype);
        if (['rank n / 2', 'zero'].includes(spectrum)) {
          const turned = transposed(scaledColumns(v, s), rank);
          expectResidual(a, columns, productOf([u, rank], [turned, columns]), dtype);
        }
        for (const tensor of Object.values(found)) tensor.dispose();
      });

      it.each(sides)('eigh of %i rows', async (n) => {
        const a = withSpectrum([n, n], spectrum, dtype, true);
        await expectEigensystem(a, n, dtype);
      });
    });

    it.each(sides)('eigh of matrices of Wilkinson, glued, of %i rows', (n) =>
      expectEigensystem(gluedWilkinson(n, dtype), n, dtype),
    );

    it.each(sides)('cholesky of %i rows', async (n) => {
      for (const spectrum of ['even', 'clustered'] as const) {
        // The square of a symmetric matrix is positive definite.
        const half = withSpectrum([n, n], spectrum, 'f64', true);
        const gram = multiply(half, half, n).map(dtype === 'f32' ? Math.fround : (x) => x);
        for (let i = 0; i < n; ++i) for (let j = 0; j < i; ++j) gram[j * n + i] = gram[i * n + j]!;
        using x = tensorOf(device, gram, [n, n], dtype);
        using factor = await cholesky(x);
        const l = await valuesOf(factor);
        expectResidual(gram, n, productOf([l, n], [transposed(l, n), n]), dtype);
      }
    });
  });

  async function expectEigensystem(a: Float64Array, n: number, dtype: Dtype): Promise<void> {
    using x = tensorOf(device, a, [n, n], dtype);
    const found = await eigh(x);
    const [values, vectors] = [await valuesOf(found.values), await valuesOf(found.vectors)];
    expectColumns(vectors, n, dtype);
    expectResidual(a, n, productOf([scaledColumns(vectors, values), n], [transposed(vectors, n), n]), dtype);
    for (const tensor of Object.values(found)) tensor.dispose();
  }
});

/** Columns times a factor each. */
function scaledColumns(x: Float64Array, factors: ArrayLike<number>): Float64Array {
  return x.map((value, i) => value * factors[i % factors.length]!);
}
