// Devices: cpu, cuda
// Source: closed form "the weighted mean, and the base with a multiple of the sum of task vectors, in f64"
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MergeOptions, mergeModels } from '../../lib/merging/index.ts';
import { Folder } from '../files/folder.ts';
import { devices } from '../support/devices.ts';
import { readModel, tensorOf, writeTensors } from '../transplant/models.ts';
import { family, matrix, nearest, valuesOf, writeParts } from './folders.ts';

describe.each(devices)('mergeModels on %s', (device) => {
  /** The factor of each task vector in what is added to the base. */
  const cases: [name: string, options: Partial<MergeOptions>, factors: number[], formula: string][] = [
    ['the mean', { method: 'average' }, [1 / 2, 1 / 2], '(models[0] + models[1]) / 2'],
    ['a weighted mean', { method: 'average', weights: [1, -0.5] }, [2, -1], '(models[0] − 0.5·models[1]) / 0.5'],
    [
      'a part of the mean',
      { method: 'average', scale: 0.5 },
      [0.25, 0.25],
      'base + 0.5·((models[0] + models[1]) / 2 − base)',
    ],
    [
      'the sum of task vectors',
      { method: 'arithmetic' },
      [0.3, 0.3],
      'base + 0.3·((models[0] − base) + (models[1] − base))',
    ],
    [
      'a weighted sum of task vectors',
      { method: 'arithmetic', scale: 1, weights: [0.5, -1.5] },
      [0.5, -1.5],
      'base + (0.5·(models[0] − base) − 1.5·(models[1] − base))',
    ],
  ];

  it.each(cases)('takes %s', async (_, options, factors, formula) => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 2, { shards: 2 });
    const report = await mergeModels({ base, models, out, method: 'average', ...options, device });
    expect(report.formula).toBe(formula);
    expect(report.tensors.length).toBe(4);
    for (const { tensor, cosines, rounding } of report.tensors) {
      const own = valuesOf(base, tensor);
      const vectors = models.map((model) => valuesOf(model, tensor).map((x, i) => x - own[i]!));
      const exact = own.map((x, i) => x + factors[0]! * vectors[0]![i]! + factors[1]! * vectors[1]![i]!);
      const made = valuesOf(out, tensor);
      // One rounding, of sums whose own error is far below.
      for (const [i, x] of made.entries()) expect(Math.abs(x - Math.fround(exact[i]!))).toBeLessThanOrEqual(1e-15);
      const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
      const update = made.map((x, i) => x - own[i]!);
      for (const [i, vector] of vectors.entries())
        expect(cosines![i]).toBeCloseTo(dot(update, vector) / Math.sqrt(dot(update, update) * dot(vector, vector)), 10);
      const errors = made.map((x, i) => Math.abs(x - exact[i]!));
      expect(rounding!.max).toBeCloseTo(Math.max(...errors), 12);
      expect(rounding!.rms).toBeCloseTo(Math.sqrt(dot(errors, errors) / errors.length), 12);
    }
    expect(folder.names).toEqual(['base', 'model0', 'model1', 'out']);
  });

  it.each(['BF16', 'F16'] as const)('rounds %s once, to the nearest', async (dtype) => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 3, { dtype });
    const { tensors } = await mergeModels({ base, models, out, method: 'arithmetic', scale: 0.7, device });
    for (const { tensor, from, to } of tensors) {
      expect([from, to]).toEqual(Array(2).fill(dtype.toLowerCase()));
      const own = valuesOf(base, tensor);
      const exact = own.map(
        (x, i) => x + 0.7 * models.reduce((sum, model) => sum + valuesOf(model, tensor)[i]! - x, 0),
      );
      for (const [i, x] of valuesOf(out, tensor).entries()) {
        const [below, above] = nearest(exact[i]!, dtype);
        expect(Math.abs(x - exact[i]!)).toBeLessThanOrEqual((above - below) * (0.5 + 1e-4));
      }
    }
  });

  it('gives each tensor the element type that it has in the base, whatever those of the models are', async () => {
    using folder = new Folder();
    const types = { a: 'F32', b: 'BF16', c: 'F16' } as const;
    const write = (name: string, seed: number, dtypeOf: (tensor: keyof typeof types) => 'F32' | 'BF16' | 'F16') => {
      const to = writeParts(folder.file(name), { tensors: {}, config: { torch_dtype: 'bfloat16' } });
      const one = (tensor: keyof typeof types, i: number) => tensorOf(matrix(3, 5, seed + i), dtypeOf(tensor));
      writeTensors(to, { a: one('a', 0), b: one('b', 1), c: one('c', 2) });
      return to;
    };
    const base = write('base', 1, (tensor) => types[tensor]);
    const models = [write('one', 10, () => 'F32'), write('two', 20, () => 'BF16')];
    const report = await mergeModels({ base, models, out: folder.file('out'), method: 'average', device });
    for (const { tensor, from, to } of report.tensors) {
      const dtype = types[tensor as keyof typeof types];
      expect([from, to]).toEqual([dtype.toLowerCase(), dtype.toLowerCase()]);
      const stored = readModel(folder.file('out')).tensors.get(tensor)!;
      expect(stored.dtype).toBe(dtype);
      const [x, y] = models.map((model) => valuesOf(model, tensor));
      const exact = x!.map((value, i) => (value + y![i]!) / 2);
      for (const [i, value] of valuesOf(folder.file('out'), tensor).entries()) {
        const [below, above] = dtype === 'F32' ? [0, 2 ** -23] : nearest(exact[i]!, dtype);
        expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual((above - below) * (0.5 + 1e-4));
      }
    }
    const config = (of: string) => readFileSync(path.join(of, 'config.json'), 'utf8');
    expect(config(folder.file('out'))).toBe(config(base));
  });

  it('gives another element type where it is asked for, and takes models of any', async () => {
    using folder = new Folder();
    const config = { torch_dtype: 'float32', text_config: { dtype: 'float32' }, rope_theta: 5 };
    const { base, models, out } = family(folder, 1, { config });
    const { models: halves } = family(new Folder(), 1, { dtype: 'BF16' });
    await mergeModels({ base, models: [...models, ...halves], out, method: 'average', dtype: 'bf16', device });
    for (const { dtype } of readModel(out).tensors.values()) expect(dtype).toBe('BF16');
  });
});
