// Repeated calls of one function share buffers, and the gradients of the parameters.
import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { kind, optional, readOptions, type Schema, whole } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { parameterPaths } from '../model/parameters.ts';
import { replaced } from '../model/tree.ts';
import { Arena } from '../tape/arena.ts';
import { isResult, Result, tensorOf } from '../tape/value.ts';

/** A function of the caller's that is called again and again. It owns buffers. */
export interface Call {
  /** Gives all buffers back; results are gone, and the next call makes new ones. */
  dispose(): void;
  /** Disposes: `using step = nn.valueAndGrad(loss)`. */
  [Symbol.dispose](): void;
}

/** Options of all calls. */
export interface CallOptions {
  /** Buffers to share with other calls: then results hold until the next call of any of them. Default: its own. */
  arena?: Arena | undefined;
  /**
   * For functions that draw numbers, such as dropout: every call draws its own, and `recompute` the same again. Whole,
   * 0 to 2^53. Default: none, and a function that draws throws in a gradient.
   */
  seed?: number | undefined;
}

export const callSchema: Schema<{ arena: Arena | undefined; seed: number | undefined }> = {
  arena: kind((value): value is Arena => value instanceof Arena, 'an nn.Arena'),
  seed: optional(whole(0, 0, 2 ** 53)),
};

export const readCall = (where: string, options: CallOptions): { arena: Arena | undefined; seed: number | undefined } =>
  readOptions(where, options, callSchema);

export class Plan {
  readonly #where: string;
  readonly #given: Arena | undefined;
  #own: Arena | undefined;
  readonly #gradients = new Map<Tensor, Tensor>();

  constructor(where: string, fn: unknown, arena: Arena | undefined) {
    if (typeof fn !== 'function') throw refusal(where, 'the first argument', 'be a function', shown(fn));
    this.#where = where;
    this.#given = arena;
  }

  /** The arena of the model's device. */
  arenaFor(device: Device): Arena {
    if (this.#given) {
      if (this.#given.device !== device)
        throw new OrthokitError('ERR_DEVICE', `${this.#where}: the model is on another device than the arena`);
      return this.#given;
    }
    if (this.#own && this.#own.device !== device) this.dispose();
    this.#own ??= new Arena(device);
    return this.#own;
  }

  /** The parameters of a model by path, all alive and on one device. */
  parametersOf(model: unknown): Map<Tensor, string> {
    const found = parameterPaths(this.#where, model);
    const [first] = found.keys();
    if (!first) throw refusal(this.#where, 'model', 'hold a tensor that is trained', 'none');
    for (const [tensor, path] of found)
      if (tensor.device !== first.device)
        throw new OrthokitError('ERR_DEVICE', `${this.#where}: ${path} is on another device`);
    // Parameters that are no longer there were replaced.
    for (const [tensor, gradient] of this.#gradients)
      if (!found.has(tensor)) {
        this.#gradients.delete(tensor);
        gradient.dispose();
      }
    return found;
  }

  /** A value for each parameter, and the model with values in their places. */
  trace(
    model: unknown,
    paths: ReadonlyMap<Tensor, string>,
    samples?: number,
  ): { values: Map<Tensor, Result>; shadow: unknown } {
    const values = new Map<Tensor, Result>();
    for (const [tensor, path] of paths)
      values.set(tensor, new Result(tensor, true, { path, gradient: this.#gradient(tensor, samples), samples }));
    return { values, shadow: replaced(model, (tensor) => values.get(tensor) ?? tensor) };
  }

  #gradient(tensor: Tensor, samples: number | undefined): Tensor {
    const known = this.#gradients.get(tensor);
    const count = samples === undefined ? tensor.size : samples * tensor.size;
    if (known && known.size === count) return known;
    const shape = samples === undefined ? tensor.shape : [samples, ...tensor.shape];
    const gradient = new Tensor(tensor.device, shape, tensor.dtype);
    known?.dispose();
    this.#gradients.set(tensor, gradient);
    return gradient;
  }

  dispose(): void {
    this.#own?.dispose();
    this.#own = undefined;
    for (const tensor of this.#gradients.values()) tensor.dispose();
    this.#gradients.clear();
  }
}

/** @throws ERR_ARGUMENT unless the function has given a loss */
export function checkLoss(where: string, loss: unknown): asserts loss is Result {
  if (isResult(loss) && loss.tensor.size === 1) return;
  const got = isResult(loss) ? `${loss.dtype}[${loss.shape}]` : shown(loss);
  throw refusal(where, 'the function', 'return a loss of one element', got);
}

/** A result with tensors where values are. */
export function plain(result: unknown): unknown {
  if (isResult(result)) return tensorOf(result);
  if (Array.isArray(result)) return result.map(plain);
  if (typeof result !== 'object' || result === null || Object.getPrototypeOf(result) !== Object.prototype)
    return result;
  return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, plain(value)]));
}

/** A function that is also a call with buffers. */
export function callable<F extends (...args: never[]) => unknown>(fn: F, plan: Plan): F & Call {
  const dispose = () => plan.dispose();
  return Object.assign(fn, { dispose, [Symbol.dispose]: dispose });
}
