import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { log } from '../log.mjs';
import { unknownPart } from '../runs/metrics.mjs';
import { checkpointFolder } from '../work/checkpoint.mjs';

/**
 * @import { Run } from '../runs/run.mjs'
 * @import { Store } from '../runs/store.mjs'
 * @import { Job } from '../work/worker.mjs'
 *
 * @typedef {object} End how the thread of a job ended
 * @property {'done' | 'paused' | 'cancelled' | 'failed' | 'lost'} how `lost` without a word
 * @property {string | undefined} [reason]
 * @property {string | undefined} [code]
 */

/** Megabytes of JavaScript's heap that a job may take. */
const heap = 2048;

/** The thread of one job, and the pen that writes down what it tells. */
export class Attendant {
  /** @type {End | undefined} */
  #end;
  #known;
  /** @type {Promise<void>} */
  #written = Promise.resolve();

  /**
   * @param {Store} store
   * @param {Run} run
   * @param {Job} job
   * @param {(end: End) => void} onEnd when the thread has ended, and all that it told is written
   */
  constructor(store, run, job, onEnd) {
    this.store = store;
    this.run = run;
    this.#known = job.known;
    this.worker = new Worker(new URL('../work/worker.mjs', import.meta.url), {
      workerData: job,
      resourceLimits: { maxOldGenerationSizeMb: heap },
    });
    this.worker.on('message', (message) => this.#take(message));
    this.worker.on('error', (error) => {
      log('a thread failed', { job: run.id, error: error.stack });
      this.#end ??= {
        how: 'lost',
        reason: /** @type {any} */ (error).code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it took too much memory' : undefined,
      };
    });
    this.worker.on('exit', () => {
      void this.#written.then(() => onEnd(this.#end ?? { how: 'lost' }));
    });
  }

  /** @param {{ type: 'pause' | 'cancel' | 'save' } | { type: 'change', change: { request: number, values: Record<string, number> } }} wish */
  wish(wish) {
    this.worker.postMessage(wish);
  }

  /** @param {any} message */
  #take({ type, ...fields }) {
    if (type === 'ended') this.#end = { how: fields.state };
    else if (type === 'failed') {
      log('a job failed', { job: this.run.id, error: fields.stack });
      this.#end = { how: 'failed', code: fields.code, reason: fields.message && withoutPaths(fields.message) };
    } else
      this.#written = Promise.all([this.#written, this.#write(type, fields)]).then(
        () => {},
        (error) => this.#cannotWrite(error),
      );
    if (this.run.bytes > this.store.limits.journalBytes && !this.#end) {
      this.#end = { how: 'failed', code: 'ERR_STATE', reason: 'its journal is as long as the server takes' };
      void this.worker.terminate();
    }
  }

  /** A job ends whose news cannot be written. @param {unknown} error */
  #cannotWrite(error) {
    log('what a job tells cannot be written', { job: this.run.id, error: String(error) });
    this.#end = { how: 'failed', code: 'ERR_IO', reason: 'its journal cannot be written' };
    void this.worker.terminate();
  }

  /** @param {string} type @param {any} fields */
  async #write(type, fields) {
    const part = type === 'metrics' ? unknownPart(fields, this.#known) : fields;
    if (type === 'metrics' && part) this.#known = part.first + part.columns.loss.length - 1;
    if (part) await this.store.append(this.run, type, part);
    if (type === 'checkpoint') await this.#checkpointWritten(fields.step);
    this.worker.postMessage({ type: 'written' });
  }

  /** Lets go of the checkpoints before, those of earlier starts included. @param {number} step */
  async #checkpointWritten(step) {
    await this.store.journal.sync(this.run.journal);
    const kept = this.run.summary.checkpoints.map((checkpoint) => checkpoint.step);
    const folders = await readdir(path.dirname(checkpointFolder(this.run.folder, step)));
    // The thread may be writing a later one at this moment.
    for (const old of folders.map(Number).filter((other) => other < step && !kept.includes(other)))
      await rm(checkpointFolder(this.run.folder, old), { recursive: true, force: true });
  }
}

/** Messages of the package name files; clients have no business with them. @param {string} message */
export const withoutPaths = (message) =>
  message.replaceAll(/(?:\/[^\s'",:;/]+)+\/([^\s'",:;/]+)/g, (_, /** @type {string} */ name) => path.basename(name));
