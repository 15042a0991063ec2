/** The high half of the product of two 32-bit words: each of its parts is below 2⁴⁹, and so exact. */
function high(x: number, y: number): number {
  return Math.floor((x * (y >>> 16) + Math.floor((x * (y & 0xffff)) / 0x10000)) / 0x10000);
}

/**
 * Block `index` of a sequence of Philox4x32-10, the generator of `ops.random`, on the host: four 32-bit words.
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
 */
export function philox(seed: number, stream: number, index: number): [number, number, number, number] {
  const upper = (x: number): number => Math.floor(x / 2 ** 32);
  let [a, b, c, d] = [index >>> 0, upper(index), stream >>> 0, upper(stream)];
  let [key0, key1] = [seed >>> 0, upper(seed)];
  for (let round = 0; round < 10; ++round) {
    const p = high(0xd2511f53, a);
    const q = Math.imul(0xd2511f53, a) >>> 0;
    const r = high(0xcd9e8d57, c);
    const s = Math.imul(0xcd9e8d57, c) >>> 0;
    a = (r ^ b ^ key0) >>> 0;
    b = s;
    c = (p ^ d ^ key1) >>> 0;
    d = q;
    key0 = (key0 + 0x9e3779b9) >>> 0;
    key1 = (key1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/**
 * Elements of the f64 sequence of `Tensor.rand` with this seed and stream, from a place on, on the host: in [0, 1), 53
 * bits. Some tenths of a microsecond each, while nobody else has a turn.
 */
export function uniforms(seed: number, stream: number, place: number, count: number): Float64Array {
  const drawn = new Float64Array(count);
  const fraction = (upper: number, lower: number): number => (upper * 2 ** 21 + (lower >>> 11)) / 2 ** 53;
  // A block has two elements: the first place may be the second of one.
  for (let i = -(place % 2); i < count; i += 2) {
    const [a, b, c, d] = philox(seed, stream, (place + i) / 2);
    if (i >= 0) drawn[i] = fraction(a, b);
    if (i + 1 < count) drawn[i + 1] = fraction(c, d);
  }
  return drawn;
}

/** Element `place` of that sequence. */
export function uniform(seed: number, stream: number, place: number): number {
  return uniforms(seed, stream, place, 1)[0]!;
}
