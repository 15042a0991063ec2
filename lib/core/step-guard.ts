import { type Device, lastWork } from './device.ts';
import { ownCall } from './own-call.ts';
import type { Owned } from './owned.ts';
import { look, Tensor } from './tensor.ts';

const checkFinite = ownCall('checkFinite');
const commit = ownCall('commit');
const endStep = ownCall('endStep');
const fill = ownCall('fill');

/** Steps after which a device that is always busy is asked. */
const mostUnseen = 8;

/** Parts of the end of a step that one operation makes. */
export interface StepEnd {
  /** State, and what it becomes. */
  readonly state: readonly Tensor[];
  readonly x: readonly Tensor[];
  /** Takes the first of the state as they were. Default: none. */
  readonly former?: readonly Tensor[] | undefined;
  /** Tensors that are looked at. Default: none. */
  readonly watched?: readonly Tensor[] | undefined;
  /** State that the step has changed in place, and what it was. Default: none. */
  readonly kept?: readonly Tensor[] | undefined;
  readonly before?: readonly Tensor[] | undefined;
  /** Takes the sizes, unless an earlier step is held back. Default: none. */
  readonly told?: Tensor | undefined;
  /** f64; numbers that are looked at, such as lengths of what is not in `watched`. Default: none. */
  readonly sizes?: Tensor | undefined;
}

/**
 * Holds queued steps back, on the device, from the first one on that made numbers which are not finite: it and all that
 * follow change nothing. Nobody waits for that: before each step the record is looked at, if the step before has ended
 * by then, and every few steps a busy device is asked, whose answer is there some steps later.
 */
export class StepGuard {
  readonly #device: Device;
  /** Not 0 where the step that was examined last is held back: the number of steps whose numbers were not finite. */
  readonly guard: Tensor;
  /** Two numbers: that one, and the last step that was made. */
  readonly #record: Tensor;
  /** The number of tensors that are not finite in the step that was examined last. */
  readonly #bad: Tensor;
  readonly #last: Tensor;
  readonly #number: Tensor;
  #failed: number | undefined;
  /** Answers of before a return to a state are about other steps. */
  #generation = 0;
  #isAsking = false;
  /** Steps whose end nobody has looked at, or asked for. */
  #unseen = 0;
  /** The number of the work that ends the last step. */
  #end = 0;
  readonly #seen = new Float64Array(2);

  constructor(device: Device, owned: Owned<Tensor>) {
    const make = (size: number) => owned.add(Tensor.zeros(device, [size], { dtype: 'f64' }));
    this.#device = device;
    [this.#record, this.#bad, this.#number] = [make(2), make(1), make(1)];
    this.guard = owned.add(this.#record.rows(0, 1));
    this.#last = owned.add(this.#record.rows(1, 2));
  }

  /** Queues the look at all new numbers of step `number`, counted from 1. */
  examine(number: number, x: readonly Tensor[]): void {
    const device = this.#device;
    fill(device, { x: [this.#number], value: number });
    checkFinite(device, { x, guard: this.#bad, skipped: this.guard });
  }

  /** Queues state = x, unless the guard holds. */
  commit(state: readonly Tensor[], x: readonly Tensor[]): void {
    commit(this.#device, { state, x, guard: this.guard });
  }

  /** Queues the last of a step's commits. */
  finish(state: readonly Tensor[], x: readonly Tensor[]): void {
    this.commit([...state, this.#last], [...x, this.#number]);
    this.#watch();
  }

  /** Queues all of the end of step `number`, counted from 1, in one operation. */
  end(number: number, parts: StepEnd): void {
    const { state, x, former, watched, kept, before, told, sizes } = parts;
    const record = this.#record;
    endStep(this.#device, { state, x, former, watched, kept, before, told, sizes, record, step: number });
    this.#watch();
  }

  /** Asks the device, unless a question is on its way. Whoever waits for the device next hears of an error. */
  #watch(): void {
    this.#unseen += 1;
    this.#end = lastWork(this.#device);
    if (this.#isAsking || (this.#device.kind === 'cpu' && this.#unseen < mostUnseen)) return;
    void this.#ask().catch(() => {});
  }

  async #ask(): Promise<void> {
    const generation = this.#generation;
    this.#isAsking = true;
    this.#unseen = 0;
    try {
      const record = (await this.#record.read()) as Float64Array;
      if (generation === this.#generation) this.#take(record);
    } finally {
      this.#isAsking = false;
    }
  }

  #take(record: Float64Array): void {
    if (record[0] !== 0) this.#failed = record[1]! + 1;
  }

  /** Waits until the device has told of all steps. */
  async settle(): Promise<void> {
    await this.#ask();
  }

  /** True once the device has told of a step that failed. */
  get hasFailed(): boolean {
    if (this.#unseen > 0 && look(this.#record, this.#seen, this.#end)) {
      this.#unseen = 0;
      this.#take(this.#seen);
    }
    return this.#failed !== undefined;
  }

  /** The step that failed, if the device has told of one. The state is that of before, and steps may go on from it. */
  takeFailed(): number | undefined {
    const failed = this.#failed;
    if (failed !== undefined) this.restart(failed - 1);
    return failed;
  }

  /** Goes on from a state after so many steps. */
  restart(steps: number): void {
    this.#generation += 1;
    this.#failed = undefined;
    fill(this.#device, { x: [this.guard], value: 0 });
    fill(this.#device, { x: [this.#last], value: steps });
  }
}
