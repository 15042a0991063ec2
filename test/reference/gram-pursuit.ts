export interface PursuitFields {
  /** D y of one signal. */
  readonly correlations: ArrayLike<number>;
  readonly gram: ArrayLike<number>;
  readonly k: number;
  readonly scales?: ArrayLike<number> | undefined;
}

/** The solution of a square system, by elimination with the largest pivot. */
function solve(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const n = rows.length;
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(rows[r]![c]!) > Math.abs(rows[pivot]![c]!)) pivot = r;
    [rows[c], rows[pivot]] = [rows[pivot]!, rows[c]!];
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const factor = rows[r]![c]! / rows[c]![c]!;
      for (let j = c; j <= n; j++) rows[r]![j]! -= factor * rows[c]![j]!;
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

/** k steps of a pursuit by the Gram matrix of independent atoms: w = G[I, I]⁻¹ p₀[I], p = p₀ − G[:, I] w. */
export function gramPursuit({ correlations, gram, k, scales }: PursuitFields): {
  indices: number[];
  coefficients: number[];
} {
  const n = correlations.length;
  const indices: number[] = [];
  let coefficients: number[] = [];
  for (let step = 0; step < k; step++) {
    let best = -1;
    let most = 0;
    for (let j = 0; j < n; j++) {
      let p = correlations[j]!;
      for (const [i, atom] of indices.entries()) p -= coefficients[i]! * gram[atom * n + j]!;
      const score = Math.abs(p) * (scales?.[j] ?? 1);
      if (score > most && !indices.includes(j)) [best, most] = [j, score];
    }
    indices.push(best);
    coefficients = solve(
      indices.map((i) => indices.map((j) => gram[i * n + j]!)),
      indices.map((i) => correlations[i]!),
    );
  }
  return { indices, coefficients };
}
