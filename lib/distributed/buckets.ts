// Tensors travel in buckets: arrays of one dtype in the process's memory, into which tensors are read and from which
// they are written. Two a dtype and device: one travels while the next is filled. Where an engine moves tensors between
// devices by itself, buckets are tensors: see device-moving.ts.
import type { Device } from '../core/device.ts';
import { arrays, type Dtype } from '../core/dtypes.ts';
import { OrthokitError } from '../core/errors.ts';
import { hostArray } from '../core/host-data.ts';
import { native, type TypedArray } from '../core/native.ts';
import { give, type Tensor } from '../core/tensor.ts';

/** One tensor, or rows of one, in a bucket. */
export interface Parcel {
  readonly tensor: Tensor;
  /** Whose part of the bucket it belongs to. */
  readonly rank: number;
  /** True: it is read into the bucket. */
  readonly goes: boolean;
  /** The tensor that is written from the bucket; undefined: none. */
  readonly into: Tensor | undefined;
}

/** Parcels of one dtype, rank after rank. */
export interface Bucket {
  readonly dtype: Dtype;
  readonly parcels: readonly Parcel[];
  /** Elements of each rank's part. */
  readonly counts: Float64Array;
  readonly size: number;
}

/** MPI counts elements in 32 bits. */
const mostElements = 2 ** 31 - 1;

/**
 * Buckets for the parcels of one tensor each, in their order: a bucket is full before it has more than `bytes`; one
 * tensor may be more than that by itself.
 * @throws ERR_UNSUPPORTED for a tensor of more elements than an engine counts
 */
export function bucketsOf(op: string, tensors: readonly (readonly Parcel[])[], ranks: number, bytes: number): Bucket[] {
  const open = new Map<Dtype, { parcels: Parcel[]; bytes: number }>();
  const buckets: Bucket[] = [];
  const seal = (dtype: Dtype, parcels: readonly Parcel[]): void => {
    const counts = new Float64Array(ranks);
    const ordered = [...parcels].sort((a, b) => a.rank - b.rank);
    for (const { rank, tensor } of ordered) counts[rank]! += tensor.size;
    buckets.push({ dtype, parcels: ordered, counts, size: counts.reduce((a, b) => a + b, 0) });
  };
  for (const parcels of tensors) {
    const { dtype } = parcels[0]!.tensor;
    const size = parcels.reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
    let bucket = open.get(dtype);
    if (bucket && bucket.bytes + size > bytes) {
      seal(dtype, bucket.parcels);
      bucket = undefined;
    }
    bucket ??= { parcels: [], bytes: 0 };
    open.set(dtype, bucket);
    bucket.parcels.push(...parcels);
    bucket.bytes += size;
  }
  for (const [dtype, { parcels }] of open) seal(dtype, parcels);
  const largest = buckets.reduce((most, { size }) => Math.max(most, size), 0);
  if (largest > mostElements)
    throw new OrthokitError(
      'ERR_UNSUPPORTED',
      `${op}: tensors must have at most ${mostElements} elements, those of all ranks together, got ${largest}`,
    );
  return buckets.filter(({ size }) => size > 0);
}

/** The memory of buckets, by device. Nobody has it at work between two calls: each waits for its writes. */
export class Shelf {
  readonly #arrays = new WeakMap<Device, Map<string, TypedArray>>();

  /** Memory for a bucket; of two that follow each other, `slot` differs. */
  array(op: string, device: Device, { dtype, size }: Bucket, slot: number): TypedArray {
    const own = this.#arrays.get(device) ?? new Map<string, TypedArray>();
    this.#arrays.set(device, own);
    const key = `${arrays[dtype].name} ${slot}`;
    const known = own.get(key);
    const array = known && known.length >= size ? known : (hostArray(op, dtype, size) as TypedArray);
    own.set(key, array);
    return array.subarray(0, size);
  }
}

/** Fills a bucket from the tensors that go. */
export async function load(array: TypedArray, { parcels }: Bucket): Promise<void> {
  const reads: unknown[] = [];
  let at = 0;
  try {
    for (const { tensor, goes } of parcels) {
      if (goes) reads.push(native.read(tensor, array.subarray(at, at + tensor.size)));
      at += tensor.size;
    }
  } finally {
    // All are over before anybody else touches the array, also where one fails.
    await Promise.allSettled(reads);
  }
  await Promise.all(reads);
}

/** Writes from a bucket; until it resolves, the device has yet to read the array. */
export function unload(array: TypedArray, { parcels }: Bucket): Promise<void> {
  let at = 0;
  let device: Device | undefined;
  for (const { tensor, into } of parcels) {
    if (into) {
      give(into, array.subarray(at, at + tensor.size));
      device = into.device;
    }
    at += tensor.size;
  }
  return (device && native.synchronize(device)) ?? Promise.resolve();
}
