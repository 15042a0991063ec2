// The tensors of a model that are compressed, and the reasons why others stay.
import { isFloating } from '../../core/dtypes.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { testOf } from '../../core/pattern.ts';
import { Turns } from '../../core/turns.ts';
import { isEmbedding, isHead } from '../../files/model-folder/table-names.ts';
import { few, quote } from '../../files/quote.ts';
import { bitsOf, dtypeOfFile } from '../../files/safetensors/dtypes.ts';
import type { OpenTensorFile, TensorFile } from '../../files/safetensors/file.ts';
import type { TensorInfo } from '../../files/safetensors/header.ts';
import type { Model } from '../../merging/internal.ts';
import { bytesOf, type Form, layoutKey, partsOf } from './layout.ts';
import type { Settings } from './options.ts';

/** A matrix that is compressed. */
export interface Chosen {
  readonly name: string;
  readonly form: Form;
  readonly file: OpenTensorFile;
  readonly info: TensorInfo;
  /** The tensor of its inputs in the file of calibration. */
  readonly inputs?: TensorInfo | undefined;
}

/** A tensor that stays as it is. */
export interface KeptTensor {
  /** Its name. */
  readonly tensor: string;
  /** Its bytes. */
  readonly bytes: number;
  /** The reason, in words. */
  readonly reason: string;
}

/** The tensors that a run compresses and those that it keeps, as the headers tell. */
export interface Choice {
  readonly chosen: readonly Chosen[];
  readonly kept: readonly KeptTensor[];
  /** Bytes of the new weights. */
  readonly bytes: number;
  /** Bits of codes, scales and codebooks an element of what is compressed; 0 where nothing is. */
  readonly bitsPerWeight: number;
  readonly warnings: readonly string[];
}

const embeddingWords = ['embed', 'wte', 'wpe', 'lm_head'];
/** Groups that are tried where the one that is asked for does not divide a row. */
const usualGroups: readonly number[] = [128, 64, 32];

/**
 * @throws ERR_ARGUMENT where nothing would be compressed, and with `strict` for what does not fit; ERR_SHAPE and
 * ERR_DTYPE for inputs of calibration that are not those of their matrix; ERR_UNSUPPORTED
 */
export async function choiceOf(
  op: string,
  settings: Settings,
  model: Model,
  calibration: TensorFile | undefined,
): Promise<Choice> {
  refuseCompressed(op, model);
  const [included, skipped] = [patternsOf(op, settings, 'include'), patternsOf(op, settings, 'skip')];
  const bits = patternsOf(op, settings, 'bitsOf');
  const isTied = model.config['tie_word_embeddings'] === true;
  const turns = new Turns(settings.signal);
  const chosen: Chosen[] = [];
  const kept: KeptTensor[] = [];
  const misfits: string[] = [];
  const warnings: string[] = [];
  let bytes = 0;
  for (const name of model.weights.shardOf.keys()) {
    if (turns.isDue) await turns.next();
    const { file, info } = await model.weights.find(name);
    const keep = (reason: string): void => {
      kept.push({ tensor: name, bytes: info.byteLength, reason });
      bytes += info.byteLength;
    };
    const isIncluded = fits(included, name);
    const reason = fits(skipped, name)
      ? 'the option skip'
      : (shapeReason(info) ?? (isIncluded ? undefined : nameReason(name, isTied)));
    if (reason !== undefined) {
      keep(reason);
      continue;
    }
    const own = bitsFor(bits, name, settings);
    const found = formOf(own, info.shape as [number, number]);
    if ('misfit' in found) {
      misfits.push(`${quote(name)} [${info.shape}]: ${found.misfit}`);
      if (!found.form) {
        keep(found.misfit);
        continue;
      }
    }
    const form = 'misfit' in found ? found.form! : found;
    if (isTied && (isEmbedding(name) || isHead(name)))
      warnings.push(`${quote(name)} is tied to another table: who reads the new model must know that it is compressed`);
    const size = bytesOf(form);
    if (size >= info.byteLength) {
      keep('it would not become smaller');
      continue;
    }
    for (const { suffix } of partsOf(form))
      if (model.weights.shardOf.has(name + suffix))
        throw refusal(op, 'base', `have no tensor of the name of a part of another`, quote(name + suffix));
    chosen.push({ name, form, file, info, inputs: inputsOf(op, name, form, calibration) });
    bytes += size;
  }
  for (const { option, pattern, isUsed } of [...included, ...skipped, ...bits]) {
    if (isUsed) continue;
    const [all, one] =
      option === 'bitsOf'
        ? ['matrices that are compressed', 'matrix that is compressed']
        : ['names that the model has', 'tensor'];
    if (settings.strict) throw refusal(op, option, `have patterns of ${all}`, quote(pattern));
    warnings.push(`the pattern ${quote(pattern)} of ${option} is that of no ${one}`);
  }
  const names = new Set(chosen.map(({ name }) => name));
  const others = [...(calibration?.tensors.keys() ?? [])].filter((name) => !names.has(name));
  if (others.length > 0) {
    if (settings.strict)
      throw refusal(op, 'calibration', 'have inputs of compressed matrices alone', few(others, quote));
    warnings.push(`calibration has inputs of what is not compressed: ${few(others, quote)}`);
  }
  if (settings.strict && misfits.length > 0)
    throw new OrthokitError(
      'ERR_SHAPE',
      `${op}: strict must meet matrices that fit, got ${few(misfits, (text) => text)}`,
    );
  if (chosen.length === 0) throw refusal(op, 'base', 'have matrices to compress', 'none');
  const elements = chosen.reduce((sum, { form }) => sum + form.shape[0] * form.shape[1], 0);
  const packed = chosen.reduce((sum, { form }) => sum + bytesOf(form), 0);
  return { chosen, kept, bytes, bitsPerWeight: (8 * packed) / elements, warnings };
}

