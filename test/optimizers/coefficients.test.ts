// Devices: cpu
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { coefficientSets, Device, HybridAuON, Muon, orthogonalize, Tensor, type Triple } from '../../lib/index.ts';
import { composed, firstOutOfRange, iterationOf } from '../../lib/optimizers/coefficients.ts';
import { nearestQuintic, polarExpress } from '../reference/polar-express.ts';

const at = (p: readonly number[], x: number): number => p[0]! * x + p[1]! * x ** 3 + p[2]! * x ** 5;

describe('the recurrence of Polar Express', () => {
  it('finds quintics whose error has equal ripples', () => {
    const p = nearestQuintic(0.1, 1);
    const errors = Array.from({ length: 901 }, (_, i) => at(p, 0.1 + i / 1000) - 1);
    expect(Math.max(...errors)).toBeCloseTo(-Math.min(...errors), 5);
    expect(at(p, 0.1) - 1).toBeCloseTo(Math.min(...errors), 9);
    expect(at(p, 1) - 1).toBeCloseTo(Math.max(...errors), 5);
  });

  it('gives the set polar-express, with 1.05 on every step', () => {
    const steps = polarExpress({ lower: 1e-3, count: 8, cushion: 0.02407327424182761 });
    const { steps: own } = coefficientSets['polar-express'];
    expect(own.length).toBe(8);
    for (const [i, [a, b, c]] of steps.entries())
      for (const [k, x] of [a / 1.05, b / 1.05 ** 3, c / 1.05 ** 5].entries())
        expect(own[i]?.[k], `step ${i}`).toBeCloseTo(x, 6);
    expect(own[0]?.[0]).toBeCloseTo(7.892582874424405, 13);
    expect(own[4]?.[2]).toBeCloseTo(0.3281464876231551, 13);
  });

  it('gives the set polar-express-kj, with 1.02 inside', () => {
    const steps = polarExpress({ lower: 1e-3, count: 5, cushion: 0.02, safety: 1.02 });
    const { steps: own } = coefficientSets['polar-express-kj'];
    for (const [i, step] of steps.entries())
      for (const [k, x] of step.entries()) expect(own[i]?.[k], `step ${i}`).toBeCloseTo(x, 10);
  });
});

