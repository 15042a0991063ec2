// One call, each of whose requests for memory fails in turn.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** The file that the addon under test takes its orders from: fail_at, lasting, requests, failed, live, failed_blocks, live_blocks. */
export class Orders {
  #file;
  #lasting;

  /** @param {string} name @param {boolean} lasting whether all requests after the first fail too */
  constructor(name, lasting) {
    this.#file = openSync(name, 'r+');
    this.#lasting = lasting;
  }

  /** The request with this number fails, from now on; counts begin anew. */
  failAt(number) {
    const data = BigInt64Array.of(BigInt(number), BigInt(this.#lasting), 0n, 0n);
    writeSync(this.#file, Buffer.from(data.buffer), 0, 32, 0);
  }
  count() {
    this.failAt(2n ** 62n);
  }
  /** No more failures; the counts stay. */
  stop() {
    writeSync(this.#file, new Uint8Array(8), 0, 8, 0);
  }

  get counts() {
    const data = new BigInt64Array(7);
    readSync(this.#file, Buffer.from(data.buffer), 0, 56, 0);
    const [requests, failed, live, failedBlocks, liveBlocks] = Array.from(data.subarray(2), Number);
    return { requests, failed, live, failedBlocks, liveBlocks };
  }

  close() {
    closeSync(this.#file);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @typedef {{ name: string, reset: () => unknown, call: () => unknown, results: () => Promise<string[]>,
 *   inputs: () => Promise<string[]>, opens?: boolean }} Case `call` works on what `reset` makes anew; `results` are the bits
 *   that must be right, `inputs` must stay; `opens`: the call opens devices
 */
export class Checker {
  summary = { cases: 0, requests: 0, failures: 0, recovered: 0 };
  problems = [];
  sitting = 0;
  sittings = 1;
  #asked = 0;

  /** @param {{ device: any, orders: Orders, OrthokitError: any, most: number, lasting: boolean, queued: boolean,
   *   sitting?: number, sittings?: number }} given of several sittings, each takes its share of the calls */
  constructor(given) {
    Object.assign(this, given);
  }

  /** Not all examples are tried where not all requests are: the first and the last. */
  sampled(list) {
    return this.most < 1000 ? [...new Set([list[0], list.at(-1)])] : list;
  }

  /** Blocks that are in use when nothing is under way, after a collection of this kind. */
  async hostBlocks(kind) {
    await this.device.synchronize();
    if (kind === 'young') globalThis.gc({ type: 'minor' });
    else globalThis.gc();
    await new Promise(setImmediate); // finalizers
    return this.orders.counts.live;
  }

  /**
   * Blocks once no object waits for the collector: finalizers and threads that close devices take a while. Where a whole
   * collection finds no more than one of the young, there is none.
   */
  async steadyBlocks() {
    let blocks = await this.hostBlocks('young');
    for (let i = 0; i < 50; i++) {
      if (i > 2) await pause(10);
      const before = blocks;
      blocks = await this.hostBlocks();
      if (blocks === before) break;
    }
    return blocks;
  }

  /** Blocks beyond `steady` that no collection gives back. A whole one is made only where one of the young is not enough. */
  async leakedBlocks(steady) {
    let blocks = await this.hostBlocks('young');
    for (let i = 0; i < 100 && blocks > steady; i++) {
      if (i > 4) await pause(10);
      blocks = await this.hostBlocks();
    }
    return blocks - steady;
  }

  /** @param {Case} one */
  async check(one) {
    // Only new devices ask for blocks: they are in each sitting.
    if (!one.opens && this.#asked++ % this.sittings !== this.sitting) return;
    const { name, reset, results, inputs } = one;
    for (let i = 0; i < 2; i++) {
      await reset();
      await this.#run(one);
    }
    await reset();
    await this.device.synchronize();
    this.orders.count();
    await this.#run(one);
    const { requests } = this.orders.counts;
    this.orders.stop();
    const expected = await results();
    await reset();
    const right = { expected, before: await inputs(), tensors: this.device.info.memory.live };
    this.summary.cases++;
    this.summary.requests += requests;
    // A new device has an empty pool: blocks are asked for, and few enough that all may fail.
    const last = Math.min(requests, one.opens ? Math.max(this.most, 50) : this.most);
    // Some of them are tried, and spread.
    const numberOf = (i) => (requests > last ? Math.ceil((i * requests) / last) : i);
    // The first failures leave for ever: words of errors, room in queues and pools.
    for (const i of [1, last]) if (last > 0) await this.#fail(one, numberOf(i), right);
    const host = await this.steadyBlocks();
    const known = this.problems.length;
    for (let i = 1; i <= last && this.problems.length <= known + 2; i++) {
      await this.#fail(one, numberOf(i), right);
      if (one.opens) await this.hostBlocks(); // a device at a time for the collector
    }
    const leaked = await this.leakedBlocks(host);
    // A device that finds no memory for the thread that closes it stays until the process ends.
    if (leaked > 0 && !(this.lasting && one.opens))
      this.problems.push(`${name}: ${leaked} blocks of host memory leaked in ${last} failures`);
  }

  async #run({ call }) {
    await call();
    if (this.queued) await this.device.synchronize();
  }

  async #fail(one, number, { expected, before, tensors }) {
    const { name, reset, results, inputs } = one;
    const { device, orders } = this;
    const say = (what) => this.problems.push(`${name}, request ${number}: ${what}`);
    await reset();
    await device.synchronize();
    writeSync(2, `${name}, request ${number}\n`); // the last words of a process that crashes
    orders.failAt(number);
    let error;
    try {
      await this.#run(one);
    } catch (thrown) {
      error = thrown;
    }
    const { failed } = orders.counts;
    orders.stop();
    if (failed > 0) this.summary.failures++;
    if (error && !(error instanceof this.OrthokitError && error.code === 'ERR_MEMORY'))
      say(`threw ${error.code} ${error.stack}`);
    if (error && failed === 0) say(`threw ${error} though nothing failed`);
    let late;
    await device.synchronize().catch((thrown) => {
      late = thrown;
      if (late.code !== 'ERR_MEMORY' || failed === 0) say(`later ${late}`);
    });
    if (!error && !late && failed > 0) {
      this.summary.recovered++;
      if (String(await results()) !== String(expected)) say('went on with wrong bits');
    }
    if (String(await inputs()) !== String(before)) say('an input was changed');
    await reset();
    await this.#run(one);
    if (String(await results()) !== String(expected)) say('the same call then gives other bits');
    await reset();
    const left = device.info.memory.live - tensors;
    if (left > 0) say(`${left} tensors leaked`);
    await device.synchronize();
  }
}
