/** Σ term(i) for i < n, with the rounding errors carried along (Kahan). */
export function sum(n: number, term: (i: number) => number): number {
  let total = 0;
  let lost = 0;
  for (let i = 0; i < n; i++) {
    const x = term(i) - lost;
    const next = total + x;
    lost = next - total - x;
    total = next;
  }
  return total;
}

export const sumOfSquares = (x: ArrayLike<number>): number => sum(x.length, (i) => x[i]! * x[i]!);
