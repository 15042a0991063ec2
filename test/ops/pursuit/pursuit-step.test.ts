// Devices: cpu, cuda
// Source: closed form "passes over a dependent atom, or ends there"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { pursuitStep as reference } from '../../reference/pursuit-step.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { rowsOf } from '../../support/dense-omp.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

type Dtype = 'f32' | 'f64';

/** A pursuit before its first step. */
function begin(device: Device, dtype: Dtype, [signals, count, length, k]: readonly number[]) {
  const atoms = tensorOf(device, normal(count! * length!, 1), [count!, length!], dtype);
  const y = tensorOf(device, normal(signals! * length!, 2), [signals!, length!], dtype);
  const squares = new Tensor(device, [count!], 'f64');
  const energies = new Tensor(device, [signals!], 'f64');
  ops.rowReduce(device, { x: atoms, out: squares, reduction: 'sum_of_squares' });
  ops.rowReduce(device, { x: y, out: energies, reduction: 'sum_of_squares' });
  return {
    ...{ correlations: new Tensor(device, [signals!, count!], dtype), atoms, signals: y, squares, energies },
    ...{ residuals: y.copy(), residualEnergies: energies.copy() },
    indices: Tensor.full(device, [signals!, k!], -1, { dtype: 'i32' }),
    coefficients: Tensor.zeros(device, [signals!, k!], { dtype }),
    state: Tensor.full(device, [signals!, k! + (k! * (k! + 1)) / 2], NaN, { dtype: 'f64' }),
    counts: Tensor.zeros(device, [signals!], { dtype: 'i32' }),
  };
}
type Fields = ReturnType<typeof begin>;

const step = (device: Device, fields: Fields, number: number, options: object = {}): void => {
  ops.correlations(device, { x: fields.residuals, atoms: fields.atoms, out: fields.correlations });
  ops.pursuitStep(device, { ...fields, step: number, ...options });
};

