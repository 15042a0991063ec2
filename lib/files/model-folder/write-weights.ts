import { isRecord } from '../../core/options.ts';
import { inTurns, type Steps, Turns } from '../../core/turns.ts';
import { spanBytes } from '../contents.ts';
import { editJson } from '../json/edit.ts';
import { byteLengthOf, type FileDtype } from '../safetensors/dtypes.ts';
import type { OpenTensorFile } from '../safetensors/file.ts';
import type { TensorInfo } from '../safetensors/header.ts';
import { type TensorSource, writeTensorFile } from '../safetensors/write.ts';
import { keepCheckSum } from './check-sums.ts';
import type { Records } from './journal.ts';
import { limits } from './limits.ts';
import { indexName } from './shard-index.ts';
import { singleName, type Weights } from './weights.ts';
import type { Workspace } from './workspace.ts';

const pauseNames = 1 << 11;

/** A tensor that is written anew in place of that of the same name. */
export interface NewTensor {
  readonly shape: readonly number[];
  /** Default: as it was. */
  readonly dtype?: FileDtype | undefined;
  data(): AsyncIterable<Uint8Array>;
}

/** A tensor of several in place of one of another name. */
export interface NewPart extends NewTensor {
  readonly name: string;
}

/** A tensor in place of one of the same name, or parts of it with names of their own, which share a file. */
export type Replacement = NewTensor | readonly NewPart[];

/** The parts of a replacement. */
export const partsOf = (name: string, made: Replacement): readonly NewPart[] =>
  isParts(made) ? made : [{ ...made, name, data: () => made.data() }];

const isParts = <P>(made: object | readonly P[]): made is readonly P[] => Array.isArray(made);

export interface WriteWeightsOptions {
  readonly op: string;
  /** Texts of a file's metadata, of the tensors of the old weights that it is made of. Default: none. */
  readonly metadataOf?: ((names: readonly string[]) => Readonly<Record<string, string>>) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (done: number, total: number) => void;
  /** The most bytes of tensors in a file. Default: the tensors stay in the files in which they are. */
  readonly shardBytes?: number | undefined;
  /** Check sums of the files, in their order: that of a file is there before the file is. */
  readonly sums: Records;
}

/** A file of new weights: its name, and what it holds. */
export interface NewFile {
  readonly name: string;
  readonly tensors: readonly (TensorInfo & { readonly name: string; readonly from: OpenTensorFile })[];
  /** Bytes of its tensors. */
  readonly byteLength: number;
}

const elementsIn = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Sizes and element type. */
type Form = Pick<NewTensor, 'shape' | 'dtype'>;
/** Other sizes and element types of tensors, or of the parts in their places, by name. */
type Changes = ReadonlyMap<string, Form | readonly (Form & { readonly name: string })[]>;

