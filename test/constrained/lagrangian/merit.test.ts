// Devices: cpu, cuda
// Values: differences of the merit function, and residuals of systems multiplied out on the host.
import { afterAll, describe, expect, it } from 'vitest';
import { Geometry, systemOf } from '../../../lib/constrained/lagrangian/geometry.ts';
import { MeritSlope, meritOf } from '../../../lib/constrained/lagrangian/merit.ts';
import { Calls } from '../../../lib/constrained/lagrangian/problem.ts';
import { SketchedSystem, unitsOf } from '../../../lib/constrained/lagrangian/sketch.ts';
import { Owned } from '../../../lib/core/owned.ts';
import { Task } from '../../../lib/core/task.ts';
import * as vectors from '../../../lib/core/vectors.ts';
import { Device, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { circle, hs6, hs7, hs28 } from './problems.ts';

describe.each(devices)('the merit function of AdaSketch–Newton on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    ['circle', circle],
    ['problem 6', hs6],
    ['problem 7', hs7],
    ['problem 28', hs28],
  ] as const)('has the slope of its differences along steps: %s', async (_, problem) => {
    const { variables: n, constraints: m } = problem;
    using task = new Task<never>(device);
    using geometry = new Geometry(device, n, m);
    using owned = new Owned<Tensor>();
    const calls = new Calls('test', task, problem);
    const [x, lambda] = [normal(n, 1), normal(m, 2)];
    const [dx, dl] = [normal(n, 3), normal(m, 4)];
    const step = [Tensor.from(device, dx, [n]), Tensor.from(device, dl, [m])] as const;
    const merit = new MeritSlope(device, geometry, ...step, owned);
    for (const weights of [
      { eta1: 1, eta2: 0.1 },
      { eta1: 40, eta2: 3 },
    ]) {
      const valueAt = async (shift: number): Promise<number> => {
        const moved = x.map((value, i) => value + shift * dx[i]!);
        const multipliers = lambda.map((value, i) => value + shift * dl[i]!);
        const point = (await calls.at(moved, multipliers, true))!;
        return meritOf(point, await geometry.enter(task, point), weights);
      };
      const h = 1e-3;
      const difference = (8 * ((await valueAt(h)) - (await valueAt(-h))) - ((await valueAt(2 * h)) - (await valueAt(-2 * h)))) / (12 * h); // biome-ignore format: one line
      const point = (await calls.at(x, lambda, true))!;
      const lengths = await geometry.enter(task, point);
      await geometry.bend(task, lengths, await calls.hessian(point));
      merit.begin(task.queue);
      const products = new Tensor(device, [5], 'f64');
      vectors.dots(task.queue, merit.along, products);
      const slope = merit.of((await products.read()) as Float64Array, weights);
      expect(Math.abs(slope / difference - 1)).toBeLessThan(1e-8);
    }
  });

  it.each(onlyCpu.length > 0 ? (['direct', 'block', 'gaussian', 'kaczmarz'] as const) : (['direct'] as const))(
    'leaves of a system what is asked for, in the units of the caller: %s',
    async (sketch) => {
      const [n, m] = [5, 2];
      const half = normal(n * n, 5);
      const units = [1e3, 1, 1, 1e-2, 1];
      const hessian = Float64Array.from({ length: n * n }, (_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        return (0.2 * (half[i * n + j]! + half[j * n + i]!) + (i === j ? 3 : 0)) * Math.sqrt(units[i]! * units[j]!);
      });
      const jacobian = normal(m * n, 6);
      const matrix = systemOf(hessian, jacobian, n, 0);
      const b = normal(n + m, 7);
      using task = new Task<never>(device);
      using owned = new Owned<Tensor>();
      let stream = 0;
      const random = () => ({ seed: 1, stream: stream++ });
      const system = new SketchedSystem(device, sketch, sketch === 'gaussian' ? 1 : 3, n + m, 0, random, owned);
      await system.begin(task, matrix, b, () => unitsOf(hessian, 0, jacobian, n));
      const size = Math.sqrt(matrix.reduce((sum, x) => sum + x * x, 0));
      for (const wanted of [1e-2, 1e-6]) {
        const { z, residual, end } = await system.reach(task, wanted, size, 200_000, []);
        expect(end).toBe('accurate');
        expect(residual).toBeLessThanOrEqual(wanted);
        const left = b.map((value, i) => z.reduce((sum, one, j) => sum + matrix[i * (n + m) + j]! * one, -value));
        expect(Math.hypot(...left)).toBeLessThanOrEqual(1.001 * wanted + 1e-12);
      }
    },
  );
});
