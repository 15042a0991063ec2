import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { attempt, calls, ioError, systemCode } from '../calls.ts';
import { writeFully } from '../contents.ts';
import { openFolder, syncFolder } from '../place.ts';
import { differenceOf, isRun } from './run-record.ts';

const scratchSuffix = '.rows';
/** The record of a run whose folder is being removed. */
const discarded = 'discarded.json';

/**
 * The place in which a new folder comes into being: beside its destination, with the model in a folder of its own that
 * is renamed when it is complete. What a killed run has left there is taken up by the next one with the same inputs and
 * options.
 */
export class Workspace {
  readonly #op: string;
  readonly #field: string;
  readonly #out: string;
  readonly #folder: string;
  /** CRC-32 of the files that `write` has written. */
  readonly #written = new Map<string, number>();

  private constructor(op: string, field: string, out: string, folder: string) {
    this.#op = op;
    this.#field = field;
    this.#out = out;
    this.#folder = folder;
  }

  /** @throws ERR_ARGUMENT unless `out` is free or an empty folder, in a folder that exists */
  static async at(op: string, out: string): Promise<Workspace> {
    const place = await Workspace.#placeOf(op, 'out', out);
    return new Workspace(op, 'out', place, `${place}.partial`);
  }

  /**
   * A workspace that nobody else meets, nor takes up: made at once, of a random name, and removed by its maker alone.
   * @throws as {@link at}
   */
  static async alone(op: string, field: string, out: string): Promise<Workspace> {
    const place = await Workspace.#placeOf(op, field, out);
    const workspace = new Workspace(op, field, place, `${place}.${randomBytes(8).toString('hex')}.partial`);
    await attempt(op, workspace.#folder, 'made', calls.makeFolder(workspace.#folder));
    try {
      await attempt(op, workspace.#model, 'made', calls.makeFolder(workspace.#model));
    } catch (error) {
      await workspace.remove();
      throw error;
    }
    return workspace;
  }

  static async #placeOf(op: string, field: string, out: string): Promise<string> {
    const parent = await attempt(op, path.dirname(out), 'opened', calls.realpath(path.dirname(out)), field);
    const place = path.join(parent, path.basename(out));
    const kind = await kindOf(op, place);
    const isEmpty = kind === 'folder' && (await attempt(op, place, 'read', calls.list(place))).length === 0;
    if (kind !== undefined && !isEmpty) throw taken(op, field, kind, out);
    return place;
  }

  /**
   * Contents of the workspace: nothing, work that this run goes on with, or remains that it removes. `run` names inputs
   * and options.
   * @throws ERR_STATE for what another run has left, unless `restart`
   */
  async examine(run: string, restart: boolean): Promise<'nothing' | 'own work' | 'remains'> {
    const op = this.#op;
    if ((await kindOf(op, this.#folder)) === undefined) return 'nothing';
    if (restart) return 'remains';
    const found = await this.#readRun();
    if (found === run) return 'own work';
    if ((found === undefined || isRun(found)) && (await this.#isBare())) return 'remains';
    if (found === undefined && (await kindOf(op, path.join(this.#folder, discarded)))) return 'remains';
    throw new OrthokitError(
      'ERR_STATE',
      `${op}: ${this.#folder} must be of the same inputs and options, or be removed with the option restart, got ` +
        differenceOf(found, run),
    );
  }

  /**
   * Makes the folder, or takes up the one of an earlier run. Answers whether there was one.
   * @throws as {@link examine}
   */
  async begin(run: string, restart: boolean): Promise<boolean> {
    const op = this.#op;
    const found = await this.examine(run, restart);
    if (found === 'own work') {
      // A run that was killed once its folder was in its place has left the rest.
      if (!(await kindOf(op, this.#model))) await attempt(op, this.#model, 'made', calls.makeFolder(this.#model));
      return true;
    }
    if (found === 'remains') await attempt(op, this.#folder, 'removed', this.#discard());
    await attempt(op, this.#folder, 'made', calls.makeFolder(this.#folder));
    await attempt(op, this.#model, 'made', calls.makeFolder(this.#model));
    await this.#write(this.#folder, 'run.json', Buffer.from(run));
    return false;
  }

  /** @throws ERR_ARGUMENT for a place within the folder of a model */
  refuseInside(model: string): void {
    if (this.#out === model || this.#out.startsWith(`${model}${path.sep}`))
      throw refusal(this.#op, 'out', 'not be within a model', this.#out);
  }

  /** Leaves nothing after a failure, for those whose work nobody takes up. */
  async remove(): Promise<void> {
    await this.#discard().catch(() => {});
  }

  /** Leaves nothing after a failure of a run that has done nothing, so that one with other options may begin. */
  async leaveBare(): Promise<void> {
    try {
      if (await this.#isBare()) await calls.removeFolder(this.#folder);
    } catch {
      // The failure itself is what there is to say.
    }
  }

  /** Bytes of the disk that its files take. */
  bytes(): Promise<number> {
    return bytesIn(this.#op, this.#folder);
  }

  /** The place at which the new folder appears. */
  get out(): string {
    return this.#out;
  }

  /** A file that helps and does not stay; while it is empty, no work is in it. */
  scratch(name: string): string {
    return path.join(this.#folder, `${name}${scratchSuffix}`);
  }

  /** A file of the new folder. */
  file(name: string): string {
    return path.join(this.#model, name);
  }

  /** The new folder before it is published. */
  get model(): string {
    return this.#model;
  }

  /** True if an earlier run has finished a file. */
  async has(name: string): Promise<boolean> {
    return (await kindOf(this.#op, this.file(name))) !== undefined;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#write(this.#model, name, bytes);
    this.#written.set(name, crc32(bytes));
  }

  /** CRC-32 of the files that `write` has written, by name. */
  get written(): ReadonlyMap<string, number> {
    return this.#written;
  }

  /** Puts the new folder in its place at once and whole. @throws ERR_ARGUMENT for a place that was taken meanwhile */
  async publish(): Promise<void> {
    const op = this.#op;
    for (const name of await attempt(op, this.#model, 'read', calls.list(this.#model)))
      if (name.endsWith('.tmp')) await attempt(op, name, 'removed', calls.unlink(this.file(name)));
    await this.#sync(this.#model);
    try {
      await calls.rename(this.#model, this.#out);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') throw taken(op, this.#field, 'folder', this.#out);
      if (code === 'ENOTDIR') throw taken(op, this.#field, 'other', this.#out);
      throw ioError(op, this.#out, 'replaced', error);
    }
    await this.#sync(path.dirname(this.#out));
    // The new folder is in its place: what is left beside it harms nobody.
    await this.#discard().catch(() => {});
  }

  get #model(): string {
    return path.join(this.#folder, 'model');
  }

  /** Removes all, the record last: one that is killed meanwhile leaves what the next run knows as nobody's work. */
  async #discard(): Promise<void> {
    // A link is removed alone: what it leads to is not ours.
    if ((await kindOf(this.#op, this.#folder)) === 'folder') {
      const place = (name: string): string => path.join(this.#folder, name);
      await calls.rename(place('run.json'), place(discarded)).catch(() => {});
      for (const name of await calls.list(this.#folder)) if (name !== discarded) await calls.removeFolder(place(name));
    }
    await calls.removeFolder(this.#folder);
  }

  async #write(folder: string, name: string, bytes: Uint8Array): Promise<void> {
    const op = this.#op;
    const target = path.join(folder, name);
    const temporary = `${target}.tmp`;
    // Made anew: what stands there of a killed run, or of a stranger, is not written into.
    await calls.unlink(temporary).catch(() => {});
    const handle = await attempt(op, temporary, 'created', calls.open(temporary, 'wx'));
    try {
      await writeFully(handle, bytes, 0, { op, path: temporary });
      await attempt(op, temporary, 'synced', calls.sync(handle));
    } catch (error) {
      await calls.close(handle).catch(() => {});
      throw error;
    }
    await attempt(op, temporary, 'closed', calls.close(handle));
    await attempt(op, target, 'replaced', calls.rename(temporary, target));
  }

  /** True if a run has ended before any of its work was done. */
  async #isBare(): Promise<boolean> {
    const op = this.#op;
    for (const name of await attempt(op, this.#folder, 'read', calls.list(this.#folder))) {
      if (name === 'run.json' || name === 'run.json.tmp') continue;
      const place = path.join(this.#folder, name);
      const stats = await attempt(op, place, 'examined', calls.lstat(place));
      const isEmpty =
        (name === 'model' &&
          stats.isDirectory() &&
          (await attempt(op, place, 'read', calls.list(place))).length === 0) ||
        (name.endsWith(scratchSuffix) && stats.isFile() && stats.size === 0);
      if (!isEmpty) return false;
    }
    return true;
  }

  async #readRun(): Promise<string | undefined> {
    const file = path.join(this.#folder, 'run.json');
    try {
      // Without O_NONBLOCK, a FIFO would keep open() waiting for a writer.
      const handle = await calls.open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      try {
        const stats = await calls.fstat(handle);
        if (!stats.isFile()) throw refusal(this.#op, file, 'be a regular file', 'another kind', 'ERR_STATE');
        const bytes = Buffer.alloc(Math.min(stats.size, 1 << 20));
        const count = await calls.read(handle, bytes, 0);
        return bytes.toString('utf8', 0, count);
      } finally {
        await calls.close(handle).catch(() => {});
      }
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      if (error instanceof OrthokitError) throw error;
      return attempt(this.#op, file, 'read', Promise.reject(error));
    }
  }

  async #sync(folder: string): Promise<void> {
    const handle = await openFolder(this.#op, folder);
    if (!handle) return;
    try {
      await syncFolder(this.#op, folder, handle);
    } finally {
      await calls.close(handle).catch(() => {});
    }
  }
}

function taken(op: string, field: string, kind: 'folder' | 'other', out: string): OrthokitError {
  const got = kind === 'folder' ? 'a folder with files' : 'another kind of file';
  return refusal(op, field, 'be free or an empty folder', `${got} at ${out}`);
}

async function kindOf(op: string, place: string): Promise<'folder' | 'other' | undefined> {
  try {
    return (await calls.lstat(place)).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    return attempt(op, place, 'examined', Promise.reject(error));
  }
}

async function bytesIn(op: string, folder: string): Promise<number> {
  let sum = 0;
  for (const name of await attempt(op, folder, 'read', calls.list(folder))) {
    const place = path.join(folder, name);
    const found = await attempt(op, place, 'examined', calls.lstat(place));
    sum += found.isDirectory() ? await bytesIn(op, place) : 512 * found.blocks;
  }
  return sum;
}