/** The files of the new weights: those of the old ones, or so many that each has at most `shardBytes`. */
export async function newFiles(
  weights: Weights,
  changes: Changes,
  shardBytes: number | undefined,
): Promise<readonly NewFile[]> {
  const groups: { tensors: NewFile['tensors'][number][]; byteLength: number }[] = [];
  const turns = new Turns(weights.folder.signal);
  for (const shard of weights.shards) {
    const from = await weights.shard(shard);
    if (shardBytes === undefined) groups.push({ tensors: [], byteLength: 0 });
    for (const [name, info] of from.tensors) {
      if (turns.isDue) await turns.next();
      const made = changes.get(name);
      const bytesOf = ({ dtype = info.dtype, shape }: Form): number => byteLengthOf(dtype, shape)!;
      const forms = made === undefined ? [info] : isParts(made) ? made : [made];
      const byteLength = forms.reduce((sum, form) => sum + bytesOf(form), 0);
      const last = groups.at(-1);
      const isFull =
        last === undefined || (last.tensors.length > 0 && last.byteLength + byteLength > (shardBytes ?? Infinity));
      if (isFull) groups.push({ tensors: [], byteLength: 0 });
      const group = groups.at(-1)!;
      group.tensors.push({ ...info, name, from });
      group.byteLength += byteLength;
    }
  }
  if (shardBytes === undefined) return groups.map((group, i) => ({ name: weights.shards[i]!, ...group }));
  const number = (n: number): string => String(n).padStart(5, '0');
  return groups.map((group, i) => ({
    name: groups.length === 1 ? singleName : `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    ...group,
  }));
}

/**
 * Writes every file of weights that the workspace lacks: some tensors anew, all others byte for byte.
 * `onBytes` hears of all bytes, those of an earlier run included.
 * @returns the names of the files, in the order of `sums`
 */
export async function writeWeights(
  workspace: Workspace,
  weights: Weights,
  newTensors: ReadonlyMap<string, Replacement>,
  { op, metadataOf, signal, onBytes, shardBytes, sums }: WriteWeightsOptions,
): Promise<string[]> {
  const files = await newFiles(weights, newTensors, shardBytes);
  const total = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  for (const [i, { name: file, tensors, byteLength }] of files.entries()) {
    if (i >= sums.count || !(await workspace.has(file))) {
      const sources = await inTurns(sourcesOf(tensors, newTensors), signal);
      // Some readers take a file for one of another framework unless it says its format.
      const more = metadataOf?.(tensors.map(({ name: own }) => own));
      const metadata = { ...Object.fromEntries(tensors[0]?.from.metadata ?? []), ...more, format: 'pt' };
      const before = done;
      await writeTensorFile(workspace.file(file), sources, {
        op,
        signal,
        metadata,
        onContents: (sum) => keepCheckSum(sums, i, sum),
        onProgress: (progress) => onBytes(before + progress.done, total),
      });
    }
    done += byteLength;
    onBytes(done, total);
  }
  const hasParts = [...newTensors.values()].some(isParts);
  const isSharded = shardBytes === undefined ? weights.index !== undefined : files.length > 1;
  if (shardBytes === undefined && !hasParts) await editIndex(workspace, weights, total, newTensors);
  else if (isSharded) await workspace.write(indexName, await inTurns(indexOf(files, total, newTensors), signal));
  return files.map(({ name }) => name);
}

/** The tensors of a new file, in their order. */
function* sourcesOf(
  tensors: NewFile['tensors'],
  newTensors: ReadonlyMap<string, Replacement>,
): Steps<readonly TensorSource[]> {
  const sources: TensorSource[] = [];
  for (const [i, info] of tensors.entries()) {
    const { name, dtype, shape } = info;
    const made = newTensors.get(name);
    if (made === undefined) sources.push({ name, dtype, shape, data: () => copied(info.from, info) });
    else
      for (const part of partsOf(name, made))
        sources.push({ name: part.name, dtype: part.dtype ?? dtype, shape: part.shape, data: () => part.data() });
    if (i % pauseNames === 0) yield;
  }
  return sources;
}

async function* copied(file: OpenTensorFile, info: TensorInfo): AsyncGenerator<Uint8Array, void> {
  for (let from = 0; from < info.byteLength; from += spanBytes) {
    const span = new Uint8Array(Math.min(spanBytes, info.byteLength - from));
    await file.readRange(info, from, span);
    yield span;
  }
}

/** The index of the old files, with the sizes of the new ones. */
async function editIndex(workspace: Workspace, weights: Weights, total: number, changes: Changes): Promise<void> {
  const { folder, index } = weights;
  if (!index) return;
  const bytes = await folder.read(indexName, limits.configBytes);
  if (!bytes) return;
  const { metadata } = index;
  const before = isRecord(metadata) ? metadata['total_parameters'] : undefined;
  let more = 0;
  for (const [name, made] of changes) {
    if (isParts(made)) continue;
    more += elementsIn(made.shape) - elementsIn((await weights.find(name)).info.shape);
  }
  const parameters = typeof before === 'number' ? { total_parameters: before + more } : {};
  const patch = { metadata: { total_size: total, ...parameters } };
  await workspace.write(indexName, await inTurns(editJson(bytes, patch, folder.fail, indexName), folder.signal));
}

/** A new index. */
function* indexOf(
  files: readonly NewFile[],
  total: number,
  newTensors: ReadonlyMap<string, Replacement>,
): Steps<Uint8Array> {
  const entries: string[] = [];
  for (const { name: file, tensors } of files) {
    for (const { name } of tensors) {
      const made = newTensors.get(name);
      for (const part of made ? partsOf(name, made) : [{ name }])
        entries.push(`    ${JSON.stringify(part.name)}: ${JSON.stringify(file)}`);
      if (entries.length % pauseNames === 0) yield;
    }
  }
  return Buffer.from(
    `{\n  "metadata": { "total_size": ${total} },\n  "weight_map": {\n${entries.join(',\n')}\n  }\n}\n`,
  );
}
