import { checkFinite } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { ops } from '../../core/native-ops.ts';
import { isListOf } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import { Places } from '../../core/places.ts';
import {
  count,
  kind,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  word,
} from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type KeptState, loadState, saveState } from '../../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../../files/stateful.ts';
import type { TransferOptions } from '../../files/transfer.ts';
import { bytesOfWindow, Window, type WindowDtype } from './window.ts';

/** Options of {@link MFac}. */
export interface MFacOptions {
  /** Gradients that are kept, m: whole, from 1 on. Default: 1024. */
  window?: number | undefined;
  /** Damping, λ on the diagonal: > 0. Default: 1e-5. */
  damp?: number | undefined;
  /** Dtype of the gradients that are kept. Default: f64 for parameters of f64, else f32. */
  dtype?: WindowDtype | undefined;
  /** Bytes that the window may take: whole, > 0. Default: the device's memory. */
  memoryLimit?: number | undefined;
}

/** Options of {@link MFac.push}. */
export interface MFacPushOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<MFacOptions, 'dtype' | 'memoryLimit'>> = {
  window: count(1024),
  damp: positive(1e-5),
  dtype: optional(word<WindowDtype>(['f32', 'f64', 'bf16'], 'f32')),
  memoryLimit: kind((x) => Number.isSafeInteger(x) && (x as number) > 0, 'a whole number of bytes above 0'),
};
const pushSchema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };
/** A matrix of m × m has so many elements at most, by which some operations count in 32 bits. */
const mostGradients = 32768;

/** Shares by which products of a file may differ from those of its gradients, whose sums have other orders. */
const looseness = 1e-3;

/** Names a fault of a file's gradients and inner products. */
function faultOf(gradients: TypedArray, gram: TypedArray, window: number, dtype: WindowDtype): string | undefined {
  const size = gradients.length / window;
  const bits = new Uint32Array(1);
  const wide = new Float32Array(bits.buffer);
  const numberOf = (stored: number): number => {
    if (dtype !== 'bf16') return stored;
    bits[0] = stored << 16;
    return wide[0]!;
  };
  const squares = new Float64Array(window);
  for (let i = 0; i < window; ++i)
    for (let k = i * size; k < (i + 1) * size; ++k) squares[i]! += numberOf(Number(gradients[k])) ** 2;
  if (!squares.every(Number.isFinite)) return "state 'gradients' must be finite";
  for (let i = 0; i < window; ++i)
    for (let j = 0; j < window; ++j) {
      const value = Number(gram[i * window + j]);
      const most = Math.sqrt(squares[i]!) * Math.sqrt(squares[j]!);
      const off = i === j ? Math.abs(value - most) : Math.abs(value) - most;
      if (!(off <= looseness * most + Number.MIN_VALUE && value === Number(gram[j * window + i])))
        return `state 'gram' must hold the products of the gradients, got ${value} at ${i}, ${j}`;
    }
  return undefined;
}

type Place = { readonly head: number; readonly filled: number };

/** State of a window, for who keeps more beside it in a file. */
interface Inner {
  state(where: string): KeptState<Place>;
  restore(place: Place): void;
  /** Takes the last entry back, which a step then could not use. */
  takeBack(): void;
}
/** @internal */
export let innerOf: (window: MFac) => Inner;

/**
 * Products with the inverse of F = λ I + Σ gᵢ gᵢᵀ / m, the empirical Fisher matrix of a window of m gradients, of which
 * nothing of d × d is made. The window is a ring; m counts while it is not full, too.
 *
 * {@link MFac.solve} is Woodbury's identity with a system of m × m in f64. Of a gradient of the window itself it loses
 * all digits where |g|² is far above m λ; {@link MFac.solveSlot} does not. A damping that rounding would lose beside
 * the squares of the gradients counts as the least that is not lost, 64 m ε |g|² / m.
 *
 * Memory: `window` · d elements and 8 · `window`² bytes of state; 16 · `window`² bytes and 3 vectors beside it.
 *
 * Source: Frantar, Kurtic and Alistarh 2021.
 *
 * @example
 * using window = new MFac(oracle.params, { window: 64, damp: 1e-4 });
 * const slot = await window.push(grads);
 * window.solveSlot(slot, direction);
 */
export class MFac implements Stateful {
  /** The device of the window. */
  readonly device: Device;
  readonly #shapes: readonly (readonly number[])[];
  readonly #dtypes: readonly Tensor['dtype'][];
  readonly #window: Window;
  readonly #owned = new Owned<Tensor>();
  readonly #x: Tensor;
  readonly #out: Tensor;
  readonly #staged: Tensor;
  static {
    innerOf = (window) => ({
      state: (where) => window.#state(where),
      restore: (place) => window.#restore(place),
      takeBack: () => window.#takeBack(),
    });
  }
  #place: Place = { head: 0, filled: 0 };
  /** The place of the window before the last entry, whose slot held what is staged now. */
  #before: Place | undefined;
  #isPushing = false;
  #disposed = false;

