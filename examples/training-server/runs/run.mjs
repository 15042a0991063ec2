import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { linesOf } from './lines.mjs';
import { emptySummary, ended, follow } from './summary.mjs';

/**
 * @typedef {object} Manifest what a run is; written once, and again with its summary when it has ended
 * @property {1} version
 * @property {string} id
 * @property {string} kind
 * @property {Record<string, unknown>} params
 * @property {number} created milliseconds since 1970
 * @property {string} [key] by which a client may ask again for the same run
 * @property {import('./summary.mjs').Summary} [summary]
 * @property {number} [bytes] of its journal
 */

/** Bytes of a journal between places that are remembered. */
const stretch = 65_536;

/** A run: its folder, and what its journal adds up to. */
export class Run {
  /** Every so many bytes a place in the journal. @type {{ seq: number, step: number, offset: number }[]} */
  #places = [];
  /** @type {Promise<void> | undefined} */
  #reading;

  /** @param {string} folder @param {Manifest} manifest */
  constructor(folder, manifest) {
    this.folder = folder;
    this.manifest = manifest;
    this.id = manifest.id;
    this.summary = manifest.summary ?? emptySummary();
    /** Changes that were asked for so far. */
    this.requests = 0;
    /** Bytes of the journal that are written and told. */
    this.bytes = manifest.bytes ?? 0;
    this.journal = path.join(folder, 'events.jsonl');
    // The manifest of an ended run tells all but places, which are read again.
    this.known = manifest.summary !== undefined;
  }

  /** @param {string} root @param {string} id */
  static async open(root, id) {
    const folder = path.join(root, 'runs', id);
    const run = new Run(folder, JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')));
    if (!run.known) await run.#read();
    return run;
  }

  get ended() {
    return ended.includes(this.summary.state);
  }

  /** @param {import('./journal.mjs').Event} event @param {{ start: number, end: number }} place */
  follow(event, { start, end }) {
    this.#remember(event.seq, this.summary.step, start);
    follow(this.summary, event);
    this.bytes = end;
  }

  /** Reads the journal of a run that has not ended. */
  async #read() {
    for await (const lines of linesOf(this.journal))
      for (const { text, start, end } of lines) this.follow(JSON.parse(text), { start, end });
  }

  /**
   * Lines of the journal whose events come after a number.
   *
   * @param {number} seq
   * @returns {AsyncGenerator<{ seq: number, text: string }[]>}
   */
  async *after(seq) {
    await this.#placesRead();
    const from = this.#placeBefore((place) => place.seq <= seq + 1);
    for await (const lines of linesOf(this.journal, from, this.bytes)) {
      const later = lines.map(({ text }) => ({ seq: seqOf(text), text })).filter((line) => line.seq > seq);
      if (later.length > 0) yield later;
    }
  }

  /** The last lines, and whether they are all. @param {number} bytes */
  async tail(bytes) {
    const from = Math.max(0, this.bytes - bytes);
    const found = [];
    for await (const lines of linesOf(this.journal, from, this.bytes))
      for (const { text } of lines) found.push({ seq: seqOf(text), text });
    // The first one may have lost its beginning.
    return { lines: from > 0 ? found.slice(1) : found, whole: from === 0 };
  }

  /**
   * Numbers of steps, from one on.
   *
   * @param {number} step
   * @returns {AsyncGenerator<{ first: number, columns: Record<string, (number | string | null)[]> }[]>}
   */
  async *metrics(step) {
    await this.#placesRead();
    const from = this.#placeBefore((place) => place.step < step);
    for await (const lines of linesOf(this.journal, from, this.bytes))
      yield lines.filter(({ text }) => isMetrics(text)).map(({ text }) => JSON.parse(text));
  }

  /** @param {(place: { seq: number, step: number }) => boolean} isBefore */
  #placeBefore(isBefore) {
    return this.#places.findLast(isBefore)?.offset ?? 0;
  }

  /** @param {number} seq @param {number} step @param {number} offset */
  #remember(seq, step, offset) {
    if (offset - (this.#places.at(-1)?.offset ?? 0) >= stretch) this.#places.push({ seq, step, offset });
  }

  async #placesRead() {
    if (!this.known) return;
    this.#reading ??= this.#readPlaces();
    await this.#reading;
  }

  async #readPlaces() {
    let step = 0;
    for await (const lines of linesOf(this.journal, 0, this.bytes))
      for (const { text, start } of lines) {
        this.#remember(seqOf(text), step, start);
        if (isMetrics(text)) step = firstOf(text);
      }
  }
}

/** The number of an event, which stands first in its line. @param {string} text */
export const seqOf = (text) => Number(/^\{"seq":(\d+),/.exec(text)?.[1]);
/** @param {string} text */
const firstOf = (text) => Number(/"type":"metrics","first":(\d+),/.exec(text)?.[1]);
/** The type of an event, which stands before all that others may have written. @param {string} text */
export const typeOf = (text) => /"type":"(\w+)"/.exec(text)?.[1] ?? '';
/** @param {string} text */
const isMetrics = (text) => typeOf(text) === 'metrics';
