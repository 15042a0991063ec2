import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { isRecord } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  flag,
  kind,
  optional,
  type Resolved,
  readOptions,
  type Schema,
  type Watchers,
  watchers,
} from '../../core/schema.ts';
import { give, type Tensor } from '../../core/tensor.ts';
import { Turns } from '../../core/turns.ts';
import { quote } from '../quote.ts';
import type { SaveOptions } from '../stateful.ts';
import { checkPath, type Progress, saveSchema, type TransferOptions } from '../transfer.ts';
import { checkAlive, checkFit, checkInto, checkNames, chosenOf } from './choice.ts';
import { fileDtypes } from './dtypes.ts';
import type { TensorInfo } from './header.ts';
import { newTensor } from './new-tensor.ts';
import { withTensors, writeShards } from './shards.ts';
import { type TensorSource, writeTensorFile } from './write.ts';

export type { Progress, TransferOptions } from '../transfer.ts';
export type { FileDtype } from './dtypes.ts';
export type { TensorInfo } from './header.ts';

/** Options of {@link saveTensors}. */
export interface SaveTensorsOptions extends SaveOptions {
  /**
   * The most bytes of tensors in a file. With it, `path` is a folder of one or several files with an index, as
   * transformers names them; one tensor alone may be larger. Default: `path` is one file.
   */
  shardBytes?: number | undefined;
}

/** Metadata of every file, unless a caller says otherwise: transformers refuses one without it. */
const format = { format: 'pt' };

const saveTensorsSchema: Schema<Resolved<SaveTensorsOptions, keyof SaveTensorsOptions>> = {
  ...saveSchema,
  shardBytes: optional(count(1)),
};

/**
 * Stores tensors of any shape and dtype in a safetensors file, readable by every program that knows the format.
 *
 * The file holds the values of the moment of the call: all reads are queued before the call returns, so work queued
 * afterwards, or `dispose()`, does not show in it. The price is a copy of all the tensors in host memory until they are
 * written. The file replaces `path` at once and whole: whatever fails or is killed on the way, `path` holds the old
 * file or the new one.
 *
 * @example
 * await saveTensors('model.safetensors', { weight, bias }, { metadata: { step: '1000' } });
 *
 * With `shardBytes`, `path` becomes a folder of files and their index, at once and whole: a new one, so that a reader
 * never meets files of two saves. Of two calls for one path, one makes it and the other rejects with ERR_ARGUMENT. A
 * killed call leaves its work in `<path>.<random>.partial`, which no other call touches.
 *
 * @param path a regular file to replace, or a free name in a folder that exists; with `shardBytes` a free name or an
 * empty folder
 * @param tensors by name; a name has at most 1 KB of UTF-8 and is not `__metadata__`
 * @throws ERR_ARGUMENT; ERR_IO with the system's error as `cause`; ERR_DISPOSED; the signal's reason when aborted.
 * Format: https://github.com/huggingface/safetensors
 */
export async function saveTensors(
  path: string,
  tensors: Record<string, Tensor>,
  options: SaveTensorsOptions = {},
): Promise<void> {
  const op = 'saveTensors';
  checkPath(op, path);
  const { shardBytes, ...read } = readOptions(op, options, saveTensorsSchema);
  if (!isRecord(tensors)) throw refusal(op, 'tensors', 'be an object', shown(tensors));
  for (const [name, tensor] of Object.entries(tensors)) check.tensor(op, `tensors.${name}`, tensor);
  read.signal?.throwIfAborted();
  const given = { ...read, metadata: { ...format, ...read.metadata } };
  if (shardBytes === undefined) await writeTensorFile(path, snapshot(tensors), { ...given, op });
  else await writeShards(path, snapshot(tensors), shardBytes, { ...given, op });
}

/** Queues the reads of all tensors now; a source gives its array away once, so that it is freed when it is written. */
export function snapshot(tensors: Readonly<Record<string, Tensor>>): TensorSource[] {
  return Object.entries(tensors).map(([name, tensor]) => {
    let read: ReturnType<Tensor['read']> | undefined = tensor.read();
    // The writer reports a failure when the turn of this tensor comes, unless it has failed at another one before.
    read.catch(() => {});
    const data = async (): ReturnType<Tensor['read']> => {
      const given = read;
      read = undefined;
      if (!given) throw refusal('snapshot', `data of ${quote(name)}`, 'be taken once', 'twice');
      return given;
    };
    return { name, dtype: fileDtypes[tensor.dtype], shape: tensor.shape, data };
  });
}

/** Options of {@link loadTensors}. */
export interface LoadTensorsOptions extends TransferOptions {
  /**
   * The tensors to load: their names, or a function that answers `true` for each that is wanted. No byte of the
   * others is read, and they may be of any element type. Default: all.
   */
  names?: readonly string[] | ((name: string, info: TensorInfo) => boolean) | undefined;
  /**
   * Tensors of `device` to load into, by name, instead of new ones: exactly those that are loaded, of the same shapes
   * and dtypes. Default: new tensors are made.
   */
  into?: Readonly<Record<string, Tensor>> | undefined;
  /**
   * For a folder: its files may be symbolic links, as those of Hugging Face's cache are. Default: `false`. The path
   * itself may always be a link, to a folder or to a file.
   */
  followLinks?: boolean | undefined;
}