describe.each(devices)('pursuitStep on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f64', 'f32'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1, 1],
      [2, 31, 7, 7],
      [3, 33, 17, 5],
      [2, 1100, 17, 4],
    ] as const)('%i signals, %i atoms of %i elements, %i steps', async (signals, count, length, k) => {
      for (const scaled of [false, true]) {
        const fields = begin(device, dtype, [signals, count, length, k]);
        const inverses = (await valuesOf(fields.squares)).map((square) => 1 / Math.sqrt(square));
        const scales = scaled ? tensorOf(device, inverses, [count], dtype) : undefined;
        const [atoms, y] = [
          rowsOf(await valuesOf(fields.atoms), length),
          rowsOf(await valuesOf(fields.signals), length),
        ];
        const residuals = y.map((row) => row);
        const chosen: number[][] = y.map(() => []);
        for (let t = 0; t < k; t++) {
          step(device, fields, t, { scales });
          const indices = rowsOf(await valuesOf(fields.indices), k);
          const coefficients = rowsOf(await valuesOf(fields.coefficients), k);
          const [energies, actual] = [
            await valuesOf(fields.residualEnergies),
            rowsOf(await valuesOf(fields.residuals), length),
          ];
          for (let b = 0; b < signals; b++) {
            const expected = reference(atoms, y[b]!, residuals[b]!, chosen[b]!, scaled ? inverses : undefined);
            chosen[b]!.push(expected.best);
            residuals[b] = expected.rest;
            expect(Array.from(indices[b]!)).toEqual([...chosen[b]!, ...new Array(k - t - 1).fill(-1)]);
            const magnitude = Math.max(1, ...expected.coefficients.map(Math.abs));
            expectClose(coefficients[b]!.slice(0, t + 1), expected.coefficients, { dtype, ulps: 500, magnitude });
            expectClose(actual[b]!, expected.rest, { dtype, ulps: 500, magnitude });
            const energy = expected.rest.reduce((sum, v) => sum + v * v, 0);
            expectClose([energies[b]!], [energy], { dtype, ulps: 1000, magnitude });
          }
          expect(Array.from(await fields.counts.read())).toEqual(new Array(signals).fill(t + 1));
        }
      }
    });
  });

  it('writes nothing of signals that have ended', async () => {
    for (const options of [{ tol: 1e9 }, { relTol: 1.1 }, { rounding: 1 }]) {
      const fields = begin(device, 'f64', [3, 20, 9, 4]);
      const { residuals, residualEnergies, indices, coefficients, state, counts } = fields;
      const written = [residuals, residualEnergies, indices, coefficients, state, counts];
      const before = await Promise.all(written.map((tensor) => tensor.read()));
      step(device, fields, 0, options);
      expect(await Promise.all(written.map((tensor) => tensor.read()))).toEqual(before);
      step(device, fields, 1);
      expect(await Promise.all(written.map((tensor) => tensor.read()))).toEqual(before);
    }
  });

  it('reads nothing outside the atoms, whatever the indices are', async () => {
    const fields = begin(device, 'f32', [4, 20, 9, 4]);
    fields.indices.write(new Int32Array(16).fill(0).map((_, i) => [20, -1, 2 ** 31 - 1, -(2 ** 31)][i >> 2]!));
    fields.counts.write(new Int32Array(4).fill(1));
    const before = await fields.indices.read();
    step(device, fields, 1);
    expect(await fields.indices.read()).toEqual(before);
  });

  it('passes over a dependent atom, or ends there', async () => {
    // Atoms e₀, 2 e₀, e₁, and correlations that no signal has: the second atom looks best after the first.
    for (const [onDependent, second, count] of [
      ['skip', 2, 2],
      ['stop', -1, 1],
    ] as const) {
      const fields = begin(device, 'f64', [1, 3, 2, 2]);
      fields.atoms.write(new Float64Array([1, 0, 2, 0, 0, 1]));
      fields.squares.write(new Float64Array([1, 4, 1]));
      fields.signals.write(new Float64Array([3, 1]));
      fields.energies.write(new Float64Array([10]));
      fields.residualEnergies.write(new Float64Array([10]));
      fields.correlations.write(new Float64Array([9, 8, 1]));
      ops.pursuitStep(device, { ...fields, step: 0, onDependent });
      fields.correlations.write(new Float64Array([0, 8, 1]));
      ops.pursuitStep(device, { ...fields, step: 1, onDependent });
      expect(Array.from(await fields.indices.read())).toEqual([0, second]);
      expect(Array.from(await fields.counts.read())).toEqual([count]);
      expect(await valuesOf(fields.residuals)).toEqual(new Float64Array([0, count === 2 ? 0 : 1]));
    }
  });
});

