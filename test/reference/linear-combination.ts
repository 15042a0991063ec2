/** out = Σⱼ cⱼ · termⱼ for one tensor. */
export function linearCombination(coefficients: readonly number[], terms: readonly ArrayLike<number>[]): Float64Array {
  return Float64Array.from({ length: terms[0]!.length }, (_, i) =>
    coefficients.reduce((sum, c, j) => sum + c * terms[j]![i]!, 0),
  );
}
