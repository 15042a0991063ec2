// Check sums of the files of a new folder: taken of the bytes as they are written, and compared with the files before
// it is published.
import { crc32 } from 'node:zlib';
import { attempt, calls, ioError } from '../calls.ts';
import { type Access, readFully, spanBytes } from '../contents.ts';
import type { Records } from './journal.ts';

/** Bytes of the record of a file. */
export const checkSumBytes = 4;

export async function keepCheckSum(records: Records, at: number, sum: number): Promise<void> {
  const bytes = new Uint8Array(checkSumBytes);
  new DataView(bytes.buffer).setUint32(0, sum, true);
  await records.write(at, bytes);
}

export async function keptCheckSum(records: Records, at: number): Promise<number> {
  const { buffer, byteOffset } = await records.read(at, 1);
  return new DataView(buffer, byteOffset).getUint32(0, true);
}

/** CRC-32 of a whole file. */
export async function checkSumOf({ op, path, signal }: Access): Promise<number> {
  const handle = await attempt(op, path, 'opened', calls.open(path, 'r'));
  try {
    const { size } = await attempt(op, path, 'examined', calls.fstat(handle));
    const span = new Uint8Array(Math.min(size, spanBytes));
    let sum = 0;
    for (let done = 0; done < size; done += span.length) {
      const bytes = span.subarray(0, size - done);
      await readFully(handle, bytes, done, { op, path, signal }, (at) => {
        throw ioError(op, path, 'read', new Error(`the file has ended at byte ${at}`));
      });
      sum = crc32(bytes, sum);
    }
    return sum;
  } finally {
    await calls.close(handle).catch(() => {});
  }
}
