// Devices: cpu, cuda
// Source: formula of arXiv 2406.03136 "softmax attention and its gradient by the adapter", in plain loops over doubles
import { afterAll, describe, expect, it, vi } from 'vitest';
import { certificateOf } from '../../lib/adapters/attention/certificate.ts';
import { type LoraAttention, type LoraAttentionGradOptions, loraAttentionGrad } from '../../lib/adapters/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { at, type Dense, dense, distance, filledBy, norm, product, sum, transposed } from './matrices.ts';

/** Multiplications in products. */
const products = vi.hoisted(() => ({ count: 0 }));
vi.mock('../../lib/core/native-ops.ts', async (original) => {
  const { ops } = await original<typeof import('../../lib/core/native-ops.ts')>();
  const gemm: typeof ops.gemm = (queue, fields) => {
    products.count += fields.c.size * fields.a.shape[fields.transA === 'transposed' ? 0 : 1]!;
    ops.gemm(queue, fields);
  };
  return { ops: { ...ops, gemm } };
});

interface Numbers {
  readonly x: Dense;
  readonly wq: Dense;
  readonly wk: Dense;
  readonly wv: Dense;
  readonly y: Dense;
  readonly a: Dense;
  readonly b: Dense;
  readonly scale: number;
}

const draw = (rows: number, columns: number, seed: number, size = 1) =>
  dense(rows, columns, normal(rows * columns, seed, size));
/** `size` is that of queries and keys. */
const numbersOf = (length: number, d: number, h: number, n: number, rank: number, size: number): Numbers => ({
  x: draw(length, d, 1),
  wq: draw(h, d, 2, size / Math.sqrt(d)),
  wk: draw(h, d, 3, size / Math.sqrt(d)),
  wv: draw(n, d, 4, 1 / Math.sqrt(d)),
  y: draw(length, n, 5),
  a: draw(rank, d, 6, size / Math.sqrt(d)),
  b: draw(h, rank, 7, 0.3),
  scale: 0.7,
});

function expected({ x, wq, wk, wv, y, a, b, scale }: Numbers) {
  const q = product(x, transposed(sum(wq, product(b, a), scale)));
  const [k, v] = [product(x, transposed(wk)), product(x, transposed(wv))];
  const root = Math.sqrt(wq.rows);
  const scores = product(q, transposed(k));
  const rows = Array.from({ length: x.rows }, (_, i) => {
    const own = Array.from({ length: x.rows }, (_x, j) => at(scores, i, j) / root);
    const top = Math.max(...own);
    const powers = own.map((s) => Math.exp(s - top));
    const total = powers.reduce((whole, p) => whole + p, 0);
    return powers.map((p) => p / total);
  });
  const f = filledBy(x.rows, x.rows, (i, j) => rows[i]![j]!);
  const error = sum(product(f, v), y, -1);
  const slopes = product(error, transposed(v));
  const shares = rows.map((row, i) => row.reduce((total, p, j) => total + p * at(slopes, i, j), 0));
  const inner = filledBy(x.rows, x.rows, (i, j) => (at(f, i, j) * (at(slopes, i, j) - shares[i]!)) / root);
  const slope = product(transposed(product(inner, k)), x);
  const grown = (m: Dense): Dense => sum(m, m, scale - 1);
  const longest = (m: Dense) =>
    Math.max(...Array.from({ length: m.rows }, (_, i) => norm(filledBy(1, m.columns, (_i, j) => at(m, i, j)))));
  return {
    da: grown(product(transposed(b), slope)),
    db: grown(product(slope, transposed(a))),
    loss: norm(error) ** 2 / 2,
    most: (longest(q) * longest(k)) / root,
  };
}

