// Devices: cpu
// Every way in which a model folder can be wrong, each with its code; nothing is written then.
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { type ErrorCode, type TransplantOptions, transplant } from '../../lib/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, type ModelParts, readJson, tensorOf, writeModel, writeTensors } from './models.ts';

const rows = (count: number, columns = 3): number[][] =>
  Array.from({ length: count }, (_, id) => Array.from({ length: columns }, (_, j) => id + 1 + j));
const plain = (): ModelParts => ({
  tokenizer: byteLevelTokenizer([' a', 'b', 'c']),
  config: { vocab_size: 3 },
  embed: rows(3),
  others: { 'model.norm.weight': tensorOf([[1, 2]]) },
});
const index = 'model.safetensors.index.json';

type Spoil = (base: string, folder: Folder) => void;

async function refused(
  spoil: Spoil,
  code: ErrorCode,
  message: RegExp,
  options: Partial<TransplantOptions> = {},
  parts: Partial<ModelParts> = {},
): Promise<void> {
  using folder = new Folder();
  const base = writeModel(folder.file('base'), { ...plain(), ...parts });
  const donor = writeModel(folder.file('donor'), plain());
  spoil(base, folder);
  const names = folder.names;
  await expect(
    transplant({ base, donor, out: folder.file('out'), method: 'zero', device: 'cpu', ...options }),
  ).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(folder.names).toEqual(names);
}

const write =
  (name: string, content: string | Uint8Array): Spoil =>
  (base) =>
    writeFileSync(path.join(base, name), content);
const remove =
  (name: string): Spoil =>
  (base) =>
    rmSync(path.join(base, name));
const editIndex =
  (edit: (map: Record<string, unknown>) => void): Spoil =>
  (base) => {
    const json = readJson(base, index) as { weight_map: Record<string, unknown> };
    edit(json.weight_map);
    writeFileSync(path.join(base, index), JSON.stringify(json));
  };
const inShard = (file: string): Spoil =>
  editIndex((map) => {
    map['model.norm.weight'] = file;
  });
const editTokenizer =
  (edit: (tokenizer: ReturnType<typeof parts>) => void): Spoil =>
  (base) => {
    const tokenizer = parts(base);
    edit(tokenizer);
    writeFileSync(path.join(base, 'tokenizer.json'), JSON.stringify(tokenizer));
  };
const parts = (base: string) =>
  readJson(base, 'tokenizer.json') as {
    added_tokens: object[];
    model: { type: string; vocab: unknown; merges: unknown };
  };
const sharded = { shards: 2 };

