// Devices: cpu, cuda
// Source: property "leaves out no more than delta, and no largest entry of a row or column"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { planSparsify as reference } from '../../reference/plan-sparsify.ts';
import { expectSame } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { empty, numbers, transportShapes, vector } from '../../support/transport.ts';

const outputsOf = (device: Device, n: number, capacity: number) => ({
  starts: Tensor.full(device, [n + 1], -1, { dtype: 'i32' }),
  columns: Tensor.full(device, [capacity], -1, { dtype: 'i32' }),
  values: empty(device, capacity),
  statistics: empty(device, 2),
});

describe.each(devices)('planSparsify on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  interface Case {
    kernel: Float64Array;
    n: number;
    m: number;
    dtype: 'f32' | 'f64';
    capacity: number;
    delta?: number;
    threshold?: number;
  }
  const run = async ({ kernel, n, m, dtype, capacity, ...rule }: Case) => {
    const [u, v] = [numbers(n, 2, 0.5, 1), numbers(m, 3, 0.5, 1)];
    const out = outputsOf(device, n, capacity);
    ops.planSparsify(device, {
      kernel: tensorOf(device, kernel, [n, m], dtype),
      rowScale: vector(device, u),
      columnScale: vector(device, v),
      ...out,
      ...rule,
    });
    const plan = kernel.map((x, k) => u[Math.floor(k / m)]! * x * v[k % m]!);
    const sane = plan.map((x) => (x > 0 && x < Infinity ? x : 0));
    const { entries, threshold } = reference(sane, m, { ...rule, capacity });
    expectSame(await valuesOf(out.statistics), [entries.length, threshold]);
    const starts = Array.from({ length: n + 1 }, (_, i) => entries.filter(({ row }) => row < i).length);
    const fits = entries.length <= capacity;
    expectSame(await valuesOf(out.starts), fits ? starts : starts.map(() => 0));
    const written = fits ? entries : [];
    const rest = capacity - written.length;
    expectSame(await valuesOf(out.columns), [...written.map(({ column }) => column), ...Array(rest).fill(-1)]);
    expectSame(await valuesOf(out.values), [...written.map(({ value }) => value), ...Array(rest).fill(NaN)]);
    return entries.length;
  };

  describe.each(['f32', 'f64'] as const)('of a kernel in %s', (dtype) => {
    // Numbers over many powers of two, with ties and what is no entry.
    const kernelOf = (size: number) =>
      numbers(size, 1, -20, 0).map(
        (x, k) => [0, -1, NaN, Infinity][k % 23] ?? 2 ** (k % 5 === 0 ? Math.round(x) : Math.fround(x)),
      );
    const kernels = (size: number) => kernelOf(size).map((x) => (dtype === 'f32' ? Math.fround(x) : x));

    it.each(transportShapes)('agrees with the reference on %i rows of %i columns', async (n, m) => {
      const kernel = kernels(n * m);
      const capacity = n * m + n + m;
      for (const delta of [0, 1e-4 * n, 0.05 * n, 1e3 * n]) await run({ kernel, n, m, dtype, capacity, delta });
      await run({ kernel, n, m, dtype, capacity, threshold: 0.01 });
    });

    it('keeps what fits, and nothing where the largest of rows and columns do not', async () => {
      const [n, m] = [40, 50];
      const kernel = kernels(n * m);
      const count = await run({ kernel, n, m, dtype, capacity: 390, delta: 1e-9 });
      expect(count).toBeLessThanOrEqual(390);
      expect(await run({ kernel, n, m, dtype, capacity: 10, delta: 1e-9 })).toBeGreaterThan(10);
      expect(await run({ kernel, n, m, dtype, capacity: 0, threshold: 0.1 })).toBeGreaterThan(0);
    });

    it('leaves out no more than delta, and no largest entry of a row or column', async () => {
      const [n, m, delta] = [40, 50, 0.01];
      const plan = numbers(n * m, 7, 0, 1, dtype).map((x) => x ** 8).map((x) => (dtype === 'f32' ? Math.fround(x) : x)); // biome-ignore format: one line
      const one = (size: number) => vector(device, new Float64Array(size).fill(1));
      const out = outputsOf(device, n, n * m);
      const kernel = tensorOf(device, plan, [n, m], dtype);
      ops.planSparsify(device, { kernel, rowScale: one(n), columnScale: one(m), ...out, delta });
      const [starts, columns, values] = [
        await valuesOf(out.starts),
        await valuesOf(out.columns),
        await valuesOf(out.values),
      ];
      const kept = new Float64Array(n * m);
      for (let i = 0; i < n; i++)
        for (let at = starts[i]!; at < starts[i + 1]!; at++) {
          if (at > starts[i]!) expect(columns[at]).toBeGreaterThan(columns[at - 1]!);
          kept[i * m + columns[at]!] = values[at]!;
        }
      const left = plan.filter((_, k) => kept[k] === 0);
      expect([left.length > n, left.length < n * m - n]).toEqual([true, true]);
      expect(left.reduce((sum, x) => sum + x, 0)).toBeLessThanOrEqual(delta);
      expect(kept.filter((x, k) => x !== 0 && x !== plan[k])).toEqual(new Float64Array(0));
      const largestOf = (count: number, entry: (k: number) => number) =>
        Math.max(...Array.from({ length: count }, (_, k) => entry(k)));
      for (let i = 0; i < n; i++)
        expect(largestOf(m, (j) => kept[i * m + j]!)).toBe(largestOf(m, (j) => plan[i * m + j]!));
      for (let j = 0; j < m; j++)
        expect(largestOf(n, (i) => kept[i * m + j]!)).toBe(largestOf(n, (i) => plan[i * m + j]!));
    });

    it('keeps the first of equal largest entries', async () => {
      const kernel = new Float64Array(600).fill(1);
      expect(await run({ kernel, n: 20, m: 30, dtype, capacity: 90, delta: 1e9 })).toBeLessThan(90);
    });
  });
});

