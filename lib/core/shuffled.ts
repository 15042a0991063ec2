/** An avalanche of 32 bits: every bit of x changes half of the result's (MurmurHash3's finalizer). */
function mixed(x: number): number {
  let y = x ^ (x >>> 16);
  y = Math.imul(y, 0x85ebca6b);
  y = Math.imul(y ^ (y >>> 13), 0xc2b2ae35);
  return (y ^ (y >>> 16)) >>> 0;
}

const rounds = 12;

/**
 * A permutation of 0 … count − 1 as a function of the place, nothing stored. It is a Feistel network over the next even
 * number of bits (Luby and Rackoff 1988), walked on where it leaves the range. Seed and epoch are its key.
 */
export function shuffled(count: number, seed: number, epoch: number): (place: number) => number {
  const half = Math.max(1, Math.ceil(Math.log2(count) / 2));
  const mask = 2 ** half - 1;
  let key = 0x9e3779b9;
  for (const word of [seed, seed / 2 ** 32, epoch, epoch / 2 ** 32]) key = mixed(key + (Math.floor(word) | 0) + 1);
  const keys = Array.from({ length: rounds }, (_, round) => mixed(key + Math.imul(round + 1, 0x9e3779b9)));
  const radix = 2 ** half;
  return (place) => {
    let x = place;
    do {
      let left = Math.floor(x / radix);
      let right = x & mask;
      for (let i = 0; i < rounds; ++i) {
        const next = left ^ (mixed(right + keys[i]!) & mask);
        left = right;
        right = next;
      }
      x = left * radix + right;
    } while (x >= count);
    return x;
  };
}
