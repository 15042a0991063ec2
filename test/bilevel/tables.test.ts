// Devices: cpu, cuda
// Values: tables of methods of two levels, computed apart (NumPy): how far each is from a known optimum after so
// many steps. CUDA takes the first steps of each, to the numbers of the CPU.
import { afterAll, describe, expect, it } from 'vitest';
import { type BilevelOracle, BoRep, LvHba, MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { Device, type Tensor } from '../../lib/index.ts';
import { devices, onlyCpu, onlyCuda } from '../support/devices.ts';
import { blocksOf, upperAt } from './blocks.ts';
import { bounded } from './constrained.ts';
import { cosh, lowerSolution, optimum, valueAt } from './cosh.ts';
import { linearConstraint, rowOf } from './linear-constraint.ts';

type Dtype = 'f32' | 'f64';
const read = async (x: Tensor) => [...(await x.read())].map(Number);
/** The longest rows of the tables take minutes: a part of the deep run has them. */
const deep = process.env['ORTHOKIT_DEEP'] === '1';
const steps = { alpha: 0.05, beta: 0.05, eta: 0.05 };

/** Φ less its least value, after each of so many steps. */
async function boRepGaps(oracle: BilevelOracle, marks: readonly number[]): Promise<number[]> {
  const method = new BoRep(oracle, { lr: 0.1, lowerLr: 0.2, nu: 0.2 });
  const gaps: number[] = [];
  for (let t = 0; t < marks.at(-1)!; ++t) {
    method.lr = 0.1 / (1 + t / 100);
    await method.step();
    if (marks.includes(t + 1)) gaps.push(valueAt(await read(oracle.x[0]!)) - optimum.value);
  }
  method.dispose();
  return gaps;
}

/** |∇Φ| of the twelve problems after each of so many steps. */
async function blockSlopes(
  device: Device,
  marks: readonly number[],
  options: { variant: 'v1' | 'v2'; blocksPerStep: number; lowerLr?: number },
  noise = 0,
  dtype: Dtype = 'f64',
): Promise<number[]> {
  const blocks = blocksOf(device, dtype, noise);
  const rates = { alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1, seed: 1 };
  const method = new MultiBlockBilevel(blocks, { ...rates, ...options });
  const slopes: number[] = [];
  for (let t = 0; t < marks.at(-1)!; ++t) {
    await method.step();
    if (marks.includes(t + 1)) slopes.push(Math.hypot(...upperAt(await read(blocks.x)).gradient));
  }
  method.dispose();
  return slopes;
}

/** Errors and multiplier of the toy with a linear constraint, whose row is 1 long. */
async function toyErrors(device: Device, n: number, marks: readonly number[], dtype: Dtype = 'f64') {
  const problem = linearConstraint(device, n, 1 / rowOf(n), dtype);
  const method = new LvHba(problem, { ...steps, gamma1: 1, gamma2: 1, penalty: { c: 1, p: 0.3 } });
  await method.init();
  const errors: number[] = [];
  let multiplier = 0;
  for (let k = 0; k < marks.at(-1)!; ++k) {
    await method.step();
    if (!marks.includes(k + 1)) continue;
    const x = await read(problem.x);
    errors.push(Math.hypot(...x.map((value) => value + 0.3)) / (0.3 * Math.sqrt(n)));
    multiplier = (await read(method.multipliers))[0]! / rowOf(n);
  }
  method.dispose();
  return { errors, multiplier };
}

const within = (found: readonly number[], expected: readonly number[], share: number) => {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries())
    expect(Math.abs(found[i]! / value - 1), `${i}: ${found[i]}, not ${value}`).toBeLessThan(share);
};