/** The inputs of a matrix in a file of calibration. */
function inputsOf(op: string, name: string, { shape }: Form, file: TensorFile | undefined): TensorInfo | undefined {
  const info = file?.tensors.get(name);
  if (!info) return undefined;
  const field = `calibration of ${quote(name)}`;
  const own = dtypeOfFile(info.dtype);
  if (own === undefined || !isFloating(own)) throw refusal(op, field, 'be floating', info.dtype, 'ERR_DTYPE');
  if (info.shape.length !== 2 || info.shape[1] !== shape[1] || info.shape[0] === 0)
    throw refusal(op, field, `have rows of ${shape[1]} inputs`, `[${info.shape}]`, 'ERR_SHAPE');
  return info;
}

interface Pattern {
  readonly option: 'include' | 'skip' | 'bitsOf';
  readonly pattern: string;
  readonly test: (name: string) => boolean;
  /** True once a name has fitted it. */
  isUsed: boolean;
}

function patternsOf(op: string, settings: Settings, option: Pattern['option']): Pattern[] {
  const given = settings[option] ?? [];
  const patterns: readonly string[] = Array.isArray(given) ? given : Object.keys(given);
  return patterns.map((pattern) => {
    const test = testOf<undefined>(op, option, pattern);
    return { option, pattern, test: (name) => test(name, undefined), isUsed: false };
  });
}

/** True if the name fits one of them; each that it fits is used. */
function fits(patterns: readonly Pattern[], name: string): boolean {
  const fitting = patterns.filter(({ test }) => test(name));
  for (const one of fitting) one.isUsed = true;
  return fitting.length > 0;
}

/** The settings of a matrix, whose bits may be those of a pattern: the first that its name fits. */
function bitsFor(patterns: readonly Pattern[], name: string, settings: Settings): Settings {
  if (!fits(patterns, name)) return settings;
  const { pattern } = patterns.find(({ test }) => test(name))!;
  return { ...settings, bits: settings.bitsOf![pattern]! };
}

/** A model that is compressed already loses more with each time, and nobody would see it. */
function refuseCompressed(op: string, { config, weights, path }: Model): void {
  const known = config['quantization_config'];
  const isOurs = weights.shards.some((shard) => weights.opened(shard).metadata.has(layoutKey));
  if ((known === undefined || known === null) && !isOurs) return;
  const got = isOurs ? 'one that this command has made' : 'a quantization_config';
  throw refusal(op, 'base', 'be a model that is not quantized', `${got} at ${path}`, 'ERR_UNSUPPORTED');
}

function shapeReason({ dtype, shape, byteLength }: TensorInfo): string | undefined {
  const own = dtypeOfFile(dtype);
  if (own === undefined || !isFloating(own)) return `its elements are ${dtype}`;
  if (shape.length !== 2) return `its rank is ${shape.length}`;
  return byteLength === 0 ? 'it is empty' : undefined;
}

function nameReason(name: string, isTied: boolean): string | undefined {
  const isTable = isEmbedding(name) || isHead(name) || embeddingWords.some((word) => name.includes(word));
  if (isTable) return isTied ? 'a table of tokens, tied' : 'a table of tokens';
  return /(^|[._])(layer_?norm|rms_?norm|norm|ln)(?![a-z])/i.test(name) ? 'a norm' : undefined;
}

type Found = Form | { readonly misfit: string; readonly form: Form | undefined };

/** The form of a matrix; another than was asked for, or none, with the reason. */
function formOf({ method, bits, group, groups }: Settings, shape: readonly [number, number]): Found {
  const [rows, columns] = shape;
  if (method === 'codebook') {
    if (groups! <= rows) return { shape, bits, method, groups: groups! };
    return { misfit: `${groups} codebooks for ${rows} rows`, form: { shape, bits, method, groups: rows } };
  }
  const wanted = group!;
  if (columns % wanted === 0) return { shape, bits, method, group: wanted };
  const other = usualGroups.find((one) => one < wanted && columns % one === 0);
  const misfit = `the group ${wanted} does not divide ${columns}${other === undefined ? '' : `, ${other} does`}`;
  return { misfit, form: other === undefined ? undefined : { shape, bits, method, group: other } };
}

/** Bytes of an element of a tensor in its file. */
export const elementBytes = ({ dtype }: TensorInfo): number => bitsOf[dtype] / 8;
