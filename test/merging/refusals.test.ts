// Devices: cpu
// Folders that do not fit, and folders of strangers: what is wrong is named before anything is written.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { Device } from '../../lib/index.ts';
import { type MergeOptions, mergeModels } from '../../lib/merging/index.ts';
import type { PlainTensor } from '../files/bytes.ts';
import { restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, readModel, tensorOf, writeTensors } from '../transplant/models.ts';
import { family, matrix, valuesOf, writeParts } from './folders.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
afterEach(restoreCalls);

/** The tensors of a folder with some exchanged, added, or left out where they are undefined. */
function change(folder: string, tensors: Record<string, PlainTensor | undefined>): void {
  const all = { ...Object.fromEntries(readModel(folder).tensors), ...tensors };
  const kept = Object.entries(all).filter((entry): entry is [string, PlainTensor] => entry[1] !== undefined);
  writeTensors(folder, Object.fromEntries(kept));
}
const readPlain = (folder: string) => Object.fromEntries(readModel(folder).tensors);
const integers = (...values: number[]): PlainTensor => ({
  dtype: 'I64',
  shape: [values.length],
  bytes: Buffer.from(BigInt64Array.from(values, BigInt).buffer),
});
const write = (folder: string, name: string, value: unknown): void =>
  writeFileSync(path.join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));

