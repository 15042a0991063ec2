import * as check from '../../core/check.ts';
import { OrthokitError } from '../../core/errors.ts';
import type { Owned } from '../../core/owned.ts';
import { count, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { loadState, saveState } from '../../files/state.ts';
import type { LoadResult, SaveOptions } from '../../files/stateful.ts';
import type { TransferOptions } from '../../files/transfer.ts';

/** State of a method that waits for its losses in each step. */
export interface ForwardState<N extends object> {
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
    wrong(numbers: N & { readonly steps: number }): string | undefined;
    read(): N;
    restore(numbers: N): void;
  };
}

/** Steps of a method that trains by forward passes: one call at a time, counted, saved and loaded. */
export class ForwardSteps<N extends object = object> {
  readonly #state: ForwardState<N>;
  readonly #owned: Owned<Tensor>;
  #steps = 0;
  #isBusy = false;
  #isDisposed = false;

  constructor(state: ForwardState<N>) {
    this.#state = state;
    this.#owned = state.owned.move();
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Counts one more. */
  count(): void {
    this.#steps += 1;
  }

  /** Runs a call whose messages begin with `where`. @throws ERR_DISPOSED; ERR_STATE while another one runs */
  async run<T>(name: string, call: (where: string) => T | Promise<T>): Promise<T> {
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
    check.alive(where, 'the method', { disposed: this.#isDisposed });
    for (const [name, tensor] of Object.entries(this.#state.beside)) check.alive(where, name, tensor);
  }

  get stateBytes(): number {
    if (this.#isDisposed) return 0;
    return Object.values(this.#state.tensors).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  get #kept() {
    const { of, settings, tensors, numbers } = this.#state;
    const schema = { steps: count(0, 0), ...numbers?.schema } as Schema<{ steps: number } & N>;
    const wrong = (found: { steps: number } & N): string | undefined => numbers?.wrong(found);
    return { of, settings, tensors, schema, wrong, numbers: { steps: this.#steps, ...(numbers?.read() as N) } };
  }

  save(path: string, options: SaveOptions): Promise<void> {
    return this.run('save', (where) => saveState(path, where, this.#kept, options));
  }

  load(path: string, options: TransferOptions): Promise<LoadResult> {
    return this.run('load', (where) =>
      loadState(path, where, this.#kept, options, (numbers) => {
        this.#steps = numbers.steps;
        this.#state.numbers?.restore(numbers);
      }),
    );
  }

  /** Disposes; a call that runs keeps its tensors until it has ended. */
  dispose(): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#owned.dispose();
  }
}
