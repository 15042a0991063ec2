// Devices: cpu, cuda
// Values: the specification's layer of 32 × 64, of which the errors of k-means are (specs: JLCM, verification)
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { CodebookLinear } from '../../lib/quantized/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

/** A weight whose rows have deviations of their own. */
function weightOf(rows: number, columns: number, seed = 1): Float64Array {
  const [values, sizes] = [normal(rows * columns, seed), normal(rows, seed + 1)];
  return Float64Array.from(values, (x, i) => Math.fround(x * Math.exp(0.5 * sizes[Math.floor(i / columns)]!)));
}

/** Inputs that have a few directions in common. */
function inputsOf(rows: number, columns: number, seed = 3): Float64Array {
  const [own, mix] = [normal(rows * columns, seed), normal(columns * columns, seed + 1)];
  return own.map((x, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    for (let j = 0; j < 8; ++j) x += 0.7 * mix[j * columns + column]! * own[row * columns + j]!;
    return x;
  });
}

describe.each(devices)('CodebookLinear on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const weight = tensorOf(device, weightOf(32, 64), [32, 64]);
  const x = tensorOf(device, inputsOf(128, 64), [128, 64]);

  it('has the bytes of its codes, codebooks and rows, and numbers of its codebooks', async () => {
    for (const [codes, groups] of [
      [2, 1],
      [8, 3],
      [12, 4],
      [256, 32],
    ] as const) {
      using layer = await CodebookLinear.compress(weight, { codes, groups, seed: 1 });
      const bits = Math.ceil(Math.log2(codes));
      const packedRow = 16 * Math.ceil((4 * bits) / 8);
      expect(layer.byteLength).toBe(32 * packedRow + groups * codes * 4 + 32 * 2);
      if (bits % 2 === 0) expect(layer.byteLength).toBe((32 * 64 * bits) / 8 + groups * codes * 4 + 32 * 2);
      using whole = layer.dequantize();
      const books = new Set(await valuesOf(layer.codebooks));
      expect((await valuesOf(whole)).every((value) => books.has(value))).toBe(true);
      expect((await layer.codeCounts()).reduce((a, b) => a + b)).toBe(32 * 64);
    }
  });

  it('is nearer with more numbers and with more groups, and groups rows of like deviations', async () => {
    const exact = await valuesOf(weight);
    const errorOf = async (codes: number, groups: number): Promise<number> => {
      using layer = await CodebookLinear.compress(weight, { codes, groups });
      using whole = layer.dequantize();
      return (await valuesOf(whole)).reduce((sum, q, i) => sum + (q - exact[i]!) ** 2, 0);
    };
    for (const codes of [4, 8, 16]) {
      const [one, four] = [await errorOf(codes, 1), await errorOf(codes, 4)];
      expect(four).toBeLessThan(one);
      expect(one).toBeLessThan(await errorOf(codes / 2, 1));
    }
    using layer = await CodebookLinear.compress(weight, { codes: 4, groups: 4 });
    const deviation = Array.from({ length: 32 }, (_, i) => {
      const row = exact.subarray(64 * i, 64 * (i + 1));
      const mean = row.reduce((a, b) => a + b) / 64;
      return row.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    });
    const books = [...(await layer.rowBooks.read())].filter((_, i) => i % 2 === 0);
    const order = [...deviation.keys()].sort((i, j) => deviation[i]! - deviation[j]!);
    expect(order.map((i) => books[i])).toEqual(order.map((_, place) => Math.floor(place / 8)));
  });

  it('gives the products of the decoded matrix, inside and outside of a call, with its bias', async () => {
    using bias = tensorOf(device, normal(32, 5));
    using layer = await CodebookLinear.compress(weight, { codes: 16, groups: 2, bias });
    using whole = layer.merge();
    using expected = Tensor.zeros(device, [128, 32]);
    ops.gemm(device, { a: x, b: whole, c: expected, transB: 'transposed', bias });
    const numbers = await valuesOf(expected);
    using outside = layer.apply(x);
    using call = nn.forward((model: { layer: CodebookLinear }, given: Tensor) => nn.linear(model.layer, given));
    const inside = await valuesOf(call({ layer }, x));
    for (const [i, y] of (await valuesOf(outside)).entries()) {
      expect(Math.abs(y - numbers[i]!)).toBeLessThan(1e-4);
      expect(inside[i]).toBe(y);
    }
    using one = x.rows(0, 1);
    using vector = one.reshape([64]);
    const alone = layer.apply(vector);
    expect(alone.shape).toEqual([32]);
    for (const [i, y] of (await valuesOf(alone)).entries()) expect(Math.abs(y - numbers[i]!)).toBeLessThan(1e-4);
  });

  it('has the gradients of codebooks and inputs', async () => {
    using layer = await CodebookLinear.compress(weight, { codes: 4, groups: 2 });
    using input = tensorOf(device, normal(3 * 64, 8), [3, 64]);
    using whole = layer.dequantize();
    const grads = async (model: object) => {
      using run = nn.valueAndGrad((given: nn.Traced<{ layer: CodebookLinear | { weight: Tensor }; input: Tensor }>) =>
        nn.squaredError(nn.linear(given.layer, given.input), zeros),
      );
      const { grads: found } = run(model as never);
      return new Map(await Promise.all([...found].map(async ([of, by]) => [of, await valuesOf(by)] as const)));
    };
    using zeros = Tensor.zeros(device, [3, 32]);
    const own = await grads({ layer, input });
    const dense = await grads({ layer: { weight: whole }, input });
    const byInput = dense.get(input)!;
    for (const [i, value] of own.get(input)!.entries()) expect(value).toBeCloseTo(byInput[i]!, 5);
    const byWeight = dense.get(whole)!;
    const numbers = await valuesOf(whole);
    const books = await valuesOf(layer.codebooks);
    const rowBooks = await layer.rowBooks.read();
    const sums = new Float64Array(8);
    for (const [i, value] of byWeight.entries()) {
      const book = rowBooks[2 * Math.floor(i / 64)]!;
      sums[4 * book + books.subarray(4 * book, 4 * book + 4).indexOf(numbers[i]!)]! += value;
    }
    for (const [k, value] of own.get(layer.codebooks)!.entries()) expect(value).toBeCloseTo(sums[k]!, 4);
  });

  it('compresses rows of one value, of zeros, and of the ends of f32 without NaN', async () => {
    const rows = [[0, 0, 0, 0], [5, 5, 5, 5], [1e-45, -1e-45, 0, 1e-45], [3e38, -3e38, 1e30, 0]]; // biome-ignore format: one line
    for (const [i, row] of rows.entries()) {
      using one = tensorOf(device, row, [1, 4]);
      using layer = await CodebookLinear.compress(one, { codes: 4 });
      using whole = layer.dequantize();
      expect([...(await valuesOf(whole))]).toEqual(
        [...(await valuesOf(one))].map((v) => (v === 0 ? expect.closeTo(0) : v)),
      );
      expect((await layer.codeCounts()).filter((count) => count === 0).length).toBe([3, 3, 1, 0][i]);
    }
  });

  it('refuses NaN, too many groups, and parts that do not fit, and holds nothing then', async () => {
    const before = await settledMemory(device);
    using bad = tensorOf(device, [1, NaN, 2, 3], [2, 2]);
    await expect(CodebookLinear.compress(bad, { codes: 4 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(CodebookLinear.compress(weight, { codes: 4, groups: 33 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'CodebookLinear.compress: groups must be at most 32, the rows of the weight, got 33',
    });
    await expect(CodebookLinear.compress(weight, { codes: 257 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    using layer = await CodebookLinear.compress(weight, { codes: 3 });
    const { codes, codebooks, rowBooks, inputs, bits } = layer;
    const parts = { codes, codebooks, rowBooks, inputs, bits };
    for (const [more, code] of [
      [{ inputs: 200 }, 'ERR_SHAPE'],
      [{ bits: 1 }, 'ERR_SHAPE'],
      [{ rowBooks: codes }, 'ERR_SHAPE'],
      [{ codes: codebooks }, 'ERR_DTYPE'],
      [{ bits: 9 }, 'ERR_ARGUMENT'],
    ] as const)
      expect(() => CodebookLinear.from({ ...parts, ...more })).toThrow(expect.objectContaining({ code }));
    // Codes of 2 bits may be 3, which a codebook of 3 numbers has not.
    const [own, books, rows] = [codes.copy(), codebooks.copy(), rowBooks.copy()];
    own.write(new Uint8Array(own.size).fill(255));
    using wrong = CodebookLinear.from({ codes: own, codebooks: books, rowBooks: rows, inputs, bits });
    await expect(wrong.codeCounts()).rejects.toMatchObject({ code: 'ERR_STATE' });
    for (const thing of [layer, wrong, bad, own, books, rows]) thing.dispose();
    expect((await settledMemory(device)).live).toBe(before.live);
  });

  it('is refined: proximal falls below k-means, the default gradient rises above it, frozen moves codebooks', async () => {
    const ofOneGroup: Record<string, number> = {};
    for (const [codes, groups] of [
      [4, 1],
      [4, 4],
      [8, 4],
    ] as const) {
      const results: Record<string, number> = {};
      for (const mapping of ['proximal', 'default', 'frozen'] as const) {
        using layer = await CodebookLinear.compress(weight, { codes, groups });
        const { before, after, iterations, status } = await layer.refine(x, { mapping, steps: 150 });
        expect({ iterations, status }).toEqual({ iterations: 150, status: 'max-iterations' });
        results[mapping] = after;
        results['before'] = before;
        // The error is that of what the layer has now.
        using whole = layer.dequantize();
        const [q, w, inputs] = [await valuesOf(whole), await valuesOf(weight), await valuesOf(x)];
        let [off, all] = [0, 0];
        for (let n = 0; n < 128; ++n)
          for (let o = 0; o < 32; ++o) {
            let [d, y] = [0, 0];
            for (let i = 0; i < 64; ++i) {
              d += (q[o * 64 + i]! - w[o * 64 + i]!) * inputs[n * 64 + i]!;
              y += w[o * 64 + i]! * inputs[n * 64 + i]!;
            }
            off += d * d;
            all += y * y;
          }
        expect(after / (off / all)).toBeCloseTo(1, 3);
      }
      const { before, proximal, default: byChain, frozen } = results as Record<'before' | 'proximal' | 'default' | 'frozen', number>; // biome-ignore format: one line
      expect(proximal).toBeLessThan(0.95 * before);
      expect(byChain).toBeGreaterThan(before);
      expect(frozen).toBeLessThanOrEqual(before);
      expect(frozen).toBeGreaterThan(proximal);
      // More codebooks of as many numbers are better by every mapping that descends.
      delete results['default'];
      if (codes === 4)
        for (const [of, error] of Object.entries(results))
          if (groups === 1) ofOneGroup[of] = error;
          else expect(error, of).toBeLessThan(ofOneGroup[of]!);
    }
  });

  it('keeps numbers that no element has, and counts them', async () => {
    const three = Array.from({ length: 32 * 64 }, (_, i) => [-1, 0.5, 2][i % 3]!);
    using plain = tensorOf(device, three, [32, 64]);
    using layer = await CodebookLinear.compress(plain, { codes: 4 });
    expect([...(await valuesOf(layer.codebooks))]).toEqual([-1, 0.5, 2, 2]);
    const { deadCodes } = await layer.refine(x, { weight, mapping: 'frozen', keep: 'last', steps: 3 });
    expect(deadCodes).toBe(1);
    const books = await valuesOf(layer.codebooks);
    expect(books[3]).toBe(2);
    for (const [k, value] of [-1, 0.5, 2].entries()) expect(books[k]).not.toBe(value);
  });

  it('is refined by one call at a time', async () => {
    using layer = await CodebookLinear.compress(weight, { codes: 4 });
    const first = layer.refine(x, { steps: 3 });
    await expect(layer.refine(x, { steps: 3 })).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(first).resolves.toMatchObject({ iterations: 3 });
    // A call that fails is over, too.
    await expect(layer.refine(x, { steps: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(layer.refine(x, { steps: 1 })).resolves.toMatchObject({ iterations: 1 });
  });

  it('leaves the layer as it was when it is aborted, has no weight, or none of use', async () => {
    using own = weight.copy();
    using layer = await CodebookLinear.compress(own, { codes: 4 });
    const bytes = async () => [[...(await layer.codes.read())], [...(await valuesOf(layer.codebooks))]];
    const before = await bytes();
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('enough'));
    await expect(layer.refine(x, { signal: stop.signal, onProgress })).rejects.toThrow('enough');
    using zeros = Tensor.zeros(device, [5, 64]);
    await expect(layer.refine(zeros)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    own.dispose();
    await expect(layer.refine(x)).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(await bytes()).toEqual(before);
    const { before: first, after } = await layer.refine(x, { weight, steps: 20 });
    expect(after).toBeLessThanOrEqual(first);
  });
});
