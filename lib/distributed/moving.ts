import type { Device } from '../core/device.ts';
import type { Dtype } from '../core/dtypes.ts';
import { native } from '../core/native.ts';
import { calls } from '../core/native-ops/calls.ts';
import type { Tensor } from '../core/tensor.ts';
import { type Bucket, load, type Parcel, type Shelf, unload } from './buckets.ts';

const dtypes: readonly Dtype[] = ['f32', 'f64', 'f16', 'bf16', 'i32', 'u8'];

/** Settings by which a call moves its buckets. */
export interface Moving {
  readonly kind: 'sum' | 'part' | 'gather' | 'broadcast';
  readonly isMean?: boolean;
  readonly isOrdered?: boolean;
  readonly root?: number;
}

/** Elements by dtype, in words. */
export function sizesOf(tensors: readonly Tensor[]): string {
  const sizes = new Map<Dtype, number>();
  for (const { dtype, size } of tensors) sizes.set(dtype, (sizes.get(dtype) ?? 0) + size);
  return [...sizes].map(([dtype, size]) => `${size} ${dtype}`).join(', ') || 'no elements';
}

/** The parts of a bucket that an engine sees. Sums of all are cut evenly, whatever its tensors are. */
export const spread = ({ counts, size }: Bucket, kind: Moving['kind'], ranks: number): Float64Array =>
  kind === 'sum' || kind === 'broadcast'
    ? Float64Array.from({ length: ranks }, (_, r) => (r === 0 ? size : 0))
    : counts;

/** The work of one rank by itself: its own tensors are those of all. */
export function alone(parcels: readonly (readonly Parcel[])[], { isMean }: Moving, weight: number): void {
  for (const { tensor, into, goes } of parcels.flat()) {
    if (!into || !goes) continue;
    const { device } = tensor;
    if (isMean && weight === 0) calls.fill(device, { x: [into], value: 0 });
    else if (into !== tensor) calls.copy(device, { out: [into], x: [tensor] });
  }
}

/** Fills buckets, moves them, and writes what came; one is filled while the one before it travels. */
export async function carry(
  op: string,
  shelf: Shelf,
  device: Device,
  ranks: number,
  buckets: readonly Bucket[],
  { kind, isMean = false, isOrdered = true, root = 0 }: Moving,
  weights: Float64Array,
): Promise<void> {
  const array = (i: number) => shelf.array(op, device, buckets[i]!, i % 2);
  const written: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  const filled = async (i: number): Promise<void> => {
    if (i >= buckets.length) return;
    await written[i % 2];
    await load(array(i), buckets[i]!);
  };
  let next = filled(0);
  for (const [i, bucket] of buckets.entries()) {
    await next;
    next = filled(i + 1);
    // It is awaited in the next turn, or never if this one fails.
    next.catch(() => {});
    const own = array(i);
    const counts = spread(bucket, kind, ranks);
    await native.group.move(kind, own, dtypes.indexOf(bucket.dtype), counts, weights, isMean, isOrdered, root);
    written[i % 2] = unload(own, bucket);
    written[i % 2]!.catch(() => {});
  }
  await Promise.all(written);
}
