// Random numbers that depend on a seed alone, which Math.random() has none of.

/** Numbers in [0, 1): a 32-bit Weyl sequence through a mixer (the finalizer of MurmurHash3). @param {number} seed whole; its last 32 bits count */
export function uniform(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}
