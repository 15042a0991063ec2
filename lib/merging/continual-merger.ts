import { createHash } from 'node:crypto';
import { abortable } from '../core/abortable.ts';
import * as check from '../core/check.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isListOf, isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { fraction, kind, notNegative, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { given, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { few, quote } from '../files/quote.ts';
import { readState, type StateForm, saveState } from '../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
import type { TransferOptions } from '../files/transfer.ts';
import { factorOf, isLinear, Projection } from './methods/projection.ts';
import { sumOf } from './options.ts';

/** Options of {@link ContinualMerger}; all may be left out. */
export interface ContinualMergerOptions {
  /** The share of singular values whose directions are protected, in [0, 1). Default: 0.5. */
  readonly alpha?: number | undefined;
  /**
   * Names the tensors that are projected, by name and shape: matrices only. Default: all matrices but those in whose
   * names stands `embed`, `wte`, `wpe` or `lm_head`.
   */
  readonly linear?: ((name: string, shape: readonly number[]) => boolean) | undefined;
}

/** Progress of {@link ContinualMerger.add}, told after each tensor. */
export interface AddProgress {
  /** Tensors done. */
  readonly done: number;
  /** Tensors of the model. */
  readonly total: number;
}

/** The result of {@link ContinualMerger.add}. */
export interface Added {
  /** The length of the sum of what was added so far over the mean length of the task vectors; 1 where they cancel. */
  readonly scale: number;
  /** Σ|clean|² / Σ|task|² over the tensors that are projected; 1 for the first model, and where there is nothing. */
  readonly energyKept: number;
  /** The number of directions that were protected, of each tensor that is projected; 0 for the first model. */
  readonly ranks: Record<string, number>;
}

const schema: Schema<Resolved<ContinualMergerOptions, 'linear'>> = {
  alpha: fraction(0.5),
  linear: kind((x) => typeof x === 'function', 'a function'),
};

/** Numbers of the state. */
interface MergerNumbers {
  /** Lengths of the task vectors. */
  readonly lengths: readonly number[];
  /** The length of the sum of what was added. */
  readonly length: number;
}

const isLength = (x: unknown): x is number => typeof x === 'number' && x >= 0 && x < Infinity;
const numbersSchema: Schema<MergerNumbers> = {
  lengths: { default: [], wrong: (x) => (isListOf(x, isLength) ? undefined : 'must be lengths') },
  length: notNegative(0),
};

/** A tensor of the base, and the dtype in which what is added to it is summed. */
interface Slot {
  readonly base: Tensor;
  readonly work: 'f32' | 'f64';
  readonly isLinear: boolean;
}

/**
 * Merges models one after the other by OPCM: each task vector, the model less the base, is projected away from the
 * directions of what was merged before, added to it, and the sum is brought to the mean length of the task vectors.
 * Memory does not grow with the number of models: the sum of what was added, in f32 (f64 where the base is), and while
 * a model is added as much again, and three matrices of the size of the largest. The base must not change while the
 * merger is in use; it stays the caller's.
 *
 * Source: arXiv 2501.09522, in the form that needs thin singular vectors and no scale between steps.
 *
 * @example
 * const merger = new ContinualMerger(base, { alpha: 0.5 });
 * for (const model of models) console.log((await merger.add(model)).energyKept);
 * const merged = await merger.merged();
 */
