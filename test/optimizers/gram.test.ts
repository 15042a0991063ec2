// Devices: cpu, cuda
// Newton–Schulz on the Gram matrix: where it is chosen, its restarts, and what takes plain steps after all.
import { afterAll, describe, expect, it } from 'vitest';
import {
  combine,
  Device,
  Dion2,
  HybridAuON,
  Muon,
  NorMuon,
  orthogonalize,
  SGD,
  Tensor,
  Trion,
} from '../../lib/index.ts';
import { type CoefficientName, coefficientSets, iterationOf } from '../../lib/optimizers/coefficients.ts';
import { bestRestarts, conditionOfSteps, roundingOfGram, searchedRestarts } from '../../lib/optimizers/restarts.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { bits, numbers, tensor } from './classes.ts';

const refusal = (message: RegExp): object =>
  expect.objectContaining({ name: 'OrthokitError', code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
/** Steps that no restart keeps apart from 0: the factors of large and of tiny values have no digits in common. */
const wild = Array<[number, number, number]>(6).fill([30, -29.5, 0]);

describe.each(devices)('the Gram matrix on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const formOf = async (x: Tensor, options: object): Promise<string[]> => {
    const [auto, ...forms] = await Promise.all(
      (['auto', 'newton-schulz', 'gram'] as const).map((method) => bits([orthogonalize(x, { method, ...options })])),
    );
    return ['newton-schulz', 'gram'].filter((_, i) => forms[i]!.join() === auto!.join());
  };

  it('is chosen by shape and dtype alone', async () => {
    for (const dtype of ['f32', 'bf16'] as const)
      for (const [rows, columns] of [
        [16, 17],
        [16, 160],
        [70, 80],
        [70, 600],
      ] as const) {
        const x = Tensor.randn(device, [rows, columns], { seed: 1 });
        const form = await formOf(x, { dtype });
        expect(form, `${dtype} ${rows} × ${columns}`).toHaveLength(1);
        const turned = Tensor.randn(device, [2, columns, rows], { seed: 2 });
        expect(await formOf(turned, { dtype, coefficients: 'jordan' })).toEqual(form);
        const steep = Tensor.from(
          device,
          Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i) / (1 + i)),
          [rows, columns],
        );
        expect(await formOf(steep, { dtype, scaling: 'schatten4' })).toEqual(form);
      }
    const square = Tensor.randn(device, [33, 33], { seed: 1 });
    expect(await formOf(square, {})).toEqual(['newton-schulz', 'gram']);
  });

  it('takes plain steps for each matrix that it spoils, and counts it', async () => {
    const wave = (n: number, s: number): number[] =>
      Array.from({ length: n }, (_, i) => Math.sin(13 * (i + 1) * s + s));
    const [u, v] = [wave(8, 1.1), wave(40, 2.3)];
    const outer = u.flatMap((a) => v.map((b) => a * b));
    const plain = await numbers(Tensor.randn(device, [8, 40], { seed: 3 }));
    // Of rank 1: by the fifth step what rounding made of eigenvalues 0 has grown beyond all bounds.
    const options = {
      nsMethod: 'gram',
      nsDtype: 'bf16',
      coefficients: 'polar-express',
      nsRestarts: [4],
      nsSteps: 5,
    } as const;
    const shapes = [[3, 8, 40], [8, 40], [8, 40]]; // biome-ignore format: one line
    const grads = [[...outer, ...plain, ...outer], outer, plain].map((data, i) =>
      Tensor.from(device, Float32Array.from(data), shapes[i]!),
    );
    const make = (Class: typeof Muon, more: object) =>
      new Class(
        shapes.map((shape) => Tensor.zeros(device, shape)),
        more,
      );
    for (const Class of [Muon, NorMuon, Dion2, Trion, HybridAuON] as unknown as (typeof Muon)[]) {
      const more = Class.name === 'Dion2' ? { fraction: 1 } : {};
      using optimizer = make(Class, { ...options, ...more });
      expect((await optimizer.report()).fallbacks).toBe(0);
      for (let step = 0; step < 2; ++step) {
        optimizer.step(grads);
        const { fallbacks, nonFinite } = await optimizer.report();
        expect({ fallbacks, nonFinite }, Class.name).toEqual({ fallbacks: 3, nonFinite: 0 });
      }
      using sound = make(Class, { ...options, ...more, nsRestarts: [2] });
      sound.step(grads);
      expect((await sound.report()).fallbacks, Class.name).toBe(0);
    }
    // A matrix without finite elements is of no use to plain steps either.
    using muon = make(Muon, options);
    muon.step([grads[0]!, Tensor.full(device, [8, 40], Number.NaN), grads[2]!]);
    expect(await muon.report()).toMatchObject({ fallbacks: 2, nonFinite: 1 });
  });

  it('takes plain steps in 16 bits again in f32 where rounding carries them away', async () => {
    let again = 0;
    for (let second = 3.2; second < 3.9; second += 0.05) {
      const weight = Tensor.zeros(device, [9, 4]);
      const options = { lr: 1, momentum: 0, nsMethod: 'newton-schulz', nsDtype: 'bf16' } as const;
      using optimizer = new Muon([weight], { ...options, coefficients: 'cans', nsSteps: 8, shapeScale: 'none' });
      const sizes = [9.2, second, 1, 0.3];
      const at = (i: number) => (i % 5 === 0 ? (sizes[i / 5] ?? 0) : 0);
      optimizer.step([
        Tensor.from(
          device,
          Float32Array.from({ length: 36 }, (_, i) => at(i)),
          [9, 4],
        ),
      ]);
      for (const [i, x] of (await numbers(weight)).entries()) expect(Math.abs(x + Math.sign(at(i)))).toBeLessThan(0.1);
      again += (await optimizer.report()).fallbacks ?? 0;
    }
    expect(again).toBeGreaterThan(0);
  });

  it('reports no number where nothing is orthogonalized, and adds up those of parts', async () => {
    const [a, b] = [tensor(device, [4, 9], 1), tensor(device, [5], 2)];
    using optimizer = combine([
      { optimizer: Muon, params: [a] },
      { optimizer: SGD, params: [b] },
    ]);
    optimizer.step([tensor(device, [4, 9], 3), tensor(device, [5], 4)]);
    const report = await optimizer.report();
    expect(report.fallbacks).toBe(0);
    expect(report.parts.map(({ fallbacks }) => fallbacks)).toEqual([0, undefined]);
  });

  it('leaves no counter behind', async () => {
    const own = Device.open(kind);
    const [w, g] = [tensor(own, [4, 9], 1), tensor(own, [4, 9], 2)];
    const before = await settledMemory(own);
    const optimizer = new Muon([w], { nsMethod: 'gram' });
    for (let i = 0; i < 3; ++i) optimizer.step([g]);
    await optimizer.report();
    optimizer.dispose();
    expect((await settledMemory(own)).live).toBe(before.live);
    await own.close();
  });
});

