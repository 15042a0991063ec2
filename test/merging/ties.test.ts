// Devices: cpu, cuda
// Source: formula of the authors "trim, elect, disjoint mean, in plain loops over doubles and a sorted list"
import { afterAll, describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { type MergeOptions, mergeModels } from '../../lib/merging/index.ts';
import { Folder } from '../files/folder.ts';
import { devices } from '../support/devices.ts';
import { family, valuesOf, writeParts } from './folders.ts';

const names = ['layers.0.bias', 'layers.0.down.weight', 'layers.0.up.weight', 'model.embed_tokens.weight'];

describe.each(devices)('mergeModels by ties on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** All elements of all tensors, one after the other. */
  const all = (folder: string): number[] => names.flatMap((name) => valuesOf(folder, name));

  it.each<Partial<MergeOptions>>([
    {},
    { density: 0.5, scale: 0.7 },
    { density: 1, weights: [1, -0.5, 2] },
    { density: 1e-9 },
  ])('is the formula with %j', async (options) => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 3);
    const { density = 0.2, scale = 1, weights = [1, 1, 1] } = options;
    const report = await mergeModels({ base, models, out, method: 'ties', ...options, device });
    const own = all(base);
    const trimmed = models.map((model) => {
      const vector = all(model).map((x, i) => Math.fround(x - own[i]!));
      const sizes = vector.map(Math.abs).sort((a, b) => b - a);
      const least = sizes[Math.max(1, Math.floor(density * sizes.length)) - 1]!;
      return vector.map((x) => (Math.abs(x) >= least ? x : 0));
    });
    const expected = own.map((x, i) => {
      const parts = trimmed.map((vector, m) => weights[m]! * vector[i]!);
      const sign = Math.sign(parts.reduce((a, b) => a + b));
      const agreeing = parts.map((part) => (sign !== 0 && Math.sign(part) === sign ? 1 : 0));
      const total = agreeing.reduce<number>((sum, one, m) => sum + one * Math.abs(weights[m]!), 0);
      const mean = total === 0 ? 0 : parts.reduce((sum, part, m) => sum + part * agreeing[m]!, 0) / total;
      return x + scale * mean;
    });
    for (const [i, x] of all(out).entries()) expect(Math.abs(x - expected[i]!)).toBeLessThan(1.5e-7);
    const shares = trimmed.map((vector) => vector.filter((x) => x !== 0).length / own.length);
    for (const [m, share] of report.density!.entries()) expect(share).toBeCloseTo(shares[m]!, 12);
  });

  it('counts over all tensors, keeps all of equal size, and takes tensors of one element', async () => {
    using folder = new Folder();
    const make = (name: string, moved: number, small: number) =>
      writeParts(folder.file(name), { tensors: { a: [[0, moved, -moved, moved]], b: [[0, small]], c: [[small]] } });
    const [base, one] = [make('base', 0, 0), make('one', 1, 1e-40)];
    const { density } = await mergeModels({ base, models: [one], out: folder.file('out'), method: 'ties', device });
    expect(density).toEqual([3 / 7]);
    expect(valuesOf(folder.file('out'), 'a')).toEqual([0, 1, -1, 1]);
    expect(valuesOf(folder.file('out'), 'b')).toEqual([0, 0]);
    expect(valuesOf(folder.file('out'), 'c')).toEqual([0]);
    await mergeModels({ base, models: [one], out: folder.file('most'), method: 'ties', density: 0.8, device });
    expect(valuesOf(folder.file('most'), 'c')).toEqual([Math.fround(1e-40)]);
  });

  it('stays with the base where signs have the same weight, and where nothing has moved', async () => {
    using folder = new Folder();
    const make = (name: string, values: number[]) => writeParts(folder.file(name), { tensors: { a: [values] } });
    const [base, one, two] = [make('base', [1, 1, 5]), make('one', [2, 3, 5]), make('two', [0, 2, 5])];
    await mergeModels({ base, models: [one, two], out: folder.file('out'), method: 'ties', density: 1, device });
    expect(valuesOf(folder.file('out'), 'a')).toEqual([1, 2.5, 5]);
    const same = { base, models: [base], out: folder.file('same'), method: 'ties', device } as const;
    expect((await mergeModels(same)).density).toEqual([0]);
    expect(valuesOf(folder.file('same'), 'a')).toEqual([1, 1, 5]);
  });
});
