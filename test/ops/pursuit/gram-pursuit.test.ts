// Devices: cpu, cuda
// Source: closed form "ends at a tolerance, at rounding, and leaves unused places empty"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { correlations as products } from '../../reference/correlations.ts';
import { gramPursuit as reference } from '../../reference/gram-pursuit.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { arrayOf } from '../../support/dtypes.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

type Dtype = 'f32' | 'f64';

/** Atoms and signals, each rounded to the dtype, and all that the operation needs of them. */
function problem(device: Device, dtype: Dtype, [signals, count, length]: readonly [number, number, number]) {
  const atoms = Float64Array.from(arrayOf(normal(count * length, 1), dtype));
  const y = Float64Array.from(arrayOf(normal(signals * length, 2), dtype));
  const [gram, correlations] = [products(atoms, atoms, length), products(y, atoms, length)];
  const squares = Float64Array.from({ length: count }, (_, j) => gram[j * count + j]!);
  const energies = Float64Array.from({ length: signals }, (_, b) => {
    const own = y.subarray(b * length, (b + 1) * length);
    return own.reduce((sum, v) => sum + v * v, 0);
  });
  const tensors = {
    correlations: tensorOf(device, correlations, [signals, count], dtype),
    gram: tensorOf(device, gram, [count, count], dtype),
    squares: tensorOf(device, squares, [count], 'f64'),
    energies: tensorOf(device, energies, [signals], 'f64'),
  };
  const data = {
    atoms: tensorOf(device, atoms, [count, length], dtype),
    signals: tensorOf(device, y, [signals, length], dtype),
  };
  return { tensors, data, gram, correlations, squares, energies, atoms, y };
}

const outputs = (device: Device, signals: number, k: number, dtype: Dtype) => ({
  indices: Tensor.full(device, [signals, k], 77, { dtype: 'i32' }),
  coefficients: Tensor.full(device, [signals, k], NaN, { dtype }),
  residualNorms: Tensor.full(device, [signals], NaN, { dtype }),
  counts: Tensor.full(device, [signals], 77, { dtype: 'i32' }),
});

