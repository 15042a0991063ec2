import { createHash } from 'node:crypto';
import * as check from '../core/check.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import type { TypedArray } from '../core/native.ts';
import { Owned } from '../core/owned.ts';
import { philox } from '../core/philox.ts';
import { type Resolved, readOptions, required, type Schema, whole } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as nn from '../nn/index.ts';
import { Group } from './group.ts';

/** Options of {@link DataParallel.start}. */
export interface DataParallelOptions {
  /** Seed of dropout, whose streams differ by rank: whole, 0 to 2^53 − 1. It has no default. */
  seed: number;
}

const schema: Schema<Resolved<DataParallelOptions>> = { seed: required(whole(0, 0, Number.MAX_SAFE_INTEGER)) };

/** A batch of all ranks, and the part of this one. */
export interface ShardedBatch {
  /** The numbers of this rank's samples; it may have none where ranks are more than samples. */
  readonly index: Int32Array;
  /** Samples of all ranks together. */
  readonly size: number;
  /** The epoch of the batch. */
  readonly epoch: number;
  /** Samples of the epoch that all ranks together have taken: the place for a resume, with any number of ranks. */
  readonly position: number;
}

/**
 * Training of one network by several processes, each with a part of every batch: the same weights everywhere, one order
 * of samples cut by rank, dropout of its own on each rank, and one all-reduce a step.
 *
 * @example
 * const parallel = await DataParallel.start(group, model, { seed: 1 });
 * const step = nn.valueAndGrad(loss, { seed: parallel.dropoutSeed });
 * for (const { index } of parallel.batches({ count: 60_000, size: 128, seed: 2 })) {
 *   const { grads } = step(model, ...pick(index));
 *   optimizer.step(await parallel.average(grads, index.length));
 * }
 */
export class DataParallel {
  /** The processes. */
  readonly group: Group;
  /** The seed for `nn.valueAndGrad` on this rank: of `seed` and rank, so that no two ranks drop the same. */
  readonly dropoutSeed: number;
  readonly #parameters: readonly Tensor[];
  readonly #zeros = new Map<Tensor, Tensor>();
  readonly #owned = new Owned<Tensor>();
  #steps = 0;

  private constructor(group: Group, parameters: readonly Tensor[], seed: number) {
    const [a, b] = philox(seed, group.rank, 0);
    this.group = group;
    this.dropoutSeed = (a >>> 11) * 2 ** 32 + b;
    this.#parameters = parameters;
  }

  /**
   * Broadcasts the model of rank 0, parameters and buffers, and compares what arrived by its SHA-256.
   * @param model Any object of tensors, as `nn` takes it, of the same paths and shapes on every rank.
   * @throws ERR_ARGUMENT for models that differ; ERR_STATE where weights arrived otherwise; as `Group.broadcast`
   */
  static async start(group: Group, model: object, options: DataParallelOptions): Promise<DataParallel> {
    const where = 'DataParallel.start';
    check.instance(where, 'group', group, Group);
    const { seed } = readOptions(where, options, schema);
    const named = nn.named(model);
    await group.broadcast(Object.values(named), { tag: 'weights of rank 0' });
    const parallel = new DataParallel(group, nn.parameters(model), seed);
    await parallel.verify(model);
    return parallel;
  }

