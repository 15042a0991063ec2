// Messages of nodes as bytes, the same on the wire and in a journal: a length, a kind, a node, a number, a time, a vector.

/** Kinds of frames. The last three stand in journals only. */
export const kinds = /** @type {const} */ ([
  'ask',
  'offer',
  'commit',
  'done',
  'busy',
  'gradient',
  'known',
  'unconfirmed',
]);
/** Those that carry a vector; all others carry none. */
const withVector = new Set(['offer', 'commit', 'unconfirmed']);
/** Kind, node, number, time. */
const head = 1 + 2 + 4 + 8;

/**
 * `peer`: on the wire the node that sends it, in a journal the neighbour that it is about. `number`: of the communication between
 * the two.
 *
 * @typedef {{ kind: (typeof kinds)[number], peer: number, number: number, time: number, vector?: Float32Array }} Frame
 */

/** Bytes that are no frame of these nodes: nothing that follows them can be trusted. */
export class NoFrame extends Error {}

/** @param {Frame} frame */
export function bytesOf({ kind, peer, number, time, vector }) {
  const bytes = Buffer.alloc(4 + head + (vector?.byteLength ?? 0));
  bytes.writeUInt32LE(bytes.length - 4);
  bytes.writeUInt8(kinds.indexOf(kind), 4);
  bytes.writeUInt16LE(peer, 5);
  bytes.writeUInt32LE(number, 7);
  bytes.writeDoubleLE(time, 11);
  if (vector) bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), 4 + head);
  return bytes;
}

/** Frames out of a stream of bytes, which may be cut anywhere. */
export class Frames {
  #rest = Buffer.alloc(0);

  /** @param {number} dim numbers of a vector: a frame with fewer or more is none */
  constructor(dim) {
    this.dim = dim;
  }

  /** Bytes of a frame whose end has not come. */
  get open() {
    return this.#rest.length;
  }

  /** @param {Buffer} chunk @returns {Frame[]} those that are whole @throws NoFrame */
  push(chunk) {
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const found = [];
    while (rest.length > 4) {
      const length = rest.readUInt32LE();
      const kind = kinds[rest.readUInt8(4)];
      const numbers = withVector.has(kind) ? this.dim : 0;
      if (!kind || length !== head + 4 * numbers) throw new NoFrame(`${length} bytes of kind ${kind}`);
      if (rest.length < 4 + length) break;
      const [peer, number, time] = [rest.readUInt16LE(5), rest.readUInt32LE(7), rest.readDoubleLE(11)];
      // A vector of its own, since numbers in a buffer stand anywhere.
      const vector = numbers > 0 ? new Float32Array(new Uint8Array(rest.subarray(4 + head, 4 + length)).buffer) : undefined; // biome-ignore format: one line
      found.push(vector ? { kind, peer, number, time, vector } : { kind, peer, number, time });
      rest = rest.subarray(4 + length);
    }
    this.#rest = Buffer.from(rest);
    return found;
  }
}
