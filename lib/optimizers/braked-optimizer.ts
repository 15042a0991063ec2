import { type Option, optional, positive, word } from '../core/schema.ts';
import { MatrixOptimizer, type MatrixOptions } from './matrix-optimizer.ts';

/** Which of the algorithms that go by the name; see {@link AuONOptions.variant}. */
export type AuONVariant = 'paper' | 'head' | 'rms';

/** Options of optimizers that scale by the hyperbolic cosine. */
export interface BrakedOptions extends MatrixOptions {
  readonly variant: AuONVariant;
  gamma: number | undefined;
}

export const rates: Readonly<Record<AuONVariant, number>> = { paper: 0.055, head: 0.24, rms: 0.055 };
const gammas: Readonly<Record<AuONVariant, number>> = { paper: 1, head: 1.5, rms: 0.5 };

export const brakedSchema: { readonly variant: Option<AuONVariant>; readonly gamma: Option<number | undefined> } = {
  variant: word(['paper', 'head', 'rms'], 'paper', true),
  gamma: optional(positive(1, 100)),
};

export const gammaOf = ({ variant, gamma = gammas[variant] }: BrakedOptions): number => gamma;

/** A matrix optimizer whose step is divided by the root mean square of a hyperbolic cosine; `head` takes vectors too. */
export abstract class BrakedOptimizer<O extends BrakedOptions> extends MatrixOptimizer<O> {
  protected override defaults({ variant = 'paper' }: Partial<O>): Partial<O> {
    return { lr: rates[variant] } as Partial<O>;
  }

  protected override get hasBrake(): boolean {
    return true;
  }

  protected override takesVectors({ variant }: O): boolean {
    return variant === 'head';
  }
}
