// Devices: cpu, cuda
// Values: of a prototype in NumPy: symmetric 1.2e-6 after 100 steps and 3.6e-13 after 200; errors of too many columns
// Values: that halve when steps double; slopes that grow like alpha², and those that do not depend on it once balanced
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Task } from '../../lib/core/task.ts';
import { Device, Tensor } from '../../lib/index.ts';
import {
  denseMeasurement,
  entryMeasurement,
  MatrixSensing,
  type MatrixSensingOptions,
  type MeasurementOperator,
  rankOneMeasurement,
} from '../../lib/lowrank/index.ts';
import { checkAdjoint } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { orthonormalColumns, outer, relativeError, sampledEntries } from '../support/low-rank.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const [n, rank] = [20, 3];

/** Q Qᵀ, and m measurements by normal numbers over √m. */
function problem(device: Device, m: number, isSymmetric = false, seed = 1) {
  const q = orthonormalColumns(n, rank, seed);
  const matrix = outer(q, q, rank);
  const a = normal(m * n * n, 2 * seed, 1 / Math.sqrt(m));
  if (isSymmetric) {
    for (let i = 0; i < m; ++i)
      for (let j = 0; j < n; ++j)
        for (let k = 0; k < j; ++k) {
          const [at, across] = [i * n * n + j * n + k, i * n * n + k * n + j];
          a[at] = a[across] = (a[at]! + a[across]!) / 2;
        }
  }
  const y = Float64Array.from({ length: m }, (_, i) => matrix.reduce((sum, x, j) => sum + x * a[i * n * n + j]!, 0));
  return {
    matrix,
    measurement: denseMeasurement(tensorOf(device, a, [m, n, n], 'f64')),
    y: tensorOf(device, y, [m], 'f64'),
  };
}

async function errorOf(sensing: MatrixSensing, matrix: Float64Array, k: number): Promise<number> {
  const { left, right } = sensing.factors();
  return relativeError(outer(await valuesOf(left), await valuesOf(right), k), matrix);
}

describe.each(devices)('MatrixSensing on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('finds a matrix by as many columns as its rank: the error falls geometrically', async () => {
    const m = kind === 'cpu' ? 1600 : 120;
    const { matrix, measurement, y } = problem(device, m, true, 3);
    using sensing = new MatrixSensing(measurement, y, { rank, form: 'symmetric', lr: 0.2 });
    const first = await sensing.run(kind === 'cpu' ? 100 : 4);
    if (kind === 'cpu') expect(await errorOf(sensing, matrix, rank)).toBeLessThan(2e-6);
    const { residual, status } = await sensing.run(kind === 'cpu' ? 100 : 16);
    expect(status).toBe('max-iterations');
    expect(residual).toBeLessThan(first.residual);
    if (kind !== 'cpu') return;
    expect(residual).toBeLessThan(1e-12);
    expect(await errorOf(sensing, matrix, rank)).toBeLessThan(1e-12);
  });

  it.each(['entries', 'rank one'] as const)('takes %s without the matrix', async (name) => {
    const matrix = outer(orthonormalColumns(12, 2, 3), orthonormalColumns(9, 2, 4), 2);
    const list = sampledEntries(matrix, [12, 9], 0.8, 5);
    const [a, b] = [normal(300 * 12, 6), normal(300 * 9, 7)];
    const measurement =
      name === 'entries'
        ? entryMeasurement(list, device)
        : rankOneMeasurement(tensorOf(device, a, [300, 12], 'f64'), tensorOf(device, b, [300, 9], 'f64'));
    using x = tensorOf(device, matrix, [108], 'f64');
    using y = Tensor.zeros(device, [measurement.shape[0]], { dtype: 'f64' });
    await measurement.apply(x, y);
    if (name === 'entries') expect(await y.read()).toEqual(list.values);
    using sensing = new MatrixSensing(measurement, y, { rank: 2, form: 'asymmetric' });
    await sensing.run(kind === 'cpu' ? 1200 : 2);
    if (kind === 'cpu') expect(await errorOf(sensing, matrix, 2)).toBeLessThan(1e-3);
    // By the matrix it is the same.
    const { factors, ...dense } = measurement;
    expect(factors).toBeDefined();
    const [short, long] = [measurement, dense as MeasurementOperator].map(
      (one) => new MatrixSensing(one, y, { rank: 2, form: 'asymmetric', seed: 4 }),
    ) as [MatrixSensing, MatrixSensing];
    const [first, second] = [await short.run(2), await long.run(2)];
    expect(second.residual).toBeCloseTo(first.residual, 10);
  });
});

