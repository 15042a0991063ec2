import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { checkLike, checkParams } from '../../core/params.ts';
import {
  count,
  fraction,
  kind,
  notNegative,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  word,
} from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type KeptState, loadState, saveState } from '../../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../../files/stateful.ts';
import type { TransferOptions } from '../../files/transfer.ts';
import { innerOf, MFac } from './mfac.ts';
import type { WindowDtype } from './window.ts';

/** Options of {@link MFacOptimizer}. */
export interface MFacOptimizerOptions {
  /** Learning rate: finite, not negative. Default: 1e-3. */
  lr?: number | undefined;
  /** β of v ← β v + (1 − β) F⁻¹ g, in [0, 1). Default: 0, no momentum and no state for it. */
  momentum?: number | undefined;
  /** Times the parameter it joins the gradient before the window: finite, not negative. Default: 0. */
  weightDecay?: number | undefined;
  /** Gradients that are kept, m: whole, from 1 to 32768. Default: 1024. */
  window?: number | undefined;
  /** Damping, λ on the diagonal: > 0. Default: 1e-5. */
  damp?: number | undefined;
  /** Dtype of the gradients that are kept. Default: that of the parameters. */
  dtype?: WindowDtype | undefined;
  /** Bytes that the window may take: whole, > 0. Default: the device's memory. */
  memoryLimit?: number | undefined;
}

/** Options of {@link MFacOptimizer.step}. */
export interface MFacStepOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

interface Numbers {
  readonly head: number;
  readonly filled: number;
  readonly steps: number;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

const scalars = { lr: notNegative(1e-3), momentum: fraction(0), weightDecay: notNegative(0) };
const schema: Schema<Resolved<MFacOptimizerOptions, 'dtype' | 'memoryLimit'>> = {
  ...scalars,
  window: count(1024),
  damp: positive(1e-5),
  dtype: optional(word<WindowDtype>(['f32', 'f64', 'bf16'], 'f32')),
  memoryLimit: kind((x) => Number.isSafeInteger(x) && (x as number) > 0, 'a whole number of bytes above 0'),
};
const stepSchema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };

/**
 * Steps along F⁻¹ g, F = λ I + Σ gᵢ gᵢᵀ / m the empirical Fisher matrix of the last m gradients, g among them: w ← w −
 * lr F⁻¹ g, or with momentum along its running mean. F spans all parameters. g is the gradient and `weightDecay` times
 * the parameter; F⁻¹ g is the form that does not cancel, {@link MFac.solveSlot}.
 *
 * A step waits for the device to see that its gradients and the new parameters are finite: others do not stay in the
 * window, and move nothing.
 *
 * State: that of {@link MFac}, `window` · d elements and 8 · `window`² bytes; with momentum one vector more. Two
 * vectors and what the window takes besides while it lives.
 *
 * Source: Frantar, Kurtic and Alistarh 2021.
 *
 * @example
 * using optimizer = new MFacOptimizer(params, { lr: 0.01, window: 64, damp: 1e-3 });
 * await optimizer.step(grads);
 */
export class MFacOptimizer implements Stateful {
  /** Learning rate of the next steps; saved and loaded, as the two below are. */
  lr: number;
  /** β of the next steps; 0 for good where it was at first. */
  momentum: number;
  /** Weight decay of the next steps. */
  weightDecay: number;
  /** The device of the parameters. */
  readonly device: Device;
  readonly #params: readonly Tensor[];
  readonly #window: MFac;
  readonly #owned = new Owned<Tensor>();
  readonly #gradients: readonly Tensor[];
  readonly #direction: readonly Tensor[];
  readonly #momenta: readonly Tensor[];
  #steps = 0;
  #isBusy = false;
  #isDisposed = false;

