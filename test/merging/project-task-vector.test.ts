// Devices: cpu, cuda
// Source: formula of the authors' program "full singular vectors, in plain loops over doubles"
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { svd } from '../../lib/linalg/index.ts';
import { projectTaskVector } from '../../lib/merging/index.ts';
import { uniform } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { cleaned, full, fullSvd, inner, type Matrix, product, transposed, turnOf } from './opcm.ts';

vi.mock('../../lib/linalg/index.ts', async (original) => {
  const all = await original<typeof import('../../lib/linalg/index.ts')>();
  return { ...all, svd: vi.fn(all.svd) as unknown as typeof all.svd };
});

const random = (rows: number, columns: number, seed: number): Matrix => {
  const next = uniform(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => 2 * next() - 1));
};
const flat = (x: Matrix): Float64Array => Float64Array.from(x.flat());
const rowsOf = (x: ArrayLike<number>, columns: number): Matrix =>
  Array.from({ length: x.length / columns }, (_, i) => Array.from(x).slice(i * columns, (i + 1) * columns));
const norm = (x: Matrix): number => Math.sqrt(inner(x, x));

describe.each(devices)('projectTaskVector on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (x: Matrix, dtype: 'f32' | 'f64') =>
    Tensor.from(device, dtype === 'f64' ? flat(x) : Float32Array.from(flat(x)), [x.length, x[0]!.length]);
  const project = async (previous: Matrix, task: Matrix, dtype: 'f32' | 'f64', alpha?: number) => {
    const { clean, rank } = await projectTaskVector(tensor(previous, dtype), tensor(task, dtype), { alpha });
    return { clean: rowsOf(await clean.read(), task[0]!.length), rank };
  };

  const farthest = (x: Matrix, y: Matrix): number =>
    Math.max(...x.flatMap((row, i) => row.map((value, j) => Math.abs(value - y[i]![j]!))));

  describe.each([
    ['f64', 2 ** -53],
    ['f32', 2 ** -24],
  ] as const)('in %s', (dtype, unit) => {
    describe.each([
      [24, 16],
      [16, 24],
      [17, 17],
      [1, 5],
      [5, 1],
      [1, 1],
    ])('[%d, %d]', (rows, columns) => {
      const [previous, task] = [random(rows, columns, 1), random(rows, columns, 2)];
      const stored = rowsOf(dtype === 'f64' ? flat(previous) : Float32Array.from(flat(previous)), columns);

      it("is the authors' formula with the thin singular vectors made full", async () => {
        const { u, s, v } = await svd(tensor(previous, dtype));
        const width = s.shape[0]!;
        const own = full({
          u: transposed(rowsOf(await u.read(), width)),
          s: Array.from(await s.read()),
          v: transposed(rowsOf(await v.read(), width)),
        });
        for (const alpha of [0, 0.5, 0.9]) {
          const { clean, rank } = await project(previous, task, dtype, alpha);
          const expected = cleaned(own, task, alpha);
          expect(rank).toBe(expected.rank);
          expect(farthest(clean, expected.clean)).toBeLessThan(8 * width * unit * norm(task));
        }
      });

      it('is that with singular vectors of another program, as far as rounding determines them', async () => {
        const own = fullSvd(stored);
        for (const alpha of [0, 0.5, 0.9]) {
          const { clean, rank } = await project(previous, task, dtype, alpha);
          const expected = cleaned(own, task, alpha);
          expect(rank).toBe(expected.rank);
          // Vectors of both sides, each twice in a term.
          expect(farthest(clean, expected.clean)).toBeLessThan(4 * turnOf(own, unit) * norm(task));
        }
      });
    });

    it('gives what is orthogonal to the previous, and nothing within the protected directions', async () => {
      const [previous, task] = [random(48, 32, 3), random(48, 32, 4)];
      const { clean, rank } = await project(previous, task, dtype);
      expect(Math.abs(inner(clean, previous)) / (norm(clean) * norm(previous))).toBeLessThan(16 * unit);
      expect(rank).toBeGreaterThan(0);
      const { u, v } = await svd(tensor(previous, dtype));
      const [left, right] = [rowsOf(await u.read(), 32), rowsOf(await v.read(), 32)];
      const chosen = (x: Matrix): Matrix => x.map((row) => row.slice(0, rank));
      const within = product(product(transposed(chosen(left)), clean), chosen(right));
      expect(norm(within) / norm(task)).toBeLessThan(dtype === 'f32' ? 1e-6 : 2e-15);
    });

    it('leaves next to nothing of the previous itself', async () => {
      const previous = random(40, 24, 5);
      const { clean } = await project(previous, previous, dtype);
      expect(norm(clean)).toBeLessThan(1e-5 * norm(previous));
    });

    it.each([0.9, 7])(
      'leaves next to nothing of it where its singular values are %d times what is cut off',
      async (t) => {
        const size = 64;
        // I − 2·v·vᵀ/|v|², symmetric and orthogonal.
        const reflection = (seed: number): Matrix => {
          const v = random(1, size, seed)[0]!;
          const square = inner([v], [v]);
          return v.map((x, i) => v.map((y, j) => (i === j ? 1 : 0) - (2 * x * y) / square));
        };
        const tail = t * Math.sqrt(size) * 2 * unit;
        const scaled = reflection(10).map((row) => row.map((x, j) => (j === 0 ? x : tail * x)));
        const previous = product(scaled, reflection(11));
        const { clean } = await project(previous, previous, dtype);
        expect(norm(clean)).toBeLessThan(1e-5 * norm(previous));
      },
    );
  });

  it('leaves all of a task vector where nothing was before, and what lies in other directions', async () => {
    const task = random(6, 4, 6);
    const zero = task.map((row) => row.map(() => 0));
    vi.mocked(svd).mockClear();
    expect(await project(zero, task, 'f64')).toEqual({ clean: task, rank: 0 });
    // Matrices of zeros take the longest.
    expect(svd).not.toHaveBeenCalled();
    // Rank 1: of the basis of the other directions nothing is known, and nothing is taken.
    const previous = product([[1], [0], [0], [0], [0], [0]], [[2, 0, 0, 0]]);
    const { clean, rank } = await project(previous, task, 'f64', 0);
    expect(rank).toBe(0);
    const expected = task.map((row, i) => row.map((x, j) => (i === 0 && j === 0 ? 0 : x)));
    for (const [i, row] of clean.entries())
      for (const [j, x] of row.entries()) expect(Math.abs(x - expected[i]![j]!)).toBeLessThan(1e-15);
  });

  it('does not depend on the size of either', async () => {
    const [previous, task] = [random(8, 6, 7), random(8, 6, 8)];
    const one = await project(previous, task, 'f32');
    for (const factor of [1e-30, 1e30]) {
      const scaled = (x: Matrix): Matrix => x.map((row) => row.map((value) => value * factor));
      const { clean, rank } = await project(scaled(previous), scaled(task), 'f32');
      expect(rank).toBe(one.rank);
      for (const [i, row] of clean.entries())
        for (const [j, x] of row.entries()) expect(x / factor).toBeCloseTo(one.clean[i]![j]!, 5);
    }
  });

  it('takes matrices without elements', async () => {
    const empty = Tensor.zeros(device, [0, 3]);
    expect((await projectTaskVector(empty, empty)).clean.shape).toEqual([0, 3]);
  });

  it.each([NaN, Infinity])('refuses %s by name', async (bad) => {
    const good = tensor([[1, 2]], 'f64');
    const wrong = tensor([[bad, 2]], 'f64');
    await expect(projectTaskVector(good, wrong)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('task must'),
    });
    await expect(projectTaskVector(wrong, good)).rejects.toMatchObject({
      message: expect.stringContaining('previous must'),
    });
    await expect(projectTaskVector(good, good, { alpha: 1 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
