import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { attempt, calls } from '../safetensors/calls.ts';

const statisticBytes = 8;

/** Finished rows of one table, appended batch by batch, so that a run that was killed goes on where it stood. */
export class Journal {
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
    const handle = await attempt(op, path, 'opened', calls.open(path, constants.O_RDWR | constants.O_CREAT, 0o666));
    const { size } = await attempt(op, path, 'examined', calls.fstat(handle));
    return new Journal(op, path, handle, rowBytes, Math.floor(size / (rowBytes + statisticBytes)));
  }

  /** How many rows are there. */
  get count(): number {
    return this.#count;
  }

  /** Puts rows at `at`, each with its relative residual and the norm of its coefficients, NaN where there is none. */
  async write(at: number, rows: Uint8Array, residuals?: Float64Array, norms?: Float64Array): Promise<void> {
    const count = rows.length / this.#rowBytes;
    const recordBytes = this.#rowBytes + statisticBytes;
    const records = new Uint8Array(count * recordBytes);
    const view = new DataView(records.buffer);
    for (let i = 0; i < count; i += 1) {
      records.set(rows.subarray(i * this.#rowBytes, (i + 1) * this.#rowBytes), i * recordBytes);
      view.setFloat32(i * recordBytes + this.#rowBytes, residuals?.[i] ?? Number.NaN, true);
      view.setFloat32(i * recordBytes + this.#rowBytes + 4, norms?.[i] ?? Number.NaN, true);
    }
    for (let done = 0; done < records.length; ) {
      const writing = calls.write(this.#handle, records.subarray(done), at * recordBytes + done);
      done += await attempt(this.#op, this.#path, 'written', writing);
    }
    await attempt(this.#op, this.#path, 'synced', calls.sync(this.#handle));
    this.#count = Math.max(this.#count, at + count);
  }

  /** Rows from `at` on, and their statistics. */
  async read(at: number, count: number): Promise<{ rows: Uint8Array; residuals: Float32Array; norms: Float32Array }> {
    const recordBytes = this.#rowBytes + statisticBytes;
    const records = new Uint8Array(count * recordBytes);
    for (let done = 0; done < records.length; ) {
      const reading = calls.read(this.#handle, records.subarray(done), at * recordBytes + done);
      const read = await attempt(this.#op, this.#path, 'read', reading);
      if (read === 0) await attempt(this.#op, this.#path, 'read', Promise.reject(new Error('the file has ended')));
      done += read;
    }
    const rows = new Uint8Array(count * this.#rowBytes);
    const residuals = new Float32Array(count);
    const norms = new Float32Array(count);
    const view = new DataView(records.buffer);
    for (let i = 0; i < count; i += 1) {
      const from = i * recordBytes;
      rows.set(records.subarray(from, from + this.#rowBytes), i * this.#rowBytes);
      residuals[i] = view.getFloat32(from + this.#rowBytes, true);
      norms[i] = view.getFloat32(from + this.#rowBytes + 4, true);
    }
    return { rows, residuals, norms };
  }

  async close(): Promise<void> {
    await calls.close(this.#handle).catch(() => {});
  }
}
