// Devices: cpu, cuda
// Values: errors of least squares by NumPy, scripts/golden/completion.py
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { type CompletionOptions, completeMatrix, type MatrixEntries } from '../../lib/lowrank/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { orthonormalColumns, orthonormalized, outer, relativeError, sampledEntries } from '../support/low-rank.ts';
import { settledMemory } from '../support/settled.ts';
import { splitmix, splitmixMatrix } from '../support/splitmix.ts';
import { valuesOf } from '../support/tensors.ts';

interface Golden {
  readonly shape: readonly [number, number];
  readonly rank: number;
  readonly share: number;
  readonly seeds: readonly [number, number, number];
  readonly rounds: number;
  readonly error: number;
  readonly contraction: number;
}
const golden: Golden[] = JSON.parse(
  readFileSync(new URL('../golden/completion.json', import.meta.url), 'utf8'),
).problems;

/** A product of random orthonormal factors, and some of its entries. */
function problem(m: number, n: number, k: number, share: number, seed = 1) {
  const matrix = outer(orthonormalColumns(m, k, seed), orthonormalColumns(n, k, seed + 1), k);
  return { matrix, entries: sampledEntries(matrix, [m, n], share, seed + 2) };
}

describe.each(devices)('completeMatrix on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  async function completed(entries: MatrixEntries, options: Omit<CompletionOptions, 'device'>) {
    const { u, v, ...rest } = await completeMatrix(entries, { ...options, device });
    const [left, right] = [await valuesOf(u), await valuesOf(v)];
    for (const tensor of [u, v]) tensor.dispose();
    return { ...rest, left, right, matrix: outer(left, right, u.shape[1]!) };
  }

  describe.each(kind === 'cpu' ? (['direct', 'sketch'] as const) : (['direct'] as const))('%s', (solver) => {
    it.each(kind === 'cpu' ? golden : golden.slice(0, 1))(
      'of a matrix of $shape and rank $rank, a share of $share, $rounds rounds leave an error of $error',
      async ({ shape, rank, share, seeds, error, contraction, rounds }) => {
        const [m, n] = shape;
        const factor = (size: number, seed: number) => orthonormalized(splitmixMatrix(size, rank, seed), size, rank);
        const matrix = outer(factor(m, seeds[0]), factor(n, seeds[1]), rank);
        const entries = sampledEntries(matrix, shape, share, splitmix(seeds[2]));
        const found = await completed(entries, { rank, solver, tol: 0 });
        expect(found).toMatchObject({ status: 'max-iterations', iterations: rounds, solver });
        // The start is theirs but for what a randomized range leaves out.
        expect(relativeError(found.matrix, matrix) / error).toBeGreaterThan(0.9);
        expect(relativeError(found.matrix, matrix) / error).toBeLessThan(1.1);
        const ratios = found.history.subarray(1).map((error, i) => error / found.history[i]!);
        expect(Math.max(...ratios)).toBeLessThan(1);
        expect(ratios.at(-1)).toBeCloseTo(contraction, 1);
        if (solver === 'sketch') expect(found.innerIterations / 40).toBeCloseTo(rank, 0);
        else expect(found.innerIterations).toBe(0);
        expect(found.underdetermined).toEqual({ rows: Int32Array.of(), columns: Int32Array.of() });
      },
    );
  });

  it('comes to the same by both solvers, in f32 too', async () => {
    const { matrix, entries } = problem(40, 30, 3, 0.7);
    const single = { ...entries, values: Float32Array.from(entries.values) };
    const [direct, sketch, rounded] = [
      await completed(entries, { rank: 3, solver: 'direct' }),
      await completed(entries, { rank: 3, solver: 'sketch' }),
      await completed(single, { rank: 3, maxIterations: 40, tol: 0 }),
    ];
    expect(relativeError(sketch.matrix, direct.matrix)).toBeLessThan(1e-5);
    expect(relativeError(rounded.matrix, matrix)).toBeLessThan(2e-6);
    expect(rounded.status).toBe('at-precision');
  });
});

