// Devices: cpu
// Rules of the authors' programs that depart from their papers, in plain numbers beside the right ones, with
// which the method agrees.
import { afterAll, describe, expect, it } from 'vitest';
import { type BilevelOracle, BoRep, type ConstrainedBilevel, LvHba, Maid, MultiBlockBilevel } from '../../lib/bilevel/index.ts'; // biome-ignore format: one line
import { Device, ops, Tensor } from '../../lib/index.ts';
import { project } from '../../lib/solvers/index.ts';
import { onlyCpu } from '../support/devices.ts';
import {
  blocksOf,
  count,
  couplings,
  hessians,
  offsets,
  solved,
  targets,
  times,
  timesTransposed,
  upperAt,
} from './blocks.ts';
import { bounded } from './constrained.ts';
import { a, cosh, optimum as coshOptimum, valueAt as coshValueAt, lowerSolution } from './cosh.ts';
import { constants, gradientAt, leastSquares, optimum, solution } from './least-squares.ts';

const read = async (x: Tensor) => [...(await x.read())].map(Number);
const sum = (p: number, x: readonly number[], q: number, y: readonly number[]) =>
  x.map((value, i) => p * value + q * y[i]!);

describe.each(onlyCpu)("rules of the authors' programs, on %s", (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const number = (value: number) => Tensor.full(device, [1], value, { dtype: 'f64' });

  it('BO-REP: gradients that inner steps add up drive y away at a rate at which single ones lead it home', async () => {
    // Of the largest curvature L, a block of three single steps leaves (1 − 0.8)³ of an error; of sums 1.11 times it.
    let axis = [1, 1, 1, 1, 1];
    for (let k = 0; k < 200; ++k) axis = sum(1 / Math.hypot(...axis), times(a, axis), 0, axis);
    const lowerLr = 0.8 / Math.hypot(...times(a, axis.map((one) => one / Math.hypot(...axis)))); // biome-ignore format: one line
    const end = lowerSolution([3, 3, 3, 3, 3]);
    const distances = (isSummed: boolean): number => {
      let y = sum(1, end, 1, axis);
      for (let t = 0; t < 60; ++t) {
        let step = [0, 0, 0, 0, 0];
        for (let k = 0; k < 3; ++k) {
          const g = times(a, sum(1, y, -1, end));
          step = isSummed ? sum(1, step, 1, g) : g;
          y = sum(1, y, -lowerLr, step);
        }
      }
      return Math.hypot(...sum(1, y, -1, end));
    };
    expect(distances(true)).toBeGreaterThan(100);
    expect(distances(false)).toBeLessThan(1e-8);
    const oracle = cosh(device);
    oracle.y[0]!.write(Float64Array.from(sum(1, end, 1, axis)));
    const method = new BoRep(oracle, { lr: 0.1, lowerLr, nu: lowerLr });
    for (let t = 0; t < 1000; ++t) {
      method.lr = 0.1 / (1 + t / 100);
      await method.step();
    }
    const found = await read(oracle.x[0]!);
    expect(Math.hypot(...sum(1, await read(oracle.y[0]!), -1, lowerSolution(found)))).toBeLessThan(0.05);
    expect(coshValueAt(found) - coshOptimum.value).toBeLessThan(0.2);
  });

  it('BO-REP: a product at the y before the inner steps moves a z that solves its system', async () => {
    // g = y² / 2 + y⁴ / 4 − x y, f = (y + 1)² / 2: the hypergradient is z, and the Hessian 1 + 3 y².
    const [x, y, square] = [number(3), number(1), number(0)];
    const put = (out: Tensor, ...terms: readonly (readonly [number, Tensor])[]) =>
      ops.linearCombination(device, {
        out: [out],
        terms: terms.map(([, t]) => t),
        coefficients: terms.map(([c]) => c),
      });
    const oracle: BilevelOracle = {
      x: [x],
      y: [y],
      lowerGradientY([out]) {
        ops.multiply(device, { x: [y], y: [y], out: [square] });
        ops.multiply(device, { x: [square], y: [y], out: [square] });
        put(out!, [1, y], [1, square], [-1, x]);
      },
      lowerHessianYY([v], [out]) {
        ops.multiply(device, { x: [y], y: [y], out: [square] });
        ops.multiply(device, { x: [square], y: [v!], out: [square] });
        put(out!, [1, v!], [3, square]);
      },
      lowerJacobianXY: ([v], [out]) => put(out!, [-1, v!]),
      upperGradientX: ([out]) => ops.fill(device, { x: [out!], value: 0 }),
      upperGradientY([out]) {
        ops.fill(device, { x: [out!], value: 1 });
        put(out!, [1, out!], [1, y]);
      },
    };
    const nu = 0.1;
    const method = new BoRep(oracle, { lr: 1e-12, lowerLr: 0.05, nu, beta: 0, period: 1, innerSteps: 100 });
    for (let t = 0; t < 100; ++t) await method.step();
    const [end] = (await read(y)) as [number];
    const z = (end + 1) / (1 + 3 * end * end);
    y.write(Float64Array.of(3));
    const { hyperNorm } = await method.step();
    expect((await read(y))[0]).toBeCloseTo(end, 9);
    expect((await read(hyperNorm))[0]).toBeCloseTo(z, 9);
    const wrong = z - nu * ((1 + 3 * 3 * 3) * z - (end + 1));
    expect(Math.abs(wrong - z)).toBeGreaterThan(z);
  });

  /** The rule of many blocks with all of them in each step, after which |∇Φ| is told; `wrong` says how it departs. */
  function blockSlope(
    variant: 'v1' | 'v2',
    steps: number,
    { alpha, beta, lr, lowerLr }: typeof rates,
    wrong?: 'scales-up' | 'current-v',
  ): number {
    const bound = 10;
    const zeros = () => hessians.map(() => [0, 0, 0]);
    const scaledUp = (list: readonly number[]): number => {
      const size = Math.hypot(...list);
      return size > 0 && size < bound ? bound / size : 1;
    };
    let [x, xBefore, z] = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]; // biome-ignore format: one line
    let [y, yBefore, vBefore] = [zeros(), zeros(), zeros()];
    const [v, s, u] = [zeros(), zeros(), zeros()];
    for (let t = 0; t < steps; ++t) {
      const g = [[0, 0, 0, 0], [0, 0, 0, 0]]; // biome-ignore format: one line
      const vNow = v.map((row) => [...row]);
      for (const [i, A] of hessians.entries()) {
        const tracked = (old: number[], now: number[], before: number[]) =>
          t === 0 ? now : old.map((one, k) => (1 - alpha) * (one - before[k]!) + now[k]!);
        const lower = (at: number[], of: number[]) => sum(1, sum(1, times(A, of), -1, times(couplings[i]!, at)), -1, offsets[i]!); // biome-ignore format: one line
        const upper = (of: number[]) => sum(1, of, -1, targets[i]!);
        s[i] = tracked(s[i]!, lower(x, y[i]!), lower(xBefore, yBefore[i]!));
        const old = wrong === 'current-v' ? v[i]! : vBefore[i]!;
        const factor = wrong === 'scales-up' ? scaledUp(A.flat()) : 1;
        for (const [k, [at, of, w]] of (
          [
            [x, y[i]!, v[i]!],
            [xBefore, yBefore[i]!, old],
          ] as const
        ).entries()) {
          const r = variant === 'v1' ? solved(A, upper(of)).map((one) => one / factor) : w;
          g[k] = sum(1, g[k]!, 1 / count, sum(0.1, at, 1, timesTransposed(couplings[i]!, r)));
        }
        const residual = (of: number[], w: number[]) => sum(1, times(A, w), -1, upper(of));
        u[i] = tracked(u[i]!, residual(y[i]!, v[i]!), residual(yBefore[i]!, old));
        const next = sum(1, v[i]!, -lowerLr, u[i]!);
        v[i] = wrong === 'scales-up' ? sum(scaledUp(next), next, 0, next) : next;
      }
      z = t === 0 ? g[0]! : sum(1 - beta, sum(1, z, -1, g[1]!), 1, g[0]!);
      [vBefore, yBefore, xBefore] = [vNow, y, x];
      y = y.map((row, i) => sum(1, row, -lowerLr, s[i]!));
      x = sum(1, x, -lr, z);
    }
    return Math.hypot(...upperAt(x).gradient);
  }
  const rates = { alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1 };
  it.each([
    ['v1', 'scales-up', rates, 200],
    ['v2', 'scales-up', rates, 200],
    ['v2', 'current-v', { alpha: 0.05, beta: 0.5, lr: 0.05, lowerLr: 0.5 }, 100],
  ] as const)('many blocks, %s: a program that %s goes elsewhere', async (variant, wrong, given, steps) => {
    const blocks = blocksOf(device);
    using method = new MultiBlockBilevel(blocks, { variant, blocksPerStep: count, ...given, seed: 1 });
    for (let t = 0; t < steps; ++t) await method.step();
    const own = Math.hypot(...upperAt(await read(blocks.x)).gradient);
    // v1 keeps the Hessian of the step before, which is the same one here.
    expect(own / blockSlope(variant, steps, given)).toBeCloseTo(1, 6);
    expect(own).toBeLessThan(0.05);
    expect(blockSlope(variant, steps, given, wrong)).toBeGreaterThan(0.4);
  });

  it('LV-HBA: without the upper gradient of x, the clip of multipliers or a z that moves it ends elsewhere', async () => {
    const steps = { alpha: 0.05, beta: 0.05, eta: 0.05 };
    const plain = (most: number, wrong?: 'lost' | 'unclipped' | 'unmoved') => {
      let [x, y, theta, lambda, z] = [0, 0, 0, 0, 0];
      for (let k = 0; k < 3000; ++k) {
        const weight = (k + 1) ** -0.3;
        const nextTheta = theta - 0.05 * (theta - x + lambda + theta - y);
        const next = lambda - 0.05 * (-(theta - most) + lambda - z);
        const nextLambda = wrong === 'unclipped' ? next : Math.max(0, next);
        const dx = (wrong === 'lost' ? 0 : weight * (x - 2)) + (x - y) - (x - nextTheta);
        const dy = weight * (y - 3) + (y - x) - (y - nextTheta);
        if (wrong !== 'unmoved') z = Math.min(10, Math.max(0, z + 0.05 * (nextLambda - z)));
        [x, y] = [x - 0.05 * dx, Math.min(most, y - 0.05 * dy)];
        [theta, lambda] = [nextTheta, nextLambda];
      }
      return { x, y, lambda };
    };
    /** The toy with another bound of y; the optimum is (2, 1) for a bound of 1, and (2.5, 2.5) where it is far away. */
    const toy = (most: number): ConstrainedBilevel => {
      const problem = bounded(device);
      const limit = number(most);
      const value = (_x: Tensor, y: Tensor, out: Tensor) =>
        ops.linearCombination(device, { out: [out], terms: [y, limit], coefficients: [1, -1] });
      return { ...problem, constraint: { ...problem.constraint, value }, project: (_, y) => project.box(y, -Infinity, most) }; // biome-ignore format: one line
    };
    for (const [most, end] of [
      [1, 2],
      [5, 2.5],
    ] as const) {
      const problem = toy(most);
      using method = new LvHba(problem, { ...steps, bound: 10 });
      await method.init();
      for (let k = 0; k < 3000; ++k) await method.step();
      const [x] = (await read(problem.x)) as [number];
      const right = plain(most);
      expect(x).toBeCloseTo(right.x, 10);
      expect((await read(method.multipliers))[0]).toBeCloseTo(right.lambda, 10);
      // The weight of the upper function is still 0.09.
      expect(Math.abs(x - end)).toBeLessThan(0.05);
      expect(Math.abs(plain(most, 'lost').x - end)).toBeGreaterThan(0.45);
    }
    expect(Math.abs(plain(1, 'unmoved').x - 2)).toBeGreaterThan(0.7);
    expect(plain(5, 'unclipped').lambda).toBeLessThan(-1e10);
  });

  const { mu, lipschitz, B } = constants;
  const given = { mu, lipschitz, bounds: { B, LB: 0, LAinv: 0 }, step0: 0.01, gradTol: 1e-7 };
  const zeros = () => Tensor.zeros(device, [5, 1], { dtype: 'f64' });
  const at = (theta: readonly number[]) => Tensor.from(device, Float64Array.from(theta), [5, 1]);

  it('MAID: a system whose right side is small enough is solved by 0, and not by x', async () => {
    const problem = leastSquares(device);
    let [p, systems, x] = [[] as number[], 0, [] as number[]];
    const { jacobianTransposed, hessianProduct } = problem.lower;
    const watched = {
      ...problem,
      lower: {
        ...problem.lower,
        hessianProduct: (...args: Parameters<typeof hessianProduct>) => {
          systems += 1;
          return hessianProduct(...args);
        },
        jacobianTransposed: async (...args: Parameters<typeof jacobianTransposed>) => {
          await jacobianTransposed(...args);
          [x, p] = [await read(args[0]), await read(args[3])];
        },
      },
    };
    const [eps, delta] = [1e-3, 0.1];
    const options = { ...given, eps0: eps, delta0: delta, gradTol: 1, maxIterations: 1 };
    const { gradNorm, x: end } = await new Maid(watched, options).run(at(optimum.theta), zeros());
    end.dispose();
    const bound = (B / mu) * (constants.upper * eps + delta);
    const exact = gradientAt(optimum.theta);
    expect([systems, gradNorm, Math.max(...p.map(Math.abs))]).toEqual([0, 0, 0]);
    expect(Math.hypot(...exact)).toBeLessThanOrEqual(bound);
    // Theirs: p = −(∇²ₓθ h)ᵀ x.
    const [out, q] = [zeros(), at(x)];
    await jacobianTransposed(q, q, q, out);
    expect(Math.hypot(...sum(-1, await read(out), -1, exact))).toBeGreaterThan(2 * bound);
  });

  it('MAID: without a length of the gradient that is enough, accuracies fall below what numbers can tell', async () => {
    // At the optimum, which steps of Newton's method find, the bound is to be below a gradient that is rounding alone.
    let theta: readonly number[] = optimum.theta;
    for (let k = 0; k < 2; ++k) {
      const g = gradientAt(theta);
      const columns = theta.map((_, j) => sum(1, gradientAt(theta.map((one, i) => one + Number(i === j))), -1, g));
      theta = sum(1, theta, -1, solved(columns, g));
    }
    const p = Math.hypot(...gradientAt(theta));
    let eps = 0.1;
    while ((B / mu) * (constants.upper + 1) * eps > (1 - 1e-4) * p && eps > 0) eps /= 2;
    expect(eps).toBeLessThan(Number.EPSILON * Math.hypot(...solution(theta)));
    for (const [gradTol, status] of [
      [1e-7, 'converged'],
      [0, 'at-precision'],
    ] as const) {
      const { status: found, x } = await new Maid(leastSquares(device), { ...given, gradTol }).run(at(theta), zeros());
      expect(found).toBe(status);
      x.dispose();
    }
  });

  it('MAID: a μ of L − 1e-3 promises solutions that are nearer than they are', async () => {
    const eps = 1e-3;
    /** The largest distance of a lower solution from the exact one, in units of the accuracy. */
    const worst = async (own: number): Promise<number> => {
      const problem = leastSquares(device);
      const { jacobianTransposed } = problem.lower;
      const distances: number[] = [];
      const lower = {
        ...problem.lower,
        jacobianTransposed: async (...args: Parameters<typeof jacobianTransposed>) => {
          await jacobianTransposed(...args);
          distances.push(Math.hypot(...sum(1, await read(args[0]), -1, solution(await read(args[1])))));
        },
      };
      const options = { ...given, mu: own, eps0: eps, delta0: eps, maxIterations: 20, fixedAccuracy: true };
      const { x } = await new Maid({ ...problem, lower }, options).run(at([1, 1, 1, 1, 1]), zeros());
      x.dispose();
      return Math.max(...distances) / eps;
    };
    expect(await worst(mu)).toBeLessThanOrEqual(1);
    expect(await worst(lipschitz - 1e-3)).toBeGreaterThan(1);
  });
});
