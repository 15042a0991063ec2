// Devices: cpu
// Models that are refused by name, and leave no folder behind.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { calls } from '../../../lib/files/calls.ts';
import { Device } from '../../../lib/index.ts';
import { type CompressOptions, compressModel, loadCompressed, QuantLinear } from '../../../lib/quantized/index.ts';
import { fileBytes } from '../../files/bytes.ts';
import { restoreCalls } from '../../files/failing.ts';
import { Folder } from '../../files/folder.ts';
import { matrix, writeLarge, writeParts } from '../../merging/folders.ts';
import { readModel } from '../../transplant/models.ts';
import { modelOf } from './folders.ts';

const device = Device.open('cpu');
afterAll(() => device.close());
afterEach(restoreCalls);

const job = (folder: Folder, more: Partial<CompressOptions> = {}) =>
  compressModel({ base: folder.file('base'), out: folder.file('out'), method: 'group', group: 32, device, ...more });

it('refuses what does not fit with strict, and takes the largest usual group without', async () => {
  using folder = new Folder();
  modelOf(folder);
  await expect(job(folder, { strict: true })).rejects.toMatchObject({
    code: 'ERR_SHAPE',
    message: expect.stringContaining('"model.layers.0.odd.weight" [4,33]: the group 32 does not divide 33'),
  });
  await expect(job(folder, { strict: true, skip: ['**.odd.weight'], dryRun: true })).resolves.toMatchObject({
    dryRun: true,
  });
  const { tensors, kept } = await job(folder, { group: 128, dryRun: true });
  expect(tensors.map(({ tensor, group }) => [tensor.split('.').at(-2), group])).toEqual(
    expect.arrayContaining([
      ['up', 128],
      ['down', 32],
    ]),
  );
  expect(kept.find(({ tensor }) => tensor.includes('odd'))).toMatchObject({
    bytes: 528,
    reason: 'the group 128 does not divide 33',
  });
  await expect(job(folder, { method: 'codebook', group: undefined, groups: 5, strict: true })).rejects.toMatchObject({
    code: 'ERR_SHAPE',
    message: expect.stringContaining('5 codebooks for 4 rows'),
  });
  expect(folder.names).toEqual(['base']);
});

it('refuses NaN by the name of the tensor, and goes on with no half of a folder', async () => {
  for (const method of ['group', 'codebook'] as const) {
    using folder = new Folder();
    const bad = matrix(4, 32, 1);
    bad[2]![5] = NaN;
    writeParts(folder.file('base'), { tensors: { 'a.weight': matrix(4, 32, 2), 'b.weight': bad } });
    const options = { method, bits: 2, ...(method === 'codebook' && { group: undefined }) };
    await expect(job(folder, options)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'compressModel: tensor "b.weight" must be finite in f32, got NaN or infinity',
    });
    expect(existsSync(folder.file('out'))).toBe(false);
  }
});

it('compresses matrices of zeros to zeros', async () => {
  for (const method of ['group', 'codebook'] as const) {
    using folder = new Folder();
    writeParts(folder.file('base'), { tensors: { 'a.weight': Array.from({ length: 16 }, () => Array(64).fill(0)) } });
    const { tensors } = await job(folder, { method, bits: 2, ...(method === 'codebook' && { group: undefined }) });
    expect(tensors[0]!.error).toBe(0);
    const { 'a.weight': layer } = await loadCompressed(folder.file('out'), device);
    using whole = (layer as { dequantize(): import('../../../lib/index.ts').Tensor }).dequantize();
    expect((await whole.read()).every((value) => value === 0)).toBe(true);
    layer!.dispose();
  }
});

it('refuses a model that is compressed already, one without matrices, and too little memory or space', async () => {
  using folder = new Folder();
  modelOf(folder);
  await job(folder, { skip: ['**.odd.weight'] });
  await expect(job(folder, { base: folder.file('out'), out: folder.file('again') })).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringContaining('one that this command has made'),
  });
  await expect(job(folder, { out: folder.file('none'), skip: ['**.weight'] })).rejects.toMatchObject({
    message: 'compressModel: base must have matrices to compress, got none',
  });
  await expect(job(folder, { out: folder.file('none'), memoryLimit: 1e6 })).rejects.toMatchObject({
    code: 'ERR_MEMORY',
  });
  using foreign = new Folder();
  writeParts(foreign.file('base'), { tensors: { 'a.weight': matrix(4, 32, 1) }, config: { quantization_config: {} } });
  await expect(job(foreign)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
});