describe('mergeModels refuses', () => {
  type Case = [name: string, make: (folders: ReturnType<typeof family>) => unknown, error: object];
  const says = (code: string, text: string) => ({ code, message: expect.stringContaining(text) });
  const head = 'lm_head.weight';
  const embed = 'model.embed_tokens.weight';
  const cases: Case[] = [
    [
      'a model without a tensor of the base, and with another',
      ({ models }) => change(models[1]!, { 'layers.0.bias': undefined, more: tensorOf([[1]]) }),
      says(
        'ERR_ARGUMENT',
        'models[1] must have the tensors of the base, got "layers.0.bias" of the base alone and "more" of models[1] alone',
      ),
    ],
    [
      'another shape',
      ({ models }) => change(models[0]!, { 'layers.0.up.weight': tensorOf(matrix(6, 7, 1)) }),
      says('ERR_SHAPE', 'got "layers.0.up.weight" [7,6], [6,7] in models[0]'),
    ],
    [
      'NaN',
      ({ models }) => change(models[1]!, { 'layers.0.bias': { ...tensorOf([[1, NaN, 3, 4, 5, 6, 7]]), shape: [7] } }),
      {
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(
          /models\[1\] must be finite, got NaN or infinity in tensor "layers.0.bias" of .*model1.model\.safetensors$/,
        ),
      },
    ],
    [
      'NaN in the base',
      ({ base }) => change(base, { 'layers.0.bias': { ...tensorOf([[1, Infinity, 3, 4, 5, 6, 7]]), shape: [7] } }),
      says('ERR_ARGUMENT', 'base must be finite'),
    ],
    [
      'integers that differ',
      ({ base, models }) => {
        for (const [i, folder] of [base, ...models].entries())
          change(folder, { mask: integers(1, 2, i === 2 ? 4 : 3) });
      },
      says('ERR_ARGUMENT', 'tensor "mask" of models[1] must be the same, as its elements are I64'),
    ],
    [
      'a head of its own where the base ties it',
      ({ models }) => change(models[0]!, { [head]: tensorOf(matrix(5, 6, 77)) }),
      says('ERR_ARGUMENT', 'tensor "lm_head.weight" of models[0] must be its embeddings'),
    ],
    [
      'no head where the base has one, and the model says that it is not tied',
      ({ base, models }) => {
        for (const folder of [base, models[1]!]) change(folder, { [head]: tensorOf(matrix(5, 6, 77)) });
        write(models[0]!, 'config.json', { tie_word_embeddings: false });
      },
      says('ERR_ARGUMENT', 'models[0] must have the tensors of the base, got "lm_head.weight" of the base alone'),
    ],
    [
      'other tokens, and says what mends it',
      ({ base, models }) => {
        for (const folder of [base, ...models]) write(folder, 'tokenizer.json', byteLevelTokenizer(['a', 'b', 'c']));
        write(models[1]!, 'tokenizer.json', byteLevelTokenizer(['a', 'c', 'b']));
      },
      says('ERR_ARGUMENT', 'models[1] must have the tokens of the base, or be given them first by orthokit transplant'),
    ],
    [
      'too little memory',
      () => ({ memoryLimit: 1000 }),
      says('ERR_MEMORY', 'memoryLimit must hold the work on tensor'),
    ],
    [
      'patterns that fit nothing',
      () => ({ only: ['nothing.*'] }),
      says('ERR_ARGUMENT', 'only must leave tensors to merge'),
    ],
    [
      'an index that leads out of its folder',
      ({ models }) => {
        rmSync(path.join(models[0]!, 'model.safetensors'));
        write(models[0]!, 'model.safetensors.index.json', { weight_map: { [embed]: '../base/model.safetensors' } });
      },
      says('ERR_FORMAT', 'must name files of its folder'),
    ],
    [
      'an index of a file that is not there',
      ({ models }) => {
        rmSync(path.join(models[0]!, 'model.safetensors'));
        write(models[0]!, 'model.safetensors.index.json', { weight_map: { [embed]: 'model-1.safetensors' } });
      },
      says('ERR_FORMAT', 'must name shards that are there'),
    ],
    [
      'an index that says of a tensor that it stands where it does not',
      ({ models }) => {
        renameSync(path.join(models[0]!, 'model.safetensors'), path.join(models[0]!, 'model-1.safetensors'));
        const names = [...Object.keys(readPlain(models[1]!)), 'more'];
        const weightMap = Object.fromEntries(names.map((name) => [name, 'model-1.safetensors']));
        write(models[0]!, 'model.safetensors.index.json', { weight_map: weightMap });
      },
      says('ERR_FORMAT', 'must say where tensors are, got "more" in model-1.safetensors, which lacks it'),
    ],
    [
      'a link',
      ({ models }) => {
        const file = path.join(models[0]!, 'model.safetensors');
        renameSync(file, `${models[0]}.file`);
        symlinkSync(`${models[0]}.file`, file);
      },
      says('ERR_FORMAT', 'must not be a symbolic link unless the option followLinks is set'),
    ],
    [
      'a file that is cut off',
      ({ base }) => write(base, 'model.safetensors', '12345678901234567890'),
      says('ERR_FORMAT', 'header must have'),
    ],
    [
      'a folder that is not there',
      () => ({ models: ['/nowhere/model'] }),
      says('ERR_IO', 'models[0] could not be opened'),
    ],
  ];

  it.each(cases)('%s', async (_, make, error) => {
    using folder = new Folder();
    const folders = family(folder);
    const { base, models, out } = folders;
    const options = { base, models, out, method: 'average' as const, device, ...(make(folders) as object | undefined) };
    const before = folder.names;
    await expect(mergeModels(options)).rejects.toMatchObject(error);
    expect(folder.names).toEqual(before);
  });

  it('a full disk', async () => {
    using folder = new Folder();
    calls.free = async () => 100;
    await expect(mergeModels({ ...family(folder), method: 'average', device })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(/out must have \d+ bytes of free space, got 100 at /),
    });
    expect(folder.names).toEqual(['base', 'model0', 'model1']);
  });

  it('what the element type does not hold', async () => {
    using folder = new Folder();
    const base = writeParts(folder.file('base'), { tensors: { w: [[1, 2]] }, dtype: 'F16' });
    const models = [writeParts(folder.file('model'), { tensors: { w: [[1, 60000]] }, dtype: 'F16' })];
    const options = { base, models, out: folder.file('out'), method: 'arithmetic' as const, device };
    await expect(mergeModels({ ...options, scale: 2 })).rejects.toMatchObject(
      says('ERR_ARGUMENT', 'tensor "w" must have values that f16 holds'),
    );
  });

  it.each<[object, string]>([
    [{ method: 'average', weights: [1, -1] }, 'weights must not sum to 0'],
    [{ method: 'average', weights: [1] }, 'weights must be one a model, 2'],
    [{ method: 'average', alpha: 0.5 }, 'alpha must be left out for the method average'],
    [{ method: 'opcm', alpha: 1 }, 'alpha must be in [0, 1)'],
    [{ method: 'opcm', weights: [1, 1] }, 'weights must be left out for the method opcm'],
    [{ method: 'arithmetic', shuffle: 1 }, 'shuffle must be left out for the method arithmetic'],
    [{ method: 'magic' }, 'method must be one of'],
    [{ method: 'average', models: [] }, 'models must be 1 to 100 paths of folders'],
    [{ method: 'average', dtype: 'i32' }, 'dtype must be one of'],
    [{ method: 'average', only: ['a**'] }, 'only must have ** as a step of its own'],
    [{}, 'method must be one of'],
  ])('options %j', async (options, message) => {
    using folder = new Folder();
    await expect(mergeModels({ ...family(folder), ...options } as unknown as MergeOptions)).rejects.toMatchObject(
      says('ERR_ARGUMENT', message),
    );
  });
});

