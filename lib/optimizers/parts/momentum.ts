import { refusal } from '../../core/errors.ts';
import { isListOf } from '../../core/options.ts';
import { flag, fraction, notNegative, type Option, optional, word } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';
import { passed } from './passed.ts';

/** The way in which momentum m takes a gradient g: `ema` m ← β·m + (1 − β)·g, `heavy-ball` m ← β·m + g. */
export type MomentumForm = 'ema' | 'heavy-ball';

const isFraction = (x: unknown): x is number => typeof x === 'number' && x >= 0 && x < 1;

interface Momentum {
  readonly momentum: number;
}
interface Form extends Momentum {
  readonly dampening: number;
  readonly momentumForm: MomentumForm;
}

/** The factor of one momentum. */
export const momentum = (value: number): Part<Momentum, never, Momentum> => passed({ momentum: fraction(value) });

/** The look-ahead of the momentum. */
export const nesterov = (
  value: boolean,
): Part<{ readonly nesterov: boolean }, never, { readonly nesterov: 'on' | 'off' }> => ({
  schema: { nesterov: flag(value) },
  fields: (options) => ({ nesterov: options.nesterov ? 'on' : 'off' }),
});

/**
 * The way in which the momentum takes a gradient. Only heavy-ball takes a dampening; ema would ignore it. Without one
 * the momentum of ema is 1 − β of that of heavy-ball.
 */
export const momentumForm = (value: MomentumForm): Part<Form, never, Omit<Form, 'momentum'>> => ({
  ...passed({ dampening: fraction(0), momentumForm: word(['ema', 'heavy-ball'], value, true) }),
  conversions: {
    momentumForm: ({ momentum: factor, dampening }, { momentumForm: form }) => {
      if (dampening !== 0) return `a momentum with a dampening of ${dampening} is no ema`;
      return { momenta: form === 'ema' ? 1 - factor : 1 / (1 - factor) };
    },
  },
  checkOptions: (where, { dampening, momentumForm: form }) => {
    if (dampening !== 0 && form === 'ema') throw refusal(where, 'dampening', 'be 0 for momentumForm ema', dampening);
  },
});

const pairOfFractions = (value: readonly [number, number]): Option<readonly [number, number]> => ({
  default: value,
  wrong: (x) =>
    Array.isArray(x) && x.length === 2 && isListOf(x, isFraction) ? undefined : 'must be two numbers in [0, 1)',
});

/** The factors of two moments, or of an update and a momentum. */
export const betas = (
  value: readonly [number, number],
): Part<{ readonly betas: readonly [number, number] }, never, { readonly beta1: number; readonly beta2: number }> => ({
  schema: { betas: pairOfFractions(value) },
  fields: ({ betas: [beta1, beta2] }) => ({ beta1, beta2 }),
});

interface OptionalMoments {
  readonly betas: readonly [number, number] | undefined;
  readonly eps: number | undefined;
}

/** Options of a division by a second moment, for classes that do not always keep one: [0.9, 0.999] and 1e-8. */
export const optionalMoments: Part<
  OptionalMoments,
  never,
  { readonly beta1: number; readonly beta2: number; readonly eps: number }
> = {
  schema: { betas: optional(pairOfFractions([0.9, 0.999])), eps: optional(notNegative(1e-8)) },
  fields: ({ betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8 }) => ({ beta1, beta2, eps }),
};
