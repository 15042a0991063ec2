// Small model folders to merge, and what they hold.
import { mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileBytes, type PlainTensor } from '../files/bytes.ts';
import type { Folder } from '../files/folder.ts';
import { uniform } from '../support/data.ts';
import { type Dtype, type Rows, readModel, rowsOf, tensorOf, writeTensors } from '../transplant/models.ts';

/** Numbers of a seed, between −1 and 1. */
export function matrix(rows: number, columns: number, seed: number): Rows {
  const next = uniform(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.fround(2 * next() - 1)));
}

export interface Parts {
  readonly tensors: Record<string, Rows>;
  readonly dtype?: Dtype;
  readonly shards?: number;
  readonly config?: object;
  readonly files?: Record<string, string>;
}

/** Writes a model folder; a bias is a vector, its one row. */
export function writeParts(folder: string, { tensors, dtype, shards, config, files = {} }: Parts): string {
  mkdirSync(folder, { recursive: true });
  const plain = (name: string, rows: Rows) => {
    const tensor = tensorOf(rows, dtype);
    return name.endsWith('bias') ? { ...tensor, shape: [rows[0]!.length] } : tensor;
  };
  const all = Object.fromEntries(Object.entries(tensors).map(([name, rows]) => [name, plain(name, rows)]));
  writeTensors(folder, all, shards);
  writeFileSync(path.join(folder, 'config.json'), `${JSON.stringify(config ?? { model_type: 'tiny' })}\n`);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

/** Values of a tensor of a folder, as they stand there. */
export function valuesOf(folder: string, name: string): number[] {
  const tensor = readModel(folder).tensors.get(name)!;
  return rowsOf({ ...tensor, shape: [1, tensor.shape.reduce((a, b) => a * b, 1)] }).flat();
}

/** A vocabulary of models whose tokens nobody reads. */
const vocabulary = { files: { 'vocab.txt': 'a\nb\n' } };

/** A base and models of two matrices, a bias and embeddings; models differ from the base in all. */
export function family(folder: Folder, models = 2, options: Omit<Parts, 'tensors'> = {}) {
  const tensors = (seed: number, size: number): Record<string, Rows> =>
    Object.fromEntries(
      [
        ['model.embed_tokens.weight', 5, 6],
        ['layers.0.up.weight', 7, 6],
        ['layers.0.down.weight', 6, 7],
        ['layers.0.bias', 1, 7],
      ].map(([name, rows, columns], i) => {
        const own = matrix(rows as number, columns as number, 100 * seed + i);
        const base = matrix(rows as number, columns as number, i + 1);
        return [name, own.map((row, r) => row.map((x, c) => Math.fround(base[r]![c]! + size * x)))];
      }),
    );
  return {
    base: writeParts(folder.file('base'), { tensors: tensors(0, 0), ...vocabulary, ...options }),
    models: Array.from({ length: models }, (_, i) =>
      writeParts(folder.file(`model${i}`), { tensors: tensors(i + 1, 0.25), ...vocabulary, ...options }),
    ),
    out: folder.file('out'),
  };
}

/** The numbers of a type of 16 bits on both sides of x, at some distance from 0. */
export function nearest(x: number, dtype: 'F16' | 'BF16'): [below: number, above: number] {
  const digits = dtype === 'F16' ? 10 : 7;
  const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), dtype === 'F16' ? -14 : -126) - digits);
  const below = Math.floor(x / step) * step;
  return [below, below + step];
}

/** A layer of an adapter: rows of a, `[rank, in]`, and of b, `[out, rank]`. */
export interface Layer {
  readonly a: Rows;
  readonly b: Rows;
}

/** Numbers in f64, as a file has them. */
export const doubles = (rows: Rows): PlainTensor => ({
  dtype: 'F64',
  shape: [rows.length, rows[0]!.length],
  bytes: Buffer.from(Float64Array.from(rows.flat()).buffer),
});

/** Writes an adapter in the layout of peft, by hand. */
export function writeAdapter(
  folder: string,
  layers: Record<string, Layer>,
  config: object,
  tensor: (rows: Rows) => PlainTensor = tensorOf,
): string {
  mkdirSync(folder, { recursive: true });
  const tensors: Record<string, PlainTensor> = {};
  for (const [module, { a, b }] of Object.entries(layers)) {
    tensors[`base_model.model.${module}.lora_A.weight`] = tensor(a);
    tensors[`base_model.model.${module}.lora_B.weight`] = tensor(b);
  }
  writeTensors(folder, tensors);
  renameSync(path.join(folder, 'model.safetensors'), path.join(folder, 'adapter_model.safetensors'));
  writeFileSync(path.join(folder, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', ...config }));
  return folder;
}

/** scale · b·a, in f64. */
export const updateOf = ({ a, b }: Layer, scale: number): Rows =>
  b.map((row) => a[0]!.map((_, j) => scale * row.reduce((sum, x, k) => sum + x * a[k]![j]!, 0)));

/** Tensors of a model of seven thousand million weights. */
function shapes(): Record<string, number[]> {
  const layer = (i: number): Record<string, number[]> =>
    Object.fromEntries(
      [
        ['input_layernorm', [4096]],
        ['mlp.down_proj', [4096, 11008]],
        ['mlp.gate_proj', [11008, 4096]],
        ['mlp.up_proj', [11008, 4096]],
        ['post_attention_layernorm', [4096]],
        ...['q', 'k', 'v', 'o'].map((name) => [`self_attn.${name}_proj`, [4096, 4096]]),
      ].map(([name, shape]) => [`model.layers.${i}.${name}.weight`, shape as number[]]),
    );
  const layers = Array.from({ length: 32 }, (_, i) => layer(i));
  const ends = {
    'model.embed_tokens.weight': [32000, 4096],
    'model.norm.weight': [4096],
    'lm_head.weight': [32000, 4096],
  };
  return Object.assign({}, ...layers, ends) as Record<string, number[]>;
}

/** Such a model of 16 bits, in three files of zeros that take no space on the disk. */
export function writeLarge(folder: string): void {
  mkdirSync(folder);
  const names = Object.entries(shapes());
  const each = Math.ceil(names.length / 3);
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < 3; ++shard) {
    const file = `model-0000${shard + 1}-of-00003.safetensors`;
    const header: Record<string, object> = {};
    let begin = 0;
    for (const [name, shape] of names.slice(shard * each, (shard + 1) * each)) {
      const end = begin + 2 * shape.reduce((a, b) => a * b);
      header[name] = { dtype: 'BF16', shape, data_offsets: [begin, end] };
      weightMap[name] = file;
      begin = end;
    }
    const bytes = fileBytes(JSON.stringify(header), Buffer.alloc(0));
    writeFileSync(path.join(folder, file), bytes);
    truncateSync(path.join(folder, file), bytes.length + begin);
  }
  writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
}
