// Devices: cpu, cuda
// Values: lengths of sums of eight independent random task vectors, by the authors' program (specs, OPCM)
// Source: formula of the authors' program "full singular vectors, in plain loops over doubles"
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { ContinualMerger } from '../../lib/merging/index.ts';
import { Folder } from '../files/folder.ts';
import { normal, uniform } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { cleaned, fullSvd, type Matrix } from './opcm.ts';

type Model = Record<string, Tensor>;

describe.each(devices)('ContinualMerger on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const shapes = { 'a.weight': [9, 6], 'b.weight': [5, 8], 'a.bias': [9], 'embed.weight': [4, 6] };
  type Dtype = 'f32' | 'f64' | 'bf16';
  const random = (seed: number, size: number, dtype: Dtype = 'f64', base?: Record<string, number[]>) => {
    const next = uniform(seed);
    const numbers = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        Array.from(
          { length: shape.reduce((a, b) => a * b) },
          (_, i) => (base?.[name]?.[i] ?? 0) + size * (2 * next() - 1),
        ),
      ]),
    );
    const tensors: Model = Object.fromEntries(
      Object.entries(numbers).map(([name, own]) => [
        name,
        Tensor.from(device, own, shapes[name as keyof typeof shapes], { dtype }),
      ]),
    );
    return { numbers, tensors };
  };
  const read = async (model: Model): Promise<Record<string, number[]>> =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(model).map(async ([name, x]) => [name, Array.from(await x.read())] as [string, number[]]),
      ),
    );

  it('adds what is left of each task vector, and brings the sum to their mean length', async () => {
    const base = random(1, 1);
    const models = [2, 3, 4].map((seed) => random(seed, 0.1, 'f64', base.numbers));
    const merger = new ContinualMerger(base.tensors, { alpha: 0.4 });
    const sums: Record<string, number[]> = {};
    const lengths: number[] = [];
    for (const [t, model] of models.entries()) {
      const added = await merger.add(model.tensors);
      let squares = 0;
      let [kept, whole] = [0, 0];
      for (const [name, own] of Object.entries(model.numbers)) {
        let vector = own.map((x, i) => x - base.numbers[name]![i]!);
        for (const x of vector) squares += x * x;
        if (!name.includes('bias') && !name.includes('embed')) {
          for (const x of vector) whole += x * x;
          const columns = shapes[name as 'a.weight'][1]!;
          const rows = (x: number[]): Matrix =>
            Array.from({ length: x.length / columns }, (_, i) => x.slice(i * columns, (i + 1) * columns));
          if (t > 0) {
            const { clean, rank } = cleaned(fullSvd(rows(sums[name]!)), rows(vector), 0.4);
            vector = clean.flat();
            expect(added.ranks[name]).toBe(rank);
          } else expect(added.ranks[name]).toBe(0);
          for (const x of vector) kept += x * x;
        } else expect(added.ranks).not.toHaveProperty([name]);
        sums[name] = vector.map((x, i) => x + (sums[name]?.[i] ?? 0));
      }
      lengths.push(Math.sqrt(squares));
      const mean = lengths.reduce((a, b) => a + b) / lengths.length;
      const length = Math.hypot(...Object.values(sums).flat());
      expect(added.scale).toBeCloseTo(length / mean, 12);
      expect(added.energyKept).toBeCloseTo(kept / whole, 12);
      const merged = await read(await merger.merged());
      let moved = 0;
      for (const [name, values] of Object.entries(merged))
        for (const [i, x] of values.entries()) {
          expect(x).toBeCloseTo(base.numbers[name]![i]! + (sums[name]![i]! * mean) / length, 12);
          moved += (x - base.numbers[name]![i]!) ** 2;
        }
      expect(Math.sqrt(moved) / mean).toBeCloseTo(1, 6);
    }
    expect(merger.count).toBe(3);
  });

  it('keeps next to nothing of a model that was added before', async () => {
    const base = random(1, 1, 'f32');
    const model = random(2, 0.1, 'f32', base.numbers);
    const merger = new ContinualMerger(base.tensors);
    expect((await merger.add(model.tensors)).energyKept).toBe(1);
    expect((await merger.add(model.tensors)).energyKept).toBeLessThan(1e-10);
  });

  it('does not bring rounding to the length of task vectors that cancel', async () => {
    const base = { b: Tensor.full(device, [3], 0.5) };
    const merger = new ContinualMerger(base);
    await merger.add({ b: Tensor.from(device, [1.6, 0.1, 0.5], [3]) });
    // All but the opposite of the first.
    const { scale } = await merger.add({ b: Tensor.from(device, [-0.6, 0.9, 0.5 + 2 ** -24], [3]) });
    expect(scale).toBe(1);
    for (const x of (await read(await merger.merged()))['b']!) expect(x).toBeCloseTo(0.5, 6);
  });

  it('goes on from its file to the same bits', async () => {
    using folder = new Folder();
    const base = random(1, 1, 'f32').tensors;
    const [one, two] = [new ContinualMerger(base), new ContinualMerger(base)];
    for (const seed of [2, 3]) await one.add(random(seed, 1, 'f32').tensors);
    await one.save(folder.file('state'), { metadata: { note: 'x' } });
    expect(await two.load(folder.file('state'))).toEqual({ metadata: { note: 'x' } });
    expect(two.count).toBe(2);
    const results = [await one.add(random(4, 1, 'f32').tensors), await two.add(random(4, 1, 'f32').tensors)];
    expect(results[1]).toEqual(results[0]);
    expect(await read(await two.merged())).toEqual(await read(await one.merged()));
    for (const options of [{ alpha: 0.25 }, { linear: () => false }])
      await expect(new ContinualMerger(base, options).load(folder.file('state'))).rejects.toMatchObject({
        code: 'ERR_STATE',
      });
  });

  it('refuses a file whose sums are not finite, and stays as it is', async () => {
    using folder = new Folder();
    const base = random(1, 1, 'f32').tensors;
    const merger = new ContinualMerger(base);
    await merger.add(random(2, 1, 'f32').tensors);
    const before = await read(await merger.merged());
    await merger.save(folder.file('state'));
    const bytes = readFileSync(folder.file('state'));
    bytes.writeFloatLE(NaN, bytes.length - 4);
    writeFileSync(folder.file('state'), bytes);
    await expect(merger.load(folder.file('state'))).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('must be finite'),
    });
    expect(await read(await merger.merged())).toEqual(before);
  });

  it('goes on from a file however many names there are', async () => {
    using folder = new Folder();
    const one = Tensor.zeros(device, [1, 1]);
    const base = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, i) => [`model.layers.${i}.block_sparse_moe.experts.0.down_proj.weight`, one]),
    );
    await new ContinualMerger(base).save(folder.file('state'));
    expect(await new ContinualMerger(base).load(folder.file('state'))).toEqual({ metadata: {} });
    await expect(new ContinualMerger({ ...base, more: one }).load(folder.file('state'))).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('"count":20001'),
    });
  });

  it('refuses values that the dtype of the base does not hold', async () => {
    const base = { w: Tensor.zeros(device, [1, 2], { dtype: 'f16' }), x: Tensor.zeros(device, [2], { dtype: 'f16' }) };
    const merger = new ContinualMerger(base);
    await merger.add({ w: Tensor.from(device, [1, 2], [1, 2]), x: Tensor.from(device, [1, 70000], [2]) });
    await expect(merger.merged()).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'ContinualMerger.merged: tensor "x" must have values that f16 holds, got larger ones',
    });
  });

  it('waits for no other model once it is aborted', async () => {
    using folder = new Folder();
    const base = random(1, 1, 'f32').tensors;
    const [one, two] = [2, 3].map((seed) => random(seed, 1, 'f32').tensors);
    const merger = new ContinualMerger(base);
    await merger.save(folder.file('state'));
    const controller = new AbortController();
    const ended: string[] = [];
    const note = (name: string) => () => void ended.push(name);
    const add = merger.add(one!).then(note('add'));
    const aborted = merger.add(two!, { signal: controller.signal }).catch(note('aborted'));
    controller.abort();
    await Promise.all([add, aborted]);
    expect(ended).toEqual(['aborted', 'add']);
    expect(merger.count).toBe(1);
    // Later calls still wait.
    const alone = new ContinualMerger(base);
    for (const model of [one!, two!]) await alone.add(model);
    await merger.add(two!);
    expect(await read(await merger.merged())).toEqual(await read(await alone.merged()));
  });

  it('rounds once, to the dtype of the base', async () => {
    const base = random(1, 1, 'bf16');
    const merger = new ContinualMerger(base.tensors);
    await merger.add(random(2, 1, 'f32').tensors);
    for (const tensor of Object.values(await merger.merged())) expect(tensor.dtype).toBe('bf16');
    // A single model comes back: its task vector has the mean length, and lies within f32.
    const [whole, own] = [new ContinualMerger(base.tensors), random(3, 1, 'bf16')];
    await whole.add(own.tensors);
    expect(await read(await whole.merged())).toEqual(await read(own.tensors));
  });

  it('is what it was when a model is refused', async () => {
    const base = random(1, 1, 'f32').tensors;
    const merger = new ContinualMerger(base);
    await expect(merger.merged()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await merger.add(random(2, 1, 'f32').tensors);
    const before = await read(await merger.merged());
    const model = random(3, 1, 'f32').tensors;
    const { 'a.bias': bias, ...less } = model;
    const wrong: [object, object][] = [
      [less, { code: 'ERR_ARGUMENT', message: expect.stringContaining('without "a.bias"') }],
      [
        { ...model, more: bias },
        { code: 'ERR_ARGUMENT', message: expect.stringContaining('with "more"') },
      ],
      [{ ...model, 'a.bias': Tensor.zeros(device, [8]) }, { code: 'ERR_SHAPE' }],
      [{ ...model, 'a.bias': Tensor.zeros(device, [9], { dtype: 'i32' }) }, { code: 'ERR_DTYPE' }],
      [
        { ...model, 'a.bias': Tensor.full(device, [9], NaN) },
        { code: 'ERR_ARGUMENT', message: expect.stringContaining('model["a.bias"] must be finite') },
      ],
    ];
    for (const [given, error] of wrong) await expect(merger.add(given as Model)).rejects.toMatchObject(error);
    const controller = new AbortController();
    const abort = merger.add(model, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(abort).rejects.toMatchObject({ name: 'AbortError' });
    expect(merger.count).toBe(1);
    expect(await read(await merger.merged())).toEqual(before);
    expect(() => new ContinualMerger(base, { linear: () => true })).toThrow(/must be false of what is no matrix/);
  });

  it('adds models one after the other, whoever calls', async () => {
    const base = random(1, 1, 'f32').tensors;
    const models = [2, 3, 4].map((seed) => random(seed, 1, 'f32').tensors);
    const [one, two] = [new ContinualMerger(base), new ContinualMerger(base)];
    for (const model of models) await one.add(model);
    await Promise.all(models.map((model) => two.add(model)));
    expect(await read(await two.merged())).toEqual(await read(await one.merged()));
  });
});

describe.each(onlyCpu)('ContinualMerger of large matrices on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [0.5, [1, 1.387, 1.688, 1.94, 2.164, 2.368, 2.555, 2.729], 0.01],
    [0, [1, Math.SQRT2, Math.sqrt(3), 2, Math.sqrt(5), Math.sqrt(6), Math.sqrt(7), Math.sqrt(8)], 0.004],
  ])('has the lengths that are known of random task vectors, alpha %d', async (alpha, expected, near) => {
    const base = { w: Tensor.zeros(device, [128, 96]) };
    const merger = new ContinualMerger(base, { alpha });
    for (const [t, scale] of expected.entries()) {
      const model = { w: Tensor.from(device, Float32Array.from(normal(128 * 96, t + 1)), [128, 96]) };
      expect((await merger.add(model)).scale / scale).toBeCloseTo(1, -Math.log10(2 * near));
    }
  });
});
