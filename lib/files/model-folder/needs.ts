// Memory and disk space that a job needs, found before anything is done.
import path from 'node:path';
import { OrthokitError } from '../../core/errors.ts';
import { attempt, calls } from '../calls.ts';
import { quote } from '../quote.ts';

/** Space that a job needs. */
export interface SpaceNeeds {
  /** Bytes of the new weights. */
  readonly bytes: number;
  /** Bytes of files beside the new folder that are gone when the job ends. */
  readonly scratchBytes: number;
}

/** Space and memory that a job needs. */
export interface Needs extends SpaceNeeds {
  /** Bytes that the process has resident at most. */
  readonly memoryBytes: number;
}

/** Space for the new weights, for other files and for blocks of the file system, as a multiple of the weights. */
const spareShare = 1.05;

/** @throws ERR_MEMORY where `memoryLimit` does not hold the work on the largest tensor, which messages name */
export function checkMemory(op: string, { memoryBytes }: Needs, largest: string, memoryLimit: number): void {
  if (memoryBytes <= memoryLimit) return;
  const must = `hold the work on tensor ${quote(largest)} and this process, ${memoryBytes} bytes`;
  throw new OrthokitError('ERR_MEMORY', `${op}: memoryLimit must ${must}, got ${memoryLimit}`);
}

/**
 * @param removed Bytes that are there now, and go before the job begins.
 * @throws ERR_IO where the file system of the new folder has not enough space
 */
export async function checkSpace(
  op: string,
  out: string,
  { bytes, scratchBytes }: SpaceNeeds,
  removed: number,
): Promise<void> {
  const parent = path.dirname(out);
  const free = removed + (await attempt(op, parent, 'examined', calls.free(parent), 'out'));
  const needed = Math.ceil(spareShare * (bytes + scratchBytes));
  if (free >= needed) return;
  throw new OrthokitError('ERR_IO', `${op}: out must have ${needed} bytes of free space, got ${free} at ${parent}`);
}
