import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { count, readOptions, type Schema, word } from '../core/schema.ts';
import { give, Tensor } from '../core/tensor.ts';
import { readState, type StateForm, saveState } from '../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
import { type ContinualLoadOptions, loadSchema } from './options.ts';
import type { Leaf, Part, Sizes, StatePlace } from './parts/leaf.ts';
import type { StreamDtype } from './parts/reach.ts';

/** Numbers of a saved state. */
interface Numbers {
  steps: number;
  streams: number;
  channels: number;
  dtype: StreamDtype;
}

const schema: Schema<Numbers> = {
  steps: count(0, 0),
  streams: count(0, 0),
  channels: count(0, 0),
  dtype: word<StreamDtype>(['f32', 'f64'], 'f32'),
};

/** A layer that is stepped: the states of its streams. */
export abstract class StreamedLayer implements Stateful {
  /** Inputs before the first one that gives an output. */
  readonly delay: number;
  /** Inputs that an output depends on. */
  readonly receptiveField: number;
  /** Inputs from one output to the next. */
  readonly stride: number;
  readonly #part: Part;
  readonly #name: string;
  #sizes: (Sizes & { readonly device: Device }) | undefined;
  #steps = 0;
  #parent: StreamedLayer | undefined;
  #isDisposed = false;
  #isLoading = false;
  /** True from the beginning of a step to its end: longer if it threw. */
  #isBroken = false;

  /** @internal */
  constructor(name: string, part: Part) {
    this.#name = name;
    this.#part = part;
    this.delay = part.reach.delay;
    this.receptiveField = part.reach.receptiveField;
    this.stride = part.reach.stride;
  }

  /** True once it has been disposed of, or what it is a part of. */
  get disposed(): boolean {
    return this.#parent?.disposed ?? this.#isDisposed;
  }
  /** The number of streams, which the first step settles; 0 before it. */
  get streams(): number {
    return this.#sizes?.streams ?? 0;
  }
  /** Bytes of the states of all streams, as a file has them; 0 before the first step, and once disposed. */
  get stateBytes(): number {
    if (this.disposed) return 0;
    const integers = (leaf: Leaf): number => 4 * this.streams * leaf.integerNames.length;
    return this.#part.leaves.reduce((sum, leaf) => sum + leaf.stateBytes + integers(leaf), 0);
  }

