// Memory and disk space that a merge needs.
import { checkMemory, type Needs } from '../../files/model-folder/needs.ts';
import { bitsOf, byteLengthOf, fileDtypes } from '../../files/safetensors/dtypes.ts';
import type { Method } from '../methods/method.ts';
import type { Fit, MergedTensor } from './fit.ts';
import type { Model } from './models.ts';
import { spanSize } from './spans.ts';
import { Update } from './update.ts';

/** Arrays that nobody has any more: 64 MiB make the garbage collector begin, and half as many come until it ends. */
const garbage = 3 << 25;
/** Blocks that the device has got back, and keeps to use them again. */
const mostPooled = 1 << 26;

/** Bytes of two spans of a tensor, as read, on the device, widened; of the sum, its rounding, and what is measured. */
function spanBytesOf({ size, work, newDtype, parts }: MergedTensor): number {
  const count = Math.min(size, spanSize);
  const bytes = work === 'f64' ? 8 : 4;
  const read = parts.reduce((sum, part) => {
    if (part instanceof Update) return sum + part.bytesOf(2 * count, bytes);
    return sum + 2 * count * (2 * (bitsOf[part.info.dtype] / 8) + bytes);
  }, 0);
  return read + count * (6 * bytes + (3 * bitsOf[fileDtypes[newDtype]]) / 8);
}

/** @throws ERR_MEMORY where `memoryLimit` does not hold the largest tensor's work */
export function needsOf(op: string, base: Model, fit: Fit, method: Method, memoryLimit: number): Needs {
  let bytes = 0;
  const merged = new Map(fit.merged.map((tensor) => [tensor.name, tensor]));
  const own = process.memoryUsage().rss;
  let most = 0;
  let all = 0;
  let largest = '';
  for (const tensor of fit.merged) {
    bytes += byteLengthOf(fileDtypes[tensor.newDtype], tensor.shape)!;
    const needed = spanBytesOf(tensor) + method.workBytes(tensor);
    all += needed;
    if (needed > most) [most, largest] = [needed, tensor.name];
  }
  for (const [name, file] of base.weights.shardOf) if (!merged.has(name)) bytes += sizeIn(base, name, file);
  const memoryBytes = own + most + garbage + Math.min(mostPooled, all - most);
  const needs = { bytes, scratchBytes: method.scratchBytes(fit.merged), memoryBytes };
  checkMemory(op, needs, largest, memoryLimit);
  return needs;
}

const sizeIn = (base: Model, name: string, file: string): number =>
  base.weights.opened(file).tensors.get(name)!.byteLength;
