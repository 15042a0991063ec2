import { availableParallelism } from 'node:os';
import { log } from '../log.mjs';
import { Problem } from '../problem.mjs';
import { Attendant } from './attendant.mjs';
import { kinds, refuseOtherLr } from './kinds.mjs';
import { modelFolders } from './models.mjs';

/**
 * @import { Run } from '../runs/run.mjs'
 * @import { Store } from '../runs/store.mjs'
 * @import { State } from '../runs/summary.mjs'
 * @import { End } from './attendant.mjs'
 *
 * @typedef {object} Places
 * @property {string} [data] folder of data that jobs may name
 * @property {string} [models] folder of models that jobs may name
 */

/** Starts jobs, some at a time, and does what clients wish of them. */
export class Scheduler {
  /** @type {Map<Run, Attendant | undefined>} */
  #running = new Map();
  /** Wishes of clients for jobs that have threads, or are about to. @type {Map<Run, 'pause' | 'cancel'>} */
  #wishes = new Map();
  /** The last of the changes of state that were begun, for each run. @type {Map<Run, Promise<void>>} */
  #turns = new Map();
  /** @type {Run[]} */
  #queue = [];
  /** Jobs that are about to wait. */
  #adding = 0;
  #closing = false;
  #ended = () => {};

  /** @param {Store} store @param {Places} places */
  constructor(store, places) {
    this.store = store;
    this.limits = store.limits;
    this.places = { store, models: places.models };
    this.data = places.data;
    this.threads = Math.max(1, Math.floor(availableParallelism() / this.limits.running));
  }

  get running() {
    return this.#running.size;
  }

  get queued() {
    return this.#queue.length;
  }

  get isClosing() {
    return this.#closing;
  }

