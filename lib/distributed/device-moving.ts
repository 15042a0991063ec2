// Moving between devices, without the host: buckets are tensors of the device, which the engine moves, and sums of all
// ranks are operations of it.
import type { Device } from '../core/device.ts';
import { type Dtype, isHalf } from '../core/dtypes.ts';
import { native } from '../core/native.ts';
import { calls } from '../core/native-ops/calls.ts';
import { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import type { Bucket } from './buckets.ts';
import { type Moving, spread } from './moving.ts';

/** The memory of buckets and of sums, by device: it stays. */
export class DeviceShelf {
  readonly #tensors = new WeakMap<Device, Map<string, Tensor>>();

  /** Room of `size` elements by a name; what it held is lost. The caller gives back the handle. */
  room(device: Device, dtype: Dtype, size: number, name: string): Tensor {
    const own = this.#tensors.get(device) ?? new Map<string, Tensor>();
    this.#tensors.set(device, own);
    const key = `${dtype} ${name}`;
    const known = own.get(key);
    if (known && known.size >= size) return known.rows(0, size);
    own.delete(key);
    known?.dispose();
    const fresh = new Tensor(device, [size], dtype);
    own.set(key, fresh);
    return fresh.rows(0, size);
  }
}

/** Copies between a bucket and its tensors: into it of those that go, or out of it to those that are written. */
function copy(bucket: Tensor, { parcels }: Bucket, way: 'in' | 'out'): void {
  using views = new Owned<Tensor>();
  const out: Tensor[] = [];
  const x: Tensor[] = [];
  let at = 0;
  for (const { tensor, goes, into } of parcels) {
    const outer = way === 'in' ? (goes ? tensor : undefined) : into;
    if (outer && outer.size > 0) {
      const inner = views.add(bucket.rows(at, at + tensor.size));
      const flat = views.add(outer.reshape([outer.size]));
      out.push(way === 'in' ? inner : flat);
      x.push(way === 'in' ? flat : inner);
    }
    at += tensor.size;
  }
  if (out.length > 0) calls.copy(bucket.device, { out, x });
}

/** Parts of `size` elements as even as can be, the first ones longer. */
const evenParts = (size: number, ranks: number): Float64Array =>
  Float64Array.from({ length: ranks }, (_, r) => Math.floor(size / ranks) + (r < size % ranks ? 1 : 0));

const totalOf = (weights: Float64Array): number => weights.reduce((sum, weight) => sum + weight, 0);

/** One bucket on its way. */
class Carrier {
  readonly #shelf: DeviceShelf;
  readonly #rank: number;
  readonly #bucket: Tensor;
  readonly #device: Device;
  readonly #weights: Float64Array;
  readonly #total: number;
  readonly #owned = new Owned<Tensor>();

  constructor(shelf: DeviceShelf, rank: number, bucket: Tensor, weights: Float64Array, isMean: boolean) {
    this.#shelf = shelf;
    this.#rank = rank;
    this.#bucket = bucket;
    this.#device = bucket.device;
    this.#weights = weights;
    this.#total = isMean ? totalOf(weights) : 1;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  #room(dtype: Dtype, size: number, name: string): Tensor {
    return this.#owned.add(this.#shelf.room(this.#device, dtype, size, name));
  }

  /** All that is queued is done before bytes move. */
  async #move(
    kind: 'sum' | 'exchange' | 'gather' | 'broadcast',
    tensor: Tensor,
    counts: Float64Array,
    { into, root = 0 }: { into?: Tensor; root?: number } = {},
  ): Promise<void> {
    await native.synchronize(this.#device);
    await native.group.moveOnDevice(kind, tensor, into, counts, root);
  }

  gather(counts: Float64Array): Promise<void> {
    return this.#move('gather', this.#bucket, counts);
  }

  broadcast(counts: Float64Array, root: number): Promise<void> {
    return this.#move('broadcast', this.#bucket, counts, { root });
  }

  /** The own part becomes that of the sum. */
  async sumPart(counts: Float64Array): Promise<void> {
    const bucket = this.#bucket;
    const own = counts[this.#rank]!;
    const into = this.#room(bucket.dtype, own * counts.length, 'parts');
    await this.#move('exchange', bucket, counts, { into });
    const before = totalOf(counts.subarray(0, this.#rank));
    if (own > 0) this.#addInOrder(into, this.#owned.add(bucket.rows(before, before + own)));
  }

  async sumInOrder(): Promise<void> {
    const counts = evenParts(this.#bucket.size, this.#weights.length);
    await this.sumPart(counts);
    await this.gather(counts);
  }

  /** out = Σ weight · part / total, rank after rank in f64, rounded once. A rank of weight 0 has no part in it. */
  #addInOrder(parts: Tensor, out: Tensor): void {
    const device = this.#device;
    const { size, dtype } = out;
    const sum = this.#room('f64', size, 'sum');
    calls.fill(device, { x: [sum], value: 0 });
    for (const [r, weight] of this.#weights.entries()) {
      if (weight === 0) continue;
      let term = this.#owned.add(parts.rows(r * size, (r + 1) * size));
      if (dtype !== 'f64') {
        const wide = this.#room('f64', size, 'term');
        calls.cast(device, { out: [wide], x: [term] });
        term = wide;
      }
      calls.linearCombination(device, { out: [sum], terms: [sum, term], coefficients: [1, weight] });
    }
    if (this.#total === 0) {
      calls.fill(device, { x: [out], value: 0 });
      return;
    }
    if (this.#total !== 1) {
      const total = this.#room('f64', size, 'term');
      calls.fill(device, { x: [total], value: this.#total });
      calls.divide(device, { out: [sum], x: [sum], y: [total] });
    }
    if (dtype === 'f64') calls.copy(device, { out: [out], x: [sum] });
    else calls.cast(device, { out: [out], x: [sum] });
  }

  /** By the engine, in no order: 16 bits in f32, rounded once. */
  async sumLoosely(): Promise<void> {
    const [device, bucket] = [this.#device, this.#bucket];
    const half = isHalf(bucket.dtype);
    const summed = half ? this.#room('f32', bucket.size, 'wide') : bucket;
    if (half) calls.cast(device, { out: [summed], x: [bucket] });
    const factor = this.#total === 0 ? 0 : this.#weights[this.#rank]! / this.#total;
    if (factor === 0) calls.fill(device, { x: [summed], value: 0 });
    else if (factor !== 1) calls.linearCombination(device, { out: [summed], terms: [summed], coefficients: [factor] });
    await this.#move('sum', summed, evenParts(summed.size, this.#weights.length));
    if (half) calls.cast(device, { out: [bucket], x: [summed] });
  }
}

/**
 * As `carry`, of tensors whose device the engine reaches: fills buckets, moves them, and writes what came. One is
 * filled while the one before it travels.
 */
export async function carryOnDevice(
  shelf: DeviceShelf,
  device: Device,
  rank: number,
  buckets: readonly Bucket[],
  { kind, isMean = false, isOrdered = true, root = 0 }: Moving,
  weights: Float64Array,
): Promise<void> {
  using rooms = new Owned<Tensor>();
  const filled = (i: number): Tensor => {
    const bucket = buckets[i]!;
    const tensor = rooms.add(shelf.room(device, bucket.dtype, bucket.size, `bucket ${i % 2}`));
    copy(tensor, bucket, 'in');
    return tensor;
  };
  let next: Tensor | undefined = filled(0);
  for (const [i, bucket] of buckets.entries()) {
    const own = next!;
    using carrier = new Carrier(shelf, rank, own, weights, isMean);
    const counts = spread(bucket, kind, weights.length);
    const moved =
      kind === 'gather'
        ? carrier.gather(counts)
        : kind === 'broadcast'
          ? carrier.broadcast(counts, root)
          : kind === 'part'
            ? carrier.sumPart(counts)
            : isOrdered
              ? carrier.sumInOrder()
              : carrier.sumLoosely();
    try {
      next = i + 1 < buckets.length ? filled(i + 1) : undefined;
    } finally {
      await moved; // nobody else may have its memory before
    }
    copy(own, bucket, 'out');
    rooms.drop(own);
  }
  await native.synchronize(device);
}