describe.each(devices)('loraAttentionGrad on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const headOf = (numbers: Numbers, dtype: 'f32' | 'f64'): LoraAttention => {
    const { scale, ...matrices } = numbers;
    const tensors = Object.entries(matrices).map(([name, x]) => [
      name,
      Tensor.from(device, [...Array.from(x.data)], [x.rows, x.columns], { dtype }),
    ]);
    return { ...Object.fromEntries(tensors), scale };
  };
  const run = async (numbers: Numbers, dtype: 'f32' | 'f64', options: LoraAttentionGradOptions = {}) => {
    const { da, db, ...told } = await loraAttentionGrad(headOf(numbers, dtype), options);
    const read = async (x: Tensor) => dense(x.shape[0]!, x.shape[1]!, await x.read());
    return { da: await read(da), db: await read(db), ...told };
  };

  it.each([
    ['f64', 1e-13],
    ['f32', 1e-5],
  ] as const)('is exact by blocks of rows, in %s', async (dtype, near) => {
    for (const sizes of [
      [33, 7, 5, 3, 2, 1],
      [1, 3, 2, 2, 1, 1],
      [40, 6, 6, 6, 4, 4],
    ] satisfies Parameters<typeof numbersOf>[]) {
      const numbers = numbersOf(...sizes);
      const { da, db, loss } = expected(numbers);
      const found = await run(numbers, dtype, { mode: 'exact' });
      expect(found).toMatchObject({ mode: 'exact', degree: 0, features: 0, errorBound: 0 });
      expect(norm(sum(found.da, da, -1))).toBeLessThan(near * (norm(da) + 1e-3));
      expect(norm(sum(found.db, db, -1))).toBeLessThan(near * (norm(db) + 1e-3));
      expect(Math.abs(found.loss / loss - 1)).toBeLessThan(near);
    }
  });

  it('is the gradient that differences of the loss give', async () => {
    const numbers = numbersOf(24, 6, 4, 3, 2, 1);
    const { da, db } = await run(numbers, 'f64', { mode: 'exact' });
    for (const [name, gradient] of [
      ['a', da],
      ['b', db],
    ] as const)
      for (const i of [0, 3, numbers[name].data.length - 1]) {
        const lossAt = (by: number): number => {
          const moved = dense(numbers[name].rows, numbers[name].columns, Array.from(numbers[name].data, (x, j) => (i === j ? x + by : x))); // biome-ignore format: one line
          return expected({ ...numbers, [name]: moved }).loss;
        };
        const h = 1e-3;
        const difference = (8 * (lossAt(h) - lossAt(-h)) - (lossAt(2 * h) - lossAt(-2 * h))) / (12 * h);
        expect(Math.abs(difference - gradient.data[i]!)).toBeLessThan(1e-8);
      }
  });

  it('falls with the degree of the chain, within its bound, for scores about 1', async () => {
    const numbers = numbersOf(kind === 'cpu' ? 256 : 64, 6, 6, 6, 2, 0.4);
    const { da, db, loss, most } = expected(numbers);
    expect(most).toBeGreaterThan(0.5);
    expect(most).toBeLessThan(3);
    const errors: number[] = [];
    for (const degree of [2, 3, 4, 5, 6]) {
      const bound = (most ** (degree + 1) / [1, 1, 2, 6, 24, 120, 720, 5040][degree + 1]!) * Math.exp(most);
      const found = await run(numbers, 'f64', { tol: bound * 1.0001, mode: 'chain' });
      expect(found).toMatchObject({ mode: 'chain', degree, features: [28, 84, 210, 462, 924][degree - 2]! });
      expect(Math.abs(found.errorBound / bound - 1)).toBeLessThan(1e-9);
      expect(Math.abs(found.loss / loss - 1)).toBeLessThan(bound);
      expect(distance(found.db, db)).toBeLessThan(bound);
      errors.push(distance(found.da, da));
      expect(errors.at(-1)).toBeLessThan(bound);
    }
    expect(errors[0]! / errors[2]!).toBeGreaterThan(10);
    expect(errors[2]! / errors[4]!).toBeGreaterThan(10);
  });

  it('errs more with larger scores: degree 8 is good for scores about 2.3, and scores about 8 want the exact mode', async () => {
    const length = kind === 'cpu' ? 256 : 64;
    /** Queries and keys whose bound on scores is `most`: scores grow like the square of their size. */
    const sized = (most: number): Numbers => {
      const { most: one } = expected(numbersOf(length, 6, 6, 6, 2, 0.4));
      let [low, high] = [0.4 * Math.sqrt(most / one) * 0.5, 0.4 * Math.sqrt(most / one) * 2];
      for (let i = 0; i < 40; ++i) {
        const middle = (low + high) / 2;
        if (expected(numbersOf(length, 6, 6, 6, 2, middle)).most < most) low = middle;
        else high = middle;
      }
      return numbersOf(length, 6, 6, 6, 2, high);
    };
    const errorsOf = async (numbers: Numbers, degrees: readonly number[]): Promise<number[]> => {
      const { da, most } = expected(numbers);
      const errors: number[] = [];
      for (const degree of degrees) {
        let factorial = 1;
        for (let i = 2; i <= degree + 1; ++i) factorial *= i;
        const tol = (most ** (degree + 1) / factorial) * Math.exp(most) * 1.0001;
        const found = await run(numbers, 'f64', { tol, mode: 'chain' });
        expect(found.degree).toBe(degree);
        errors.push(distance(found.da, da));
      }
      return errors;
    };
    const [small, middle] = [await errorsOf(sized(1.08), [2, 4, 6, 8]), await errorsOf(sized(2.32), [2, 4, 6, 8])];
    for (const [i, error] of middle.entries()) {
      expect(error).toBeGreaterThan(small[i]!);
      if (i > 0) expect(error).toBeLessThan(middle[i - 1]! / 5);
    }
    expect(small[3]).toBeLessThan(1e-6);
    expect(middle[3]).toBeLessThan(1e-3);
    const large = sized(8.3);
    expect(expected(large).most).toBeCloseTo(8.3, 6);
    expect(await run(large, 'f32')).toMatchObject({ mode: 'exact', degree: 0 });
    expect(await run(large, 'f64')).toMatchObject({ mode: 'exact', degree: 0 });
  });

  it('takes the chain by itself where it is certain, and is exact where it is not', async () => {
    const small = numbersOf(64, 6, 4, 3, 2, 0.3);
    const chain = await run(small, 'f32');
    expect(chain.mode).toBe('chain');
    expect(chain.errorBound).toBeLessThanOrEqual(1e-3);
    expect(distance(chain.da, expected(small).da)).toBeLessThan(1e-3);
    expect(distance(chain.db, expected(small).db)).toBeLessThan(1e-3);
    const large = numbersOf(64, 6, 6, 3, 2, 1.5);
    expect(expected(large).most).toBeGreaterThan(5);
    const exact = await run(large, 'f64');
    expect(exact).toMatchObject({ mode: 'exact', degree: 0 });
    expect(distance(exact.da, expected(large).da)).toBeLessThan(1e-12);
    await expect(run(large, 'f64', { mode: 'chain' })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(
        /head must have scores small enough for 4096 features, got up to .* and tol 0.001/,
      ),
    });
  });

  it('turns to exact where sums of exponentials are not positive', async () => {
    // Every score is −1.5, of which the polynomial of degree 1 is below 0.
    const one = (rows: number, columns: number, value: number) => filledBy(rows, columns, () => value);
    const numbers: Numbers = {
      ...{ x: one(4, 1, 1), wq: one(1, 1, 1), wk: one(1, 1, -1.5), wv: one(1, 1, 1), y: one(4, 1, 0) },
      ...{ a: one(1, 1, 1), b: one(1, 1, 0.5), scale: 0 },
    };
    expect(certificateOf(1.5, 1, 5.5, 2, 2 ** -53)).toMatchObject({ degree: 1 });
    const found = await run(numbers, 'f64', { tol: 5.5, maxFeatures: 2 });
    expect(found).toMatchObject({ mode: 'exact', loss: 2 });
    await expect(run(numbers, 'f64', { tol: 5.5, maxFeatures: 2, mode: 'chain' })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'loraAttentionGrad: head must have rows of exponentials with positive sums, got others at degree 1',
    });
  });

  it('grows with the length alone: products of the chain are linear in it', async () => {
    const counts: number[] = [];
    for (const length of [32, 64, 128]) {
      const head = headOf(numbersOf(length, 6, 4, 3, 2, 0.1), 'f32');
      products.count = 0;
      const { mode, degree, da, db } = await loraAttentionGrad(head, { tol: 0.05 });
      expect([mode, degree]).toEqual(['chain', 1]);
      counts.push(products.count);
      for (const x of [da, db]) x.dispose();
    }
    // The adapted weight and the two gradients do not depend on the length.
    expect(counts[2]! - counts[1]!).toBe(2 * (counts[1]! - counts[0]!));
  });

  it.each([
    ['f32', 0.1, 1],
    ['f32', 0.01, 1],
    ['f32', 0.1, 2.5],
    ['f32', 0.01, 2.5],
    ['f32', 0.1, 8],
    ['f64', 0.01, 8],
    ['f64', 0.1, 10],
    ['f64', 0.1, 18],
  ] as const)(
    'is within its bound where every score is near the lowest, in %s by %d about -%d',
    async (dtype, spread, most) => {
      const noise = normal(64 * 4, 1);
      const x = filledBy(64, 4, (i, j) => (j === 0 ? 1 : 0.1) + spread * noise[4 * i + j]!);
      const weight = (size: number) => filledBy(1, 4, (_i, j) => [size, 0.3 * Math.abs(size), 0, 0][j]!);
      const numbersBy = (size: number): Numbers => ({
        ...{ x, wq: weight(size), wk: weight(-size), wv: draw(3, 4, 2), y: draw(64, 3, 3) },
        ...{ a: draw(1, 4, 4), b: filledBy(1, 1, () => 1e-3), scale: 1 },
      });
      const numbers = numbersBy(Math.sqrt(most / expected(numbersBy(1)).most));
      const { da, db, most: reached } = expected(numbers);
      expect(Math.abs(reached / most - 1)).toBeLessThan(0.02);
      const found = await run(numbers, dtype);
      // Numbers as the tensors have them, which a small gradient depends on.
      const exact = dtype === 'f64' ? { da, db } : await run(numbers, dtype, { mode: 'exact' });
      const isCertain = dtype === 'f32' ? most < 3 : most < 15;
      expect(found.mode).toBe(isCertain ? 'chain' : 'exact');
      const near = isCertain ? found.errorBound : 1e-4;
      expect(near).toBeLessThanOrEqual(1e-3);
      expect(distance(found.da, exact.da)).toBeLessThan(near);
      expect(distance(found.db, exact.db)).toBeLessThan(near);
    },
  );

  it('knows the lowest degree that is good enough', () => {
    const [single, double] = [2 ** -24, 2 ** -53];
    expect(certificateOf(0, 6, 1e-3, 4096, double)).toEqual({ degree: 0, features: 1, errorBound: 0 });
    expect(certificateOf(1, 6, 1e-3, 4096, double)).toMatchObject({ degree: 6, features: 924 });
    expect(certificateOf(1, 6, 1e-3, 923, double)).toBe(undefined);
    expect(certificateOf(1, 64, 1e-3, 4096, double)).toBe(undefined);
    for (const most of [NaN, Infinity, 1e300]) expect(certificateOf(most, 1, 1e-3, 4096, double)).toBe(undefined);
    // The digits that rounding to f32 takes, and f64 does not.
    expect(certificateOf(1, 6, 1e-5, 4096, single)).toBe(undefined);
    expect(certificateOf(8, 1, 1e-3, 4096, single)).toBe(undefined);
    expect(certificateOf(8, 1, 1e-3, 4096, double)!.errorBound).toBeGreaterThan(0);
  });

  it('gives back what it made, and ends by a signal', async () => {
    const head = headOf(numbersOf(32, 6, 4, 3, 2, 0.3), 'f32');
    const { live } = await settledMemory(device);
    for (const mode of ['chain', 'exact'] as const) {
      const { da, db } = await loraAttentionGrad(head, { mode, tol: 0.1 });
      da.dispose();
      db.dispose();
      await device.synchronize();
      expect(device.info.memory.live).toBe(live);
    }
    const reason = new Error('enough');
    await expect(loraAttentionGrad(head, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('refuses NaN, matrices that do not fit and options out of range', async () => {
    const head = headOf(numbersOf(8, 6, 4, 3, 2, 0.3), 'f32');
    const refused = async (changes: object, options: object, message: RegExp): Promise<void> => {
      await expect(loraAttentionGrad({ ...head, ...changes } as never, options)).rejects.toThrow(message);
    };
    for (const name of ['x', 'wq', 'wk', 'wv', 'y', 'a', 'b'] as const) {
      const { shape, size } = head[name];
      const nan = Tensor.from(
        device,
        Float32Array.from({ length: size }, (_, i) => (i === size - 1 ? NaN : 1)),
        [...shape],
      );
      await refused({ [name]: nan }, {}, new RegExp(`^loraAttentionGrad: ${name} must be finite, got NaN`));
      await refused({ [name]: Tensor.zeros(device, [3, 11]) }, {}, /^loraAttentionGrad: \w+ must have shape/);
    }
    await refused({ scale: NaN }, {}, /scale must be finite, got NaN/);
    await refused({ more: 1 }, {}, /'more' is no part of a head/);
    for (const [options, name] of [
      [{ tol: 0 }, 'tol'],
      [{ tol: NaN }, 'tol'],
      [{ maxFeatures: 0 }, 'maxFeatures'],
      [{ maxFeatures: 2 ** 24 }, 'maxFeatures'],
      [{ mode: 'fast' }, 'mode'],
    ] as const)
      await refused({}, options, new RegExp(`^loraAttentionGrad: ${name} must`));
  });
});