  /**
   * @param params Tensors whose shapes, dtypes and device those of gradients are; they are not kept.
   * @throws ERR_ARGUMENT for what is no list of tensors, and options out of range; ERR_DTYPE, ERR_DEVICE, ERR_SHAPE,
   * ERR_DISPOSED; ERR_MEMORY with the bytes that the window takes
   */
  constructor(params: readonly Tensor[], options: MFacOptions = {}) {
    const where = 'MFac';
    if (!isListOf(params, isTensor) || params.length === 0)
      throw refusal(where, 'params', 'be a list of tensors', Array.isArray(params) ? 'another one' : shown(params));
    const { device } = params[0]!;
    for (const [i, one] of params.entries())
      check.tensor(where, `params[${i}]`, one, { dtypes: check.floating, filled: true, device });
    const given = readOptions(where, options, schema);
    const isWide = params.some((one) => one.dtype === 'f64');
    const { window, damp, dtype = isWide ? 'f64' : 'f32', memoryLimit = device.info.memoryBytes } = given;
    if (window > mostGradients) throw refusal(where, 'window', `be at most ${mostGradients}`, window);
    this.device = device;
    this.#shapes = params.map(({ shape }) => shape);
    this.#dtypes = params.map((one) => one.dtype);
    const size = params.reduce((sum, one) => sum + one.size, 0);
    this.#window = new Window(where, device, { window, damp, size, dtype }, memoryLimit);
    try {
      const make = (of: WindowDtype): Tensor => this.#owned.add(new Tensor(device, [size], of));
      this.#x = make(this.#window.work);
      this.#out = make(this.#window.work);
      this.#staged = make(dtype);
    } catch (error) {
      this.#window.dispose();
      this.#owned.dispose();
      throw error;
    }
  }

  /** Gradients that are in the window. */
  get filled(): number {
    return this.#place.filled;
  }

  /** Bytes of state on the device; 0 once disposed. */
  get stateBytes(): number {
    return this.#disposed ? 0 : bytesOfWindow(this.#window.sizes);
  }

