// Devices: cpu, cuda
// Source: mergeModels "of folders of whole models, to which scale · b·a was added in plain loops over doubles"
// Source: check values of https://huggingface.co/docs/peft/developer_guides/checkpoint: names and keys by hand
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MergeOptions, mergeModels } from '../../lib/merging/index.ts';
import type { PlainTensor } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { byteLevelTokenizer, type Rows, readModel, rowsOf, tensorOf, writeTensors } from '../transplant/models.ts';
import {
  doubles,
  family,
  type Layer,
  matrix,
  nearest,
  updateOf,
  valuesOf,
  writeAdapter,
  writeParts,
} from './folders.ts';

const layer = (outputs: number, inputs: number, rank: number, seed: number): Layer => ({
  a: matrix(rank, inputs, seed),
  b: matrix(outputs, rank, seed + 50),
});
const plus = (x: Rows, y: Rows): Rows => x.map((row, i) => row.map((value, j) => value + y[i]![j]!));
const transposed = (x: Rows): Rows => x[0]!.map((_, j) => x.map((row) => row[j]!));

/** The base as a folder in f64, with an update added to some tensors. */
function whole(folder: string, base: string, updates: Record<string, Rows>): string {
  writeParts(folder, { tensors: {}, files: { 'vocab.txt': 'a\nb\n' } });
  const tensors: Record<string, PlainTensor> = {};
  for (const [name, tensor] of readModel(base).tensors) {
    const isVector = tensor.shape.length === 1;
    const rows = rowsOf({ ...tensor, shape: isVector ? [1, ...tensor.shape] : tensor.shape });
    const own = doubles(updates[name] ? plus(rows, updates[name]) : rows);
    tensors[name] = isVector ? { ...own, shape: tensor.shape } : own;
  }
  writeTensors(folder, tensors);
  return folder;
}

const [up, down] = ['layers.0.up', 'layers.0.down'] as const;
/** Two adapters of the models of `family`: of one rank and of two, with patterns and without. */
const layers: Record<string, Layer>[] = [
  { [up]: layer(7, 6, 2, 11), [down]: layer(6, 7, 2, 12) },
  { [up]: layer(7, 6, 3, 13), [down]: layer(6, 7, 2, 14) },
];
const configs = [
  { r: 2, lora_alpha: 3, use_rslora: false, bias: 'none', modules_to_save: null, target_modules: ['up', 'down'] },
  {
    r: 2,
    lora_alpha: 3,
    rank_pattern: { up: 3 },
    alpha_pattern: { '0.up': 1.5 },
    use_rslora: true,
    modules_to_save: [],
  },
];
const scales = [
  { [up]: 1.5, [down]: 1.5 },
  { [up]: 1.5 / Math.sqrt(3), [down]: 3 / Math.sqrt(2) },
] as Record<string, number>[];
const updates = layers.map((own, i) =>
  Object.fromEntries(Object.entries(own).map(([name, one]) => [`${name}.weight`, updateOf(one, scales[i]![name]!)])),
);

/** A base, the adapters, and the same as whole models. */
function adapted(folder: Folder, tensor: (rows: Rows) => PlainTensor = tensorOf) {
  const { base, models, out } = family(folder, 1, { shards: 2 });
  const adapters = layers.map((own, i) => writeAdapter(folder.file(`adapter${i}`), own, configs[i]!, tensor));
  const wholes = updates.map((own, i) => whole(folder.file(`whole${i}`), base, own));
  return { base, model: models[0]!, adapters, wholes, out };
}

