// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, omp, ompGram, ops, SparseCode, Tensor, toDense } from '../../lib/index.ts';
import { norm } from '../reference/norms.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

describe.each(devices)('ompGram on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  function problem(dtype: 'f32' | 'f64', [count, length, signals]: readonly [number, number, number]) {
    const atoms = tensorOf(device, normal(count * length, 1), [count, length], dtype);
    const y = tensorOf(device, normal(signals * length, 2), [signals, length], dtype);
    return { dictionary: new Dictionary(atoms), y, ...productsOf(atoms, y) };
  }
  function productsOf(atoms: Tensor, y: Tensor) {
    const [count, signals] = [atoms.shape[0]!, y.shape[0]!];
    const gram = new Tensor(device, [count, count], atoms.dtype);
    const correlations = new Tensor(device, [signals, count], atoms.dtype);
    const energies = new Tensor(device, [signals], 'f64');
    ops.symmetricProduct(device, { a: atoms, c: gram });
    ops.correlations(device, { x: y, atoms, out: correlations });
    ops.rowReduce(device, { x: y, out: energies, reduction: 'sum_of_squares' });
    return { gram, correlations, energies };
  }

  it.each([
    ['f64', 'raw'],
    ['f64', 'unit'],
    ['f32', 'raw'],
    ['f32', 'unit'],
  ] as const)('finds what omp finds, in %s, select %s', async (dtype, select) => {
    const { dictionary, y, gram, correlations, energies } = problem(dtype, [90, 25, 7]);
    for (const options of [{ k: 9 }, { k: 20, tol: 6 }, { k: 20, relTol: 0.4 }]) {
      using expected = await omp(dictionary, y, { ...options, select });
      using code = await ompGram(gram, correlations, { ...options, select, energies, batchSize: 3 });
      expect(await code.indices.read()).toEqual(await expected.indices.read());
      expect(await code.counts.read()).toEqual(await expected.counts.read());
      for (const name of ['coefficients', 'residuals'] as const) {
        const [actual, right] = [await valuesOf(code[name]), await valuesOf(expected[name])];
        for (const [i, x] of actual.entries())
          expect(Math.abs(x - right[i]!)).toBeLessThan(dtype === 'f64' ? 1e-11 : 2e-5);
      }
    }
  });

  it.each([
    ['f64', 1],
    ['f64', 0.05],
    ['f64', 0.01],
    ['f32', 1],
    ['f32', 0.05],
  ] as const)(
    'squared residuals are off by ε (|y| + Σ |w| |d|)² at most, in %s, atoms %d apart',
    async (dtype, apart) => {
      const epsilon = dtype === 'f64' ? 2 ** -53 : 2 ** -24;
      for (const [count, length] of [
        [257, 16],
        [16, 16],
        [300, 24],
      ] as const) {
        const signals = 6;
        const [common, own] = [normal(length, 3, 1 - apart), normal(count * length, 1, apart)];
        const atoms = tensorOf(
          device,
          own.map((x, i) => x + common[i % length]!),
          [count, length],
          dtype,
        );
        const y = tensorOf(device, normal(signals * length, 2), [signals, length], dtype);
        const { gram, correlations, energies } = productsOf(atoms, y);
        for (const options of [{}, { tol: 1e-3 }, { relTol: 1e-6 }]) {
          using code = await ompGram(gram, correlations, { k: length, energies, ...options });
          const [d, signal, whole] = [await valuesOf(atoms), await valuesOf(y), await energies.read()];
          const [indices, weights] = [await code.indices.read(), await valuesOf(code.coefficients)];
          const [residuals, counts] = [await valuesOf(code.residuals), await code.counts.read()];
          for (let b = 0; b < signals; b++) {
            const left = signal.slice(b * length, (b + 1) * length);
            let size = Math.sqrt(whole[b]!);
            for (let t = b * length; t < b * length + counts[b]!; t++) {
              const atom = d.subarray(indices[t]! * length, (indices[t]! + 1) * length);
              size += Math.abs(weights[t]!) * norm(atom);
              for (const [j, x] of atom.entries()) left[j]! -= weights[t]! * x;
            }
            const allowed = epsilon * size ** 2;
            expect(Math.abs(residuals[b]! ** 2 - norm(left) ** 2)).toBeLessThanOrEqual(allowed);
            const { tol = 0, relTol = 0 } = options as { tol?: number; relTol?: number };
            if (counts[b]! < length && (tol > 0 || relTol > 0))
              expect(norm(left) ** 2).toBeLessThanOrEqual(Math.max(tol, relTol ** 2 * whole[b]!) + allowed);
          }
        }
      }
    },
  );

  it('has no residuals without energies, and the same bits for any split', async () => {
    const { gram, correlations } = problem('f32', [60, 25, 8]);
    using whole = await ompGram(gram, correlations, { k: 5 });
    using split = await ompGram(gram, correlations, { k: 5, batchSize: 1 });
    expect(sameBits(await split.coefficients.read(), await whole.coefficients.read())).toBe(true);
    expect(Array.from(await whole.residuals.read())).toEqual(new Array(8).fill(NaN));
  });

  it('refuses what does not fit', async () => {
    const { gram, correlations, energies } = problem('f32', [9, 5, 4]);
    const code = (call: Promise<unknown>) => call.then(String, (error) => error.code);
    expect(await code(ompGram(gram, correlations, { k: 10 }))).toBe('ERR_ARGUMENT');
    expect(await code(ompGram(gram, correlations, { tol: 1 }))).toBe('ERR_ARGUMENT');
    expect(await code(ompGram(gram, correlations, { energies: 3 as never }))).toBe('ERR_ARGUMENT');
    expect(await code(ompGram(gram, gram, { energies }))).toBe('ERR_SHAPE');
    expect(await code(ompGram(gram, energies))).toBe('ERR_SHAPE');
    expect(await code(ompGram(gram, correlations.cast('f64')))).toBe('ERR_DTYPE');
    expect(await code(ompGram(gram.cast('bf16'), correlations))).toBe('ERR_DTYPE');
    expect(await code(ompGram(correlations, correlations))).toBe('ERR_SHAPE');
    expect(await code(ompGram(gram, correlations, { energies: energies.cast('f32') }))).toBe('ERR_DTYPE');
    correlations.write(new Float32Array(36).fill(NaN));
    expect(await code(ompGram(gram, correlations))).toBe('ERR_ARGUMENT');
  });

  it('toDense puts each coefficient in the column of its atom', async () => {
    const code = new SparseCode(device, 3, 2, 4, 'f64');
    code.indices.write(new Int32Array([3, 0, 1, -1, -1, -1]));
    code.coefficients.write(new Float64Array([5, -6, 7, 0, 0, 0]));
    using dense = await toDense(code);
    expect(dense.shape).toEqual([3, 4]);
    expect(Array.from(await dense.read())).toEqual([-6, 0, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0]);
    using empty = await toDense(new SparseCode(device, 0, 2, 4, 'f32'));
    expect(empty.shape).toEqual([0, 4]);
  });
});

it.each(onlyCpu)('toDense refuses what is no code, and matrices of too many elements', async () => {
  const device = Device.open('cpu');
  await expect(toDense({} as SparseCode)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  const wide = new SparseCode(device, 2, 1, 2 ** 30, 'f32');
  await expect(toDense(wide)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  wide.dispose();
  expect(thrownBy(() => wide.indices.reshape([2])).code).toBe('ERR_DISPOSED');
  await device.close();
});
