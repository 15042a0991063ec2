const [lanes, blockCodes] = [16, 128];

/** Bytes of a row of so many codes: docs/design/packed-codes.md. */
export function packedBytes(columns: number, bits: number): number {
  const blocks = Math.floor(columns / blockCodes);
  const lastCodes = Math.ceil((columns % blockCodes) / lanes);
  return lanes * (blocks * bits + Math.ceil((lastCodes * bits) / 8));
}