  /**
   * @param params Tensors of f32 or f64, which steps change in place.
   * @throws ERR_ARGUMENT for what is no list of tensors, and options out of range; ERR_DTYPE, ERR_DEVICE, ERR_SHAPE,
   * ERR_DISPOSED; ERR_MEMORY with the bytes that the window takes
   */
  constructor(params: readonly Tensor[], options: MFacOptimizerOptions = {}) {
    const where = 'MFacOptimizer';
    checkParams(where, 'params', params);
    const { lr, momentum, weightDecay, ...rest } = readOptions(where, options, schema);
    if (rest.window > 32768) throw refusal(where, 'window', 'be at most 32768', rest.window);
    [this.lr, this.momentum, this.weightDecay] = [lr, momentum, weightDecay];
    this.#params = [...params];
    this.device = params[0]!.device;
    this.#window = new MFac(params, rest);
    try {
      this.#gradients = vectors.like(params, this.#owned);
      this.#direction = vectors.like(params, this.#owned);
      this.#momenta = momentum > 0 ? vectors.like(params, this.#owned) : [];
      if (momentum > 0) ops.fill(this.device, { x: this.#momenta });
    } catch (error) {
      this.#window.dispose();
      this.#owned.dispose();
      throw error;
    }
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * One step; one call at a time. A failed call changes nothing.
   *
   * @param grads One for each parameter, of its shape and dtype; `null` counts as zeros. They stay as they are.
   * @throws ERR_ARGUMENT for another list, scalars out of range, NaN and infinity, of squares and results too;
   * ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_STATE while another call runs; ERR_MEMORY; the signal's reason
   * when aborted
   */
  async step(grads: readonly (Tensor | null)[], options: MFacStepOptions = {}): Promise<void> {
    const where = 'MFacOptimizer.step';
    this.#begin(where);
    const { signal } = readOptions(where, options, stepSchema);
    const { lr, momentum, weightDecay } = this.#scalars(where);
    const given = Array.isArray(grads) ? grads.map((one, i) => one ?? this.#gradients[i]) : grads;
    checkLike(where, 'grads', given, this.#params);
    this.#isBusy = true;
    try {
      const [params, device] = [this.#params, this.device];
      const kept = this.#gradients;
      const missing = kept.filter((own) => given.includes(own));
      if (missing.length > 0) ops.fill(device, { x: missing });
      vectors.combine(device, kept, [1, given], [weightDecay, params]);
      const slot = await this.#window.push(kept, { signal });
      try {
        await this.#move(where, slot, { lr, momentum }, signal);
      } catch (error) {
        innerOf(this.#window).takeBack();
        throw error;
      }
      this.#steps += 1;
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#release();
    }
  }

  /** Steps along the gradient of a slot, if all that it makes is finite. The gradients' room has the new parameters. */
  async #move(
    where: string,
    slot: number,
    { lr, momentum }: { readonly lr: number; readonly momentum: number },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const device = this.device;
    const [direction, moved] = [this.#direction, this.#gradients];
    const check = (): void => {
      for (const [i, one] of this.#params.entries())
        if (one.disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: params[${i}] has been disposed`);
    };
    check();
    using task = new Task<never>(device, { signal });
    using guard = vectors.scalar(device);
    this.#window.solveSlot(slot, direction);
    if (this.#momenta.length > 0)
      vectors.combine(device, direction, [momentum, this.#momenta], [1 - momentum, direction]);
    vectors.combine(device, moved, [1, this.#params], [-lr, direction]);
    ops.checkFinite(device, { x: [...direction, ...moved], guard });
    if ((await task.read(guard))[0] !== 0) {
      const what = 'grads must give a direction and new parameters that are finite, got others: lower lr or raise damp';
      throw new OrthokitError('ERR_ARGUMENT', `${where}: ${what}`);
    }
    check();
    vectors.copy(device, moved, this.#params);
    if (this.#momenta.length > 0) vectors.copy(device, direction, this.#momenta);
  }

  /** Bytes of state on the device; 0 once disposed. */
  get stateBytes(): number {
    if (this.#isDisposed) return 0;
    return this.#window.stateBytes + this.#momenta.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /**
   * Stores window, momentum and scalars in a safetensors file; the parameters are the caller's to store.
   * @throws ERR_ARGUMENT; ERR_STATE while a step runs; ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'MFacOptimizer.save';
    this.#begin(where);
    await saveState(path, where, this.#state(where), options);
  }

  /**
   * Brings back what `save` stored; with the same options, steps go on bit for bit. The file is checked whole before
   * anything changes.
   * @throws ERR_STATE for a state that does not fit or of other options, and while a step runs, ERR_FORMAT,
   * ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = 'MFacOptimizer.load';
    this.#begin(where);
    this.#isBusy = true;
    try {
      return await loadState(path, where, this.#state(where), options, (numbers) => {
        innerOf(this.#window).restore(numbers);
        this.#steps = numbers.steps;
        [this.lr, this.momentum, this.weightDecay] = [numbers.lr, numbers.momentum, numbers.weightDecay];
      });
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#release();
    }
  }

  /** Gives the memory of the state back; later use throws `ERR_DISPOSED`. The parameters stay. */
  dispose(): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#release();
  }

  /** Disposes: `using optimizer = new MFacOptimizer(params)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #release(): void {
    this.#window.dispose();
    this.#owned.dispose();
  }

  #begin(where: string): void {
    if (this.#isDisposed) throw new OrthokitError('ERR_DISPOSED', `${where}: the optimizer has been disposed`);
    if (this.#isBusy)
      throw new OrthokitError(
        'ERR_STATE',
        `${where}: must be called once the last call has ended, got a call in a call`,
      );
    for (const [i, one] of this.#params.entries())
      if (one.disposed) throw new OrthokitError('ERR_DISPOSED', `${where}: params[${i}] has been disposed`);
  }

  #scalars(where: string): Readonly<Record<keyof typeof scalars, number>> {
    const { lr, momentum, weightDecay } = this;
    for (const [name, value] of Object.entries({ lr, momentum, weightDecay })) {
      const problem = scalars[name as keyof typeof scalars].wrong(value);
      if (problem) throw refusal(where, name, problem.replace(/^must /, ''), shown(value));
    }
    if (momentum > 0 && this.#momenta.length === 0)
      throw refusal(where, 'momentum', 'not be 0 when the optimizer is made, to be set later', momentum);
    return { lr, momentum, weightDecay };
  }

  #state(where: string): KeptState<Numbers> {
    const inner = innerOf(this.#window).state(where);
    const { lr, momentum, weightDecay } = this;
    const momenta = Object.fromEntries(this.#momenta.map((one, i) => [`momenta.${i}`, one]));
    return {
      of: 'MFacOptimizer',
      settings: { ...inner.settings },
      tensors: { ...inner.tensors, ...momenta },
      numbers: { ...inner.numbers, steps: this.#steps, lr, momentum, weightDecay },
      schema: { ...inner.schema, steps: count(0, 0), ...scalars },
      wrong: (numbers) =>
        numbers.momentum > 0 && this.#momenta.length === 0
          ? `momentum must be 0, as it was when the optimizer was made, got ${numbers.momentum}`
          : inner.wrong?.(numbers),
      wrongData: (data, numbers) => {
        const wrong = Object.keys(momenta).find((name) => data.get(name)!.some((one) => !Number.isFinite(Number(one))));
        return wrong ? `state '${wrong}' must be finite` : inner.wrongData?.(data, numbers);
      },
    };
  }
}