it('has other bits for names that fit a pattern, the first of them', async () => {
  using folder = new Folder();
  modelOf(folder);
  const bitsOf = { '**.down.*': 8, '**.{down,up}.*': 2 };
  const report = await job(folder, { bits: 3, bitsOf });
  const bits = Object.fromEntries(report.tensors.map((one) => [one.tensor.split('.').at(-2), one.bits]));
  expect([report.bits, bits]).toEqual([3, { up: 2, down: 8 }]);
  expect(report.bitsPerWeight).toBeCloseTo((32 * 128 * (2 + 1) + 64 * 32 * (8 + 1)) / (32 * 128 + 64 * 32), 12);
  const weights = await loadCompressed(folder.file('out'), device);
  for (const { tensor, shape, bits: own, error } of report.tensors) {
    const layer = weights[tensor] as QuantLinear;
    expect(layer.bits).toBe(own);
    expect(layer.codes.shape).toEqual([shape[0], (shape[1]! * own) / 8]);
    // Halves of steps of 2^bits − 2 in all, of numbers that are even between −1 and 1.
    const expected = 1 / (2 ** own - 2);
    expect(error! / expected).toBeGreaterThan(0.8);
    expect(error! / expected).toBeLessThan(1.2);
  }
  for (const one of Object.values(weights)) one.dispose();
  for (const [wrong, message] of [
    [{ '**.up.*': 5 }, 'bitsOf of "**.up.*" must be 2, 3, 4 or 8 for the method group, got 5'],
    [{ '**.up.*': 9 }, 'bitsOf must be an object from patterns to bits, 1 to 8'],
    [[4], 'bitsOf must be an object from patterns to bits, 1 to 8'],
    [{ 'a**': 4 }, 'bitsOf must have ** as a step of its own'],
  ] as const)
    await expect(job(folder, { out: folder.file('new'), bitsOf: wrong as never })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining(message),
    });
});

it('asks for the bytes of the new files, of the work and a twentieth more, in a dry run, too', async () => {
  using folder = new Folder();
  modelOf(folder);
  calls.free = async () => 1e12;
  const { bytes, scratchBytes } = await job(folder, { dryRun: true });
  const needed = Math.ceil(1.05 * (bytes + scratchBytes));
  for (const dryRun of [true, false]) {
    calls.free = async () => needed - 1;
    await expect(job(folder, { dryRun })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(`out must have ${needed} bytes of free space, got ${needed - 1}`),
    });
    expect(folder.names).toEqual(['base']);
  }
  calls.free = async () => needed;
  expect((await job(folder)).bytes).toBe(bytes);
});

it('plans the compression of a large model by its headers alone', async () => {
  using folder = new Folder();
  writeLarge(folder.file('base'));
  const real = calls.read;
  let read = 0;
  calls.read = async (file, into, position) => {
    const count = await real(file, into, position);
    read += count;
    return count;
  };
  calls.free = async () => 1e15;
  const { tensors, kept, bytesBefore, bitsPerWeight } = await job(folder, { dryRun: true, memoryLimit: 1e12 });
  expect([tensors.length, kept.length, bytesBefore]).toEqual([7 * 32, 3 + 2 * 32, 2 * 6_738_415_616]);
  expect(bitsPerWeight).toBe(4 + 32 / 32);
  expect(read).toBeLessThan(5e5);
});

it('keeps tied tables but where include names them, with a warning', async () => {
  using folder = new Folder();
  modelOf(folder, { config: { tie_word_embeddings: true } });
  const { kept } = await job(folder, { dryRun: true });
  expect(kept.find(({ tensor }) => tensor.includes('embed'))?.reason).toBe('a table of tokens, tied');
  const { tensors, warnings } = await job(folder, { dryRun: true, include: ['**.embed_tokens.weight'] });
  expect(tensors.map(({ tensor }) => tensor)).toContain('model.embed_tokens.weight');
  expect(warnings).toEqual([expect.stringContaining('"model.embed_tokens.weight" is tied')]);
});

