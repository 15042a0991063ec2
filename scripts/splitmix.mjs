/**
 * Uniform numbers in [0, 1) (SplitMix64, the upper 53 bits): golden values and problems of peers are drawn so, in Python too.
 *
 * @param {number | bigint} seed
 * @returns {() => number}
 */
export function splitmix(seed) {
  const mask = (1n << 64n) - 1n;
  let state = BigInt(seed);
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    z ^= z >> 31n;
    return Number(z >> 11n) * 2 ** -53;
  };
}
