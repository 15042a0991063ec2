/** Bytes of a row of so many codes, by the page on packed codes. */
export function bytesOfRow(columns: number, bits: number): number {
  let bytes = 0;
  for (let left = columns; left > 0; left -= 128)
    bytes += 16 * Math.ceil((Math.ceil(Math.min(left, 128) / 16) * bits) / 8);
  return bytes;
}
