// Devices: cpu, cuda
// Source: property "solves large systems"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { sparseNewtonStep as reference, solveDense } from '../../reference/sparse-newton-step.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { valuesOf } from '../../support/tensors.ts';
import { empty, numbers, vector } from '../../support/transport.ts';

/** A sparse plan with some entries a row, its exact sums enlarged by what was dropped, and masses near them. */
function problem(n: number, m: number, perRow: number) {
  const plan = new Float64Array(n * m);
  const next = numbers(2 * n * perRow, 1);
  for (let k = 0; k < n * perRow; k++)
    plan[Math.floor(k / perRow) * m + Math.floor(next[2 * k]! * m)] = next[2 * k + 1]!;
  for (let j = 0; j < m; j++) plan[(j % n) * m + j] = 0.5;
  const total = plan.reduce((a, b) => a + b, 0);
  for (let k = 0; k < n * m; k++) plan[k]! /= total;
  const dropped = numbers(n, 2, 0, 1e-3);
  const s = Float64Array.from({ length: n }, (_, i) => {
    return plan.subarray(i * m, (i + 1) * m).reduce((a, b) => a + b, 0) + dropped[i]! / n;
  });
  const c = Float64Array.from({ length: m }, (_, j) => {
    let sum = dropped.reduce((a, b) => a + b, 0) / n / m;
    for (let i = 0; i < n; i++) sum += plan[i * m + j]!;
    return sum;
  });
  const r = s.map((x, i) => x * (1 + 0.1 * Math.sin(i)));
  const mass = (x: Float64Array) => x.reduce((a, b) => a + b, 0);
  return { plan, r: r.map((x) => (x * mass(s)) / mass(r)), s, c };
}

/** As many entries in each row, and masses that are a half more than the sums. */
function largeProblem(n: number, m: number, perRow: number) {
  const count = n * perRow;
  const values = numbers(count, 1, 0.1, 1);
  const starts = Int32Array.from({ length: n + 1 }, (_, i) => i * perRow);
  const columns = Int32Array.from({ length: count }, (_, k) => (7 * k + (k % perRow) * 101) % m);
  const [r, c] = [new Float64Array(n), new Float64Array(m)];
  for (let k = 0; k < count; k++) {
    r[Math.floor(k / perRow)]! += 1.5 * values[k]!;
    c[columns[k]!]! += 1.5 * values[k]!;
  }
  return { starts, columns, values, r, c };
}

/** A dense plan in rows. */
function rowsOf(device: Device, plan: Float64Array, m: number) {
  const places = [...plan.keys()].filter((k) => plan[k] !== 0);
  const n = plan.length / m;
  const starts = Array.from({ length: n + 1 }, (_, i) => places.filter((k) => k < i * m).length);
  // Room behind the entries is not read.
  return {
    starts: Tensor.from(device, Int32Array.from(starts), [n + 1]),
    columns: Tensor.from(device, Int32Array.from([...places.map((k) => k % m), -7]), [places.length + 1]),
    values: vector(device, Float64Array.from([...places.map((k) => plan[k]!), NaN])),
  };
}