describe('weights', () => {
  it.each<[what: string, spoil: Spoil, code: ErrorCode, message: RegExp, parts?: Partial<ModelParts>]>([
    ['none', remove('model.safetensors'), 'ERR_FORMAT', /weights must be .* got neither/],
    ['cut off', (base) => truncateSync(path.join(base, 'model.safetensors'), 190), 'ERR_FORMAT', /must/],
    [
      'longer than they say',
      (base) => writeFileSync(path.join(base, 'model.safetensors'), 'x', { flag: 'a' }),
      'ERR_FORMAT',
      /data must have/,
    ],
    [
      'a header of 2⁶³ bytes',
      write('model.safetensors', fileBytes('{}', 100, 2n ** 63n)),
      'ERR_FORMAT',
      /header must have/,
    ],
    [
      'an unknown dtype',
      write('model.safetensors', fileBytes('{"x":{"dtype":"F99","shape":[1],"data_offsets":[0,1]}}', 1)),
      'ERR_FORMAT',
      /known dtype/,
    ],
    [
      'an index of a missing shard',
      remove('model-00002-of-00002.safetensors'),
      'ERR_FORMAT',
      /must name shards that are there, got model-00002/,
      sharded,
    ],
    ['an index of no object', write(index, '[]'), 'ERR_FORMAT', /must be an object/, sharded],
    ['an index that is not JSON', write(index, '{"weight_map":'), 'ERR_FORMAT', /must have/, sharded],
    ['an index without a map', write(index, '{}'), 'ERR_FORMAT', /weight_map/, sharded],
    ['an index of nothing', write(index, '{"weight_map":{}}'), 'ERR_FORMAT', /got none/, sharded],
    ['a shard outside', inShard('../model.safetensors'), 'ERR_FORMAT', /name files of its folder/, sharded],
    ['an absolute shard', inShard('/etc/x.safetensors'), 'ERR_FORMAT', /name files of its folder/, sharded],
    ['a hidden shard', inShard('.x.safetensors'), 'ERR_FORMAT', /name files of its folder/, sharded],
    ['a shard of another kind', inShard('x.bin'), 'ERR_FORMAT', /name files of its folder/, sharded],
    [
      'a tensor that its shard lacks',
      editIndex((map) => {
        map['model.x'] = 'model-00001-of-00002.safetensors';
      }),
      'ERR_FORMAT',
      /which lacks it/,
      sharded,
    ],
    [
      'a tensor that the index lacks',
      editIndex((map) => {
        delete map['model.extra'];
      }),
      'ERR_FORMAT',
      /must list all tensors/,
      { ...sharded, others: { 'model.norm.weight': tensorOf([[1, 2]]), 'model.extra': tensorOf([[1]]) } },
    ],
  ])('%s', (_what, spoil, code, message, more) => refused(spoil, code, message, {}, more));

  const put =
    (tensors: Parameters<typeof writeTensors>[1]): Spoil =>
    (base) =>
      writeTensors(base, tensors);
  it.each<[what: string, spoil: Spoil, code: ErrorCode, message: RegExp]>([
    [
      'no embeddings',
      put({ x: tensorOf(rows(3)) }),
      'ERR_UNSUPPORTED',
      /one tensor of embeddings, or tensors\.base\.embed must name it, got none/,
    ],
    [
      'two tables of embeddings',
      put({ 'a.wte.weight': tensorOf(rows(3)), 'b.wte.weight': tensorOf(rows(3)) }),
      'ERR_UNSUPPORTED',
      /got a\.wte\.weight, b\.wte\.weight/,
    ],
    [
      'embeddings of rank 1',
      put({ 'wte.weight': { ...tensorOf(rows(3)), shape: [9] } }),
      'ERR_SHAPE',
      /must be a matrix, got \[9\]/,
    ],
    [
      'no rows',
      put({ 'wte.weight': { dtype: 'F32', shape: [0, 3], bytes: Buffer.alloc(0) } }),
      'ERR_SHAPE',
      /must have elements/,
    ],
    [
      'embeddings of 8 bits',
      put({ 'wte.weight': { dtype: 'F8_E4M3', shape: [3, 4], bytes: Buffer.alloc(12) } }),
      'ERR_UNSUPPORTED',
      /must be one of F32 .* got F8_E4M3/,
    ],
    [
      'whole numbers',
      put({ 'wte.weight': { dtype: 'I32', shape: [3, 1], bytes: Buffer.alloc(12) } }),
      'ERR_UNSUPPORTED',
      /must be floating, got I32/,
    ],
    [
      'a head of other size',
      put({ 'wte.weight': tensorOf(rows(3)), 'lm_head.weight': tensorOf(rows(2)) }),
      'ERR_SHAPE',
      /as many rows in lm_head\.weight as in wte\.weight, 3, got 2/,
    ],
    [
      'a bias by token',
      put({ 'wte.weight': tensorOf(rows(3)), 'lm_head.bias': tensorOf([[1, 2, 3]]) }),
      'ERR_UNSUPPORTED',
      /nothing but embeddings and head by token, got lm_head\.bias/,
    ],
  ])('%s', (_what, spoil, code, message) => refused(spoil, code, message));

  it('a tensor that the options name and the model lacks', () =>
    refused(() => {}, 'ERR_ARGUMENT', /must be one of the model's, got "x"/, { tensors: { base: { embed: 'x' } } }));
});

describe('tokenizer', () => {
  it.each<[what: string, spoil: Spoil, message: RegExp]>([
    ['none', remove('tokenizer.json'), /tokenizer\.json must be there/],
    ['not JSON', write('tokenizer.json', '{"model"'), /must have ':'/],
    ['an array', write('tokenizer.json', '[]'), /must be an object/],
    [
      'a tail',
      (base) => writeFileSync(path.join(base, 'tokenizer.json'), '{}', { flag: 'a' }),
      /only white space after/,
    ],
    ['no model', write('tokenizer.json', '{}'), /must have a model, got none/],
    [
      'two models',
      write('tokenizer.json', '{"model":{"vocab":{"a":0}},"model":{"vocab":{"a":0}}}'),
      /each key once, got "model"/,
    ],
    [
      'no vocabulary',
      editTokenizer(({ model }) => {
        delete model.vocab;
      }),
      /must have a vocabulary/,
    ],
    [
      'an unknown model',
      editTokenizer(({ model }) => {
        model.type = 'Magic';
      }),
      /a model of BPE, .* got "Magic"/,
    ],
    [
      'an id twice',
      editTokenizer(({ model }) => {
        model.vocab = { a: 0, b: 0 };
      }),
      /each id once, got 0 for "a" and "b"/,
    ],
    ['a token twice', write('tokenizer.json', '{"model":{"vocab":{"a":0,"\\u0061":1}}}'), /each token once, got "a"/],
    [
      'a negative id',
      editTokenizer(({ model }) => {
        model.vocab = { a: -1 };
      }),
      /must have a digit/,
    ],
    [
      'a fraction',
      editTokenizer(({ model }) => {
        model.vocab = { a: 0.5 };
      }),
      /a whole number/,
    ],
    [
      'a huge id',
      editTokenizer(({ model }) => {
        model.vocab = { a: 1e9 };
      }),
      /ids below 1048576, got 1000000000/,
    ],
    [
      'an id beyond 2⁵³',
      write('tokenizer.json', '{"model":{"vocab":{"a":99999999999999999999}}}'),
      /numbers below 2\^53/,
    ],
    [
      'an id of text',
      editTokenizer(({ model }) => {
        model.vocab = { a: 'x' };
      }),
      /must have a digit/,
    ],
    [
      'a long token',
      editTokenizer(({ model }) => {
        model.vocab = { ['x'.repeat(70_000)]: 0 };
      }),
      /at most 65536 bytes in the string/,
    ],
    [
      'scores in BPE',
      editTokenizer(({ model }) => {
        model.vocab = [['a', -1]];
      }),
      /scores for a unigram model/,
    ],
    [
      'added tokens without id',
      editTokenizer((tokenizer) => {
        tokenizer.added_tokens = [{ content: 'x' }];
      }),
      /id and content in each added token/,
    ],
    [
      'an added token with the id of another',
      editTokenizer((tokenizer) => {
        tokenizer.added_tokens = [{ id: 0, content: 'x' }];
      }),
      /added token "x" with id 0/,
    ],
    ['a lone surrogate', write('tokenizer.json', '{"model":{"vocab":{"\\ud800":0}}}'), /must have an escape of JSON/],
    ['not UTF-8', write('tokenizer.json', Buffer.from('{"model":{"vocab":{"\xff":0}}}', 'latin1')), /UTF-8/],
    ['deep nesting', write('tokenizer.json', `{"x":${'['.repeat(100_000)}`), /nest at most 64 deep/],
    [
      'deep nesting in what is read',
      write('tokenizer.json', `{"decoder":${'{"a":'.repeat(100_000)}`),
      /nest at most 64 deep/,
    ],
    [
      'tokens beyond the table',
      editTokenizer(({ model }) => {
        model.vocab = { a: 0, b: 7 };
      }),
      /ids below the 3 rows of model\.embed_tokens\.weight, got 7/,
    ],
    [
      'a folder',
      (base) => {
        rmSync(path.join(base, 'tokenizer.json'));
        mkdirSync(path.join(base, 'tokenizer.json'));
      },
      /regular file/,
    ],
    [
      'a configuration that is no object',
      write('tokenizer_config.json', '3'),
      /tokenizer_config\.json must be an object/,
    ],
    [
      'a configuration with a key twice',
      write('config.json', '{"vocab_size":1,"vocab_size":2}'),
      /config\.json must have each key once/,
    ],
  ])('%s', (_what, spoil, message) => refused(spoil, 'ERR_FORMAT', message));

  it('a file beyond the limit is not read', () =>
    refused(
      (base) => {
        truncateSync(path.join(base, 'tokenizer.json'), 2 ** 40);
      },
      'ERR_FORMAT',
      /at most 67108864 bytes, got 1099511627776/,
    ));

  it('takes __proto__ and constructor as any other token', async () => {
    using folder = new Folder();
    const tokenizer = JSON.stringify(byteLevelTokenizer(['x', 'constructor'])).replace('"x"', '"__proto__"');
    const base = writeModel(folder.file('base'), { ...plain(), embed: rows(2) });
    writeFileSync(path.join(base, 'tokenizer.json'), tokenizer);
    const report = await transplant({ base, donor: base, out: folder.file('out'), method: 'zero', dryRun: true });
    expect(report.match).toMatchObject({ ids: 2, exact: 2 });
  });
});

describe('links', () => {
  const link =
    (name: string): Spoil =>
    (base, folder) => {
      renameSync(path.join(base, name), folder.file(`real-${name}`));
      symlinkSync(folder.file(`real-${name}`), path.join(base, name));
    };
  it.each(['tokenizer.json', 'model.safetensors', 'config.json'])('%s is not followed', (name) =>
    refused(link(name), 'ERR_FORMAT', /must not be a symbolic link unless the option followLinks is set/),
  );

  it('are followed where asked', async () => {
    using folder = new Folder();
    const base = writeModel(folder.file('base'), plain());
    link('model.safetensors')(base, folder);
    link('tokenizer.json')(base, folder);
    const out = folder.file('out');
    await transplant({ base, donor: base, out, method: 'zero', followLinks: true, device: 'cpu' });
    expect(readFileSync(path.join(out, 'model.safetensors')).length).toBeGreaterThan(0);
  });
});

describe('places', () => {
  it('an output that exists', () =>
    refused(
      (_base, folder) => writeFileSync(folder.file('out'), ''),
      'ERR_ARGUMENT',
      /must be free or an empty folder, got another kind/,
    ));
  it('an output with files', () =>
    refused(
      (_base, folder) => {
        mkdirSync(folder.file('out'));
        writeFileSync(path.join(folder.file('out'), 'x'), '');
      },
      'ERR_ARGUMENT',
      /got a folder with files/,
    ));
  it('a link as output', () =>
    refused((_base, folder) => symlinkSync(folder.path, folder.file('out')), 'ERR_ARGUMENT', /got another kind/));
  it('the remains of something else', () =>
    refused(
      (_base, folder) => {
        mkdirSync(folder.file('out.partial'));
        writeFileSync(path.join(folder.file('out.partial'), 'x'), '');
      },
      'ERR_STATE',
      /same inputs and options, or be removed with the option restart/,
    ));
  it('no folder for the output', () =>
    refused(() => {}, 'ERR_IO', /got ENOENT/, { out: path.join('nowhere', 'at', 'all') }));
  it('no base', () => refused(() => {}, 'ERR_IO', /got ENOENT/, { base: 'nowhere-at-all' }));
  it('a file as base', () =>
    refused((_base, folder) => writeFileSync(folder.file('x'), ''), 'ERR_IO', /ENOENT/, { base: 'x-is-not-here' }));
});

afterEach(restoreCalls);

it('too little space for the new files, the rows in work and a twentieth more, in a dry run, too', async () => {
  using folder = new Folder();
  const base = writeModel(folder.file('base'), plain());
  const donor = writeModel(folder.file('donor'), { ...plain(), tokenizer: byteLevelTokenizer([' a', 'x', 'y']) });
  const options = { base, donor, out: folder.file('out'), method: 'zero', device: 'cpu' } as const;
  // A table of 3 x 3 and a norm of 2 in f32; two rows of 12 bytes, each with 12 bytes of facts.
  const needed = Math.ceil(1.05 * (36 + 8 + 2 * 24));
  for (const dryRun of [true, false]) {
    calls.free = async () => needed - 1;
    await expect(transplant({ ...options, dryRun })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(`out must have ${needed} bytes of free space, got ${needed - 1} at`),
    });
    expect(folder.names).toEqual(['base', 'donor']);
  }
  // Space that another run has taken, and restart gives back, is free then.
  mkdirSync(folder.file('out.partial'));
  writeFileSync(folder.file('out.partial/rest'), new Uint8Array(8192));
  calls.free = async () => needed - 8192;
  await expect(transplant(options)).rejects.toMatchObject({ code: 'ERR_STATE' });
  await transplant({ ...options, restart: true });
  expect(folder.names).toEqual(['base', 'donor', 'out']);
});

describe('options', () => {
  it.each<[Record<string, unknown>, RegExp]>([
    [{ method: 'magic' }, /method must be one of 'omp', 'mean'/],
    [{ k: 0 }, /k must be a whole number from 1 on, got 0/],
    [{ k: 1.5 }, /k must be a whole number/],
    [{ match: 'text' }, /match must be one of 'bytes', 'mergekit'/],
    [{ prefixMatch: true }, /prefixMatch must be one of 'none', 'both', 'embed', 'lm-head', got true/],
    [{ magikarp: 'yes' }, /magikarp must be true or false/],
    [{ padToMultiple: -1 }, /padToMultiple must be a whole number/],
    [{ seed: -1 }, /seed must be a whole number from 0/],
    [{ memoryLimit: Number.NaN }, /memoryLimit must be a number of bytes/],
    [{ signal: {} }, /signal must be an AbortSignal/],
    [{ onProgress: 1 }, /onProgress must be a function/],
    [{ device: 3 }, /device must be a Device or the name of one/],
    [{ tensors: { base: { embed: 3 } } }, /tensors\.base\.embed must be the name of a tensor/],
    [{ tensors: { both: {} } }, /both is not an option/],
    [{ quick: true }, /quick is not an option/],
    [{ base: 3 }, /base must be the path of a folder, got 3/],
    [{ out: '' }, /must be a non-empty string/],
  ])('%j', (options, message) => refused(() => {}, 'ERR_ARGUMENT', message, options as Partial<TransplantOptions>));

  it('a method that is not there', () =>
    refused(() => {}, 'ERR_UNSUPPORTED', /method mp_rope is not implemented/, { method: 'mp_rope' }));
});
