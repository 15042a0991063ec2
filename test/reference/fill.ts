import type { Dtype } from '../../lib/index.ts';
import { rounded } from '../support/dtypes.ts';

/** x = value, in x's dtype. */
export const fill = (size: number, value: number, dtype: Dtype): Float64Array =>
  new Float64Array(size).fill(rounded(value, dtype));
