/**
 * The last events of all runs, in the order of their numbers: what clients that come back have missed.
 *
 * @typedef {object} Entry
 * @property {number} seq
 * @property {string} job
 * @property {string} type
 * @property {string} text one line of JSON
 * @property {number} offset bytes of all texts before it
 */
export class Ring {
  /** @type {Entry[]} */
  #entries = [];
  #first = 0;
  #bytes = 0;

  /** @param {number} size */
  constructor(size) {
    this.size = size;
    /** All events above this number are here. */
    this.floor = 0;
    /** The number of the last event. */
    this.head = 0;
  }

  /** Bytes of all events so far. */
  get bytes() {
    return this.#bytes;
  }

  /** @param {Omit<Entry, 'offset'>} event */
  push({ seq, job, type, text }) {
    this.#entries.push({ seq, job, type, text, offset: this.#bytes });
    this.#bytes += text.length;
    this.head = seq;
    if (this.#entries.length - this.#first > this.size) {
      this.floor = this.#entries[this.#first].seq;
      this.#first += 1;
    }
    // Entries that fell out are let go by halves, so that each is moved once.
    if (this.#first > this.size) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Events after a number, at most so many. @param {number} seq @param {number} count @returns {Entry[]} */
  after(seq, count) {
    const from = this.#place(seq);
    return this.#entries.slice(from, from + count);
  }

  /** Bytes of events after a number. @param {number} seq */
  bytesAfter(seq) {
    const entry = this.#entries[this.#place(seq)];
    return entry ? this.#bytes - entry.offset : 0;
  }

  /** The place of the first event above a number. @param {number} seq */
  #place(seq) {
    let [low, high] = [this.#first, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle].seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
