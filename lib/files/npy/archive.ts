import type { FileHandle } from 'node:fs/promises';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { refusal, shown } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { isRecord } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import { flag, kind, type Resolved, readOptions, type Schema, type Watchers, watchers, word } from '../../core/schema.ts'; // biome-ignore format: one line
import type { Tensor } from '../../core/tensor.ts';
import { Turns } from '../../core/turns.ts';
import type { Access } from '../contents.ts';
import type { Fail } from '../json/scanner.ts';
import { few, quote } from '../quote.ts';
import { checkAlive, checkInto, checkNames } from '../safetensors/choice.ts';
import { snapshot } from '../safetensors/index.ts';
import { checkPath, type Progress, type TransferOptions } from '../transfer.ts';
import { isPlainName, type Member, readDirectory, zipLimits } from '../zip/directory.ts';
import { type MemberBytes, openMember } from '../zip/member.ts';
import { type ArrayInfo, type Integers, readElements, readStored, type StoredArray, tensorDtypeOf } from './array.ts';
import { withFile } from './file.ts';
import { checkFits } from './load.ts';
import { placed, type ReadArray, readyToPlace } from './place.ts';
import { writeArrays } from './write.ts';

/** Options of {@link saveNpz}. */
export interface SaveNpzOptions extends TransferOptions {
  /** True packs the arrays, as `numpy.savez_compressed`. Default: false, as `numpy.savez`. */
  compressed?: boolean | undefined;
}

/** Options of {@link loadNpz}. */
export interface LoadNpzOptions extends TransferOptions {
  /**
   * The arrays to load: their names, or a function that answers `true` for each that is wanted. The others may be of
   * any type. Default: all.
   */
  names?: readonly string[] | ((name: string, info: ArrayInfo) => boolean) | undefined;
  /**
   * Tensors of `device` to load into, by name, instead of new ones: exactly those that are loaded, of the same shapes
   * and dtypes. Default: new tensors are made.
   */
  into?: Readonly<Record<string, Tensor>> | undefined;
  /**
   * Fate of integers that orthokit has no dtype for, NumPy's default int64 among them: `'i32'` takes bool, int8, int16,
   * uint16, uint32, int64 and uint64 where every number fits. Default: `'refuse'`.
   */
  integers?: 'refuse' | 'i32' | undefined;
}

const saveSchema: Schema<Resolved<SaveNpzOptions, 'signal' | 'onProgress'>> = {
  ...watchers<Progress>(),
  compressed: flag(false),
};
const loadSchema: Schema<Resolved<LoadNpzOptions, 'signal' | 'onProgress' | 'names' | 'into'>> = {
  ...watchers<Progress>(),
  names: kind((x) => Array.isArray(x) || typeof x === 'function', 'a list or a function'),
  into: kind(isRecord, 'an object of tensors'),
  integers: word<Integers>(['refuse', 'i32'], 'refuse'),
};
const infoSchema: Schema<Pick<Watchers<never>, 'signal'>> = { signal: watchers<never>().signal };

/** The ending of arrays in an archive, which NumPy leaves out of their names. */
const ending = '.npy';

/**
 * Stores tensors in a `.npz` archive, which `numpy.load` opens: each as `saveNpy` writes it. The archive holds the
 * values of the moment of the call, and replaces `path` at once and whole. The same tensors in the same order give the
 * same bytes.
 *
 * @example
 * await saveNpz('data.npz', { x, labels }, { compressed: true });
 *
 * @throws ERR_ARGUMENT, also for names that are no plain paths; ERR_IO with the system's error as `cause`;
 * ERR_DISPOSED; the signal's reason when aborted
 */
export async function saveNpz(
  path: string,
  tensors: Record<string, Tensor>,
  options: SaveNpzOptions = {},
): Promise<void> {
  const op = 'saveNpz';
  checkPath(op, path);
  const { compressed, ...watched } = readOptions(op, options, saveSchema);
  if (!isRecord(tensors)) throw refusal(op, 'tensors', 'be an object', shown(tensors));
  for (const [name, tensor] of Object.entries(tensors)) {
    check.tensor(op, `tensors.${name}`, tensor);
    if (!isPlainName(name + ending) || /\p{Surrogate}/u.test(name))
      throw refusal(op, 'names', `be plain paths of at most ${zipLimits.nameBytes - ending.length} bytes that lead nowhere else`, quote(name)); // biome-ignore format: one line
  }
  const { length } = Object.keys(tensors);
  if (length > zipLimits.members) throw refusal(op, 'tensors', `be at most ${zipLimits.members}`, length);
  watched.signal?.throwIfAborted();
  await writeArrays(path, snapshot(tensors), compressed, { ...watched, op });
}

