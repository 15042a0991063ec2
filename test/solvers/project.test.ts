// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { project } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

const errorOf = async (call: Promise<unknown>): Promise<{ code: string; message: string }> => {
  const { code, message } = (await call.catch((error) => error)) as { code: string; message: string };
  return { code, message };
};

describe.each(devices)('projections on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const vector = (values: ArrayLike<number>, dtype: 'f32' | 'f64' | 'bf16' = 'f64') =>
    tensorOf(device, values, [values.length], dtype);
  const matrix = (values: ArrayLike<number>, columns: number, dtype: 'f32' | 'f64' = 'f64') =>
    tensorOf(device, values, [values.length / columns, columns], dtype);
  async function expectNear(x: Tensor, expected: readonly number[], most = 1e-12): Promise<void> {
    const values = await valuesOf(x);
    expect(values).toHaveLength(expected.length);
    for (const [i, value] of values.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(most);
  }

  it('take a vector or each row of a matrix, in place', async () => {
    const { live: before } = await settledMemory(device);
    for (const make of [(values: number[]) => vector(values), (values: number[]) => matrix(values, values.length)]) {
      const cases: [(x: Tensor) => void, number[], number[]][] = [
        [(x) => project.simplex(x), [2, 0, -1], [1, 0, 0]],
        [(x) => project.simplex(x, 6), [1, 1, 1], [2, 2, 2]],
        [(x) => project.l1Ball(x, 1), [-3, 2], [-1, 0]],
        [(x) => project.ball(x, 1), [3, 4], [0.6, 0.8]],
        [(x) => project.box(x, -1, 2), [-5, 0, 5], [-1, 0, 2]],
        [(x) => project.box(x, -Infinity, 0), [-5, 1], [-5, 0]],
      ];
      for (const [run, start, expected] of cases) {
        using x = make(start);
        run(x);
        await expectNear(x, expected);
      }
      using x = make([3, 4]);
      using a = vector([1, 0]);
      project.halfspace(x, a, 1);
      await expectNear(x, [1, 4]);
    }
    using rows = matrix([3, 4, 0.3, 0.4, 0, 0], 2);
    project.ball(rows, 1);
    await expectNear(rows, [0.6, 0.8, 0.3, 0.4, 0, 0]);
    using half = vector([3, 4], 'bf16');
    project.ball(half, 10);
    project.simplex(half);
    expect(await valuesOf(half)).toEqual(Float64Array.of(0, 1));
    rows.dispose();
    half.dispose();
    expect(device.info.memory.live).toBe(before);
  });

  it('take tensors of one element and of none', async () => {
    const one = vector([7]);
    project.simplex(one, 2);
    await expectNear(one, [2]);
    project.l1Ball(one, 1);
    project.ball(one, 0.5);
    project.halfspace(one, vector([2]), 0.5);
    await expectNear(one, [0.25]);
    await project.affine(one, matrix([2], 1), vector([6]));
    await expectNear(one, [3]);
    for (const empty of [Tensor.zeros(device, [0]), Tensor.zeros(device, [0, 3])]) {
      project.ball(empty, 1);
      project.box(empty, 0, 1);
    }
  });

  it('onto the solutions of a system: nearest, to rounding, for one point and many', async () => {
    for (const [m, n, scale] of [[1, 1, 1], [1, 5, 1], [3, 3, 1], [4, 30, 1e-6], [4, 30, 1e6]] as const) {
      const a = normal(m * n, 5, scale);
      const b = normal(m, 6, scale);
      const start = normal(2 * n, 7);
      const x = matrix(start, n);
      using set = await project.AffineSet.of(matrix(a, n), vector(b));
      set.project(x);
      const y = await valuesOf(x);
      for (let row = 0; row < 2; ++row) {
        const point = y.subarray(row * n, (row + 1) * n);
        for (let i = 0; i < m; ++i) {
          const own = a.subarray(i * n, (i + 1) * n);
          const rest = own.reduce((sum, value, j) => sum + value * point[j]!, 0) - b[i]!;
          expect(Math.abs(rest)).toBeLessThan(1e-13 * scale * n);
        }
      }
      // Points of the set stay, and all between x and its nearest point have the same one.
      using back = matrix(y, n);
      set.project(back);
      await expectNear(back, [...y], 1e-12);
      const middle = matrix(y.map((value, i) => (value + start[i]!) / 2), n); // biome-ignore format: one line
      set.project(middle);
      await expectNear(middle, [...y], 1e-11);
    } // biome-ignore format: a list
    const single = tensorOf(device, [1, 2, 3], [3]);
    await project.affine(single, tensorOf(device, [1, 1, 1], [1, 3]), tensorOf(device, [3], [1]));
    await expectNear(single, [0, 1, 2], 1e-6);
  });

  it('onto the solutions of a system whose rows have very different units', async () => {
    const first = [1, 2, 3, 0];
    const second = [0, 1, -1, 2];
    const times = (scale: number, row: readonly number[]): number[] => row.map((value) => scale * value);
    const dot = (x: readonly number[], y: ArrayLike<number>): number => x.reduce((sum, v, j) => sum + v * y[j]!, 0);
    for (const dtype of ['f64', 'f32'] as const) {
      const rounding = dtype === 'f64' ? 1e-15 : 1e-6;
      for (const [small, large] of [[1e-8, 1e8], [1e8, 1e-8], [1e-30, 1e30]] as const) {
        const a = matrix([...times(small, first), ...times(large, second)], 4, dtype);
        const x = vector([1, -1, 2, 0.5], dtype);
        await project.affine(x, a, vector([3 * small, -2 * large], dtype));
        const y = await valuesOf(x);
        expect(Math.abs(dot(first, y) - 3)).toBeLessThan(30 * rounding);
        expect(Math.abs(dot(second, y) + 2)).toBeLessThan(30 * rounding);
        const twice = matrix([...times(small, first), ...times(large / 3, first)], 4, dtype);
        const refused = await errorOf(project.affine(x, twice, vector([1, 1], dtype)));
        expect(refused.message).toContain('got row 1 that is a combination of those before it');
      }
    } // biome-ignore format: a list
  });

  it('onto several sets at once: the nearest common point, not just any', async () => {
    // Alternating projections from (2, 2) end elsewhere than Dykstra's, at the nearest point of the quarter disc.
    const x = vector([3, -1]);
    const result = await project.dykstra(x, [(y) => project.ball(y, 1), (y) => project.box(y, 0, 5)], { tol: 1e-12 });
    expect(result.status).toBe('converged');
    await expectNear(x, [1, 0], 1e-10);
    const wedge = vector([0, 3]);
    const sets = [[1, 1], [-1, 2]].map((a) => vector(a)); // biome-ignore format: one line
    const told: number[] = [];
    const end = await project.dykstra(wedge, sets.map((a) => (y: Tensor) => project.halfspace(y, a, 0)), {
      tol: 1e-12,
      onProgress: ({ iterations }) => told.push(iterations),
    }); // biome-ignore format: a call
    expect(end.status).toBe('converged');
    expect(told).toHaveLength(end.iterations);
    // Nearer to 0 is no reason to go on where that is the answer.
    const line = (angle: number): Tensor => vector([Math.sin(angle), -Math.cos(angle)]);
    const through = [0, 0.3].flatMap((angle) => [line(angle), line(angle + Math.PI)]);
    const passes = async (tol: number): Promise<number> => {
      const point = vector([1, 2]);
      const sets = through.map((a) => (y: Tensor) => project.halfspace(y, a, 0));
      return (await project.dykstra(point, sets, { tol })).iterations;
    };
    expect(await passes(1e-2)).toBeLessThan((await passes(1e-8)) / 2);
    await expectNear(wedge, [0, 0], 1e-9);
    const one = vector([0.5]);
    const alone = await project.dykstra(one, [(y) => project.box(y, 0, 1)]);
    expect(alone).toMatchObject({ status: 'converged' });
    await expectNear(one, [0.5]);
    const apart = vector([0]);
    const never = [(y: Tensor) => project.box(y, 1, 2), (y: Tensor) => project.box(y, -2, -1)];
    expect((await project.dykstra(apart, never, { maxIterations: 20 })).status).toBe('max-iterations');
  });

  it('refuse what does not fit', async () => {
    const x = vector([1, 2]);
    const cube = Tensor.zeros(device, [2, 2, 2]);
    const cases: [() => void, string, string][] = [
      [() => project.ball(x, -1), 'ERR_ARGUMENT', 'project.ball: radius must be finite and not negative, got -1'],
      [() => project.l1Ball(x, NaN), 'ERR_ARGUMENT', 'project.l1Ball: radius must be finite and not negative, got NaN'],
      [() => project.simplex(x, Infinity), 'ERR_ARGUMENT', 'project.simplex: total must be finite and not negative, got Infinity'],
      [() => project.simplex(cube), 'ERR_SHAPE', 'project.simplex: x must be a vector or a matrix, got [2,2,2]'],
      [() => project.simplex(x.cast('i32')), 'ERR_DTYPE', 'project.simplex: x must be floating, got i32'],
      [() => project.simplex(3 as never), 'ERR_ARGUMENT', 'project.simplex: x must be a Tensor, got 3'],
      [() => project.halfspace(x, vector([1]), 0), 'ERR_SHAPE', 'project.halfspace: a must have shape [2], got [1]'],
      [() => project.halfspace(x, vector([1, 1], 'f32'), 0), 'ERR_DTYPE', 'project.halfspace: a must be f64, got f32'],
      [() => project.halfspace(x, x.copy(), Infinity), 'ERR_ARGUMENT', 'project.halfspace: b must be a finite number, got Infinity'],
      [() => project.box(x, 2, 1), 'ERR_ARGUMENT', 'project.box: lower must be at most upper, got 2 and 1'],
      [() => project.box(x, NaN, 1), 'ERR_ARGUMENT', 'project.box: lower must be a number or a tensor, got NaN'],
    ]; // biome-ignore format: a line each
    for (const [call, code, message] of cases) expect(thrownBy(call)).toEqual({ code, message });
    const later: [() => Promise<unknown>, string, string][] = [
      [() => project.affine(x, matrix([1, 1, 2, 2], 2), vector([1, 2])), 'ERR_ARGUMENT', 'project.affine: a must have linearly independent rows, got row 1 that is a combination of those before it'],
      [() => project.affine(x, matrix([0, 0], 2), vector([1])), 'ERR_ARGUMENT', 'project.affine: a must have linearly independent rows, got row 0 that is a combination of those before it'],
      [() => project.affine(x, matrix([NaN, 0], 2), vector([1])), 'ERR_ARGUMENT', 'project.affine: a and b must be finite, got NaN or infinity'],
      [() => project.affine(x, matrix([1, 0, 0, 1, 1, 1], 2), vector([1, 1, 1])), 'ERR_SHAPE', 'project.affine: a must have at most as many rows as columns, got [3,2]'],
      [() => project.affine(x, matrix([1, 1, 1], 3), vector([1])), 'ERR_SHAPE', 'project.affine: x must have shape [3], got [2]'],
      [() => project.affine(x, matrix([1, 1], 2), vector([1, 1])), 'ERR_SHAPE', 'project.affine: b must have shape [1], got [2]'],
      [() => project.dykstra(x, []), 'ERR_ARGUMENT', 'project.dykstra: projections must be a list of functions, got a list'],
      [() => project.dykstra(x, [() => {}], { tol: -1 }), 'ERR_ARGUMENT', 'project.dykstra: tol must be finite and not negative, got -1'],
      [() => project.dykstra(x, [() => { throw new Error('no luck'); }]), 'ERR_ARGUMENT', 'project.dykstra: projections[0] has failed: no luck'],
      [() => project.dykstra(x, [(y) => y.write(Float64Array.of(1, NaN))]), 'ERR_ARGUMENT', 'project.dykstra: projections[0] must give numbers, got NaN'],
    ]; // biome-ignore format: a line each
    for (const [call, code, message] of later) expect(await errorOf(call())).toEqual({ code, message });
    expect(await valuesOf(x)).toEqual(Float64Array.of(1, 2));
    const set = await project.AffineSet.of(matrix([1, 1], 2), vector([1]));
    set.dispose();
    expect(thrownBy(() => set.project(x))).toEqual({ code: 'ERR_DISPOSED', message: 'project.AffineSet.project: the set has been disposed' }); // biome-ignore format: one line
  });

  it('leave nothing behind', async () => {
    using x = vector([1, 2]);
    using a = matrix([1, 1], 2);
    using b = vector([1]);
    const { live: before } = await settledMemory(device);
    await project.affine(x, a, b);
    await project.dykstra(x, [(y) => project.ball(y, 1), (y) => project.box(y, 0, 1)]);
    await expect(project.affine(x, a, x)).rejects.toThrow();
    expect(device.info.memory.live).toBe(before);
  });
});
