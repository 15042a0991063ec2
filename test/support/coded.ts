// Matrices of codes and codebooks, and the layout of codes in plain words.
import { type Device, Tensor } from '../../lib/index.ts';
import { normal, uniform } from './data.ts';

/** Bytes of a packed row: blocks of 128, of 16 lanes; a last block's lanes have the bytes that their codes need. */
export const widthOf = (columns: number, bits: number): number =>
  Math.floor(columns / 128) * 16 * bits + 16 * Math.ceil((Math.ceil((columns % 128) / 16) * bits) / 8);

/** Rows of codes as docs/design/packed-codes.md packs them. */
export function packed(codes: readonly (readonly number[])[], bits: number): Uint8Array {
  const columns = codes[0]?.length ?? 0;
  const width = widthOf(columns, bits);
  const bytes = new Uint8Array(codes.length * width);
  for (const [i, row] of codes.entries()) {
    for (let block = 0; 128 * block < columns; ++block) {
      const count = Math.ceil(Math.min(128, columns - 128 * block) / 16);
      const laneBytes = Math.ceil((count * bits) / 8);
      for (let lane = 0; lane < 16; ++lane) {
        let word = 0n;
        for (let h = 0; h < 8; ++h) {
          const code = row[128 * block + 16 * h + lane] ?? 0;
          word |= BigInt(code) << BigInt(h * bits);
        }
        for (let done = 0; done < laneBytes; ) {
          const left = laneBytes - done;
          const part = left >= 4 ? 4 : left >= 2 ? 2 : 1;
          for (let b = 0; b < part; ++b)
            bytes[i * width + 16 * bits * block + 16 * done + part * lane + b] = Number(
              (word >> BigInt(8 * (done + b))) & 255n,
            );
          done += part;
        }
      }
    }
  }
  return bytes;
}

/** A matrix of drawn codes: every second row has the second codebook, if there are two. */
export function codedMatrix(on: Device, rows: number, columns: number, bits: number, books = 2, numbers = 2 ** bits) {
  const next = uniform(rows + columns + bits);
  const codes = Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.floor(next() * numbers)));
  const bookOf = Array.from({ length: rows }, (_, i) => i % books);
  const values = Float32Array.from(normal(books * numbers, 3));
  return {
    bits,
    plain: codes.map((row, i) => row.map((code) => values[bookOf[i]! * numbers + code]!)),
    codeRows: codes,
    codes: Tensor.from(on, packed(codes, bits), [rows, widthOf(columns, bits)]),
    codebooks: Tensor.from(on, values, [books, numbers]),
    rowBooks: Tensor.from(on, Uint8Array.from(bookOf.flatMap((book) => [book & 255, book >> 8])), [rows, 2]),
  };
}

/** The matrix of {@link codedMatrix}, as operations take it. */
export const fieldsOfCoded = (...given: Parameters<typeof codedMatrix>) => {
  const { bits, codes, codebooks, rowBooks } = codedMatrix(...given);
  return { bits, codes, codebooks, rowBooks };
};
