import { refusal } from '../../core/errors.ts';
import { count, nested, type Resolved, readOptions, required, type Schema, whole } from '../../core/schema.ts';
import { shuffled } from '../../core/shuffled.ts';

/** A place in the sequence of {@link batches}. */
export interface BatchPlace {
  /** The number of times that all samples have been taken: whole, from 0 on. Default: 0. */
  epoch?: number | undefined;
  /** Samples of this epoch that have been taken: whole, 0 to `count`. Default: 0. */
  position?: number | undefined;
}

/** Options of {@link batches}. */
export interface BatchesOptions {
  /** The number of samples: whole, 1 to 2^31 − 1. It has no default. */
  count: number;
  /** Samples of a batch: whole, 1 to `count`. It has no default. */
  size: number;
  /** Seed of the order: whole, 0 to 2^53 − 1. It has no default. */
  seed: number;
  /** The place at which the sequence begins, such as after a batch of another run. Default: at its beginning. */
  from?: BatchPlace | undefined;
}

/** A batch, and the place after it. */
export interface Batch {
  /** The numbers of its samples, 0 to `count` − 1. */
  readonly index: Int32Array;
  /** The epoch of the batch. */
  readonly epoch: number;
  /** Samples of the epoch that have been taken, those of the batch among them: `count` ends the epoch. */
  readonly position: number;
}

const most = 2 ** 31 - 1;
type Numbers = Omit<Resolved<BatchesOptions>, 'from'> & { from: Resolved<BatchPlace> };
const schema: Schema<Numbers> = {
  count: required(whole(1, 1, most)),
  size: required(whole(1, 1, most)),
  seed: required(whole(0, 0, Number.MAX_SAFE_INTEGER)),
  from: nested<Resolved<BatchPlace>>({ epoch: count(0, 0), position: count(0, 0) }),
};

/**
 * Batches of samples without end: each epoch has every sample once, in an order of its own, and its last batch may be
 * smaller. The same options give the same batches on every machine, from any place on.
 *
 * @example
 * for (const { index, epoch, position } of nn.batches({ count: 60_000, size: 128, seed: 1, from: saved })) {
 *   const { grads } = step(model, ...pick(index));
 *   optimizer.step(grads);
 *   saved = { epoch, position };
 *   if (epoch === 9 && position === 60_000) break;
 * }
 *
 * @throws ERR_ARGUMENT for numbers that are missing or out of range
 */
export function batches(options: BatchesOptions): Iterable<Batch> {
  const { count: all, size, seed, from } = readOptions('nn.batches', options, schema);
  if (size > all) throw refusal('nn.batches', 'size', `be at most count, ${all}`, size);
  if (from.position > all) throw refusal('nn.batches', 'from.position', `be at most count, ${all}`, from.position);
  return {
    *[Symbol.iterator]() {
      let [epoch, position] = [from.epoch, from.position];
      for (;;) {
        if (position === all) [epoch, position] = [epoch + 1, 0];
        const order = shuffled(all, seed, epoch);
        const end = Math.min(all, position + size);
        const index = Int32Array.from({ length: end - position }, (_, i) => order(position + i));
        position = end;
        yield { index, epoch, position };
      }
    },
  };
}
