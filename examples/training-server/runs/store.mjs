import { randomBytes } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { log } from '../log.mjs';
import { Problem } from '../problem.mjs';
import { replaceJson, syncFolder } from './files.mjs';
import { foldersOf } from './folder.mjs';
import { Journal } from './journal.mjs';
import { lockFolder } from './lock.mjs';
import { Ring } from './ring.mjs';
import { Run, typeOf } from './run.mjs';

/** The last number of an event when a run was deleted. */
const sequenceFile = 'sequence.json';
/** Runs that are read at the same time. */
const together = 64;
/** Bytes that a start reads of the journal of each run that has ended. */
const tailBytes = 2 ** 20;

/** All runs, in a folder of the server's own: `runs/<id>/` has `manifest.json`, `events.jsonl` and checkpoints. */
export class Store {
  /** @type {Map<string, Run>} */
  #runs = new Map();
  /** @type {Map<string, string>} */
  #keys = new Map();
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {() => Promise<void>} */
  #unlock = async () => {};
  /** Runs whose folders are being made. */
  #making = 0;

  /** @param {string} root @param {import('../limits.mjs').Limits} limits */
  constructor(root, limits) {
    this.root = root;
    this.limits = limits;
    this.ring = new Ring(limits.ring);
    this.journal = new Journal({ seq: 0, onEvent: (event, text, place) => this.#told(event, text, place) });
  }

  /** @param {string} folder @param {import('../limits.mjs').Limits} limits */
  static async open(folder, limits) {
    await mkdir(path.join(folder, 'runs'), { recursive: true, mode: 0o700 });
    const root = await realpath(folder);
    const unlock = await lockFolder(root);
    const store = new Store(root, limits);
    store.#unlock = unlock;
    const { runs: names, others } = await foldersOf(root);
    // Left from what was being made, or deleted, when the server ended.
    for (const name of others)
      if (/^\..*\.new$/.test(name)) await rm(path.join(root, 'runs', name), { recursive: true, force: true });
    for (let i = 0; i < names.length; i += together) {
      const found = await Promise.all(names.slice(i, i + together).map((name) => store.#read(name)));
      for (const run of found) if (run) store.#add(run);
    }
    const sequence = await readFile(path.join(root, sequenceFile), 'utf8').catch(() => '{"seq":0}');
    store.journal.seq = Math.max(store.journal.seq, JSON.parse(sequence).seq);
    await store.#fillRing();
    return store;
  }

  /** In the order in which they were made. */
  get runs() {
    return [...this.#runs.values()];
  }

  /** @param {string} id @returns {Run} */
  run(id) {
    const run = this.#runs.get(id);
    if (!run) throw new Problem('ERR_NOT_FOUND', 'there is no run of that id');
    return run;
  }

  /** The run that was made with this key. @param {string} key */
  byKey(key) {
    const id = this.#keys.get(key);
    return id === undefined ? undefined : this.#runs.get(id);
  }

  /**
   * A new run; once this resolves, a kill does not take it back.
   *
   * @param {string} kind
   * @param {Record<string, unknown>} params
   * @param {string | undefined} key
   */
  async create(kind, params, key) {
    if (this.#runs.size + this.#making >= this.limits.runs)
      throw new Problem('ERR_LIMIT', `there are ${this.limits.runs} runs: delete some first`);
    const id = `${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
    /** @type {import('./run.mjs').Manifest} */
    const manifest = { version: 1, id, kind, params, created: Date.now(), ...(key === undefined ? {} : { key }) };
    const run = new Run(path.join(this.root, 'runs', id), manifest);
    this.#making += 1;
    try {
      const aside = path.join(this.root, 'runs', `.${id}.new`);
      await mkdir(aside, { mode: 0o700 });
      await writeFile(path.join(aside, 'events.jsonl'), '', { mode: 0o600 });
      await replaceJson(path.join(aside, 'manifest.json'), manifest);
      await rename(aside, run.folder);
      await syncFolder(path.join(this.root, 'runs'));
      this.#add(run);
    } finally {
      this.#making -= 1;
    }
    return run;
  }

  /** @param {Run} run @param {string} type @param {Record<string, unknown>} fields */
  async append(run, type, fields) {
    // The line of one that was deleted would have no file.
    this.run(run.id);
    return this.journal.append(run.journal, { job: run.id, type, ...fields });
  }

  /** The summary of a run that has ended stands in its manifest from now on. @param {Run} run */
  async seal(run) {
    await this.journal.sync(run.journal);
    await this.journal.release(run.journal);
    run.manifest = { ...run.manifest, summary: run.summary, bytes: run.bytes };
    await replaceJson(path.join(run.folder, 'manifest.json'), run.manifest);
  }

  /** @param {Run} run */
  async remove(run) {
    this.#forget(run);
    // Numbers of events that are deleted must not come again: clients may have seen them.
    await replaceJson(path.join(this.root, sequenceFile), { seq: this.journal.seq });
    await this.journal.release(run.journal);
    const aside = path.join(this.root, 'runs', `.${run.id}.new`);
    await rename(run.folder, aside).catch((error) => {
      // Somebody was faster.
      if (error.code !== 'ENOENT') throw error;
    });
    await syncFolder(path.join(this.root, 'runs'));
    await rm(aside, { recursive: true, force: true });
  }

  /** Calls back whenever something has been told. @param {() => void} listener @returns {() => void} ends that */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close() {
    await this.journal.close();
    await this.#unlock();
  }

  /** @param {Run} run */
  #add(run) {
    this.#runs.set(run.id, run);
    if (run.manifest.key !== undefined) this.#keys.set(run.manifest.key, run.id);
  }

  /** @param {Run} run */
  #forget(run) {
    this.#runs.delete(run.id);
    if (run.manifest.key !== undefined) this.#keys.delete(run.manifest.key);
  }

  /** @param {import('./journal.mjs').Event} event @param {string} text @param {{ start: number, end: number }} place */
  #told(event, text, place) {
    this.#runs.get(event.job)?.follow(event, place);
    this.ring.push({ seq: event.seq, job: event.job, type: event.type, text });
    for (const listener of this.#listeners) listener();
  }

  /** @param {string} name */
  async #read(name) {
    try {
      const run = await Run.open(this.root, name);
      if (!run.known) await truncate(run.journal, run.bytes);
      this.journal.seq = Math.max(this.journal.seq, run.summary.lastSeq);
      return run;
    } catch (error) {
      // One that somebody has damaged is left as it is, and holds up no other.
      log('a run cannot be read', { run: name, error: String(error) });
      return undefined;
    }
  }

  /** The last events of all runs, as if the server had never ended. */
  async #fillRing() {
    const latest = this.runs.sort((a, b) => b.summary.lastSeq - a.summary.lastSeq);
    let [floor, events] = [0, /** @type {{ seq: number, job: string, type: string, text: string }[]} */ ([])];
    for (const run of latest) {
      // Events of this run and of those behind it come before all that are here.
      if (events.length >= this.limits.ring && run.summary.lastSeq < events[0].seq) {
        floor = Math.max(floor, run.summary.lastSeq);
        break;
      }
      const { lines, whole } = await run.tail(tailBytes);
      if (!whole) floor = Math.max(floor, (lines[0]?.seq ?? run.summary.lastSeq + 1) - 1);
      for (const { seq, text } of lines) events.push({ seq, job: run.id, type: typeOf(text), text });
      events = events.filter(({ seq }) => seq > floor).sort((a, b) => a.seq - b.seq);
      const more = events.length - this.limits.ring;
      if (more > 0) {
        floor = events[more - 1].seq;
        events = events.slice(more);
      }
    }
    this.ring.floor = floor;
    for (const event of events) this.ring.push(event);
    this.ring.head = this.journal.seq;
  }
}
