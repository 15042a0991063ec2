import { open } from 'node:fs/promises';
import { log } from '../log.mjs';
import { Problem } from '../problem.mjs';

/**
 * @typedef {object} Event what happened to a run; further fields by type
 * @property {number} seq counts the events of all runs
 * @property {number} time milliseconds since 1970
 * @property {string} job
 * @property {string} type
 *
 * @typedef {object} Line an event that waits to be written
 * @property {Event} event its number is that of the write
 * @property {string} text
 * @property {string} file
 * @property {() => void} done
 * @property {(error: unknown) => void} failed
 */

/** Milliseconds until a journal that could not be written is tried again. */
const pause = 1000;
/** Codes of the system for what may pass: a disk that is full or fails, files of the process that are all open. */
const passing = ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE'];

/**
 * The one writer of all journals: a file of JSON lines for each run, to which is only appended. What has come while a
 * write was under way is written together. An event is told to others only when its line is in the file, and in the order
 * of numbers: nobody hears of what a kill could take back.
 */
export class Journal {
  /** @type {Line[]} */
  #waiting = [];
  /** @type {Map<string, { handle: import('node:fs/promises').FileHandle, size: number }>} */
  #files = new Map();
  #writing = false;
  /** Files that are tried again later, and why. @type {Map<string, { code: string, timer: NodeJS.Timeout }>} */
  #held = new Map();

  /**
   * @param {object} options
   * @param {number} options.seq of the last event that was written
   * @param {(event: Event, text: string, place: { start: number, end: number }) => void} options.onEvent
   */
  constructor({ seq, onEvent }) {
    this.seq = seq;
    this.onEvent = onEvent;
    this.failures = 0;
  }

  /** Why some journal cannot be written at the moment. @returns {string | undefined} */
  get problem() {
    const [held] = this.#held.values();
    return held && `the journal cannot be written: ${held.code}`;
  }

  /** Events that wait to be written. */
  get waiting() {
    return this.#waiting.length;
  }

  /**
   * @param {string} file
   * @param {{ job: string, type: string, [field: string]: unknown }} fields
   * @returns {Promise<void>} resolves when the event is in the file and told; rejects with `ERR_IO` where the file is
   *   not there or may not be written
   */
  append(file, { job, type, ...fields }) {
    const event = { seq: 0, time: Date.now(), job, type, ...fields };
    return new Promise((done, failed) => {
      this.#waiting.push({ event, text: '', file, done, failed });
      if (!this.#writing) void this.#write();
    });
  }

  /** A file that is open. @param {string} file */
  openFile(file) {
    return this.#files.get(file);
  }

  /** Makes appended lines last through a loss of power. @param {string} file */
  async sync(file) {
    await this.#files.get(file)?.handle.datasync();
  }

  /** Closes a file to which nothing will be appended soon. @param {string} file */
  async release(file) {
    const open = this.#files.get(file);
    this.#files.delete(file);
    await open?.handle.close();
  }

  /** Ends. Lines of files that cannot be written at the moment were not acknowledged, and are given up. */
  async close() {
    while (this.#writing) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    for (const { failed } of this.#waiting.splice(0)) failed(failure('the server ends'));
    for (const file of [...this.#files.keys()]) await this.release(file);
  }

  async #write() {
    this.#writing = true;
    for (let lines = this.#take(); lines.length > 0; lines = this.#take()) {
      /** @type {Map<string, Line[]>} */
      const byFile = new Map();
      for (const line of lines) {
        // Numbers are given here, so that what had to wait for its file is told after what was told meanwhile.
        line.event.seq = ++this.seq;
        line.text = JSON.stringify(line.event);
        byFile.set(line.file, [...(byFile.get(line.file) ?? []), line]);
      }
      /** @type {Map<Line, { start: number, end: number }>} */
      const places = new Map();
      await Promise.all([...byFile].map(([file, own]) => this.#appendFor(file, own, places)));
      for (const line of lines) {
        const place = places.get(line);
        if (!place) continue;
        this.onEvent(line.event, line.text, place);
        line.done();
      }
    }
    this.#writing = false;
  }

  /** Lines of the files that can be written. */
  #take() {
    const lines = this.#waiting.filter(({ file }) => !this.#held.has(file));
    this.#waiting = this.#waiting.filter(({ file }) => this.#held.has(file));
    return lines;
  }

  /**
   * Lines that a full disk does not take are tried again later: it holds training of their run back, and loses nothing.
   * Lines of a file that is missing, or not the server's, fail.
   *
   * @param {string} file
   * @param {Line[]} lines
   * @param {Map<Line, { start: number, end: number }>} places
   */
  async #appendFor(file, lines, places) {
    try {
      let at = await this.#appendOnce(file, lines);
      for (const line of lines) {
        const end = at + Buffer.byteLength(line.text) + 1;
        places.set(line, { start: at, end });
        at = end;
      }
    } catch (error) {
      const { code = 'unknown' } = /** @type {NodeJS.ErrnoException} */ (error);
      this.failures += 1;
      if (passing.includes(code)) return this.#hold(file, lines, code);
      log('a journal cannot be written', { file, error: String(error) });
      for (const { failed } of lines) failed(failure(code));
    }
  }

  /** @param {string} file @param {Line[]} lines @param {string} code */
  #hold(file, lines, code) {
    this.#waiting.unshift(...lines);
    const timer = setTimeout(() => {
      this.#held.delete(file);
      if (!this.#writing) void this.#write();
    }, pause);
    this.#held.set(file, { code, timer });
  }

  /** @param {string} file @param {Line[]} lines @returns {Promise<number>} where they begin */
  async #appendOnce(file, lines) {
    let open = this.#files.get(file);
    if (!open) {
      open = await openJournal(file);
      this.#files.set(file, open);
    }
    const bytes = Buffer.from(lines.map(({ text }) => `${text}\n`).join(''));
    const start = open.size;
    try {
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await open.handle.write(bytes, written, bytes.length - written, start + written);
        written += bytesWritten;
      }
    } catch (error) {
      // Half a line must not stay before the next one.
      await open.handle.truncate(start).catch(() => {});
      throw error;
    }
    open.size += bytes.length;
    return start;
  }
}

/** @param {string} file */
async function openJournal(file) {
  const handle = await open(file, 'r+');
  return { handle, size: (await handle.stat()).size };
}

/** @param {string} why */
const failure = (why) => new Problem('ERR_IO', `the journal of the run cannot be written: ${why}`);