export class ContinualMerger implements Stateful {
  /** The device of all tensors. */
  readonly device: Tensor['device'];
  /** The share `alpha`, as given. */
  readonly alpha: number;
  readonly #slots = new Map<string, Slot>();
  /** Sums of what was added: none before the first model. */
  #sums = new Map<string, Tensor>();
  /** Lengths of the task vectors. */
  #lengths: readonly number[] = [];
  /** The length of the sum of what was added. */
  #length = 0;
  #disposed = false;
  /** Models are added one after the other, whoever calls. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param base tensors by name, all floating, on one device
   * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_SHAPE where `linear` says true of what is no matrix
   */
  constructor(base: Readonly<Record<string, Tensor>>, options: ContinualMergerOptions = {}) {
    const where = 'ContinualMerger';
    if (!isRecord(base)) throw refusal(where, 'base', 'be an object of tensors', shown(base));
    const { alpha, linear = isLinear } = readOptions(where, options, schema);
    const entries = Object.entries(base);
    if (entries.length === 0) throw refusal(where, 'base', 'have tensors', 'none');
    for (const [name, tensor] of entries)
      check.tensor(where, fieldOf('base', name), tensor, { dtypes: check.floating, device: entries[0]![1].device });
    this.device = entries[0]![1].device;
    this.alpha = alpha;
    for (const [name, tensor] of entries) {
      const answer: unknown = linear(name, tensor.shape);
      if (typeof answer !== 'boolean')
        throw refusal(where, 'linear', `return true or false for ${name}`, shown(answer));
      if (answer && tensor.shape.length !== 2)
        throw refusal(
          where,
          'linear',
          'be false of what is no matrix',
          `true for ${quote(name)} [${tensor.shape}]`,
          'ERR_SHAPE',
        );
      this.#slots.set(name, { base: tensor, work: tensor.dtype === 'f64' ? 'f64' : 'f32', isLinear: answer });
    }
  }

  /** Models that have been added. */
  get count(): number {
    return this.#lengths.length;
  }

