import { type Device, flowing } from '../core/device.ts';
import { OrthokitError } from '../core/errors.ts';
import { type StepEnd, StepGuard } from '../core/step-guard.ts';
import type { Tensor } from '../core/tensor.ts';
import { CountedSteps, type StepState } from './counted-steps.ts';
import type { SaveOptions } from './stateful.ts';

/** State of a method that takes queued steps. */
export interface GuardedState<N extends object> extends StepState<N> {
  /** Words for who has to give what, after which a message says in which step it did not. */
  readonly demand: string;
  /** Names who did not, if that is known, or says what else somebody did not do. */
  readonly culprit?: () => Promise<string | Fault | undefined>;
}

/** A demand that was not met, and words for what was there instead. */
export interface Fault {
  readonly demand: string;
  readonly got: string;
}

/** Steps that nobody waits for, held back on the device where numbers are not finite. */
export class GuardedSteps<N extends object = object> extends CountedSteps<N> {
  readonly #device: Device;
  readonly #state: GuardedState<N>;
  readonly #guard: StepGuard;

  constructor(device: Device, state: GuardedState<N>) {
    const guard = new StepGuard(device, state.owned);
    super(state);
    this.#device = device;
    this.#state = state;
    this.#guard = guard;
  }

  /** The field of operations that a step's guard holds back, once it has been examined. */
  get guard(): Tensor {
    return this.#guard.guard;
  }

  override run<T>(name: string, call: (where: string) => T | Promise<T>): Promise<T> {
    return this.alone(name, async (where) => {
      // A loop that never reads lets the device keep up, and hears of what it has told. The step begins after the
      // caller's turn even where nothing waits: what is set after the call counts always, or never.
      await flowing(this.#device);
      this.checkAlive(where);
      if (this.#guard.hasFailed) await this.#hear(where);
      return call(where);
    });
  }

  /** Queues the look at all new numbers of the step that is under way. */
  examine(x: readonly Tensor[]): void {
    this.#guard.examine(this.steps + 1, x);
  }

  /** Queues state = x, unless the guard holds. */
  commit(state: readonly Tensor[], x: readonly Tensor[]): void {
    this.#guard.commit(state, x);
  }

  /** Queues the last of a step's commits. */
  finish(state: readonly Tensor[], x: readonly Tensor[]): void {
    this.#guard.finish(state, x);
    this.count();
  }

  /** Queues all of the end of the step that is under way. */
  end(parts: StepEnd): void {
    this.#guard.end(this.steps + 1, parts);
    this.count();
  }

  /** @throws ERR_ARGUMENT for a step that the device has told to be none; steps may go on from before it */
  async #hear(where: string): Promise<void> {
    const failed = this.#guard.takeFailed();
    if (failed === undefined) return;
    super.goTo(failed - 1);
    const { demand, culprit } = this.#state;
    const who = await culprit?.();
    this.checkAlive(where);
    const fault = typeof who === 'string' ? { demand: `${who} must give finite numbers`, got: 'others' } : who;
    const { demand: words, got } = fault ?? { demand, got: 'others' };
    throw new OrthokitError('ERR_ARGUMENT', `${where}: ${words}, got ${got} in step ${failed}`);
  }

  /** Waits within a call until the device has told of all steps. @throws ERR_ARGUMENT for one that it held back */
  async settle(where: string): Promise<void> {
    await this.#guard.settle();
    this.checkAlive(where);
    await this.#hear(where);
  }

  override save(path: string, options: SaveOptions): Promise<void> {
    return this.alone('save', async (where) => {
      await this.settle(where);
      await this.store(path, where, options);
    });
  }

  protected override goTo(steps: number): void {
    super.goTo(steps);
    this.#guard.restart(steps);
  }
}