const loadSchema: Schema<Resolved<LoadTensorsOptions, Exclude<keyof LoadTensorsOptions, 'followLinks'>>> = {
  ...watchers<Progress>(),
  followLinks: flag(false),
  names: kind((x) => Array.isArray(x) || typeof x === 'function', 'a list or a function'),
  into: kind(isRecord, 'an object of tensors'),
};

/**
 * Loads tensors of a safetensors file, each with the shape and dtype that it has there: all of them, or those that
 * `names` chooses; as new tensors, or into tensors that exist. A folder is read as the model in it:
 * `model.safetensors`, or the files that `model.safetensors.index.json` names. New tensors are filled one after the
 * other, 4 MB at a time, so that the process holds little beside their device.
 *
 * The file is checked whole before the first tensor is made; of a folder all files, or with a list of `names` those
 * that hold them. If anything fails, no tensor is left behind. Tensors of
 * `into` are written when everything has been read and fits, and all at once: they hold what they held, or what the
 * file holds. That takes host memory for all of them.
 *
 * @example
 * const { weight, bias } = await loadTensors('model.safetensors', device);
 * const { head } = await loadTensors('model.safetensors', device, { names: ['head'] });
 * await loadTensors('model.safetensors', device, { into: { weight, bias, head } });
 *
 * @returns an object without prototype, so that every name is an ordinary key; with `into`, the tensors of it
 * @throws ERR_FORMAT for a file that is not what it says; ERR_STATE for a file without one of `names`, or that does not
 * fit `into`; ERR_UNSUPPORTED for a wanted tensor of another element type than F32 F64 F16 BF16 I32 U8, or of more than
 * 5 dimensions, and for more than 65,536 tensors; ERR_IO with the system's error as `cause`; ERR_MEMORY; ERR_DEVICE;
 * ERR_DISPOSED; ERR_ARGUMENT; the signal's reason when aborted
 */
export async function loadTensors(
  path: string,
  device: Device,
  options: LoadTensorsOptions = {},
): Promise<Record<string, Tensor>> {
  const op = 'loadTensors';
  checkPath(op, path);
  check.device(op, 'device', device);
  const { names, signal, onProgress, followLinks, ...given } = readOptions(op, options, loadSchema);
  checkNames(op, names);
  const into = given.into && checkInto(op, given.into, device);
  const made: Record<string, Tensor> = Object.create(null);
  const data = new Map<string, TypedArray>();
  using owned = new Owned();
  const listed = Array.isArray(names) ? names : undefined;
  await withTensors(path, { op, signal, followLinks, names: listed }, async (file) => {
    // Tensors without elements need no reading, which would give others a turn.
    const turns = new Turns(signal);
    const chosen = await chosenOf(op, path, file.tensors, names, turns);
    if (into) checkFit(op, path, chosen, into);
    let total = 0;
    for (const { byteLength } of chosen.values()) total += byteLength;
    let done = 0;
    const onBytes = (count: number) => {
      done += count;
      onProgress?.({ done, total });
    };
    for (const name of chosen.keys()) {
      if (turns.isDue) await turns.next();
      if (into) {
        data.set(name, await file.read(name, onBytes));
        continue;
      }
      made[name] = owned.add(await newTensor(op, device, file, name, onBytes));
    }
  });
  signal?.throwIfAborted();
  owned.move();
  if (!into) return made;
  checkAlive(op, into);
  for (const [name, tensor] of into) {
    give(tensor, data.get(name) as TypedArray);
    made[name] = tensor;
  }
  return made;
}

const infoSchema: Schema<Pick<Watchers<never>, 'signal'> & { followLinks: boolean }> = {
  signal: watchers<never>().signal,
  followLinks: flag(false),
};

/** Contents of a safetensors file, or of those of a folder, without their data. */
export interface TensorFileInfo {
  /** The tensors by name, in the order of the file. */
  readonly tensors: Map<string, TensorInfo>;
  /** The texts that are stored with them. */
  readonly metadata: Map<string, string>;
}

/**
 * Contents of a safetensors file, or of the model in a folder, without its data: names, element types as the file
 * spells them, shapes, sizes and texts.
 *
 * @example
 * const { tensors, metadata } = await readTensorInfo('model.safetensors');
 * for (const [name, { dtype, shape }] of tensors) console.log(name, dtype, shape);
 *
 * @throws ERR_FORMAT, ERR_IO and ERR_ARGUMENT as `loadTensors`; the signal's reason when aborted
 */
export async function readTensorInfo(
  path: string,
  options: Pick<LoadTensorsOptions, 'signal' | 'followLinks'> = {},
): Promise<TensorFileInfo> {
  const op = 'readTensorInfo';
  checkPath(op, path);
  const { signal, followLinks } = readOptions(op, options, infoSchema);
  return withTensors(path, { op, signal, followLinks }, async (file) => ({
    tensors: new Map(file.tensors),
    metadata: new Map(file.metadata),
  }));
}