const f64 = (device: Device, shape: readonly number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
const i32 = (device: Device, shape: readonly number[]) => Tensor.zeros(device, shape, { dtype: 'i32' });
const valid = (device: Device) => ({
  correlations: Tensor.zeros(device, [2, 5]),
  atoms: Tensor.zeros(device, [5, 3]),
  signals: Tensor.zeros(device, [2, 3]),
  squares: f64(device, [5]),
  scales: Tensor.zeros(device, [5]),
  energies: f64(device, [2]),
  residuals: Tensor.zeros(device, [2, 3]),
  residualEnergies: f64(device, [2]),
  indices: i32(device, [2, 4]),
  coefficients: Tensor.zeros(device, [2, 4]),
  state: f64(device, [2, 14]),
  counts: i32(device, [2]),
});
describe.each(onlyCpu)('pursuitStep', () => {
  refusesWrongFields('pursuitStep', valid, ['scales']);
  refuses('pursuitStep', valid, (device) => {
    const op = 'pursuitStep:';
    const of = (shape: readonly number[]) => Tensor.zeros(device, shape);
    return [
      [
        { atoms: f64(device, [5, 3]) },
        'ERR_DTYPE',
        `${op} correlations, atoms, signals, residuals and coefficients must be all f32 or all f64, got f32[2, 5]`,
      ],
      [
        { signals: of([6]) },
        'ERR_SHAPE',
        `${op} correlations, atoms, signals, residuals and coefficients must be matrices, got f32[6]`,
      ],
      [
        { atoms: of([4, 3]) },
        'ERR_SHAPE',
        `${op} atoms must have a row an atom, got f32[4, 3] for correlations f32[2, 5]`,
      ],
      [
        { signals: of([2, 4]) },
        'ERR_SHAPE',
        `${op} signals must have a row a signal, as long as an atom, got f32[2, 4] for correlations f32[2, 5] and atoms f32[5, 3]`,
      ],
      [
        { residuals: of([2, 4]) },
        'ERR_SHAPE',
        `${op} residuals must have the shape of signals, got f32[2, 4] for signals f32[2, 3]`,
      ],
      [{ squares: of([5]) }, 'ERR_DTYPE', `${op} squares must be f64 and have one element an atom, got f32[5]`],
      [
        { scales: of([4]) },
        'ERR_SHAPE',
        `${op} scales must have the dtype of atoms and one element an atom, got f32[4] for 5`,
      ],
      [
        { energies: f64(device, [3]) },
        'ERR_SHAPE',
        `${op} energies must be f64 and have one element a signal, got f64[3] for 2`,
      ],
      [
        { residualEnergies: of([2]) },
        'ERR_DTYPE',
        `${op} residualEnergies must be f64 and have one element a signal, got f32[2]`,
      ],
      [{ indices: of([2, 4]) }, 'ERR_DTYPE', `${op} indices must be i32, got f32[2, 4]`],
      [
        { indices: i32(device, [3, 4]) },
        'ERR_SHAPE',
        `${op} indices must have a row a signal, got i32[3, 4] for correlations f32[2, 5]`,
      ],
      [
        { indices: i32(device, [2, 6]) },
        'ERR_SHAPE',
        `${op} indices must not have more columns than atoms, got i32[2, 6] for atoms f32[5, 3]`,
      ],
      [
        { coefficients: of([2, 3]) },
        'ERR_SHAPE',
        `${op} coefficients must have the shape of indices, got f32[2, 3] for indices i32[2, 4]`,
      ],
      [{ state: of([2, 14]) }, 'ERR_DTYPE', `${op} state must be f64, got f32[2, 14]`],
      [
        { state: f64(device, [2, 13]) },
        'ERR_SHAPE',
        `${op} state must have a row a signal, of k (k + 1) / 2 + k elements, got f64[2, 13] for indices i32[2, 4]`,
      ],
      [{ counts: of([2]) }, 'ERR_DTYPE', `${op} counts must be i32 and have one element a signal, got f32[2]`],
      [{ step: 4 }, 'ERR_ARGUMENT', `${op} step must be one of the columns of indices, got 4`],
      [{ step: -1 }, 'ERR_ARGUMENT', `${op} step must be one of the columns of indices, got -1`],
      [{ tol: -1 }, 'ERR_ARGUMENT', `${op} tol must not be negative, got -1`],
      [{ relTol: -1 }, 'ERR_ARGUMENT', `${op} relTol must not be negative, got -1`],
      [{ rounding: -1 }, 'ERR_ARGUMENT', `${op} rounding must not be negative, got -1`],
      [{ dependence: -1 }, 'ERR_ARGUMENT', `${op} dependence must not be negative, got -1`],
      [{ refinements: -1 }, 'ERR_ARGUMENT', `${op} refinements must be 0 to 100, got -1`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const fields = begin(device, 'f32', [67, 301, 65, 3]);
      for (let t = 0; t < 3; t++) step(device, fields, t);
      return [fields.indices, fields.coefficients, fields.residuals, fields.residualEnergies, fields.counts];
    }));
});
