// A node of DADAO that talks to neighbours it cannot rely on. It knows no sockets: frames come in by `receive` and go out by `send`.
//
// A communication has four messages: the lower node asks, the other one offers its vector and the time, the lower one commits the
// difference of both vectors, the other one says done. The lower node's commit, in its journal, is what decides: before it nothing has
// happened, after it the commit is sent until it is confirmed. So both sides move by the same difference, or neither does.
import { Tensor } from 'orthokit';
import { DadaoNode } from 'orthokit/decentralized';

/** @import { Device } from 'orthokit' */
/** @import { Frame } from './frames.mjs' */
/** @import { Journal } from './journal.mjs' */
/** @typedef {{ last: number, asked: number, unconfirmed?: Frame | undefined }} Neighbour */

/**
 * @typedef {object} Setup
 * @property {number} id
 * @property {readonly number[]} neighbours
 * @property {{ dim: number, mu: number, lipschitz: number, chi1Star: number }} method
 * @property {(x: Tensor, out: Tensor) => void} gradient
 * @property {Journal} journal
 * @property {(peer: number, frame: Frame) => void} send what it gives may be lost
 * @property {() => number} now units of time of this process
 * @property {(units: number, call: () => void) => () => void} later ends with a call of what it gives
 * @property {() => number} random in [0, 1)
 * @property {number} patience units of time that a node waits for an answer
 * @property {number} [rate] communications of an edge in a unit of time (none: only those of `ask`)
 * @property {number} [every] events between two snapshots
 */

