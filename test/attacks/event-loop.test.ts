// Devices: cpu
// Files that cost far more than their size if they are taken at their word: others have their turns of the event loop
// while they are read, memory stays bounded, and an abort is answered.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAdapter } from '../../lib/adapters/index.ts';
import { AdamW, Device, loadTensors, readTensorInfo, readTokenizer, Tensor, transplant } from '../../lib/index.ts';
import { mergeModels } from '../../lib/merging/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { settledMemory } from '../support/settled.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

/** The longest hold of the event loop, in milliseconds of processor time, and the most growth of a process. */
const mostHeld = 150;
const mostGrowth = 256 << 20;

const list = (count: number, one: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => one(i)).join();
const tensors = (count: number, one: (i: number) => string, data = 0): Buffer =>
  fileBytes(`{${list(count, (i) => `"${i}":{"dtype":"U8",${one(i)}}`)}}`, data);
const empty = '"shape":[0],"data_offsets":[0,0]';
const small = '"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2},"merges":[]}';
const vocabulary = (count: number): string =>
  `{"model":{"type":"BPE","vocab":{${list(count, (i) => `"${i}":${i}`)}},"merges":[]}}`;
const checkpoint = (content: string): Buffer =>
  fileBytes(`{"__metadata__":{"format":"orthokit-optimizer","version":"1","content":"${content}"}}`);

type Content = Record<string, string | Buffer>;
const model = (tokenizer: string, rows: number, more: Content = {}): Content => ({
  'tokenizer.json': tokenizer,
  'config.json': '{"vocab_size":3}',
  'model.safetensors': fileBytes(
    `{"model.embed_tokens.weight":{"dtype":"F32","shape":[${rows},2],"data_offsets":[0,${8 * rows}]}}`,
    8 * rows,
  ),
  ...more,
});
const models = (base: Content, donor: Content): Content => ({
  ...Object.fromEntries(Object.entries(base).map(([name, content]) => [`base/${name}`, content])),
  ...Object.fromEntries(Object.entries(donor).map(([name, content]) => [`donor/${name}`, content])),
});
const plain = (): Content => model(`{${small}}`, 3);

/** An adapter of 40 layers, with a configuration of its own. */
const adapter = (config: string): Content => {
  const tensor = (name: string, shape: string, at: number): string =>
    `"base_model.model.l.${name}.weight":{"dtype":"F32","shape":${shape},"data_offsets":[${at},${at + 8}]}`;
  const header = list(40, (i) => `${tensor(`${i}.lora_A`, '[1,2]', 16 * i)},${tensor(`${i}.lora_B`, '[2,1]', 16 * i + 8)}`); // biome-ignore format: one line
  const ones = Buffer.from(new Float32Array(160).fill(1).buffer);
  return {
    'adapter_config.json': `{"peft_type":"LORA","r":1,${config}}`,
    'adapter_model.safetensors': Buffer.concat([fileBytes(`{${header}}`, 0), ones]),
  };
};
const patterns = (count: number): string => {
  const names = list(count, (i) => `"q${i}":1`);
  return `"rank_pattern":{${names}},"alpha_pattern":{${names}}`;
};

/** A base and a model to merge: one table, and other tensors, empty ones of the type. */
const pair = (count: number, dtype: string, more: Content = {}): Content => {
  const names = list(count, (i) => `"${count - i}":{"dtype":"${dtype}","shape":[0],"data_offsets":[24,24]}`);
  const table = '"l.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}';
  const weights = fileBytes(`{${table}${count > 0 ? `,${names}` : ''}}`, 24);
  const own: Content = { 'config.json': '{}', 'model.safetensors': weights };
  return models(own, { ...own, ...more });
};

type Reader =
  | 'loadTensors'
  | 'readTensorInfo'
  | 'readTokenizer'
  | 'load'
  | 'transplant'
  | 'loadAdapter'
  | 'mergeModels';
interface Attack {
  what: string;
  reader: Reader;
  /** One file, or those of a folder. */
  content: () => Buffer | Content;
  code: string;
  /** Reading it takes so long that an abort comes in time. */
  isLong?: true;
}