describe('named sets', () => {
  it('have sources', () => {
    expect(Object.keys(coefficientSets)).toEqual([
      'jordan',
      'you5',
      'polar-express',
      'polar-express-101',
      'polar-express-kj',
      'cans',
      'aol4-fns',
      'deepseek-v4',
      'cubic5',
    ]);
    for (const { source, steps, count } of Object.values(coefficientSets)) {
      expect(source.length).toBeGreaterThan(10);
      expect(steps.every((step) => step.length === 3 && step.every(Number.isFinite))).toBe(true);
      expect(count).toBeGreaterThan(0);
    }
  });

  // slope at 0, least and most on [1e-3, 1], on [1e-2, 1], values at 1, 1.01, 1.02, 1.05
  it.each([
    ['aol4-fns', 147, [0.147, 1.05], [0.941, 1.05], [0.944, 0.996, 1.044, 1.026]],
    ['jordan', 485, [0.471, 1.202], [0.682, 1.134], [0.696, 0.688, 0.684, 0.682]],
    ['you5', 493, [0.475, 1.145], [0.978, 1.032], [0.978, 1.012, 1.019, 1.028]],
    ['polar-express', 804, [0.729, 1.124], [0.846, 1.124], [1.019, 0.893, 1.107, 0.854]],
    ['polar-express-kj', 970, [0.847, 1.141], [0.859, 1.141], [0.904, 0.874, 0.859]],
    ['deepseek-v4', 79263, [1, 1.0005], [1, 1.0005], [1, 1, 1, 1]],
  ] as const)('%s maps singular values as published', (name, slope, wide, narrow, above) => {
    const iteration = iterationOf(name);
    const f = (x: number): number => composed(iteration, x / iteration.normScale);
    expect(Math.round(f(1e-12) / 1e-12)).toBe(slope);
    for (const [from, [least, most]] of [
      [1e-3, wide],
      [1e-2, narrow],
    ] as const) {
      const values = Array.from({ length: 20_001 }, (_, i) => f(from ** (1 - i / 20_000)));
      expect(Math.abs(Math.min(...values) - least)).toBeLessThan(1.1e-3);
      expect(Math.abs(Math.max(...values) - most)).toBeLessThan(1.1e-3);
    }
    for (const [i, x] of [1, 1.01, 1.02, 1.05].entries())
      if (above[i] !== undefined) expect(Math.abs(f(x) - above[i])).toBeLessThan(1.1e-3);
  });

  // Those of `cans` are computed: its rows have four printed digits, which give 0.887 to 1.113 in its authors' table.
  it.each([
    ['polar-express-101', 976, [0.846, 1.124], [1.03, 1.09]],
    ['cans', 1049, [0.884, 1.12], [1.005]],
  ] as const)('%s maps singular values as its rows do, with room in its norm', (name, slope, [least, most], at) => {
    const iteration = iterationOf(name);
    const f = (x: number): number => composed(iteration, x);
    expect(Math.abs(f(1e-12) / 1e-12 - slope)).toBeLessThan(1);
    const values = Array.from({ length: 20_001 }, (_, i) => f(1e-3 ** (1 - i / 20_000)));
    expect(Math.abs(Math.min(...values) - least)).toBeLessThan(1.1e-3);
    expect(Math.abs(Math.max(...values) - most)).toBeLessThan(1.1e-3);
    for (const [i, value] of at.entries()) expect(Math.abs(f(1 + i / 100) - value)).toBeLessThan(6e-3);
    for (const x of [1, 1.01]) expect(Math.abs(f(x / iteration.normScale) - 1)).toBeLessThan(0.13);
  });

  it('cubic5 maps singular values as published, and its margin keeps those that rounding makes', () => {
    const iteration = iterationOf('cubic5');
    const f = (x: number): number => composed(iteration, x);
    expect(Math.round(f(1e-12) / 1e-12)).toBe(119);
    const values = Array.from({ length: 20_001 }, (_, i) => f(1e-3 ** (1 - i / 20_000)));
    expect(Math.abs(Math.min(...values) - 0.119)).toBeLessThan(1e-3);
    expect(Math.abs(Math.max(...values) - 1.3)).toBeLessThan(1e-3);
    for (const [i, value] of [0.774, -1.2, -0.84, -0.81].entries())
      expect(Math.abs(f(1 + [0, 0.01, 0.02, 0.05][i]!) - value)).toBeLessThan(6e-3);
    expect(firstOutOfRange(iteration)).toBe(undefined);
    expect(firstOutOfRange({ ...iteration, normScale: 1 })?.sigma).toBe(1.004);
  });

  it.each(['f32', 'bf16', 'f16'] as const)('cubic5 keeps the direction of a matrix of rank 1 in %s', async (dtype) => {
    const own = Device.open('cpu', { threads: 1 });
    for (const shape of [
      [1, 1],
      [1, 300],
      [64, 64],
      [17, 90],
    ]) {
      const x = Tensor.full(own, shape, 3);
      const o = await orthogonalize(x, { coefficients: 'cubic5', dtype }).read();
      // f(1 / 1.01) = 1.105, of which 16 bits may make what 1 % of room leaves: 0.774 to 1.3.
      const size = Math.sqrt(shape[0]! * shape[1]!);
      for (const value of o) {
        expect(value * size).toBeGreaterThan(0.77);
        expect(value * size).toBeLessThan(1.31);
      }
    }
    await own.close();
  });

  it('that are unsafe are refused, with the reason', () => {
    const own = Device.open('cpu', { threads: 1 });
    const x = Tensor.zeros(own, [2, 3]);
    for (const name of ['aol', 'aol4-nv'])
      expect(() => orthogonalize(x, { coefficients: name as never })).toThrow(/coefficients .*turns.*, got/);
    expect(() => new Muon([x], { coefficients: 'polar-express-raw' as never })).toThrow(/diverges above 1/);
    return own.close();
  });

  it('go on as their authors do', () => {
    expect(iterationOf('jordan', 7).coefficients).toEqual(Array(7).fill([3.4445, -4.775, 2.0315]).flat());
    expect(iterationOf('you5', 6).coefficients.slice(15)).toEqual([4.0848, -6.8946, 2.927]);
    expect(iterationOf('polar-express', 9).coefficients.slice(24)).toEqual(
      iterationOf('polar-express', 8).coefficients.slice(21),
    );
    expect(iterationOf('polar-express', 2).coefficients).toHaveLength(6);
    expect(
      iterationOf(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        3,
      ).coefficients,
    ).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 3]);
    expect(iterationOf('jordan', 0).coefficients).toEqual([]);
    expect(iterationOf('polar-express-kj')).toMatchObject({ normScale: 1.02, eps: 1e-6 });
    expect(iterationOf('polar-express-kj', 5, 0)).toMatchObject({ normScale: 1.02, eps: 0 });
  });
});

