// The recurrence of Polar Express (Amsel et al. 2025): the best odd quintic on [l, u], step after step, in float64.
export type Triple = [a: number, b: number, c: number];

const at = ([a, b, c]: Triple, x: number): number => a * x + b * x ** 3 + c * x ** 5;

/** Gaussian elimination with pivots. */
function solve(rows: number[][]): number[] {
  const n = rows.length;
  for (let i = 0; i < n; ++i) {
    const pivot = rows
      .slice(i)
      .reduce((best, row, k) => (Math.abs(row[i]!) > Math.abs(rows[best]![i]!) ? i + k : best), i);
    [rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!];
    for (let k = i + 1; k < n; ++k) {
      const factor = rows[k]![i]! / rows[i]![i]!;
      for (let j = i; j <= n; ++j) rows[k]![j]! -= factor * rows[i]![j]!;
    }
  }
  const x: number[] = Array(n).fill(0);
  for (let i = n - 1; i >= 0; --i) {
    let sum = rows[i]![n]!;
    for (let j = i + 1; j < n; ++j) sum -= rows[i]![j]! * x[j]!;
    x[i] = sum / rows[i]![i]!;
  }
  return x;
}

/** The odd quintic that is nearest to 1 on [l, u], by Remez' exchange. */
export function nearestQuintic(l: number, u: number): Triple {
  if (l / u >= 1 - 5e-6) return [15 / 8 / u, -10 / 8 / u ** 3, 3 / 8 / u ** 5];
  let [q, r] = [(3 * l + u) / 4, (l + 3 * u) / 4];
  let last = Infinity;
  for (let round = 0; round < 100; ++round) {
    const rows = [l, q, r, u].map((x, i) => [x, x ** 3, x ** 5, i % 2 === 0 ? 1 : -1, 1]);
    const [a = 0, b = 0, c = 0, error = 0] = solve(rows);
    if (Math.abs(error - last) <= 1e-15) return [a, b, c];
    last = error;
    const root = Math.sqrt(9 * b * b - 20 * a * c);
    [q, r] = [Math.sqrt((-3 * b - root) / (10 * c)), Math.sqrt((-3 * b + root) / (10 * c))];
  }
  throw new Error(`no quintic for [${l}, ${u}]`);
}

export interface Recurrence {
  readonly lower: number;
  readonly count: number;
  readonly cushion: number;
  /** Inside the recurrence, on all steps but the last. Default 1. */
  readonly safety?: number;
}

export function polarExpress({ lower, count, cushion, safety = 1 }: Recurrence): Triple[] {
  let [l, u] = [lower, 1];
  const steps: Triple[] = [];
  for (let i = 0; i < count; ++i) {
    let p = nearestQuintic(Math.max(l, cushion * u), u);
    if (cushion * u > l) {
      const scale = 2 / (at(p, l) + at(p, u));
      p = p.map((x) => x * scale) as Triple;
    }
    if (i < count - 1 && safety !== 1) p = [p[0] / safety, p[1] / safety ** 3, p[2] / safety ** 5];
    steps.push(p);
    l = at(p, l);
    u = 2 - l;
    l = Math.min(l, u);
  }
  return steps;
}