  /** Takes up what an earlier server has left: every run that has not ended waits again, or fails with its reason. */
  async recover() {
    const reason = 'server restarted';
    for (const run of this.store.runs) {
      const { state } = run.summary;
      try {
        if (run.ended && !run.known) await this.store.seal(run);
        if (run.ended || state === 'paused') continue;
        if (state === 'pausing') await this.#tell(run, 'paused', reason);
        else if (state === 'cancelling') await this.#end(run, 'cancelled', reason);
        else if (this.#isHopeless(run)) await this.#giveUp(run, reason);
        else {
          if (state !== 'queued') await this.#tell(run, 'queued', reason);
          this.#queue.push(run);
        }
      } catch (error) {
        this.#lose(run, error);
      }
    }
    this.#next();
  }

  /**
   * @param {string} kind
   * @param {Record<string, any>} params
   * @param {string | undefined} key
   */
  async add(kind, params, key) {
    this.#refuseWhereFull();
    this.#adding += 1;
    try {
      // Models that are not there are said at once.
      await modelFolders(params, this.places);
      const run = await this.store.create(kind, params, key);
      await this.#inTurn(run, async () => {
        await this.#tell(run, 'queued');
        this.#queue.push(run);
      });
      return run;
    } finally {
      this.#adding -= 1;
      this.#next();
    }
  }

  /** @param {Run} run */
  pause(run) {
    return this.#inTurn(run, () => this.#pause(run));
  }

  /** @param {Run} run */
  resume(run) {
    return this.#inTurn(run, () => this.#resume(run));
  }

  /** @param {Run} run */
  cancel(run) {
    return this.#inTurn(run, () => this.#cancel(run));
  }

  /** @param {Run} run */
  async #pause(run) {
    const { state } = run.summary;
    if (state === 'paused' || state === 'pausing') return;
    if (state !== 'running' && state !== 'queued')
      throw new Problem('ERR_STATE', `a run that is ${state} cannot be paused`);
    if (this.#leaveQueue(run)) return this.#tell(run, 'paused', 'asked for');
    this.#wish(run, 'pause');
    await this.#tell(run, 'pausing', 'asked for');
  }

  /** @param {Run} run */
  async #resume(run) {
    const { state } = run.summary;
    if (state === 'queued' || state === 'running') return;
    if (state !== 'paused' || this.#running.has(run))
      throw new Problem('ERR_STATE', `a run that is ${state} cannot be resumed`);
    this.#refuseWhereFull();
    this.#adding += 1;
    try {
      await this.#tell(run, 'queued', 'resumed');
      this.#queue.push(run);
    } finally {
      this.#adding -= 1;
    }
    this.#next();
  }

  /** @param {Run} run */
  async #cancel(run) {
    const { state } = run.summary;
    if (state === 'cancelled' || state === 'cancelling') return;
    if (run.ended) throw new Problem('ERR_STATE', `a run that is ${state} cannot be cancelled`);
    this.#leaveQueue(run);
    if (!this.#running.has(run)) return this.#end(run, 'cancelled', 'asked for');
    this.#wish(run, 'cancel');
    await this.#tell(run, 'cancelling', 'asked for');
  }

  /** @param {Run} run */
  checkpoint(run) {
    const attendant = this.#running.get(run);
    if (run.summary.state !== 'running' || !attendant || !kinds[run.manifest.kind].trains)
      throw new Problem('ERR_STATE', 'only a run that trains at the moment can save');
    attendant.wish({ type: 'save' });
  }

  /** Rates from the next step on. @param {Run} run @param {Record<string, number>} values */
  change(run, values) {
    return this.#inTurn(run, () => this.#change(run, values));
  }

  /** @param {Run} run @param {Record<string, number>} values */
  async #change(run, values) {
    if (!kinds[run.manifest.kind].trains) throw new Problem('ERR_STATE', 'only runs that train have rates');
    if (run.ended) throw new Problem('ERR_STATE', `a run that is ${run.summary.state} cannot be changed`);
    refuseOtherLr(String(run.manifest.params.optimizer), values, 'change');
    run.requests = Math.max(run.requests, run.summary.changes.length) + 1;
    const request = run.requests;
    if (request > this.limits.changes) throw new Problem('ERR_LIMIT', `a run takes ${this.limits.changes} changes`);
    await this.store.append(run, 'change', { request, values });
    await this.store.journal.sync(run.journal);
    this.#running.get(run)?.wish({ type: 'change', change: { request, values } });
  }

  /** @param {Run} run */
  remove(run) {
    return this.#inTurn(run, async () => {
      if (!run.ended || this.#running.has(run))
        throw new Problem('ERR_STATE', `a run that is ${run.summary.state} cannot be deleted: cancel it first`);
      await this.store.remove(run);
    });
  }

  /** Training jobs save, and all threads end; they go on when a server starts again. */
  async close() {
    this.#closing = true;
    for (const attendant of this.#running.values()) attendant?.wish({ type: 'pause' });
    const late = new Promise((resolve) => setTimeout(resolve, this.limits.goodbye, 'late').unref());
    while (this.#running.size > 0) {
      const ended = new Promise((resolve) => {
        this.#ended = () => resolve('ended');
      });
      if ((await Promise.race([ended, late])) === 'late') break;
    }
    await Promise.all([...this.#running.values()].map((attendant) => attendant?.worker.terminate()));
  }

  /**
   * Changes of a run's state come one after the other: each looks at what the one before has written.
   *
   * @param {Run} run
   * @param {() => Promise<void>} change
   */
  async #inTurn(run, change) {
    const before = this.#turns.get(run) ?? Promise.resolve();
    const own = before.then(change);
    const turn = own.catch(() => {});
    this.#turns.set(run, turn);
    try {
      await own;
    } catch (error) {
      if (/** @type {Problem} */ (error).code === 'ERR_IO' && !this.#running.has(run)) this.#lose(run, error);
      throw error;
    } finally {
      if (this.#turns.get(run) === turn) this.#turns.delete(run);
    }
  }

  #refuseWhereFull() {
    if (this.#closing) throw new Problem('ERR_LIMIT', 'the server is about to end', { 'Retry-After': '10' });
    if (this.#queue.length + this.#adding >= this.limits.queued)
      throw new Problem('ERR_LIMIT', `${this.limits.queued} jobs wait already`, { 'Retry-After': '10' });
  }

  /** @param {Run} run @param {'pause' | 'cancel'} type */
  #wish(run, type) {
    this.#wishes.set(run, type);
    this.#running.get(run)?.wish({ type });
  }

  /** @param {Run} run */
  #leaveQueue(run) {
    const place = this.#queue.indexOf(run);
    if (place >= 0) this.#queue.splice(place, 1);
    return place >= 0;
  }

  #next() {
    while (!this.#closing && this.#running.size < this.limits.running) {
      // One whose last thread is about to end waits for that.
      const run = this.#queue.find((other) => !this.#running.has(other));
      if (!run) return;
      this.#leaveQueue(run);
      void this.#start(run);
    }
  }

  /** @param {Run} run */
  async #start(run) {
    this.#running.set(run, undefined);
    try {
      const { init, models } = await modelFolders(run.manifest.params, this.places);
      await this.store.append(run, 'start', { from: run.summary.checkpoints.at(-1)?.step ?? 0 });
      if (!this.#wishes.has(run)) await this.#tell(run, 'running');
      const checkpoint = run.summary.checkpoints.at(-1)?.step;
      const job = {
        kind: run.manifest.kind,
        trains: kinds[run.manifest.kind].trains,
        params: run.manifest.params,
        folder: run.folder,
        data: this.data,
        models,
        init,
        checkpoint,
        known: run.summary.step,
        changes: run.summary.changes.filter(({ step }) => step === undefined || step >= (checkpoint ?? 0)),
        threads: this.threads,
      };
      const attendant = new Attendant(this.store, run, job, (end) => void this.#threadEnded(run, end));
      this.#running.set(run, attendant);
      const wish = this.#closing ? 'pause' : this.#wishes.get(run);
      if (wish) attendant.wish({ type: wish });
    } catch (error) {
      const { code = 'ERR_INTERNAL', message } = /** @type {Problem} */ (error);
      await this.#threadEnded(run, { how: 'failed', code, reason: error instanceof Problem ? message : undefined });
    }
  }

  /** @param {Run} run @param {End} end */
  async #threadEnded(run, end) {
    await this.#inTurn(run, async () => {
      await this.#writeEnd(run, end).catch((error) => this.#lose(run, error));
      this.#wishes.delete(run);
      this.#running.delete(run);
    });
    this.#ended();
    this.#next();
  }

  /** The end of a run without a journal, known to this server alone. @param {Run} run @param {unknown} error */
  #lose(run, error) {
    log('the state of a run cannot be written', { run: run.id, error: String(error) });
    this.#leaveQueue(run);
    if (!run.ended)
      Object.assign(run.summary, { state: 'failed', code: 'ERR_IO', reason: 'its journal cannot be written' });
  }

  /** @param {Run} run @param {End} end */
  async #writeEnd(run, { how, reason, code }) {
    const wish = this.#wishes.get(run);
    if (how === 'failed') await this.#end(run, 'failed', reason ?? 'the log of the server says why', code);
    else if (how === 'done') await this.#end(run, 'done');
    else if (wish === 'cancel') await this.#end(run, 'cancelled', 'asked for');
    else if (wish === 'pause') await this.#tell(run, 'paused', `asked for${unsaved(run)}`);
    else if (this.#closing) await this.#tell(run, 'queued', `server stopped${unsaved(run)}`);
    else if (this.#isHopeless(run)) await this.#giveUp(run, reason ?? 'its thread ended');
    else {
      await this.#tell(run, 'queued', reason ?? 'its thread ended');
      this.#queue.push(run);
    }
  }

  /** True for a run that was started often and came to nothing new. @param {Run} run */
  #isHopeless(run) {
    return run.summary.attempts >= this.limits.attempts;
  }

  /** @param {Run} run @param {string} reason */
  #giveUp(run, reason) {
    return this.#end(run, 'failed', `${reason}, ${run.summary.attempts} times without a step between`, 'ERR_STATE');
  }

  /** @param {Run} run @param {State} state @param {string} [reason] @param {string} [code] */
  #tell(run, state, reason, code) {
    return this.store.append(run, 'state', { state, reason, code });
  }

  /** @param {Run} run @param {State} state @param {string} [reason] @param {string} [code] */
  async #end(run, state, reason, code) {
    await this.#tell(run, state, reason, code);
    await this.store.seal(run);
  }
}

/** Words for steps that a full disk has kept from being saved. @param {Run} run */
function unsaved({ summary: { step, checkpoints } }) {
  const last = checkpoints.at(-1)?.step ?? 0;
  return step > last ? `; steps after ${last} are not saved` : '';
}
