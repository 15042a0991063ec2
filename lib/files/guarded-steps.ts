import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError } from '../core/errors.ts';
import type { Owned } from '../core/owned.ts';
import { count, type Schema } from '../core/schema.ts';
import { StepGuard } from '../core/step-guard.ts';
import type { Tensor } from '../core/tensor.ts';
import { loadState, type StateForm, saveState } from './state.ts';
import type { LoadResult, SaveOptions } from './stateful.ts';
import type { TransferOptions } from './transfer.ts';

/** State of a method that takes queued steps, each of which counts as a whole or not at all. */
export interface StepState<N extends object> {
  /** The class, with which messages begin. */
  readonly of: string;
  /** Tensors of the state by name, which `owned` has. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** All that goes when the method is disposed of; moved out of here. */
  readonly owned: Owned<Tensor>;
  /** Tensors of the caller's that steps change. */
  readonly beside: Readonly<Record<string, Tensor>>;
  /** Options that a file of the state must agree with. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Words for who has to give what, after which a message says in which step it did not. */
  readonly demand: string;
  /** Names who did not, if that is known. */
  readonly culprit?: () => Promise<string | undefined>;
  /** Numbers of the state besides the count of steps. */
  readonly numbers?: {
    readonly schema: Schema<N>;
    read(): N;
    restore(numbers: N): void;
  };
  /** Names a fault of the elements of a file's tensors. */
  readonly wrongData?: StateForm<{ steps: number } & N>['wrongData'];
}

/**
 * The steps of a method: one call at a time, held back on the device where numbers are not finite, saved and loaded.
 */
export class GuardedSteps<N extends object = object> {
  readonly #device: Device;
  readonly #state: StepState<N>;
  readonly #owned: Owned<Tensor>;
  readonly #guard: StepGuard;
  #steps = 0;
  #isBusy = false;
  #isDisposed = false;

  constructor(device: Device, state: StepState<N>) {
    this.#device = device;
    this.#state = state;
    this.#guard = new StepGuard(device, state.owned);
    this.#owned = state.owned.move();
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** The field of operations that a step's guard holds back, once it has been examined. */
  get guard(): Tensor {
    return this.#guard.guard;
  }

  /** Runs a call whose messages begin with `where`, unless another one runs. */
  async run<T>(name: string, call: (where: string) => Promise<T>): Promise<T> {
    const where = this.#ready(name);
    this.#isBusy = true;
    try {
      // A loop that never reads lets the device keep up, and hears of what it has told.
      await this.#device.flow();
      this.checkAlive(where);
      await this.#hear(where);
      return await call(where);
    } finally {
      this.#end();
    }
  }

  /** Checks that may throw before `run` does anything. @throws ERR_DISPOSED, ERR_STATE */
  #ready(name: string): string {
    const where = `${this.#state.of}.${name}`;
    this.checkAlive(where);
    if (!this.#isBusy) return where;
    throw new OrthokitError('ERR_STATE', `${where}: must be called once the last call has ended, got a call in a call`);
  }

  /** @throws ERR_DISPOSED for a method, or what it works on, that is gone */
  checkAlive(where: string): void {
    check.alive(where, 'the method', { disposed: this.#isDisposed });
    for (const [name, tensor] of Object.entries(this.#state.beside)) check.alive(where, name, tensor);
  }

  /** Queues the look at all new numbers of the step that is under way. */
  examine(x: readonly Tensor[]): void {
    this.#guard.examine(this.#steps + 1, x);
  }

  /** Queues state = x, unless the guard holds. */
  commit(state: readonly Tensor[], x: readonly Tensor[]): void {
    this.#guard.commit(state, x);
  }

  /** Queues the last of a step's commits. */
  finish(state: readonly Tensor[], x: readonly Tensor[]): void {
    this.#guard.finish(state, x);
    this.#steps += 1;
  }

  /** @throws ERR_ARGUMENT for a step that the device has told to be none; steps may go on from before it */
  async #hear(where: string): Promise<void> {
    const failed = this.#guard.takeFailed();
    if (failed === undefined) return;
    this.#steps = failed - 1;
    const { demand, culprit } = this.#state;
    const who = await culprit?.();
    this.checkAlive(where);
    const words = who === undefined ? demand : `${who} must give finite numbers`;
    throw new OrthokitError('ERR_ARGUMENT', `${where}: ${words}, got others in step ${failed}`);
  }

  /** Waits within a call until the device has told of all steps. @throws ERR_ARGUMENT for one that it held back */
  async settle(where: string): Promise<void> {
    await this.#guard.settle();
    this.checkAlive(where);
    await this.#hear(where);
  }

  get stateBytes(): number {
    if (this.#isDisposed) return 0;
    return Object.values(this.#state.tensors).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  get #kept() {
    const { of, settings, tensors, numbers, wrongData } = this.#state;
    const schema = { steps: count(0, 0), ...numbers?.schema } as Schema<{ steps: number } & N>;
    const values = { steps: this.#steps, ...(numbers?.read() as N) };
    return { of, settings, tensors, schema, numbers: values, ...(wrongData && { wrongData }) };
  }

  async save(path: string, options: SaveOptions): Promise<void> {
    const where = this.#ready('save');
    this.#isBusy = true;
    try {
      await this.settle(where);
      await saveState(path, where, this.#kept, options);
    } finally {
      this.#end();
    }
  }

  async load(path: string, options: TransferOptions): Promise<LoadResult> {
    const where = this.#ready('load');
    this.#isBusy = true;
    try {
      return await loadState(path, where, this.#kept, options, (numbers) => {
        this.#steps = numbers.steps;
        this.#state.numbers?.restore(numbers);
        this.#guard.restart(numbers.steps);
      });
    } finally {
      this.#end();
    }
  }

  /** Disposes; a call that runs keeps its tensors until it has ended, and so can bring the caller's back. */
  dispose(): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#owned.dispose();
  }

  #end(): void {
    this.#isBusy = false;
    if (this.#isDisposed) this.#owned.dispose();
  }
}
