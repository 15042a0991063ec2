import { notNegative } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';

/** Sums of squares start with a value, which matters only when they are made. */
export const accumulator = (value: number): Part<{ readonly initialAccumulator: number }> => ({
  schema: { initialAccumulator: { ...notNegative(value), fixed: true } },
});