describe('mergeModels takes', () => {
  it('any names and ranks: convolutions, numbers alone, and experts, with a warning', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder);
    const expert = 'model.layers.0.block_sparse_moe.experts.1.w1.weight';
    const others = (seed: number): Record<string, PlainTensor> => ({
      'features.0.weight': { ...tensorOf(matrix(6, 12, seed)), shape: [6, 3, 2, 2] },
      temperature: { ...tensorOf(matrix(1, 1, seed + 1)), shape: [] },
      [expert]: tensorOf(matrix(3, 4, seed + 2)),
      'model.layers.0.block_sparse_moe.gate.weight': tensorOf(matrix(2, 4, seed + 3)),
    });
    for (const [i, model] of [base, ...models].entries()) change(model, others(10 * i));
    const { tensors, warnings } = await mergeModels({ base, models, out, method: 'opcm', device });
    expect(tensors.length).toBe(8);
    expect(warnings).toEqual([expect.stringContaining('experts are merged by their names')]);
    const own = readModel(out).tensors;
    for (const [name, { shape }] of Object.entries(others(0))) expect(own.get(name)!.shape).toEqual(shape);
    const mean = folder.file('mean');
    await mergeModels({ base, models, out: mean, method: 'average', device });
    for (const name of Object.keys(others(0))) {
      const [one, two] = models.map((model) => valuesOf(model, name));
      expect(valuesOf(mean, name)).toEqual(one!.map((x, i) => Math.fround((x + two![i]!) / 2)));
    }
  });

  it('integers and masks that are the same everywhere: they are copied', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder);
    const mask: PlainTensor = { dtype: 'BOOL', shape: [3], bytes: Buffer.from([1, 0, 1]) };
    for (const model of [base, ...models]) change(model, { 'attn.bias_mask': mask, steps: integers(7) });
    const { kept } = await mergeModels({ base, models, out, method: 'ties', device });
    expect([...kept].sort()).toEqual(['attn.bias_mask', 'steps']);
    for (const name of kept) expect(readModel(out).tensors.get(name)).toEqual(readModel(base).tensors.get(name));
  });

  it('the files alone that an index names', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 2, { shards: 2 });
    for (const model of [base, ...models]) write(model, 'model-00003-of-00003.safetensors', 'of an older run');
    const { notCopied, models: named } = await mergeModels({ base, models, out, method: 'average', device });
    expect(notCopied).toEqual(['model-00003-of-00003.safetensors']);
    expect(Object.keys(named[0]!.files!)).toEqual([1, 2].map((i) => `model-0000${i}-of-00002.safetensors`));
  });

  it('vocabularies that nobody can read, with a warning unless they are the same files', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 2, { files: {} });
    const warningsOf = async () =>
      (await mergeModels({ base, models, out, method: 'average', dryRun: true, device })).warnings;
    const unknown = 'the base has no tokenizer.json: nobody can tell whether the tokens of';
    expect(await warningsOf()).toEqual([`${unknown} models[0], models[1] are its own`]);
    for (const model of [base, ...models]) write(model, 'tokenizer.model', 'one');
    expect(await warningsOf()).toEqual([]);
    write(models[1]!, 'tokenizer.model', 'two');
    expect(await warningsOf()).toEqual([`${unknown} models[1], whose tokenizer.model is another, are its own`]);
    write(base, 'tokenizer.json', byteLevelTokenizer(['a', 'b']));
    expect(await warningsOf()).toEqual([
      expect.stringContaining('models[1] has another tokenizer.model than the base'),
    ]);
  });

  it('rows of padding that only one side has', async () => {
    using folder = new Folder();
    const tokenizer = JSON.stringify(byteLevelTokenizer(['a', 'b', 'c']));
    const make = (name: string, rows: number, seed: number) =>
      writeParts(folder.file(name), {
        tensors: { 'model.embed_tokens.weight': matrix(rows, 4, seed), w: matrix(2, 4, seed + 1) },
        files: { 'tokenizer.json': tokenizer },
      });
    const base = make('base', 5, 1);
    const models = [make('less', 3, 3), make('more', 8, 5)];
    await mergeModels({ base, models, out: folder.file('out'), method: 'average', device });
    const [own, less, more] = [base, ...models].map((model) =>
      valuesOf(model, 'model.embed_tokens.weight'),
    ) as number[][];
    const expected = own!.map((x, i) => Math.fround(((i < 12 ? less![i]! : x) + more![i]!) / 2));
    expect(valuesOf(folder.file('out'), 'model.embed_tokens.weight')).toEqual(expected);
  });

  it('a head that one side ties and the other stores', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder);
    const embed = 'model.embed_tokens.weight';
    for (const model of [base, models[1]!]) change(model, { 'lm_head.weight': readModel(model).tensors.get(embed)! });
    const { warnings } = await mergeModels({ base, models, out, method: 'average', device });
    expect(warnings).toEqual([
      'models[0] ties "lm_head.weight" to its embeddings "model.embed_tokens.weight", which stand for it',
    ]);
    expect(valuesOf(out, 'lm_head.weight')).toEqual(valuesOf(out, embed));
    const other = family(new Folder());
    change(other.models[0]!, { 'lm_head.weight': readModel(other.models[0]!).tensors.get(embed)! });
    await mergeModels({ ...other, method: 'average', device });
    expect(readModel(other.out).tensors.has('lm_head.weight')).toBe(false);
  });

  it('links where followLinks says so', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder);
    mkdirSync(folder.file('blobs'));
    const file = path.join(models[0]!, 'model.safetensors');
    renameSync(file, folder.file('blobs/one'));
    symlinkSync(folder.file('blobs/one'), file);
    await mergeModels({ base, models, out, method: 'average', followLinks: true, device });
    expect(readModel(out).tensors.size).toBe(4);
  });
});
