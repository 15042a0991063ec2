// Devices: cpu, cuda
// Values: f64 runs of independent programs on the same data, the raw ones of mergekit's routine for orthogonal matching
// pursuit, the supports of the unit ones of scikit-learn's orthogonal_mp on normalized atoms.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, omp, reconstruct, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { splitmixMatrix } from '../support/splitmix.ts';

const [atomCount, length, signals, otherLength, k] = [64, 16, 4, 12, 6];
const atoms = splitmixMatrix(atomCount, length, 11);
const y = splitmixMatrix(signals, length, 12);
const other = splitmixMatrix(atomCount, otherLength, 13);

const raw = {
  indices: [22, 2, 47, 40, 23, 4, 60, 38, 15, 19, 32, 43, 20, 55, 35, 51, 47, 36, 43, 23, 35, 2, 22, 37],
  coefficients: {
    0: [
      -0.728447380460206, 0.4908577562946935, -0.30264296773071, -0.4505015204076082, -0.2547502845931719,
      -0.294185659537325,
    ],
    3: [-0.830492274163, -0.654804270016, 0.717874452963, 0.418148097029, -0.365883394941, 0.184194273883],
  },
  squares: [0.555651538676, 0.279716411931, 0.235757001137, 0.379283744517],
  transplanted: [
    -0.376845888126, -0.423449495484, -0.137557917492, -0.987103123387, -0.500875227893, 1.273254554236, 0.575898820676,
    0.289963842288, -0.057061710709, 0.538025201401, 0.258230085857, -0.653511896231,
  ],
};
const unit = {
  indices: [22, 2, 47, 50, 46, 61, 42, 56, 35, 48, 0, 34, 20, 35, 55, 51, 47, 36, 43, 23, 35, 2, 22, 37],
  coefficients: {
    0: [-0.53397747723, 0.565064391169, -0.565281866179, -0.265770123418, 0.358230487905, -0.255677556823],
  },
  squares: [0.563213210283, 0.236936686302, 0.235757001137, 0.379283744517],
};
const close = { f64: 1e-11, f32: 2e-6 };

describe.each(devices)('golden values of omp on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each([
    ['f64', 'gram'],
    ['f64', 'gemm'],
    ['f32', 'gram'],
    ['f32', 'gemm'],
  ] as const)('in %s, by %s', (dtype, algorithm) => {
    const tensor = (values: Float64Array, columns: number) =>
      Tensor.from(device, dtype === 'f64' ? values : Float32Array.from(values), [values.length / columns, columns]);

    it.each([
      ['raw', raw],
      ['unit', unit],
    ] as const)('select %s', async (select, expected) => {
      using dictionary = new Dictionary(tensor(atoms, length));
      using code = await omp(dictionary, tensor(y, length), { k, select, algorithm });
      expect(Array.from(await code.indices.read())).toEqual(expected.indices);
      expect(Array.from(await code.counts.read())).toEqual([k, k, k, k]);
      const coefficients = await code.coefficients.read();
      for (const [row, values] of Object.entries(expected.coefficients))
        for (const [i, value] of values.entries())
          expect(Math.abs(coefficients[Number(row) * k + i]! - value)).toBeLessThan(close[dtype]);
      for (const [i, residual] of (await code.residuals.read()).entries())
        expect(Math.abs(residual ** 2 - expected.squares[i]!)).toBeLessThan(close[dtype]);
    });

    it('transplants: the same combinations of other rows', async () => {
      using dictionary = new Dictionary(tensor(atoms, length));
      using code = await omp(dictionary, tensor(y, length), { k, algorithm });
      using rows = reconstruct(code, tensor(other, otherLength));
      const values = (await rows.read()).slice(0, otherLength);
      for (const [i, value] of values.entries())
        expect(Math.abs(value - raw.transplanted[i]!)).toBeLessThan(close[dtype]);
    });
  });
});
