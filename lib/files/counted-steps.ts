import * as check from '../core/check.ts';
import { OrthokitError } from '../core/errors.ts';
import type { Owned } from '../core/owned.ts';
import { count, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { loadState, type StateForm, saveState } from './state.ts';
import type { LoadResult, SaveOptions } from './stateful.ts';
import type { TransferOptions } from './transfer.ts';

/** State of a method that takes steps, each of which counts as a whole or not at all. */
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
  /** Numbers of the state besides the count of steps. */
  readonly numbers?: {
    readonly schema: Schema<N>;
    /** Names a fault of numbers of a file that keep the rules one by one. */
    wrong?(numbers: { steps: number } & N): string | undefined;
    read(): N;
    restore(numbers: N): void;
  };
  /** Names a fault of the elements of a file's tensors. */
  readonly wrongData?: StateForm<{ steps: number } & N>['wrongData'];
}

/** The steps of a method: one call at a time, counted, saved and loaded. */
export class CountedSteps<N extends object = object> {
  readonly #state: StepState<N>;
  readonly #owned: Owned<Tensor>;
  #steps = 0;
  #isBusy = false;
  #isDisposed = false;

  constructor(state: StepState<N>) {
    this.#state = state;
    this.#owned = state.owned.move();
  }

  /** All that goes when the method is disposed of. */
  get owned(): Owned<Tensor> {
    return this.#owned;
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Counts one more. */
  count(): void {
    this.#steps += 1;
  }

  /** Goes on from a state after so many steps. */
  protected goTo(steps: number): void {
    this.#steps = steps;
  }

  /** Runs a call whose messages begin with `where`. @throws ERR_DISPOSED; ERR_STATE while another one runs */
  run<T>(name: string, call: (where: string) => T | Promise<T>): Promise<T> {
    return this.alone(name, call);
  }

  /** Runs a call as `run` does, for calls of every kind. */
  protected async alone<T>(name: string, call: (where: string) => T | Promise<T>): Promise<T> {
    const where = `${this.#state.of}.${name}`;
    this.checkAlive(where);
    if (this.#isBusy)
      throw new OrthokitError(
        'ERR_STATE',
        `${where}: must be called once the last call has ended, got a call in a call`,
      );
    this.#isBusy = true;
    try {
      return await call(where);
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#owned.dispose();
    }
  }

  /** @throws ERR_DISPOSED for a method, or what it works on, that is gone */
  checkAlive(where: string): void {
    if (this.#isDisposed) check.alive(where, 'the method', { disposed: true });
    const { beside } = this.#state;
    for (const name in beside) check.alive(where, name, beside[name]!);
  }

  get stateBytes(): number {
    if (this.#isDisposed) return 0;
    return Object.values(this.#state.tensors).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  get #kept() {
    const { of, settings, tensors, numbers, wrongData } = this.#state;
    const schema = { steps: count(0, 0), ...numbers?.schema } as Schema<{ steps: number } & N>;
    const wrong = (found: { steps: number } & N): string | undefined => numbers?.wrong?.(found);
    const values = { steps: this.#steps, ...(numbers?.read() as N) };
    return { of, settings, tensors, schema, wrong, numbers: values, ...(wrongData && { wrongData }) };
  }

  save(path: string, options: SaveOptions): Promise<void> {
    return this.alone('save', (where) => this.store(path, where, options));
  }

  protected store(path: string, where: string, options: SaveOptions): Promise<void> {
    return saveState(path, where, this.#kept, options);
  }

  load(path: string, options: TransferOptions): Promise<LoadResult> {
    return this.alone('load', (where) =>
      loadState(path, where, this.#kept, options, (numbers) => {
        this.goTo(numbers.steps);
        this.#state.numbers?.restore(numbers);
      }),
    );
  }

  /** Disposes; a call that runs keeps its tensors until it has ended, and so can bring the caller's back. */
  dispose(): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#owned.dispose();
  }
}