describe.each(devices)('sparseNewtonStep on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 1, 1],
    [3, 3, 2],
    [7, 40, 3],
    [40, 7, 3],
    [61, 65, 5],
  ])('agrees with elimination on %i rows and %i columns', async (n, m, perRow) => {
    const { plan, r, s, c } = problem(n, m, perRow);
    for (const shift of [1e-3, 1]) {
      const [step, statistics] = [empty(device, n), empty(device, 4)];
      const vectors = { rowMass: vector(device, r), rowSums: vector(device, s), columnMass: vector(device, c) };
      ops.sparseNewtonStep(device, { ...rowsOf(device, plan, m), ...vectors, step, statistics, shift, tol: 1e-13 });
      const expected = reference(plan, r, s, c, shift);
      expectClose(await valuesOf(step), expected.step, { dtype: 'f64', ulps: 1e6, magnitude: largest(expected.step) });
      const [iterations, gain, size, entries] = await valuesOf(statistics);
      expect(iterations).toBeLessThanOrEqual(n + 10);
      expect(gain).toBeCloseTo(expected.gain, 12);
      expect(size).toBeCloseTo(largest(expected.step), 9);
      expect(entries).toBe(plan.filter((x) => x !== 0).length);
    }
  });

  it('solves a plan without room for entries', async () => {
    const [r, s, c] = [[3, 5], [1, 2], [1, 1, 1]].map((values) => Float64Array.from(values)); // biome-ignore format: one line
    const none = { columns: Tensor.zeros(device, [0], { dtype: 'i32' }), values: vector(device, new Float64Array()) };
    const starts = Tensor.zeros(device, [3], { dtype: 'i32' });
    const [step, statistics] = [empty(device, 2), empty(device, 4)];
    const masses = { rowMass: vector(device, r!), rowSums: vector(device, s!), columnMass: vector(device, c!) };
    ops.sparseNewtonStep(device, { starts, ...none, ...masses, step, statistics, shift: 1, tol: 1e-13 });
    const expected = reference(new Float64Array(6), r!, s!, c!, 1);
    expectClose(await valuesOf(step), expected.step, { dtype: 'f64', ulps: 1e6, magnitude: largest(expected.step) });
    expect((await valuesOf(statistics))[3]).toBe(0);
  });

  it('solves for both sides', async () => {
    const [n, m] = [23, 31];
    const { plan, s, c } = problem(n, m, 4);
    const [rowRhs, columnRhs] = [numbers(n, 8, -1, 1), numbers(m, 9, -1, 1)];
    const [diagonal, right] = [s.map((x) => x + 0.01), c.map((x) => x + 0.01)];
    const [step, columnStep, statistics] = [empty(device, n), empty(device, m), empty(device, 4)];
    ops.sparseNewtonStep(device, {
      ...rowsOf(device, plan, m),
      rowMass: vector(device, diagonal),
      rowSums: vector(device, diagonal),
      columnMass: vector(device, right),
      rowRhs: vector(device, rowRhs),
      columnRhs: vector(device, columnRhs),
      ...{ step, columnStep, statistics },
      tol: 1e-13,
    });
    const size = n + m;
    const system = new Float64Array(size * size);
    for (let i = 0; i < n; i++) system[i * size + i] = diagonal[i]!;
    for (let j = 0; j < m; j++) system[(n + j) * size + n + j] = right[j]!;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++) system[i * size + n + j] = system[(n + j) * size + i] = plan[i * m + j]!;
    const expected = solveDense(system, Float64Array.from([...rowRhs, ...columnRhs]));
    const actual = [...(await valuesOf(step)), ...(await valuesOf(columnStep))];
    expectClose(actual, expected, { dtype: 'f64', ulps: 1e6, magnitude: largest(expected) });
  });

  it('solves large systems', async () => {
    const [n, m] = [3000, 2600];
    const { starts, columns, values, r, c } = largeProblem(n, m, 5);
    const [rowRhs, columnRhs] = [numbers(n, 8, -1, 1), numbers(m, 9, -1, 1)];
    const [step, columnStep, statistics] = [empty(device, n), empty(device, m), empty(device, 4)];
    ops.sparseNewtonStep(device, {
      starts: Tensor.from(device, starts, [n + 1]),
      columns: Tensor.from(device, columns, [columns.length]),
      values: vector(device, values),
      rowMass: vector(device, r),
      rowSums: vector(device, r),
      columnMass: vector(device, c),
      rowRhs: vector(device, rowRhs),
      columnRhs: vector(device, columnRhs),
      ...{ step, columnStep, statistics },
      tol: 1e-13,
    });
    const [d, e] = [await valuesOf(step), await valuesOf(columnStep)];
    // The residuals of both equations.
    const left = { rows: rowRhs.map((x, i) => x - r[i]! * d[i]!), columns: columnRhs.map((x, j) => x - c[j]! * e[j]!) };
    for (let i = 0; i < n; i++) {
      for (let k = starts[i]!; k < starts[i + 1]!; k++) {
        left.rows[i]! -= values[k]! * e[columns[k]!]!;
        left.columns[columns[k]!]! -= values[k]! * d[i]!;
      }
    }
    expect(largest(left.rows)).toBeLessThan(1e-11);
    expect(largest(left.columns)).toBeLessThan(1e-11);
    const [iterations, , size, entries] = await valuesOf(statistics);
    expect(iterations).toBeGreaterThan(3);
    expect(size).toBe(largest(d));
    expect(entries).toBe(5 * n);
  });

  it('stops early by tol and maxIterations, and gives rows without mass no step', async () => {
    const { plan, r, s, c } = problem(61, 65, 5);
    r[5] = s[5] = 0;
    plan.fill(0, 5 * 65, 6 * 65);
    const vectors = { rowMass: vector(device, r), rowSums: vector(device, s), columnMass: vector(device, c) };
    const counts = [];
    for (const rule of [{ tol: 1e-12 }, { tol: 0.1 }, { tol: 1e-12, maxIterations: 2 }]) {
      const [step, statistics] = [empty(device, 61), empty(device, 4)];
      ops.sparseNewtonStep(device, { ...rowsOf(device, plan, 65), ...vectors, step, statistics, shift: 0.01, ...rule });
      counts.push((await valuesOf(statistics))[0]!);
      expect((await valuesOf(step))[5]).toBe(0);
    }
    expect(counts[2]).toBe(2);
    expect(counts[1]).toBeLessThan(counts[0]!);
  });

  it.each([
    ['a column that does not exist', [0, 1, 2], [0, 9]],
    ['a negative column', [0, 1, 2], [-1, 0]],
    ['starts that fall', [0, 2, 1], [0, 0]],
    ['starts beyond the entries', [0, 1, 2_000_000], [0, 0]],
    ['starts that do not begin at 0', [-5, 1, 2], [0, 0]],
  ])('gives NaN for %s', async (_, starts, columns) => {
    const [step, statistics] = [empty(device, 2), empty(device, 4)];
    const ones = vector(device, Float64Array.of(1, 1));
    ops.sparseNewtonStep(device, {
      starts: Tensor.from(device, Int32Array.from(starts), [3]),
      columns: Tensor.from(device, Int32Array.from(columns), [2]),
      values: ones,
      rowMass: ones,
      rowSums: ones,
      columnMass: ones,
      step,
      statistics,
    });
    expect([...(await valuesOf(step)), ...(await valuesOf(statistics))]).toEqual(Array(6).fill(NaN));
  });
});

