import { portion, positive } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';
import { passed } from './passed.ts';

interface Sliced {
  readonly fraction: number;
  readonly efDecay: number;
}

/** Rows or columns of the momentum are orthogonalized, and what was used of them decays. */
export const sliced: Part<Sliced, never, Sliced> = passed({ fraction: positive(0.25, 1), efDecay: portion(0.95) });