  /** Bytes of the sum of what was added; 0 before the first model, and once disposed. */
  get stateBytes(): number {
    return [...this.#sums.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  }

  /** True once {@link ContinualMerger.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Adds a model. If it fails or is aborted, all is as it was before.
   *
   * @param model tensors with the names and shapes of the base, floating, on its device; they stay as they are
   * @throws ERR_ARGUMENT for other names, NaN and infinity; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY;
   * the signal's reason when aborted
   */
  async add(model: Readonly<Record<string, Tensor>>, options: TaskOptions<AddProgress> = {}): Promise<Added> {
    const where = 'ContinualMerger.add';
    this.#checkAlive(where);
    this.#checkModel(where, model);
    const watched = readOptions(where, options, watchers<AddProgress>());
    watched.signal?.throwIfAborted();
    using owned = new Owned<Tensor>();
    // As it is now, even where another model is added first.
    const given = new Map<string, Tensor>();
    for (const [name, { base, work }] of this.#slots) {
      const vector = owned.add(model[name]!.dtype === work ? model[name]!.copy() : model[name]!.cast(work));
      using own = base.dtype === work ? base.reshape(base.shape) : base.cast(work);
      vectors.axpy(this.device, -1, own, vector);
      given.set(name, vector);
    }
    return await this.#inTurn(watched.signal, () => this.#add(where, given, owned, watched));
  }

  /** Works once all that was asked for before is done; an abort while it waits ends it at once. */
  #inTurn<T>(signal: AbortSignal | undefined, work: () => T | Promise<T>): Promise<T> {
    const before = this.#last;
    const turn = abortable(before, signal).then(work);
    this.#last = Promise.allSettled([before, turn]);
    return turn;
  }

  async #add(
    where: string,
    given: ReadonlyMap<string, Tensor>,
    owned: Owned<Tensor>,
    watched: TaskOptions<AddProgress>,
  ): Promise<Added> {
    this.#checkAlive(where);
    using task = new Task<AddProgress>(this.device, watched);
    const names = [...this.#slots.keys()];
    const all = [...given.values()];
    const squaresOf = async (tensors: readonly Tensor[]): Promise<Float64Array> => {
      using squares = new Tensor(this.device, [tensors.length], 'f64');
      vectors.dots(
        task.queue,
        tensors.map((x) => [x, x] as const),
        squares,
      );
      const [found] = await task.readAll(squares);
      return found as Float64Array;
    };
    const before = await squaresOf(all);
    const wrong = before.findIndex((square) => !Number.isFinite(square));
    if (wrong >= 0)
      throw refusal(where, fieldOf('model', names[wrong]!), 'be finite', 'NaN or infinity, or a norm beyond f64');
    const ranks: Record<string, number> = Object.create(null);
    for (const [i, [name, { isLinear: isProjected }]] of [...this.#slots].entries()) {
      const previous = this.#sums.get(name);
      if (isProjected) {
        using work = new Owned<Tensor>();
        const own = previous && work.add(previous.copy());
        const projection = own && (await Projection.from(task, own, this.alpha, work));
        await projection?.cleanAll(given.get(name)!);
        ranks[name] = projection?.rank ?? 0;
      }
      await task.wait(this.device.flow() ?? Promise.resolve());
      task.report({ done: i + 1, total: names.length });
    }
    const after = await squaresOf(all);
    for (const [name, vector] of given) {
      const previous = this.#sums.get(name);
      if (previous) vectors.axpy(task.queue, 1, previous, vector);
    }
    const length = Math.sqrt(sumOf(await squaresOf(all)));
    this.#checkAlive(where);
    for (const tensor of this.#sums.values()) tensor.dispose();
    for (const tensor of all) owned.release(tensor);
    this.#sums = new Map(given);
    this.#lengths = [...this.#lengths, Math.sqrt(sumOf(before))];
    this.#length = length;
    const isProjected = (_: number, i: number): boolean => this.#slots.get(names[i]!)!.isLinear;
    const whole = sumOf(before.filter(isProjected));
    const energyKept = whole > 0 ? sumOf(after.filter(isProjected)) / whole : 1;
    return { scale: 1 / this.#factor(), energyKept, ranks };
  }

  /** The factor that brings the sum of what was added to the mean length of the task vectors. */
  #factor(): number {
    const isWide = [...this.#slots.values()].every(({ work }) => work === 'f64');
    return factorOf(this.#length, this.#lengths, isWide ? 'f64' : 'f32');
  }

  /**
   * The merged model: new tensors with the names, shapes and dtypes of the base, each rounded once; the caller's.
   * @throws ERR_STATE before the first model; ERR_ARGUMENT for values that a dtype of the base does not hold;
   * ERR_DISPOSED; ERR_MEMORY
   */
  async merged(): Promise<Record<string, Tensor>> {
    const where = 'ContinualMerger.merged';
    await this.#last;
    this.#checkAlive(where);
    if (this.count === 0)
      throw new OrthokitError('ERR_STATE', `${where}: merger must have been given a model, got none so far`);
    const factor = this.#factor();
    using owned = new Owned<Tensor>();
    const merged: Record<string, Tensor> = Object.create(null);
    // Values of each tensor that are not finite, counted.
    using counts = new Tensor(this.device, [this.#slots.size], 'f64');
    for (const [i, [name, { base }]] of [...this.#slots].entries()) {
      check.alive(where, fieldOf('base', name), base);
      // A sum of f32 in f32 would be rounded more than once.
      const work = base.dtype === 'f32' || base.dtype === 'f64' ? 'f64' : 'f32';
      using out = base.cast(work);
      using update = this.#sums.get(name)!.cast(work);
      vectors.axpy(this.device, factor, update, out);
      merged[name] = owned.add(out.cast(base.dtype));
      using guard = counts.rows(i, i + 1);
      ops.checkFinite(this.device, { x: [merged[name]], guard });
    }
    const found = await counts.read();
    const wrong = found.findIndex((count) => count > 0);
    if (wrong >= 0) {
      const [name, { base }] = [...this.#slots][wrong]!;
      const must = `have values that ${base.dtype} holds`;
      throw refusal(where, `tensor ${quote(name)}`, must, 'larger ones');
    }
    owned.move();
    return merged;
  }

  /**
   * Stores the sum of what was added, and what else the next model needs, in a safetensors file, which replaces `path`
   * at once and whole: the state of the moment of the call. The base is not stored.
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; ERR_UNSUPPORTED for more than a megabyte of lengths; the signal's
   * reason
   * when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'ContinualMerger.save';
    this.#checkAlive(where);
    const numbers = { lengths: this.#lengths, length: this.#length };
    await saveState(path, where, { ...this.#form, numbers, tensors: Object.fromEntries(this.#sums) }, options);
  }

  /**
   * Brings back what {@link ContinualMerger.save} stored, for the same base and options; the next model is added bit
   * for bit as it would have been. The file is checked whole before anything changes.
   * @throws ERR_STATE for a state that does not fit, ERR_FORMAT for a file that is not what it says, ERR_DISPOSED,
   * ERR_IO; the signal's reason when aborted
   */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = 'ContinualMerger.load';
    this.#checkAlive(where);
    const places = Object.fromEntries(
      [...this.#slots].map(([name, { base, work }]) => [name, { shape: base.shape, dtype: work }]),
    );
    const placesOf = ({ lengths }: MergerNumbers) => (lengths.length > 0 ? places : {});
    const { numbers, data, metadata } = await readState(path, where, this.#form, placesOf, options);
    return await this.#inTurn(options.signal, async () => {
      this.#checkAlive(where);
      using owned = new Owned<Tensor>();
      const sums = new Map<string, Tensor>();
      for (const [name, array] of data) {
        const { shape, dtype } = places[name]!;
        sums.set(name, owned.add(given(this.device, array as never, shape, dtype)));
      }
      if (!(await areFinite(this.device, [...sums.values()])))
        throw new OrthokitError('ERR_FORMAT', `${where}: the state must be finite, got NaN or infinity in its tensors`);
      this.#checkAlive(where);
      owned.move();
      for (const tensor of this.#sums.values()) tensor.dispose();
      this.#sums = sums;
      this.#lengths = numbers.lengths;
      this.#length = numbers.length;
      return { metadata };
    });
  }

  /** Gives the memory of the state back; the base stays. */
  dispose(): void {
    this.#disposed = true;
    for (const tensor of this.#sums.values()) tensor.dispose();
    this.#sums = new Map();
  }

  /** Disposes: `using merger = new ContinualMerger(base)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #form(): StateForm<MergerNumbers> {
    // Names may be more than a file has room for.
    const names = [...this.#slots].filter(([, slot]) => slot.isLinear).map(([name]) => name);
    const sha256 = createHash('sha256').update(JSON.stringify(names)).digest('hex');
    return {
      of: 'ContinualMerger',
      settings: { alpha: this.alpha, linear: { count: names.length, sha256 } },
      schema: numbersSchema,
    };
  }

  #checkAlive(where: string): void {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: merger has been disposed`);
  }

  #checkModel(where: string, model: unknown): asserts model is Record<string, Tensor> {
    if (!isRecord(model)) throw refusal(where, 'model', 'be an object of tensors', shown(model));
    const missing = [...this.#slots.keys()].filter((name) => !Object.hasOwn(model, name));
    const more = Object.keys(model).filter((name) => !this.#slots.has(name));
    if (missing.length > 0 || more.length > 0) {
      const parts: string[] = [];
      if (missing.length > 0) parts.push(`without ${few(missing, quote)}`);
      if (more.length > 0) parts.push(`with ${few(more, quote)}`);
      throw refusal(where, 'model', 'have the tensors of the base', `one ${parts.join(' and ')}`);
    }
    for (const [name, { base }] of this.#slots) {
      const demands = { dtypes: check.floating, shape: base.shape, device: this.device };
      check.tensor(where, fieldOf('model', name), model[name], demands);
      check.alive(where, fieldOf('base', name), base);
    }
  }
}

async function areFinite(device: Tensor['device'], x: readonly Tensor[]): Promise<boolean> {
  if (x.length === 0) return true;
  using guard = vectors.scalar(device);
  ops.checkFinite(device, { x, guard });
  const [count] = await guard.read();
  return count === 0;
}

const fieldOf = (record: string, name: string): string => `${record}[${quote(name)}]`;
