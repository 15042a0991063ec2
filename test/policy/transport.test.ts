// Devices: cpu, cuda
// Values: the estimate is the gradient itself on a quadratic function, at every step; the gaps to its optimum after 200
// steps, and what the two faults of the authors' program make of them, are computed apart, in plain numbers.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { Harpg, NPgIgt, type PolicyOracle } from '../../lib/policy/index.ts';
import { Folder } from '../files/folder.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { gradientAt, largestValue, quadratic, start, valueAt } from './quadratic.ts';

const length = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));
type Method = NPgIgt | Harpg;
const methods: readonly [string, number, number, (theta: Tensor, stepSize: number) => Method][] = [
  ['N-PG-IGT', 1, 6.6e-6, (theta, stepSize) => new NPgIgt([theta], { stepSize })],
  ['N-HARPG', 1, 6.6e-6, (theta, stepSize) => new Harpg([theta], { stepSize, seed: 3 })],
  ['HARPG', 0.3, 3.8e-6, (theta, stepSize) => new Harpg([theta], { stepSize, normalized: false, seed: 3 })],
];

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(methods)('%s carries the gradient of a quadratic along exactly', async (_, stepSize, gap, make) => {
    for (const dtype of ['f64', 'f32'] as const) {
      const theta = start(device, dtype);
      const method = make(theta, stepSize);
      const oracle = quadratic(device, dtype);
      let worst = 0;
      const steps = kind === 'cpu' ? 200 : 20;
      for (let t = 0; t < steps; ++t) {
        const before = Float64Array.from(await theta.read());
        const { gradNorm, eta, gamma } = await method.step(oracle, t);
        const [found, expected] = [(await gradNorm.read())[0]!, gradientAt(before)];
        worst = Math.max(worst, Math.abs(found - length(expected)) / length(expected));
        const moved = Float64Array.from(await theta.read(), (x, i) => x - before[i]!);
        const size = stepSize < 1 ? gamma : gamma / length(expected);
        for (const [i, part] of expected.entries())
          worst = Math.max(worst, Math.abs(moved[i]! - size * part) / (size * length(expected)));
        expect(eta).toBeGreaterThan(0);
      }
      expect(worst).toBeLessThan(dtype === 'f64' ? 1e-11 : 2e-2);
      const end = largestValue() - valueAt(await theta.read());
      if (steps < 200) continue;
      if (dtype === 'f64') expect(end / gap).toBeCloseTo(1, 1);
      else expect(end).toBeLessThan(3 * gap);
    }
  });

  it('takes the lengths of the schedule: of the paper, constant, or of functions', async () => {
    const oracle = quadratic(device, 'f64');
    const lengthsOf = async (method: Method) => {
      const all: [number, number][] = [];
      for (let t = 0; t < 3; ++t) {
        const { gamma, eta } = await method.step(oracle, t);
        all.push([gamma, eta]);
      }
      return all;
    };
    const c = [1, 2 / 3, 1 / 2];
    const theta = () => [start(device, 'f64')];
    expect(await lengthsOf(new NPgIgt(theta()))).toEqual(c.map((x) => [0.1 * x, x ** 0.8]));
    expect(await lengthsOf(new Harpg(theta(), { momentum: 0.5 }))).toEqual(c.map((x) => [0.1 * x, 0.5 * x]));
    const plain = new Harpg(theta(), { normalized: false, stepSize: 2 });
    expect(await lengthsOf(plain)).toEqual(c.map((x) => [2 * x ** 0.5, x]));
    const constant = new NPgIgt(theta(), { schedule: 'constant', momentum: 0.25 });
    expect(await lengthsOf(constant)).toEqual(c.map(() => [0.1, 0.25]));
    const schedule = { stepSize: (t: number) => t + 1, momentum: (t: number) => 1 / (t + 1) };
    expect(await lengthsOf(new NPgIgt(theta(), { schedule }))).toEqual(c.map((_, t) => [0.1 * (t + 1), 1 / (t + 1)]));
    const wrong = new NPgIgt(theta(), { schedule: { stepSize: () => 1, momentum: () => 2 } });
    await expect(wrong.step(oracle, 0)).rejects.toThrow(
      'NPgIgt.step: schedule.momentum must make a momentum in (0, 1], got 2 at step 0',
    );
    const none = new NPgIgt(theta(), { schedule: { stepSize: () => 0, momentum: () => 1 } });
    await expect(none.step(oracle, 0)).rejects.toThrow(
      'NPgIgt.step: schedule.stepSize must make a positive step, got 0 at step 0',
    );
  });

  it('asks for gradients ahead, for Hessians between, and with seeds of their own', async () => {
    const seen: { at: Float64Array; seed: number; name: string }[] = [];
    const exact = quadratic(device, 'f64');
    const oracle: Required<PolicyOracle> = {
      async gradient(params, grads, seed) {
        seen.push({ at: (await params[0]!.read()) as Float64Array, seed, name: 'gradient' });
        await exact.gradient(params, grads, seed);
      },
      async hessianProduct(params, v, out, seed) {
        seen.push({ at: (await params[0]!.read()) as Float64Array, seed, name: 'hessianProduct' });
        await exact.hessianProduct(params, v, out, seed);
      },
    };
    const theta = start(device, 'f64');
    const method = new NPgIgt([theta], { stepSize: 1, momentum: 0.5, schedule: 'constant' });
    await method.step(oracle, 7);
    const second = await theta.read();
    await method.step(oracle, 8);
    expect(seen.map(({ seed }) => seed)).toEqual([7, 8]);
    expect([...seen[0]!.at]).toEqual([3, 3, 3, 3]);
    for (const [i, x] of seen[1]!.at.entries()) expect(x).toBeCloseTo(2 * Number(second[i]) - 3, 14);
    seen.length = 0;
    const phi = start(device, 'f64');
    const other = new Harpg([phi], { stepSize: 1, seed: 5 });
    const points = [[3, 3, 3, 3], []]; // biome-ignore format: one line
    await other.step(oracle, 1);
    points[1] = [...(await phi.read())].map(Number);
    await other.step(oracle, 2);
    expect(seen.map(({ name, seed }) => [name, seed])).toEqual([
      ['gradient', 1],
      ['gradient', 2],
      ['hessianProduct', 2 + 2 ** 32],
    ]);
    expect([...seen[1]!.at]).toEqual(points[1]);
    const shares = [...seen[2]!.at].map((x, i) => (x - 3) / (points[1]![i]! - 3));
    for (const share of shares) expect(share).toBeCloseTo(shares[0]!, 12);
    expect(shares[0]).toBeGreaterThan(0);
    expect(shares[0]).toBeLessThan(1);
  });

  it('the first step asks at the parameters of its time', async () => {
    const theta = start(device, 'f64');
    const method = new NPgIgt([theta], { stepSize: 1, momentum: 0.5, schedule: 'constant' });
    theta.write(Float64Array.of(1, 2, 0, -1));
    const exact = quadratic(device, 'f64');
    let at: number[] = [];
    await method.step(
      {
        gradient: async (params, grads, seed) => {
          at = [...(await params[0]!.read())].map(Number);
          await exact.gradient(params, grads, seed);
        },
      },
      0,
    );
    expect(at).toEqual([1, 2, 0, -1]);
  });

  it('an estimate of no length moves nothing', async () => {
    const zero: Required<PolicyOracle> = {
      gradient: (_, [out]) => out!.write(new Float64Array(4)),
      hessianProduct: (_, __, [out]) => out!.write(new Float64Array(4)),
    };
    for (const make of [(x: Tensor) => new NPgIgt([x]), (x: Tensor) => new Harpg([x])]) {
      const theta = start(device, 'f64');
      const method = make(theta);
      for (let t = 0; t < 3; ++t) expect([...(await (await method.step(zero, t)).gradNorm.read())]).toEqual([0]);
      expect([...(await theta.read())]).toEqual([3, 3, 3, 3]);
    }
  });

  it('several tensors are one vector', async () => {
    const parts = [Tensor.full(device, [2], 3, { dtype: 'f64' }), Tensor.full(device, [1, 2], 3, { dtype: 'f64' })];
    const method = new NPgIgt(parts, { stepSize: 1 });
    const oracle: PolicyOracle = {
      async gradient(params, grads) {
        const at = (await Promise.all(params.map((one) => one.read()))).flatMap((one) => [...one].map(Number));
        const gradient = gradientAt(at);
        grads[0]!.write(Float64Array.from(gradient.slice(0, 2)));
        grads[1]!.write(Float64Array.from(gradient.slice(2)));
      },
    };
    for (let t = 0; t < 30; ++t) await method.step(oracle, t);
    const one = start(device, 'f64');
    const whole = new NPgIgt([one], { stepSize: 1 });
    for (let t = 0; t < 30; ++t) await whole.step(quadratic(device, 'f64'), t);
    const [apart, together] = [await Promise.all(parts.map((part) => part.read())), await one.read()];
    for (const [i, x] of apart.flatMap((part) => [...part].map(Number)).entries())
      expect(x).toBeCloseTo(Number(together[i]), 12);
  });

  it('numbers that are not finite move nothing, and are told with their step; steps go on from before it', async () => {
    for (const make of [
      (x: Tensor) => new NPgIgt([x], { stepSize: 1 }),
      (x: Tensor) => new Harpg([x], { stepSize: 1 }),
    ]) {
      const exact = quadratic(device, 'f64');
      let calls = 0;
      const oracle: Required<PolicyOracle> = {
        ...exact,
        gradient(params, [out], seed) {
          calls += 1;
          if (calls === 3) out!.write(Float64Array.of(1, Number.NaN, 0, 0));
          else return exact.gradient(params, [out!], seed);
        },
      };
      const [theta, same] = [start(device, 'f64'), start(device, 'f64')];
      const [method, good] = [make(theta), make(same)];
      for (let t = 0; t < 2; ++t) await Promise.all([method.step(oracle, t), good.step(exact, t)]);
      await method.step(oracle, 2); // is held back
      expect([...(await theta.read())]).toEqual([...(await same.read())]);
      // Whatever follows is held back as well until the device has told of it.
      let error: Error | undefined;
      for (let t = 3; t < 1000 && !error; ++t) {
        await method.step(oracle, t).catch((thrown: Error) => {
          error = thrown;
        });
        await device.synchronize();
      }
      expect(error).toMatchObject({ code: 'ERR_ARGUMENT' });
      expect(error!.message).toMatch(/step: oracle.gradient must give finite numbers, got others in step 3$/);
      expect([...(await theta.read())]).toEqual([...(await same.read())]);
      for (let t = 2; t < 5; ++t) await Promise.all([method.step(exact, t), good.step(exact, t)]);
      expect([...(await theta.read())]).toEqual([...(await same.read())]);
    }
  });

  it('a state in which a step has failed is not saved', async () => {
    using folder = new Folder();
    const theta = start(device, 'f64');
    const method = new NPgIgt([theta]);
    await method.step({ gradient: (_, [out]) => out!.write(Float64Array.of(0, 0, 0, Infinity)) }, 0);
    await expect(method.save(folder.file('state'))).rejects.toThrow(
      'NPgIgt.save: oracle.gradient must give finite numbers, got others in step 1',
    );
    await method.save(folder.file('state'));
    expect([...(await theta.read())]).toEqual([3, 3, 3, 3]);
  });

  it('a product that is not finite is told as such', async () => {
    using folder = new Folder();
    const exact = quadratic(device, 'f64');
    const method = new Harpg([start(device, 'f64')]);
    const bad = { ...exact, hessianProduct: (_: unknown, __: unknown, [out]: readonly Tensor[]) => out!.write(new Float64Array(4).fill(NaN)) }; // biome-ignore format: one line
    for (let t = 0; t < 2; ++t) await method.step(bad, t);
    await expect(method.save(folder.file('state'))).rejects.toThrow(
      'Harpg.save: oracle.hessianProduct must give finite numbers, got others in step 2',
    );
  });

  it('what an oracle throws is told with its name and step, and nothing has moved', async () => {
    const exact = quadratic(device, 'f64');
    const theta = start(device, 'f64');
    const method = new Harpg([theta], { stepSize: 1 });
    await method.step(exact, 0);
    const before = await theta.read();
    const fails = (part: Partial<PolicyOracle>) => expect(method.step({ ...exact, ...part }, 1)).rejects;
    const boom = () => {
      throw new Error('boom');
    };
    await fails({ gradient: boom }).toThrow('Harpg.step: oracle.gradient of step 2 has failed: boom');
    await fails({ hessianProduct: boom }).toThrow('Harpg.step: oracle.hessianProduct of step 2 has failed: boom');
    await fails({ gradient: () => Promise.reject(new Error('later')) }).toThrow('step 2 has failed: later');
    expect(await theta.read()).toEqual(before);
    await expect(method.step({ gradient: exact.gradient }, 1)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'Harpg.step: oracle must have a function hessianProduct, got undefined',
    });
    const gone = new NPgIgt([start(device, 'f64')]);
    await expect(gone.step({ gradient: (_, [out]) => out!.dispose() }, 0)).rejects.toMatchObject({
      code: 'ERR_DISPOSED',
      message: 'NPgIgt.step: oracle.gradient of step 1 has disposed of a tensor that it was given',
    });
    const again = await method.step(exact, 1);
    expect(again.eta).toBeCloseTo(2 / 3, 14);
  });

  it('refuses a call in a call, seeds, and parameters that are none', async () => {
    const exact = quadratic(device, 'f64');
    const method = new NPgIgt([start(device, 'f64')]);
    const first = method.step(exact, 0);
    await expect(method.step(exact, 1)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await first;
    for (const seed of [-1, 0.5, 2 ** 32, '1'])
      await expect(method.step(exact, seed as number)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    for (const oracle of [undefined, 5, {}, { gradient: 1 }])
      await expect(method.step(oracle as never, 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const theta = start(device, 'f64');
    const code = (params: unknown, options?: object) => {
      try {
        new NPgIgt(params as Tensor[], options).dispose();
        return 'made';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code([])).toBe('ERR_ARGUMENT');
    expect(code([theta, theta])).toBe('ERR_ARGUMENT');
    expect(code([theta, start(device, 'f32')])).toBe('ERR_DTYPE');
    expect(code([Tensor.zeros(device, [0], { dtype: 'f64' })])).toBe('ERR_SHAPE');
    for (const options of [
      { stepSize: 0 },
      { momentum: 0 },
      { momentum: 1.1 },
      { schedule: 'linear' },
      { schedule: {} },
    ])
      expect(code([theta], options)).toBe('ERR_ARGUMENT');
    expect(code([theta])).toBe('made');
  });
});

describe.each(onlyCpu)('the authors’ program, on %s', () => {
  /** N-PG-IGT in plain numbers, whose look-ahead takes η of this step, or of the one before. */
  function igt(late: boolean): { worst: number; gap: number } {
    let [theta, before] = [[3, 3, 3, 3], [3, 3, 3, 3]]; // biome-ignore format: one line
    let estimate: number[] = [];
    let [worst, lastEta] = [0, 1];
    for (let t = 0; t < 200; ++t) {
      const [c, eta] = [2 / (t + 2), (2 / (t + 2)) ** 0.8];
      const ahead = (1 - (late ? lastEta : eta)) / (late ? lastEta : eta);
      lastEta = eta;
      const gradient = gradientAt(theta.map((x, i) => x + ahead * (x - before[i]!)));
      estimate = t === 0 ? gradient : gradient.map((g, i) => eta * g + (1 - eta) * estimate[i]!);
      worst = Math.max(worst, length(gradientAt(theta).map((g, i) => g - estimate[i]!)));
      [theta, before] = [theta.map((x, i) => x + (c * estimate[i]!) / length(estimate)), theta];
    }
    return { worst, gap: largestValue() - valueAt(theta) };
  }

  it('looks ahead by the η of the step before, which loses the gradient', () => {
    const [right, wrong] = [igt(false), igt(true)];
    expect(right.worst).toBeLessThan(1e-13);
    expect(right.gap / 6.6e-6).toBeCloseTo(1, 1);
    expect(wrong.worst).toBeGreaterThan(0.5);
    expect(wrong.gap / 1.2e-4).toBeCloseTo(1, 1);
  });
});