describe.each(onlyCpu)('MatrixSensing', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  /** Natural slope per step of the error between two steps. */
  async function slope(options: Partial<MatrixSensingOptions>, from: number, to: number): Promise<number> {
    const { matrix, measurement, y } = problem(device, 1600);
    using sensing = new MatrixSensing(measurement, y, { rank: 5, lr: 0.2, ...options });
    await sensing.run(from);
    const first = await errorOf(sensing, matrix, 5);
    await sensing.run(to - from);
    return Math.log((await errorOf(sensing, matrix, 5)) / first) / (to - from);
  }

  it('has of too many columns an error like 1 / steps, where it is symmetric', async () => {
    const { matrix, measurement, y } = problem(device, 1600, true);
    using sensing = new MatrixSensing(measurement, y, { rank: 5, form: 'symmetric', lr: 0.2 });
    const errors: number[] = [];
    for (const steps of [500, 500, 1000]) {
      await sensing.run(steps);
      errors.push(await errorOf(sensing, matrix, 5));
    }
    for (const i of [1, 2]) {
      expect(errors[i]! / errors[i - 1]!).toBeGreaterThan(0.45);
      expect(errors[i]! / errors[i - 1]!).toBeLessThan(0.56);
    }
  });

  it('converges the faster the larger the start is, asymmetric: the slope grows like alpha²', async () => {
    const slopes = [
      await slope({ form: 'asymmetric', alpha: 0.25 }, 700, 900),
      await slope({ form: 'asymmetric', alpha: 0.5 }, 300, 500),
      await slope({ form: 'asymmetric', alpha: 1 }, 100, 200),
    ];
    for (const i of [1, 2]) {
      expect(slopes[i]! / slopes[i - 1]!).toBeGreaterThan(3);
      expect(slopes[i]! / slopes[i - 1]!).toBeLessThan(6);
    }
  });

  it('converges at one rate, whatever the start is, once it is balanced', async () => {
    const slopes = [
      await slope({ alpha: 0.1 }, 160, 240),
      await slope({ alpha: 0.25 }, 160, 240),
      await slope({ alpha: 0.5 }, 160, 240),
    ];
    expect(Math.min(...slopes) / Math.max(...slopes)).toBeLessThan(1.15);
    expect(Math.max(...slopes)).toBeLessThan(-0.08);
  });

  it('keeps the product where the factors are balanced', async () => {
    const { measurement, y } = problem(device, 800);
    const [plain, balanced] = ['asymmetric', 'balanced'].map(
      (form) => new MatrixSensing(measurement, y, { rank: 5, form: form as 'balanced', lr: 0.2, ...(form === 'balanced' && { switchTol: 100, beta: 2 }) }), // biome-ignore format: one line
    ) as [MatrixSensing, MatrixSensing];
    for (const sensing of [plain, balanced]) await sensing.run(16);
    const product = async (sensing: MatrixSensing): Promise<Float64Array> => {
      const { left, right } = sensing.factors();
      return outer(await valuesOf(left), await valuesOf(right), 5);
    };
    expect(relativeError(await product(balanced), await product(plain))).toBeLessThan(1e-12);
    const left = await valuesOf(balanced.factors().left);
    for (let j = 0; j < 5; ++j) {
      const square = Array.from({ length: n }, (_, i) => left[i * 5 + j]! ** 2).reduce((a, b) => a + b);
      expect(Math.sqrt(square)).toBeCloseTo(2, 10);
    }
  });

  it('ends as diverged with the last good factors, where steps are too long', async () => {
    const { measurement, y } = problem(device, 800);
    using sensing = new MatrixSensing(measurement, y, { rank: 3, lr: 0.2 });
    using wild = new MatrixSensing(measurement, y, { rank: 3, lr: 20 });
    const before = await valuesOf(wild.factors().left);
    expect(await wild.run(400)).toMatchObject({ status: 'diverged' });
    const after = await valuesOf(wild.factors().left);
    expect(after.every(Number.isFinite)).toBe(true);
    expect(after).toEqual(before);
    expect((await sensing.run(40)).status).toBe('max-iterations');
  });

  it('goes the same way in runs of any length, and is where it was after an abort', async () => {
    const { measurement, y } = problem(device, 500);
    const [whole, parts] = [1, 2].map(() => new MatrixSensing(measurement, y, { rank: 4 })) as [MatrixSensing, MatrixSensing]; // biome-ignore format: one line
    await whole.run(40);
    for (const steps of [1, 7, 20]) await parts.run(steps);
    const controller = new AbortController();
    const aborted = parts.run(12, { signal: controller.signal });
    const second = parts.run(1);
    await expect(second).rejects.toMatchObject({ code: 'ERR_STATE' });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await parts.run(40 - parts.steps);
    expect(await valuesOf(parts.factors().left)).toEqual(await valuesOf(whole.factors().left));
  });

  it.each(['while they are balanced', 'once they are'])(
    'keeps the factors where a run is aborted %s',
    async (moment) => {
      const [size, m, rank] = [30_000, 500, 16];
      const rows = Int32Array.from({ length: m }, (_, i) => i * 29);
      const measurement = entryMeasurement(
        { rows, cols: rows.map((i) => (i * 31) % size), shape: [size, size] },
        device,
      );
      using y = Tensor.randn(device, [m], { seed: 1, dtype: 'f64' });
      const make = () => new MatrixSensing(measurement, y, { rank, lr: 1e-3, switchTol: 100, beta: 2 });
      /** True if both have the same factors, which are too long to be shown. */
      const agree = async (a: MatrixSensing, b: MatrixSensing): Promise<boolean> => {
        const [one, other] = [a.factors(), b.factors()];
        const [x, y] = [await valuesOf(one.left), await valuesOf(other.left)];
        const [z, w] = [await valuesOf(one.right), await valuesOf(other.right)];
        return x.every((value, i) => value === y[i]) && z.every((value, i) => value === w[i]);
      };
      using plain = new MatrixSensing(measurement, y, { rank, lr: 1e-3, form: 'asymmetric' });
      using whole = make();
      using aborted = make();
      await plain.run(16);
      await whole.run(16);
      const controller = new AbortController();
      const abort = (): void => controller.abort(new Error('enough'));
      /** Once the work of balancing is queued, and before the event loop turns, by which its end would be known. */
      const abortWithinTurn = async (): Promise<void> => {
        for (let i = 0; i < 50; i++) await undefined;
        abort();
      };
      const waitFor = Task.prototype.waitFor;
      const spy = vi.spyOn(Task.prototype, 'waitFor').mockImplementation(async function (this: Task, promise) {
        const made = await waitFor.call(this, promise);
        if (moment === 'while they are balanced') void abortWithinTurn();
        return made as never;
      });
      try {
        await expect(aborted.run(32, { signal: controller.signal, onProgress: abort })).rejects.toThrow('enough');
      } finally {
        spy.mockRestore();
      }
      expect(aborted.steps).toBe(16);
      expect(await agree(aborted, moment === 'while they are balanced' ? plain : whole)).toBe(true);
      // The part that was put off is made up for.
      for (const sensing of [whole, aborted]) await sensing.run(1);
      expect(await agree(aborted, whole)).toBe(true);
      measurement.dispose();
    },
  );

  it('has measurements whose two ways are adjoint', async () => {
    const list = { rows: Int32Array.of(0, 2, 1), cols: Int32Array.of(1, 0, 1), shape: [3, 2] as const };
    const measurements: MeasurementOperator[] = [
      denseMeasurement(tensorOf(device, normal(4 * 6, 1), [4, 2, 3], 'f64')),
      entryMeasurement(list, device),
      rankOneMeasurement(
        tensorOf(device, normal(15, 1), [5, 3], 'f64'),
        tensorOf(device, normal(10, 2), [5, 2], 'f64'),
      ),
    ];
    for (const measurement of measurements) expect(await checkAdjoint(measurement)).toBeLessThan(1e-12);
  });

  it.each([undefined, 0.2])('refuses NaN and infinity before the first step, with a step size of %s', async (lr) => {
    const m = 10;
    const { measurement, y } = problem(device, m);
    for (const bad of [NaN, Infinity, -Infinity]) {
      const numbers = normal(m * n * n, 2).fill(bad, 77, 78);
      const entry = new Float64Array(m).fill(1).fill(bad, 3, 4);
      for (const form of ['symmetric', 'asymmetric', 'balanced'] as const)
        for (const [of, given, message] of [
          [
            measurement,
            tensorOf(device, entry, [m], 'f64'),
            /^MatrixSensing\.run: y must be finite, got (NaN|Infinity)$/,
          ],
          [
            denseMeasurement(tensorOf(device, numbers, [m, n, n], 'f64')),
            y,
            /^MatrixSensing\.run: measurement must give finite numbers, got (NaN|Infinity)$/,
          ],
        ] as const) {
          using sensing = new MatrixSensing(of, given, { rank, form, lr });
          const before = await valuesOf(sensing.factors().left);
          // Twice: the first refusal leaves nothing that the second run would trust.
          for (const _ of [1, 2])
            await expect(sensing.run(3)).rejects.toMatchObject({
              code: 'ERR_ARGUMENT',
              message: expect.stringMatching(message),
            });
          expect(sensing.steps).toBe(0);
          expect(await valuesOf(sensing.factors().left)).toEqual(before);
        }
    }
  });

  it('refuses what does not fit', () => {
    const { measurement, y } = problem(device, 10);
    const wide = denseMeasurement(Tensor.zeros(device, [10, 4, 3], { dtype: 'f64' }));
    for (const [of, options, message] of [
      [
        wide,
        { rank: 2, form: 'symmetric' },
        'measurement must be of square matrices for the symmetric form, got [4,3]',
      ],
      [wide, { rank: 4 }, 'rank must be at most the smaller side, 3, to be balanced, got 4'],
      [measurement, { rank: 2, form: 'asymmetric', beta: 1 }, "beta must be left out unless the form is 'balanced', got 1"], // biome-ignore format: one line
      [measurement, { rank: 2, switchTol: 0 }, 'switchTol must be a positive number, got 0'],
    ] as const)
      expect(() => new MatrixSensing(of, y, options)).toThrow(`MatrixSensing: ${message}`);
    const entries = entryMeasurement({ rows: Int32Array.of(0), cols: Int32Array.of(0), shape: [2, 2] }, device);
    entries.dispose();
    expect(() => new MatrixSensing(entries, y, { rank: 1 })).toThrow('MatrixSensing: measurement has been disposed');
    expect(() =>
      entryMeasurement({ rows: Int32Array.of(0, 0), cols: Int32Array.of(1, 1), shape: [2, 2] }, device),
    ).toThrow('entryMeasurement: places must have no entry twice, got [0, 1] at 0 and 1');
  });
});
