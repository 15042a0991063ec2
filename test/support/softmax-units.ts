/**
 * What bounds an f32 softmax, in units of 2⁻²⁴ of its value: 4 (the exponential, those of the sum, two roundings), d for
 * an element that lies d below the maximum of its row, as that difference is rounded, and ln n for the others' d.
 */
export const softmaxUnits = (x: ArrayLike<number>, columns: number): Float64Array => {
  const values = Float64Array.from(x);
  return values.map((v, i) => {
    const first = i - (i % columns);
    return 4 + Math.max(...values.subarray(first, first + columns)) - v + Math.log(columns);
  });
};