describe.each(devices)('gramPursuit on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f64', 'f32'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1, 1],
      [3, 7, 31, 7],
      [3, 33, 17, 8],
      [2, 200, 33, 9],
      [1, 2100, 12, 4],
    ] as const)('%i signals, %i atoms of %i elements, %i steps', async (signals, count, length, k) => {
      const p = problem(device, dtype, [signals, count, length]);
      for (const scaled of [false, true]) {
        const out = outputs(device, signals, k, dtype);
        const inverses = p.squares.map((square) => 1 / Math.sqrt(square));
        const scales = scaled ? tensorOf(device, inverses, [count], dtype) : undefined;
        ops.gramPursuit(device, { ...p.tensors, ...p.data, scales, ...out });
        const [indices, coefficients] = [await valuesOf(out.indices), await valuesOf(out.coefficients)];
        const residualNorms = await valuesOf(out.residualNorms);
        for (let b = 0; b < signals; b++) {
          const expected = reference({
            correlations: p.correlations.slice(b * count, (b + 1) * count),
            gram: p.gram,
            k,
            scales: scaled ? inverses : undefined,
          });
          expect(Array.from(indices.slice(b * k, (b + 1) * k))).toEqual(expected.indices);
          const tolerance = { dtype, ulps: 400, magnitude: Math.max(...expected.coefficients.map(Math.abs)) };
          expectClose(coefficients.slice(b * k, (b + 1) * k), expected.coefficients, tolerance);
          const residual = p.y.slice(b * length, (b + 1) * length);
          for (const [i, atom] of expected.indices.entries())
            for (let j = 0; j < length; j++) residual[j]! -= expected.coefficients[i]! * p.atoms[atom * length + j]!;
          const norm = Math.sqrt(residual.reduce((sum, v) => sum + v * v, 0));
          expectClose([residualNorms[b]!], [norm], { dtype, ulps: 100, magnitude: Math.sqrt(p.energies[b]!) });
        }
        expect(Array.from(await out.counts.read())).toEqual(new Array(signals).fill(k));
      }
    });

    it('gives nearly the same without atoms and signals, and no residual without energies', async () => {
      const p = problem(device, dtype, [4, 99, 31]);
      const [with_, without, bare] = [0, 1, 2].map(() => outputs(device, 4, 8, dtype));
      ops.gramPursuit(device, { ...p.tensors, ...p.data, ...with_! });
      ops.gramPursuit(device, { ...p.tensors, ...without! });
      ops.gramPursuit(device, { ...p.tensors, energies: undefined, ...bare! });
      for (const other of [without!, bare!]) {
        expect(await other.indices.read()).toEqual(await with_!.indices.read());
        expectClose(await valuesOf(other.coefficients), await valuesOf(with_!.coefficients), {
          dtype,
          ulps: 200,
          magnitude: 1,
        });
      }
      expectClose(await valuesOf(without!.residualNorms), await valuesOf(with_!.residualNorms), { dtype, ulps: 200 });
      expect(await valuesOf(bare!.residualNorms)).toEqual(new Float64Array(4).fill(NaN));
    });
  });

  it('ends at a tolerance, at rounding, and leaves unused places empty', async () => {
    // Atoms e₀, e₁, e₂; signals 3 e₀ + 2 e₁ + e₂ and 0.
    const tensors = {
      correlations: tensorOf(device, [3, 2, 1, 0, 0, 0], [2, 3], 'f64'),
      gram: tensorOf(device, [1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3], 'f64'),
      squares: tensorOf(device, [1, 1, 1], [3], 'f64'),
      energies: tensorOf(device, [14, 0], [2], 'f64'),
    };
    const run = async (options: object) => {
      const out = outputs(device, 2, 3, 'f64');
      ops.gramPursuit(device, { ...tensors, ...out, ...options });
      const { indices, coefficients, residualNorms, counts } = out;
      return Promise.all([indices, coefficients, residualNorms, counts].map(async (t) => Array.from(await t.read())));
    };
    const first = [
      [0, -1, -1, -1, -1, -1],
      [3, 0, 0, 0, 0, 0],
      [Math.sqrt(5), 0],
      [1, 0],
    ];
    expect(await run({ tol: 5 })).toEqual(first);
    expect(await run({ relTol: 0.6 })).toEqual(first);
    expect(await run({ rounding: 0.54 })).toEqual(first);
    expect(await run({ tol: 4.99 })).toEqual([
      [0, 1, -1, -1, -1, -1],
      [3, 2, 0, 0, 0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(await run({ tol: 14 })).toEqual([new Array(6).fill(-1), new Array(6).fill(0), [Math.sqrt(14), 0], [0, 0]]);
    expect(await run({})).toEqual([
      [0, 1, 2, -1, -1, -1],
      [3, 2, 1, 0, 0, 0],
      [0, 0],
      [3, 0],
    ]);
  });

  it('passes over a dependent atom, or ends there', async () => {
    // Atoms e₀, e₀, e₁, and correlations that no signal has: the second atom looks best after the first.
    const tensors = {
      correlations: tensorOf(device, [5, -9, 1], [1, 3]),
      gram: tensorOf(device, [1, 1, 0, 1, 1, 0, 0, 0, 1], [3, 3]),
      squares: tensorOf(device, [1, 1, 1], [3], 'f64'),
    };
    const run = async (onDependent: 'skip' | 'stop') => {
      const out = outputs(device, 1, 3, 'f32');
      ops.gramPursuit(device, { ...tensors, ...out, onDependent });
      return [Array.from(await out.indices.read()), Array.from(await out.coefficients.read())];
    };
    expect(await run('skip')).toEqual([
      [1, 2, -1],
      [-9, 1, 0],
    ]);
    expect(await run('stop')).toEqual([
      [1, -1, -1],
      [-9, 0, 0],
    ]);
  });

  it('takes the lowest of equal scores, and never NaN', async () => {
    const out = outputs(device, 1, 2, 'f32');
    const gram = new Float64Array(2100 ** 2);
    for (let j = 0; j < 2100; j++) gram[j * 2101] = 1;
    const correlations = new Float64Array(2100).fill(1);
    correlations[0] = NaN;
    correlations[2060] = -2;
    correlations[2080] = 2;
    ops.gramPursuit(device, {
      correlations: tensorOf(device, correlations, [1, 2100]),
      gram: tensorOf(device, gram, [2100, 2100]),
      squares: tensorOf(device, new Float64Array(2100).fill(1), [2100], 'f64'),
      ...out,
    });
    expect(Array.from(await out.indices.read())).toEqual([2060, 2080]);
  });
});

const valid = (device: Device) => ({
  correlations: Tensor.zeros(device, [2, 5]),
  gram: Tensor.zeros(device, [5, 5]),
  squares: Tensor.zeros(device, [5], { dtype: 'f64' }),
  scales: Tensor.zeros(device, [5]),
  energies: Tensor.zeros(device, [2], { dtype: 'f64' }),
  atoms: Tensor.zeros(device, [5, 3]),
  signals: Tensor.zeros(device, [2, 3]),
  ...outputs(device, 2, 4, 'f32'),
});
describe.each(onlyCpu)('gramPursuit', () => {
  const f64 = (device: Device, shape: readonly number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
  refuses('gramPursuit', valid, (device) => {
    const op = 'gramPursuit:';
    return [
      [
        { gram: f64(device, [5, 5]) },
        'ERR_DTYPE',
        `${op} correlations, gram and coefficients must be all f32 or all f64, got f64[5, 5]`,
      ],
      [
        { correlations: Tensor.zeros(device, [10]) },
        'ERR_SHAPE',
        `${op} correlations, gram and coefficients must be matrices, got f32[10]`,
      ],
      [
        { gram: Tensor.zeros(device, [5, 4]) },
        'ERR_SHAPE',
        `${op} gram must have a row and a column an atom, got f32[5, 4] for correlations f32[2, 5]`,
      ],
      [
        { squares: Tensor.zeros(device, [5]) },
        'ERR_DTYPE',
        `${op} squares must be f64 and have one element an atom, got f32[5]`,
      ],
      [
        { scales: Tensor.zeros(device, [4]) },
        'ERR_SHAPE',
        `${op} scales must have the dtype of gram and one element an atom, got f32[4] for 5`,
      ],
      [
        { energies: f64(device, [3]) },
        'ERR_SHAPE',
        `${op} energies must be f64 and have one element a signal, got f64[3] for 2`,
      ],
      [{ atoms: undefined }, 'ERR_ARGUMENT', `${op} atoms and signals come together or not at all`],
      [{ energies: undefined }, 'ERR_ARGUMENT', `${op} energies must be there with signals, got none`],
      [
        { atoms: f64(device, [5, 3]) },
        'ERR_DTYPE',
        `${op} atoms and signals must have the dtype of gram, got f64[5, 3]`,
      ],
      [{ atoms: Tensor.zeros(device, [15]) }, 'ERR_SHAPE', `${op} atoms and signals must be matrices, got f32[15]`],
      [
        { atoms: Tensor.zeros(device, [4, 3]) },
        'ERR_SHAPE',
        `${op} atoms must have a row an atom, got f32[4, 3] for correlations f32[2, 5]`,
      ],
      [
        { signals: Tensor.zeros(device, [2, 4]) },
        'ERR_SHAPE',
        `${op} signals must have a row a signal, as long as an atom, got f32[2, 4] for correlations f32[2, 5] and atoms f32[5, 3]`,
      ],
      [{ indices: Tensor.zeros(device, [2, 4]) }, 'ERR_DTYPE', `${op} indices must be i32, got f32[2, 4]`],
      [
        { indices: Tensor.zeros(device, [3, 4], { dtype: 'i32' }) },
        'ERR_SHAPE',
        `${op} indices must have a row a signal, got i32[3, 4] for correlations f32[2, 5]`,
      ],
      [
        { indices: Tensor.zeros(device, [2, 6], { dtype: 'i32' }) },
        'ERR_SHAPE',
        `${op} indices must not have more columns than atoms, got i32[2, 6] for atoms f32[5, 3]`,
      ],
      [
        { coefficients: Tensor.zeros(device, [2, 3]) },
        'ERR_SHAPE',
        `${op} coefficients must have the shape of indices, got f32[2, 3] for indices i32[2, 4]`,
      ],
      [
        { residualNorms: Tensor.zeros(device, [3]) },
        'ERR_SHAPE',
        `${op} residualNorms must have the dtype of gram and one element a signal, got f32[3] for 2`,
      ],
      [
        { counts: Tensor.zeros(device, [2]) },
        'ERR_DTYPE',
        `${op} counts must be i32 and have one element a signal, got f32[2]`,
      ],
      [{ tol: -1 }, 'ERR_ARGUMENT', `${op} tol must not be negative, got -1`],
      [{ relTol: -1 }, 'ERR_ARGUMENT', `${op} relTol must not be negative, got -1`],
      [{ rounding: -1 }, 'ERR_ARGUMENT', `${op} rounding must not be negative, got -1`],
      [{ dependence: -1 }, 'ERR_ARGUMENT', `${op} dependence must not be negative, got -1`],
      [{ refinements: 101 }, 'ERR_ARGUMENT', `${op} refinements must be 0 to 100, got 101`],
    ];
  });
  refusesWrongFields('gramPursuit', (device) => ({ ...valid(device), atoms: undefined, signals: undefined }), [
    'scales',
    'energies',
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const p = problem(device, 'f32', [67, 301, 65]);
      const out = outputs(device, 67, 16, 'f32');
      ops.gramPursuit(device, { ...p.tensors, ...p.data, ...out });
      return [out.indices, out.coefficients, out.residualNorms, out.counts];
    }));
});
