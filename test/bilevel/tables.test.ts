// Devices: cpu, cuda
// Values: tables of methods of two levels, computed apart (NumPy): how far each is from a known optimum after so
// many steps. CUDA takes the first steps of each, to the numbers of the CPU.
import { afterAll, describe, expect, it } from 'vitest';
import { type BilevelOracle, BoRep, LvHba, MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { Device, type Tensor } from '../../lib/index.ts';
import { devices, onlyCpu, onlyCuda } from '../support/devices.ts';
import { blocksOf, upperAt } from './blocks.ts';
import { cosh, optimum, valueAt } from './cosh.ts';
import { linearConstraint, rowOf } from './linear-constraint.ts';

type Dtype = 'f32' | 'f64';
const read = async (x: Tensor) => [...(await x.read())].map(Number);
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
  options: { variant: 'v1' | 'v2'; blocksPerStep: number },
  dtype: Dtype = 'f64',
): Promise<number[]> {
  const blocks = blocksOf(device, dtype, 0);
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

/** Errors of the toy with a linear constraint, whose row is 1 long. */
async function toyErrors(device: Device, n: number, marks: readonly number[], dtype: Dtype = 'f64') {
  const problem = linearConstraint(device, n, 1 / rowOf(n), dtype);
  const method = new LvHba(problem, { ...steps, gamma1: 1, gamma2: 1, penalty: { c: 1, p: 0.3 } });
  await method.init();
  const errors: number[] = [];
  for (let k = 0; k < marks.at(-1)!; ++k) {
    await method.step();
    if (!marks.includes(k + 1)) continue;
    const x = await read(problem.x);
    errors.push(Math.hypot(...x.map((value) => value + 0.3)) / (0.3 * Math.sqrt(n)));
  }
  method.dispose();
  return errors;
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
      (on) => blockSlopes(on, [20], { variant: 'v2', blocksPerStep: 12 }, dtype),
      (on) => blockSlopes(on, [10], { variant: 'v1', blocksPerStep: 12 }, dtype),
      (on) => toyErrors(on, 10, [50, 100], dtype),
    ];
    for (const run of runs) within(await run(device), await run(cpu), share);
  });
});

describe.each(devices)('methods of two levels on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('LV-HBA: the toy with a linear constraint after 100 steps', async () => {
    within(await toyErrors(device, 10, [100]), [0.1454], 1e-3);
  });
});
