// Devices: cpu, cuda
// Values: f64 runs of independent programs on the same data, those of mergekit's routines where it has them (f32 there).
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { mean, randn, zero } from '../../lib/transplant/methods/constant.ts';
import { johnHewitt } from '../../lib/transplant/methods/gaussian.ts';
import { commonInterpolation } from '../../lib/transplant/methods/interpolation.ts';
import { landmarkPca } from '../../lib/transplant/methods/landmark-pca.ts';
import type { MethodContext, MethodSettings, PrepareMethod } from '../../lib/transplant/methods/method.ts';
import { omp } from '../../lib/transplant/methods/omp.ts';
import { subword, weightsOf } from '../../lib/transplant/methods/subword.ts';
import type { Table } from '../../lib/transplant/tables/table.ts';
import { devices } from '../support/devices.ts';
import { splitmixMatrix } from '../support/splitmix.ts';
import { parsed } from '../tokenizers/tokenizers.ts';
import { byteLevelTokenizer } from './models.ts';
import { contextOf, tableOf } from './tables.ts';

const [atomCount, length, otherLength] = [64, 16, 12];
const donorRows = splitmixMatrix(atomCount, length, 11);
const targets = splitmixMatrix(4, length, 12);
const baseRows = splitmixMatrix(atomCount, otherLength, 13);

/** Normal enough numbers: sums of twelve uniform ones. */
function normal(rows: number, columns: number, seed: number): Float64Array {
  const uniform = splitmixMatrix(12 * rows, columns, seed);
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0;
    for (let t = 0; t < 12; t += 1) sum += uniform[t * rows * columns + i]! / 2;
    return sum;
  });
}

function multiply(a: ArrayLike<number>, b: ArrayLike<number>, inner: number): Float64Array {
  const rows = a.length / inner;
  const columns = b.length / inner;
  const c = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i += 1)
    for (let t = 0; t < inner; t += 1)
      for (let j = 0; j < columns; j += 1) c[i * columns + j]! += a[i * inner + t]! * b[t * columns + j]!;
  return c;
}

/** Orthonormal columns by Gram–Schmidt, done twice. */
function rotation(n: number, seed: number): Float64Array {
  const q = normal(n, n, seed);
  for (let j = 0; j < n; j += 1) {
    for (let twice = 0; twice < 2; twice += 1) {
      for (let t = 0; t < j; t += 1) {
        let dot = 0;
        for (let i = 0; i < n; i += 1) dot += q[i * n + j]! * q[i * n + t]!;
        for (let i = 0; i < n; i += 1) q[i * n + j]! -= dot * q[i * n + t]!;
      }
    }
    let square = 0;
    for (let i = 0; i < n; i += 1) square += q[i * n + j]! ** 2;
    for (let i = 0; i < n; i += 1) q[i * n + j]! /= Math.sqrt(square);
  }
  return q;
}

const cosine = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i += 1) {
    xy += x[i]! * y[i]!;
    xx += x[i]! ** 2;
    yy += y[i]! ** 2;
  }
  return xy / Math.sqrt(xx * yy || 1);
};

