import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { inTurns, type Steps } from '../../core/turns.ts';
import { attempt, calls, systemCode } from '../calls.ts';
import { readFully } from '../contents.ts';
import { type JsonObject, JsonReader } from '../json/reader.ts';
import type { Fail } from '../json/scanner.ts';
import { quote } from '../quote.ts';
import { givenUp } from '../transfer.ts';
import { limits } from './limits.ts';

const plainName = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

export interface FolderOptions {
  readonly followLinks: boolean;
  /** Stops whatever is read from the folder. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A folder of a stranger's files. Only names without separators are opened, and no symbolic link is followed unless the
 * caller asked for it, so nothing outside the folder is read.
 */
export class Folder {
  readonly op: string;
  readonly path: string;
  readonly followLinks: boolean;
  readonly signal: AbortSignal | undefined;

  private constructor(op: string, folder: string, { followLinks, signal }: FolderOptions) {
    this.op = op;
    this.path = folder;
    this.followLinks = followLinks;
    this.signal = signal;
  }

  static async open(op: string, field: string, folder: string, options: FolderOptions): Promise<Folder> {
    const real = await attempt(op, folder, 'opened', calls.realpath(folder), field);
    const stats = await attempt(op, real, 'examined', calls.stat(real), field);
    if (!stats.isDirectory()) throw refusal(op, field, 'be a folder', `another kind at ${folder}`);
    return new Folder(op, real, options);
  }

  /** Refuses names that lead out of the folder. */
  file(name: string): string {
    if (!plainName.test(name)) this.fail(`file names must be letters, digits and . _ -, got ${quote(name)}`);
    return path.join(this.path, name);
  }

  readonly fail: Fail = (problem) => {
    throw new OrthokitError('ERR_FORMAT', `${this.op}: ${problem} in ${this.path}`);
  };

  /** True if there is something of this name. */
  async has(name: string): Promise<boolean> {
    try {
      await calls.lstat(this.file(name));
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      return attempt(this.op, name, 'examined', Promise.reject(error));
    }
  }

  /** The bytes of a file of at most `limit` bytes, or undefined where there is none. */
  read(name: string, limit: number): Promise<Uint8Array | undefined> {
    return this.#read(name, (size) => {
      if (size > limit) this.fail(`${name} must have at most ${limit} bytes, got ${size}`);
      return size;
    });
  }

  /** The first bytes of a small file, of any length; undefined where there is none. */
  readStart(name: string, count: number): Promise<Uint8Array | undefined> {
    return this.#read(name, (size) => Math.min(size, count));
  }

  async #read(name: string, countOf: (size: number) => number): Promise<Uint8Array | undefined> {
    const { op } = this;
    const file = this.file(name);
    const noFollow = this.followLinks ? 0 : (constants.O_NOFOLLOW ?? 0);
    let handle: FileHandle;
    try {
      handle = await calls.open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | noFollow);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      this.#refuseLink(error, name);
      return attempt(op, file, 'opened', Promise.reject(error));
    }
    try {
      const stats = await attempt(op, file, 'examined', calls.fstat(handle));
      if (!stats.isFile()) this.fail(`${name} must be a regular file, got another kind`);
      const bytes = new Uint8Array(countOf(stats.size));
      const access = { op, path: file, signal: this.signal };
      await readFully(handle, bytes, 0, access, (at) =>
        this.fail(`${name} must keep its size while it is read, got its end at byte ${at}`),
      );
      return bytes;
    } finally {
      await givenUp(calls.close(handle), this.signal);
    }
  }

  /** The wanted members of a JSON object in a small file, or undefined where there is none. */
  async readJson(
    name: string,
    isWanted: (key: string) => boolean,
    inside: readonly string[] = [],
  ): Promise<JsonObject | undefined> {
    const bytes = await this.read(name, limits.configBytes);
    return bytes && this.parseJson(name, bytes, isWanted, inside);
  }

  /** The same of bytes that have been read. */
  parseJson(
    name: string,
    bytes: Uint8Array,
    isWanted: (key: string) => boolean,
    inside: readonly string[] = [],
  ): Promise<JsonObject> {
    const json = new JsonReader(new Uint8Array(bytes), this.fail, name);
    const steps = function* (): Steps<JsonObject> {
      const object = yield* json.members(limits.textBytes, isWanted, inside);
      json.end();
      return object;
    };
    return inTurns(steps(), this.signal);
  }

  /** Says more than the system's ELOOP of a link that was not followed. */
  #refuseLink(error: unknown, name: string): void {
    if (systemCode(error) !== 'ELOOP' || this.followLinks) return;
    this.fail(`${name} must not be a symbolic link unless the option followLinks is set, got one`);
  }

  /** The same for a file that another reader opens. */
  async guarded<T>(name: string, opening: Promise<T>): Promise<T> {
    try {
      return await opening;
    } catch (error) {
      if (error instanceof OrthokitError) this.#refuseLink(error.cause, name);
      throw error;
    }
  }
}
