// A node's memory of what has happened to it: a snapshot, and each event since. A process that is killed comes back from both as it
// was, since all of an event but its journal's line can be made again.
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeSync } from 'node:fs'; // biome-ignore format: one line
import path from 'node:path';
import { bytesOf, Frames } from './frames.mjs';

/** @import { Frame } from './frames.mjs' */

export class Journal {
  #generation = 0;
  /** @type {number | undefined} */
  #file;

  /** @param {string} folder made if it is not there @param {number} dim */
  constructor(folder, dim) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.dim = dim;
  }

  /** @param {'snapshot' | 'journal'} name @param {number} generation */
  #path(name, generation) {
    return path.join(this.folder, `${name}-${generation}.${name === 'snapshot' ? 'safetensors' : 'bin'}`);
  }

  /** The content of the folder: the file of the state, if any, and the events since. @returns {{ snapshot: string | undefined, events: Frame[] }} */
  recover() {
    const found = readdirSync(this.folder).map((name) => Number(/^journal-(\d+)\.bin$/.exec(name)?.[1] ?? -1));
    this.#generation = Math.max(0, ...found);
    const file = this.#path('journal', this.#generation);
    const frames = new Frames(this.dim);
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const events = frames.push(bytes);
    // A line without an end is of an event that had not happened when the process was killed.
    if (frames.open > 0) truncateSync(file, bytes.length - frames.open);
    this.#file = openSync(file, 'a');
    return { snapshot: this.#generation > 0 ? this.#path('snapshot', this.#generation) : undefined, events };
  }

  /** Before the event happens. @param {Frame} event */
  append(event) {
    writeSync(/** @type {number} */ (this.#file), bytesOf(event));
  }

  /** Another snapshot, and a journal that begins with what the state does not tell. @param {(path: string) => Promise<void>} save @param {Frame[]} first */
  async renew(save, first) {
    const [old, next] = [this.#generation, this.#generation + 1];
    await save(this.#path('snapshot', next));
    const file = this.#path('journal', next);
    const made = openSync(`${file}.part`, 'w');
    for (const event of first) writeSync(made, bytesOf(event));
    // With this name the snapshot counts; until then the old one does.
    renameSync(`${file}.part`, file);
    this.close();
    [this.#file, this.#generation] = [made, next];
    for (const name of /** @type {const} */ (['snapshot', 'journal'])) rmSync(this.#path(name, old), { force: true });
  }

  close() {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