/**
 * Loads arrays of a `.npz` archive, of any program: all of them, or those that `names` chooses; as new tensors, or into
 * tensors that exist, all at once. What may be loaded is as with `loadNpy`. Members are read one after the other and
 * their sums (CRC-32) checked; none can take more memory than the directory says, nor say more than its bytes can hold.
 *
 * @example
 * const { x, labels } = await loadNpz('data.npz', device, { integers: 'i32' });
 *
 * @returns an object without prototype, so that every name is an ordinary key; with `into`, the tensors of it
 * @throws as `loadNpy`; ERR_STATE for an archive without one of `names`; ERR_UNSUPPORTED for encrypted members, methods
 * other than deflate, and members that are no arrays unless `names` leaves them out
 */
export async function loadNpz(
  path: string,
  device: Device,
  options: LoadNpzOptions = {},
): Promise<Record<string, Tensor>> {
  const op = 'loadNpz';
  checkPath(op, path);
  check.device(op, 'device', device);
  const { names, signal, onProgress, integers, ...given } = readOptions(op, options, loadSchema);
  checkNames(op, names);
  const into = given.into && checkInto(op, given.into, device);
  const made: Record<string, Tensor> = Object.create(null);
  const arrays = new Map<string, ReadArray>();
  using owned = new Owned();
  await withFile(path, { op, signal }, async (handle, size, fail) => {
    const archive = await Archive.open(handle, size, { op, path, signal }, fail);
    const chosen = await archive.chosen(names, integers);
    if (into) checkNamesOf(op, path, chosen, into);
    let [done, total] = [0, 0];
    for (const { byteLength } of chosen.values()) total += byteLength;
    for (const [name, array] of chosen) {
      const { dtype, shape } = array;
      if (into) checkFits(op, `into[${quote(name)}]`, into.get(name)!, { dtype: dtype!, shape });
    }
    for (const [name, { dtype, shape, fortranOrder }] of chosen) {
      const elements = await archive.elements(name, dtype!, (count) => {
        done += count;
        onProgress?.({ done, total });
      });
      const read = { dtype: dtype!, shape, fortranOrder, elements };
      if (into) {
        arrays.set(name, read);
        continue;
      }
      made[name] = owned.add(placed(device, read));
      // The array of a tensor is there until it has been copied to the device.
      await device.flow();
    }
  });
  signal?.throwIfAborted();
  if (into) {
    checkAlive(op, into);
    // All that can fail comes first: then all change, or none.
    const places = [...into].map(([name, tensor]) => owned.add(readyToPlace(device, arrays.get(name)!, tensor)));
    for (const place of places) place.write();
    for (const [name, tensor] of into) made[name] = tensor;
  } else owned.move();
  return made;
}

/**
 * Descriptions of the arrays of a `.npz` archive, by name, without the data. Members that are no arrays are left out.
 *
 * @example
 * for (const [name, { descr, shape }] of await readNpzInfo('data.npz')) console.log(name, descr, shape);
 *
 * @throws ERR_FORMAT, ERR_IO and ERR_ARGUMENT as `loadNpz`; the signal's reason when aborted
 */
export async function readNpzInfo(
  path: string,
  options: Pick<TransferOptions, 'signal'> = {},
): Promise<Map<string, ArrayInfo>> {
  const op = 'readNpzInfo';
  checkPath(op, path);
  const { signal } = readOptions(op, options, infoSchema);
  return withFile(path, { op, signal }, async (handle, size, fail) => {
    const archive = await Archive.open(handle, size, { op, path, signal }, fail);
    const infos = new Map<string, ArrayInfo>();
    for (const name of archive.arrayNames) {
      const { descr, dtype, shape, fortranOrder, byteLength } = await archive.stored(name);
      infos.set(name, { descr, dtype, shape, fortranOrder, byteLength });
    }
    return infos;
  });
}

