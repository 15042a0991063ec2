// Devices: cpu, cuda
// Source: golden dense.json
// Source: property "L·Lᵀ is A, of %j"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import {
  type Dtype,
  expectNear,
  goldenProblems,
  hilbert,
  joined,
  multiply,
  part,
  positive,
  transposed,
  unwritten,
} from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

async function factored(device: Device, gram: Tensor, rankTolerance = 0) {
  const [batch, n] = gram.shape.length === 3 ? [gram.shape[0]!, gram.shape[1]!] : [1, gram.shape[0]!];
  const factor = unwritten(device, gram.shape, gram.dtype as Dtype);
  const info = unwritten(device, [batch], 'i32');
  ops.cholesky(device, { gram, factor, info, rankTolerance });
  return { l: await valuesOf(factor), info: [...(await info.read())], n };
}

describe.each(devices)('cholesky on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [[1, 1], 1],
      [[2, 2], 1],
      [[33, 33], 1],
      [[5, 7, 7], 5],
      [[2, 65, 65], 2],
      [[130, 130], 1],
    ] as const)('L·Lᵀ is A, of %j', async (shape, batch) => {
      const n = shape.at(-1)!;
      const gram = joined(Array.from({ length: batch }, (_, i) => positive(n, i)));
      const { l, info } = await factored(device, tensorOf(device, gram, shape, dtype));
      expect(info).toEqual(new Array(batch).fill(0));
      for (let i = 0; i < batch; i++) {
        const own = part(l, n * n, i);
        expectNear(multiply(own, transposed(own, n), n), part(gram, n * n, i), dtype, 4 + n);
        for (let row = 0; row < n; row++) {
          expect(own[row * n + row]).toBeGreaterThan(0);
          expect([...own.subarray(row * n + row + 1, row * n + n)]).toEqual(new Array(n - row - 1).fill(0));
        }
      }
    });

    it.each([0, 1, 2, 31, 32, 33, 65, 130])('agrees with the reference, of %i rows', (n) =>
      expectLikeReference(
        'cholesky',
        device,
        (on) => ({
          gram: tensorOf(on, joined([positive(n, 1), positive(n, 2)]), [2, n, n], dtype),
          factor: unwritten(on, [2, n, n], dtype),
          info: unwritten(on, [2], 'i32'),
        }),
        { factor: { ulps: 4 + n, of: 'largest' } },
      ),
    );

    it('reads the lower half alone, and may write over it', async () => {
      const n = 9;
      const gram = positive(n, 3);
      const { l } = await factored(device, tensorOf(device, gram, [n, n], dtype));
      for (let i = 0; i < n; i++) gram.fill(NaN, i * n + i + 1, (i + 1) * n);
      const own = tensorOf(device, gram, [n, n], dtype);
      ops.cholesky(device, { gram: own, factor: own, info: unwritten(device, [1], 'i32') });
      expect(await valuesOf(own)).toEqual(l);
    });

    it('says which minor is not positive, and gives NaN for that matrix alone', async () => {
      const bad = positive(4, 5);
      bad[2 * 4 + 2] = -1;
      const notNumber = positive(4, 6);
      notNumber[3 * 4 + 1] = NaN;
      const infinite = positive(4, 7);
      infinite[4 + 1] = Infinity;
      const all = [positive(4, 8), bad, notNumber, infinite, new Float64Array(16)];
      const { l, info } = await factored(device, tensorOf(device, joined(all), [5, 4, 4], dtype));
      expect(info).toEqual([0, 3, 4, 2, 1]);
      expect(part(l, 16, 0).every(Number.isFinite)).toBe(true);
      for (const i of [1, 2, 3, 4]) expect(part(l, 16, i).every(Number.isNaN), `${i}`).toBe(true);
    });

    it('leaves out directions without length, where rankTolerance says so', async () => {
      const n = 70;
      const rank = 5;
      const half = normal(n * rank, 9);
      const gram = multiply(half, transposed(half, rank), rank);
      const tolerance = dtype === 'f64' ? 1e-12 : 1e-5;
      const { l, info } = await factored(device, tensorOf(device, gram, [n, n], dtype), tolerance);
      expect(info).toEqual([0]);
      expectNear(multiply(l, transposed(l, n), n), gram, dtype, 400);
      for (let j = rank; j < n; j++) for (let i = 0; i < n; i++) expect(l[i * n + j]).toBe(0);
      expect((await factored(device, tensorOf(device, new Float64Array(9), [3, 3], dtype), tolerance)).info).toEqual([
        0,
      ]);
    });

    it('takes no matrices, and matrices without rows', async () => {
      expect((await factored(device, tensorOf(device, [], [0, 3, 3], dtype))).info).toEqual([]);
      expect((await factored(device, tensorOf(device, [], [2, 0, 0], dtype))).info).toEqual([0, 0]);
    });
  });

  it('of badly conditioned matrices: positive in f64, and not in f32', async () => {
    const n = 12;
    const { l, info } = await factored(device, tensorOf(device, hilbert(n), [n, n], 'f64'));
    expect(info).toEqual([0]);
    expectNear(multiply(l, transposed(l, n), n), hilbert(n), 'f64', 8);
    const nearly = [1, 1, 1, 1 + 1e-10];
    expect((await factored(device, tensorOf(device, nearly, [2, 2], 'f64'))).info).toEqual([0]);
    expect((await factored(device, tensorOf(device, nearly, [2, 2], 'f32'))).info).toEqual([2]);
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, cholesky } of goldenProblems) {
      if (!cholesky) continue;
      const [n] = shape;
      const x = splitmixMatrix(n, n, seeds[0]!);
      const gram = multiply(x, transposed(x, n), n);
      for (let i = 0; i < n; i++) gram[i * n + i]! += 1 / 8;
      expectNear((await factored(device, tensorOf(device, gram, shape, 'f64'))).l, cholesky, 'f64', 50);
    }
  });
});

