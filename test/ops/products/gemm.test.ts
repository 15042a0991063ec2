// Devices: cpu, cuda
// Axes: products
// Source: closed form "may square a matrix"
// Source: closed form "%i rows and %i columns, too many to be packed at once"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { gemm, type Product } from '../../reference/gemm.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { arrayOf, type Floating, floatingDtypes, numbersOf } from '../../support/dtypes.ts';
import { sameBits } from '../../support/same-bits.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const isHalf = (dtype: Floating) => dtype === 'f16' || dtype === 'bf16';
const word = (transposed: boolean | undefined) => (transposed ? 'transposed' : 'none');

type Factors = [alpha: number, beta: number];

/** The tensors that a product is added to beside c: nothing, a bias, a tensor in c's place, or both. */
const additions = ['', 'bias', 'addend', 'addend and bias'] as const;

/** With each pair of factors; `p` has one, unless several are given. */
async function check(
  device: Device,
  dtype: Floating,
  p: Product,
  batched = false,
  factors: readonly Factors[] = [[p.alpha ?? 1, p.beta ?? 0]],
  added: (typeof additions)[number] = '',
): Promise<void> {
  const { batch = 1, rows, columns, inner, transA, transB } = p;
  const shape = (m: number, n: number) => (batched ? [batch, m, n] : [m, n]);
  const numbers = (size: number, seed: number) => numbersOf(arrayOf(normal(size, seed), dtype), dtype);
  const data = [rows * inner, inner * columns, rows * columns].map((size, i) =>
    numbers(batch * size, 7 * i + size),
  ) as [Float64Array, Float64Array, Float64Array];
  const bias = added.endsWith('bias') ? numbers(columns, 5) : undefined;
  const a = tensorOf(device, data[0], transA ? shape(inner, rows) : shape(rows, inner), dtype);
  const b = tensorOf(device, data[1], transB ? shape(columns, inner) : shape(inner, columns), dtype);
  const products = gemm({ ...p, alpha: 1, beta: 0 }, ...data);
  for (const [alpha, beta] of factors) {
    const old = beta === 0 ? data[2].map(() => NaN) : data[2];
    const inPlace = tensorOf(device, old, shape(rows, columns), dtype);
    const nothing = Tensor.full(device, shape(rows, columns), NaN, { dtype });
    const [c, addend] = added.startsWith('addend') ? [nothing, inPlace] : [inPlace, undefined];
    const row = bias && tensorOf(device, bias, [columns], dtype);
    ops.gemm(device, { a, b, c, addend, bias: row, alpha, beta, transA: word(transA), transB: word(transB) });
    const expected = products.map(
      (sum, i) => alpha * sum + (beta === 0 ? 0 : beta * old[i]!) + (bias ? bias[i % columns]! : 0),
    );
    // Sums of `inner` products of normal numbers: errors grow with its root, so a few units of the sum of sizes.
    const magnitude = Math.abs(alpha) * Math.sqrt(inner) + Math.abs(beta) + (bias ? 1 : 0);
    // In 16 bits the sum, which is made in f32, is rounded once.
    const ulps = isHalf(dtype) ? 1 : 4 + 2 * Math.sqrt(inner);
    expectClose(await valuesOf(c), expected, { dtype, ulps, magnitude });
  }
}

