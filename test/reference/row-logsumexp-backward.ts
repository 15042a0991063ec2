import { rowSoftmax } from './row-softmax.ts';

/** gradᵢ times the softmax of row i. */
export const rowLogsumexpBackward = (grad: ArrayLike<number>, x: ArrayLike<number>, columns: number): Float64Array =>
  rowSoftmax(x, columns).map((p, i) => grad[Math.floor(i / columns)]! * p);