const attacks: Attack[] = [
  {
    what: 'as many empty tensors as are loaded',
    reader: 'loadTensors',
    content: () => tensors(65_536, () => empty),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'one empty tensor more',
    reader: 'loadTensors',
    content: () => tensors(65_537, () => empty),
    code: 'ERR_UNSUPPORTED',
  },
  {
    what: 'as many tensors as are listed',
    reader: 'readTensorInfo',
    content: () => tensors(131_072, () => empty),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'one tensor more',
    reader: 'readTensorInfo',
    content: () => tensors(131_073, () => empty),
    code: 'ERR_FORMAT',
  },
  {
    what: 'a million texts',
    reader: 'readTensorInfo',
    content: () => fileBytes(`{"__metadata__":{${list(1_000_000, (i) => `"${i}":""`)}}}`),
    code: 'ERR_FORMAT',
  },
  {
    what: 'a list of 20 MB that nobody reads, in tokenizer.json',
    reader: 'readTokenizer',
    content: () => ({ 'tokenizer.json': `{"x":[${'0,'.repeat(10_000_000)}0],${small}}` }),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'empty objects in a part that is read',
    reader: 'readTokenizer',
    content: () => ({ 'tokenizer.json': `{"normalizer":[${'{},'.repeat(5_000_000)}0],${small}}` }),
    code: 'ERR_FORMAT',
  },
  {
    what: 'tokens of 60 KB',
    reader: 'readTokenizer',
    content: () => ({
      'tokenizer.json': `{"model":{"vocab":{${list(900, (i) => `"${i}${'x'.repeat(60_000)}":${i}`)}}}}`,
    }),
    code: 'accepted',
  },
  {
    what: 'a list of 16 MB beside the tokenizer',
    reader: 'readTokenizer',
    content: () => ({ 'tokenizer.json': `{${small}}`, 'tokenizer_config.json': `{"x":[${'0,'.repeat(8_388_000)}0]}` }),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'empty objects as special tokens',
    reader: 'readTokenizer',
    content: () => ({
      'tokenizer.json': `{${small}}`,
      'special_tokens_map.json': `{"additional_special_tokens":[${'{},'.repeat(5_000_000)}0]}`,
    }),
    code: 'ERR_FORMAT',
  },
  {
    what: 'a description of 16 MB of brackets',
    reader: 'load',
    content: () => checkpoint('['.repeat(16_777_216)),
    code: 'ERR_FORMAT',
    isLong: true,
  },
  {
    what: 'a description of 16 MB of numbers',
    reader: 'load',
    content: () => checkpoint(`[${'1,'.repeat(8_388_000)}1]`),
    code: 'ERR_FORMAT',
    isLong: true,
  },
  {
    what: 'a description of 80 MB',
    reader: 'load',
    content: () => checkpoint('['.repeat(80_000_000)),
    code: 'ERR_FORMAT',
  },
  {
    what: 'one added token with a large id',
    reader: 'transplant',
    content: () => models(plain(), model(`{"added_tokens":[{"id":1048575,"content":"<x>"}],${small}}`, 3)),
    code: 'ERR_FORMAT',
  },
  {
    what: 'a base of 100,000 empty tensors',
    reader: 'transplant',
    content: () => {
      const names = list(100_000, (i) => `"${100_000 - i}":{"dtype":"U8","shape":[0],"data_offsets":[24,24]}`);
      const table = '"model.embed_tokens.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}';
      return models({ ...plain(), 'model.safetensors': fileBytes(`{${table},${names}}`, 24) }, plain());
    },
    code: 'accepted',
  },
  {
    what: 'a vocabulary of 200,000 tokens',
    reader: 'transplant',
    content: () => models(plain(), model(vocabulary(200_000), 200_000)),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'a list of 16 MB in config.json',
    reader: 'transplant',
    content: () =>
      models(model(`{${small}}`, 3, { 'config.json': `{"vocab_size":3,"x":[${'0,'.repeat(8_388_000)}0]}` }), plain()),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'an index of 600,000 tensors',
    reader: 'transplant',
    content: () => {
      const { 'model.safetensors': _, ...rest } = plain();
      const index = `{"weight_map":{${list(600_000, (i) => `"${i}":"x.safetensors"`)}}}`;
      return models({ ...rest, 'model.safetensors.index.json': index }, plain());
    },
    code: 'ERR_FORMAT',
  },
  {
    what: 'as many patterns as are read',
    reader: 'loadAdapter',
    content: () => adapter(patterns(65_536)),
    code: 'accepted',
  },
  {
    what: '250,000 patterns',
    reader: 'loadAdapter',
    content: () => adapter(patterns(250_000)),
    code: 'ERR_FORMAT',
  },
  {
    what: 'a list of 16 MB that nobody reads',
    reader: 'loadAdapter',
    content: () => adapter(`"x":[${'0,'.repeat(8_388_000)}0]`),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'empty objects as ranks',
    reader: 'loadAdapter',
    content: () => adapter(`"rank_pattern":{"q":[${'{},'.repeat(5_000_000)}0]}`),
    code: 'ERR_FORMAT',
  },
  {
    what: 'models of 40,000 empty tensors that are merged',
    reader: 'mergeModels',
    content: () => pair(40_000, 'F32'),
    code: 'accepted',
  },
  {
    what: 'models of 40,000 empty tensors that must be the same',
    reader: 'mergeModels',
    content: () => pair(40_000, 'U8'),
    code: 'accepted',
  },
  {
    what: 'a model with an index of 600,000 tensors',
    reader: 'mergeModels',
    content: () => {
      const { 'donor/model.safetensors': _, ...rest } = pair(0, 'F32');
      const index = `{"weight_map":{${list(600_000, (i) => `"${i}":"x.safetensors"`)}}}`;
      return { ...rest, 'donor/model.safetensors.index.json': index };
    },
    code: 'ERR_FORMAT',
  },
  {
    what: 'a list of 16 MB in the config.json of a model',
    reader: 'mergeModels',
    content: () => pair(0, 'F32', { 'config.json': `{"x":[${'0,'.repeat(8_388_000)}0]}` }),
    code: 'accepted',
    isLong: true,
  },
  {
    what: 'other vocabularies of 200,000 tokens',
    reader: 'mergeModels',
    content: () => {
      const own = pair(0, 'F32');
      return { ...own, 'base/tokenizer.json': vocabulary(200_000), 'donor/tokenizer.json': vocabulary(200_001) };
    },
    code: 'ERR_ARGUMENT',
    isLong: true,
  },
];