describe.each(devices)('gemm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const flags = [false, true];
  const transposes = flags.flatMap((transA) => flags.map((transB) => ({ transA, transB })));
  const factors: Factors[] = [
    [1, 0],
    [-0.5, 2],
    [1, 1],
  ];
  const sizes: [number, number, number][] = [
    [1, 1, 1],
    [1, 33, 65],
    [33, 1, 65],
    [31, 32, 1],
    [33, 65, 31],
    [65, 33, 300],
    [597, 65, 33],
    [31, 597, 65],
    [97, 131, 401],
  ];
  // On the CPU these are read where they lie, a few rows after the others; two and four columns are stored together.
  it.each([
    { rows: 11, columns: 141, inner: 6200, transB: true },
    { rows: 23, columns: 141, inner: 700, transB: true },
    { rows: 33, columns: 300, inner: 700, transB: true, beta: 2 },
    { rows: 597, columns: 2, inner: 9, transA: true, alpha: -0.5 },
    { rows: 597, columns: 4, inner: 65, transA: true },
    { rows: 600, columns: 4, inner: 300 },
  ])('$rows rows, $columns columns, an inner side of $inner', async (product) => {
    for (const dtype of ['f32', 'f64'] as const) await check(device, dtype, product);
  });
  it('an inner side that is too long to be packed at once', () =>
    check(device, 'f32', { rows: 49, columns: 50, inner: 23_001, beta: 2 }));

  // Packed operands are panels of the CPU.
  const tooLarge = onlyCpu.flatMap(() => [
    [10_950, 50],
    [50, 10_950],
    [5500, 5500],
  ]) as [number, number][];
  it.each(tooLarge)('%i rows and %i columns, too many to be packed at once', async (rows, columns) => {
    // Rows of one number, so that each result is a product of small integers.
    const [inner, left, right] = [384, (i: number) => (i % 7) - 3, (j: number) => (j % 5) - 2];
    const a = Float32Array.from({ length: rows * inner }, (_, at) => left(Math.floor(at / inner)));
    const b = Float32Array.from({ length: inner * columns }, (_, at) => right(at % columns));
    const c = new Tensor(device, [rows, columns]);
    ops.gemm(device, { a: Tensor.from(device, a, [rows, inner]), b: Tensor.from(device, b, [inner, columns]), c });
    const wrong = (await c.read()).findIndex(
      (value, at) => value !== inner * left(Math.floor(at / columns)) * right(at % columns),
    );
    c.dispose();
    expect(wrong).toBe(-1);
  });

  it.each(onlyCpu)('takes at most 16 MB of scratch memory, however large the factors are', async () => {
    const own = Device.open('cpu', { threads: 2 });
    const [m, n, k] = [400_000, 48, 64];
    const [a, b, c] = [Tensor.zeros(own, [m, k]), Tensor.zeros(own, [k, n]), Tensor.zeros(own, [m, n])];
    await own.synchronize();
    const before = process.memoryUsage.rss();
    ops.gemm(own, { a, b, c });
    await own.synchronize();
    // Packed whole, the factors take 102 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
    await own.close();
  });

  it.each(onlyCpu)('gives the same bits on any number of threads', async () => {
    const products = (
      [
        [200, 130, 400],
        [70, 600, 130],
        [600, 32, 130],
        [24, 600, 700],
      ] as const
    ).flatMap(([m, n, k]) => {
      const factors = [normal(2 * m * k, 1), normal(2 * k * n, 2)] as const;
      return transposes.map(({ transA, transB }) => async (own: Device) => {
        const a = tensorOf(own, factors[0], transA ? [2, k, m] : [2, m, k]);
        const b = tensorOf(own, factors[1], transB ? [2, n, k] : [2, k, n]);
        const c = new Tensor(own, [2, m, n]);
        ops.gemm(own, { a, b, c, transA: word(transA), transB: word(transB) });
        return c.read();
      });
    });
    const all = async (threads: number) => {
      const own = Device.open('cpu', { threads });
      const results = await Promise.all(products.map((product) => product(own)));
      await own.close();
      return results;
    };
    const alone = await all(1);
    for (const threads of [2, 3, 5])
      for (const [i, c] of (await all(threads)).entries()) expect(sameBits(c, alone[i]!)).toBe(true);
  });

  // Large tiles, and sides at which 16-byte accesses begin and end.
  it.each(transposes)('many tiles of 16 bits, a transposed: $transA, b transposed: $transB', async (flags) => {
    const dtype = flags.transA ? 'f16' : 'bf16';
    await check(device, dtype, { batch: 24, rows: 129, columns: 136, inner: 40, beta: 0.5, ...flags }, true);
    await check(device, dtype, { rows: 8, columns: 16, inner: 3000, ...flags });
    await check(device, dtype, { rows: 7, columns: 15, inner: 1001, alpha: -1, beta: 1, ...flags });
  });

  describe.each(['bf16', 'f16'] as const)('f32 in products of %s', (products) => {
    const rounded = (values: Float32Array) => numbersOf(arrayOf(values, products), products);
    const numbers = (size: number, seed: number) => Float32Array.from(normal(size, seed));
    it.each(transposes)('rounds factors alone, a transposed: $transA, b transposed: $transB', async (flags) => {
      for (const [rows, columns, inner, batch] of [...sizes, [33, 31, 4097], [129, 136, 40, 24]] as [
        number,
        number,
        number,
        number?,
      ][]) {
        const [n, shape] = [batch ?? 1, (r: number, c: number) => (batch ? [batch, r, c] : [r, c])];
        const [a, b] = [numbers(n * rows * inner, 1), numbers(n * inner * columns, 2)];
        const s = numbers(n * rows * columns, 3);
        const c = tensorOf(device, s, shape(rows, columns));
        ops.gemm(device, {
          a: tensorOf(device, a, flags.transA ? shape(inner, rows) : shape(rows, inner)),
          b: tensorOf(device, b, flags.transB ? shape(columns, inner) : shape(inner, columns)),
          c,
          bias: tensorOf(device, s.subarray(0, columns), [columns]),
          alpha: 0.5,
          beta: 2,
          transA: word(flags.transA),
          transB: word(flags.transB),
          products,
        });
        const p = { batch: n, rows, columns, inner, ...flags, alpha: 0.5, beta: 2, bias: s };
        const magnitude = Math.sqrt(inner) / 2 + 3;
        expectClose(await valuesOf(c), gemm(p, rounded(a), rounded(b), s), {
          dtype: 'f32',
          ulps: 4 + 2 * Math.sqrt(inner),
          magnitude,
        });
      }
    });

    it('takes no other dtype', () => {
      for (const dtype of ['f64', 'bf16'] as const) {
        const [x, c] = [Tensor.zeros(device, [2, 2], { dtype }), Tensor.zeros(device, [2, 2], { dtype })];
        expect(thrownBy(() => ops.gemm(device, { a: x, b: x, c, products }))).toEqual({
          code: 'ERR_DTYPE',
          message: `gemm: a, b and c must be f32 for products in 16 bits, got ${dtype}[2, 2]`,
        });
      }
    });
  });

  describe.each(floatingDtypes)('%s', (dtype) => {
    it.each(transposes)('every size, a transposed: $transA, b transposed: $transB', async (flags) => {
      for (const [rows, columns, inner] of sizes)
        await check(device, dtype, { rows, columns, inner, ...flags }, false, factors);
    });

    it.each(additions.slice(1))('adds %s', async (added) => {
      for (const [rows, columns, inner] of sizes)
        await check(device, dtype, { rows, columns, inner, transB: true }, false, factors, added);
      await check(device, dtype, { rows: 33, columns: 31, inner: 4097, transA: true }, false, factors, added);
      await check(device, dtype, { rows: 33, columns: 31, inner: 0 }, false, factors, added);
      for (const inner of [17, 131])
        await check(device, dtype, { batch: 3, rows: 97, columns: 104, inner }, true, factors, added);
    });

    it.each(transposes)('batches, a transposed: $transA, b transposed: $transB', async (flags) => {
      await check(device, dtype, { batch: 1, rows: 33, columns: 31, inner: 17, ...flags }, true);
      await check(device, dtype, { batch: 5, rows: 33, columns: 31, inner: 17, beta: -1, ...flags }, true);
      await check(device, dtype, { batch: 3, rows: 1, columns: 300, inner: 32, ...flags }, true);
    });

    it.each(transposes)('an inner size of 0, a transposed: $transA, b transposed: $transB', async (flags) => {
      await check(device, dtype, { rows: 33, columns: 31, inner: 0, ...flags });
      await check(device, dtype, { rows: 1, columns: 31, inner: 0, beta: 0.5, ...flags });
    });

    it('alpha 0 and beta 0 clear c, whatever a, b and c hold', async () => {
      for (const [m, n, k] of [
        [3, 5, 4],
        [1, 70, 90],
        [70, 1, 90],
        [130, 130, 130],
      ] as const) {
        const bad = (rows: number, columns: number) => Tensor.full(device, [rows, columns], NaN, { dtype });
        const c = bad(m, n);
        ops.gemm(device, { a: Tensor.zeros(device, [m, k], { dtype }), b: Tensor.zeros(device, [k, n], { dtype }), c });
        expect(await valuesOf(c)).toEqual(new Float64Array(m * n));
        const c2 = bad(m, n);
        ops.gemm(device, { a: bad(m, k), b: bad(k, n), c: c2, alpha: 0 });
        expect(await valuesOf(c2)).toEqual(new Float64Array(m * n));
        const bias = Tensor.full(device, [n], 3, { dtype });
        ops.gemm(device, { a: bad(m, k), b: bad(k, n), c: c2, addend: bad(m, n), bias, alpha: 0 });
        expect(await valuesOf(c2)).toEqual(new Float64Array(m * n).fill(3));
      }
    });

    it('a NaN or an infinity in a or b arrives in c', async () => {
      for (const [m, n] of [
        [1, 4],
        [4, 1],
        [5, 6],
      ] as const) {
        const zeros = Tensor.zeros(device, [m, 3], { dtype });
        const b = Tensor.full(device, [3, n], Infinity, { dtype });
        const c = Tensor.zeros(device, [m, n], { dtype });
        ops.gemm(device, { a: zeros, b, c });
        expect(await valuesOf(c)).toEqual(new Float64Array(m * n).fill(NaN));
      }
    });

    it('sides of 0', async () => {
      await check(device, dtype, { rows: 0, columns: 5, inner: 3 });
      await check(device, dtype, { rows: 5, columns: 0, inner: 3 });
      await check(device, dtype, { batch: 0, rows: 5, columns: 2, inner: 3 }, true);
    });
  });

  it('gives the same bits every time', async () => {
    const a = tensorOf(device, normal(300 * 65, 1), [300, 65]);
    const b = tensorOf(device, normal(65 * 597, 2), [65, 597]);
    const [c, d] = [new Tensor(device, [300, 597]), new Tensor(device, [300, 597])];
    ops.gemm(device, { a, b, c });
    ops.gemm(device, { a, b, c: d });
    expect(await c.read()).toEqual(await d.read());
  });

  it('may square a matrix', async () => {
    const a = tensorOf(device, [1, 2, 3, 4], [2, 2]);
    const c = new Tensor(device, [2, 2]);
    ops.gemm(device, { a, b: a, c });
    expect(await c.read()).toEqual(Float32Array.from([7, 10, 15, 22]));
  });

  it('refuses what does not fit', () => {
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const thrown = (fields: Parameters<typeof ops.gemm>[1]) => thrownBy(() => ops.gemm(device, fields));
    const a = zeros(2, 3);
    const c = zeros(2, 2);
    expect(thrown({ a, b: zeros(2, 3), c })).toEqual({
      code: 'ERR_SHAPE',
      message: "gemm: b does not fit c, got f32[2, 3] for c f32[2, 2], transA 'none', transB 'none'",
    });
    expect(thrown({ a, b: zeros(4, 2), c }).message).toBe(
      "gemm: b does not fit a, got f32[4, 2] for a f32[2, 3], transA 'none', transB 'none'",
    );
    expect(thrown({ a: zeros(3, 3), b: zeros(3, 2), c }).message).toBe(
      "gemm: a does not fit c, got f32[3, 3] for c f32[2, 2], transA 'none', transB 'none'",
    );
    expect(thrown({ a, b: Tensor.zeros(device, [3, 2], { dtype: 'f64' }), c }).code).toBe('ERR_DTYPE');
    expect(thrown({ a: zeros(1, 2, 3), b: zeros(2, 3, 2), c: zeros(2, 2, 2) }).code).toBe('ERR_SHAPE');
    expect(thrown({ a: zeros(1, 2, 3), b: zeros(3, 2), c }).code).toBe('ERR_SHAPE');
    expect(thrown({ a: c, b: zeros(2, 2), c }).code).toBe('ERR_ARGUMENT');
    const b = zeros(3, 2);
    expect(thrown({ a, b, c, bias: zeros(3) })).toEqual({
      code: 'ERR_SHAPE',
      message: 'gemm: bias must have one element a column of c, got f32[3] for c f32[2, 2]',
    });
    expect(thrown({ a, b, c, bias: zeros(1, 2) }).code).toBe('ERR_SHAPE');
    expect(thrown({ a, b, c, bias: Tensor.zeros(device, [2], { dtype: 'f64' }) })).toEqual({
      code: 'ERR_DTYPE',
      message: "gemm: bias must have c's dtype, got f64[2]",
    });
    expect(thrown({ a, b, c, addend: zeros(1, 2) })).toEqual({
      code: 'ERR_SHAPE',
      message: "gemm: addend must have c's shape, got f32[1, 2] for c f32[2, 2]",
    });
    expect(thrown({ a, b, c, addend: Tensor.zeros(device, [2, 2], { dtype: 'f64' }) }).message).toBe(
      "gemm: addend must have c's dtype, got f64[2, 2]",
    );
    expect(thrown({ a, b, c, addend: c }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ a, b: zeros(3, 2), c, transA: 'yes' as never })).toEqual({
      code: 'ERR_ARGUMENT',
      message: "gemm: transA must be one of 'none', 'transposed', got 'yes'",
    });
    expect(thrown({ a, b: zeros(3, 2), c: undefined as never })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'gemm: c is missing',
    });
  });
});