/** @throws ERR_STATE unless the arrays that are loaded are those of `into` */
function checkNamesOf(
  op: string,
  path: string,
  chosen: ReadonlyMap<string, unknown>,
  into: ReadonlyMap<string, Tensor>,
): void {
  // biome-ignore format: one line
  const missing = [...into.keys()].filter((name) => !chosen.has(name));
  const extra = [...chosen.keys()].filter((name) => !into.has(name));
  const parts: string[] = [];
  if (missing.length > 0) parts.push(`${few(missing, quote)} not in the file`);
  if (extra.length > 0) parts.push(`${few(extra, quote)} in the file alone`);
  if (parts.length > 0)
    throw refusal(op, 'into', 'have the tensors that are loaded', `${parts.join(' and ')}: ${path}`, 'ERR_STATE');
}

/** An open archive of arrays. */
class Archive {
  readonly #handle: FileHandle;
  readonly #access: Access;
  readonly #fail: Fail;
  /** Members by the names that NumPy gives them. */
  readonly #members = new Map<string, Member>();

  private constructor(handle: FileHandle, access: Access, fail: Fail) {
    this.#handle = handle;
    this.#access = access;
    this.#fail = fail;
  }

  static async open(handle: FileHandle, size: number, access: Access, fail: Fail): Promise<Archive> {
    const archive = new Archive(handle, access, fail);
    for (const member of await readDirectory(handle, size, access, fail)) {
      const name = member.name.endsWith(ending) ? member.name.slice(0, -ending.length) : member.name;
      if (archive.#members.has(name)) fail(`the archive must have each name once, got ${quote(name)} twice`);
      archive.#members.set(name, member);
    }
    return archive;
  }

  /** Names of members that are arrays. */
  get arrayNames(): string[] {
    return [...this.#members].flatMap(([name, member]) => (member.name === name ? [] : [name]));
  }

  async #using<T>(name: string, use: (array: StoredArray, bytes: MemberBytes, fail: Fail) => Promise<T>): Promise<T> {
    const fail: Fail = (problem) => this.#fail(`${quote(name)}: ${problem}`);
    const bytes = await openMember(this.#handle, this.#members.get(name)!, this.#access, fail);
    try {
      return await use(await readStored(bytes, fail), bytes, fail);
    } finally {
      bytes.giveUp();
    }
  }

  /** The header of an array. */
  stored(name: string): Promise<StoredArray> {
    return this.#using(name, async (array) => array);
  }

  /** The elements of an array. */
  elements(name: string, dtype: Dtype, onBytes: (count: number) => void): Promise<TypedArray> {
    const { op, signal } = this.#access;
    return this.#using(name, (array, bytes, fail) =>
      readElements(bytes, array, dtype, { op, field: `array ${quote(name)}`, signal, onBytes, fail }),
    );
  }

  /** The wanted arrays, in the order of the directory, each with the dtype of its tensor. */
  async chosen(names: LoadNpzOptions['names'], integers: Integers): Promise<Map<string, StoredArray>> {
    const { op, path, signal } = this.#access;
    const listed = Array.isArray(names) ? new Set<string>(names) : undefined;
    const missing = [...(listed ?? [])].filter((name) => !this.#members.has(name));
    if (missing.length > 0) throw refusal(op, 'file', 'have the arrays of names', `none of ${few(missing, quote)} in ${path}`, 'ERR_STATE'); // biome-ignore format: one line
    const chosen = new Map<string, StoredArray>();
    const turns = new Turns(signal);
    for (const [name, member] of this.#members) {
      if (turns.isDue) await turns.next();
      if (listed && !listed.has(name)) continue;
      if (member.name === name) {
        if (typeof names === 'function') continue;
        throw refusal(op, 'members', `be arrays, with names that end in ${ending}`, quote(name), 'ERR_UNSUPPORTED');
      }
      const array = await this.stored(name);
      const { descr, dtype, shape, fortranOrder, byteLength } = array;
      if (typeof names === 'function' && !names(name, { descr, dtype, shape, fortranOrder, byteLength })) continue;
      chosen.set(name, { ...array, dtype: tensorDtypeOf(op, `array ${quote(name)}`, array, integers) });
    }
    return chosen;
  }
}
