import { flag, type Option, whole, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import type { Slot } from '../base/state.ts';
import type { CosineBasis } from './low-rank.ts';
import { sidesOf } from './matrix.ts';
import { counter, moment } from './state.ts';

/** The form in which a low-rank step keeps what it leaves of gradients; see {@link DCTAdamWOptions.errorFeedback}. */
export type ErrorFeedback = boolean | '8bit' | '4bit';

interface Kept extends Pick<CommonOptions, 'stateDtype'> {
  readonly rank: number;
  readonly gap: number;
  readonly rotate: boolean;
  readonly errorFeedback: ErrorFeedback;
  readonly basis: CosineBasis;
  readonly heads: number | undefined;
}
interface KeptFields {
  readonly rank: number;
  readonly gap: number;
  readonly rotate: 'off' | 'on';
  readonly errorFeedback: 'off' | 'on' | '8bit' | '4bit';
  readonly basis: CosineBasis;
}

const errorFeedback: Option<ErrorFeedback> = {
  default: false,
  wrong: (x) => ([false, true, '8bit', '4bit'].includes(x) ? undefined : `must be one of false, true, '8bit', '4bit'`),
  fixed: true,
};
const nameOf = (given: ErrorFeedback) => (typeof given === 'string' ? given : given ? 'on' : 'off');

/** Moments of a few coordinates of each matrix, a row each, and which ones these are. */
function coordinatesOf(weight: Tensor, options: Kept): Record<'momenta' | 'roots' | 'indices' | 'steps', Slot> {
  const { batch, rows, columns } = sidesOf(weight, options.heads);
  const taken = Math.min(options.rank, rows, columns);
  const outer = weight.shape.length === 3 || options.heads ? [batch] : [];
  const { dtype } = moment(weight, options as unknown as CommonOptions);
  const moments: Slot = { shape: [...outer, taken, Math.max(rows, columns)], dtype, start: 0 };
  return { momenta: moments, roots: moments, indices: { shape: [...outer, taken], dtype: 'i32', start: 0 }, steps: counter() }; // biome-ignore format: one line
}

/** The part of gradients that steps have left: like the weight, or codes of each row and the ends of its range. */
function feedbackOf(weight: Tensor, options: Kept): { feedback?: Slot; ranges?: Slot } {
  const { errorFeedback: given } = options;
  if (given === false) return {};
  if (given === true) {
    const like = moment(weight, options as unknown as CommonOptions);
    // Feedback along vectors that are never taken grows with each step, and f16 ends at 65,504.
    return { feedback: like.dtype === 'f16' ? { ...like, dtype: 'f32' } : like };
  }
  const { batch, rows, columns } = sidesOf(weight, options.heads);
  const width = given === '4bit' ? Math.ceil(columns / 2) : columns;
  return {
    feedback: { shape: [batch * rows, width], dtype: 'u8', start: 0 },
    ranges: { shape: [batch * rows, 2], dtype: weight.dtype === 'f64' ? 'f64' : 'f32', start: 0 },
  };
}

/** Moments in a few vectors of a cosine basis, chosen anew every `gap` steps, with or without the rest of gradients. */
export const cosineMoments: Part<Kept, 'momenta' | 'roots' | 'indices' | 'steps' | 'feedback' | 'ranges', KeptFields> =
  {
    schema: {
      rank: whole(128, 1, 2 ** 31 - 1, true),
      gap: whole(1, 1, 2 ** 31 - 1),
      rotate: flag(false),
      errorFeedback,
      basis: word<CosineBasis>(['dct2', 'dct3'], 'dct2', true),
    },
    conversions: { errorFeedback: () => 'codes and numbers of another kind are not made of each other' },
    bound: {
      ranges: 'codes stand for other numbers once the ends of their ranges are rounded',
    },
    slots: (weight, options) => ({ ...coordinatesOf(weight, options), ...feedbackOf(weight, options) }),
    fields: ({ rank, gap, rotate, errorFeedback: given, basis }) => ({
      ...{ rank, gap, basis, rotate: rotate ? 'on' : 'off', errorFeedback: nameOf(given) },
    }),
  };
