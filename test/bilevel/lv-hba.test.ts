// Devices: cpu, cuda
// Values: optima and multipliers in closed form; where the steps are after 1,000 of them was computed apart (NumPy).
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type ConstrainedBilevel, LvHba } from '../../lib/bilevel/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { bounded, tied } from './constrained.ts';

const read = async (x: Tensor) => [...(await x.read())].map(Number);
const steps = { alpha: 0.05, beta: 0.05, eta: 0.05 };

describe.each(devices)('LvHba on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('takes the steps of the rule in plain numbers', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const problem = bounded(device, dtype);
      const method = new LvHba(problem, {
        ...steps,
        gamma1: 2,
        gamma2: 0.5,
        penalty: { c: 0.5, p: 0.25 },
        bound: 0.01,
      });
      await method.init();
      let [x, y, theta, lambda, z] = [0, 0, 0, 0, 0];
      for (let k = 0; k < 30; ++k) {
        const c = 0.5 * (k + 1) ** 0.25;
        const nextTheta = theta - 0.05 * (theta - x + lambda + (theta - y) / 2);
        const nextLambda = Math.max(0, lambda - 0.05 * (-(theta - 1) + (lambda - z) / 0.5));
        const dx = (x - 2) / c + (x - y) - (x - nextTheta);
        const dy = (y - 3) / c + (y - x) - (y - nextTheta) / 2;
        z = Math.min(0.01, Math.max(0, z + (0.05 * (nextLambda - z)) / 0.5));
        const [oldX, oldY] = [x, y];
        [x, y] = [x - 0.05 * dx, Math.min(1, y - 0.05 * dy)];
        [theta, lambda] = [nextTheta, nextLambda];
        const { residual, feasibility } = await method.step();
        if (k % 10 !== 9) continue;
        const digits = dtype === 'f64' ? 12 : 4;
        expect((await read(problem.x))[0]).toBeCloseTo(x, digits);
        expect((await read(problem.y))[0]).toBeCloseTo(y, digits);
        expect((await read(method.multipliers))[0]).toBeCloseTo(lambda, digits);
        expect((await read(residual))[0]).toBeCloseTo(Math.hypot(x - oldX, y - oldY) / 0.05, digits - 2);
        expect(await read(feasibility)).toEqual([0]);
      }
    }
  });

  it('begins with a projection that must lead into the constraints', async () => {
    const problem = tied(device);
    const method = new LvHba(problem, steps);
    await expect(method.step()).rejects.toThrow('LvHba.step: init must be called before, got none');
    await method.init();
    const [[x], [a, b]] = (await Promise.all([read(problem.x), read(problem.y)])) as [[number], [number, number]];
    expect(a + b).toBeCloseTo(x, 13);
    const wrong = new LvHba({ ...bounded(device), project: (_, y) => y.write(Float64Array.of(3)) }, steps);
    await expect(wrong.init()).rejects.toThrow(
      'LvHba.init: project must lead to where the constraints hold, got 2 beside them',
    );
    await expect(wrong.step()).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  it('a projection that leads beside the constraints in a later step is named, and moves nothing', async () => {
    for (const make of [bounded, tied])
      for (const dtype of ['f64', 'f32'] as const) {
        const problem = make(device, dtype);
        // By ten times what is taken for rounding, and by a tenth of it.
        const rounding = dtype === 'f64' ? 1e-8 : 1e-4;
        let beside = 0;
        const off = Tensor.full(device, [1], 1, { dtype });
        const project = (x: Tensor, y: Tensor) => {
          void problem.project(x, y);
          if (beside === 0) return;
          // y ≤ 1, or y₁ + y₂ = x: into where neither is.
          using at = make === bounded ? y.rows(0, 1) : x.rows(0, 1);
          const from = make === bounded ? off : at;
          ops.linearCombination(device, { out: [at], terms: [from, off], coefficients: [1, beside] });
        };
        const method = new LvHba({ ...problem, project }, steps);
        await method.init();
        await method.step();
        beside = 0.1 * rounding;
        await method.step();
        const state = async () => [await read(problem.x), await read(problem.y), await read(method.multipliers)];
        const before = await state();
        const size = 1 + Math.hypot(...before[0]!, ...before[1]!);
        beside = 10 * rounding * size;
        await method.step();
        await expect(method.save(path.join(os.tmpdir(), 'never-written'))).rejects.toThrow(
          'LvHba.save: project must lead to where the constraints hold, got a place beside them in step 3',
        );
        expect(await state()).toEqual(before);
        beside = 0;
        await method.step();
        expect(await state()).not.toEqual(before);
      }
  });

  it('begins once, and from a projection that is finite', async () => {
    const method = new LvHba(bounded(device), steps);
    await method.init();
    await method.init();
    await method.step();
    await expect(method.init()).rejects.toThrow('LvHba.init: must be called before the first step, got 1');
    const problem = bounded(device);
    const wrong = new LvHba({ ...problem, project: (x) => x.write(Float64Array.of(Infinity)) }, steps);
    await expect(wrong.init()).rejects.toThrow('LvHba.init: project must give finite numbers, got Infinity');
    expect(await read(problem.x)).toEqual([0]);
  });

  it('a failed step moves nothing, and is told with its number', async () => {
    const problem = bounded(device);
    let bad: Partial<ConstrainedBilevel['lower']> = {};
    const lower = new Proxy(problem.lower, { get: (target, name) => (bad as never)[name] ?? target[name as never] });
    const method = new LvHba({ ...problem, lower }, steps);
    await method.init();
    await method.step();
    const before = [await read(problem.x), await read(problem.y), await read(method.multipliers)];
    const state = async () => [await read(problem.x), await read(problem.y), await read(method.multipliers)];
    bad = { gradientX: () => { throw new Error('boom'); } }; // biome-ignore format: one line
    await expect(method.step()).rejects.toThrow('LvHba.step: lower.gradientX of step 2 has failed: boom');
    expect(await state()).toEqual(before);
  });

  it('numbers that are not finite are told with the function that gave them, and the step', async () => {
    const problem = bounded(device);
    let bad: string | undefined;
    const nan = (...given: unknown[]) => ops.fill(device, { x: [given.at(-1) as Tensor], value: Number.NaN });
    const spoilt = <T extends object>(of: T, prefix: string): T =>
      new Proxy(of, {
        get: (target, name) => (`${prefix}${String(name)}` === bad ? nan : target[name as never]),
      });
    const all = spoilt(
      {
        ...problem,
        projectLower: () => {},
        upper: spoilt(problem.upper, 'upper.'),
        lower: spoilt(problem.lower, 'lower.'),
        constraint: spoilt(problem.constraint, 'constraint.'),
      },
      '',
    );
    const method = new LvHba(all, steps);
    await method.init();
    const state = async () => [await read(problem.x), await read(problem.y), await read(method.multipliers)];
    const names = ['upper.gradientX', 'upper.gradientY', 'lower.gradientX', 'lower.gradientY', 'constraint.value', 'constraint.jacobianTX', 'constraint.jacobianTY', 'project', 'projectLower']; // biome-ignore format: one line
    for (const [i, name] of names.entries()) {
      await method.step();
      const before = await state();
      bad = name;
      await method.step();
      bad = undefined;
      await expect(method.save(path.join(os.tmpdir(), 'never-written'))).rejects.toThrow(
        `LvHba.save: ${name} must give finite numbers, got others in step ${i + 2}`,
      );
      expect(await state()).toEqual(before);
    }
  });

  it('refuses problems and options', () => {
    const problem = bounded(device);
    const make = (change: object, options: object = {}) => {
      try {
        new LvHba({ ...problem, ...change }, { ...steps, ...options }).dispose();
        return 'done';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(make({})).toBe('done');
    expect(make({ constraint: { ...problem.constraint, kind: 'both' } })).toBe(
      "LvHba: constraint.kind must be one of 'inequality', 'equality', got 'both'",
    );
    expect(make({ constraint: { ...problem.constraint, count: 0 } })).toMatch('constraint.count must be');
    expect(make({ lower: {} })).toBe('LvHba: lower.gradientX must be a function, got undefined');
    expect(make({ project: undefined })).toBe('LvHba: problem.project must be a function, got undefined');
    expect(make({ y: problem.x })).toBe('LvHba: y must be another tensor than x, got x');
    expect(make({}, { penalty: { p: 0.5 } })).toBe('LvHba: penalty.p must be in [0, 1/2), got 0.5');
    for (const options of [{ alpha: 0 }, { beta: -1 }, { eta: 0 }, { gamma1: 0 }, { bound: 0 }])
      expect(make({}, options)).toMatch(/^LvHba: \w+ must be a positive number, got/);
  });
});

describe.each(onlyCpu)('LvHba toward optima, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('an inequality: where it is after 1,000 steps, and the optimum with its multiplier after 10,000', async () => {
    const problem = bounded(device);
    const method = new LvHba(problem, { ...steps, bound: 10 });
    await method.init();
    for (let k = 0; k < 1000; ++k) await method.step();
    expect((await read(problem.x))[0]).toBeCloseTo(1.924424, 6);
    expect((await read(method.multipliers))[0]).toBeCloseTo(0.911269, 6);
    for (let k = 1000; k < 10000; ++k) await method.step();
    expect((await read(problem.x))[0]).toBeCloseTo(1.999999, 7);
    expect((await read(method.multipliers))[0]).toBeCloseTo(0.99999892, 7);
    expect((await read(problem.y))[0]).toBe(1);
  });

  it.each([1, 100])(
    'where nothing is bound, the pull of the upper function is larger by 1 / (h γ₁), γ₁ = %i',
    async (gamma1) => {
      // F = (y − 3)² / 2 and f = h y² / 2, with y ≥ 0: the end is where h y = −(1 + 1 / (h γ₁)) (y − 3) / c.
      const [h, c] = [0.1, 20];
      const problem = bounded(device);
      const none = (_x: Tensor, _y: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: 0 });
      const scaled = (factor: number) => (_x: Tensor, y: Tensor, out: Tensor) => ops.linearCombination(device, { out: [out], terms: [y], coefficients: [factor] }); // biome-ignore format: one line
      const method = new LvHba(
        {
          ...problem,
          upper: { ...problem.upper, gradientX: none },
          lower: { gradientX: none, gradientY: scaled(h) },
          constraint: { ...problem.constraint, value: scaled(-1) },
          project: () => {},
        },
        { alpha: 0.2, beta: 0.2, eta: 0.2, gamma1, penalty: { c, p: 0 } },
      );
      await method.init();
      for (let k = 0; k < 2500; ++k) await method.step();
      const pull = (1 + 1 / (h * gamma1)) / c;
      expect((await read(problem.y))[0]).toBeCloseTo((3 * pull) / (h + pull), 8);
    },
  );

  it('an equality: constraints hold at every step, and multipliers have their sign', async () => {
    const problem = tied(device);
    const method = new LvHba(problem, steps);
    await method.init();
    let first = 0;
    let last = 0;
    for (let k = 0; k < 3000; ++k) {
      const { residual, feasibility } = await method.step();
      if (k % 300 !== 0 && k !== 2999) continue;
      expect((await read(feasibility))[0]).toBeLessThan(1e-12);
      [last] = (await read(residual)) as [number];
      if (k === 0) first = last;
    }
    expect(last).toBeLessThan(first / 100);
    expect((await read(problem.x))[0]).toBeCloseTo(2, 1);
    expect((await read(method.multipliers))[0]).toBeCloseTo(-1, 1);
  });

  it('runs away where the rows of constraints are √300 long, and not where they are √3 long', async () => {
    const run = async (factor: number) => {
      const problem = tied(device, 'f64', factor);
      const method = new LvHba(problem, steps);
      await method.init();
      let residual: Tensor | undefined;
      for (let k = 0; k < 500; ++k) ({ residual } = await method.step());
      return { residual: (await read(residual!))[0]!, multiplier: Math.abs((await read(method.multipliers))[0]!) };
    };
    const [short, long] = [await run(1), await run(10)];
    expect(short.residual).toBeLessThan(1);
    expect(short.multiplier).toBeLessThan(2);
    expect(long.residual).toBeGreaterThan(1000);
    // The bound of multipliers.
    expect(long.multiplier).toBe(1000);
  });
});
