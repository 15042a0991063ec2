import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import type { Tape } from './tape.ts';

let current: Tape | undefined;

/** True inside of a call of orthokit/nn. */
export const isRunning = (): boolean => current !== undefined;

/** The tape of the call that runs. */
export function runningTape(name: string): Tape {
  if (current) return current;
  throw new OrthokitError(
    'ERR_STATE',
    `nn.${name}: must be called inside nn.forward, nn.valueAndGrad or another call of orthokit/nn, got none`,
  );
}

/** Calls are synchronous, so that one place holds the tape of the innermost. */
export function runOn<R>(tape: Tape, call: () => R): R {
  const before = current;
  current = tape;
  try {
    const result = call();
    if (typeof (result as { then?: unknown } | undefined)?.then === 'function')
      throw refusal('nn', 'the function', 'be synchronous', shown(result));
    return result;
  } finally {
    current = before;
  }
}
