// Devices: cpu, cuda
// Values: the optimum of a problem with a lower level in closed form, and how near steps come to it (NumPy); a step against
// the same rule in plain numbers.
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BilevelOracle, BoRep, checkHypergradient, finiteDifferences } from '../../lib/bilevel/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { a, cosh, lowerSolution, optimum, valueAt } from './cosh.ts';

const read = async (x: Tensor) => [...(await x.read())].map(Number);
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
};
const rates = { lr: 0.1, lowerLr: 0.2, nu: 0.2 };

describe.each(devices)('BoRep on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('takes the steps of the rule in plain numbers, within the ball too', async () => {
    for (const dtype of ['f64', 'f32'] as const)
      for (const [radius, normalize] of [
        [Infinity, true],
        [0.01, true],
        [Infinity, false],
      ] as const) {
        // biome-ignore format: one line
        const oracle = cosh(device, dtype);
        const exact = cosh(device);
        const method = new BoRep(oracle, { ...rates, lr: 0.01, radius, normalize });
        let [x, y] = [await read(oracle.x[0]!), await read(oracle.y[0]!)];
        let [z, m] = [x.map(() => 0), x.map(() => 0)];
        /** A function of the exact oracle at the present numbers. */
        const at = async (name: keyof BilevelOracle, v?: readonly number[]) => {
          exact.x[0]!.write(Float64Array.from(x));
          exact.y[0]!.write(Float64Array.from(y));
          const out = Tensor.zeros(device, [5, 1], { dtype: 'f64' });
          const given = v ? [[Tensor.from(device, Float64Array.from(v), [5, 1])], [out]] : [[out]];
          await (exact[name] as (...args: unknown[]) => unknown)(...given);
          return read(out);
        };
        const digits = dtype === 'f64' ? 11 : 3;
        let cuts = 0;
        for (let t = 0; t < 4; ++t) {
          const center = y;
          let lower = 0;
          for (let k = 0; k < (t % 2 === 0 ? 3 : 0); ++k) {
            const g = await at('lowerGradientY');
            lower = Math.hypot(...g);
            y = y.map((value, i) => value - 0.2 * g[i]!);
            const far = Math.hypot(...y.map((value, i) => value - center[i]!));
            cuts += Number(far > radius);
            if (far > radius) y = y.map((value, i) => center[i]! + (radius / far) * (value - center[i]!));
          }
          const [hz, fy] = [await at('lowerHessianYY', z), await at('upperGradientY')];
          z = z.map((value, i) => value - 0.2 * (hz[i]! - fy[i]!));
          const [fx, jz] = [await at('upperGradientX'), await at('lowerJacobianXY', z)];
          m = m.map((value, i) => (t === 0 ? fx[i]! - jz[i]! : 0.9 * value + 0.1 * (fx[i]! - jz[i]!)));
          x = x.map((value, i) => value - (0.01 * m[i]!) / (normalize ? Math.hypot(...m) : 1));
          const { hyperNorm, lowerGradNorm } = await method.step();
          expect((await read(hyperNorm))[0]! / Math.hypot(...m)).toBeCloseTo(1, digits);
          if (t % 2 === 0 && t > 0)
            expect((await read(lowerGradNorm))[0]! / lower).toBeCloseTo(1, dtype === 'f64' ? 9 : 1);
          for (const [i, value] of (await read(oracle.x[0]!)).entries()) expect(value).toBeCloseTo(x[i]!, digits);
          for (const [i, value] of (await read(oracle.y[0]!)).entries()) expect(value).toBeCloseTo(y[i]!, digits);
        }
        expect(cuts > 0).toBe(radius < Infinity);
      }
  });

  it('lists of tensors are one vector: the steps are those of a whole one', async () => {
    const values = [3, -1, 2, 0.5, -4];
    const run = async (sizes: readonly number[]) => {
      let at = 0;
      const list = (factor: number) =>
        sizes.map((size, i) => {
          at = i === 0 ? size : at + size;
          return Tensor.from(
            device,
            Float64Array.from(values.slice(at - size, at), (x) => factor * x),
            [size],
          );
        });
      const [x, y, b] = [list(1), list(0.5), list(2)];
      type List = readonly Tensor[];
      const sum = (out: List, coefficients: number[], ...terms: List[]) =>
        ops.linearCombination(device, { out, terms: terms.flat(), coefficients });
      const oracle: BilevelOracle = {
        x,
        y,
        lowerGradientY: (out) => sum(out, [1, -1], y, x),
        lowerHessianYY: (v, out) => sum(out, [1], v),
        lowerJacobianXY: (v, out) => sum(out, [-1], v),
        upperGradientX: (out) => sum(out, [0.1], x),
        upperGradientY: (out) => sum(out, [1, -1], y, b),
      };
      const method = new BoRep(oracle, { lr: 0.1, lowerLr: 0.5, nu: 0.5, radius: 1 });
      const norms: number[] = [];
      for (let t = 0; t < 5; ++t) {
        const { hyperNorm, lowerGradNorm } = await method.step();
        norms.push(...(await read(hyperNorm)), ...(await read(lowerGradNorm)));
      }
      return [...norms, ...(await Promise.all([...x, ...y].map(read))).flat()];
    };
    const [parts, whole] = [await run([2, 3]), await run([5])];
    for (const [i, value] of parts.entries()) expect(value).toBeCloseTo(whole[i]!, 12);
  });

  it('y is refined before the first step, or steps are refused', async () => {
    const oracle = cosh(device);
    oracle.y[0]!.write(new Float64Array(5));
    const method = new BoRep(oracle, { ...rates, refine: { epochs: kind === 'cpu' ? 12 : 3 } });
    await expect(method.step()).rejects.toThrow('BoRep.step: init must be called before, got none');
    await method.init();
    const y = await read(oracle.y[0]!);
    const error = Math.hypot(...lowerSolution([3, 3, 3, 3, 3]).map((value, i) => value - y[i]!));
    expect(error).toBeLessThan(kind === 'cpu' ? 1e-6 : 1e-1);
    await method.step();
    await expect(method.init()).rejects.toThrow('BoRep.init: must be called before the first step, got 1');
  });

  it('a failed step moves nothing, and is told with its number', async () => {
    const exact = cosh(device);
    let bad: Partial<BilevelOracle> = {};
    const oracle: BilevelOracle = new Proxy(exact, {
      get: (target, name) => (bad as never)[name] ?? target[name as never],
    });
    const method = new BoRep(oracle, rates);
    await method.step();
    const state = async () => [await read(exact.x[0]!), await read(exact.y[0]!)];
    const before = await state();
    bad = { upperGradientX: () => { throw new Error('boom'); } }; // biome-ignore format: one line
    await expect(method.step()).rejects.toThrow('BoRep.step: oracle.upperGradientX of step 2 has failed: boom');
    expect(await state()).toEqual(before);
    await method.step().catch(() => {});
    method.lr = 0;
    await expect(method.step()).rejects.toThrow('BoRep.step: lr must be a positive number, got 0');
    await expect(method.step(-1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('numbers that are not finite are told with the function that gave them, and the step', async () => {
    const exact = cosh(device);
    const names = ['lowerGradientY', 'lowerHessianYY', 'upperGradientY', 'lowerJacobianXY', 'upperGradientX'] as const;
    let bad: string | undefined;
    const oracle: BilevelOracle = new Proxy(exact, {
      get: (target, name) =>
        name === bad
          ? (...given: unknown[]) => {
              // The result is the last list of tensors.
              const out = given.findLast(Array.isArray) as Tensor[];
              ops.fill(device, { x: out, value: Number.NaN });
            }
          : target[name as never],
    });
    const method = new BoRep(oracle, { ...rates, period: 1 });
    const state = async () => [await read(exact.x[0]!), await read(exact.y[0]!)];
    for (const [i, name] of names.entries()) {
      await method.step();
      const before = await state();
      bad = name;
      await method.step();
      bad = undefined;
      await expect(method.save(path.join(os.tmpdir(), 'never-written'))).rejects.toThrow(
        `BoRep.save: oracle.${name} must give finite numbers, got others in step ${i + 2}`,
      );
      expect(await state()).toEqual(before);
    }
  });

  it('the length of the lower gradient outlives a step that gave NaN and took no step of y', async () => {
    const exact = cosh(device);
    let isBad = false;
    const oracle: BilevelOracle = {
      ...exact,
      upperGradientY: (out, sample) =>
        isBad ? ops.fill(device, { x: out, value: Number.NaN }) : exact.upperGradientY(out, sample),
    };
    const method = new BoRep(oracle, { ...rates, period: 2 });
    const { lowerGradNorm } = await method.step();
    const before = await read(lowerGradNorm);
    expect(before[0]).toBeGreaterThan(0);
    isBad = true;
    await method.step();
    isBad = false;
    await expect(method.save(path.join(os.tmpdir(), 'never-written'))).rejects.toThrow('in step 2');
    expect(await read((await method.step()).lowerGradNorm)).toEqual(before);
  });

  it('disposed of during a call, it leaves x and y as they were', async () => {
    const exact = cosh(device);
    let method: BoRep | undefined;
    let calls = 0;
    const oracle: BilevelOracle = {
      ...exact,
      lowerGradientY: async (out) => {
        await exact.lowerGradientY(out);
        calls += 1;
        if (calls === 2) method!.dispose();
      },
    };
    exact.y[0]!.write(new Float64Array(5));
    for (const call of ['init', 'step'] as const) {
      calls = 0;
      method = new BoRep(oracle, { ...rates, refine: call === 'init' });
      await expect(method[call]()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      expect(calls).toBe(2);
      expect(await read(exact.x[0]!)).toEqual([3, 3, 3, 3, 3]);
      expect(await read(exact.y[0]!)).toEqual([0, 0, 0, 0, 0]);
      expect(method.stateBytes).toBe(0);
      await expect(method.step()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    }
  });

  it('each step of a refinement has a mini-batch of its own', async () => {
    const exact = cosh(device);
    const seen: (number | undefined)[] = [];
    const oracle: BilevelOracle = {
      ...exact,
      lowerGradientY: (out, sample) => {
        seen.push(sample);
        return exact.lowerGradientY(out);
      },
    };
    const method = new BoRep(oracle, { ...rates, refine: { epochs: 2, steps: 3 } });
    await method.init(10);
    expect(seen).toEqual([10, 11, 12, 13, 14, 15]);
    seen.length = 0;
    await method.init();
    expect(seen).toEqual(new Array(6).fill(undefined));
  });

  it('no hypergradient is no step', async () => {
    const oracle = cosh(device);
    oracle.x[0]!.write(Float64Array.of(2, -2, 1, -1, 0.5));
    const zero = ([out]: readonly Tensor[]) => out!.write(new Float64Array(5));
    const method = new BoRep({ ...oracle, upperGradientY: zero, upperGradientX: zero }, rates);
    await method.step();
    expect(await read(oracle.x[0]!)).toEqual([2, -2, 1, -1, 0.5]);
  });

  it('refuses oracles and options', () => {
    const oracle = cosh(device);
    const make = (change: object, options: object = {}) =>
      codeOf(() => new BoRep({ ...oracle, ...change }, { ...rates, ...options }).dispose());
    expect(make({})).toBe('done');
    expect(make({ lowerHessianYY: undefined })).toBe('ERR_UNSUPPORTED');
    expect(make({ lowerGradientY: undefined })).toBe('ERR_ARGUMENT');
    expect(make({ y: oracle.x })).toBe('ERR_ARGUMENT');
    expect(make({ y: [Tensor.zeros(device, [5, 1])] })).toBe('ERR_DTYPE');
    for (const options of [{ lr: 0 }, { nu: -1 }, { period: 0 }, { innerSteps: 0 }, { beta: 1 }, { radius: 0 }, { refine: 1 }, { refine: { epochs: 0 } }]) // biome-ignore format: one line
      expect(make({}, options)).toBe('ERR_ARGUMENT');
    expect(codeOf(() => finiteDifferences({ ...oracle, lowerJacobianXY: undefined, lowerGradientX: undefined } as never))).toBe('ERR_UNSUPPORTED'); // biome-ignore format: one line
  });

  it('second derivatives come from differences of gradients, y as before', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const oracle = cosh(device, dtype);
      const { lowerGradientY, lowerGradientX, upperGradientX, upperGradientY, x, y } = oracle;
      const other = finiteDifferences({ x, y, lowerGradientY, lowerGradientX, upperGradientX, upperGradientY });
      const numbers = [0.3, -1, 2, 0.5, -0.25];
      const v = [
        Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), [5, 1]),
      ];
      const [exact, found] = [[Tensor.zeros(device, [5, 1], { dtype })], [Tensor.zeros(device, [5, 1], { dtype })]];
      const before = await read(y[0]!);
      for (const name of ['lowerHessianYY', 'lowerJacobianXY'] as const) {
        await oracle[name](v, exact);
        await other[name](v, found);
        for (const [i, value] of (await read(exact[0]!)).entries())
          expect(Math.abs((await read(found[0]!))[i]! - value)).toBeLessThan(dtype === 'f64' ? 1e-8 : 2e-3);
      }
      expect(await read(y[0]!)).toEqual(before);
    }
  });

  it('checkHypergradient starts where y solves the lower problem already', async () => {
    for (const dtype of ['f64', 'f32'] as const)
      for (let k = 0; k < (kind === 'cpu' ? 20 : 3); ++k) {
        const make = dtype === 'f64' ? Float64Array : Float32Array;
        const oracle = cosh(device, dtype);
        const x = make.from(Array.from({ length: 5 }, (_, i) => 2 * Math.sin(k * 7.3 + i * 2.1)));
        oracle.x[0]!.write(x);
        oracle.y[0]!.write(make.from(lowerSolution([...x])));
        expect((await checkHypergradient(oracle, { seed: k })).error).toBeLessThan(dtype === 'f64' ? 1e-5 : 0.1);
      }
  });

  it('checkHypergradient knows right derivatives from wrong ones, and leaves all as it was', async () => {
    const oracle = cosh(device);
    const before = [await read(oracle.x[0]!), await read(oracle.y[0]!)];
    oracle.x[0]!.write(Float64Array.of(1, -0.5, 0.25, 0.75, -1));
    before[0] = await read(oracle.x[0]!);
    expect((await checkHypergradient(oracle)).error).toBeLessThan(1e-6);
    const wrong = { ...oracle, lowerJacobianXY: ([v]: readonly Tensor[], [out]: readonly Tensor[]) => oracle.lowerHessianYY([v!], [out!]) }; // biome-ignore format: one line
    expect((await checkHypergradient(wrong)).error).toBeGreaterThan(1e-2);
    expect([await read(oracle.x[0]!), await read(oracle.y[0]!)]).toEqual(before);
    const { upperValue: _, ...without } = oracle;
    await expect(checkHypergradient(without)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  it('checkHypergradient names the function that fails, and takes no system that is not solved for a solution', async () => {
    const oracle = cosh(device);
    type List = readonly Tensor[];
    const refused = async (change: Partial<BilevelOracle>, code: string, words: string) => {
      const before = [await read(oracle.x[0]!), await read(oracle.y[0]!)];
      const error = await checkHypergradient({ ...oracle, ...change }).then(
        () => expect.unreachable(),
        (thrown: Error) => thrown,
      );
      expect(error).toMatchObject({ code, message: expect.stringContaining(`checkHypergradient: ${words}`) });
      expect(error.message.startsWith('checkHypergradient: ')).toBe(true);
      expect([await read(oracle.x[0]!), await read(oracle.y[0]!)]).toEqual(before);
    };
    const names = ['lowerGradientY', 'lowerHessianYY', 'upperGradientY', 'upperGradientX', 'lowerJacobianXY', 'upperValue'] as const; // biome-ignore format: one line
    for (const name of names) {
      await refused({ [name]: () => { throw new Error('boom'); } }, 'ERR_ARGUMENT', `oracle.${name} has failed: boom`); // biome-ignore format: one line
      const nan = (...given: unknown[]) => ops.fill(device, { x: [given.flat().at(-1) as Tensor], value: Number.NaN });
      await refused({ [name]: nan }, 'ERR_ARGUMENT', `oracle.${name} must give finite numbers, got NaN`);
    }
    const scaled = (list: readonly number[]) => {
      const factors = Tensor.from(device, Float64Array.from(list), [5, 1]);
      return ([v]: List, [out]: List) => ops.multiply(device, { x: [v!], y: [factors], out: [out!] });
    };
    // y is not where the gradient is 0.
    oracle.x[0]!.write(Float64Array.of(1, -0.5, 0.25, 0.75, -1));
    const demand = 'oracle.lowerHessianYY must be positive definite, got a curvature that is not positive';
    await refused({ lowerHessianYY: scaled([-1, -1, -1, -1, -1]) }, 'ERR_NOT_CONVERGED', demand);
    await refused({ lowerHessianYY: scaled([0, 0, 0, 0, 0]) }, 'ERR_NOT_CONVERGED', demand);
    // Of another matrix each time no iteration gets anywhere.
    let calls = 0;
    const turning = ([v]: List, [out]: List) => {
      calls += 1;
      scaled([1, 1, 1, 1, 1].map((_, i) => 1 + 100 * ((calls + i) % 3)))([v!], [out!]);
    };
    await refused(
      { lowerHessianYY: turning },
      'ERR_NOT_CONVERGED',
      'a system of oracle.lowerHessianYY must be solved to',
    );
  });
});

describe.each(onlyCpu)('BoRep where curvature has no bound, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const gapOf = async (oracle: BilevelOracle) => valueAt(await read(oracle.x[0]!)) - optimum.value;

  it('the optimum is the one that the test problem is known for', () => {
    expect(a[0]![0]).toBeGreaterThan(1);
    expect(valueAt(optimum.x)).toBeCloseTo(optimum.value, 10);
    expect(valueAt([3, 3, 3, 3, 3])).toBeCloseTo(31.07, 2);
  });

  it('comes near the optimum, with second derivatives by differences as well', async () => {
    const run = async (oracle: BilevelOracle, steps: number) => {
      const method = new BoRep(oracle, rates);
      for (let t = 0; t < steps; ++t) {
        method.lr = 0.1 / (1 + t / 100);
        await method.step();
      }
      return gapOf(oracle);
    };
    expect(await run(cosh(device), 3000)).toBeLessThan(5e-3);
    const [own, differences] = [await run(cosh(device), 300), await run(finiteDifferences(cosh(device)), 300)];
    expect(differences / own).toBeCloseTo(1, 4);
  });

  it('comes near with noise, and runs away without normalization', async () => {
    for (const seed of [7, 8, 9]) {
      const noisy = cosh(device, 'f64', 0.1, seed);
      const method = new BoRep(noisy, rates);
      for (let t = 0; t < 3000; ++t) {
        method.lr = 0.1 / Math.sqrt(1 + t / 50);
        await method.step(t);
      }
      expect((await gapOf(noisy)) + optimum.value).toBeLessThanOrEqual(5.35);
    }
    const plain = new BoRep(cosh(device), { ...rates, normalize: false });
    let failed: Error | undefined;
    for (let t = 0; t < 200 && !failed; ++t) {
      await plain.step().catch((thrown: Error) => {
        failed = thrown;
      });
      await device.synchronize();
    }
    const [, step] = /got others in step (\d+)$/.exec(failed?.message ?? '')!;
    expect(Number(step)).toBeLessThan(90);
  });
});
