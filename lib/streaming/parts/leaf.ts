import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { nobody, type Output, outputsAfter, type Place, placesOf, type Reach, type StreamDtype, type Waiting } from './reach.ts'; // biome-ignore format: one line
import { zeroRows, zeroScattered } from './zeroed.ts';

/** The sizes of a state. */
export interface Sizes {
  readonly streams: number;
  readonly channels: number;
  readonly dtype: StreamDtype;
}

/** A tensor of a state, by its shape and dtype. */
export interface StatePlace {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/** A copy of a state, which only its leaf can read. */
export interface Snapshot {
  readonly count: number;
  readonly young: ReadonlyMap<number, number>;
  readonly tensors: readonly Tensor[];
  readonly more: unknown;
}

/** A layer, or several, of which each is stepped. */
export interface Part {
  readonly name: string;
  readonly reach: Reach;
  /** The place of the weights; none: the input settles it. */
  readonly place: Place | undefined;
  /** The channels that its weights take; none: any, which come out again. */
  readonly inner: number | undefined;
  /** Those that keep states, in the order of the data. */
  readonly leaves: readonly Leaf[];
  /**
   * The channels that come out of so many, told to each leaf by `tell`.
   * @throws ERR_SHAPE where a layer takes other ones
   */
  channels(where: string, given: number, tell?: (leaf: Leaf, channels: number) => void): number;
  /** The places that come out of so many of a whole sequence; below 1 if it is too short. */
  places(given: number): number;
  /** The whole sequence `[streams, channels, time]` at once: a new tensor. It leaves the states alone. */
  forward(x: Tensor): Tensor;
  /** The next input of each stream, `[streams, channels]`. */
  push(x: Tensor, waiting: Waiting): Output | undefined;
  /** Puts the states where they are after so many inputs; returns the number of outputs. */
  seek(count: number): number;
  /** Gives weights and states back. */
  dispose(): void;
}

/** A layer with a state of its own: the last inputs of each stream, in a ring. */
export abstract class Leaf implements Part {
  abstract readonly name: string;
  abstract readonly reach: Reach;
  /** Values of JSON that a saved state must agree with. */
  abstract readonly settings: Readonly<Record<string, unknown>>;
  readonly place: Place | undefined = undefined;
  readonly inner: number | undefined = undefined;
  readonly leaves: readonly Leaf[] = [this];
  /** Inputs so far. */
  #count = 0;
  /** The own inputs of streams that were reset and give nothing yet. */
  #young = new Map<number, number>();
  protected sizes: Sizes | undefined;
  #tensors: Readonly<Record<string, Tensor>> = {};
  #views = new Owned<Tensor>();

  /** Weights, and what else is there before the first input. */
  protected readonly weights: Owned<Tensor> = new Owned<Tensor>();

  channels(where: string, given: number, tell?: (leaf: Leaf, channels: number) => void): number {
    const out = this.channelsOf(where, given);
    tell?.(this, given);
    return out;
  }
  places(given: number): number {
    return placesOf(this.reach, given);
  }

  /** @throws ERR_SHAPE where the layer takes other channels */
  protected abstract channelsOf(where: string, given: number): number;
  abstract forward(x: Tensor): Tensor;
  /** The tensors of a state; the first axis counts streams. */
  abstract statePlaces(sizes: Sizes): Readonly<Record<string, StatePlace>>;
  /** Views of new tensors, for the steps. */
  protected opened(_state: Readonly<Record<string, Tensor>>, _views: Owned<Tensor>, _sizes: Sizes): void {}
  /** Input `index` goes into the state; its output, if `isReady`. */
  protected abstract take(x: Tensor, index: number, isReady: boolean): Tensor | undefined;
  /** Streams begin anew. */
  protected restarted(_streams: readonly number[], _count: number): void {}
  /** All begin anew, after so many inputs. */
  protected rewound(_count: number): void {}
  /** Streams whose input is none, before it is taken. */
  protected waits(_waiting: Waiting, _index: number): void {}
  /** Numbers of a state besides its tensors, for a snapshot. */
  protected more(): unknown {
    return undefined;
  }
  protected restoreMore(_more: unknown): void {}