  /**
   * Compares a model on all ranks, bit for bit, by SHA-256 of paths and elements: at any step, for example before a
   * checkpoint.
   * @returns the first 48 bits of it
   * @throws ERR_STATE naming the ranks whose model is not that of rank 0; as `Group.numbers`
   */
  async verify(model: object): Promise<number> {
    const hash = createHash('sha256');
    for (const [path, tensor] of Object.entries(nn.named(model))) {
      const { buffer, byteOffset, byteLength } = await tensor.read();
      hash.update(path).update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    const own = hash.digest().readUIntBE(0, 6);
    const all = await this.group.numbers(own, { tag: 'hash of weights' });
    const others = [...all.keys()].filter((rank) => all[rank] !== all[0]);
    if (others.length > 0)
      throw new OrthokitError('ERR_STATE', `DataParallel: rank ${others.join(', ')} has other weights than rank 0`);
    return own;
  }

  /**
   * The part of a list that is this rank's: of n numbers, n over the ranks, and one more for the first ones if ranks do
   * not divide n. Each is in one part. For evaluation, and for batches of one's own.
   * @throws ERR_ARGUMENT for what is no Int32Array
   */
  slice(index: Int32Array): Int32Array {
    if (!(index instanceof Int32Array)) throw refusal('DataParallel.slice', 'index', 'be an Int32Array', shown(index));
    const { rank, size } = this.group;
    const [each, more] = [Math.floor(index.length / size), index.length % size];
    const from = rank * each + Math.min(rank, more);
    return index.slice(from, from + each + (rank < more ? 1 : 0));
  }

  /**
   * The batches of `nn.batches`, of which each rank has its part. Batches do not depend on the number of ranks, so a
   * run goes on with another number of them at the same samples.
   * @param options `size` is that of all ranks together.
   * @throws as `nn.batches`
   */
  batches(options: nn.BatchesOptions): Iterable<ShardedBatch> {
    const all = nn.batches(options);
    const slice = (index: Int32Array) => this.slice(index);
    return {
      *[Symbol.iterator]() {
        for (const { index, epoch, position } of all)
          yield { index: slice(index), size: index.length, epoch, position };
      },
    };
  }

  /**
   * Gradients become their mean over ranks by weight, in place, in one all-reduce: call it once a step, after the last
   * micro-batch.
   *
   * @param grads Gradients of the mean loss over this rank's samples, as `nn.valueAndGrad` gives them; `null` where it
   * has none. Such a rank takes from the others which parameters have gradients.
   * @param weight The weight by which they count: the valid labels of this rank. Σ weight · gradient / Σ weight is the
   * gradient of the mean over all labels. Finite, not negative; 0 with `null`.
   * @returns the gradients
   * @throws ERR_ARGUMENT also where ranks have gradients of other parameters; as `Group.allReduce`
   */
  async average(
    grads: ReadonlyMap<Tensor, Tensor | null> | null,
    weight: number,
  ): Promise<ReadonlyMap<Tensor, Tensor | null>> {
    const where = 'DataParallel.average';
    if (grads === null && weight !== 0) throw refusal(where, 'weight', 'be 0 without gradients', shown(weight));
    if (grads !== null && !(grads instanceof Map)) throw refusal(where, 'grads', 'be a Map or null', shown(grads));
    this.#steps += 1;
    const tag = `gradients of step ${this.#steps}`;
    const known = await this.#known(grads, tag);
    const own = grads ?? this.#nothing(known);
    const list = this.#parameters.flatMap((parameter) => own.get(parameter) ?? []);
    await this.group.allReduce(list, { op: 'mean', weight, tag });
    return own;
  }

  /**
   * Marks of the parameters that have gradients, 1 each, on the first rank that has samples; undefined where all ranks
   * have some, or none has.
   */
  async #known(grads: ReadonlyMap<Tensor, Tensor | null> | null, tag: string): Promise<TypedArray | undefined> {
    const [first] = this.#parameters;
    if (this.group.size === 1 || !first) return undefined;
    const some = await this.group.numbers(grads ? 1 : 0, { tag: `samples of ${tag}`.slice(0, 60) });
    const root = some.indexOf(1);
    if (root < 0 || !some.includes(0)) return undefined;
    const marks = this.#parameters.map((parameter) => (grads?.get(parameter) ? 1 : 0));
    using list = Tensor.from(first.device, Uint8Array.from(marks), [marks.length]);
    await this.group.broadcast([list], { root, tag: `names of ${tag}`.slice(0, 60) });
    return list.read();
  }

  /** Gradients of no samples, for the parameters that have some elsewhere. */
  #nothing(known: TypedArray | undefined): ReadonlyMap<Tensor, Tensor | null> {
    const own = new Map<Tensor, Tensor | null>();
    for (const [i, parameter] of this.#parameters.entries()) {
      const isKnown = known === undefined || known[i] === 1;
      own.set(parameter, isKnown ? this.#zeroOf(parameter) : null);
    }
    return own;
  }

  #zeroOf(parameter: Tensor): Tensor {
    const { device, shape, dtype } = parameter;
    const zero = this.#zeros.get(parameter) ?? this.#owned.add(Tensor.zeros(device, shape, { dtype }));
    this.#zeros.set(parameter, zero);
    return zero;
  }

  /** Gives back what it made. */
  dispose(): void {
    this.#owned.dispose();
    this.#zeros.clear();
  }
}
