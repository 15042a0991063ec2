import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { fraction, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { Projection } from './methods/projection.ts';

/** Options of {@link projectTaskVector}. */
export interface ProjectTaskVectorOptions {
  /** The share of singular values of `previous` whose directions are protected, in [0, 1). Default: 0.5. */
  readonly alpha?: number | undefined;
  /** Ends the call with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** Result of {@link projectTaskVector}. */
export interface ProjectedTaskVector {
  /** The task vector without what overlaps with the previous ones, in its shape and dtype; the caller's. */
  readonly clean: Tensor;
  /** The number of directions of the previous ones that are protected. */
  readonly rank: number;
}

const schema: Schema<Resolved<ProjectTaskVectorOptions, 'signal'>> = {
  alpha: fraction(0.5),
  signal: watchers<never>().signal,
};

/**
 * A task vector, projected away from what was merged before: with previous = U·diag(s)·Vᵀ and P = Uᵀ·task·V, the
 * diagonal of P becomes 0 where s is not, and so does its block of the first `rank` rows and columns, whose singular
 * values are `alpha` of their sum; clean = U·P·Vᵀ, and what lies outside of these directions stays. So ⟨clean,
 * previous⟩ is 0. Of a previous of zeros, clean is the task vector itself and the rank 0. f32 or f64; the inputs stay
 * as they are.
 *
 * Memory: four matrices of that size, the result among them, and a few panels of 262,144 elements.
 *
 * Source: arXiv 2501.09522; the rank is that of the authors' program, one less than the paper's. Theirs takes full
 * singular vectors, ours thin ones, which give the same.
 *
 * @param previous [m, n]: what the models before have added to the base
 * @param task [m, n]: a model less the base
 * @example
 * const { clean, rank } = await projectTaskVector(previous, task, { alpha: 0.5 });
 *
 * @throws ERR_ARGUMENT for options, NaN and infinity; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY; the
 * signal's reason when aborted
 */
export async function projectTaskVector(
  previous: Tensor,
  task: Tensor,
  options: ProjectTaskVectorOptions = {},
): Promise<ProjectedTaskVector> {
  const where = 'projectTaskVector';
  check.tensor(where, 'previous', previous, { rank: 2, dtypes: check.arithmetic });
  const { device, dtype, shape } = previous;
  check.tensor(where, 'task', task, { rank: 2, dtypes: [dtype as 'f32'], shape, device });
  const { alpha, signal } = readOptions(where, options, schema);
  using running = new Task(device, { signal });
  using owned = new Owned<Tensor>();
  const out = owned.add(
    filled(new Tensor(device, shape, dtype), (tensor) => vectors.copy(running.queue, task, tensor)),
  );
  // Both are as they are now, whatever becomes of them later.
  const before = owned.add(previous.copy());
  await checkFinite(where, running, { previous: before, task: out });
  const projection = await Projection.from(running, before, alpha, owned);
  await projection?.cleanAll(out);
  return { clean: owned.release(out), rank: projection?.rank ?? 0 };
}

/** @throws ERR_ARGUMENT for NaN and infinity */
async function checkFinite(where: string, task: Task, named: Readonly<Record<string, Tensor>>): Promise<void> {
  using squares = new Tensor(task.device, [2], 'f64');
  vectors.dots(
    task.queue,
    Object.values(named).map((x) => [x, x] as const),
    squares,
  );
  const [found] = await task.readAll(squares);
  for (const [i, name] of Object.keys(named).entries())
    if (!Number.isFinite(found[i])) throw refusal(where, name, 'be finite', 'NaN or infinity, or a norm beyond f64');
}
