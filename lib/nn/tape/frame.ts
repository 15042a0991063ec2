import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { DeviceOps } from './device-ops.ts';
import type { SampleSums } from './sample-sums.ts';
import { type Arg, isArg, isResult, type Owner, tensorOf } from './value.ts';

/** A place in a sequence of random numbers. */
export interface Place {
  readonly seed: number;
  readonly stream: number;
  readonly offset: number;
}

export interface TapeOptions {
  /** True: there is a way back. */
  readonly isRecording: boolean;
  readonly random?: Place | undefined;
  /** The dtype of products of linear layers, where it is not their own. */
  readonly products?: 'bf16' | 'f16' | undefined;
  /** The number of samples that have gradients of their own. */
  readonly samples?: number | undefined;
  /** The gradients of which there are products alone. */
  readonly sums?: SampleSums | undefined;
  /** Normalizations take the moments of the batch, and running ones move on or stay. Without: the running ones. */
  readonly moments?: 'move' | 'stay' | undefined;
  /** Parameters of the model: met outside their places in it, they would be silent constants. */
  readonly parameters?: ReadonlyMap<Tensor, string> | undefined;
}

/** Options of a tape for a part of a call; running moments stay where it repeats what has run. */
export function innerOptions(outer: TapeOptions, isRecording: boolean, random: Place | undefined): TapeOptions {
  const { products, samples, sums, parameters } = outer;
  const moments = outer.moments && (isRecording ? 'stay' : outer.moments);
  return { isRecording: outer.isRecording, random, products, samples, sums, moments, parameters };
}

/** The call that runs, as functions see it. */
export interface Session extends Owner {
  readonly arena: Arena;
  readonly options: TapeOptions;
  /** True: nothing that is written here has a way back, on this tape or on one around it. */
  readonly isPlain: boolean;
  /** A place in the sequence for so many numbers; none in a call without a seed. */
  draw(count: number): Place | undefined;
}

/** A parameter that is reached past the argument of the function would get no gradient, and nobody would notice. */
export function checkReached({ parameters }: TapeOptions, name: string, x: unknown): void {
  if (parameters?.has(x as Tensor))
    throw new OrthokitError(
      'ERR_ARGUMENT',
      `nn.${name}: ${parameters.get(x as Tensor)} must be reached through the argument of the function, got the tensor itself, which has no gradient`,
    );
}

/** The means of one call of a function. */
export interface Frame {
  /** The device on which work is queued. */
  readonly device: Device;
  /** A buffer, not set: for the result, and for what the way back needs. */
  buffer(shape: readonly number[], dtype: Dtype): Tensor;
  /** A buffer, not set, until the function or its way back returns. */
  scratch(shape: readonly number[], dtype: Dtype): Tensor;
  /** A tensor that is made once and kept, such as a mask. The key tells all that it depends on. */
  constant(key: string, make: (device: Device) => Tensor): Tensor;
  /** The tensor of an argument. @throws ERR_ARGUMENT for a parameter that was reached past the function's argument */
  tensor(x: Arg): Tensor;
}

export class TapeFrame implements Frame {
  readonly device: Device;
  /** Operations on the device. */
  readonly ops: DeviceOps;
  readonly kept: Tensor[] = [];
  readonly tape: Session;
  readonly #name: string;
  #scratch: Tensor[] = [];

  constructor(tape: Session, name: string) {
    this.tape = tape;
    this.#name = name;
    this.device = tape.arena.device;
    this.ops = tape.arena.ops;
  }

  buffer(shape: readonly number[], dtype: Dtype): Tensor {
    const tensor = this.tape.arena.take(shape, dtype);
    this.kept.push(tensor);
    return tensor;
  }

  scratch(shape: readonly number[], dtype: Dtype): Tensor {
    const tensor = this.tape.arena.take(shape, dtype);
    this.#scratch.push(tensor);
    return tensor;
  }

  constant(key: string, make: (device: Device) => Tensor): Tensor {
    return this.tape.arena.constant(`${this.#name} ${key}`, make);
  }

  tensor(x: Arg): Tensor {
    // It may be one that the tape has not seen, inside another argument.
    if (isResult(x)) x.uses += 1;
    else checkReached(this.tape.options, this.#name, x);
    return tensorOf(x);
  }

  /** The same bytes under another shape. */
  view(x: Arg, shape: readonly number[]): Tensor {
    if (!isArg(x)) throw refusal(`nn.${this.#name}`, 'an argument', 'be a tensor or a value', shown(x));
    return this.tape.arena.view(tensorOf(x), shape);
  }

  /** `[…, n]` as a matrix of rows of n. */
  rows(x: Arg): Tensor {
    const { shape } = x;
    const width = shape[shape.length - 1] ?? 1;
    // Rows without elements are counted by the other axes.
    const rows = width === 0 ? shape.slice(0, -1).reduce((count, size) => count * size, 1) : tensorOf(x).size / width;
    return this.view(x, [rows, width]);
  }

  /** out = Σ coefficient · term. */
  combine(out: Tensor, terms: readonly Tensor[], coefficients: readonly number[]): void {
    this.ops.linearCombination({ out: [out], terms, coefficients });
  }

  /** The rows of each sample, `[samples, rows, n]`. */
  samples(x: Arg, count: number): Tensor {
    const [rows, width] = this.rows(x).shape as [number, number];
    return this.view(x, [count, rows / count, width]);
  }

  clean(): void {
    for (const tensor of this.#scratch) this.tape.arena.give(tensor);
    this.#scratch = [];
  }
}
