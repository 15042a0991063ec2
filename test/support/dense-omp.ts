// Orthogonal matching pursuit as on paper, in f64: residuals and correlations anew at each step, least squares by a QR
// factorization with each atom orthogonalized twice.

export interface DenseCode {
  readonly indices: number[];
  readonly coefficients: number[];
  /** Norms of the residual before the first atom and after each. */
  readonly norms: number[];
}

const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
};

/** Rows of a row-major matrix. */
export const rowsOf = (x: ArrayLike<number>, columns: number): Float64Array[] =>
  Array.from({ length: columns === 0 ? 0 : x.length / columns }, (_, i) =>
    Float64Array.from({ length: columns }, (_, j) => x[i * columns + j]!),
  );

/** `floor`: the correlation, relative to |y| times the longest atom, at which nothing is left. */
export function denseOmp(
  atoms: readonly Float64Array[],
  y: Float64Array,
  k: number,
  { unit = false, tol = 0, floor = 1e-12, dependent = 1e-12 } = {},
): DenseCode {
  const lengths = atoms.map((atom) => Math.sqrt(dot(atom, atom)));
  const scale = lengths.map((length) => (unit ? (length > 0 ? 1 / length : 0) : 1));
  const most = Math.max(...lengths.map((length, j) => length * scale[j]!));
  const indices: number[] = [];
  const basis: Float64Array[] = [];
  const triangle: number[][] = [];
  const shares: number[] = [];
  const residual = Float64Array.from(y);
  const norms = [Math.sqrt(dot(y, y))];
  const skipped = new Set<number>();
  while (indices.length < k && dot(residual, residual) > tol) {
    const scores = atoms.map((atom, j) =>
      indices.includes(j) || skipped.has(j) ? 0 : Math.abs(dot(atom, residual)) * scale[j]!,
    );
    const best = scores.indexOf(Math.max(...scores));
    if (!(scores[best]! > floor * norms[0]! * most)) break;
    const q = Float64Array.from(atoms[best]!);
    const column = basis.map(() => 0);
    for (let pass = 0; pass < 2; pass++)
      for (const [s, other] of basis.entries()) {
        const share = dot(other, q);
        column[s]! += share;
        for (let i = 0; i < q.length; i++) q[i]! -= share * other[i]!;
      }
    const left = Math.sqrt(dot(q, q));
    if (left ** 2 <= dependent * lengths[best]! ** 2) {
      skipped.add(best);
      continue;
    }
    skipped.clear();
    for (let i = 0; i < q.length; i++) q[i]! /= left;
    const share = dot(q, residual);
    for (let i = 0; i < q.length; i++) residual[i]! -= share * q[i]!;
    indices.push(best);
    basis.push(q);
    triangle.push([...column, left]);
    shares.push(share);
    norms.push(Math.sqrt(dot(residual, residual)));
  }
  const coefficients = new Array<number>(indices.length).fill(0);
  for (let i = indices.length - 1; i >= 0; i--) {
    let x = shares[i]!;
    for (let s = i + 1; s < indices.length; s++) x -= triangle[s]![i]! * coefficients[s]!;
    coefficients[i] = x / triangle[i]![i]!;
  }
  return { indices, coefficients, norms };
}
