// Devices: cpu, cuda
// Source: golden dense.json
// Source: closed form "has closed forms: the second difference, and a Pauli matrix"
// Source: property "V·diag(λ)·Vᵀ is A: %i of %i rows"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../../lib/index.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import {
  apart,
  type Dtype,
  diagonal,
  expectNear,
  expectOrthogonality,
  expectOrthonormal,
  expectSigns,
  goldenProblems,
  mirrored,
  multiply,
  part,
  termsOfEigenvectors,
  transposed,
  unwritten,
} from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

async function decomposed(device: Device, matrix: Tensor) {
  const { shape, dtype } = matrix;
  const values = unwritten(device, shape.slice(0, -1), dtype as Dtype);
  const vectors = unwritten(device, shape, dtype as Dtype);
  const info = unwritten(device, [shape.length === 3 ? shape[0]! : 1], 'i32');
  ops.eigh(device, { matrix, values, vectors, info });
  const alone = unwritten(device, values.shape, dtype as Dtype);
  ops.eigh(device, { matrix, values: alone, info });
  return {
    values: await valuesOf(values),
    alone: await valuesOf(alone),
    vectors: await valuesOf(vectors),
    info: [...(await info.read())],
  };
}

/**
 * V·diag(λ)·Vᵀ is the matrix up to so many roundings of its norm, which of n × n equal entries is n times one of them;
 * V is orthogonal, the values ascend.
 */
function expectDecomposition(values: Float64Array, vectors: Float64Array, a: Float64Array, dtype: Dtype): void {
  const n = values.length;
  const product = multiply(multiply(vectors, diagonal(values), n), transposed(vectors, n), n);
  expectClose(product, a, { dtype, ulps: 10 + Math.sqrt(n), magnitude: largest(values) });
  expectOrthonormal(vectors, n, dtype, 20 + 2 * n);
  for (let i = 1; i < n; i++) expect(values[i]).toBeGreaterThanOrEqual(values[i - 1]!);
  expectSigns(vectors, n);
}

describe.each(devices)('eigh on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1],
      [2, 2],
      [5, 7],
      [3, 16],
      [1, 33],
      [1, 70],
      ...(kind === 'cpu' ? [[2, 64], [1, 131]] : []), // biome-ignore format: one line
    ])('V·diag(λ)·Vᵀ is A: %i of %i rows', async (batch, n) => {
      const a = normal(batch * n * n, n);
      const { values, alone, vectors, info } = await decomposed(device, tensorOf(device, a, [batch, n, n], dtype));
      expect(info).toEqual(new Array(batch).fill(0));
      for (let i = 0; i < batch; i++) {
        const own = mirrored(part(a, n * n, i), n);
        expectDecomposition(part(values, n, i), part(vectors, n * n, i), own, dtype);
        expectNear(part(alone, n, i), part(values, n, i), dtype, 20 + 2 * n);
      }
    });

    it.each(kind === 'cpu' ? [70, 400] : [70])('vectors of %i rows are orthonormal to 10·ε·√n', async (n) => {
      for (const decades of [0, 3]) {
        const a = mirrored(
          normal(n * n, n).map((value, i) => value * 10 ** ((-decades * ((i % n) + Math.floor(i / n))) / n)),
          n,
        );
        expectOrthogonality((await decomposed(device, tensorOf(device, a, [n, n], dtype))).vectors, n, dtype);
      }
    });

    it.each([1, 2, 31, 32, 33, 65])('agrees with the reference, of %i rows', (n) =>
      expectLikeReference(
        'eigh',
        device,
        (on) => ({
          matrix: tensorOf(on, mirrored(apart(n, n, 1), n), [n, n], dtype),
          values: unwritten(on, [n], dtype),
          vectors: unwritten(on, [n, n], dtype),
          info: unwritten(on, [1], 'i32'),
        }),
        {
          values: { ulps: 20 + n, of: 'largest' },
          vectors: { ulps: 20 + 2 * n, of: ({ values, vectors }) => termsOfEigenvectors(values!, vectors!) },
        },
      ),
    );

    it.each(kind === 'cpu' ? [10, 75] : [10])(
      'of multiples of the identity, zeros, equal eigenvalues, low rank, blocks and extreme scales, %i rows',
      async (n) => {
        const ones = new Float64Array(n * n).fill(1);
        const scale = dtype === 'f64' ? 1e200 : 1e30;
        const cases = [new Float64Array(n * n), diagonal(new Float64Array(n).fill(3)), ones];
        const equal = [5, -5, 5, -5, 1, 1, 1, 0, 0, 0];
        cases.push(diagonal(Float64Array.from({ length: n }, (_, i) => equal[i % 10]!)));
        cases.push(mirrored(normal(n * n, 3, scale), n));
        // Three blocks, between which there is nothing.
        const block = (i: number): number => Math.floor((3 * i) / n);
        const blocks = normal(n * n, 5).map((value, i) => (block(i % n) === block(Math.floor(i / n)) ? value : 0));
        cases.push(mirrored(blocks, n));
        cases.push(mirrored(normal(n * n, 4, 1 / scale), n));
        for (const a of cases) {
          const { values, vectors, info } = await decomposed(device, tensorOf(device, a, [n, n], dtype));
          expect(info).toEqual([0]);
          expectDecomposition(values, vectors, a, dtype);
        }
      },
    );

    it('has closed forms: the second difference, and a Pauli matrix', async () => {
      const n = 20;
      const a = Float64Array.from({ length: n * n }, (_, i) => {
        const distance = Math.abs(Math.floor(i / n) - (i % n));
        return distance === 0 ? 2 : distance === 1 ? -1 : 0;
      });
      const { values } = await decomposed(device, tensorOf(device, a, [n, n], dtype));
      const expected = Array.from({ length: n }, (_, k) => 4 * Math.sin(((k + 1) * Math.PI) / (2 * n + 2)) ** 2);
      expectNear(values, expected, dtype, 30);
      const pauli = await decomposed(device, tensorOf(device, [0, 1, 1, 0], [2, 2], dtype));
      const half = Math.SQRT1_2;
      expectNear(pauli.values, [-1, 1], dtype, 2);
      expectNear(pauli.vectors, [half, half, -half, half], dtype, 4);
    });

    it('reads the lower half alone, and gives NaN for what is not finite', async () => {
      const a = [1, NaN, 2, 1, 1, 0, NaN, 1, 1, 0, 0, Infinity];
      const { values, vectors, info } = await decomposed(device, tensorOf(device, a, [3, 2, 2], dtype));
      expect(info).toEqual([0, 1, 1]);
      expect([...values].map(Number.isNaN)).toEqual([false, false, true, true, true, true]);
      expect([...vectors].map(Number.isNaN)).toEqual(Array.from({ length: 12 }, (_, i) => i >= 4));
    });

    it('takes matrices without elements', async () => {
      expect((await decomposed(device, tensorOf(device, [], [2, 0, 0], dtype))).info).toEqual([0, 0]);
      expect((await decomposed(device, tensorOf(device, [], [0, 3, 3], dtype))).info).toEqual([]);
    });
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, eigh } of goldenProblems) {
      if (!eigh) continue;
      const x = tensorOf(device, splitmixMatrix(...shape, seeds[0]!), shape, 'f64');
      const { values, vectors } = await decomposed(device, x);
      expectNear(values, eigh.values, 'f64', 50);
      expectNear(vectors, eigh.vectors, 'f64', 1000);
    }
  });
});

