import { optional, positive, word } from '../../core/schema.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import { checkMatrix } from './matrix.ts';

/** One of the algorithms that go by the name; see {@link AuONOptions.variant}. */
export type AuONVariant = 'paper' | 'head' | 'rms';

interface Braked extends Pick<CommonOptions, 'lr'> {
  readonly variant: AuONVariant;
  readonly gamma: number | undefined;
}
interface BrakeFields {
  readonly variant: AuONVariant;
  readonly gamma: number;
}

const rates: Readonly<Record<AuONVariant, number>> = { paper: 0.055, head: 0.24, rms: 0.055 };
const gammas: Readonly<Record<AuONVariant, number>> = { paper: 1, head: 1.5, rms: 0.5 };

/** The step is divided by the root mean square of its hyperbolic cosine. `head` takes vectors too. */
export const brake: Part<Braked, never, BrakeFields> = {
  schema: { variant: word(['paper', 'head', 'rms'], 'paper', true), gamma: optional(positive(1, 100)) },
  defaults: ({ variant = 'paper' }) => ({ lr: rates[variant] }),
  checkWeight: (where, weight, { variant }) => {
    if (variant !== 'head') checkMatrix(where, weight);
  },
  fields: ({ variant, gamma = gammas[variant] }) => ({ variant, gamma }),
  number: { name: 'brake', combine: 'max' },
};
