// Repeated calls of one function share buffers, and the gradients of the parameters.
import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { readOptions } from '../../core/schema.ts';
import { beginStep } from '../../core/step.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Found, Seen } from '../model/seen.ts';
import { replaced } from '../model/tree.ts';
import { Arena } from '../tape/arena.ts';
import type { TapeOptions } from '../tape/frame.ts';
import { runOn } from '../tape/running.ts';
import { Tape } from '../tape/tape.ts';
import { type PerParameter, Result } from '../tape/value.ts';
import { type Call, type CallOptions, callSchema, type ReadOptions } from './call.ts';
import { checkDirection } from './direction.ts';
import { Gradients } from './gradients.ts';

/** One run on a tape. */
export interface Run extends Found {
  readonly tape: Tape;
}

/** One run with a way back, and what the function has given. */
export interface Recorded extends Run {
  /** The value that stands for each parameter. */
  readonly values: readonly Result[];
  readonly result: unknown;
}

export interface RunOptions extends Partial<TapeOptions> {
  /** The sequence of its random numbers. Default: 0. */
  readonly stream?: number | undefined;
  /** A direction of the parameters, along which there are tangents. Default: none. */
  readonly along?: PerParameter;
}

export class Runner {
  readonly #where: string;
  readonly #fn: (...args: never[]) => unknown;
  readonly #options: ReadOptions;
  #own: Arena | undefined;
  readonly gradients: Gradients = new Gradients();
  readonly #seen = new Seen();
  #isRunning = false;

  constructor(where: string, fn: (...args: never[]) => unknown, options: CallOptions) {
    if (typeof fn !== 'function') throw refusal(where, 'the first argument', 'be a function', shown(fn));
    this.#where = where;
    this.#fn = fn;
    this.#options = readOptions(where, options, callSchema);
  }

  /** A function that is also a call with these buffers, and with others that `more` gives back. */
  callable<F extends (...args: never[]) => unknown>(call: F, more: () => void = () => {}): F & Call {
    const dispose = () => {
      more();
      this.dispose();
    };
    return Object.assign(call, { dispose, [Symbol.dispose]: dispose });
  }

  /** Runs on a tape of its own; buffers come back however it ends. */
  run<R>(model: unknown, options: RunOptions, body: (run: Run) => R): R {
    if (this.#isRunning)
      throw new OrthokitError(
        'ERR_STATE',
        `${this.#where}: must not be called inside itself, got a call within a call`,
      );
    const { paths, holders } = this.#parametersOf(model);
    const [first] = paths.keys();
    const arena = this.#arenaFor(first!.device);
    const { seed } = this.#options;
    const { stream = 0, isRecording = false, products, samples, sums, moments } = options;
    const random = seed === undefined ? undefined : { seed, stream, offset: 0 };
    const parameters = isRecording ? paths : undefined;
    const tapeOptions = { isRecording, random, products, samples, sums, moments, parameters };
    this.#isRunning = true;
    beginStep(first!.device);
    try {
      return arena.call(() => body({ tape: new Tape(arena, tapeOptions), paths, holders }));
    } finally {
      this.#isRunning = false;
    }
  }

  /** Runs the function with a value in place of each parameter, then `end`. */
  record<R>(model: unknown, args: readonly unknown[], options: RunOptions, end: (run: Recorded) => R): R {
    const { along, stream, products, samples, sums, moments = 'stay' } = options;
    return this.run(model, { stream, products, samples, sums, moments, isRecording: true }, (run) => {
      const { tape, paths, holders } = run;
      if (along) checkDirection(this.#where, paths, along);
      const values = new Map<Tensor, Result>();
      for (const [tensor, path] of paths) {
        const gradient = () => this.gradients.of(tensor, sums ? undefined : samples);
        const value = new Result(tape, tensor, true, { path, gradient });
        value.tangent = along?.get(tensor);
        values.set(tensor, value);
      }
      const shadow = replaced(model, (tensor) => values.get(tensor) ?? tensor, holders);
      return end({ tape, paths, holders, values: [...values.values()], result: this.apply(tape, shadow, args) });
    });
  }

  /** The result of the function. */
  apply(tape: Tape, model: unknown, args: readonly unknown[]): unknown {
    return runOn(tape, () => this.#fn(...([model, ...args] as never[])));
  }

  /** The arena of the model's device. */
  #arenaFor(device: Device): Arena {
    const { arena } = this.#options;
    if (arena && arena.device !== device)
      throw new OrthokitError('ERR_DEVICE', `${this.#where}: the model is on another device than the arena`);
    if (arena) return arena;
    if (this.#own && this.#own.device !== device) this.dispose();
    this.#own ??= new Arena(device);
    return this.#own;
  }

  /** The parameters of a model by path, all alive and on one device. */
  #parametersOf(model: unknown): Found {
    const found = this.#seen.of(this.#where, model);
    const [first] = found.paths.keys();
    if (!first) throw refusal(this.#where, 'model', 'hold a tensor that is trained', 'none');
    for (const [tensor, path] of found.paths)
      if (tensor.device !== first.device)
        throw new OrthokitError('ERR_DEVICE', `${this.#where}: ${path} is on another device`);
    this.gradients.keep(found.paths);
    return found;
  }

  /** The gradients of a walk back from the loss, times scale. */
  backward({ tape, values }: Recorded, loss: Result, scale: number): Map<Tensor, Tensor> {
    tape.arena.pin(loss.data);
    this.gradients.written = undefined;
    loss.gradient = scale;
    tape.backward();
    const grads = new Map<Tensor, Tensor>();
    for (const { data, leaf, gradient } of values) if (gradient !== undefined) grads.set(data, leaf!.gradient());
    this.gradients.written = new Set(grads.keys());
    return grads;
  }

  dispose(): void {
    this.#own?.dispose();
    this.#own = undefined;
    this.#seen.forget();
    this.gradients.dispose();
  }
}
