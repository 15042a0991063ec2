// Devices: cpu, cuda
// Source: ContinualMerger "whose tensors are compared with the authors' formula in a test of their own"
import { afterAll, describe, expect, it, vi } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { Device, loadTensors } from '../../lib/index.ts';
import { ContinualMerger, mergeModels } from '../../lib/merging/index.ts';
import { Folder } from '../files/folder.ts';
import { devices } from '../support/devices.ts';
import { family, matrix, nearest, valuesOf, writeParts } from './folders.ts';

describe.each(devices)('mergeModels by opcm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(['F32', 'BF16'] as const)('does to folders of %s what ContinualMerger does to tensors', async (dtype) => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 3, { dtype });
    const load = (model: string) => loadTensors(`${model}/model.safetensors`, device);
    const merger = new ContinualMerger(await load(base), { alpha: 0.4 });
    const added = [];
    for (const model of models) added.push(await merger.add(await load(model)));
    const report = await mergeModels({ base, models, out, method: 'opcm', alpha: 0.4, device });
    expect(report.scale).toBeCloseTo(added.at(-1)!.scale, 8);
    const merged = await merger.merged();
    for (const { tensor, ranks, energyKept } of report.tensors) {
      const expected = await merged[tensor]!.cast('f32').read();
      const made = valuesOf(out, tensor);
      for (const [i, x] of made.entries()) {
        const step = dtype === 'F32' ? 2e-7 : nearest(x, dtype)[1] - nearest(x, dtype)[0];
        expect(Math.abs(x - expected[i]!)).toBeLessThanOrEqual(step);
      }
      const isLinear = tensor.startsWith('layers') && tensor.endsWith('weight');
      expect(ranks).toEqual(isLinear ? added.map((one) => one.ranks[tensor]) : undefined);
      expect(energyKept === undefined).toBe(!isLinear);
    }
  });

  it('stays with the base where task vectors cancel, and says so', async () => {
    using folder = new Folder();
    const write = (name: string, w: number[]) => writeParts(folder.file(name), { tensors: { 'b.bias': [w] } });
    const base = write('base', [0.5, 0.5]);
    const models = [write('one', [1.6, 0.5]), write('two', [-0.6, 0.5])];
    const merge = (given: string[], out: string) =>
      mergeModels({ base, models: given, out: folder.file(out), method: 'opcm', device });
    expect((await merge([models[0]!, models[0]!], 'twice')).warnings).toEqual([]);
    const { scale, warnings } = await merge(models, 'out');
    expect({ scale, warnings }).toEqual({ scale: 1, warnings: [expect.stringContaining('task vectors cancel')] });
    expect(valuesOf(folder.file('out'), 'b.bias')[0]).toBeCloseTo(0.5, 6);
  });

  it('keeps next to nothing of a model that comes twice, in every matrix', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1);
    const report = await mergeModels({ base, models: [models[0]!, models[0]!], out, method: 'opcm', device });
    const linear = report.tensors.flatMap(({ energyKept }) => energyKept ?? []);
    expect(linear.length).toBe(2);
    // Half of the energy is that of the first time; |clean| of the second is below 1e-5 of |task|.
    for (const energyKept of linear) expect(Math.abs(2 * energyKept - 1)).toBeLessThan(1e-10);
  });

  it('waits for the disk once a matrix and model, however large', async () => {
    using folder = new Folder();
    const syncsOf = async (rows: number): Promise<number> => {
      const models = [1, 2, 3].map((seed) =>
        writeParts(folder.file(`${rows}-${seed}`), { tensors: { w: matrix(rows, 1, seed) } }),
      );
      const sync = vi.spyOn(calls, 'sync');
      const [base, ...others] = models as [string, ...string[]];
      await mergeModels({ base, models: others, out: folder.file(`out${rows}`), method: 'opcm', device });
      const { length } = sync.mock.calls;
      sync.mockRestore();
      return length;
    };
    expect(await syncsOf(300_000)).toBe(await syncsOf(3));
  });

  it.each(['F32', 'BF16'] as const)('gives a single model of %s back', async (dtype) => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1, { dtype });
    const { tensors, scale } = await mergeModels({ base, models, out, method: 'opcm', device });
    expect(scale).toBe(1);
    for (const { tensor } of tensors) expect(valuesOf(out, tensor)).toEqual(valuesOf(models[0]!, tensor));
  });

  it('gives a single model back whose numbers are far smaller than those of the base', async () => {
    using folder = new Folder();
    const write = (name: string, w: number[][]) => writeParts(folder.file(name), { tensors: { w } });
    const base = write('base', [
      [1, 2],
      [3, 4],
    ]);
    const values = [1e-9, -3e-10, 5e-8, 7].map(Math.fround);
    const models = [write('one', [values.slice(0, 2), values.slice(2)])];
    await mergeModels({ base, models, out: folder.file('out'), method: 'opcm', device });
    expect(valuesOf(folder.file('out'), 'w')).toEqual(values);
  });

  it('takes models in an order that a seed draws, and says which', async () => {
    using folder = new Folder();
    const { base, models } = family(folder, 4);
    const merge = async (out: string, given: readonly string[], shuffle?: number) => {
      const report = await mergeModels({ base, models: given, out: folder.file(out), method: 'opcm', shuffle, device });
      const labels = report.models.map(({ label }) => label);
      return {
        labels,
        order: report.models.map(({ path }) => path),
        values: valuesOf(folder.file(out), 'layers.0.up.weight'),
      };
    };
    const one = await merge('one', models, 7);
    expect([...one.order].sort()).toEqual([...models].sort());
    expect(await merge('again', models, 7)).toEqual(one);
    expect(await merge('given', one.order)).toMatchObject({ order: one.order, values: one.values });
    expect((await merge('named', models, 7)).labels).toEqual(
      one.order.map((path) => `models[${models.indexOf(path)}]`),
    );
    // Messages, too, name models as they are given.
    const wrong = one.order[0]!;
    writeParts(wrong, { tensors: { w: [[1]] } });
    await expect(merge('wrong', models, 7)).rejects.toMatchObject({
      message: expect.stringContaining(`models[${models.indexOf(wrong)}] must have the tensors of the base`),
    });
    family(folder, 4);
    const orders = new Set<string>();
    for (let seed = 0; seed < 8; ++seed)
      orders.add(
        (
          await mergeModels({
            base,
            models,
            out: folder.file('dry'),
            method: 'opcm',
            shuffle: seed,
            dryRun: true,
            device,
          })
        ).models
          .map(({ path }) => path)
          .join(),
      );
    expect(orders.size).toBeGreaterThan(3);
  });
});
