import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { count, notNegative, type Schema, whole } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import { CountedSteps } from '../files/counted-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';

/** Numbers with which a run goes on. */
export interface MaidNumbers {
  /** Accuracies asked for, and that of the lower solution. */
  eps: number;
  delta: number;
  pointEps: number;
  /** The step that is tried first, and how many are. */
  first: number;
  maxBacktracks: number;
  /** Estimated constants, and the draws behind them. */
  B: number;
  LB: number;
  LAinv: number;
  Lg: number;
  draws: number;
}

const numbersSchema: Schema<MaidNumbers> = {
  eps: notNegative(0),
  delta: notNegative(0),
  pointEps: notNegative(0),
  first: notNegative(0),
  maxBacktracks: count(0, 0),
  B: notNegative(0),
  LB: notNegative(0),
  LAinv: notNegative(0),
  Lg: notNegative(0),
  draws: count(0, 0),
};
const nothing: MaidNumbers = { eps: 0, delta: 0, pointEps: 0, first: 0, maxBacktracks: 0, B: 0, LB: 0, LAinv: 0, Lg: 0, draws: 0 }; // biome-ignore format: one line

/** @internal What a run reads of a state, and gives it at its end. */
export interface MaidKept {
  readonly x: Tensor;
  readonly q: Tensor;
  /** None before the first run. */
  readonly numbers: MaidNumbers | undefined;
  set(numbers: MaidNumbers, steps: number): void;
}

/** @internal Runs a call of `Maid` on a state, alone. */
export let onState: <T>(state: MaidState, theta: Tensor, call: (kept: MaidKept) => Promise<T>) => Promise<T>;

/**
 * The place of a run of {@link Maid} after its last step, from which another one goes on bit for bit: the lower
 * solution, the solution of the linear system, accuracies, step size and estimated constants. θ is the caller's to
 * store.
 *
 * State: twice x.
 *
 * @example
 * const state = new MaidState(theta, x0);
 * await maid.run(theta, x0, { state });
 * await state.save('maid.safetensors');
 */
export class MaidState extends StatefulSteps {
  readonly #theta: Tensor;
  readonly #x: Tensor;
  readonly #q: Tensor;
  readonly #steps: CountedSteps<MaidNumbers & { started: number }>;
  #numbers = nothing;
  #started = 0;

  static {
    onState = (state, theta, call) =>
      state.#steps.run('run', () => {
        if (theta !== state.#theta) throw refusal('Maid.run', 'theta', 'be the tensor of the state', 'another one');
        return call(state.#kept);
      });
  }

  /**
   * @param theta θ of the runs.
   * @param x0 Like the lower solution.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  constructor(theta: Tensor, x0: Tensor) {
    super();
    const where = 'MaidState';
    check.tensor(where, 'theta', theta, { dtypes: check.arithmetic, filled: true });
    check.tensor(where, 'x0', x0, { dtypes: [theta.dtype], filled: true, device: theta.device });
    using owned = new Owned<Tensor>();
    const { device, dtype, shape, size } = x0;
    const zeros = (of: readonly number[]) => owned.add(Tensor.zeros(device, of, { dtype: dtype as 'f32' | 'f64' }));
    [this.#theta, this.#x, this.#q] = [theta, zeros(shape), zeros([size])];
    this.#steps = new CountedSteps({
      of: where,
      settings: {},
      owned,
      tensors: { x: this.#x, q: this.#q },
      beside: { theta },
      numbers: {
        schema: { ...numbersSchema, started: whole(0, 0, 1) },
        read: () => ({ ...this.#numbers, started: this.#started }),
        restore: ({ started, ...numbers }) => {
          [this.#numbers, this.#started] = [numbers, started];
        },
      },
    });
    keepSteps(this, this.#steps);
  }

  /** Steps of all runs so far. */
  get steps(): number {
    return this.#steps.steps;
  }

  get #kept(): MaidKept {
    return {
      x: this.#x,
      q: this.#q,
      numbers: this.#started ? this.#numbers : undefined,
      set: (numbers, steps) => {
        [this.#numbers, this.#started] = [numbers, 1];
        for (let i = 0; i < steps; ++i) this.#steps.count();
      },
    };
  }
}