  /** Inputs so far. */
  protected get inputs(): number {
    return this.#count;
  }
  get state(): Readonly<Record<string, Tensor>> {
    return this.#tensors;
  }
  get stateBytes(): number {
    return Object.values(this.#tensors).reduce((sum, tensor) => sum + tensor.byteLength, 0);
  }

  /** Makes the state of so many streams, all zeros. */
  open(device: Device, sizes: Sizes): void {
    using owned = new Owned<Tensor>();
    using views = new Owned<Tensor>();
    const tensors: Record<string, Tensor> = {};
    for (const [name, { shape, dtype }] of Object.entries(this.statePlaces(sizes)))
      tensors[name] = owned.add(Tensor.zeros(device, shape, { dtype }));
    this.opened(tensors, views, sizes);
    this.#tensors = tensors;
    this.#views = views.move();
    for (const tensor of [...owned]) owned.release(tensor);
    this.sizes = sizes;
    this.seek(0);
  }
  close(): void {
    this.#views.dispose();
    for (const tensor of Object.values(this.#tensors)) tensor.dispose();
    this.#tensors = {};
    this.sizes = undefined;
    this.seek(0);
  }

  push(x: Tensor, waiting: Waiting): Output | undefined {
    const { delay, stride } = this.reach;
    const index = this.#count++;
    for (const stream of waiting) this.#young.set(stream, 0);
    if (waiting.size > 0) this.waits(waiting, index);
    for (const [stream, age] of this.#young) {
      if (waiting.has(stream)) continue;
      if (age >= delay) this.#young.delete(stream);
      else this.#young.set(stream, age + 1);
    }
    const isReady = index >= delay && (index - delay) % stride === 0;
    const out = this.take(x, index, isReady);
    if (!out) return undefined;
    if (this.#young.size === 0) return { out, waiting: nobody };
    using owned = new Owned<Tensor>();
    owned.add(out);
    const late = new Set(this.#young.keys());
    zeroScattered(out, late);
    owned.release(out);
    return { out, waiting: late };
  }

  seek(count: number): number {
    this.#count = count;
    this.#young.clear();
    this.rewound(count);
    return outputsAfter(this.reach, count);
  }

  /** The history of these streams is zeros from now on, that of all without a list. */
  reset(streams?: readonly number[]): void {
    const all = Object.values(this.#tensors);
    if (!streams) {
      if (all.length > 0) ops.fill(all[0]!.device, { x: all, value: 0 });
      this.seek(0);
      return;
    }
    zeroRows(all, streams);
    this.restarted(streams, this.#count);
    for (const stream of streams) this.#young.set(stream, 0);
  }
  /** Names of {@link integers}. */
  readonly integerNames: readonly string[] = ['ages'];
  /** Numbers of each stream besides the tensors of a state, for a file: inputs that young streams have had, else −1. */
  integers(): Readonly<Record<string, Int32Array>> {
    const ages = new Int32Array(this.sizes?.streams ?? 0).fill(-1);
    for (const [stream, age] of this.#young) ages[stream] = age;
    return { ages };
  }
  /** Takes them from a file, by a stranger perhaps: any number stands for something. */
  setIntegers({ ages }: Readonly<Record<string, ArrayLike<number>>>): void {
    this.#young.clear();
    for (let i = 0; i < ages!.length; ++i)
      if (ages![i]! >= 0 && ages![i]! <= this.reach.delay) this.#young.set(i, ages![i]!);
  }

  snapshot(owned: Owned<Tensor>): Snapshot {
    const tensors = Object.values(this.#tensors).map((tensor) => owned.add(tensor.copy()));
    return { count: this.#count, young: new Map(this.#young), tensors, more: this.more() };
  }
  restore({ count, young, tensors, more }: Snapshot): void {
    const own = Object.values(this.#tensors);
    if (own.length > 0) ops.copy(own[0]!.device, { out: own, x: tensors });
    this.#count = count;
    this.#young = new Map(young);
    this.restoreMore(more);
  }

  dispose(): void {
    this.close();
    this.weights.dispose();
  }
}
