/** One step for one signal: the best atom for `rest` that is not among `chosen`, and least squares on all of them. */
export function pursuitStep(
  atoms: readonly Float64Array[],
  signal: Float64Array,
  rest: Float64Array,
  chosen: readonly number[],
  scales?: ArrayLike<number>,
): { best: number; coefficients: number[]; rest: Float64Array } {
  const product = (x: Float64Array, y: Float64Array) => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
  const scores = atoms.map((atom, j) => (chosen.includes(j) ? -1 : Math.abs(product(atom, rest)) * (scales?.[j] ?? 1)));
  const best = scores.indexOf(Math.max(...scores));
  // Gauss–Jordan on the normal equations.
  const support = [...chosen, best].map((j) => atoms[j]!);
  const rows = support.map((d) => [...support.map((other) => product(d, other)), product(d, signal)]);
  for (let c = 0; c < rows.length; c++)
    for (let r = 0; r < rows.length; r++) {
      const factor = rows[r]![c]! / rows[c]![c]!;
      if (r !== c) rows[r] = rows[r]!.map((v, j) => v - factor * rows[c]![j]!);
    }
  const coefficients = rows.map((row, i) => row.at(-1)! / row[i]!);
  return {
    best,
    coefficients,
    rest: signal.map((v, i) => v - support.reduce((sum, d, s) => sum + coefficients[s]! * d[i]!, 0)),
  };
}