/** Writes what an attack consists of; the path that its reader takes. */
function write(folder: Folder, content: Buffer | Content): string {
  const target = folder.file('x');
  if (Buffer.isBuffer(content)) {
    writeFileSync(target, content);
    return target;
  }
  for (const [name, bytes] of Object.entries(content)) {
    mkdirSync(path.dirname(path.join(target, name)), { recursive: true });
    writeFileSync(path.join(target, name), bytes);
  }
  return target;
}

const program = path.join(import.meta.dirname, 'children', 'reads.mjs');

const reads: Record<Reader, (file: string, signal: AbortSignal) => Promise<unknown>> = {
  loadTensors: (file, signal) => loadTensors(file, device, { signal }),
  readTensorInfo: (file, signal) => readTensorInfo(file, { signal }),
  readTokenizer: (file, signal) => readTokenizer(file, { signal }),
  loadAdapter: (file, signal) =>
    loadAdapter(file, { l: Array.from({ length: 40 }, () => ({ weight: Tensor.zeros(device, [2, 2]) })) }, { signal }),
  load: (file, signal) => new AdamW([Tensor.zeros(device, [2])]).load(file, { signal }),
  transplant: (file, signal) =>
    transplant({
      ...{ base: path.join(file, 'base'), donor: path.join(file, 'donor'), out: path.join(file, 'aborted') },
      ...{ method: 'mean', device, signal },
    }),
  mergeModels: (file, signal) =>
    mergeModels({
      ...{ base: path.join(file, 'base'), models: [path.join(file, 'donor')], out: path.join(file, 'aborted') },
      ...{ method: 'average', device, signal },
    }),
};

describe.each(attacks)('R14: while $reader has $what', { tags: ['R14'] }, ({ reader, content, code, isLong }) => {
  let folder: Folder;
  let file: string;
  beforeAll(() => {
    folder = new Folder();
    file = write(folder, content());
  });
  afterAll(() => folder[Symbol.dispose]());

  if (isLong)
    it('an abort is answered', async () => {
      const { live } = await settledMemory(device);
      const controller = new AbortController();
      const reason = new Error('enough');
      const read = reads[reader](file, controller.signal);
      setTimeout(() => controller.abort(reason), 30);
      await expect(read).rejects.toBe(reason);
      if (reader === 'loadTensors') expect(device.info.memory.live).toBe(live);
    }, 60_000);

  it('the event loop turns, and memory is bounded', async () => {
    // New objects have as much room before they are collected as Node.js 20 gives them: newer ones give more.
    const args = ['--expose-gc', '--max-semi-space-size=16', program, reader, file];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 });
    const found = JSON.parse(stdout) as { code: string; held: number; growth: number };
    expect(found.code).toBe(code);
    expect(found.held).toBeLessThan(mostHeld);
    expect(found.growth).toBeLessThan(mostGrowth);
  }, 180_000);
});
