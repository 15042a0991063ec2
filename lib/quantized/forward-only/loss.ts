import * as check from '../../core/check.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';

/** The value of a loss: a number, or a tensor of one element, such as `nn.forward` gives. */
export type LossValue = number | Tensor;

/** A loss that a function of the caller's gives, now or later. */
export type LossResult = LossValue | Promise<LossValue>;

/**
 * Asks for a loss. A tensor is read as it is now, so that the next call may use its memory again; the numbers of
 * several losses are waited for together.
 *
 * @param lent Tensors that the function must not dispose of.
 * @throws ERR_ARGUMENT, or the code of an OrthokitError, if it throws; ERR_ARGUMENT for what is no loss; ERR_DISPOSED
 */
export async function askLoss(
  name: string,
  lent: readonly Tensor[],
  call: () => LossResult,
): Promise<{ readonly value: Promise<number> }> {
  let given: LossValue;
  try {
    given = await call();
  } catch (error) {
    const code = error instanceof OrthokitError ? error.code : 'ERR_ARGUMENT';
    const words = error instanceof Error ? error.message : shown(error);
    throw new OrthokitError(code, `${name} has failed: ${words}`, { cause: error });
  }
  if (lent.some(({ disposed }) => disposed))
    throw new OrthokitError('ERR_DISPOSED', `${name} has disposed of a tensor that it was given`);
  if (typeof given === 'number') return { value: Promise.resolve(given) };
  if (!isTensor(given) || given.size !== 1)
    throw refusal(name, 'what it gives', 'be a number or a tensor of one', shown(given));
  const value = given.read().then((data) => Number(data[0]));
  value.catch(() => {}); // who waits for it hears of it
  return { value };
}

/** The numbers of losses. */
export const numbersOf = (losses: readonly { readonly value: Promise<number> }[]): Promise<number[]> =>
  Promise.all(losses.map(({ value }) => value));

/** @throws ERR_ARGUMENT unless it is a function */
export function checkLoss(where: string, loss: unknown): void {
  check.callable(where, 'loss', loss);
}

/** @throws ERR_ARGUMENT unless whole, from 0 to 2^53 − 1 */
export function checkSeed(where: string, seed: unknown): asserts seed is number {
  if (!(Number.isSafeInteger(seed) && (seed as number) >= 0))
    throw refusal(where, 'seed', 'be a whole number from 0 to 9007199254740991', shown(seed));
}
