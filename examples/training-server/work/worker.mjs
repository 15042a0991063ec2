// The thread of one job. It knows folders and numbers; what a client hears of it, the main thread writes down first.
import { parentPort, workerData } from 'node:worker_threads';
import { JobError } from './job-error.mjs';

/**
 * @typedef {object} Job
 * @property {string} kind
 * @property {boolean} trains
 * @property {Record<string, any>} params
 * @property {string} folder of the run
 * @property {string | undefined} data folder of data
 * @property {{ base?: string | undefined, donor?: string | undefined, models?: string[] | undefined }} models folders
 * @property {string | undefined} init folder of the model that training begins from
 * @property {number | undefined} checkpoint the step to go on from
 * @property {number} known the last step whose numbers are in the journal
 * @property {import('../runs/summary.mjs').Change[]} changes
 * @property {number} threads
 *
 * @typedef {object} Control what the owner wishes, and what he hears
 * @property {'pause' | 'cancel' | undefined} wish
 * @property {boolean} save
 * @property {import('../runs/summary.mjs').Change[]} changes
 * @property {AbortSignal} signal
 * @property {(message: { type: string, [field: string]: unknown }) => void} post
 * @property {() => Promise<void>} room resolves when not much is on the way to the journal
 */

/** Messages that may be on the way. */
const most = 8;
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const abort = new AbortController();
let onWay = 0;
let wake = () => {};

/** @type {Control} */
const control = {
  wish: undefined,
  save: false,
  changes: [],
  signal: abort.signal,
  post(message) {
    onWay += 1;
    port.postMessage(message);
  },
  async room() {
    // A turn of the event loop, in which messages come in.
    await new Promise((resolve) => setImmediate(resolve));
    while (onWay >= most) await new Promise((resolve) => (wake = () => resolve(undefined)));
  },
};

port.on('message', (message) => {
  if (message.type === 'written') onWay -= 1;
  if (message.type === 'save') control.save = true;
  if (message.type === 'change') control.changes.push(message.change);
  if (message.type === 'pause' || message.type === 'cancel') {
    control.wish = message.type;
    abort.abort();
  }
  wake();
});

/** @type {Job} */
const job = workerData;
try {
  // A thread loads what its own kind of job needs.
  const run = job.trains ? (await import('./train.mjs')).train : (await import('./folders.mjs')).makeModel;
  await run(job, control);
} catch (error) {
  const { code = 'ERR_INTERNAL', message, stack } = /** @type {JobError} */ (error);
  const isOurs = error instanceof JobError || /** @type {Error} */ (error).name === 'OrthokitError';
  control.post({ type: 'failed', code: isOurs ? code : 'ERR_INTERNAL', message: isOurs ? message : undefined, stack });
}
port.unref();
