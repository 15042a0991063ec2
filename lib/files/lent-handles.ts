// Files that are read over a long time, of which few are open at once.
import type { FileHandle } from 'node:fs/promises';
import { calls, ioError } from './calls.ts';

/** A known file. Its handle may be closed between two reads; `open` then opens the same file again, or throws. */
export interface LentFile {
  readonly op: string;
  readonly path: string;
  open(): Promise<FileHandle>;
}

interface Entry {
  handle: Promise<FileHandle> | undefined;
  users: number;
}

/** Handles of files: so many are open at most, beside those that are used at this moment. */
export class LentHandles {
  readonly #most: number;
  readonly #entries = new Map<LentFile, Entry>();
  /** Those with a handle; the one that was used last is the last. */
  readonly #open = new Set<Entry>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Files from now on until {@link close}. */
  add(file: LentFile): void {
    this.#entries.set(file, { handle: undefined, users: 0 });
  }

  /** Lends the handle of a file until the promise of `use` is settled. @throws ERR_IO once the file is closed */
  async use<T>(file: LentFile, use: (handle: FileHandle) => Promise<T>): Promise<T> {
    const entry = this.#entryOf(file);
    entry.users += 1;
    try {
      if (!entry.handle) await this.#leave(this.#most - 1);
      // Nobody would close what is opened after `close`.
      this.#entryOf(file);
      this.#open.delete(entry);
      this.#open.add(entry);
      entry.handle ??= file.open();
      return await use(await this.#opened(entry));
    } finally {
      entry.users -= 1;
      await this.#leave(this.#most);
    }
  }

  /** @throws ERR_IO for a file that has been closed for good */
  #entryOf(file: LentFile): Entry {
    const entry = this.#entries.get(file);
    if (entry) return entry;
    throw ioError(file.op, file.path, 'read', Object.assign(new Error('closed'), { code: 'EBADF' }));
  }

  async #opened(entry: Entry): Promise<FileHandle> {
    try {
      return await entry.handle!;
    } catch (error) {
      entry.handle = undefined;
      this.#open.delete(entry);
      throw error;
    }
  }

  /** Closes those that were not used for longest, but for `count`, and but for those that are in use. */
  async #leave(count: number): Promise<void> {
    for (const entry of this.#open) {
      if (this.#open.size <= count) return;
      // A close that fails loses nothing of a file that was only read.
      if (entry.users === 0) await this.#shut(entry).catch(() => {});
    }
  }

  /** Ends with a file. @throws the error of a close that fails */
  async close(file: LentFile): Promise<void> {
    const entry = this.#entries.get(file);
    this.#entries.delete(file);
    if (entry) await this.#shut(entry);
  }

  async #shut(entry: Entry): Promise<void> {
    const { handle } = entry;
    entry.handle = undefined;
    this.#open.delete(entry);
    if (handle) await calls.close(await handle);
  }
}
