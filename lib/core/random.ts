import { filled } from './all-or-none.ts';
import * as check from './check.ts';
import type { Device } from './device.ts';
import type { Dtype } from './dtypes.ts';
import { OrthokitError, refusal } from './errors.ts';
import { ops } from './native-ops.ts';
import { checkOptions, isListOf, shown } from './options.ts';
import { isTensor, Tensor, type TensorOptions } from './tensor.ts';

/** Place of a {@link RandomStream} in its sequence: whole numbers, as JSON keeps them. */
export interface RandomState {
  /** The seed, as given. */
  readonly seed: number;
  /** The stream, as given, or 0. */
  readonly stream: number;
  /** 32-bit words used so far, a multiple of 4. */
  readonly offset: number;
}

const isWhole = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

function wordsOf(tensors: readonly Tensor[]): number {
  let words = 0;
  for (const { size, dtype } of tensors) words += dtype === 'f64' ? 2 * size : size;
  return 4 * Math.ceil(words / 4);
}

/**
 * Random numbers drawn one call after another: no two calls share a word of the generator (Philox4x32-10), whatever
 * their shapes and dtypes. A restored stream goes on exactly where the other one stood, on any device.
 *
 * @example
 * const random = new RandomStream(42);
 * const noise = random.normal(device, [128, 784]);
 * const resumed = RandomStream.restore(JSON.parse(JSON.stringify(random.state)));
 */
export class RandomStream {
  /** The number of the sequence: whole, below 2^53. */
  readonly seed: number;
  /** Streams of one seed are independent sequences: one for the weights, one for the batches. */
  readonly stream: number;
  #offset = 0;

  /** @throws ERR_ARGUMENT unless seed and stream (default 0) are whole and below 2^53. */
  constructor(seed: number, options: { stream?: number | undefined } = {}) {
    checkOptions('RandomStream', options, ['stream']);
    const { stream = 0 } = options;
    for (const [name, value] of Object.entries({ seed, stream }))
      if (!isWhole(value)) throw refusal('RandomStream', name, 'be whole and from 0 to 2^53 - 1', shown(value));
    this.seed = seed;
    this.stream = stream;
  }

  /** A stream that continues from the state. @throws ERR_STATE for what cannot be one. */
  static restore(state: RandomState): RandomStream {
    const { seed, stream, offset } = state ?? {};
    if (![seed, stream, offset].every(isWhole) || offset % 4 !== 0)
      throw new OrthokitError(
        'ERR_STATE',
        `RandomStream: state is not one of a stream, got ${[seed, stream, offset].map(shown)}`,
      );
    const restored = new RandomStream(seed, { stream });
    restored.#offset = offset;
    return restored;
  }

  /** The present place of the stream: a new object each time. */
  get state(): RandomState {
    return { seed: this.seed, stream: this.stream, offset: this.#offset };
  }

  /** A tensor of normal numbers with mean 0 and variance 1. @throws ERR_DTYPE for integer dtypes. */
  normal<D extends Dtype = 'f32'>(device: Device, shape: readonly number[], options: TensorOptions<D> = {}): Tensor<D> {
    return this.#tensor(device, shape, options, 'normal');
  }

  /** A tensor of uniform numbers in [0, 1). @throws ERR_DTYPE for integer dtypes. */
  uniform<D extends Dtype = 'f32'>(
    device: Device,
    shape: readonly number[],
    options: TensorOptions<D> = {},
  ): Tensor<D> {
    return this.#tensor(device, shape, options, 'uniform');
  }

  /** Replaces all elements of tensors of one device and one floating dtype by normal numbers. */
  fillNormal(tensors: readonly Tensor[]): void {
    this.#fill(tensors, 'normal');
  }

  /** Replaces all elements of tensors of one device and one floating dtype by uniform numbers in [0, 1). */
  fillUniform(tensors: readonly Tensor[]): void {
    this.#fill(tensors, 'uniform');
  }

  #tensor<D extends Dtype>(
    device: Device,
    shape: readonly number[],
    options: TensorOptions<D>,
    distribution: 'normal' | 'uniform',
  ): Tensor<D> {
    checkOptions(`RandomStream.${distribution}`, options, ['dtype']);
    const { dtype } = options;
    return filled(new Tensor(device, shape, dtype), (tensor) => this.#fill([tensor], distribution));
  }

  #fill(tensors: readonly Tensor[], distribution: 'normal' | 'uniform'): void {
    if (!isListOf(tensors, isTensor)) throw refusal('RandomStream', 'tensors', 'be a list of Tensors', shown(tensors));
    const [first] = tensors;
    if (!first) return;
    for (const [i, tensor] of tensors.entries())
      check.tensor('RandomStream', `tensors[${i}]`, tensor, { dtypes: check.floating, device: first.device });
    const { seed, stream } = this;
    const next = this.#offset + wordsOf(tensors);
    if (!Number.isSafeInteger(next)) throw refusal('RandomStream', 'offset', 'stay below 2^53', next);
    const offset = first.dtype === 'f64' ? this.#offset / 2 : this.#offset;
    ops.random(first.device, { x: tensors, seed, stream, offset, distribution });
    this.#offset = next;
  }
}
