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
const norm = (x: ArrayLike<number>): number => Math.sqrt(dot(x, x));

/** Rows of a row-major matrix. */
export const rowsOf = (x: ArrayLike<number>, columns: number): Float64Array[] =>
  Array.from({ length: columns === 0 ? 0 : x.length / columns }, (_, i) =>
    Float64Array.from({ length: columns }, (_, j) => x[i * columns + j]!),
  );

/** Factors of the scores of atoms: their inverse lengths where they count as unit vectors. */
const scalesOf = (atoms: readonly Float64Array[], unit: boolean): number[] =>
  atoms.map(norm).map((length) => (unit ? (length > 0 ? 1 / length : 0) : 1));

/** Atoms taken one after the other, and what they leave of a signal. */
class Projection {
  /** Column by column: each atom's shares of the directions before it, and what is left of it. */
  readonly triangle: number[][] = [];
  readonly residual: Float64Array;
  readonly norms: number[];
  readonly #basis: Float64Array[] = [];
  readonly #shares: number[] = [];

  constructor(y: Float64Array) {
    this.residual = Float64Array.from(y);
    this.norms = [norm(y)];
  }

  /** Takes an atom, but not one of which no more is left than its square times `dependent`; says whether it did. */
  take(atom: Float64Array, dependent: number): boolean {
    const q = Float64Array.from(atom);
    const column = this.#basis.map(() => 0);
    for (let pass = 0; pass < 2; pass++)
      for (const [s, other] of this.#basis.entries()) {
        const share = dot(other, q);
        column[s]! += share;
        for (let i = 0; i < q.length; i++) q[i]! -= share * other[i]!;
      }
    const left = norm(q);
    if (left ** 2 <= dependent * dot(atom, atom)) return false;
    for (let i = 0; i < q.length; i++) q[i]! /= left;
    const share = dot(q, this.residual);
    for (let i = 0; i < q.length; i++) this.residual[i]! -= share * q[i]!;
    this.#basis.push(q);
    this.triangle.push([...column, left]);
    this.#shares.push(share);
    this.norms.push(norm(this.residual));
    return true;
  }

  get coefficients(): number[] {
    return solved(this.triangle, this.#shares);
  }
}

/** x of R x = y, R upper triangular and given by columns. */
function solved(triangle: readonly number[][], y: readonly number[]): number[] {
  const x = new Array<number>(y.length).fill(0);
  for (let i = y.length - 1; i >= 0; i--) {
    let rest = y[i]!;
    for (let s = i + 1; s < y.length; s++) rest -= triangle[s]![i]! * x[s]!;
    x[i] = rest / triangle[i]![i]!;
  }
  return x;
}

/** `floor`: the correlation, relative to |y| times the longest atom, at which nothing is left. */
export function denseOmp(
  atoms: readonly Float64Array[],
  y: Float64Array,
  k: number,
  { unit = false, tol = 0, floor = 1e-12, dependent = 1e-12 } = {},
): DenseCode {
  const scale = scalesOf(atoms, unit);
  const most = Math.max(...atoms.map((atom, j) => norm(atom) * scale[j]!));
  const indices: number[] = [];
  const projection = new Projection(y);
  const { residual, norms } = projection;
  const skipped = new Set<number>();
  while (indices.length < k && dot(residual, residual) > tol) {
    const scores = atoms.map((atom, j) =>
      indices.includes(j) || skipped.has(j) ? 0 : Math.abs(dot(atom, residual)) * scale[j]!,
    );
    const best = scores.indexOf(Math.max(...scores));
    if (!(scores[best]! > floor * norms[0]! * most)) break;
    if (!projection.take(atoms[best]!, dependent)) {
      skipped.add(best);
      continue;
    }
    skipped.clear();
    indices.push(best);
  }
  return { indices, coefficients: projection.coefficients, norms };
}

/** A choice among atoms: the score of the atom, the largest of all, and what rounding may make of each. */
export interface Choice {
  readonly own: number;
  readonly best: number;
  readonly rounding: number;
}

/** Roundings that a product of vectors amounts to, whose sums go side by side. */
const sumsOfProduct = 4;

/**
 * A code that somebody else has chosen: each choice given those before it, and the norms that least squares leave.
 *
 * `rounding` is for arithmetic of the given epsilon: products of atoms with what is left after k coefficients; and of
 * coefficients by normal equations whose elements are rounded by `ofGram`, E = 4·ofGram·‖A‖² off, which leave ‖E‖·‖x‖/σ,
 * σ the least singular value of the atoms.
 */
export function choicesOf(
  atoms: readonly Float64Array[],
  y: Float64Array,
  indices: readonly number[],
  { unit = false, epsilon = 2 ** -52, ofGram = epsilon }: { unit?: boolean; epsilon?: number; ofGram?: number } = {},
): { choices: Choice[]; norms: number[] } {
  const scale = scalesOf(atoms, unit);
  const most = Math.max(...atoms.map((atom, j) => norm(atom) * scale[j]!));
  const projection = new Projection(y);
  const { residual, norms, triangle } = projection;
  const choices = indices.map((index, k) => {
    const x = projection.coefficients;
    const scores = atoms.map((atom, j) =>
      indices.indexOf(j) < k && indices.includes(j) ? 0 : Math.abs(dot(atom, residual)) * scale[j]!,
    );
    const taken = indices.slice(0, k).map((j) => norm(atoms[j]!));
    const terms = norms[0]! + taken.reduce((sum, length, s) => sum + length * Math.abs(x[s]!), 0);
    const inverse = triangle.map((_, s) => solved(triangle, triangle.map((_, i) => Number(i === s)))); // biome-ignore format: one line
    const perturbed = sumsOfProduct * dot(taken, taken) * norm(x) * norm(inverse.flat());
    const rounding = most * (epsilon * (2 * sumsOfProduct + k) * terms + ofGram * perturbed);
    projection.take(atoms[index]!, 0);
    return { own: scores[index]!, best: Math.max(...scores), rounding };
  });
  return { choices, norms };
}
