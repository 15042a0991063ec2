// Devices: cpu, cuda
// A pursuit by Gram rows: where the memory limit does not hold the matrix.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, omp, type SparseCode } from '../../lib/index.ts';
import { GramRows } from '../../lib/sparse/gram-rows.ts';
import { strategyOf } from '../../lib/sparse/strategy.ts';
import { normal } from '../support/data.ts';
import { denseOmp, rowsOf } from '../support/dense-omp.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const bitsOf = ({ indices, coefficients, residuals, counts }: SparseCode) =>
  Promise.all([indices, coefficients, residuals, counts].map((tensor) => tensor.read()));

describe.each(devices)('omp by Gram rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  // The emulator takes a thousand times as long.
  const [count, length, total, k] = [150, 33, kind === 'cpu' ? 40 : 12, 8];
  const signals = (dtype: 'f32' | 'f64' = 'f32') => tensorOf(device, normal(total * length, 2), [total, length], dtype);
  /** Room for `rows` rows. */
  const dictionaryOf = (rows: number, dtype: 'f32' | 'f64' = 'f32') => {
    const width = dtype === 'f64' ? 8 : 4;
    const memoryLimit = Math.ceil((rows * count * width) / 0.75);
    return new Dictionary(tensorOf(device, normal(count * length, 1), [count, length], dtype), { memoryLimit });
  };

  it.each([
    ['f64', 'raw'],
    ['f64', 'unit'],
    ['f32', 'raw'],
    ['f32', 'unit'],
  ] as const)('agrees with a dense pursuit, %s, select %s', async (dtype, select) => {
    using dictionary = dictionaryOf(30, dtype);
    using y = signals(dtype);
    expect(strategyOf(dictionary, total, k, 'gram').form).toBe('rows');
    using code = await omp(dictionary, y, { k, select, algorithm: 'gram' });
    const [indices, coefficients, residuals] = (await bitsOf(code)).map((values) => Array.from(values));
    const atoms = rowsOf(await valuesOf(dictionary.atoms), length);
    const close = dtype === 'f64' ? 1e-12 : 2e-6;
    for (const [b, row] of rowsOf(await valuesOf(y), length).entries()) {
      const expected = denseOmp(atoms, row, k, { unit: select === 'unit' });
      expect(indices!.slice(b * k, (b + 1) * k)).toEqual(expected.indices);
      for (const [i, w] of expected.coefficients.entries())
        expect(Math.abs(coefficients![b * k + i]! - w)).toBeLessThan(close);
      expect(Math.abs(residuals![b]! - expected.norms[k]!)).toBeLessThan(close * expected.norms[0]!);
    }
  });

  it('gives the same bits however many rows there is room for, and for any split of the signals', async () => {
    using y = signals();
    let whole: Awaited<ReturnType<typeof bitsOf>> | undefined;
    for (const rows of [k, 11, 110])
      for (const batchSize of [undefined, 7]) {
        using dictionary = dictionaryOf(rows);
        using code = await omp(dictionary, y, { k, batchSize, algorithm: 'gram' });
        const bits = await bitsOf(code);
        whole ??= bits;
        for (const [i, part] of bits.entries()) expect(sameBits(part, whole[i]!)).toBe(true);
        expect(dictionary.bytes).toBeLessThanOrEqual(dictionary.memoryLimit + count * 12);
      }
  });

  it('keeps rows for calls that follow, and for several at once', async () => {
    using y = signals();
    using dictionary = dictionaryOf(40);
    using alone = await omp(dictionary, y, { k, algorithm: 'gram' });
    const expected = await bitsOf(alone);
    const together = await Promise.all([3, k, 5].map((atoms) => omp(dictionary, y, { k: atoms, algorithm: 'gram' })));
    for (const [i, part] of (await bitsOf(together[1]!)).entries()) expect(sameBits(part, expected[i]!)).toBe(true);
    for (const code of together) code.dispose();
  });

  it('ends signals at a tolerance, each at its own step', async () => {
    using y = signals('f64');
    using dictionary = dictionaryOf(40, 'f64');
    using whole = new Dictionary(dictionary.atoms);
    for (const options of [{ relTol: 0.5 }, { relTol: 1 }, { tol: 20, onDependent: 'stop' as const }]) {
      using code = await omp(dictionary, y, { k, ...options, algorithm: 'gram' });
      using other = await omp(whole, y, { k, ...options, algorithm: 'gram' });
      const [indices, , , counts] = await bitsOf(code);
      expect(indices).toEqual(await other.indices.read());
      expect(counts).toEqual(await other.counts.read());
    }
  });

  it('stops when aborted, and gives its memory back', async () => {
    await using own = Device.open(kind);
    const y = tensorOf(own, normal(total * length, 2), [total, length]);
    const atoms = tensorOf(own, normal(count * length, 1), [count, length]);
    const dictionary = new Dictionary(atoms, { memoryLimit: 40 * count * 4 });
    const controller = new AbortController();
    const run = omp(dictionary, y, {
      k,
      batchSize: 2,
      algorithm: 'gram',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    await own.synchronize();
    dictionary.dispose();
    expect(own.info.memory.live).toBe(2);
  });

  it('rejects if the dictionary is disposed meanwhile', async () => {
    using y = signals();
    const dictionary = dictionaryOf(40);
    const run = omp(dictionary, y, { k, algorithm: 'gram', batchSize: 1, onProgress: () => dictionary.dispose() });
    await expect(run).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('needs room for the rows of a signal', async () => {
    using y = signals();
    using dictionary = dictionaryOf(k - 1);
    expect(strategyOf(dictionary, total, k, 'auto').form).toBe('gemm');
    await expect(omp(dictionary, y, { k, algorithm: 'gram' })).rejects.toMatchObject({
      code: 'ERR_MEMORY',
      message: expect.stringMatching(/^omp: memoryLimit must have room for 8 Gram rows of 600 bytes .* got 5600$/),
    });
  });

  it('computes a row when it is not there, and again when it has gone', async () => {
    using atoms = tensorOf(device, [1, 0, 0, 1, 1, 1, 2, 0], [4, 2]);
    const rows = new GramRows(atoms, 2);
    const table = async () => Array.from(await rows.table.read());
    expect(Array.from(rows.placesOf(device, Int32Array.of(2, -1, 2), 4))).toEqual([0, -1, 0]);
    expect(Array.from(rows.placesOf(device, Int32Array.of(0), 4))).toEqual([1]);
    expect(await table()).toEqual([1, 1, 2, 2, 1, 0, 1, 2]);
    // 2 was used after 0: that one goes.
    expect(Array.from(rows.placesOf(device, Int32Array.of(2), 4))).toEqual([0]);
    expect(Array.from(rows.placesOf(device, Int32Array.of(3, 2), 4))).toEqual([1, 0]);
    expect(await table()).toEqual([1, 1, 2, 2, 2, 0, 2, 4]);
    expect(Array.from(rows.placesOf(device, Int32Array.of(0, 1), 1))).toEqual([0, 1]);
    expect(await table()).toEqual([1, 0, 1, 2, 0, 1, 1, 0]);
    rows.table.dispose();
  });
});

const megabyte = 2 ** 20;

describe.each(onlyCpu)('takes what memoryLimit allows, and 64 MB of scratch', () => {
  it.each([
    ['rows', 12_000, 96],
    ['the whole matrix', 4500, 96],
    ['products', 12_000, 32],
  ])('%s', (form, atoms, limit) => {
    const library = path.join(import.meta.dirname, '..', '..', 'dist', 'index.js');
    /** The most memory of a process, with a second pursuit of many signals or without. */
    const peak = (signals: number): number => {
      const script = `import { readFileSync } from 'node:fs';
      import { Device, Dictionary, omp, Tensor } from ${JSON.stringify(library)};
      const device = Device.open('cpu', { threads: 2 });
      const atoms = Tensor.randn(device, [${atoms}, 64], { seed: 1 });
      const y = Tensor.randn(device, [4000, 64], { seed: 2 });
      const small = new Dictionary(atoms, { memoryLimit: 1 });
      (await omp(small, Tensor.randn(device, [1, 64], { seed: 4 }), { k: 1 })).dispose();
      const dictionary = new Dictionary(atoms, { memoryLimit: ${limit * megabyte} });
      const some = Tensor.randn(device, [${signals}, 64], { seed: 3 });
      await omp(dictionary, some, { k: 8, algorithm: ${form === 'products' ? "'gemm'" : "'gram'"} });
      console.log(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\\s+(\\d+)/)[1]);`;
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      return Number(stdout) * 1024;
    };
    expect(peak(600) - peak(0)).toBeLessThan((limit + 64) * megabyte);
  });
});
