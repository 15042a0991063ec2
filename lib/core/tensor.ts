import { filled } from './all-or-none.ts';
import type { Device } from './device.ts';
import { arrays, type Dtype, type DtypeArrays } from './dtypes.ts';
import { countBytes, inTurn } from './due-turns.ts';
import { OrthokitError, refusal, shown } from './errors.ts';
import { Handled, isDisposed, release } from './handle.ts';
import { arrayFrom, checkNumbers, type DtypeOf, dtypeOf, hostArray, nameOf, type TensorData } from './host-data.ts';
import { native, type TypedArray } from './native.ts';
import { calls } from './native-ops/calls.ts';
import { checkOptions } from './options.ts';
import { optional, type Resolved, readOptions, type Schema, whole } from './schema.ts';
import { frozenSizes } from './shapes.ts';
import { type FromSharedOptions, handleOf, readHandle, type SharedHandle, type SharedSource, withCause } from './shared.ts'; // biome-ignore format: one line

export type { DtypeOf, TensorData } from './host-data.ts';

/** Options of new tensors. */
export interface TensorOptions<D extends Dtype = Dtype> {
  /** Default: f32; {@link Tensor.from} takes it from the array. */
  dtype?: D | undefined;
}

/** The source of random numbers: a seed, and a place in its sequence. */
export interface RandomOptions<D extends Dtype = Dtype> {
  /** f32 (default), f64, f16 or bf16. */
  dtype?: D | undefined;
  /** Whole, 0 to 2^53. */
  seed: number;
  /** One of the seed's independent sequences: whole, 0 to 2^53. Default: 0. */
  stream?: number | undefined;
  /** The place in the sequence at which the tensor begins, in elements: whole, 0 to 2^53. Default: 0. */
  offset?: number | undefined;
}

const place = whole(0, 0, 2 ** 53);
const randomSchema: Schema<Resolved<RandomOptions, 'dtype' | 'seed'>> = {
  // The tensor looks at it.
  dtype: { default: undefined, wrong: () => undefined },
  seed: optional(place),
  stream: place,
  offset: place,
};

const notTensor = (op: string, got: unknown): OrthokitError => refusal(op, 'tensor', 'be a Tensor', shown(got));

/** @internal Whether a value is a tensor itself; `instanceof` takes a proxy of one too, which no call takes. */
export let isTensor: (value: unknown) => value is Tensor;
/** Memory that other processes can map. */
interface Shared {
  /** Its offset is that of the block's first byte, which may be gone. */
  readonly handle: SharedHandle;
  /** Resolves once the elements are there. */
  readonly ready?: Promise<void>;
}
/** One object for all tensors that have some of the same bytes. */
interface Block {
  /** Undefined: it is no such memory, or the call that was to make it so has failed. */
  shared?: Shared | undefined;
}
/** A tensor's bytes: the block, one object for all tensors that have some of it, and a range of the block's bytes. */
interface Place {
  readonly block: object;
  readonly begin: number;
  readonly end: number;
}
/** @internal Where a tensor's bytes lie. */
export let placeOf: (tensor: Tensor) => Place;

/**
 * @internal Like {@link Tensor.write} of an array that fits, without a copy: it is read off the event loop, so nobody
 * may change it any more, or move its memory.
 */
export function give(tensor: Tensor, data: TypedArray): void {
  native.give(tensor, data);
}
/** @internal The same until the promise resolves, which it does however the write ends: the array is free then. */
export function lend(tensor: Tensor, data: TypedArray): Promise<unknown> {
  return native.lendArray(tensor, data);
}
/**
 * @internal Fills arrays that fit with the elements of tensors, in the same order, before it returns: for interfaces
 * that cannot await. The event loop waits for all work of the tensors' devices that was queued before.
 * @throws what that work left, as an await would
 */
export function readNow(tensors: readonly Tensor[], into: readonly TypedArray[]): void {
  native.readNow(tensors, into);
}
/** @internal Fills an array that fits, and waits for nothing: see {@link native.look}. */
export function look(tensor: Tensor, into: TypedArray, work: number): boolean {
  return native.look(tensor, into, work);
}
/** @internal Like {@link Tensor.from} of an array that fits, under the terms of {@link give}. */
export function given<D extends Dtype>(
  device: Device,
  data: DtypeArrays[D],
  shape: readonly number[],
  dtype: D,
): Tensor<D> {
  return filled(new Tensor(device, shape, dtype), (tensor) => give(tensor, data));
}

