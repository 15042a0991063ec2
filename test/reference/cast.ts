import type { Dtype } from '../../lib/index.ts';
import { rounded } from '../support/dtypes.ts';

/** out = x in another dtype, rounded once from the exact number. */
export const cast = (x: ArrayLike<number>, dtype: Dtype): Float64Array =>
  Float64Array.from(x, (v) => rounded(v, dtype));
