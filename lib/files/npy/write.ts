// Arrays as NumPy writes them, to a file of one or an archive of several.

import { abortable } from '../../core/abortable.ts';
import { refusal } from '../../core/errors.ts';
import { attempt, calls } from '../calls.ts';
import { writeFully } from '../contents.ts';
import { keepMode } from '../place.ts';
import { replaceFile } from '../replace.ts';
import { byteLengthOf, dtypeOfFile } from '../safetensors/dtypes.ts';
import type { TensorSource, WriteOptions } from '../safetensors/write.ts';
import { givenUp } from '../transfer.ts';
import { type NewMember, spansOf, writeArchive } from '../zip/write.ts';
import { descrs } from './dtypes.ts';
import { writeArrayHeader } from './header.ts';

type Writing = Omit<WriteOptions, 'metadata'>;

/** A tensor as an array that is written: header, then data, which is asked for when its turn comes. */
export function memberOf(source: TensorSource, onBytes: (count: number) => void): NewMember {
  const { name, dtype, shape } = source;
  const header = writeArrayHeader(descrs[dtypeOfFile(dtype)!], shape);
  return {
    name,
    bytes: header.length + byteLengthOf(dtype, shape)!,
    async *spans() {
      yield header;
      const data = source.data();
      if (Symbol.asyncIterator in data) throw refusal('memberOf', 'data', 'come at once', 'spans');
      for await (const span of spansOf(await data)) {
        yield span;
        onBytes(span.length);
      }
    },
  };
}

/** Tells of all bytes of data that have been written. */
function counter(sources: readonly TensorSource[], { onProgress }: Writing): (count: number) => void {
  const total = sources.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape)!, 0);
  let done = 0;
  return (count) => {
    done += count;
    onProgress?.({ done, total });
  };
}

/** Puts a file of one array in the place of `path`. */
export function writeArrayFile(path: string, source: TensorSource, options: Writing): Promise<void> {
  const { op, signal } = options;
  const member = memberOf(source, counter([source], options));
  return replaced(path, options, async (handle, temporary) => {
    let position = 0;
    for await (const span of member.spans()) {
      signal?.throwIfAborted();
      position = await writeFully(handle, span, position, { op, path: temporary, signal });
    }
  });
}

/** Puts an archive of arrays, each `<name>.npy`, in the place of `path`. */
export function writeArrays(
  path: string,
  sources: readonly TensorSource[],
  isDeflated: boolean,
  options: Writing,
): Promise<void> {
  const { op, signal } = options;
  const onBytes = counter(sources, options);
  const members = sources.map((source) => memberOf({ ...source, name: `${source.name}.npy` }, onBytes));
  return replaced(path, options, (handle, temporary) =>
    writeArchive(handle, members, isDeflated, { op, path: temporary, signal }),
  );
}

type Handle = Parameters<Parameters<typeof replaceFile>[2]>[0];

function replaced(
  path: string,
  { op, signal }: Writing,
  write: (handle: Handle, temporary: string) => Promise<void>,
): Promise<void> {
  return replaceFile(path, { op, signal }, async (handle, temporary, mode) => {
    try {
      if (mode !== undefined) await keepMode(op, temporary, handle, mode);
      await write(handle, temporary);
      await abortable(attempt(op, temporary, 'synced', calls.sync(handle)), signal);
    } catch (error) {
      await givenUp(calls.close(handle), signal);
      throw error;
    }
    await attempt(op, temporary, 'closed', calls.close(handle));
  });
}
