import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { refusal } from '../../core/errors.ts';
import { attempt, calls, ioError } from '../calls.ts';
import { readFully, spanBytes, writeFully } from '../contents.ts';

/** Bytes of an ArrayBuffer, in words that declarations for TypeScript before 5.7 may have, too. */
export type Bytes = ReturnType<Uint8Array['slice']>;

/** Finished work, in records of one size: those before `count` are there. */
export interface Records {
  readonly count: number;
  /** Puts records at `at`, which is not beyond the count; a power cut may undo what is not synced. */
  write(at: number, records: Uint8Array, sync?: 'synced' | 'not synced'): Promise<void>;
  sync(): Promise<void>;
  read(at: number, count: number): Promise<Bytes>;
}

/** Records in memory. */
export class MemoryRecords implements Records {
  readonly #recordBytes: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #count = 0;

  constructor(recordBytes: number, most: number) {
    this.#recordBytes = recordBytes;
    this.#bytes = new Uint8Array(recordBytes * most);
  }

  get count(): number {
    return this.#count;
  }

  async write(at: number, records: Uint8Array): Promise<void> {
    this.#bytes.set(records, at * this.#recordBytes);
    this.#count = Math.max(this.#count, at + records.length / this.#recordBytes);
  }

  async sync(): Promise<void> {}

  async read(at: number, count: number): Promise<Bytes> {
    return this.#bytes.subarray(at * this.#recordBytes, (at + count) * this.#recordBytes);
  }
}

const sumBytes = 4;

/**
 * Records in a file, each with a check sum behind it, so that a run that was killed goes on where it stood. A power cut
 * may leave a file longer than what has reached the disk of it: records count as far as their check sums are right.
 */
export class Journal implements Records {
  readonly #op: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #recordBytes: number;
  #count: number;

  private constructor(op: string, path: string, handle: FileHandle, recordBytes: number, count: number) {
    this.#op = op;
    this.#path = path;
    this.#handle = handle;
    this.#recordBytes = recordBytes;
    this.#count = count;
  }

  /** Opens or makes it; what a killed run has half written is written again. */
  static async open(op: string, path: string, recordBytes: number): Promise<Journal> {
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NONBLOCK ?? 0);
    const handle = await attempt(op, path, 'opened', calls.open(path, flags, 0o666));
    try {
      const stats = await attempt(op, path, 'examined', calls.fstat(handle));
      if (!stats.isFile()) throw refusal(op, path, 'be a regular file', 'another kind', 'ERR_STATE');
      const journal = new Journal(op, path, handle, recordBytes, Math.floor(stats.size / (recordBytes + sumBytes)));
      journal.#count = await journal.#countRight();
      return journal;
    } catch (error) {
      await calls.close(handle).catch(() => {});
      throw error;
    }
  }

  get count(): number {
    return this.#count;
  }

  async write(at: number, records: Uint8Array, sync: 'synced' | 'not synced' = 'synced'): Promise<void> {
    const stride = this.#recordBytes + sumBytes;
    const count = records.length / this.#recordBytes;
    const bytes = new Uint8Array(count * stride);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; ++i) {
      const record = records.subarray(i * this.#recordBytes, (i + 1) * this.#recordBytes);
      bytes.set(record, i * stride);
      view.setUint32(i * stride + this.#recordBytes, crc32(record), true);
    }
    await writeFully(this.#handle, bytes, at * stride, { op: this.#op, path: this.#path });
    if (sync === 'synced') await this.sync();
    this.#count = Math.max(this.#count, at + count);
  }

  async sync(): Promise<void> {
    await attempt(this.#op, this.#path, 'synced', calls.sync(this.#handle));
  }

  async read(at: number, count: number): Promise<Bytes> {
    const bytes = await this.#stored(at, count);
    // Close up, over the check sums.
    const stride = this.#recordBytes + sumBytes;
    for (let i = 1; i < count; ++i) bytes.copyWithin(i * this.#recordBytes, i * stride, i * stride + this.#recordBytes);
    return bytes.subarray(0, count * this.#recordBytes);
  }

  /** Records with their check sums. */
  async #stored(at: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const stride = this.#recordBytes + sumBytes;
    const bytes = new Uint8Array(count * stride);
    const [op, path] = [this.#op, this.#path];
    await readFully(this.#handle, bytes, at * stride, { op, path }, () => {
      throw ioError(op, path, 'read', new Error('the file has ended'));
    });
    return bytes;
  }

  /** Records before the first one whose check sum is wrong. */
  async #countRight(): Promise<number> {
    const stride = this.#recordBytes + sumBytes;
    const step = Math.max(1, Math.floor(spanBytes / stride));
    for (let at = 0; at < this.#count; at += step) {
      const count = Math.min(step, this.#count - at);
      const bytes = await this.#stored(at, count);
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < count; ++i) {
        const end = i * stride + this.#recordBytes;
        if (crc32(bytes.subarray(i * stride, end)) !== view.getUint32(end, true)) return at + i;
      }
    }
    return this.#count;
  }

  async close(): Promise<void> {
    await calls.close(this.#handle).catch(() => {});
  }
}
