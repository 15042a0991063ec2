import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { OrthokitError } from '../../core/errors.ts';
import { attempt, calls, ioError } from '../../files/calls.ts';
import { pieceBytes, readFully, writeFully } from '../../files/contents.ts';
import type { RowFacts, RowStore, StoredRows } from '../tables/row-store.ts';

/** Behind each row: residual and norm in f32, a word of marks, and a check sum of all before it. */
const factBytes = 16;
const sumBytes = 4;
const isClipped = 1;
const isNonFinite = 2;

/**
 * Finished rows of one table, appended batch by batch, so that a run that was killed goes on where it stood. A power cut may
 * leave a file longer than what has reached the disk of it: rows count as far as their check sums are right.
 */
export class Journal implements RowStore {
  readonly #op: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #rowBytes: number;
  #count: number;

  private constructor(op: string, path: string, handle: FileHandle, rowBytes: number, count: number) {
    this.#op = op;
    this.#path = path;
    this.#handle = handle;
    this.#rowBytes = rowBytes;
    this.#count = count;
  }

  /** Opens or makes it; what a killed run has half written is written again. */
  static async open(op: string, path: string, rowBytes: number): Promise<Journal> {
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NONBLOCK ?? 0);
    const handle = await attempt(op, path, 'opened', calls.open(path, flags, 0o666));
    try {
      const stats = await attempt(op, path, 'examined', calls.fstat(handle));
      if (!stats.isFile())
        throw new OrthokitError('ERR_STATE', `${op}: ${path} must be a regular file, got another kind`);
      const journal = new Journal(op, path, handle, rowBytes, Math.floor(stats.size / (rowBytes + factBytes)));
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

  async write(at: number, rows: Uint8Array, { residuals, norms, clipped, nonFinite }: RowFacts): Promise<void> {
    const count = rows.length / this.#rowBytes;
    const recordBytes = this.#rowBytes + factBytes;
    const records = new Uint8Array(count * recordBytes);
    const view = new DataView(records.buffer);
    for (let i = 0; i < count; i += 1) {
      records.set(rows.subarray(i * this.#rowBytes, (i + 1) * this.#rowBytes), i * recordBytes);
      const facts = i * recordBytes + this.#rowBytes;
      view.setFloat32(facts, residuals?.[i] ?? Number.NaN, true);
      view.setFloat32(facts + 4, norms?.[i] ?? Number.NaN, true);
      view.setUint32(facts + 8, (clipped[i] ? isClipped : 0) | (nonFinite[i] ? isNonFinite : 0), true);
      view.setUint32((i + 1) * recordBytes - sumBytes, sumOf(records, i, recordBytes), true);
    }
    await writeFully(this.#handle, records, at * recordBytes, { op: this.#op, path: this.#path });
    await attempt(this.#op, this.#path, 'synced', calls.sync(this.#handle));
    this.#count = Math.max(this.#count, at + count);
  }

  async read(at: number, count: number): Promise<StoredRows> {
    const recordBytes = this.#rowBytes + factBytes;
    const records = await this.#read(at, count);
    const rows = new Uint8Array(count * this.#rowBytes);
    const residuals = new Float32Array(count);
    const norms = new Float32Array(count);
    const clipped = new Uint8Array(count);
    const nonFinite = new Uint8Array(count);
    const view = new DataView(records.buffer);
    for (let i = 0; i < count; i += 1) {
      const from = i * recordBytes;
      rows.set(records.subarray(from, from + this.#rowBytes), i * this.#rowBytes);
      const facts = from + this.#rowBytes;
      residuals[i] = view.getFloat32(facts, true);
      norms[i] = view.getFloat32(facts + 4, true);
      const marks = view.getUint32(facts + 8, true);
      clipped[i] = marks & isClipped ? 1 : 0;
      nonFinite[i] = marks & isNonFinite ? 1 : 0;
    }
    return { rows, residuals, norms, clipped, nonFinite };
  }

  async #read(at: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const recordBytes = this.#rowBytes + factBytes;
    const records = new Uint8Array(count * recordBytes);
    const [op, path] = [this.#op, this.#path];
    await readFully(this.#handle, records, at * recordBytes, { op, path }, () => {
      throw ioError(op, path, 'read', new Error('the file has ended'));
    });
    return records;
  }

  /** Rows before the first one whose check sum is wrong. */
  async #countRight(): Promise<number> {
    const recordBytes = this.#rowBytes + factBytes;
    const step = Math.max(1, Math.floor(pieceBytes / recordBytes));
    for (let at = 0; at < this.#count; at += step) {
      const records = await this.#read(at, Math.min(step, this.#count - at));
      const view = new DataView(records.buffer);
      for (let i = 0; i * recordBytes < records.length; i += 1)
        if (view.getUint32((i + 1) * recordBytes - sumBytes, true) !== sumOf(records, i, recordBytes)) return at + i;
    }
    return this.#count;
  }

  async close(): Promise<void> {
    await calls.close(this.#handle).catch(() => {});
  }
}

function sumOf(records: Uint8Array, index: number, recordBytes: number): number {
  return crc32(records.subarray(index * recordBytes, (index + 1) * recordBytes - sumBytes));
}