describe.each(onlyCpu)('eigh', () => {
  const valid = (device: Device) => ({
    matrix: tensorOf(device, [1, 2, 2, 1], [2, 2]),
    values: tensorOf(device, [0, 0], [2]),
    vectors: tensorOf(device, [0, 0, 0, 0], [2, 2]),
    info: tensorOf(device, [0], [1], 'i32'),
  });
  refusesWrongFields('eigh', valid, ['vectors']);
  refuses('eigh', valid, (device) => [
    [
      { matrix: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'eigh: matrix must be a square matrix or a batch of them, got f32[1, 2]',
    ],
    [
      { matrix: tensorOf(device, [1, 2, 2, 1], [2, 2], 'bf16') },
      'ERR_DTYPE',
      'eigh: matrix must be f32 or f64, got bf16[2, 2]',
    ],
    [
      { values: tensorOf(device, [0, 0], [2], 'f64') },
      'ERR_DTYPE',
      'eigh: values must have the dtype of matrix, got f64[2]',
    ],
    [
      { values: tensorOf(device, [0], [1]) },
      'ERR_SHAPE',
      'eigh: values must have an element for each row of each matrix, got f32[1] for matrix f32[2, 2]',
    ],
    [
      { vectors: tensorOf(device, [0, 0, 0, 0], [2, 2], 'f64') },
      'ERR_DTYPE',
      'eigh: vectors must have the dtype of matrix, got f64[2, 2]',
    ],
    [
      { vectors: tensorOf(device, [0], [1, 1]) },
      'ERR_SHAPE',
      'eigh: vectors must have the shape of matrix, got f32[1, 1] for matrix f32[2, 2]',
    ],
    [
      { info: tensorOf(device, [0, 0], [2], 'i32') },
      'ERR_SHAPE',
      'eigh: info must be i32 and have one element a matrix, got i32[2] for 1',
    ],
  ]);

  it.each([
    [9, 40, 'f32'],
    [3, 130, 'f32'],
    [1, 200, 'f32'],
    [1, 300, 'f32'],
    [1, 200, 'f64'],
    [1, 300, 'f64'],
  ] as const)('has the same bits on any number of threads, %i of %i rows in %s', (batch, n, dtype) =>
    expectSameBits((device) => {
      const matrix = tensorOf(device, normal(batch * n * n, 1), [batch, n, n], dtype);
      const [values, vectors] = [unwritten(device, [batch, n], dtype), unwritten(device, [batch, n, n], dtype)];
      const alone = unwritten(device, [batch, n], dtype);
      ops.eigh(device, { matrix, values, vectors, info: unwritten(device, [batch], 'i32') });
      ops.eigh(device, { matrix, values: alone, info: unwritten(device, [batch], 'i32') });
      return [values, vectors, alone];
    }),
  );
});