const valid = (device: Device) => ({
  starts: Tensor.zeros(device, [4], { dtype: 'i32' }),
  columns: Tensor.zeros(device, [6], { dtype: 'i32' }),
  values: empty(device, 6),
  rowMass: empty(device, 3),
  rowSums: empty(device, 3),
  columnMass: empty(device, 2),
  step: empty(device, 3),
  statistics: empty(device, 4),
});
describe.each(onlyCpu)('sparseNewtonStep', () => {
  refusesWrongFields('sparseNewtonStep', valid);
  refuses('sparseNewtonStep', valid, (device) => {
    const aRow = 'must be f64 with one element a row, got f64[2] for 3';
    return [
      [{ step: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'sparseNewtonStep: step must be an f64 vector, got f32[3]'],
      [
        { starts: Tensor.zeros(device, [3], { dtype: 'i32' }) },
        'ERR_SHAPE',
        'sparseNewtonStep: starts must be i32 with one element a row and one more, got i32[3] for 4',
      ],
      [{ columns: empty(device, 6) }, 'ERR_DTYPE', 'sparseNewtonStep: columns must be i32, got f64[6]'],
      [
        { columns: Tensor.zeros(device, [3, 2], { dtype: 'i32' }) },
        'ERR_SHAPE',
        'sparseNewtonStep: columns must have rank 1 and fewer than 2^31 elements, got i32[3, 2]',
      ],
      [
        { values: empty(device, 5) },
        'ERR_SHAPE',
        'sparseNewtonStep: values must be f64 with one element for each of columns, got f64[5] for 6',
      ],
      [{ rowMass: empty(device, 2) }, 'ERR_SHAPE', `sparseNewtonStep: rowMass ${aRow}`],
      [{ rowSums: empty(device, 2) }, 'ERR_SHAPE', `sparseNewtonStep: rowSums ${aRow}`],
      [
        { columnMass: Tensor.zeros(device, [2]) },
        'ERR_SHAPE',
        'sparseNewtonStep: columnMass must be an f64 vector, got f32[2]',
      ],
      [{ rowRhs: empty(device, 3) }, 'ERR_ARGUMENT', 'sparseNewtonStep: rowRhs, columnRhs and columnStep go together'],
      ...(
        [
          ['rowRhs', 'rowRhs must be f64 with one element a row, got f64[7] for 3'],
          ['columnRhs', 'columnRhs must be f64 with one element a column, got f64[7] for 2'],
          ['columnStep', 'columnStep must be f64 with one element a column, got f64[7] for 2'],
        ] as const
      ).map(([name, message]) => {
        const fits = { rowRhs: empty(device, 3), columnRhs: empty(device, 2), columnStep: empty(device, 2) };
        return [{ ...fits, [name]: empty(device, 7) }, 'ERR_SHAPE', `sparseNewtonStep: ${message}`] as const;
      }),
      [{ statistics: empty(device, 3) }, 'ERR_SHAPE', 'sparseNewtonStep: statistics must be f64[4], got f64[3]'],
      [{ shift: -1 }, 'ERR_ARGUMENT', 'sparseNewtonStep: shift must not be negative, got -1'],
      [{ tol: -1 }, 'ERR_ARGUMENT', 'sparseNewtonStep: tol must not be negative, got -1'],
      [{ maxIterations: 0 }, 'ERR_ARGUMENT', 'sparseNewtonStep: maxIterations must be 1 to 65536, got 0'],
    ];
  });

  it('gives the same bits on any number of threads', () => {
    const { plan, r, s, c } = problem(700, 300, 20);
    return expectSameBits((device) => {
      const [step, statistics] = [empty(device, 700), empty(device, 4)];
      const vectors = { rowMass: vector(device, r), rowSums: vector(device, s), columnMass: vector(device, c) };
      ops.sparseNewtonStep(device, { ...rowsOf(device, plan, 300), ...vectors, step, statistics, shift: 0.01 });
      return [step, statistics];
    });
  });
});