const valid = (device: Device) => ({
  kernel: Tensor.zeros(device, [3, 2]),
  rowScale: empty(device, 3),
  columnScale: empty(device, 2),
  ...outputsOf(device, 3, 6),
});
describe.each(onlyCpu)('planSparsify', () => {
  refusesWrongFields('planSparsify', valid);
  refuses('planSparsify', valid, (device) => [
    [{ kernel: empty(device, 3) }, 'ERR_SHAPE', 'planSparsify: kernel must be a matrix, got f64[3]'],
    [
      { kernel: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'planSparsify: kernel must be f32 or f64, got f16[3, 2]',
    ],
    [
      { rowScale: empty(device, 2) },
      'ERR_SHAPE',
      'planSparsify: rowScale must be f64 with one element a row, got f64[2] for 3',
    ],
    [
      { columnScale: empty(device, 3) },
      'ERR_SHAPE',
      'planSparsify: columnScale must be f64 with one element a column, got f64[3] for 2',
    ],
    [
      { starts: Tensor.zeros(device, [3], { dtype: 'i32' }) },
      'ERR_SHAPE',
      'planSparsify: starts must be i32 with one element a row and one more, got i32[3] for 4',
    ],
    [{ columns: empty(device, 6) }, 'ERR_DTYPE', 'planSparsify: columns must be i32, got f64[6]'],
    [
      { columns: Tensor.zeros(device, [3, 2], { dtype: 'i32' }) },
      'ERR_SHAPE',
      'planSparsify: columns must have rank 1 and fewer than 2^31 elements, got i32[3, 2]',
    ],
    [
      { values: empty(device, 5) },
      'ERR_SHAPE',
      'planSparsify: values must be f64 with one element for each of columns, got f64[5] for 6',
    ],
    [{ statistics: empty(device, 3) }, 'ERR_SHAPE', 'planSparsify: statistics must be f64[2], got f64[3]'],
    [{ delta: -1 }, 'ERR_ARGUMENT', 'planSparsify: delta must not be negative, got -1'],
    [{ threshold: -1 }, 'ERR_ARGUMENT', 'planSparsify: threshold must not be negative, got -1'],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const { starts, columns, values, statistics } = outputsOf(device, 600, 40000);
      values.write(new Float64Array(40000));
      ops.planSparsify(device, {
        kernel: tensorOf(device, numbers(600 * 300, 1), [600, 300]),
        rowScale: vector(device, numbers(600, 2)),
        columnScale: vector(device, numbers(300, 3)),
        ...{ starts, columns, values, statistics },
        delta: 1000,
      });
      return [starts, columns, values, statistics];
    }));
});
