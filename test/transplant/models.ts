// Model folders in the formats of real ones, small enough to know every row.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileBytes, type PlainTensor, plainRead } from '../files/bytes.ts';

export type Dtype = 'F32' | 'F16' | 'BF16';

/** The rows of a table, by token. */
export type Rows = number[][];

export interface ModelParts {
  /** tokenizer.json. */
  tokenizer: object;
  tokenizerConfig?: object;
  specialTokens?: object;
  config?: object;
  generationConfig?: object;
  embed: Rows;
  lmHead?: Rows;
  dtype?: Dtype;
  /** More tensors, as bytes. */
  others?: Record<string, PlainTensor>;
  /** Into how many files. Default: one, without an index. */
  shards?: number;
}

/** Bits of bf16 and f16, of numbers that these types hold exactly. */
function bitsOf(value: number, dtype: Dtype): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  if (dtype === 'F32') return bits.getUint32(0);
  if (dtype === 'BF16') return bits.getUint16(0);
  const whole = bits.getUint32(0);
  const exponent = (whole >>> 23) & 0xff;
  if (exponent === 0) return whole >>> 16;
  return ((whole >>> 16) & 0x8000) | ((exponent - 112) << 10) | ((whole >>> 13) & 0x3ff);
}

export function tensorOf(rows: Rows, dtype: Dtype = 'F32'): PlainTensor {
  const values = rows.flat();
  const size = dtype === 'F32' ? 4 : 2;
  const bytes = Buffer.alloc(values.length * size);
  for (const [i, value] of values.entries()) {
    if (size === 4) bytes.writeUInt32LE(bitsOf(value, dtype), 4 * i);
    else bytes.writeUInt16LE(bitsOf(value, dtype), 2 * i);
  }
  return { dtype, shape: [rows.length, rows[0]?.length ?? 0], bytes };
}

/** Numbers of f32, f16 or bf16 as they stand in a file. */
export function rowsOf({ dtype, shape, bytes }: PlainTensor): Rows {
  const [count = 0, columns = 0] = shape;
  const half = (bits: number): number => {
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -size : size;
  };
  const read = (i: number): number => {
    if (dtype === 'F32') return bytes.readFloatLE(4 * i);
    const bits = bytes.readUInt16LE(2 * i);
    if (dtype === 'F16') return half(bits);
    const wide = Buffer.alloc(4);
    wide.writeUInt16LE(bits, 2);
    return wide.readFloatLE(0);
  };
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: columns }, (_, column) => read(row * columns + column)),
  );
}

export function writeModel(folder: string, parts: ModelParts): string {
  mkdirSync(folder, { recursive: true });
  const put = (name: string, value: unknown): void => {
    if (value !== undefined) writeFileSync(path.join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  };
  put('tokenizer.json', parts.tokenizer);
  put('tokenizer_config.json', parts.tokenizerConfig);
  put('special_tokens_map.json', parts.specialTokens);
  put('config.json', parts.config ?? { vocab_size: parts.embed.length });
  put('generation_config.json', parts.generationConfig);
  const tensors: Record<string, PlainTensor> = {
    'model.embed_tokens.weight': tensorOf(parts.embed, parts.dtype),
    ...(parts.lmHead && { 'lm_head.weight': tensorOf(parts.lmHead, parts.dtype) }),
    ...parts.others,
  };
  writeTensors(folder, tensors, parts.shards);
  return folder;
}

export function writeTensors(folder: string, tensors: Record<string, PlainTensor>, shards = 0): void {
  const names = Object.keys(tensors);
  const files =
    shards === 0 ? [names] : Array.from({ length: shards }, (_, i) => names.filter((_, at) => at % shards === i));
  const map: Record<string, string> = {};
  let total = 0;
  for (const [i, own] of files.entries()) {
    const number = (n: number): string => String(n).padStart(5, '0');
    const file = shards === 0 ? 'model.safetensors' : `model-${number(i + 1)}-of-${number(shards)}.safetensors`;
    const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
    const data: Buffer[] = [];
    let begin = 0;
    for (const name of own) {
      const { dtype, shape, bytes } = tensors[name]!;
      header[name] = { dtype, shape, data_offsets: [begin, begin + bytes.length] };
      begin += bytes.length;
      data.push(bytes);
      map[name] = file;
    }
    total += begin;
    writeFileSync(path.join(folder, file), fileBytes(JSON.stringify(header), Buffer.concat(data)));
  }
  if (shards > 0) {
    const index = { metadata: { total_size: total, total_parameters: 1000 }, weight_map: map };
    writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify(index, null, 2));
  }
}

/** All tensors of a model folder. */
export function readModel(folder: string): { tensors: Map<string, PlainTensor>; files: string[] } {
  const index = readJson(folder, 'model.safetensors.index.json') as { weight_map: Record<string, string> } | undefined;
  const files = index ? [...new Set(Object.values(index.weight_map))] : ['model.safetensors'];
  const tensors = new Map<string, PlainTensor>();
  for (const file of files)
    for (const [name, tensor] of plainRead(readFileSync(path.join(folder, file))).tensors) tensors.set(name, tensor);
  return { tensors, files };
}

export function readJson(folder: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !printable(byte));

/** Text as GPT-2 spells it. */
export function byteLevel(text: string | Uint8Array): string {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return Array.from(bytes, (byte) => String.fromCodePoint(printable(byte) ? byte : 256 + others.indexOf(byte))).join(
    '',
  );
}

export interface Added {
  id: number;
  content: string;
  special?: boolean;
}

const added = (tokens: Added[]): object[] =>
  tokens.map(({ id, content, special = true }) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special,
  }));

const numbered = (tokens: string[], first = 0): Record<string, number> =>
  Object.fromEntries(tokens.map((token, i) => [token, first + i]));

/** A byte-level BPE tokenizer of GPT-2's kind; tokens are text. */
export function byteLevelTokenizer(
  tokens: (string | Uint8Array)[],
  special: Added[] = [],
  merges: string[] = [],
): object {
  return {
    version: '1.0',
    added_tokens: added(special),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, vocab: numbered(tokens.map(byteLevel)), merges },
  };
}

/** A BPE tokenizer of Llama 2's kind; tokens as they stand in the file, specials at the given ids. */
export function sentencePieceTokenizer(tokens: string[], special: Added[] = [], merges: string[] = []): object {
  return {
    version: '1.0',
    added_tokens: added(special),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: { type: 'BPE', unk_token: '<unk>', byte_fallback: true, fuse_unk: true, vocab: numbered(tokens), merges },
  };
}

/** A WordPiece tokenizer of BERT's kind. */
export function wordPieceTokenizer(tokens: string[], special: Added[] = []): object {
  return {
    version: '1.0',
    added_tokens: added(special),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: numbered(tokens),
    },
  };
}

/** A unigram tokenizer of T5's kind. */
export function unigramTokenizer(pieces: [token: string, score: number][], special: Added[] = [], unknown = 0): object {
  return {
    version: '1.0',
    added_tokens: added(special),
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: { type: 'Unigram', unk_id: unknown, vocab: pieces, byte_fallback: false },
  };
}
