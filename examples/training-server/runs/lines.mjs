import { open } from 'node:fs/promises';

/** Bytes that are read at once. */
const piece = 65_536;
const newline = 10;

/**
 * The whole lines of a file of JSON lines, from a byte on. A last line without its end was never acknowledged: it is left
 * out, and `end` of the line before says where the file must be cut.
 *
 * @param {string} file
 * @param {number} [from] the first byte of a line
 * @param {number} [to] where to stop
 * @returns {AsyncGenerator<{ text: string, start: number, end: number }[]>} lines of each piece
 */
export async function* linesOf(file, from = 0, to = Number.POSITIVE_INFINITY) {
  const handle = await open(file, 'r');
  try {
    let rest = Buffer.alloc(0);
    let start = from;
    for (let position = from; position < to; ) {
      const buffer = Buffer.allocUnsafe(Math.min(piece, to - position));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      const lines = [];
      let first = 0;
      for (let last = bytes.indexOf(newline); last >= 0; last = bytes.indexOf(newline, first)) {
        lines.push({ text: bytes.toString('utf8', first, last), start: start + first, end: start + last + 1 });
        first = last + 1;
      }
      rest = bytes.subarray(first);
      start += first;
      if (lines.length > 0) yield lines;
    }
  } finally {
    await handle.close();
  }
}