describe.each(devices)('mergeModels of adapters on %s', (device) => {
  const methods: Partial<MergeOptions>[] = [
    { method: 'average' },
    { method: 'average', weights: [2, -0.7, 1.3], scale: 0.77 },
    { method: 'arithmetic' },
    { method: 'ties', density: 0.4 },
    { method: 'ties', density: 1, weights: [1, 0.5, 2] },
    { method: 'opcm' },
    { method: 'opcm', alpha: 0, shuffle: 3 },
  ];

  it.each(methods)('gives what whole models give, by %j', async (options) => {
    using folder = new Folder();
    // Factors in f64, so that sums are in f64 on both sides.
    const { base, model, adapters, wholes, out } = adapted(folder, doubles);
    const merge = (models: string[], to: string) =>
      mergeModels({ base, models, out: to, method: 'average', ...options, device });
    const report = await merge([adapters[0]!, model, adapters[1]!], out);
    const expected = await merge([wholes[0]!, model, wholes[1]!], folder.file('expected'));
    expect(report.warnings).toEqual(expected.warnings);
    expect(report.tensors.map(({ ranks }) => ranks)).toEqual(expected.tensors.map(({ ranks }) => ranks));
    for (const [i, { tensor, cosines, energyKept }] of report.tensors.entries()) {
      const other = expected.tensors[i]!;
      expect(tensor).toBe(other.tensor);
      if (energyKept !== undefined) expect(energyKept).toBeCloseTo(other.energyKept!, 10);
      for (const [k, cosine] of cosines!.entries())
        if (cosine !== null) expect(cosine).toBeCloseTo(other.cosines![k]!, 10);
      const values = valuesOf(folder.file('expected'), tensor);
      for (const [k, x] of valuesOf(out, tensor).entries()) expect(Math.abs(x - values[k]!)).toBeLessThanOrEqual(1e-12);
    }
    if (report.density) for (const [i, x] of report.density.entries()) expect(x).toBe(expected.density![i]);
  });

  it.each([0.3, 0.8])('projects adapters by their factors as whole matrices, alpha %d', async (alpha) => {
    using folder = new Folder();
    const [rows, columns] = [40, 31];
    const name = 'w.weight';
    const base = writeParts(folder.file('base'), { tensors: { [name]: matrix(rows, columns, 1), 'v.weight': [[1]] } });
    // The third has no factors, the last makes sums of more than half of the rank.
    const own = [3, 4, 0, 5, 9, 2].map((rank, i) => layer(rows, columns, rank, 20 + i));
    const adapters = own.map((one, i) =>
      writeAdapter(
        folder.file(`adapter${i}`),
        one.b[0]!.length > 0 ? { w: one } : { v: layer(1, 1, 1, 9) },
        { r: one.b[0]!.length || 1, lora_alpha: one.b[0]!.length || 1 },
        doubles,
      ),
    );
    const wholes = own.map((one, i) =>
      whole(
        folder.file(`whole${i}`),
        base,
        one.b[0]!.length > 0 ? { [name]: updateOf(one, 1) } : { 'v.weight': updateOf(layer(1, 1, 1, 9), 1) },
      ),
    );
    const merge = (models: string[], out: string) =>
      mergeModels({ base, models, out: folder.file(out), method: 'opcm', alpha, device });
    const [made, expected] = [await merge(adapters, 'out'), await merge(wholes, 'expected')];
    expect(made.scale).toBeCloseTo(expected.scale!, 10);
    expect(made.tensors[0]!.ranks).toEqual(expected.tensors[0]!.ranks);
    expect(made.tensors[0]!.energyKept).toBeCloseTo(expected.tensors[0]!.energyKept!, 10);
    const [x, y] = [folder.file('out'), folder.file('expected')].map((to) => valuesOf(to, name));
    expect(Math.max(...x!.map((value, i) => Math.abs(value - y![i]!)))).toBeLessThanOrEqual(2 ** -22);
  });

  it('reports which models are adapters', async () => {
    using folder = new Folder();
    const { base, model, adapters, out } = adapted(folder);
    const { models } = await mergeModels({ base, models: [...adapters, model], out, method: 'opcm', device });
    expect(models.map(({ adapter }) => adapter)).toEqual([
      { tensors: 2, ranks: [2], scales: [1.5] },
      { tensors: 2, ranks: [2, 3], scales: [1.5 / Math.sqrt(3), 3 / Math.sqrt(2)] },
      undefined,
    ]);
    expect(Object.keys(models[0]!.files!)).toEqual(['adapter_model.safetensors']);
    expect(JSON.parse(readFileSync(path.join(out, 'merge.json'), 'utf8')).models[1].adapter.ranks).toEqual([2, 3]);
    expect(readFileSync(path.join(out, 'README.md'), 'utf8')).toContain('| models[1], an adapter |');
  });

  it('writes one adapter into the base, and rounds once', async () => {
    using folder = new Folder();
    const { base, out } = family(folder, 0, { dtype: 'BF16' });
    const adapter = writeAdapter(folder.file('adapter'), layers[0]!, configs[0]!);
    for (const [i, method] of (['average', 'opcm'] as const).entries()) {
      const to = `${out}${i}`;
      await mergeModels({ base, models: [adapter], out: to, method, device });
      for (const [name, { dtype }] of readModel(to).tensors) {
        expect(dtype).toBe('BF16');
        const own = valuesOf(base, name);
        const update = updates[0]![name]?.flat();
        for (const [k, x] of valuesOf(to, name).entries()) {
          if (!update) expect(x).toBe(own[k]);
          else {
            const exact = own[k]! + update[k]!;
            const [below, above] = nearest(exact, 'BF16');
            expect(Math.abs(x - exact)).toBeLessThanOrEqual((above - below) * (0.5 + 1e-4));
          }
        }
      }
    }
  });

  it('keeps an update that is far smaller than the base', async () => {
    using folder = new Folder();
    const write = (name: string, w: Rows) =>
      writeParts(folder.file(name), { tensors: { 'w.weight': w }, dtype: 'BF16' });
    const base = write('base', [
      [1024, 0],
      [0, 0],
    ]);
    const one = { a: [[1, 1]], b: [[2 ** -20], [2 ** -30]] };
    const adapter = writeAdapter(folder.file('adapter'), { w: one }, { r: 1, lora_alpha: 1 });
    const options = { base, models: [adapter], out: folder.file('out'), method: 'ties', device } as const;
    // Of four elements three are kept: the task vector is what the factors say, not what f32 leaves of it beside 1024.
    const { density } = await mergeModels({ ...options, density: 0.5 });
    expect(density).toEqual([0.5]);
    expect(valuesOf(options.out, 'w.weight')).toEqual([1024, 2 ** -20, 0, 0]);
  });

  it.each([false, true])('cuts the product at any place, with weights turned: %s', async (isTurned) => {
    using folder = new Folder();
    const [outputs, inputs, rank] = [701, 611, 3];
    const own = layer(outputs, inputs, rank, 5);
    const [rows, columns] = isTurned ? [inputs, outputs] : [outputs, inputs];
    const weight = matrix(rows, columns, 7);
    const base = writeParts(folder.file('base'), { tensors: { 'w.weight': weight } });
    const config = { r: rank, lora_alpha: 6, fan_in_fan_out: isTurned };
    const adapter = writeAdapter(folder.file('adapter'), { w: own }, config);
    const out = folder.file('out');
    await mergeModels({ base, models: [adapter], out, method: 'arithmetic', scale: 0.5, device });
    const update = updateOf(own, 2);
    const exact = plus(
      weight,
      (isTurned ? transposed(update) : update).map((row) => row.map((x) => 0.5 * x)),
    ).flat();
    const wrong = valuesOf(out, 'w.weight').filter((x, i) => Math.abs(x - Math.fround(exact[i]!)) > 1e-15);
    expect(wrong).toEqual([]);
  });
});

