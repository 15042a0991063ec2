// A `.npy` file, opened and checked.
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { OrthokitError } from '../../core/errors.ts';
import { attempt, calls } from '../calls.ts';
import { type Access, readFully } from '../contents.ts';
import type { Fail } from '../json/scanner.ts';
import { givenUp } from '../transfer.ts';
import { type ArrayBytes, readStored, type StoredArray } from './array.ts';

type Opened = Pick<Access, 'op' | 'signal'>;

/** Opens a regular file, hands it to `use` with its size, and closes it whatever happens. */
export async function withFile<T>(
  path: string,
  { op, signal }: Opened,
  use: (handle: FileHandle, size: number, fail: Fail) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const fail: Fail = (problem) => {
    throw new OrthokitError('ERR_FORMAT', `${op}: ${problem} in ${path}`);
  };
  // Without O_NONBLOCK, a FIFO would keep open() waiting for a writer.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  const handle = await attempt(op, path, 'opened', calls.open(path, flags));
  let result: T;
  try {
    const stats = await attempt(op, path, 'examined', calls.fstat(handle));
    if (!stats.isFile()) fail('path must be a regular file, got another kind');
    result = await use(handle, stats.size, fail);
  } catch (error) {
    await givenUp(calls.close(handle), signal);
    throw error;
  }
  await attempt(op, path, 'closed', calls.close(handle));
  return result;
}

/** The same for a file of one array, whose header has been read. */
export function withArrayFile<T>(
  path: string,
  { op, signal }: Opened,
  use: (array: StoredArray, bytes: ArrayBytes, fail: Fail) => Promise<T>,
): Promise<T> {
  return withFile(path, { op, signal }, async (handle, size, fail) => {
    let position = 0;
    const ended = (at: number): never => fail(`file must keep its size while it is read, got its end at byte ${at}`);
    const bytes: ArrayBytes = {
      size,
      async read(into) {
        await readFully(handle, into, position, { op, path, signal }, ended);
        position += into.length;
      },
      end: async () => {},
      giveUp: () => {},
    };
    return use(await readStored(bytes, fail), bytes, fail);
  });
}