describe.each(onlyCpu)('restarts', () => {
  const device = Device.open('cpu', { threads: 1 });
  afterAll(() => device.close());
  const condition = (name: 'polar-express' | 'you5' | 'jordan', restarts: number[]): number =>
    conditionOfSteps(iterationOf(name, 5), restarts, roundingOfGram.half);

  it('keep factors conditioned as Dao-AILab/gram-newton-schulz has it', () => {
    for (const [name, restarts, expected] of [
      ['polar-express', [], 2.7e12],
      ['polar-express', [2], 84.6],
      ['polar-express', [1, 2], 60.9],
      ['you5', [], 2.1e8],
      ['you5', [2], 53.2],
      ['you5', [1, 3], 34.8],
      ['jordan', [3], 62.5],
      ['jordan', [2], 74.1],
    ] as const)
      expect(condition(name, [...restarts]) / expected).toBeCloseTo(1, 2);
  });

  it('are chosen for each set', () => {
    expect(bestRestarts(iterationOf('polar-express'))).toEqual([2]);
    expect(bestRestarts(iterationOf('you5'))).toEqual([2]);
    expect(bestRestarts(iterationOf('jordan'))).toEqual([3]);
    expect(bestRestarts(iterationOf('jordan', 2))).toEqual([]);
    expect(bestRestarts(iterationOf('polar-express', 8))).toHaveLength(2);
    expect(bestRestarts(iterationOf('jordan', 12))).toEqual([2, 5, 8, 11]);
    for (const name of [
      'jordan',
      'you5',
      'polar-express',
      'polar-express-101',
      'polar-express-kj',
      'aol4-fns',
    ] as const)
      expect(conditionOfSteps(iterationOf(name), bestRestarts(iterationOf(name)), roundingOfGram.half)).toBeLessThan(
        1e3,
      );
  });

  it('of the sets are those that the search finds', () => {
    for (const name of Object.keys(coefficientSets) as CoefficientName[])
      expect(bestRestarts(iterationOf(name)), name).toEqual(searchedRestarts(iterationOf(name)));
  });

  it('are the first of the least condition among all', () => {
    const random: [number, number, number][] = Array.from({ length: 6 }, (_, i) => [
      3 + Math.sin(3 * i),
      -3.5 + Math.cos(5 * i),
      1.2 + Math.sin(7 * i),
    ]);
    for (const iteration of [iterationOf('polar-express', 8), iterationOf('cans', 7), iterationOf(random)]) {
      const steps = iteration.coefficients.length / 3;
      const pairs = Array.from({ length: steps ** 2 }, (_, i) => [Math.floor(i / steps), i % steps] as const);
      const conditions = pairs
        .filter(([a, b]) => a > 0 && a < b)
        .map((restarts) => ({ restarts, condition: conditionOfSteps(iteration, restarts, roundingOfGram.half) }));
      const least = Math.min(...conditions.map(({ condition }) => condition));
      const first = conditions.find(({ condition }) => condition === least)?.restarts;
      expect(searchedRestarts(iteration)).toEqual(first);
    }
  });

  it('are refused where they are of no use', () => {
    const x = tensor(device, [4, 9], 1);
    for (const [options, message] of [
      [{ method: 'newton-schulz', restarts: [2] }, /restarts must be left out for method newton-schulz, got a list/],
      [{ method: 'polar', restarts: [2] }, /restarts must be left out for method polar/],
      [{ restarts: [2, 2] }, /restarts must be a rising list of whole numbers in \[1, 99\]/],
      [{ restarts: [0] }, /rising list/],
      [{ restarts: [5] }, /restarts must be below the number of steps, 5, got 5/],
      [{ nsSteps: 6, restarts: [2] }, /restarts must be two or more for more than five steps, got 1/],
      [
        { restarts: [], dtype: 'f16' },
        /restarts must keep the condition of what is between two below 1e8, got 2.7e\+12/,
      ],
    ] as const)
      expect(() => orthogonalize(x, options as never)).toThrow(refusal(message));
    expect(() => new Muon([x], { nsRestarts: [], nsDtype: 'bf16' })).toThrow(
      refusal(/nsRestarts must keep the condition/),
    );
    expect(() => new Muon([x], { nsMethod: 'polar', nsScaling: 'aol' })).toThrow(
      refusal(/nsScaling must be one that keeps/),
    );
    expect(() => new HybridAuON([x], { nsRestarts: [2] })).toThrow(refusal(/below the number of steps, 1/));
    expect(() => orthogonalize(x, { method: 'gram', coefficients: wild, dtype: 'f16' })).toThrow(
      refusal(/method must be newton-schulz for coefficients/),
    );
    orthogonalize(x, { restarts: [] }).dispose();
  });
});
