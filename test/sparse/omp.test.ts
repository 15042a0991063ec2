// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, OrthokitError, omp, reconstruct, type SparseCode, Tensor } from '../../lib/index.ts';
import { normal, uniform } from '../support/data.ts';
import { denseOmp, rowsOf } from '../support/dense-omp.ts';
import { devices } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

type Dtype = 'f32' | 'f64';

const read = async (code: SparseCode) => ({
  indices: Array.from(await code.indices.read()),
  coefficients: Array.from(await code.coefficients.read()),
  residuals: Array.from(await code.residuals.read()),
  counts: Array.from(await code.counts.read()),
});

/** The code and message of a failure. */
async function rejection(call: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call();
  } catch (error) {
    if (error instanceof OrthokitError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe.each(devices)('omp on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const setup = (count: number, length: number, signals: number, dtype: Dtype = 'f32', on = device) => ({
    dictionary: new Dictionary(tensorOf(on, normal(count * length, 1), [count, length], dtype)),
    signals: tensorOf(on, normal(signals * length, 2), [signals, length], dtype),
  });

  describe.each([
    ['f64', 'gram'],
    ['f64', 'gemm'],
    ['f32', 'gram'],
    ['f32', 'gemm'],
  ] as const)('in %s, by %s', (dtype, algorithm) => {
    it.each(['raw', 'unit'] as const)('agrees with a dense pursuit, select %s', async (select) => {
      const [count, length, total, k] = [150, 33, 6, 8];
      const { dictionary, signals } = setup(count, length, total, dtype);
      using code = await omp(dictionary, signals, { k, select, algorithm });
      const { indices, coefficients, residuals } = await read(code);
      const atoms = rowsOf(await valuesOf(dictionary.atoms), length);
      for (const [b, y] of rowsOf(await valuesOf(signals), length).entries()) {
        const expected = denseOmp(atoms, y, k, { unit: select === 'unit' });
        expect(indices.slice(b * k, (b + 1) * k)).toEqual(expected.indices);
        const close = dtype === 'f64' ? 1e-12 : 2e-6;
        for (const [i, w] of expected.coefficients.entries())
          expect(Math.abs(coefficients[b * k + i]! - w)).toBeLessThan(close);
        expect(Math.abs(residuals[b]! - expected.norms[k]!)).toBeLessThan(close * expected.norms[0]!);
      }
    });

    it('leaves residuals that are orthogonal to the chosen atoms, and smaller with each atom', async () => {
      const [count, length, total] = [60, 20, 3];
      const { dictionary, signals } = setup(count, length, total, dtype);
      const atoms = rowsOf(await valuesOf(dictionary.atoms), length);
      const y = rowsOf(await valuesOf(signals), length);
      let before = y.map((row) => Math.hypot(...row));
      for (const k of [1, 2, 7, 19]) {
        using code = await omp(dictionary, signals, { k, algorithm });
        using approximation = reconstruct(code, dictionary);
        const { indices, residuals } = await read(code);
        const rest = rowsOf(await valuesOf(approximation), length).map((row, b) => row.map((v, i) => y[b]![i]! - v));
        for (const [b, r] of rest.entries()) {
          const close = (dtype === 'f64' ? 1e-13 : 1e-5) * Math.hypot(...y[b]!);
          expect(Math.abs(Math.hypot(...r) - residuals[b]!)).toBeLessThan(close);
          for (const atom of indices.slice(b * k, (b + 1) * k)) {
            const d = atoms[atom]!;
            expect(Math.abs(r.reduce((sum, v, i) => sum + v * d[i]!, 0)) / Math.hypot(...d)).toBeLessThan(close);
          }
        }
        expect(residuals.every((residual, b) => residual < before[b]!)).toBe(true);
        before = residuals;
      }
    });

    it('solves exactly with as many independent atoms as elements', async () => {
      const { dictionary, signals } = setup(16, 16, 3, dtype);
      using code = await omp(dictionary, signals, { k: 16, algorithm });
      const { residuals } = await read(code);
      const norms = rowsOf(await valuesOf(signals), 16).map((row) => Math.hypot(...row));
      for (const [b, residual] of residuals.entries())
        expect(residual).toBeLessThan((dtype === 'f64' ? 1e-11 : 1e-4) * norms[b]!);
    });

    it('finds signals that were made of few atoms, and stops there', async () => {
      const [count, length, k, total] = [120, 70, 4, 4];
      const { dictionary } = setup(count, length, 1, dtype);
      const atoms = rowsOf(await valuesOf(dictionary.atoms), length);
      const next = uniform(3);
      const planted: number[][] = [];
      const y: number[] = [];
      for (let b = 0; b < total; b++) {
        const chosen = new Set<number>();
        while (chosen.size < k) chosen.add(Math.floor(next() * count));
        planted.push([...chosen].sort((a, c) => a - c));
        for (let i = 0; i < length; i++)
          y.push([...chosen].reduce((sum, atom, j) => sum + (j % 2 ? -1 : 1) * (1 + j / 4) * atoms[atom]![i]!, 0));
      }
      using code = await omp(dictionary, tensorOf(device, y, [total, length], dtype), { k: 20, algorithm });
      const { indices, counts } = await read(code);
      for (const [b, expected] of planted.entries()) {
        expect(counts[b]).toBe(k);
        const found = indices.slice(b * 20, b * 20 + k);
        expect(found.sort((a, c) => a - c)).toEqual(expected);
      }
    });

    it('takes neither two of the same nor atoms of zeros', async () => {
      const length = 8;
      const rows = rowsOf(normal(20 * length, 4), length);
      // 0 … 19, the same again, zeros, and the first ten a third time.
      const atoms = [...rows, ...rows, ...rows.map((row) => row.map(() => 0)), ...rows.slice(0, 10)];
      const flat = atoms.flatMap((row) => [...row]);
      using dictionary = new Dictionary(tensorOf(device, flat, [70, length], dtype));
      for (const select of ['raw', 'unit'] as const) {
        using code = await omp(dictionary, tensorOf(device, normal(3 * length, 5), [3, length], dtype), {
          k: 40,
          algorithm,
          select,
        });
        const { indices, counts, coefficients, residuals } = await read(code);
        for (let b = 0; b < 3; b++) {
          const own = indices.slice(b * 40, b * 40 + counts[b]!);
          expect(counts[b]).toBe(length);
          expect(Math.max(...own)).toBeLessThan(20);
          expect(new Set(own).size).toBe(length);
          expect(indices.slice(b * 40 + length, (b + 1) * 40)).toEqual(new Array(40 - length).fill(-1));
          expect(Math.max(...coefficients.map(Math.abs))).toBeLessThan(1e3);
          expect(residuals[b]).toBeLessThan(dtype === 'f64' ? 1e-12 : 1e-4);
        }
      }
    });

    it('gives the same bits for any split of the signals', async () => {
      const { dictionary, signals } = setup(131, 33, 11, dtype);
      const bits = async (batchSize?: number) => {
        using code = await omp(dictionary, signals, { k: 6, batchSize, algorithm });
        const { indices, coefficients, residuals, counts } = code;
        return await Promise.all([indices, coefficients, residuals, counts].map((tensor) => tensor.read()));
      };
      const whole = await bits();
      for (const size of [1, 4, 10])
        for (const [i, part] of (await bits(size)).entries()) expect(sameBits(part, whole[i]!)).toBe(true);
    });
  });

  it('permutes indices with the atoms, and unit selection does not see their lengths', async () => {
    const [count, length, k] = [80, 20, 7];
    const rows = rowsOf(normal(count * length, 1), length);
    const signals = tensorOf(device, normal(6 * length, 2), [6, length], 'f64');
    const codeOf = async (atoms: readonly Float64Array[], select: 'raw' | 'unit') => {
      const flat = atoms.flatMap((row) => [...row]);
      using dictionary = new Dictionary(tensorOf(device, flat, [count, length], 'f64'));
      using code = await omp(dictionary, signals, { k, select });
      return await read(code);
    };
    const [raw, unit] = [await codeOf(rows, 'raw'), await codeOf(rows, 'unit')];
    const permuted = await codeOf(
      rows.map((_, j) => rows[(j * 27) % count]!),
      'raw',
    );
    expect(permuted.indices.map((j) => (j * 27) % count)).toEqual(raw.indices);
    const factor = (j: number) => (j % 3 === 0 ? 8 : 0.25);
    const scaled = await codeOf(
      rows.map((row, j) => row.map((v) => v * factor(j))),
      'unit',
    );
    expect(scaled.indices).toEqual(unit.indices);
    for (const [i, w] of scaled.coefficients.entries())
      expect(w * factor(unit.indices[i]!)).toBeCloseTo(unit.coefficients[i]!, 10);
  });

  it('ends a signal at tol, a squared norm, or at relTol', async () => {
    const { dictionary, signals } = setup(60, 16, 4, 'f64');
    using full = await omp(dictionary, signals, { k: 16 });
    const norms = rowsOf(await valuesOf(signals), 16).map((row) => Math.hypot(...row));
    const atoms = rowsOf(await valuesOf(dictionary.atoms), 16);
    const path = rowsOf(await valuesOf(signals), 16).map((y) => denseOmp(atoms, y, 16).norms);
    expect((await read(full)).counts.every((count) => count >= 15)).toBe(true);
    const check = async (options: object, target: (b: number) => number) => {
      using code = await omp(dictionary, signals, { k: 16, ...options });
      const { counts, residuals } = await read(code);
      for (const [b, count] of counts.entries()) {
        expect(count).toBe(path[b]!.findIndex((norm) => norm <= target(b)));
        expect(residuals[b]).toBeLessThanOrEqual(target(b));
      }
    };
    await check({ tol: 4 }, () => 2);
    await check({ relTol: 0.3 }, (b) => 0.3 * norms[b]!);
    await check({ tol: 4, relTol: 0.3 }, (b) => Math.max(2, 0.3 * norms[b]!));
    await check({ relTol: 1.01 }, (b) => 1.01 * norms[b]!);
  });

  it('widens halves to f32', async () => {
    const atoms = tensorOf(device, normal(60 * 16, 1), [60, 16], 'bf16');
    const signals = tensorOf(device, normal(5 * 16, 2), [5, 16], 'f16');
    using dictionary = new Dictionary(atoms);
    using wide = new Dictionary(atoms.cast('f32'));
    using code = await omp(dictionary, signals, { k: 5 });
    using same = await omp(wide, signals.cast('f32'), { k: 5 });
    expect(code.coefficients.dtype).toBe('f32');
    expect(await read(code)).toEqual(await read(same));
  });

  it('gives empty results for no signals, and an empty code for signals of zeros', async () => {
    const { dictionary } = setup(9, 5, 1);
    using none = await omp(dictionary, Tensor.zeros(device, [0, 5]), { k: 3 });
    expect(none.indices.shape).toEqual([0, 3]);
    expect(await read(none)).toEqual({ indices: [], coefficients: [], residuals: [], counts: [] });
    using zero = await omp(dictionary, Tensor.zeros(device, [2, 5]), { k: 2 });
    expect(await read(zero)).toEqual({
      indices: [-1, -1, -1, -1],
      coefficients: [0, 0, 0, 0],
      residuals: [0, 0],
      counts: [0, 0],
    });
  });

  it('keeps inputs as they are, and gives its memory back', async () => {
    // Tensors that other tests have left are collected at any time, on their device.
    await using device = Device.open(kind);
    const { dictionary, signals } = setup(50, 10, 30, 'f32', device);
    const [atoms, y] = [await dictionary.atoms.read(), await signals.read()];
    (await omp(dictionary, signals, { k: 3, batchSize: 7, algorithm: 'gram' })).dispose();
    const { live, bytes } = await settledMemory(device);
    (await omp(dictionary, signals, { k: 3, batchSize: 7, algorithm: 'gram' })).dispose();
    expect(device.info.memory).toMatchObject({ live, bytes });
    expect(dictionary.bytes).toBe(50 * 50 * 4 + 50 * 8 + 50 * 4);
    expect(sameBits(await dictionary.atoms.read(), atoms)).toBe(true);
    expect(sameBits(await signals.read(), y)).toBe(true);
    dictionary.dispose();
    expect(device.info.memory.live).toBe(live - 3);
    expect(dictionary.atoms.disposed).toBe(false);
    expect(await rejection(() => omp(dictionary, signals, { k: 3 }))).toEqual({
      code: 'ERR_DISPOSED',
      message: 'omp: dictionary has been disposed',
    });
  });

  it('reports signals that are done', async () => {
    // Tensors that other tests have left are collected at any time, on their device.
    await using device = Device.open(kind);
    const { dictionary, signals } = setup(50, 10, 30, 'f32', device);
    const seen: unknown[] = [];
    (await omp(dictionary, signals, { k: 3, batchSize: 13, onProgress: (p) => seen.push(p) })).dispose();
    expect(seen).toEqual([13, 26, 30].map((done) => ({ done, total: 30 })));
  });

  it.each([NaN, Infinity, -Infinity])('refuses %s in atoms and in signals', async (value) => {
    const bad = Float64Array.from(normal(40, 1));
    bad[33] = value;
    const [good, wrong] = [tensorOf(device, normal(40, 2), [8, 5]), tensorOf(device, bad, [8, 5])];
    expect(await rejection(() => omp(new Dictionary(wrong), good, { k: 2 }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^Dictionary: atoms must be finite, got \S+ as a norm² in row 6$/),
    });
    expect(await rejection(() => omp(new Dictionary(good), wrong, { k: 2 }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^omp: signals must be finite, got \S+ as a norm² in row 6$/),
    });
  });

  it('refuses numbers whose products have no digits, or overflow', async () => {
    const good = tensorOf(device, normal(40, 2), [8, 5]);
    for (const factor of [1e20, 1e-20]) {
      const wrong = tensorOf(device, normal(40, 1, factor), [8, 5]);
      expect(await rejection(() => omp(new Dictionary(wrong), good, { k: 2 }))).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/^Dictionary: atoms must have norms of 1e-15 to 1000000000000000 in f32, got /),
      });
    }
  });

  it('refuses what does not fit', async () => {
    const { dictionary, signals } = setup(9, 5, 4);
    const cases: [() => Promise<unknown>, string, string][] = [
      [() => omp(dictionary, signals, { k: 0 }), 'ERR_ARGUMENT', 'omp: k must be a whole number from 1 on, got 0'],
      [() => omp(dictionary, signals, { k: 1.5 }), 'ERR_ARGUMENT', 'omp: k must be a whole number from 1 on, got 1.5'],
      [
        () => omp(dictionary, signals, { k: 10 }),
        'ERR_ARGUMENT',
        'omp: k must be at most the number of atoms, 9, got 10',
      ],
      [
        () => omp(dictionary, signals, { k: 1, tol: -1 }),
        'ERR_ARGUMENT',
        'omp: tol must be finite and not negative, got -1',
      ],
      [
        () => omp(dictionary, signals, { select: 'best' as 'raw' }),
        'ERR_ARGUMENT',
        "omp: select must be one of 'raw', 'unit', got 'best'",
      ],
      [
        () => omp(signals as unknown as Dictionary, signals),
        'ERR_ARGUMENT',
        'omp: dictionary must be a Dictionary, got an object',
      ],
      [
        () => omp(dictionary, Tensor.zeros(device, [4, 6])),
        'ERR_SHAPE',
        'omp: signals must be as long as atoms, 5, got [4,6]',
      ],
      [() => omp(dictionary, Tensor.zeros(device, [5])), 'ERR_SHAPE', 'omp: signals must be a matrix, got [5]'],
      [
        () => omp(dictionary, Tensor.zeros(device, [4, 5], { dtype: 'f64' })),
        'ERR_DTYPE',
        'omp: signals must fit atoms of f32, got f64',
      ],
      [
        () => omp(dictionary, Tensor.zeros(device, [4, 5], { dtype: 'i32' })),
        'ERR_DTYPE',
        'omp: signals must be floating, got i32',
      ],
    ];
    for (const [call, code, message] of cases) expect(await rejection(call)).toEqual({ code, message });
    expect(() => new Dictionary(Tensor.zeros(device, [5]))).toThrow('Dictionary: atoms must be a matrix, got [5]');
    expect(() => new Dictionary(signals, { memoryLimit: 0 })).toThrow(
      'Dictionary: memoryLimit must be a whole number of bytes above 0, got 0',
    );
    expect(() => new Dictionary(Tensor.zeros(device, [0, 5]))).toThrow(
      'Dictionary: atoms must be at least one row, got [0, 5]',
    );
  });
});
