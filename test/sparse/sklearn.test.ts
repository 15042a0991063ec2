// Devices: cpu, cuda
// Values: scikit-learn's orthogonal_mp_gram, recorded by scripts/golden/omp.py.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, omp, ompGram, ops, type SparseCode, Tensor, toDense } from '../../lib/index.ts';
import { rowsOf } from '../support/dense-omp.ts';
import { devices } from '../support/devices.ts';
import { splitmixMatrix } from '../support/splitmix.ts';

interface Problem {
  atoms: number;
  length: number;
  signals: number;
  seeds: [number, number];
  k?: number;
  tol?: number;
  codes: { atoms: number[]; coefficients: number[] }[];
}
const golden: { problems: Problem[] } = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '..', 'golden', 'omp.json'), 'utf8'),
);

describe.each(devices)("scikit-learn's codes on %s", (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  async function expectCodes(code: SparseCode, { atoms, codes }: Problem): Promise<void> {
    using dense = await toDense(code);
    const rows = rowsOf(await dense.read(), atoms);
    for (const [b, expected] of codes.entries()) {
      const found = Array.from(rows[b]!.keys()).filter((j) => rows[b]![j] !== 0);
      expect(found).toEqual(expected.atoms);
      for (const [i, j] of found.entries())
        expect(Math.abs(rows[b]![j]! - expected.coefficients[i]!)).toBeLessThan(1e-11);
    }
  }

  it.each(golden.problems)('$signals signals, $atoms atoms of $length, k $k, tol $tol', async (problem) => {
    const { atoms, length, signals, seeds, k, tol } = problem;
    const unit = rowsOf(splitmixMatrix(atoms, length, seeds[0]), length).flatMap((row) => {
      const norm = Math.hypot(...row);
      return Array.from(row, (v) => v / norm);
    });
    using d = Tensor.from(device, new Float64Array(unit), [atoms, length]);
    using y = Tensor.from(device, splitmixMatrix(signals, length, seeds[1]), [signals, length]);
    using dictionary = new Dictionary(d);
    for (const algorithm of ['gram', 'gemm'] as const) {
      using code = await omp(dictionary, y, { k, tol, algorithm });
      await expectCodes(code, problem);
    }
    using gram = new Tensor(device, [atoms, atoms], 'f64');
    using correlations = new Tensor(device, [signals, atoms], 'f64');
    using energies = new Tensor(device, [signals], 'f64');
    ops.symmetricProduct(device, { a: d, c: gram });
    ops.correlations(device, { x: y, atoms: d, out: correlations });
    ops.rowReduce(device, { x: y, out: energies, reduction: 'sum_of_squares' });
    using code = await ompGram(gram, correlations, { k, tol, energies });
    await expectCodes(code, problem);
  });
});