it('refuses to load files that were cut, of another version, or with codes outside of their codebook', async () => {
  using folder = new Folder();
  writeParts(folder.file('base'), { tensors: { 'a.weight': matrix(8, 48, 1) } });
  await job(folder, { method: 'codebook', bits: 2, groups: 2, group: undefined });
  const file = path.join(folder.file('out'), 'model.safetensors');
  const good = readFileSync(file);
  const length = Number(good.readBigUInt64LE());
  const header = JSON.parse(good.toString('utf8', 8, 8 + length)) as Record<string, { data_offsets: [number, number] }>;
  const load = () => loadCompressed(folder.file('out'), device);
  const write = (text: string, data = good.subarray(8 + length)) => writeFileSync(file, fileBytes(text, data));
  const text = JSON.stringify(header);

  writeFileSync(file, good.subarray(0, good.length - 3));
  await expect(load()).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  write(text.replace('\\"version\\":1', '\\"version\\":2'));
  await expect(load()).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: 'loadCompressed: orthokit.compressed must have the version 1, got "2"',
  });
  write(text.replace('\\"bits\\":2', '\\"bits\\":3'));
  await expect(load()).rejects.toMatchObject({ code: 'ERR_FORMAT', message: expect.stringContaining('codes') });
  write(text.replace('\\"bits\\":2,', ''));
  await expect(load()).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  write(text.replace('a.weight.codes', 'a.weight.codez'));
  await expect(load()).rejects.toMatchObject({ code: 'ERR_FORMAT', message: expect.stringContaining('got none') });
  // A row whose codebook is not there.
  const data = Buffer.from(good.subarray(8 + length));
  data[header['a.weight.row_books']!.data_offsets[0]] = 7;
  write(text, data);
  await expect(load()).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: 'loadCompressed: codes of "a.weight" must be of their codebook, got some that are not',
  });
  writeFileSync(file, good);
  (await load())['a.weight']!.dispose();
});

it('refuses to load a name that is there twice, as a tensor of one shard and as a layer of another', async () => {
  for (const plainFirst of [true, false]) {
    using folder = new Folder();
    writeParts(folder.file('base'), { tensors: { 'a.weight': matrix(4, 32, 1) } });
    await job(folder);
    const out = folder.file('out');
    const { tensors } = readModel(out);
    const layer = readFileSync(path.join(out, 'model.safetensors'));
    rmSync(path.join(out, 'model.safetensors'));
    writeFileSync(path.join(out, 'layer.safetensors'), layer);
    const plain = { 'a.weight': { dtype: 'F32', shape: [1], data_offsets: [0, 4] } };
    writeFileSync(path.join(out, 'plain.safetensors'), fileBytes(JSON.stringify(plain), Buffer.alloc(4)));
    const parts = [...tensors.keys()].map((name) => [name, 'layer.safetensors'] as const);
    const own = ['a.weight', 'plain.safetensors'] as const;
    const index = { weight_map: Object.fromEntries(plainFirst ? [own, ...parts] : [...parts, own]) };
    writeFileSync(path.join(out, 'model.safetensors.index.json'), JSON.stringify(index));
    await expect(loadCompressed(out, device)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: 'loadCompressed: tensor "a.weight" must be there once, got it twice',
    });
  }
});

it('warns of patterns that no name fits, and refuses them with strict', async () => {
  using folder = new Folder();
  modelOf(folder);
  const more = { dryRun: true, include: ['**.embed_tokens.weight', '**.embed'], skip: ['**.odd.weight', 'no.{a,b}'] };
  const { warnings } = await job(folder, more);
  expect(warnings).toEqual([
    'the pattern "**.embed" of include is that of no tensor',
    'the pattern "no.{a,b}" of skip is that of no tensor',
  ]);
  await expect(job(folder, { ...more, strict: true })).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: 'compressModel: include must have patterns of names that the model has, got "**.embed"',
  });
  await expect(job(folder, { dryRun: true, strict: true, skip: ['**.odd.weight'] })).resolves.toMatchObject({
    warnings: [],
  });
});

