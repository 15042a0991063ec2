// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, omp, ompGram, ops, SparseCode, Tensor, toDense } from '../../lib/index.ts';
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
    const gram = new Tensor(device, [count, count], dtype);
    const correlations = new Tensor(device, [signals, count], dtype);
    const energies = new Tensor(device, [signals], 'f64');
    ops.symmetricProduct(device, { a: atoms, c: gram });
    ops.correlations(device, { x: y, atoms, out: correlations });
    ops.rowReduce(device, { x: y, out: energies, reduction: 'sum_of_squares' });
    return { dictionary: new Dictionary(atoms), y, gram, correlations, energies };
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
