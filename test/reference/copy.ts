/** out = x. */
export const copy = (x: ArrayLike<number>): Float64Array => Float64Array.from(x);