  /** @internal The part, which belongs to another layer from now on. */
  static takePart(layer: StreamedLayer): Part {
    return layer.#part;
  }
  /** @internal */
  static joined(layers: readonly StreamedLayer[], parent: StreamedLayer): void {
    for (const layer of layers) {
      layer.#close();
      layer.#parent = parent;
    }
  }
  /** @internal @throws ERR_ARGUMENT for a layer that is part of another one */
  static checkFree(where: string, name: string, layer: StreamedLayer): void {
    check.alive(where, name, layer);
    if (layer.#parent) throw refusal(where, name, 'be no part of another layer', layer.#part.name);
    if (layer.#isLoading) throw refusal(where, name, 'be given once its load has ended', layer.#part.name, 'ERR_STATE');
  }

  /** @internal The part, of a layer that may be called. */
  protected ready(where: string): Part {
    check.alive(where, 'the layer', this);
    if (this.#parent)
      throw refusal(where, 'the layer', 'be called by what it is a part of', this.#part.name, 'ERR_STATE');
    if (this.#isLoading) throw refusal(where, 'the layer', 'be called once its load has ended', 'a call in a call', 'ERR_STATE'); // biome-ignore format: one line
    return this.#part;
  }

  /** @internal Checks inputs with so many axes, `[streams, channels, …]`, and settles nothing. */
  protected checkInput(where: string, name: string, x: Tensor, rank: number): void {
    const place = this.#part.place ?? this.#sizes;
    const device = place?.device;
    const dtypes = place ? [place.dtype] : check.arithmetic;
    check.tensor(where, name, x, { rank, dtypes, filled: true, ...(device && { device }) });
    this.#part.channels(where, x.shape[1]!);
  }
  /** @internal Checks inputs of a step besides. */
  protected checkStep(where: string, name: string, x: Tensor): void {
    if (this.#isBroken)
      throw refusal(where, 'the layer', 'be reset after a step that threw', 'another step', 'ERR_STATE');
    if (!this.#sizes) return;
    const { streams, channels } = this.#sizes;
    if (x.shape[0] !== streams)
      throw refusal(where, name, `have ${streams} streams as before`, x.shape[0]!, 'ERR_SHAPE');
    if (x.shape[1] !== channels)
      throw refusal(where, name, `have ${channels} channels as before`, x.shape[1]!, 'ERR_SHAPE');
  }

  /** @internal Steps of inputs like `x`, which `run` makes: their states stay, unless they are a look. */
  protected stepped<T>(x: Tensor, steps: number, update: boolean, run: () => T): T {
    const isNew = !this.#sizes;
    if (isNew) this.#open(x.device, { streams: x.shape[0]!, channels: x.shape[1]!, dtype: x.dtype as StreamDtype });
    if (update) {
      this.#isBroken = true;
      const result = run();
      this.#isBroken = false;
      this.#steps += steps;
      return result;
    }
    using owned = new Owned<Tensor>();
    try {
      const before = this.#part.leaves.map((leaf) => leaf.snapshot(owned));
      try {
        return run();
      } finally {
        for (const [i, leaf] of this.#part.leaves.entries()) leaf.restore(before[i]!);
      }
    } finally {
      if (isNew) this.#close();
    }
  }

  /** @internal Outputs one behind the other, along a new last axis; null for none. They are given back. */
  protected stacked(outputs: readonly Tensor[]): Tensor | null {
    const first = outputs[0];
    if (!first) return null;
    const { device, dtype, shape } = first;
    using owned = new Owned<Tensor>();
    const all = owned.add(new Tensor(device, [outputs.length, ...shape], dtype));
    const places = outputs.map((_, i) => owned.add(owned.add(all.rows(i, i + 1)).reshape(shape)));
    ops.copy(device, { out: places, x: [...outputs] });
    const out = owned.add(new Tensor(device, [...shape, outputs.length], dtype));
    ops.rearrange(device, { x: all, out, axes: [...shape.map((_, axis) => axis + 1), 0] });
    return owned.release(out);
  }

  #open(device: Device, sizes: Sizes): void {
    const leaves = this.#leavesOf('open', sizes);
    try {
      for (const [leaf, own] of leaves) leaf.open(device, own);
    } catch (error) {
      for (const [leaf] of leaves) leaf.close();
      throw error;
    }
    this.#sizes = { ...sizes, device };
    this.#steps = 0;
  }
  #close(): void {
    for (const leaf of this.#part.leaves) leaf.close();
    this.#sizes = undefined;
    this.#steps = 0;
    this.#isBroken = false;
  }
  /** The leaves with the sizes of their states. @throws ERR_SHAPE for channels that are taken by none */
  #leavesOf(where: string, { streams, channels, dtype }: Sizes): Map<Leaf, Sizes> {
    const leaves = new Map<Leaf, Sizes>();
    this.#part.channels(where, channels, (leaf, own) => leaves.set(leaf, { streams, channels: own, dtype }));
    return leaves;
  }

  /**
   * The history of the given streams is zeros from now on, or that of all, whose count of steps begins anew, too. A
   * stream that is reset alone keeps the others' rhythm; its outputs are zeros until it has had `delay` inputs.
   *
   * @param streams Whole numbers from 0 on, below the number of streams. Default: all of them.
   * @throws ERR_ARGUMENT for what is no stream; ERR_STATE for a part of another layer, for some streams after a step
   * that threw, and while `load` runs; ERR_DISPOSED
   */
  reset(streams?: readonly number[] | Int32Array): void {
    const where = `${this.#name}.reset`;
    this.ready(where);
    if (streams === undefined) {
      this.#isBroken = false;
      this.#steps = 0;
      for (const leaf of this.#part.leaves) leaf.reset();
      return;
    }
    if (!Array.isArray(streams) && !(streams instanceof Int32Array))
      throw refusal(where, 'streams', 'be a list of streams', shown(streams));
    for (const stream of streams as readonly unknown[])
      if (!Number.isInteger(stream) || (stream as number) < 0 || (stream as number) >= this.streams)
        throw refusal(where, 'streams', `be some of ${this.streams}, from 0 on`, shown(stream));
    if (this.#isBroken)
      throw refusal(where, 'all streams', 'be reset after a step that threw', `${streams.length} of them`, 'ERR_STATE');
    const some = [...new Set(streams as readonly number[])];
    if (some.length > 0) for (const leaf of this.#part.leaves) leaf.reset(some);
  }

  get #form(): StateForm<Numbers> {
    const layers = this.#part.leaves.map(({ name, settings }) => ({ name, ...settings }));
    return { of: this.#name, settings: { layers }, schema };
  }

  /**
   * Stores the states of all streams in a safetensors file; weights are the caller's to store.
   * @throws ERR_ARGUMENT; ERR_STATE for a part of another layer, after a step that threw, and while `load` runs;
   * ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = `${this.#name}.save`;
    this.ready(where);
    if (this.#isBroken) throw refusal(where, 'the layer', 'be reset after a step that threw', 'a save', 'ERR_STATE');
    const { streams = 0, channels = 0, dtype = 'f32', device } = this.#sizes ?? {};
    using owned = new Owned<Tensor>();
    const tensors: Record<string, Tensor> = {};
    if (device)
      for (const [i, leaf] of this.#part.leaves.entries()) {
        for (const [name, tensor] of Object.entries(leaf.state)) tensors[`${i}.${name}`] = tensor;
        for (const [name, array] of Object.entries(leaf.integers()))
          tensors[`${i}.${name}`] = owned.add(Tensor.from(device, array, [streams]));
      }
    const numbers = { steps: this.#steps, streams, channels, dtype };
    await saveState(path, where, { ...this.#form, tensors, numbers }, options);
  }

  /**
   * Brings back what `save` stored, of a layer made in the same way; steps go on bit for bit. The file is checked whole
   * before anything changes.
   * @throws ERR_STATE for a state that does not fit, for a part of another layer, and while another `load` runs;
   * ERR_ARGUMENT, also where no device is known; ERR_FORMAT, ERR_DISPOSED, ERR_MEMORY, ERR_IO; the signal's reason when
   * aborted
   */
  async load(path: string, options: ContinualLoadOptions = {}): Promise<LoadResult> {
    const where = `${this.#name}.load`;
    const part = this.ready(where);
    const { device: given, ...watched } = readOptions(where, options, loadSchema);
    const known = part.place?.device ?? this.#sizes?.device;
    if (known && given && given !== known) throw new OrthokitError('ERR_DEVICE', `${where}: device is another device`);
    const device = known ?? given;
    if (!device) throw refusal(where, 'device', 'be given where no weight and no step has settled it', 'none');
    this.#isLoading = true;
    try {
      const read = await readState(path, where, this.#form, (numbers) => this.#placesOf(where, numbers), watched);
      check.alive(where, 'the layer', this);
      this.#restore(device, read.numbers, read.data);
      return { metadata: read.metadata };
    } finally {
      this.#isLoading = false;
    }
  }
  /** @throws ERR_STATE for sizes that are not those of here */
  #placesOf(where: string, numbers: Numbers): Readonly<Record<string, StatePlace>> {
    const unfit = (must: string, got: unknown): OrthokitError =>
      refusal(where, 'the state', must, shown(got), 'ERR_STATE');
    const { streams, channels, dtype } = numbers;
    if (streams === 0) return {};
    if (channels === 0) throw unfit('have channels', channels);
    const own = this.#sizes;
    if (own && own.streams !== streams) throw unfit(`have ${own.streams} streams as here`, streams);
    if (own && own.channels !== channels) throw unfit(`have ${own.channels} channels as here`, channels);
    const expected = this.#part.place?.dtype ?? own?.dtype;
    if (expected && expected !== dtype) throw unfit(`be ${expected} as here`, dtype);
    let leaves: Map<Leaf, Sizes>;
    try {
      leaves = this.#leavesOf(where, numbers);
    } catch {
      throw unfit('have channels that the layer takes', channels);
    }
    const places: Record<string, StatePlace> = {};
    for (const [i, leaf] of this.#part.leaves.entries()) {
      for (const [name, place] of Object.entries(leaf.statePlaces(leaves.get(leaf)!))) places[`${i}.${name}`] = place;
      for (const name of leaf.integerNames) places[`${i}.${name}`] = { shape: [streams], dtype: 'i32' };
    }
    return places;
  }
  #restore(device: Device, { steps, ...sizes }: Numbers, data: ReadonlyMap<string, ArrayLike<number>>): void {
    if (sizes.streams === 0) {
      this.#close();
      return;
    }
    if (!this.#sizes) this.#open(device, sizes);
    this.#part.seek(steps);
    for (const [i, leaf] of this.#part.leaves.entries()) {
      for (const [name, tensor] of Object.entries(leaf.state)) give(tensor, data.get(`${i}.${name}`) as never);
      leaf.setIntegers(Object.fromEntries(leaf.integerNames.map((name) => [name, data.get(`${i}.${name}`)!])));
    }
    this.#steps = steps;
    this.#isBroken = false;
  }

  /** Gives weights and states back; later use throws `ERR_DISPOSED`. A part of another layer goes with that one. */
  dispose(): void {
    if (this.#parent || this.#isDisposed) return;
    this.#isDisposed = true;
    this.#part.dispose();
  }

  /** Disposes: `using layer = continual.linear(weight)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