describe.each(onlyCpu)('cholesky', () => {
  const valid = (device: Device) => ({
    gram: tensorOf(device, [4, 2, 2, 5], [2, 2]),
    factor: tensorOf(device, [0, 0, 0, 0], [2, 2]),
    info: tensorOf(device, [0], [1], 'i32'),
  });
  refusesWrongFields('cholesky', valid);
  refuses('cholesky', valid, (device) => [
    [
      { gram: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'cholesky: gram must be a square matrix or a batch of them, got f32[1, 2]',
    ],
    [
      { gram: tensorOf(device, [1, 2, 3, 4], [2, 2], 'bf16') },
      'ERR_DTYPE',
      'cholesky: gram must be f32 or f64, got bf16[2, 2]',
    ],
    [
      { factor: tensorOf(device, [1, 2, 3, 4], [2, 2], 'f64') },
      'ERR_DTYPE',
      'cholesky: factor must have the dtype of gram, got f64[2, 2]',
    ],
    [
      { factor: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'cholesky: factor must have the shape of gram, got f32[1, 2] for gram f32[2, 2]',
    ],
    [
      { info: tensorOf(device, [1, 2], [2], 'i32') },
      'ERR_SHAPE',
      'cholesky: info must be i32 and have one element a matrix, got i32[2] for 1',
    ],
    [{ rankTolerance: -1 }, 'ERR_ARGUMENT', 'cholesky: rankTolerance must be at least 0 and less than 1, got -1'],
  ]);

  it('has the same bits on any number of threads', () =>
    expectSameBits((device) =>
      [[300, 300] as const, [9, 40, 40] as const].map((shape) => {
        const n = shape.at(-1)!;
        const batch = shape.length === 3 ? shape[0] : 1;
        const own = positive(n, 1);
        const gram = tensorOf(device, joined(new Array(batch).fill(own)), shape);
        ops.cholesky(device, { gram, factor: gram, info: unwritten(device, [batch], 'i32') });
        return gram;
      }),
    ));
});