  /**
   * Takes a gradient into the window, in the place of the oldest one where it is full; resolves to its slot. One call
   * at a time. A failed call changes nothing.
   *
   * @param grads One for each parameter, of its shape and dtype, as they are at the call.
   * @throws ERR_ARGUMENT for another list, for NaN, infinity and squares beyond f64; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
   * ERR_DISPOSED; ERR_STATE while another call runs; the signal's reason when aborted
   */
  async push(grads: readonly Tensor[], options: MFacPushOptions = {}): Promise<number> {
    const where = 'MFac.push';
    this.#check(where, 'grads', grads);
    const { signal } = readOptions(where, options, pushSchema);
    if (this.#isPushing)
      throw new OrthokitError('ERR_STATE', `${where}: must be awaited before the next call, got a call in a call`);
    this.#isPushing = true;
    try {
      using task = new Task<never>(this.device, { signal });
      using square = vectors.scalar(this.device);
      this.#window.mend(this.device);
      this.#before = undefined;
      this.#pack(grads, this.#staged);
      vectors.dot(this.device, this.#staged, this.#staged, square);
      checkFinite(`${where}: the square of grads`, (await task.read(square))[0]!);
      if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the window has been disposed`);
      const { head: slot, filled } = this.#place;
      const { window } = this.#window.sizes;
      this.#window.enter(this.device, slot, this.#staged, this.#out);
      try {
        ops.cast(this.device, { x: [this.#out], out: [this.#staged] });
      } catch (error) {
        this.#window.takeBack(this.device, slot, this.#out);
        throw error;
      }
      this.#before = this.#place;
      this.#place = { head: (slot + 1) % window, filled: Math.min(window, filled + 1) };
      return slot;
    } finally {
      this.#isPushing = false;
    }
  }

  /**
   * out = F⁻¹ x. Queued; nothing is awaited. Before the first gradient that is x / λ.
   *
   * @param x One tensor for each parameter, of its shape and dtype.
   * @param out The same; it may be x.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for lists that do not fit; ERR_DISPOSED; ERR_MEMORY
   */
  solve(x: readonly Tensor[], out: readonly Tensor[]): void {
    const where = 'MFac.solve';
    this.#check(where, 'x', x);
    this.#checkOut(where, out);
    this.#pack(x, this.#x);
    this.#window.solve(this.device, this.#x, this.#out);
    this.#unpack(out);
  }

  /**
   * out = F⁻¹ g for the gradient of a slot, right to rounding however large it is. Queued; nothing is awaited.
   *
   * @param slot The slot that {@link MFac.push} gave.
   * @param out One tensor for each parameter, of its shape and dtype.
   * @throws ERR_ARGUMENT for a slot that holds no gradient; ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for a list
   * that does not fit; ERR_DISPOSED; ERR_MEMORY
   */
  solveSlot(slot: number, out: readonly Tensor[]): void {
    const where = 'MFac.solveSlot';
    this.#checkOut(where, out);
    const { filled } = this.#place;
    if (!(Number.isInteger(slot) && slot >= 0 && slot < filled))
      throw refusal(where, 'slot', `be a whole number below ${filled}`, shown(slot));
    this.#window.solveSlot(this.device, slot, this.#out);
    this.#unpack(out);
  }

  /**
   * Stores the window in a safetensors file, which replaces `path` at once and whole. The file holds the state of the
   * moment of the call.
   * @throws ERR_ARGUMENT, ERR_DISPOSED; ERR_IO with the system's error as `cause`; the signal's reason when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'MFac.save';
    await saveState(path, where, this.#state(where), options);
  }

  /**
   * Brings back what {@link MFac.save} stored, bit for bit. The file is checked whole before anything changes.
   * @throws ERR_STATE for a window of other sizes, dtype or damping, gradients that are not finite and products that
   * are not theirs, ERR_FORMAT for a file that is not what it says, ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's
   * reason when aborted
   */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = 'MFac.load';
    return loadState(path, where, this.#state(where), options, (place) => this.#restore(place));
  }

  #takeBack(): void {
    if (this.#before === undefined || this.#disposed) return;
    const { head } = this.#before;
    this.#place = this.#before;
    this.#before = undefined;
    this.#window.takeBack(this.device, head, this.#staged);
  }

  #restore({ head, filled }: Place): void {
    this.#before = undefined;
    this.#place = { head, filled };
    this.#window.forget();
  }

  /** Gives the memory of the window back. */
  dispose(): void {
    this.#disposed = true;
    this.#window.dispose();
    this.#owned.dispose();
  }

  /** Disposes: `using window = new MFac(params)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #state(where: string): KeptState<Place> {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the window has been disposed`);
    this.#window.mend(this.device);
    const { gradients, gram, sizes } = this.#window;
    const { window, damp, dtype } = sizes;
    return {
      of: 'MFac',
      settings: { window, damp, dtype, shapes: this.#shapes.map((shape) => [...shape]) },
      tensors: { gradients, gram },
      numbers: this.#place,
      schema: { head: count(0, 0), filled: count(0, 0) },
      wrongData: (data) => faultOf(data.get('gradients')!, data.get('gram')!, window, dtype),
      wrong: ({ head, filled }) =>
        filled <= window && (filled === window ? head < window : head === filled)
          ? undefined
          : `head and filled must be places of a window of ${window}, got ${head} and ${filled}`,
    };
  }

  #check(where: string, name: string, list: readonly Tensor[]): void {
    if (this.#disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the window has been disposed`);
    const most = this.#shapes.length;
    if (!isListOf(list, isTensor) || list.length !== most)
      throw refusal(where, name, `be ${most} tensors`, Array.isArray(list) ? `a list of ${list.length}` : shown(list));
    for (const [i, one] of list.entries())
      check.tensor(where, `${name}[${i}]`, one, {
        dtypes: [this.#dtypes[i]!],
        shape: this.#shapes[i]!,
        device: this.device,
      });
  }

  #checkOut(where: string, out: readonly Tensor[]): void {
    this.#check(where, 'out', out);
    const places = new Places();
    for (const [i, one] of out.entries())
      if (!places.add(one)) throw refusal(where, 'out', 'not hold a tensor twice', `one again at ${i}`);
  }

  /** The parts of a vector, one after the other. */
  #parted(flat: Tensor, owned: Owned<Tensor>): Tensor[] {
    let end = 0;
    return this.#shapes.map((shape) => {
      const size = shape.reduce((product, side) => product * side, 1);
      const part = owned.add(flat.rows(end, end + size));
      end += size;
      return owned.add(part.reshape(shape));
    });
  }

  #pack(list: readonly Tensor[], flat: Tensor): void {
    using owned = new Owned<Tensor>();
    ops.cast(this.device, { x: list, out: this.#parted(flat, owned) });
  }

  #unpack(out: readonly Tensor[]): void {
    using owned = new Owned<Tensor>();
    ops.cast(this.device, { x: this.#parted(this.#out, owned), out });
  }
}
