import { refusal } from '../../core/errors.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import { counter, moment } from './state.ts';

interface OptionalMomentum extends CommonOptions {
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
}

/** One moment and a counter; without momentum no state. */
export const optionalMomentum: Part<OptionalMomentum, 'momenta' | 'steps'> = {
  slots: (weight, options) => (options.momentum === 0 ? {} : { momenta: moment(weight, options), steps: counter() }),
  checkOptions: (where, options, slots) => {
    const { nesterov: ahead, momentum: factor, dampening } = options;
    if (ahead && (factor === 0 || dampening !== 0)) {
      const must = 'have momentum and no dampening';
      throw refusal(where, 'nesterov', must, `momentum ${factor} and dampening ${dampening}`);
    }
    if (factor === 0 && dampening !== 0)
      throw refusal(where, 'dampening', 'be 0 without momentum, which alone takes it', dampening);
    if (factor !== 0 && slots?.size === 0)
      throw refusal(where, 'momentum', 'not be 0 when the optimizer is made, to be set later', factor);
  },
};
