// Functions of the caller: what they throw, and tensors that they dispose of, become errors that name them.
import { OrthokitError, shown } from './errors.ts';
import type { Task } from './task.ts';
import type { Tensor } from './tensor.ts';

/**
 * Calls a function of the caller's, and waits for it. `lent` are the tensors that it must not dispose of.
 * @throws ERR_ARGUMENT, or the code of an OrthokitError, if it throws; ERR_DISPOSED for a tensor that has been
 * disposed; the signal's reason when a task is aborted
 */
export async function callback(
  task: Task<never> | undefined,
  name: string,
  lent: readonly Tensor[],
  call: () => void | Promise<void>,
): Promise<void> {
  const wait = called(name, lent, call, task);
  if (wait) await wait;
}

/**
 * The same. Undefined once the call is over: a function that queues and gives no promise costs no turn of the queue of
 * promises, `const wait = called(…); if (wait) await wait;`.
 * @throws as `callback`, at once where that is before the function gives a promise
 */
export function called(
  name: string,
  lent: readonly Tensor[],
  call: () => void | Promise<void>,
  task?: Task<never>,
): Promise<void> | undefined {
  task?.check();
  let done: void | Promise<void>;
  try {
    done = call();
  } catch (error) {
    task?.check();
    throw failed(name, error);
  }
  if (done !== undefined) return settled(name, lent, done, task);
  checkLent(name, lent);
  task?.check();
  return undefined;
}

async function settled(
  name: string,
  lent: readonly Tensor[],
  done: Promise<void>,
  task: Task<never> | undefined,
): Promise<void> {
  try {
    await (task ? task.wait(Promise.resolve(done)) : done);
  } catch (error) {
    task?.check();
    throw failed(name, error);
  }
  checkLent(name, lent);
  task?.check();
}

function failed(name: string, error: unknown): OrthokitError {
  const code = error instanceof OrthokitError ? error.code : 'ERR_ARGUMENT';
  const words = error instanceof Error ? error.message : shown(error);
  return new OrthokitError(code, `${name} has failed: ${words}`, { cause: error });
}

function checkLent(name: string, lent: readonly Tensor[]): void {
  for (const { disposed } of lent)
    if (disposed) throw new OrthokitError('ERR_DISPOSED', `${name} has disposed of a tensor that it was given`);
}

/** @throws ERR_ARGUMENT for NaN and infinity */
export function checkFinite(name: string, value: number): void {
  if (Number.isFinite(value)) return;
  throw new OrthokitError('ERR_ARGUMENT', `${name} must give finite numbers, got ${value}`);
}

/** @throws ERR_ARGUMENT unless the number is one */
export function checkNumber(name: string, value: number): void {
  if (!Number.isNaN(value)) return;
  throw new OrthokitError('ERR_ARGUMENT', `${name} must give numbers, got NaN`);
}
