// Descent on factors, a block of steps at a time.
import { OrthokitError } from '../../core/errors.ts';
import { count, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** Progress of a descent, told after each block of steps. */
export interface DescentProgress {
  /** Steps of this call that are done. */
  readonly steps: number;
}

/** Options of a run of descent. */
export type DescentOptions = TaskOptions<DescentProgress>;

const schema: Schema<{
  signal: AbortSignal | undefined;
  onProgress: ((progress: DescentProgress) => void) | undefined;
}> = watchers<DescentProgress>();
const steps = count(1);

interface Block {
  /** Queues a step; `place` is its number in the block, `step` that of all. */
  step(task: Task<never>, factors: readonly Tensor[], step: number, place: number): Promise<void>;
  /** Looks at the factors after so many steps of the block: false if they are of no use. */
  look(task: Task<never>, factors: readonly Tensor[], places: number): Promise<boolean>;
  /** Other factors once a whole block is done, in `copies` and there for good; true if they are to count. */
  after?(task: Task<never>, factors: readonly Tensor[], copies: readonly Tensor[]): Promise<boolean>;
}

/**
 * Factors that a descent changes. Steps work on copies, which take the factors' place when a block has been looked at:
 * so an abort, an error or a divergence leaves those of the last block.
 */
export class BlockDescent {
  readonly #name: string;
  readonly #size: number;
  #factors: readonly Tensor[];
  #copies: readonly Tensor[];
  #steps = 0;
  /** True after a whole block until what comes after it is done, which an abort may put off to the next run. */
  #isDue = false;
  #isRunning = false;

  constructor(name: string, size: number, factors: readonly Tensor[], copies: readonly Tensor[]) {
    this.#name = name;
    this.#size = size;
    this.#factors = factors;
    this.#copies = copies;
  }

  /** Those of the last block that was of use. */
  get factors(): readonly Tensor[] {
    return this.#factors;
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Makes so many steps; false if the factors went astray. @throws ERR_STATE while another run lasts */
  async run(amount: number, options: DescentOptions, block: Block): Promise<boolean> {
    const where = `${this.#name}.run`;
    const problem = steps.wrong(amount);
    if (problem) throw new OrthokitError('ERR_ARGUMENT', `${where}: steps ${problem}, got ${String(amount)}`);
    const given = readOptions(where, options, schema);
    if (this.#isRunning) throw new OrthokitError('ERR_STATE', `${where}: must wait for the end of the run before it, got another`); // biome-ignore format: one line
    this.#isRunning = true;
    try {
      using task = new Task<DescentProgress>(this.#factors[0]!.device, given);
      return await this.#blocks(task, amount, block);
    } finally {
      this.#isRunning = false;
    }
  }

  async #blocks(task: Task<DescentProgress>, amount: number, block: Block): Promise<boolean> {
    const quiet = task as unknown as Task<never>;
    for (let done = 0; done < amount; ) {
      await this.#after(quiet, block);
      const places = Math.min(amount - done, this.#size - (this.#steps % this.#size));
      vectors.copy(task.queue, this.#factors, this.#copies);
      for (let place = 0; place < places; ++place) await block.step(quiet, this.#copies, this.#steps + place, place);
      if (!(await block.look(quiet, this.#copies, places))) return false;
      this.#swap();
      this.#steps += places;
      done += places;
      this.#isDue = this.#steps % this.#size === 0;
      await this.#after(quiet, block);
      task.report({ steps: done });
    }
    return true;
  }

  async #after(task: Task<never>, block: Block): Promise<void> {
    if (this.#isDue && (await block.after?.(task, this.#factors, this.#copies))) this.#swap();
    this.#isDue = false;
  }

  #swap(): void {
    [this.#factors, this.#copies] = [this.#copies, this.#factors];
  }
}