/**
 * A dense, row-major array on a device. Operations on it are queued in order; `read()` awaits them. Weights are
 * `[out, in]`, as in PyTorch and safetensors. `Tensor<'f32'>` is one whose dtype the types know, `Tensor` one of any.
 *
 * @example
 * const device = Device.open('cpu');
 * const w = Tensor.from(device, [1, 2, 3, 4], [2, 2]);
 * console.log(await w.read()); // Float32Array(4) [ 1, 2, 3, 4 ]
 */
export class Tensor<D extends Dtype = Dtype> extends Handled {
  /** The device that holds the elements, and whose queue works on them. */
  readonly device: Device;
  /** Sizes, outermost first; frozen. `[]` has one element. */
  readonly shape: readonly number[];
  /** The type of the elements. */
  readonly dtype: D;
  /** Number of elements. */
  readonly size: number;
  readonly #block: Block;
  readonly #begin: number;

  /**
   * A tensor whose elements are not set: for outputs of operations. See {@link Tensor.from}, {@link Tensor.zeros}.
   * @throws ERR_SHAPE unless the shape has at most 5 whole sizes; ERR_DTYPE; ERR_MEMORY; ERR_DISPOSED for a closed
   * device.
   */
  constructor(device: Device & { readonly defaultDtype: D }, shape: readonly number[]);
  /** The same of a dtype. */
  constructor(device: Device, shape: readonly number[], dtype: D | undefined);
  /** @internal Shares the bytes of another tensor: {@link Tensor.reshape}. */
  constructor(tensor: Tensor<D>, shape: readonly number[]);
  /** @internal Shares the bytes of some rows of another tensor: {@link Tensor.rows}. */
  constructor(tensor: Tensor<D>, from: number, to: number);
  /** @internal Over memory that another process has made: {@link Tensor.fromShared}. */
  constructor(device: Device, shape: readonly number[], dtype: D, source: SharedSource);
  constructor(
    owner: Device | Tensor<D>,
    shapeOrFrom: readonly number[] | number,
    dtypeOrTo: D | number = 'f32' as D,
    source?: SharedSource,
  ) {
    // A list whose elements are read but once: getters may answer anything, or dispose the tensor.
    const isShape = Array.isArray(shapeOrFrom) && shapeOrFrom.length <= 5;
    const given = isShape ? frozenSizes(shapeOrFrom) : (shapeOrFrom as readonly number[] | number);
    super(owner, given, dtypeOrTo, source);
    const shared = isTensor(owner) ? (owner as Tensor<D>) : undefined;
    const [from, to] = [given, dtypeOrTo] as [number, number];
    const isPart = shared !== undefined && typeof given === 'number';
    const sizes = isPart ? Object.freeze([to - from, ...shared.shape.slice(1)]) : (given as readonly number[]);
    this.device = shared?.device ?? (owner as Device);
    this.dtype = shared?.dtype ?? (dtypeOrTo as D);
    this.shape = sizes;
    this.size = sizes.reduce((a, b) => a * b, 1);
    this.#block = shared ? shared.#block : {};
    const rowBytes = isPart && shared.size > 0 ? shared.byteLength / shared.shape[0]! : 0;
    this.#begin = shared ? shared.#begin + (isPart ? from * rowBytes : 0) : 0;
    if (!shared) countBytes(this.byteLength);
  }

