// Repeated calls of one function share buffers, and the gradients of the parameters.
import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import { parameterPaths } from '../model/parameters.ts';
import { replaced } from '../model/tree.ts';
import { Arena } from '../tape/arena.ts';
import type { TapeOptions } from '../tape/session.ts';
import { Tape } from '../tape/tape.ts';
import { Result } from '../tape/value.ts';

export class Plan {
  readonly #where: string;
  readonly #given: Arena | undefined;
  #own: Arena | undefined;
  readonly #gradients = new Map<Tensor, Tensor>();
  /** Parameters whose gradients the last call has written. */
  written: ReadonlySet<Tensor> = new Set();
  #isRunning = false;

  constructor(where: string, fn: unknown, arena: Arena | undefined) {
    if (typeof fn !== 'function') throw refusal(where, 'the first argument', 'be a function', shown(fn));
    this.#where = where;
    this.#given = arena;
  }

  /** Runs on a tape of its own; buffers come back however it ends. */
  run<R>(model: unknown, options: TapeOptions, body: (tape: Tape, paths: Map<Tensor, string>) => R): R {
    if (this.#isRunning)
      throw new OrthokitError(
        'ERR_STATE',
        `${this.#where}: must not be called inside itself, got a call within a call`,
      );
    const paths = this.#parametersOf(model);
    const [first] = paths.keys();
    const arena = this.#arenaFor(first!.device);
    this.#isRunning = true;
    try {
      const parameters = options.isRecording ? paths : undefined;
      return arena.call(() => body(new Tape(arena, { ...options, parameters }), paths));
    } finally {
      this.#isRunning = false;
    }
  }

  /** The arena of the model's device. */
  #arenaFor(device: Device): Arena {
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
  #parametersOf(model: unknown): Map<Tensor, string> {
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
        this.written = new Set();
        gradient.dispose();
      }
    return found;
  }

  /** A value for each parameter, and the model with values in their places. */
  trace(tape: Tape, model: unknown, paths: ReadonlyMap<Tensor, string>): { values: Result[]; shadow: unknown } {
    const values = new Map<Tensor, Result>();
    const { samples } = tape.options;
    for (const [tensor, path] of paths)
      values.set(tensor, new Result(tape, tensor, true, { path, gradient: () => this.#gradient(tensor, samples) }));
    return { values: [...values.values()], shadow: replaced(model, (tensor) => values.get(tensor) ?? tensor) };
  }

  /** The gradients of a walk back from the loss, times scale. */
  backward(tape: Tape, loss: Result, scale: number, values: readonly Result[]): Map<Tensor, Tensor> {
    tape.arena.pin(loss.data);
    this.written = new Set();
    loss.gradient = scale;
    tape.backward();
    const grads = new Map<Tensor, Tensor>();
    for (const { data, leaf, gradient } of values) if (gradient !== undefined) grads.set(data, leaf!.gradient());
    this.written = new Set(grads.keys());
    return grads;
  }

  #gradient(tensor: Tensor, samples: number | undefined): Tensor {
    const known = this.#gradients.get(tensor);
    const shape = samples === undefined ? tensor.shape : [samples, ...tensor.shape];
    if (known && String(known.shape) === String(shape)) return known;
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
    this.written = new Set();
  }
}
