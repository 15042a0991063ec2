// The sequences of the op random, one element at a time, from their definition in native/ops/random/random.h.

const mask = 0xffffffffn;

/** Philox4x32-10: the four words of a counter under a key, each given as 32-bit words. */
export function philox(counter: readonly bigint[], key: readonly bigint[]): bigint[] {
  let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    [k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask];
  }
  return [c0, c1, c2, c3];
}

const halves = (x: bigint): [bigint, bigint] => [x & mask, x >> 32n];

/** Word w of the sequence. */
function word(seed: number, stream: number, w: bigint): number {
  const block = philox([...halves(w / 4n), ...halves(BigInt(stream))], halves(BigInt(seed)));
  return Number(block[Number(w % 4n)]!);
}

type Dtype = 'f32' | 'f64' | 'f16' | 'bf16' | 'i32';
const bits = { f32: 24, f16: 11, bf16: 8 };

/** Element g, before it is rounded to the dtype. */
export function random(
  distribution: 'uniform' | 'normal' | 'bits' | 'rademacher',
  dtype: Dtype,
  { seed = 0, stream = 0 }: { seed?: number; stream?: number },
  g: number,
): number {
  const at = (w: bigint) => word(seed, stream, w);
  const fraction = (w: bigint) => (at(w) * 2 ** 21 + Math.floor(at(w + 1n) / 2 ** 11)) / 2 ** 53;
  const n = BigInt(g);
  if (distribution === 'bits' || dtype === 'i32') return at(n) | 0;
  if (distribution === 'rademacher') return at(n) < 2 ** 31 ? 1 : -1;
  if (distribution === 'uniform')
    return dtype === 'f64' ? fraction(2n * n) : Math.floor(at(n) / 2 ** (32 - bits[dtype])) / 2 ** bits[dtype];
  const p = n / 2n;
  const u = dtype === 'f64' ? fraction(4n * p) + 2 ** -53 : (at(2n * p) + 1) / 2 ** 32;
  const v = dtype === 'f64' ? fraction(4n * p + 2n) : at(2n * p + 1n) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(u)) * (n % 2n === 0n ? Math.cos(2 * Math.PI * v) : Math.sin(2 * Math.PI * v));
}