describe.each(devices)('methods on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  async function approximate(prepare: PrepareMethod, context: MethodContext, rows: ArrayLike<number>, columns: number) {
    const method = await prepare(context);
    try {
      const count = rows.length / columns;
      using given = Tensor.from(device, Float32Array.from(rows), [count, columns]);
      const result = await method.approximate(
        given,
        Int32Array.from({ length: count }, (_, i) => i),
        0,
      );
      const read = await Promise.all(result.rows.map((tensor) => tensor.read()));
      for (const tensor of result.rows) tensor.dispose();
      return { ...result, read };
    } finally {
      method.dispose();
    }
  }

  const goldenContext = (more: Partial<MethodSettings>, bases: Table[] = [tableOf(baseRows, otherLength)]) =>
    contextOf(device, tableOf(donorRows, length), bases, more);

  it('omp carries combinations over', async () => {
    const { read, residuals, coefficientNorms } = await approximate(
      omp,
      await goldenContext({ k: 6 }),
      targets,
      length,
    );
    const expected = [
      -0.376845888126, -0.423449495484, -0.137557917492, -0.987103123387, -0.500875227893, 1.273254554236,
      0.575898820676, 0.289963842288, -0.057061710709, 0.538025201401, 0.258230085857, -0.653511896231,
    ];
    for (const [j, value] of expected.entries()) expect(read[0]![j]).toBeCloseTo(value, 5);
    const square = targets.subarray(0, length).reduce((sum, value) => sum + value ** 2, 0);
    expect(residuals![0]).toBeCloseTo(Math.sqrt(0.555651538676 / square), 5);
    const coefficients = [
      0.728447380460206, 0.4908577562946935, 0.30264296773071, 0.4505015204076082, 0.2547502845931719,
      0.294185659537325,
    ];
    expect(coefficientNorms![0]).toBeCloseTo(Math.hypot(...coefficients), 5);
  });

  it('omp serves two tables with one code', async () => {
    const head = splitmixMatrix(atomCount, 7, 14);
    const both = await goldenContext({ k: 6 }, [tableOf(baseRows, otherLength), tableOf(head, 7)]);
    const { read } = await approximate(omp, both, targets, length);
    const alone = await approximate(omp, await goldenContext({ k: 6 }, [tableOf(head, 7)]), targets, length);
    expect(read[1]).toEqual(alone.read[0]);
  });

  it.each([
    ['distance_proportional', 'euclidean', [14, 19, 6, 17], [0.27015418, 0.25205871, 0.23943058, 0.23835652]],
    ['distance_proportional', 'cosine', [14, 19, 21, 2], [0.29714125, 0.25301319, 0.2325405, 0.21730505]],
    ['barycentric', 'euclidean', [14, 19, 6, 17], [0.50641513, 0.42136803, -0.03494656, 0.1071635]],
    ['least_squares', 'euclidean', [14, 19, 6, 17], [0.50498807, 0.4031947, -0.0534187, 0.08618893]],
  ] as const)('common_interpolation, %s by %s', async (weightScheme, metric, ids, weights) => {
    const context = await goldenContext({ k: 4, weightScheme, metric });
    const { read } = await approximate(commonInterpolation, context, targets.subarray(0, length), length);
    for (let j = 0; j < otherLength; j += 1) {
      const expected = ids.reduce((sum, id, t) => sum + weights[t]! * baseRows[id * otherLength + j]!, 0);
      expect(read[0]![j]).toBeCloseTo(expected, 5);
    }
  });

  it('common_interpolation takes all anchors where there are fewer than k, duplicates among them', async () => {
    const few = tableOf([1, 0, 0, 1, 0, 1], 2);
    const context = await contextOf(device, few, [tableOf([1, 2, 3], 1)], { weightScheme: 'least_squares' });
    const { read } = await approximate(commonInterpolation, context, [2, 4], 2);
    // 2 of the first, and 4 shared among two equal ones in any way.
    expect(read[0]![0]! - 2).toBeGreaterThanOrEqual(8 - 1e-5);
    expect(read[0]![0]! - 2).toBeLessThanOrEqual(12 + 1e-5);
  });

  it('mean, zero and randn know nothing of the token', async () => {
    const context = await contextOf(device, tableOf([1, 1], 2), [tableOf([1, 2, 3, 6, Number.NaN, 0], 2)]);
    const read = async (prepare: PrepareMethod) => (await approximate(prepare, context, [1, 1, 5, 5], 2)).read[0];
    expect(await read(mean)).toEqual(Float32Array.of(2, 4, 2, 4));
    expect(await read(zero)).toEqual(new Float32Array(4));
    using expected = Tensor.randn(device, [2, 2], { seed: 1 });
    expect(await read(randn)).toEqual(await expected.read());
  });

  it('john_hewitt has the mean and the covariance of the base', async () => {
    const columns = 3;
    const mixing = [2, 0, 0, 1, 0.5, 0, -1, 0.25, 0]; // the last direction is empty
    const rows = multiply(normal(400, columns, 5), mixing, columns).map((value, i) => value + (i % columns));
    const count = 20_000;
    const context = await contextOf(device, tableOf([1], 1), [tableOf(rows, columns)]);
    const { read } = await approximate(johnHewitt, context, new Float64Array(count), 1);
    const moments = (values: ArrayLike<number>): number[] => {
      const n = values.length / columns;
      const sums = Array.from({ length: columns }, () => 0);
      for (let i = 0; i < values.length; i += 1) sums[i % columns]! += values[i]! / n;
      const covariance: number[] = [];
      for (let a = 0; a < columns; a += 1) {
        for (let b = 0; b < columns; b += 1) {
          let sum = 0;
          for (let i = 0; i < n; i += 1)
            sum += (values[i * columns + a]! - sums[a]!) * (values[i * columns + b]! - sums[b]!);
          covariance.push(sum / n);
        }
      }
      return [...sums, ...covariance];
    };
    const [own, expected] = [moments(read[0]!), moments(rows)];
    // Six standard errors of a sample of this size.
    for (const [i, value] of expected.entries())
      expect(Math.abs(own[i]! - value)).toBeLessThan((6 * 8) / Math.sqrt(count));
  });

  it('subword joins the rows of the pieces', async () => {
    const base = parsed(byteLevelTokenizer(['a', 'b', 'c', 'ab'], [], ['a b']));
    const donor = parsed(byteLevelTokenizer(['abc', 'q', 'cab']));
    const table = tableOf([1, 10, 100, 1000], 1);
    for (const [subwordMethod, abc, cab] of [
      ['mean', 550, 550],
      ['sum', 1100, 1100],
      ['weighted_mean', (1000 + 2 * 100) / 3, (100 + 2 * 1000) / 3],
      ['first_last', 100, 1000],
    ] as const) {
      const context = {
        ...(await contextOf(device, tableOf([1, 1, 1], 1), [table], { subwordMethod })),
        tokenizers: { base, donor },
      };
      const { read } = await approximate(subword, context, [1, 1, 1], 1);
      expect(read[0]![0]).toBeCloseTo(abc, 3);
      expect(read[0]![1]).toBeCloseTo(1111 / 4, 3); // no piece: the mean
      expect(read[0]![2]).toBeCloseTo(cab, 3);
    }
  });

  it('weighs the other end in the head', () => {
    expect(weightsOf('weighted_mean', 3, true)).toEqual([3 / 6, 2 / 6, 1 / 6]);
    expect(weightsOf('weighted_mean', 3, false)).toEqual([1 / 6, 2 / 6, 3 / 6]);
    expect(weightsOf('first_last', 3, true)).toEqual([1, 0, 0]);
  });

  describe('a base that is the donor, turned', () => {
    const [known, wanted, columns] = [300, 40, 24];
    const all = normal(known + wanted, columns, 21);
    const noise = normal(known + wanted, columns, 22);
    const turned = multiply(all, rotation(columns, 23), columns).map((value, i) => value + 0.01 * noise[i]!);
    const donor = tableOf(all.subarray(0, known * columns), columns);
    const base = tableOf(turned.subarray(0, known * columns), columns);
    const given = all.subarray(known * columns);
    const truth = turned.subarray(known * columns);
    async function similarity(prepare: PrepareMethod, more: Partial<MethodSettings> = {}): Promise<number> {
      const { read } = await approximate(prepare, await contextOf(device, donor, [base], more), given, columns);
      let sum = 0;
      for (let row = 0; row < wanted; row += 1) {
        const part = (values: ArrayLike<number>) =>
          Array.from({ length: columns }, (_, j) => values[row * columns + j]!);
        sum += cosine(part(read[0]!), part(truth)) / wanted;
      }
      return sum;
    }

    it('omp beats the mean and the neighbours', async () => {
      const found = await similarity(omp, { k: 20 });
      expect(found).toBeGreaterThan(0.98);
      expect(found).toBeGreaterThan((await similarity(commonInterpolation, { k: 20 })) + 0.1);
      expect(found).toBeGreaterThan((await similarity(mean)) + 0.5);
    });

    it('landmark_pca finds the rotation, and not its inverse', async () => {
      expect(await similarity(landmarkPca)).toBeGreaterThan(0.999);
    });
  });

  it('landmark_pca carries a subspace over, into more and into fewer dimensions', async () => {
    const [known, wanted, inner] = [200, 20, 5];
    const hidden = normal(known + wanted, inner, 31);
    const wide = multiply(hidden, rotation(12, 32).subarray(0, inner * 12), inner);
    const narrow = multiply(hidden, rotation(inner, 33), inner);
    for (const [from, fromColumns, to, toColumns] of [
      [wide, 12, narrow, inner],
      [narrow, inner, wide, 12],
    ] as const) {
      const context = await contextOf(device, tableOf(from.subarray(0, known * fromColumns), fromColumns), [
        tableOf(to.subarray(0, known * toColumns), toColumns),
      ]);
      const { read } = await approximate(landmarkPca, context, from.subarray(known * fromColumns), fromColumns);
      const truth = to.subarray(known * toColumns);
      for (let i = 0; i < truth.length; i += 1) expect(read[0]![i]).toBeCloseTo(truth[i]!, 3);
    }
  });
});