describe.each(onlyCpu)('tables of methods of two levels on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('BO-REP: 3,000, 10,000 and 30,000 steps, and 3,000 in f32', async () => {
    within(await boRepGaps(cosh(device), [3000, 10_000, 30_000]), [3.2e-3, 5.5e-5, 7.1e-6], 0.05);
    expect((await boRepGaps(cosh(device, 'f32'), [3000]))[0]).toBeLessThan(5e-3);
  });

  it('BO-REP: its refinement from 5.16 away, without noise and with some', async () => {
    const end = lowerSolution([3, 3, 3, 3, 3]);
    for (const [noise, most] of [
      [0, 1e-6],
      [0.1, 7e-3],
    ] as const) {
      const oracle = cosh(device, 'f64', noise);
      oracle.y[0]!.write(new Float64Array(5));
      const far = async () => Math.hypot(...(await read(oracle.y[0]!)).map((value, i) => value - end[i]!));
      expect(await far()).toBeCloseTo(5.16, 2);
      const refine = { epochs: 12, steps: noise > 0 ? 400 : 50 };
      using method = new BoRep(oracle, { lr: 0.1, lowerLr: 0.2, nu: 0.2, refine });
      await method.init(noise > 0 ? 0 : undefined);
      expect(await far()).toBeLessThan(most);
    }
  });

  it.each(['v1', 'v2'] as const)(
    'many lower problems, %s: all of them in each step, without noise',
    async (variant) => {
      const marks = [200, 1000, 3000];
      const slopes = await blockSlopes(device, deep ? [...marks, 10_000] : marks, { variant, blocksPerStep: 12 });
      within(slopes.slice(0, 3), [0.04, 7.9e-3, 1.5e-4], 0.05);
      if (deep) expect(slopes[3]).toBeLessThan(1e-8);
      within(
        await blockSlopes(device, marks.slice(0, 2), { variant, blocksPerStep: 12 }, 0, 'f32'),
        [0.04, 7.9e-3],
        0.05,
      );
    },
  );

  it('many lower problems: a third of them in a step', async () => {
    const marks = [200, 1000, 3000];
    for (const slope of await blockSlopes(device, marks, { variant: 'v1', blocksPerStep: 4 }))
      expect(slope).toBeLessThan(0.05);
    for (const dtype of ['f64', 'f32'] as const) {
      const slopes = await blockSlopes(device, marks, { variant: 'v2', blocksPerStep: 4 }, 0.1, dtype);
      expect(slopes.at(-1)).toBeLessThan(0.05);
    }
    // γ is 4.5, by which rates of 0.2 are too large.
    const long = blockSlopes(device, [1000], { variant: 'v2', blocksPerStep: 4, lowerLr: 0.2 }, 0.1);
    expect((await long)[0]).toBeGreaterThan(0.5);
  });

  it.each([
    ['f32', 10_000, 1e-4],
    ['f64', 10_000, 1.2e-6],
    ...(deep ? ([['f64', 100_000, 1e-12]] as const) : []),
  ] as const)('LV-HBA: an inequality in %s, to %i steps', async (dtype, count, most) => {
    const problem = bounded(device, dtype);
    using method = new LvHba(problem, { ...steps, bound: 10 });
    await method.init();
    for (let k = 0; k < count; ++k) await method.step();
    const found = [(await read(problem.x))[0]! - 2, (await read(method.multipliers))[0]! - 1];
    for (const off of found) expect(Math.abs(off)).toBeLessThan(most);
  });

  it('LV-HBA: the toy with a linear constraint of rows that are 1 long, of any size', async () => {
    const marks = [100, 500, 1500, 5000, 20_000];
    const { errors, multiplier } = await toyErrors(device, 10, marks);
    within(errors, [0.1454, 0.0933, 0.0791, 0.0569, 0.0386], 2e-3);
    expect(multiplier).toBeCloseTo(-1.0097, 3);
    // The penalty's bias: that of 1 / c.
    const scaled = errors.map((error, i) => error * (marks[i]! + 1) ** 0.3);
    within(scaled.slice(2), [0.71, 0.73, 0.75], 0.01);
    for (const value of scaled.slice(1)) expect(value).toBeLessThan(0.8);
    within((await toyErrors(device, 100, marks.slice(0, 3))).errors, errors.slice(0, 3), 1e-11);
    within((await toyErrors(device, 10, marks.slice(0, 3), 'f32')).errors, errors.slice(0, 3), 1e-2);
  });

  it("LV-HBA: the authors' toy as it is, of rows that are √300 long, does not converge", async () => {
    const problem = linearConstraint(device, 100, 1);
    const penalty = { c: 0.025, p: 0.3 };
    const lengths = { alpha: 0.008, beta: 0.02, eta: 0.01, gamma1: 10, gamma2: 10 };
    const method = new LvHba(problem, { ...lengths, penalty });
    await method.init();
    for (let k = 1; k <= 1500; ++k) {
      await method.step();
      if (k !== 500 && k !== 1500) continue;
      const x = await read(problem.x);
      expect(Math.hypot(...x.map((value) => value + 0.3)) / 3).toBeGreaterThan(2);
    }
  });
});

describe.each(onlyCuda)('first steps of methods of two levels on %s', (kind) => {
  const device = Device.open(kind);
  const cpu = Device.open('cpu');
  afterAll(() => Promise.all([device.close(), cpu.close()]));

  it.each(['f64', 'f32'] as const)('are those of the CPU in %s', async (dtype) => {
    const share = dtype === 'f64' ? 1e-9 : 1e-2;
    const runs: ((on: Device) => Promise<number[]>)[] = [
      (on) => boRepGaps(cosh(on, dtype), [20, 40]),
      (on) => blockSlopes(on, [20], { variant: 'v2', blocksPerStep: 12 }, 0, dtype),
      (on) => blockSlopes(on, [10], { variant: 'v1', blocksPerStep: 12 }, 0, dtype),
      async (on) => (await toyErrors(on, 10, [50, 100], dtype)).errors,
    ];
    for (const run of runs) within(await run(device), await run(cpu), share);
  });
});

describe.each(devices)('methods of two levels on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('LV-HBA: the toy with a linear constraint after 100 steps', async () => {
    within((await toyErrors(device, 10, [100])).errors, [0.1454], 1e-3);
  });
});