  static {
    isTensor = (value): value is Tensor => typeof value === 'object' && value !== null && #block in value;
    placeOf = (tensor) => ({ block: tensor.#block, begin: tensor.#begin, end: tensor.#begin + tensor.byteLength });
  }

  /**
   * A tensor of the data, which is copied before the call returns. Without `dtype`: numbers and Float32Array give f32,
   * Float64Array f64, Int32Array i32, Uint8Array u8. For f16 and bf16, numbers and Float32Array are rounded to nearest,
   * ties to even, and Uint16Array is taken as bits.
   * @throws ERR_DTYPE for another pair of array and dtype; ERR_SHAPE unless the shape holds as many elements.
   */
  static from<T extends TensorData, D extends Dtype = DtypeOf<T>>(
    device: Device,
    data: T,
    shape: readonly number[],
    options: TensorOptions<D> = {},
  ): Tensor<D> {
    checkOptions('Tensor.from', options, ['dtype']);
    const empty = new Tensor(device, shape, options.dtype ?? (dtypeOf(data) as D));
    return filled(empty, (tensor) => tensor.#fill('Tensor.from', data));
  }

  /** A tensor of zeros. @throws ERR_ARGUMENT for what is no option; otherwise as the constructor */
  static zeros<D extends Dtype = 'f32'>(
    device: Device,
    shape: readonly number[],
    options: TensorOptions<D> = {},
  ): Tensor<D> {
    checkOptions('Tensor.zeros', options, ['dtype']);
    return Tensor.full(device, shape, 0, options);
  }

  /**
   * A tensor whose elements all have one value, rounded to nearest for floating dtypes.
   * @throws ERR_ARGUMENT unless `value` is a number, and one that an integer dtype holds; otherwise as the constructor
   */
  static full<D extends Dtype = 'f32'>(
    device: Device,
    shape: readonly number[],
    value: number,
    options: TensorOptions<D> = {},
  ): Tensor<D> {
    checkOptions('Tensor.full', options, ['dtype']);
    const { dtype } = options;
    if (typeof value !== 'number') throw refusal('Tensor.full', 'value', 'be a number', shown(value));
    if (dtype === 'i32' || dtype === 'u8') arrayFrom('Tensor.full', 'value must be an integer', [value], dtype);
    return filled(new Tensor(device, shape, dtype), (tensor) => calls.fill(device, { x: [tensor], value }));
  }

  /**
   * Normal numbers with mean 0 and variance 1 (Philox4x32-10, Box–Muller). Element i is number `offset + i` of the
   * sequence of `seed` and `stream`: a tensor drawn in two parts holds what it would hold at once. To draw on and on,
   * see {@link RandomStream}.
   * @throws ERR_ARGUMENT without a seed, or for numbers out of range; ERR_DTYPE for integer dtypes.
   */
  static randn<D extends Dtype = 'f32'>(
    device: Device,
    shape: readonly number[],
    options: RandomOptions<D>,
  ): Tensor<D> {
    return Tensor.#random('randn', device, shape, options);
  }

  /** Uniform numbers in [0, 1), by position like {@link Tensor.randn}: the same bits on every device. */
  static rand<D extends Dtype = 'f32'>(device: Device, shape: readonly number[], options: RandomOptions<D>): Tensor<D> {
    return Tensor.#random('rand', device, shape, options);
  }

  static #random<D extends Dtype>(
    name: 'randn' | 'rand',
    device: Device,
    shape: readonly number[],
    options: Partial<RandomOptions<D>> = {},
  ): Tensor<D> {
    const { seed, stream, offset, dtype } = readOptions(`Tensor.${name}`, options, randomSchema);
    if (seed === undefined) throw new OrthokitError('ERR_ARGUMENT', `Tensor.${name}: seed is missing`);
    const distribution = name === 'randn' ? 'normal' : 'uniform';
    return filled(new Tensor(device, shape, dtype as D | undefined), (tensor) =>
      calls.random(device, { x: [tensor], seed, stream, offset, distribution }),
    );
  }

  /**
   * A tensor over memory that another process has made, without a copy: what either writes, both see. It may be memory
   * of {@link Tensor.share}, a memfd of any program, or an object of `/dev/shm` such as Python's
   * `multiprocessing.shared_memory` makes (with `unsealed: 'allow'`); on a GPU memory of `cudaMalloc` of any program,
   * PyTorch for example. It stays until this tensor is disposed; on the CPU also when the other process ends, on a GPU
   * the other process must live, and not free the memory, until then. Nothing orders the two but messages of yours: see
   * the guide.
   *
   * The handle is not believed: the memory must be of this user, have the name and the size that it says, and be sealed
   * against shrinking, or such that this call can seal it; what is refused is not sealed, and nothing is sealed with
   * `unsealed: 'allow'`. Pages that the memory lacks are reserved: ERR_MEMORY tells that there is no room for them.
   * Memory of a GPU must be of the device's GPU, and hold as much as the handle says.
   *
   * @throws ERR_ARGUMENT for a handle that says what cannot be; ERR_IO, on the CPU with the system's error as `cause`,
   * for memory that is not there; ERR_FORMAT for memory that is not what the handle says, or not safe to map;
   * ERR_UNSUPPORTED for memory of the CPU on a GPU and the other way round, of another GPU, of this process on CUDA,
   * and on other systems than Linux; ERR_MEMORY; ERR_BACKEND; ERR_DISPOSED
   * @example
   * const gradient = Tensor.fromShared(device, JSON.parse(line));
   */
  static fromShared(device: Device, handle: SharedHandle, options: FromSharedOptions = {}): Tensor {
    const op = 'Tensor.fromShared';
    const { handle: own, source } = readHandle(op, handle, options);
    try {
      const tensor = new Tensor(device, own.shape, own.dtype, source);
      tensor.#block.shared = { handle: own };
      return tensor;
    } catch (error) {
      throw withCause(op, error);
    }
  }

  /**
   * Moves the elements to memory that other processes can map, and gives the handle by which they do so. The tensor
   * stays what it was for all that is done here, an optimizer's parameter for example; what is queued from now on works
   * in the shared memory. Of a tensor that is shared already, and of its rows and reshapes, the call gives a handle of
   * the same memory.
   *
   * On the CPU the memory is a memfd of a random name for this user alone, whose size nobody can change. It ends when
   * this tensor and those that share its bytes are disposed and no other process maps it, so nothing is left behind
   * whoever is killed. Other processes can open it while this one lives and has not disposed the tensor: keep the
   * tensor until then, since garbage collection disposes it, too.
   *
   * On a GPU it is a block of `cudaMalloc`, a multiple of 2 MiB, of which other processes open CUDA's handle. Keep the
   * tensor until all of them have disposed theirs: what they find afterwards is undefined.
   *
   * A call that is rejected loses no elements, and can be made again. Like {@link Tensor.read} it is rejected with what
   * earlier work has left. Where the elements themselves could not be moved, the tensor is what and where it was, and
   * work that was queued in between is skipped, as after every failure.
   *
   * @returns the handle, once the elements are there: all work that was queued before has finished, on a GPU, too
   * @throws ERR_STATE for a tensor that is not shared yet and has rows or reshapes that are not disposed;
   * ERR_UNSUPPORTED where the driver shares no memory, and on other systems than Linux; ERR_MEMORY; ERR_IO;
   * ERR_BACKEND; ERR_DISPOSED
   * @example
   * const weight = Tensor.zeros(device, [256, 128]);
   * child.stdin.write(`${JSON.stringify(await weight.share())}\n`);
   */
  async share(): Promise<SharedHandle> {
    if (!isTensor(this)) throw notTensor('share', this);
    const block = this.#block;
    this.#checkShareable();
    let { shared } = block;
    try {
      if (!shared) {
        const { done, ...memory } = native.share(this);
        const handle = handleOf(memory, { dtype: this.dtype, shape: this.shape, offset: -this.#begin });
        shared = block.shared = { handle, ready: done };
      }
      await shared.ready;
    } catch (error) {
      // Another call may have shared it again meanwhile.
      if (block.shared === shared) block.shared = undefined;
      throw withCause('share', error);
    }
    this.#checkShareable();
    const { offset = 0, ...memory } = shared.handle;
    return Object.freeze({ ...memory, dtype: this.dtype, shape: this.shape, offset: offset + this.#begin });
  }

  #checkShareable(): void {
    if (this.disposed) throw new OrthokitError('ERR_DISPOSED', 'share: tensor has been disposed');
    try {
      native.info(this.device);
    } catch (cause) {
      throw new OrthokitError('ERR_DISPOSED', 'share: tensor belongs to a closed device', { cause });
    }
  }

  /** True once {@link Tensor.dispose} has been called. */
  get disposed(): boolean {
    return isDisposed(this);
  }

  /** Gives the memory back; later use throws `ERR_DISPOSED`. Work that is queued already still runs. */
  dispose(): void {
    if (!isTensor(this)) throw notTensor('dispose', this);
    release(this);
  }

  /** Bytes of the elements on the device. */
  get byteLength(): number {
    return this.size * arrays[this.dtype].BYTES_PER_ELEMENT;
  }

  /**
   * A fresh typed array of the elements, once all work queued before is done; `Uint16Array` for f16 and bf16.
   * @throws ERR_MEMORY; ERR_UNSUPPORTED for more elements than an array of JavaScript can have (2^32 in Node.js 20);
   * ERR_DISPOSED. Without memory the promise is rejected: a throw would leave the promises that a list of reads has
   * made before to nobody, and their rejections would end the process
   */
  read(): Promise<DtypeArrays[D]> {
    if (!isTensor(this)) throw notTensor('read', this);
    try {
      return inTurn(native.read(this, hostArray('read', this.dtype, this.size)));
    } catch (error) {
      if ((error as OrthokitError).code === 'ERR_MEMORY') return Promise.reject(error);
      throw error;
    }
  }

  /**
   * Replaces all elements, in the order of queued work. `data` is copied before the call returns.
   * @throws ERR_SHAPE unless `data` has as many elements; ERR_DTYPE if it does not fit; ERR_ARGUMENT for what is not a
   * number, and for numbers that an integer dtype cannot hold.
   */
  write(data: TensorData): void {
    if (!isTensor(this)) throw notTensor('write', this);
    this.#fill('write', data);
  }

  #fill(op: string, data: TensorData): void {
    const dtype: Dtype = this.dtype;
    if (Array.isArray(data) && data.length > 0) checkNumbers(op, data.slice(0, 1));
    if (data?.length !== this.size) throw refusal(op, 'data', `have ${this.size} elements`, data?.length, 'ERR_SHAPE');
    if (Array.isArray(data)) checkNumbers(op, data);
    const isHalf = dtype === 'f16' || dtype === 'bf16';
    if (isHalf && !(data instanceof Uint16Array)) {
      this.#fillRounded(op, data);
    } else if (!Array.isArray(data)) {
      if (!(data instanceof arrays[dtype])) throw refusal(op, 'data', `fit ${dtype}`, nameOf(data), 'ERR_DTYPE');
      native.write(this, data as TypedArray);
    } else {
      native.write(this, arrayFrom(op, 'data must be integers', data, dtype));
    }
  }

  #fillRounded(op: string, data: TensorData): void {
    if (!Array.isArray(data) && !(data instanceof Float32Array))
      throw refusal(op, 'data', 'be numbers, Float32Array or bits in Uint16Array', nameOf(data), 'ERR_DTYPE');
    // f64, so that numbers are rounded once.
    using exact = Tensor.from(this.device, data, this.shape, { dtype: Array.isArray(data) ? 'f64' : 'f32' });
    calls.cast(this.device, { out: [this], x: [exact] });
  }

  /** A tensor of the same dtype and elements with bytes of its own. */
  copy(): Tensor<D> {
    return filled(new Tensor(this.device, this.shape, this.dtype), (tensor) =>
      calls.copy(this.device, { out: [tensor], x: [this] }),
    );
  }

  /** The elements in another dtype; floating ones rounded to nearest, integers cut toward zero and held in range. */
  cast<T extends Dtype>(dtype: T): Tensor<T> {
    return filled(new Tensor(this.device, this.shape, dtype), (tensor) =>
      calls.cast(this.device, { out: [tensor], x: [this] }),
    );
  }

  /**
   * The same bytes under another shape: writing to one changes the other. The memory goes when both are disposed.
   * @throws ERR_SHAPE unless the shape holds as many elements.
   */
  reshape(shape: readonly number[]): Tensor<D> {
    return new Tensor(this, shape);
  }

  /**
   * The rows before `to`, from `from` on, along the first axis: the same bytes, so that writing to one changes the
   * other. The memory goes when all that share it are disposed. An operation that writes to one of two tensors which
   * share bytes, in whole or in part, must not read or write the other.
   *
   * @param from Whole, from 0 to the number of rows.
   * @param to Whole, from `from` to the number of rows, which is the default.
   * @throws ERR_SHAPE for a tensor without axes; ERR_ARGUMENT for rows that do not exist; ERR_DISPOSED
   * @example
   * const w = Tensor.from(device, [1, 2, 3, 4, 5, 6], [3, 2]);
   * await w.rows(1, 2).read(); // Float32Array(2) [ 3, 4 ]
   */
  rows(from: number, to: number = this.shape[0]!): Tensor<D> {
    if (!isTensor(this)) throw notTensor('rows', this);
    const { shape } = this;
    if (shape.length === 0) throw new OrthokitError('ERR_SHAPE', 'rows: tensor must have an axis, got shape []');
    const check = (name: string, value: number, least: number) => {
      if (Number.isInteger(value) && value >= least && value <= shape[0]!) return;
      const text = `rows: ${name} must be a whole number from ${least} to ${shape[0]}, got ${shown(value)}`;
      throw new OrthokitError('ERR_ARGUMENT', text);
    };
    check('from', from, 0);
    check('to', to, from);
    return new Tensor(this, from, to);
  }

  /** Disposes: `using w = Tensor.zeros(device, [2, 2])`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