describe.each(onlyCpu)('completeMatrix', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());
  const completed = async (entries: MatrixEntries, options: Omit<CompletionOptions, 'device'>) => {
    const { u, v, ...rest } = await completeMatrix(entries, { ...options, device });
    const [left, right] = [await valuesOf(u), await valuesOf(v)];
    for (const tensor of [u, v]) tensor.dispose();
    return { ...rest, left, right, width: u.shape[1]!, matrix: outer(left, right, u.shape[1]!) };
  };

  it('has an error in proportion to that of its regressions', async () => {
    const { matrix, entries } = problem(60, 50, 4, 0.6);
    for (const solverTol of [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]) {
      const found = await completed(entries, { rank: 4, solver: 'sketch', solverTol, tol: 0, maxIterations: 20 });
      expect(relativeError(found.matrix, matrix)).toBeLessThan(2 * solverTol);
    }
  });

  it('gives the same bits for the same seed, on any number of threads', async () => {
    const { entries } = problem(40, 30, 3, 0.5);
    const results: Float64Array[] = [];
    for (const threads of [1, 3]) {
      await using own = Device.open('cpu', { threads });
      const { u } = await completeMatrix(entries, { rank: 3, device: own, heldOut: 0.1, maxIterations: 3 });
      results.push(await valuesOf(u));
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('tells the error of what was held out, which is not fitted', async () => {
    const [m, n] = [60, 50];
    const { matrix } = problem(m, n, 2, 1);
    const noise = normal(m * n, 9, 0.01);
    const entries = sampledEntries(matrix.map((x, i) => x + noise[i]!), [m, n], 0.5, 3); // biome-ignore format: one line
    const found = await completed(entries, { rank: 8, heldOut: 0.2, maxIterations: 10 });
    expect(found.heldOutHistory).toHaveLength(found.iterations);
    expect(found.heldOutRmse).toBe(found.heldOutHistory.at(-1));
    // More columns than the rank fit the noise, and the entries held out show it.
    expect(found.trainRmse).toBeLessThan(0.009);
    expect(found.heldOutRmse).toBeGreaterThan(0.013);
    const ridged = await completed(entries, { rank: 8, heldOut: 0.2, maxIterations: 30, ridge: 0.02 });
    expect(ridged.heldOutRmse).toBeLessThan(found.heldOutRmse);
    const plain = await completed(entries, { rank: 8, maxIterations: 1 });
    expect(plain.heldOutRmse).toBe(NaN);
  });

  it('has with a ridge a gradient of 0: (u vᵀ − a) v + ridge u, over the entries', async () => {
    const { entries } = problem(20, 15, 2, 0.6);
    const ridge = 0.05;
    const { left, right } = await completed(entries, { rank: 2, ridge, maxIterations: 150, tol: 0 });
    const gradient = left.map((x) => ridge * x);
    for (const [e, i] of entries.rows.entries()) {
      const j = entries.cols[e]!;
      const product = left[i * 2]! * right[j * 2]! + left[i * 2 + 1]! * right[j * 2 + 1]!;
      for (const c of [0, 1]) gradient[i * 2 + c]! += (product - entries.values[e]!) * right[j * 2 + c]!;
    }
    expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-10);
  });

  it.each([0, 1e-9])('finds biases: mean, rows, columns and a product of rank 1, with a ridge of %f', async (ridge) => {
    const [m, n] = [40, 30];
    const [a, b] = [normal(m, 1), normal(n, 2)];
    const [f, g] = [normal(m, 3), normal(n, 4)];
    const matrix = Float64Array.from({ length: m * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      return 100 + 5 * a[i]! + 3 * b[j]! + f[i]! * g[j]!;
    });
    const found = await completed(sampledEntries(matrix, [m, n], 0.6, 5), { rank: 1, bias: true, ridge, maxIterations: 60, tol: 0 }); // biome-ignore format: one line
    expect(found.width).toBe(3);
    for (let i = 0; i < m; ++i) expect(found.left[i * 3 + 2]).toBe(1);
    for (let j = 0; j < n; ++j) expect(found.right[j * 3 + 1]).toBeCloseTo(1, 12);
    expect(relativeError(found.matrix, matrix)).toBeLessThan(1e-6);
  });

  it('names rows and columns that their entries do not determine; without any they are 0', async () => {
    const { matrix } = problem(20, 20, 2, 1);
    const all = sampledEntries(matrix, [20, 20], 1, 1);
    // Row 3 and column 7 have no entries, row 5 has one.
    const keep = all.values.map((_, e) => {
      const [i, j] = [all.rows[e]!, all.cols[e]!];
      return i === 3 || j === 7 || (i === 5 && j !== 2) ? 0 : 1;
    });
    const some = <A extends Int32Array | Float64Array>(list: A): A => list.filter((_, e) => keep[e] === 1) as A;
    const entries = { rows: some(all.rows), cols: some(all.cols), values: some(all.values), shape: all.shape };
    for (const solver of ['direct', 'sketch'] as const) {
      const found = await completed(entries, { rank: 2, solver, tol: 1e-3, maxIterations: 60 });
      expect(found.underdetermined).toEqual({ rows: Int32Array.of(3, 5), columns: Int32Array.of(7) });
      expect(Array.from(found.left.subarray(6, 8))).toEqual([0, 0]);
      expect(Array.from(found.right.subarray(14, 16))).toEqual([0, 0]);
      expect(found.matrix[5 * 20 + 2]).toBeCloseTo(matrix[5 * 20 + 2]!, 5);
      const others = (x: Float64Array) => x.filter((_, at) => ![3, 5].includes(Math.floor(at / 20)) && at % 20 !== 7);
      expect(relativeError(others(found.matrix), others(matrix))).toBeLessThan(1e-4);
    }
  });

  it.each([
    ['f32', 2 ** 66],
    ['f32', 2 ** -83],
    ['f64', 2 ** 531],
    ['f64', 2 ** -565],
  ] as const)('has the same errors in proportion for values in %s times %f', async (dtype, scale) => {
    const { entries } = problem(40, 30, 3, 0.5);
    const Values = dtype === 'f32' ? Float32Array : Float64Array;
    const own = { ...entries, values: Values.from(entries.values) };
    const scaled = { ...own, values: own.values.map((x) => x * scale) as Float64Array };
    for (const bias of [false, true]) {
      const options = { rank: 3, bias, heldOut: 0.1, maxIterations: 5, tol: 0 };
      const [plain, other] = [await completed(own, options), await completed(scaled, options)];
      expect(other.status).toBe(plain.status);
      const near = (x: Float64Array, y: Float64Array) =>
        x.forEach((value, i) => {
          expect(value / scale / y[i]!).toBeCloseTo(1, dtype === 'f32' ? 2 : 6);
        });
      near(other.history, plain.history);
      near(other.heldOutHistory, plain.heldOutHistory);
      expect(relativeError(other.matrix.map((x) => x / scale), plain.matrix)).toBeLessThan(dtype === 'f32' ? 1e-4 : 1e-10); // biome-ignore format: one line
    }
  });

  it('names the same lines by both solvers: bias is a column, and a ridge determines all', async () => {
    const { entries } = problem(30, 25, 2, 0.9);
    // Row 3 has two entries, as many as a factor of rank 2 has columns without its bias.
    const kept = Array.from(entries.rows, (_, e) => e).filter((e) => entries.rows[e] !== 3 || entries.cols[e]! < 2);
    const list = {
      rows: Int32Array.from(kept, (e) => entries.rows[e]!),
      cols: Int32Array.from(kept, (e) => entries.cols[e]!),
      values: Float64Array.from(kept, (e) => entries.values[e]!),
      shape: entries.shape,
    };
    const inRow = list.rows.filter((row) => row === 3).length;
    for (const solver of ['direct', 'sketch'] as const) {
      const rowsOf = async (options: object) =>
        Array.from((await completed(list, { rank: inRow, maxIterations: 2, solver, ...options })).underdetermined.rows);
      expect(await rowsOf({})).toEqual([]);
      expect(await rowsOf({ bias: true })).toEqual([3]);
      expect(await rowsOf({ bias: true, ridge: 0.1 })).toEqual([]);
    }
  });

  it('takes a matrix of one entry, of zeros, of equal rows, and a start that is cut', async () => {
    const one = { rows: Int32Array.of(0), cols: Int32Array.of(0), values: Float64Array.of(-3), shape: [1, 1] as const };
    expect((await completed(one, { rank: 1 })).matrix[0]).toBeCloseTo(-3, 12);
    const zeros = sampledEntries(new Float64Array(20), [5, 4], 1, 1);
    const nothing = await completed(zeros, { rank: 2 });
    expect(nothing).toMatchObject({ trainRmse: 0, status: 'at-precision', iterations: 1 });
    const equal = sampledEntries(
      Float64Array.from({ length: 30 }, (_, at) => 1 + (at % 5)),
      [6, 5],
      1,
      1,
    );
    expect((await completed(equal, { rank: 3 })).trainRmse).toBeLessThan(1e-10);
    const { matrix, entries } = problem(60, 50, 2, 0.5);
    const cut = await completed(entries, { rank: 2, mu: 0.6, maxIterations: 40, tol: 0 });
    expect(relativeError(cut.matrix, matrix)).toBeLessThan(1e-8);
  });

  const valid = problem(6, 5, 1, 1).entries;
  it.each([
    [{ rows: Int32Array.of(0, 6, 1) }, 'ERR_ARGUMENT', 'entries.rows must be from 0 to 5, got 6 for entry 1'],
    [{ cols: Int32Array.of(0, -1, 1) }, 'ERR_ARGUMENT', 'entries.cols must be from 0 to 4, got -1 for entry 1'],
    [{ values: Float64Array.of(0, 1, NaN) }, 'ERR_ARGUMENT', 'entries.values must be finite, got NaN for entry 2'],
    [{ rows: Int32Array.of(1, 0, 1) }, 'ERR_ARGUMENT', 'entries must have no entry twice, got [1, 2] at 0 and 2'],
    [{ values: Float64Array.of(0, 1) }, 'ERR_SHAPE', 'entries.values must be as many as rows, 3, got 2'],
    [{ cols: Int32Array.of(0, 1) }, 'ERR_SHAPE', 'entries.cols must be as many as rows, 3, got 2'],
    [{ values: [1, 2, 3] }, 'ERR_DTYPE', 'entries.values must be a Float32Array or a Float64Array, got a list'],
    [{ rows: [1, 2, 3] }, 'ERR_ARGUMENT', 'entries.rows must be an Int32Array, got a list'],
    [{ shape: [6] }, 'ERR_ARGUMENT', 'entries.shape must be two sizes from 1 on, got [6]'],
  ])('refuses %o', async (change, code, message) => {
    const three = { rows: Int32Array.of(0, 1, 2), cols: Int32Array.of(2, 1, 2), values: Float64Array.of(1, 2, 3), shape: [6, 5] }; // biome-ignore format: one line
    const error = await completeMatrix({ ...three, ...change } as never, { rank: 1, device }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code, message: `completeMatrix: ${message}` });
  });

  it('refuses options that do not go together', async () => {
    for (const [options, message] of [
      [{ rank: 6 }, 'rank must be at most the smaller side, 5, got 6'],
      [
        { rank: 1, solver: 'direct', solverTol: 0.1 },
        "solverTol must be left out where the solver is 'direct', got 0.1",
      ],
      [{ rank: 1, device: undefined }, 'device must be a Device, got none'],
      [{ rank: 1, heldOut: 0.999999 }, 'heldOut must leave entries to fit, got 0.999999 of 30'],
    ] as const)
      await expect(completeMatrix(valid, { device, ...options } as never)).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: `completeMatrix: ${message}`,
      });
    const wide = sampledEntries(new Float64Array(70 * 70).fill(1), [70, 70], 0.1, 1);
    await expect(completeMatrix(wide, { device, rank: 65, solver: 'direct' })).rejects.toMatchObject({
      message: "completeMatrix: rank must be at most 64 for the solver 'direct', got 65",
    });
  });

  it('keeps at most 1.3 times the bytes of the lists of entries', async () => {
    const [m, n, rank, each] = [2000, 1000, 4, 60];
    const size = m * each;
    const rows = Int32Array.from({ length: size }, (_, e) => Math.floor(e / each));
    const cols = Int32Array.from({ length: size }, (_, e) => (rows[e]! * 7 + (e % each) * 13) % n);
    const values = Float32Array.from(rows, (i, e) => Math.sin(i) * Math.cos(cols[e]!));
    await using own = Device.open('cpu');
    const before = (await settledMemory(own)).bytes;
    const lists = 16 * size;
    const most: number[] = [];
    await completeMatrix({ rows, cols, values, shape: [m, n] }, {
      rank,
      device: own,
      maxIterations: 2,
      onProgress: () => most.push(own.info.memory.bytes - before),
    }); // biome-ignore format: one call
    most.push(own.info.memory.peak - before);
    expect(Math.max(...most)).toBeLessThan(1.3 * lists);
  });
});