describe('steps of the caller', () => {
  const codes: unknown[] = [];
  beforeEach(() => {
    vi.spyOn(process, 'emitWarning').mockImplementation(((_text: string, options: { code?: string }) => {
      codes.push(options.code);
    }) as typeof process.emitWarning);
  });
  afterEach(() => void vi.restoreAllMocks());
  const warned = (): unknown[] => codes.splice(0);
  const device = Device.open('cpu', { threads: 1 });
  const weights = (): Tensor[] => [Tensor.zeros(device, [3, 4]), Tensor.zeros(device, [4, 4])];

  // Turns the sign of singular values above 0.884.
  const unsafe: Triple[] = [
    [4.0098, -7.0585, 2.4635],
    [3.4585, -5.5479, 2.5959],
    [2.7573, -3.2939, 1.4254],
    [2.7215, -3.0494, 1.3169],
  ];
  const cubic: Triple[] = [
    [3.3656576, -3.3420992, 0],
    [2.5744352, -1.4957376, 0],
    [2.5368962, -1.431257, 0],
    [2.4418906, -1.276404, 0],
    [2.2230472, -0.963065, 0],
  ];

  it.each([
    ['unsafe', unsafe],
    ['cubic', cubic],
    ['unscaled', polarExpress({ lower: 1e-3, count: 5, cushion: 0.024 })],
  ])('warn once, %s', async (_name, coefficients) => {
    for (const Class of [Muon, HybridAuON]) {
      const own = coefficients.map((step) => [...step] as unknown as Triple);
      const optimizer = new Class(weights(), { coefficients: own });
      for (let i = 0; i < 3; ++i) optimizer.step([Tensor.full(device, [3, 4], 1), null]);
      expect(warned()).toEqual(['ORTHOKIT_COEFFICIENTS']);
      optimizer.groups[0]!.coefficients = coefficients.map((step) => [...step] as unknown as Triple);
      for (let i = 0; i < 3; ++i) optimizer.step([Tensor.full(device, [3, 4], 1), null]);
      expect(warned()).toEqual(['ORTHOKIT_COEFFICIENTS']);
    }
    for (let i = 0; i < 3; ++i) orthogonalize(weights()[0]!, { coefficients }).dispose();
    expect(warned()).toEqual(['ORTHOKIT_COEFFICIENTS']);
    orthogonalize(weights()[0]!, { coefficients, nsSteps: 0 }).dispose();
    expect(warned()).toEqual([]);
    await device.synchronize();
  });

  it('are examined anew for another number of steps', () => {
    // Two steps bring singular values into (0, 0.86], where the fourth turns signs.
    const own: Triple[] = [[3, -1.5, 0], [1.5, -0.33333, 0], [1, -0.2, 0], [1, -2, 0]]; // biome-ignore format: one line
    const optimizer = new Muon(weights(), { coefficients: own, nsSteps: 2 });
    expect(warned()).toEqual([]);
    optimizer.groups[0]!.nsSteps = 4;
    for (let i = 0; i < 2; ++i) optimizer.step([Tensor.full(device, [3, 4], 1), null]);
    expect(warned()).toEqual(['ORTHOKIT_COEFFICIENTS']);
    orthogonalize(weights()[0]!, { coefficients: own, nsSteps: 3 }).dispose();
    expect(warned()).toEqual([]);
    orthogonalize(weights()[0]!, { coefficients: own, nsSteps: 4 }).dispose();
    expect(warned()).toEqual(['ORTHOKIT_COEFFICIENTS']);
    return device.synchronize();
  });

  it('do not warn where they are sound', () => {
    for (const set of Object.values(coefficientSets)) {
      if (set.normScale) continue; // made for another norm
      new Muon(weights(), { coefficients: set.steps.slice(0, set.count) as Triple[], nsSteps: 5 }).dispose();
    }
    for (const name of Object.keys(coefficientSets)) new Muon(weights(), { coefficients: name as 'jordan' }).dispose();
    expect(warned()).toEqual([]);
  });

  it.each([
    [[]],
    [[[1, 2]]],
    [[[1, 2, Number.NaN]]],
    [[[1, 2, '3']]],
    [[1, 2, 3]],
    ['jordan5'],
    ['toString'],
    ['__proto__'],
    [null],
    [5],
    [[[1, 2, Infinity]]],
    [Array(1)],
    [[Array(3)]],
    [{ length: 1, 0: [1, 2, 3] }],
  ])('refuse %j', (coefficients) => {
    expect(() => new Muon(weights(), { coefficients: coefficients as never })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });

  it('are copied, so that nobody changes them behind the checks', () => {
    const own: [number, number, number][] = [[1.5, -0.5, 0]];
    const optimizer = new Muon(weights(), { coefficients: own });
    own[0]![0] = Number.NaN;
    expect(optimizer.groups[0]?.coefficients).toEqual([[1.5, -0.5, 0]]);
    expect(Object.isFrozen((optimizer.groups[0]!.coefficients as Triple[])[0])).toBe(true);
  });
});