export class Participant {
  counts = { gradients: 0, communications: 0, given: 0, late: 0, doubled: 0, refused: 0, resent: 0, replayed: 0 };
  /** @type {Map<number, Neighbour>} */
  neighbours = new Map();
  /** The neighbour that has been asked or has an offer, until it answers or patience ends: meanwhile no other event happens. */
  #engaged = /** @type {undefined | { peer: number, number: number, hasAsked: boolean, end: () => void }} */ (
    undefined
  );
  /** Time goes on from the last event, but not beyond a gradient event that is due. */
  #since = 0;
  #due = 0;
  #events = 0;
  #isOver = false;
  /** Calls wait for one another. */
  #turn = Promise.resolve();

  /** @param {Device} device @param {Setup} setup */
  constructor(device, setup) {
    this.device = device;
    this.setup = setup;
    this.node = new DadaoNode(device, setup.method);
    this.zeros = Tensor.zeros(device, [setup.method.dim]);
    for (const peer of setup.neighbours) this.neighbours.set(peer, { last: 0, asked: 0 });
  }

  /** From the snapshot and the events since, if there are any; then the node's own gradient events begin. */
  async start() {
    const { journal, gradient, id } = this.setup;
    const { snapshot, events } = journal.recover();
    if (snapshot) await this.node.load(snapshot);
    for (const { kind, peer, number, time, vector } of events) {
      const neighbour = this.#of(peer);
      if (kind === 'gradient') await this.node.gradientEvent(time, gradient);
      else neighbour.last = neighbour.asked = number;
      if (kind === 'commit') this.#move(time, /** @type {Float32Array} */ (vector));
      // It may have been confirmed already: once more does no harm.
      if (vector && id < peer) neighbour.unconfirmed = { kind: 'commit', peer: id, number, time, vector };
      if (kind === 'gradient' || kind === 'commit') this.counts.replayed += 1;
    }
    this.#since = this.setup.now();
    this.#due = this.node.time + this.#waiting();
    this.#plan();
    for (const peer of this.neighbours.keys()) {
      this.confirm(peer);
      this.#planEdge(peer);
    }
  }

  /** The node's own time. */
  get time() {
    return Math.max(this.node.time, Math.min(this.node.time + this.setup.now() - this.#since, this.#due));
  }

  get isEngaged() {
    return this.#engaged !== undefined;
  }

  /** Commits that neighbours have not confirmed. */
  get unconfirmed() {
    return [...this.neighbours.values()].filter(({ unconfirmed }) => unconfirmed).length;
  }

  /** Asks a neighbour of a higher number for a communication, unless one is under way. @param {number} peer */
  ask(peer) {
    return this.#inTurn(async () => {
      const neighbour = this.#of(peer);
      if (this.#isOver) return;
      if (this.#engaged || neighbour.unconfirmed) return this.#planEdge(peer, true);
      neighbour.asked += 1;
      this.#engage(peer, neighbour.asked, true);
      this.#send(peer, 'ask', neighbour.asked, this.time);
    });
  }

  /** Sends a commit that has not been confirmed; again while it has not. @param {number} peer */
  confirm(peer) {
    const { unconfirmed } = this.#of(peer);
    if (!unconfirmed) return;
    this.setup.send(peer, unconfirmed);
    this.setup.later(2 * this.setup.patience, () => {
      if (this.#of(peer).unconfirmed !== unconfirmed) return;
      this.counts.resent += 1;
      this.confirm(peer);
    });
  }

  /** A message of a neighbour. @param {Frame} frame @returns {Promise<void>} */
  receive(frame) {
    return this.#inTurn(async () => {
      const { kind, peer, number, time, vector } = frame;
      const neighbour = this.neighbours.get(peer);
      const isSound = Number.isFinite(time) && time >= 0 && (!vector || vector.every(Number.isFinite));
      if (!neighbour || !isSound) this.counts.refused += 1;
      else if (kind === 'ask') await this.#offer(peer, number, time);
      else if (kind === 'offer') await this.#commit(peer, number, time, /** @type {Float32Array} */ (vector));
      else if (kind === 'commit') await this.#follow(peer, number, time, /** @type {Float32Array} */ (vector));
      else if (kind === 'done' && neighbour.unconfirmed?.number === number) neighbour.unconfirmed = undefined;
      else if (kind === 'busy' && this.#isEngagedWith(peer, number, true)) {
        this.#release();
        this.#planEdge(peer, true);
      }
    });
  }

  /** No event begins any more; commits are still confirmed. */
  end() {
    this.#isOver = true;
    return this.#inTurn(async () => {});
  }

  /** Another snapshot. */
  snapshot() {
    return this.#inTurn(() => this.#snapshot());
  }

  dispose() {
    this.#isOver = true;
    this.#release();
    this.setup.journal.close();
    this.node.dispose();
    this.zeros.dispose();
  }

  /** @param {number} peer @param {number} number @param {number} time */
  async #offer(peer, number, time) {
    const { last } = this.#of(peer);
    if (number <= last) return this.#count('doubled');
    if (this.#isOver || (this.#engaged && this.#engaged.peer !== peer)) return this.#send(peer, 'busy', number, 0);
    const at = Math.max(time, this.time);
    this.#engage(peer, number, false);
    this.#send(peer, 'offer', number, at, await this.#message(at));
  }

  /** @param {number} peer @param {number} number @param {number} time @param {Float32Array} theirs */
  async #commit(peer, number, time, theirs) {
    // Of a communication that has been given up, or made.
    if (!this.#isEngagedWith(peer, number, true) || time < this.node.time) return this.#count('late');
    const mine = await this.#message(time);
    const vector = Float32Array.from(mine, (value, i) => value - theirs[i]);
    if (!vector.every(Number.isFinite)) return this.#count('refused');
    const neighbour = this.#of(peer);
    this.#communicate(peer, number, time, vector);
    neighbour.unconfirmed = { kind: 'commit', peer: this.setup.id, number, time, vector };
    this.#release();
    this.confirm(peer);
    this.#planEdge(peer);
    await this.#after();
  }

  /** @param {number} peer @param {number} number @param {number} time @param {Float32Array} difference */
  async #follow(peer, number, time, difference) {
    if (number <= this.#of(peer).last) this.counts.doubled += 1;
    else {
      const isExpected = this.#isEngagedWith(peer, number, false);
      // A commit counts whenever it comes: what both sides must agree on is moved back into place.
      if (!isExpected) this.counts.late += 1;
      this.#communicate(peer, number, Math.max(time, this.node.time), difference.map((value) => -value)); // biome-ignore format: one line
      if (isExpected) this.#release();
      await this.#after();
    }
    this.#send(peer, 'done', number, 0);
  }

  /** @param {number} peer @param {number} number @param {number} time @param {Float32Array} vector own less theirs */
  #communicate(peer, number, time, vector) {
    this.setup.journal.append({ kind: 'commit', peer, number, time, vector });
    this.#move(time, vector);
    const neighbour = this.#of(peer);
    neighbour.last = number;
    neighbour.asked = Math.max(neighbour.asked, number);
    this.#since = this.setup.now();
    this.counts.communications += 1;
  }

  /** @param {number} time @param {Float32Array} vector */
  #move(time, vector) {
    // Only the difference of the two messages counts.
    const difference = Tensor.from(this.device, vector, [vector.length]);
    this.node.receive(time, difference, this.zeros);
    difference.dispose();
  }

  /** @param {number} time @returns {Promise<Float32Array>} */
  async #message(time) {
    const message = this.node.message(time);
    const numbers = await message.read();
    message.dispose();
    return /** @type {Float32Array} */ (numbers);
  }

  #plan() {
    this.setup.later(Math.max(0, this.#due - this.time), () => {
      if (!this.#isOver) this.#inTurn(() => this.#gradient()).catch(fail);
    });
  }

  /** The next communication of an edge that this node asks for. @param {number} peer @param {boolean} [isDue] it could not be made */
  #planEdge(peer, isDue = false) {
    const { rate, patience, id, later, random } = this.setup;
    if (rate === undefined || id > peer) return;
    const wait = isDue ? (patience / 20) * (0.5 + random()) : this.#waiting() / rate;
    later(wait, () => this.ask(peer).catch(fail));
  }

  async #gradient() {
    if (this.#isOver) return;
    // It comes when the communication is over.
    if (this.#engaged) return void this.setup.later(this.setup.patience / 20, () => this.#plan());
    const time = Math.max(this.#due, this.node.time);
    this.setup.journal.append({ kind: 'gradient', peer: this.setup.id, number: 0, time });
    await this.node.gradientEvent(time, this.setup.gradient);
    this.#since = this.setup.now();
    this.#due = time + this.#waiting();
    this.counts.gradients += 1;
    await this.#after();
    this.#plan();
  }

  async #after() {
    this.#events += 1;
    if (this.#events >= (this.setup.every ?? 500) && !this.#engaged) await this.#snapshot();
  }

  #snapshot() {
    /** @type {Frame[]} */
    const first = [];
    for (const [peer, { last, unconfirmed }] of this.neighbours) {
      first.push({ kind: 'known', peer, number: last, time: this.node.time });
      if (unconfirmed) first.push({ ...unconfirmed, kind: 'unconfirmed', peer });
    }
    this.#events = 0;
    return this.setup.journal.renew((path) => this.node.save(path), first);
  }

  #waiting() {
    return -Math.log1p(-this.setup.random());
  }

  /** @param {number} peer @param {number} number @param {boolean} hasAsked */
  #engage(peer, number, hasAsked) {
    this.#release();
    const end = this.setup.later(this.setup.patience, () => {
      if (!this.#isEngagedWith(peer, number, hasAsked)) return;
      this.counts.given += 1;
      this.#release();
      if (hasAsked) this.#planEdge(peer);
    });
    this.#engaged = { peer, number, hasAsked, end };
  }

  #release() {
    this.#engaged?.end();
    this.#engaged = undefined;
  }

  /** @param {number} peer @param {number} number @param {boolean} hasAsked */
  #isEngagedWith(peer, number, hasAsked) {
    const own = this.#engaged;
    return own?.peer === peer && own.number === number && own.hasAsked === hasAsked;
  }

  /** @param {number} peer @param {Frame['kind']} kind @param {number} number @param {number} time @param {Float32Array} [vector] */
  #send(peer, kind, number, time, vector) {
    this.setup.send(peer, { kind, peer: this.setup.id, number, time, ...(vector && { vector }) });
  }

  /** @param {number} peer */
  #of(peer) {
    return this.neighbours.get(peer) ?? { last: 0, asked: 0 };
  }

  /** @param {'late' | 'doubled' | 'refused'} what */
  #count(what) {
    this.counts[what] += 1;
  }

  /** @param {() => Promise<void>} call */
  #inTurn(call) {
    const made = this.#turn.then(call);
    this.#turn = made.catch(() => {});
    return made;
  }
}

/** @param {unknown} error */
function fail(error) {
  throw error;
}