it('refuses to load a compressed folder whose files have lost their metadata', async () => {
  using folder = new Folder();
  modelOf(folder);
  await job(folder);
  const file = path.join(folder.file('out'), 'model.safetensors');
  const good = readFileSync(file);
  const length = Number(good.readBigUInt64LE());
  const { __metadata__, ...tensors } = JSON.parse(good.toString('utf8', 8, 8 + length));
  expect(__metadata__).toHaveProperty(['orthokit.compressed']);
  writeFileSync(file, fileBytes(JSON.stringify(tensors), good.subarray(8 + length)));
  await expect(loadCompressed(folder.file('out'), device)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining('metadata of weights must have orthokit.compressed'),
  });
});

it('takes a quantization_config of null as none', async () => {
  using folder = new Folder();
  modelOf(folder, { config: { quantization_config: null } });
  const weights = await loadCompressed(folder.file('base'), device);
  for (const one of Object.values(weights)) one.dispose();
  await expect(job(folder, { dryRun: true })).resolves.toMatchObject({ dryRun: true });
});

it('rounds activations of layers of groups, and refuses to where there are none', async () => {
  using folder = new Folder();
  modelOf(folder);
  const rounded = { activations: 'i8' } as const;
  await expect(loadCompressed(folder.file('base'), device, rounded)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  await job(folder, { method: 'group' });
  const weights = await loadCompressed(folder.file('out'), device, rounded);
  const layers = Object.values(weights).filter((one) => one instanceof QuantLinear);
  expect(new Set(layers.map((layer) => layer.activations))).toEqual(new Set(['i8']));
  for (const one of Object.values(weights)) one.dispose();
});

it('refuses to load scales and codebooks that are not finite', async () => {
  for (const [method, part] of [
    ['group', 'scales'],
    ['codebook', 'codebooks'],
  ] as const) {
    using folder = new Folder();
    writeParts(folder.file('base'), { tensors: { 'a.weight': matrix(8, 64, 1) } });
    await job(folder, { method, ...(method === 'codebook' && { group: undefined, bits: 2 }) });
    const file = path.join(folder.file('out'), 'model.safetensors');
    const bytes = readFileSync(file);
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    for (const value of [NaN, -Infinity]) {
      bytes.writeFloatLE(value, 8 + length + header[`a.weight.${part}`].data_offsets[0] + 4);
      writeFileSync(file, bytes);
      await expect(loadCompressed(folder.file('out'), device)).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: `loadCompressed: ${part} of "a.weight" must be finite, got NaN or infinity`,
      });
    }
  }
});

it('knows norms and heads by whole words of their names', async () => {
  using folder = new Folder();
  const norms = [
    'h.0.ln_1',
    'norm',
    'h.0.norm2',
    'h.0.input_layernorm',
    'h.0.attn.q_norm',
    'h.0.rms_norm',
    'b.LayerNorm',
  ];
  const tables = ['lm_head', 'output', 'shared', 'wpe'];
  const others = ['normal_proj', 'h.0.lnx', 'h.0.normalizer', 'score', 'h.0.output'];
  const names = [...norms, ...tables, ...others].map((name) => `${name}.weight`);
  writeParts(folder.file('base'), { tensors: Object.fromEntries(names.map((name, i) => [name, matrix(4, 64, i)])) });
  const { kept, tensors } = await job(folder, { dryRun: true });
  const because = (word: string) => kept.flatMap(({ tensor, reason }) => (reason === word ? [tensor] : [])).sort();
  expect(because('a norm')).toEqual(norms.map((name) => `${name}.weight`).sort());
  expect(because('a table of tokens')).toEqual(tables.map((name) => `${name}.weight`).sort());
  expect(tensors.map(({ tensor }) => tensor).sort()).toEqual(others.map((name) => `${name}.weight`).sort());
});