describe.each(onlyCpu)('adapters on %s', (device) => {
  it('need no tokenizer of their own, but the tokens of the base if they have one', async () => {
    using folder = new Folder();
    const { base, adapters, out } = adapted(folder);
    const options = { base, models: adapters, out, method: 'average', dryRun: true, device } as const;
    expect((await mergeModels(options)).warnings).toEqual([]);
    const write = (to: string, tokens: string[]) =>
      writeFileSync(path.join(to, 'tokenizer.json'), JSON.stringify(byteLevelTokenizer(tokens)));
    write(base, ['a', 'b', 'c']);
    write(adapters[0]!, ['a', 'b', 'c']);
    expect((await mergeModels(options)).warnings).toEqual([]);
    write(adapters[0]!, ['a', 'c', 'b']);
    await expect(mergeModels(options)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/models\[0\] must have the tokens of the base, got \d+ tokens/),
    });
  });

  it('leave out what is not chosen', async () => {
    using folder = new Folder();
    const { base, adapters, out } = adapted(folder);
    const options = { base, models: adapters, out, method: 'average', device } as const;
    const { models, kept } = await mergeModels({ ...options, skip: ['**.up.weight'] });
    expect(models.map(({ adapter }) => adapter!.tensors)).toEqual([1, 1]);
    expect(kept).toEqual([`${up}.weight`]);
    expect(readModel(out).tensors.get(`${up}.weight`)).toEqual(readModel(base).tensors.get(`${up}.weight`));
  });

  it('are read from links where followLinks says so', async () => {
    using folder = new Folder();
    const { base, adapters, out } = adapted(folder);
    const { symlinkSync } = await import('node:fs');
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      renameSync(path.join(adapters[0]!, name), folder.file(name));
      symlinkSync(folder.file(name), path.join(adapters[0]!, name));
    }
    const options = { base, models: adapters, out, method: 'average', device } as const;
    await expect(mergeModels(options)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('must not be a symbolic link unless the option followLinks is set'),
    });
    expect((await mergeModels({ ...options, followLinks: true })).models[0]!.adapter!.tensors).toBe(2);
  });

  it('of another scale are other work than what was left', async () => {
    using folder = new Folder();
    const { base, adapters, out } = adapted(folder);
    const options = { base, models: adapters, out, method: 'opcm', device } as const;
    const controller = new AbortController();
    const onProgress = ({ stage }: { stage: string }) => {
      if (stage === 'write') controller.abort(new Error('enough'));
    };
    await expect(mergeModels({ ...options, onProgress, signal: controller.signal })).rejects.toThrow('enough');
    const config = path.join(adapters[0]!, 'adapter_config.json');
    const before = readFileSync(config, 'utf8');
    writeFileSync(config, JSON.stringify({ ...JSON.parse(before), lora_alpha: 30 }));
    await expect(mergeModels(options)).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('other files of its inputs'),
    });
    expect((await mergeModels({ ...options, restart: true })).models[0]!.adapter!.scales).toEqual([15]);
  });

  it.each([0, 1])('are named where their product is too large, model %d', async (large) => {
    using folder = new Folder();
    const base = writeParts(folder.file('base'), { tensors: { 'w.weight': matrix(8, 6, 1) }, dtype: 'BF16' });
    const config = { r: 2, lora_alpha: 2 };
    const models = [0, 1].map((i) => {
      const { a, b } = layer(8, 6, 2, 5 + i);
      const factor = i === large ? 1e30 : 1;
      const own = [a, b].map((x) => x.map((row) => row.map((value) => factor * value))) as [Rows, Rows];
      return writeAdapter(folder.file(`adapter${i}`), { w: { a: own[0], b: own[1] } }, config);
    });
    const options = { base, models, out: folder.file('out'), method: 'opcm', device } as const;
    await expect(mergeModels(options)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: `mergeModels: models[${large}] must differ from tensor "w.weight" of the base by what f32 holds, got more`,
    });
  });

  type Case = [name: string, make: (folders: ReturnType<typeof adapted>) => unknown, code: string, text: string];
  const change = (folder: string, changes: object): void => {
    const file = path.join(folder, 'adapter_config.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }));
  };
  /** Writes the factors anew: some exchanged, added, or left out where they are undefined. */
  const write = (folder: string, tensors: Record<string, PlainTensor | undefined>): void => {
    const file = path.join(folder, 'adapter_model.safetensors');
    renameSync(file, path.join(folder, 'model.safetensors'));
    const all = Object.entries({ ...Object.fromEntries(readModel(folder).tensors), ...tensors });
    writeTensors(folder, Object.fromEntries(all.flatMap(([name, one]) => (one ? [[name, one]] : []))));
    renameSync(path.join(folder, 'model.safetensors'), file);
  };
  const name = (module: string, factor: 'A' | 'B'): string => `base_model.model.${module}.lora_${factor}.weight`;
  const cases: Case[] = [
    ['DoRA', ({ adapters }) => change(adapters[1]!, { use_dora: true }), 'ERR_UNSUPPORTED', 'must not have use_dora, got true in '],
    ['another kind of adapter', ({ adapters }) => change(adapters[1]!, { peft_type: 'IA3' }), 'ERR_UNSUPPORTED', 'must be of peft_type "LORA", got "IA3"'],
    ['factors of the weight itself', ({ adapters }) => change(adapters[1]!, { init_lora_weights: 'pissa' }), 'ERR_UNSUPPORTED', 'for init_lora_weights, got "pissa"'],
    ['expressions for ranks', ({ adapters }) => change(adapters[1]!, { rank_pattern: { 'up|down': 3 } }), 'ERR_UNSUPPORTED', 'must name modules in rank_pattern, got the expression "up|down"'],
    ['modules that are stored whole', ({ adapters }) => change(adapters[1]!, { modules_to_save: ['lm_head'] }), 'ERR_UNSUPPORTED', 'models[1] must be an adapter of factors alone, or merged into its model first, got modules_to_save at '],
    ['their tensors', ({ adapters }) => write(adapters[1]!, { 'base_model.model.lm_head.weight': tensorOf([[1]]) }), 'ERR_UNSUPPORTED', 'models[1] must hold lora_A and lora_B of linear layers alone, or be merged into its model first, got "base_model.model.lm_head.weight" at '],
    ['biases', ({ adapters }) => write(adapters[1]!, { [`base_model.model.${up}.bias`]: tensorOf([[1]]) }), 'ERR_UNSUPPORTED', 'or be merged into its model first, got "base_model.model.layers.0.up.bias" at '],
    ['factors of embeddings', ({ adapters }) => write(adapters[1]!, { 'base_model.model.wte.lora_embedding_A': tensorOf([[1]]) }), 'ERR_UNSUPPORTED', 'got "base_model.model.wte.lora_embedding_A" at '],
    ['names of another prefix', ({ adapters }) => writeAdapter(adapters[1]!, { [`transformer.${up}`]: layers[0]![up]! }, configs[0]!), 'ERR_ARGUMENT', 'models[1] must add to tensors of the base alone, got "transformer.layers.0.up.weight", where the base has "model.embed_tokens.weight"'],
    ['a factor without the other', ({ adapters }) => write(adapters[1]!, { [name(up, 'A')]: undefined }), 'ERR_ARGUMENT', `models[1] must have both factors of a layer, got no "${name(up, 'A')}" at `],
    ['a base of another shape', ({ adapters }) => write(adapters[1]!, { [name(down, 'A')]: tensorOf(matrix(2, 9, 1)) }), 'ERR_SHAPE', '"layers.0.down.weight" [6,7], [6,9] in models[1]'],
    ['weights that are turned', ({ adapters }) => change(adapters[1]!, { fan_in_fan_out: true }), 'ERR_SHAPE', '"layers.0.up.weight" [7,6], [6,7] in models[1]'],
    ['another rank than that of the configuration', ({ adapters }) => change(adapters[1]!, { rank_pattern: {} }), 'ERR_SHAPE', `models[1] must have factors of rank 2 by adapter_config.json, got "${name(up, 'A')}" [3,6] at `],
    ['a factor that is no matrix', ({ adapters }) => write(adapters[1]!, { [name(up, 'B')]: { ...tensorOf(matrix(7, 3, 1)), shape: [7, 3, 1, 1] } }), 'ERR_SHAPE', `got "${name(up, 'B')}" [7,3,1,1] at `],
    ['integers', ({ adapters }) => write(adapters[1]!, { [name(up, 'B')]: { dtype: 'I32', shape: [7, 3], bytes: Buffer.alloc(84) } }), 'ERR_ARGUMENT', `models[1] must have floating factors, got I32 in "${name(up, 'B')}" at `],
    ['NaN', ({ adapters }) => write(adapters[1]!, { [name(up, 'A')]: tensorOf(matrix(3, 6, 1).map((row) => row.map((x, i) => (i === 4 ? Number.NaN : x)))) }), 'ERR_ARGUMENT', `models[1] must be finite, got NaN or infinity in tensor "${name(up, 'A')}" of `],
    ['scales beyond f32', ({ adapters }) => change(adapters[1]!, { lora_alpha: 1e60 }), 'ERR_ARGUMENT', 'models[1] must have scales that f32 holds by adapter_config.json, got 7.0710678'],
    ['scales that f32 rounds to 0', ({ adapters }) => change(adapters[0]!, { lora_alpha: 1e-60 }), 'ERR_ARGUMENT', 'models[0] must have scales that f32 holds by adapter_config.json, got 5e-61 of "layers.0.up" at '],
    ['adapters that do nothing', ({ adapters }) => write(adapters[1]!, { [name(up, 'B')]: tensorOf(matrix(7, 3, 1).map((row) => row.map(() => -0)), 'BF16'), [name(down, 'B')]: doubles(matrix(6, 2, 1).map((row) => row.map(() => 0))) }), 'ERR_ARGUMENT', 'models[1] must have a lora_B that is not 0, got an adapter that does nothing at '],
    ['no factors at all', ({ adapters }) => write(adapters[1]!, Object.fromEntries([up, down].flatMap((own) => [[name(own, 'A'), undefined], [name(own, 'B'), undefined]]))), 'ERR_ARGUMENT', 'models[1] must hold lora_A and lora_B, got no tensors at '],
    ['a configuration that is none', ({ adapters }) => writeFileSync(path.join(adapters[1]!, 'adapter_config.json'), '[]'), 'ERR_FORMAT', 'adapter_config.json must be an object'],
    ['no configuration', ({ adapters }) => rmSync(path.join(adapters[1]!, 'adapter_config.json')), 'ERR_FORMAT', 'adapter_config.json must be there, got none'],
    ['factors in a pickle', ({ adapters }) => renameSync(path.join(adapters[1]!, 'adapter_model.safetensors'), path.join(adapters[1]!, 'adapter_model.bin')), 'ERR_UNSUPPORTED', 'models[1] must have its factors in adapter_model.safetensors, got adapter_config.json and no such file at '],
    ['a file that is cut off', ({ adapters }) => writeFileSync(path.join(adapters[1]!, 'adapter_model.safetensors'), '12345678901234567890'), 'ERR_FORMAT', 'header must have'],
    ['a folder that is a model, too', ({ adapters, model }) => writeFileSync(path.join(adapters[1]!, 'model.safetensors.index.json'), readFileSync(path.join(model, 'model.safetensors.index.json'))), 'ERR_ARGUMENT', 'models[1] must be an adapter or a whole model, got both (model.safetensors.index.json) at '],
    ['an adapter for the base', ({ adapters }) => ({ base: adapters[0] }), 'ERR_UNSUPPORTED', 'base must be a folder of a whole model'],
    ['factors for integers', ({ base, adapters }) => {
      const tensors = Object.fromEntries(readModel(base).tensors);
      writeTensors(base, { ...tensors, 'codes.weight': { dtype: 'I32', shape: [7, 6], bytes: Buffer.alloc(168) } }, 2);
      writeAdapter(adapters[1]!, { codes: layers[0]![up]! }, configs[0]!);
    }, 'ERR_UNSUPPORTED', 'models[1] must add to floating tensors alone, got factors for "codes.weight", of I32'],
  ]; // biome-ignore format: a line each

  it.each(cases)('are refused with %s, before anything is written', async (_, make, code, text) => {
    using folder = new Folder();
    const folders = adapted(folder);
    const { base, adapters, out } = folders;
    const made = make(folders);
    const more = typeof made === 'object' ? (made as object) : {};
    const before = folder.names;
    for (const method of ['average', 'ties'] as const)
      await expect(mergeModels({ base, models: adapters, out, method, device, ...more })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(text),
      });
    expect(folder.names).toEqual(before);
  });
});
