import { typeOf } from '../runs/run.mjs';
import { whenGone } from './long-answer.mjs';

/**
 * @import { ServerResponse } from 'node:http'
 * @import { Store } from '../runs/store.mjs'
 * @import { Run } from '../runs/run.mjs'
 */

/** Events that are written at once. */
const piece = 64;
const heartbeat = 15_000;

/** Clients that listen to events: each has a place in the sequence, and is given what comes after it. */
export class Streams {
  /** @type {Set<Client>} */
  #clients = new Set();

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.limits = store.limits;
    /** Events that were written, and clients that were dropped. */
    this.sent = 0;
    this.dropped = 0;
    store.listen(() => {
      for (const client of this.#clients) client.wake();
    });
    setInterval(() => {
      for (const client of this.#clients) client.beat();
    }, heartbeat).unref();
  }

  get size() {
    return this.#clients.size;
  }

  get isFull() {
    return this.#clients.size >= this.limits.clients;
  }

  /**
   * @param {ServerResponse} response
   * @param {{ after: number | undefined, run?: Run }} from the last event that the client has seen, if any
   */
  open(response, { after, run }) {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    });
    const client = new Client(this, response, after ?? (run ? 0 : this.store.ring.head), run);
    this.#clients.add(client);
    whenGone(response, () => {
      this.#clients.delete(client);
      client.end();
    });
    response.write('retry: 2000\n\n');
    client.wake();
  }

  /** Tells all clients to come back later. */
  close() {
    for (const client of this.#clients) client.close();
  }
}

class Client {
  #busy = false;
  #ended = false;
  /** True once it has had all that there was: from then on it must keep up. */
  #isLive = false;

  /** @param {Streams} streams @param {ServerResponse} response @param {number} after @param {Run | undefined} run */
  constructor(streams, response, after, run) {
    this.streams = streams;
    this.response = response;
    this.after = after;
    this.run = run;
  }

  /** There is something new, perhaps. */
  wake() {
    const { ring } = this.streams.store;
    if (!this.#busy) void this.#pump().catch(() => this.drop());
    else if (this.#isLive && ring.bytesAfter(this.after) > this.streams.limits.waitingBytes) this.drop();
  }

  beat() {
    if (!this.#busy) this.response.write(': still here\n\n');
  }

  /** A client that does not take what comes is not waited for. It may come back, and gets what it missed. */
  drop() {
    if (this.#ended) return;
    this.streams.dropped += 1;
    this.#ended = true;
    this.response.destroy();
  }

  close() {
    this.#ended = true;
    this.response.end();
  }

  end() {
    this.#ended = true;
  }

  async #pump() {
    this.#busy = true;
    const { ring } = this.streams.store;
    if (this.after > ring.head) await this.#resync();
    while (!this.#ended && this.after < ring.head) {
      if (this.after < ring.floor) await this.#catchUp();
      else await this.#sendRecent();
    }
    this.#isLive = true;
    this.#busy = false;
  }

  /** Events that memory no longer has: of one run from its journal, of all runs it is too much. */
  async #catchUp() {
    const { ring } = this.streams.store;
    if (!this.run) return this.#resync();
    const floor = ring.floor;
    for await (const lines of this.run.after(this.after)) {
      if (this.#ended) return;
      await this.#write(lines.map(({ seq, text }) => frame(seq, typeOf(text), text)).join(''));
      this.streams.sent += lines.length;
      this.after = lines[lines.length - 1].seq;
    }
    this.after = Math.max(this.after, floor);
  }

  /** The client must ask for runs and curves anew: what is between cannot be told. */
  async #resync() {
    const { head } = this.streams.store.ring;
    const data = JSON.stringify({ from: this.after, to: head });
    this.after = head;
    await this.#write(`event: resync\nid: ${head}\ndata: ${data}\n\n`);
  }

  async #sendRecent() {
    const entries = this.streams.store.ring.after(this.after, piece);
    const own = this.run ? entries.filter(({ job }) => job === this.run?.id) : entries;
    const text = own.map((entry) => frame(entry.seq, entry.type, entry.text)).join('');
    this.after = entries.at(-1)?.seq ?? this.streams.store.ring.head;
    this.streams.sent += own.length;
    if (text !== '') await this.#write(text);
  }

  /** Resolves when the client's connection takes more. @param {string} text */
  async #write(text) {
    if (this.response.write(text)) return;
    const late = setTimeout(() => this.drop(), this.streams.limits.drainTime);
    await new Promise((resolve) => {
      const go = () => {
        this.response.off('drain', go).off('close', go);
        resolve(undefined);
      };
      this.response.on('drain', go).on('close', go);
    });
    clearTimeout(late);
  }
}

/** @param {number} seq @param {string} type @param {string} text */
const frame = (seq, type, text) => `id: ${seq}\nevent: ${type}\ndata: ${text}\n\n`;
