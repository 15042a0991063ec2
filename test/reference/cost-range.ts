/** [least, most, NaN or −inf, +inf, rows and columns without a finite cost, rows and columns without one to a mass] */
export function costRange(cost: Float64Array, a: Float64Array, b: Float64Array): number[] {
  const m = b.length;
  const finite = cost.filter(Number.isFinite);
  const without = (masses: Float64Array, others: Float64Array, at: (i: number, j: number) => number, wanted: number) =>
    masses.filter(
      (mass, i) => mass > 0 && !others.some((other, j) => other >= wanted && Number.isFinite(cost[at(i, j)])),
    ).length;
  const inRow = (i: number, j: number) => i * m + j;
  const inColumn = (j: number, i: number) => i * m + j;
  return [
    finite.length > 0 ? finite.reduce((x, y) => Math.min(x, y)) : 0,
    finite.length > 0 ? finite.reduce((x, y) => Math.max(x, y)) : 0,
    cost.filter((x) => Number.isNaN(x) || x === -Infinity).length,
    cost.filter((x) => x === Infinity).length,
    without(a, b, inRow, 0),
    without(b, a, inColumn, 0),
    without(a, b, inRow, Number.MIN_VALUE),
    without(b, a, inColumn, Number.MIN_VALUE),
  ];
}
