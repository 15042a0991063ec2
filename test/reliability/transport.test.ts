// Devices: cpu, cuda
// Random transport problems, hard ones among them: matrices, points, batches, unbalanced masses. What results say is computed again
// from their potentials and plans; what is called converged or infeasible is; numbers stay numbers, and all have a status.
import { afterAll, describe, expect, it } from 'vitest';
import {
  Device,
  sinkhorn,
  Tensor,
  type TransportMethod,
  type TransportStatus,
  transportBatch,
} from '../../lib/index.ts';
import { pairwiseCosts } from '../reference/pairwise-costs.ts';
import { columnSumsOf, distance, planOf, rowSumsOf } from '../reference/transport.ts';
import { uniform } from '../support/data.ts';
import { devices, kind } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { maxFlow } from '../support/max-flow.ts';
import { valuesOf } from '../support/tensors.ts';

// On the emulated device a problem takes a second.
const certificates = goal('R11', kind === 'cpu' ? { ci: 300, deep: 20_000 } : { ci: 6, deep: 400 });
const methods: readonly TransportMethod[] = ['auto', 'sns', 'sns', 'sinkhorn', 'ssns', 'splr', 'lbfgs'];
const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;
const kinds = ['matrix', 'matrix', 'matrix', 'points', 'points', 'batch', 'unbalanced'] as const;

/** A problem of its own for each seed: sizes, masses of 0, ties, forbidden pairs, eps from 1e-1 to 1e-6. */
function problem(seed: number) {
  const next = uniform(seed);
  const whole = (below: number) => Math.floor(below * next());
  const kind = kinds[whole(kinds.length)]!;
  const [n, m] = [1 + whole(24), 1 + whole(24)];
  const dtype = next() < 0.25 ? ('f32' as const) : ('f64' as const);
  const round = (x: number) => (dtype === 'f32' ? Math.fround(x) : x);
  const metric = metrics[whole(3)]!;
  const points = (size: number) => Float64Array.from({ length: 2 * size }, () => round(2 * next() - 1));
  const [x, y] = kind === 'points' ? [points(n), points(m)] : [];
  const ties = next() < 0.3;
  const holes: number = next() < 0.25 ? 0.2 + 0.5 * next() : 0;
  const cost =
    x && y
      ? pairwiseCosts(x, y, 2, metric)
      : Float64Array.from({ length: n * m }, () => {
          const u = next();
          return next() < holes ? Infinity : round(ties ? Math.floor(4 * u) / 4 : u);
        });
  const masses = (size: number) => {
    const power: number = next() < 0.3 ? 6 : 1;
    const list = Array.from({ length: size }, () => (next() < 0.1 ? 0 : next() ** power + 1e-9));
    if (!list.some((mass) => mass > 0)) list[0] = 1;
    const total = list.reduce((p, q) => p + q, 0);
    return Float64Array.from(list, (mass) => mass / total);
  };
  const rho = () => (next() < 0.3 ? undefined : 10 ** (2 * next() - 1));
  const [rhoA, rhoB] = [rho(), rho() ?? 1];
  return {
    ...{ kind, n, m, dtype, metric, x, y, cost, isWhole: !cost.includes(Infinity), rhoA, rhoB },
    a: masses(n),
    b: masses(m),
    eps: 10 ** -(1 + 5 * next()),
    tol: 10 ** -(4 + 8 * next()),
    method: methods[whole(methods.length)]!,
    gauge: next() < 0.2 ? ('last' as const) : ('balanced' as const),
  };
}
type Problem = ReturnType<typeof problem>;

/** A solver's answer to a problem. */
interface Answer {
  readonly status: TransportStatus;
  readonly value: number;
  readonly cost: number;
  readonly marginalError: number;
  readonly f: Float64Array;
  readonly g: Float64Array;
  readonly plan: Float64Array;
}

const bounds = { maxSweeps: 300, maxNewton: 100 };
const tensorOf = (device: Device, x: Float64Array, shape: number[], dtype: 'f32' | 'f64') =>
  Tensor.from(device, dtype === 'f32' ? Float32Array.from(x) : x, shape);

async function solve(device: Device, p: Problem): Promise<Answer> {
  const { kind, n, m, dtype, a, b, eps, tol, method, gauge, metric, rhoA, rhoB } = p;
  if (kind === 'batch') return solveBatch(device, p);
  using x = p.x && tensorOf(device, p.x, [n, 2], dtype);
  using y = p.y && tensorOf(device, p.y, [m, 2], dtype);
  using cost = tensorOf(device, p.cost, [n, m], dtype);
  const penalties = kind === 'unbalanced' ? { unbalanced: { rhoA, rhoB } } : { method, gauge };
  using result = await sinkhorn(x && y ? { x, y, metric } : cost, { a, b, eps, tol, ...penalties, ...bounds });
  using plan = await result.plan();
  const { status, value, cost: linear, marginalError } = result;
  const [f, g] = await Promise.all([valuesOf(result.f), valuesOf(result.g)]);
  return { status, value, cost: linear, marginalError, f, g, plan: await valuesOf(plan) };
}

/** As the second of a batch, beside a smaller one. */
async function solveBatch(device: Device, { n, m, dtype, cost, a, b, eps, tol }: Problem): Promise<Answer> {
  using other = tensorOf(device, Float64Array.of(0.5), [1, 1], dtype);
  using own = tensorOf(device, cost, [n, m], dtype);
  const masses = { a: [[1], a], b: [[1], b] };
  using batch = await transportBatch([other, own], { ...masses, eps, tol, ...bounds });
  using plans = await batch.plan();
  const [f, g, all] = await Promise.all([batch.f, batch.g, plans].map(valuesOf));
  const [value, linear, error] = [batch.value[1]!, batch.cost[1]!, batch.marginalError[1]!];
  const potentials = { f: f!.subarray(n), g: g!.subarray(m), plan: all!.subarray(n * m) };
  return { status: batch.status[1]!, value, cost: linear, marginalError: error, ...potentials };
}

const sumOf = (x: Float64Array): number => x.reduce((p, q) => p + q, 0);
const xlogx = (x: number): number => (x > 0 ? x * Math.log(x) : 0);
/** Σ potentials times masses; a mass of 0 has none. */
const weighted = (potentials: Float64Array, masses: Float64Array) =>
  masses.reduce((sum, mass, i) => (mass === 0 ? sum : sum + potentials[i]! * mass), 0);
const linearOf = (cost: Float64Array, plan: Float64Array) =>
  plan.reduce((sum, p, k) => (p === 0 ? sum : sum + p * cost[k]!), 0);

/** A plan of the masses near another one: rows and columns with too much are scaled down, and what lacks is added as a product. */
function feasible(plan: Float64Array, a: Float64Array, b: Float64Array): Float64Array {
  const [n, m] = [a.length, b.length];
  const share = (masses: Float64Array, sums: Float64Array) => masses.map((q, i) => Math.min(1, q / (sums[i]! || 1)));
  const byRow = share(a, rowSumsOf(plan, n, m));
  const rows = plan.map((p, k) => p * byRow[Math.floor(k / m)]!);
  const byColumn = share(b, columnSumsOf(rows, n, m));
  const less = rows.map((p, k) => p * byColumn[k % m]!);
  const [ofRows, ofColumns] = [rowSumsOf(less, n, m), columnSumsOf(less, n, m)];
  const lack = sumOf(a) - sumOf(ofRows);
  if (!(lack > 0)) return less;
  const row = (i: number) => Math.max(0, a[i]! - ofRows[i]!);
  const column = (j: number) => Math.max(0, b[j]! - ofColumns[j]!);
  return less.map((p, k) => p + (row(Math.floor(k / m)) * column(k % m)) / lack);
}

/** rho Σ p ln(p / q) − p + q; what the masses q cost as p. */
const penalty = (rho: number | undefined, p: Float64Array, q: Float64Array) =>
  rho === undefined ? 0 : rho * p.reduce((sum, x, i) => sum + (x > 0 ? x * Math.log(x / q[i]!) : 0) - x + q[i]!, 0);

/** Everything that an answer says, from its potentials and plan. */
function check(p: Problem, answer: Answer): void {
  const { kind, n, m, cost, a, b, eps, tol, dtype, isWhole } = p;
  const { status, value, marginalError, f, g } = answer;
  expect([value, answer.cost, marginalError].every(Number.isFinite), `${kind} ${status}`).toBe(true);
  for (const [side, masses] of [
    [f, a],
    [g, b],
  ] as const)
    for (const [i, mass] of masses.entries())
      expect(mass === 0 ? side[i] === -Infinity : Number.isFinite(side[i])).toBe(true);
  const plan = planOf(cost, f.subarray(0, n), g.subarray(0, m), eps);
  const [rows, columns] = [rowSumsOf(plan, n, m), columnSumsOf(plan, n, m)];
  const total = sumOf(plan);
  const finite = [...f, ...g, ...cost].filter(Number.isFinite);
  const size = finite.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  // An exponent is a sum of three numbers of that size, in units of eps; an element feels that relative to itself.
  const relative = 2 ** -49 * (1 + size / eps);
  const width = p.kind === 'batch' ? m : answer.plan.length / n;
  for (const [k, right] of plan.entries()) {
    const got = answer.plan[Math.floor(k / m) * width + (k % m)]!;
    const least = dtype === 'f32' ? 2 ** -126 : 2 ** -1000;
    expect(Math.abs(got - right)).toBeLessThanOrEqual(right * (relative + (dtype === 'f32' ? 2 ** -24 : 0)) + least);
  }
  const isFree = kind === 'unbalanced';
  const target = (masses: Float64Array, potentials: Float64Array, rho: number | undefined) =>
    isFree && rho !== undefined ? masses.map((q, i) => (q === 0 ? 0 : q * Math.exp(-potentials[i]! / rho))) : masses;
  const [wantedRows, wantedColumns] = [target(a, f, p.rhoA), target(b, g, p.rhoB)];
  const error = distance(wantedRows, rows) + distance(wantedColumns, columns);
  // Both sides of the comparison sum each element twice.
  const rounding = 4 * relative * (total + sumOf(wantedRows) + sumOf(wantedColumns));
  expect(Math.abs(error - marginalError)).toBeLessThanOrEqual(rounding);
  if (status === 'converged') expect(error).toBeLessThanOrEqual(tol + rounding);
  if (status !== 'converged') expect(marginalError).toBeGreaterThan(tol);

  const linear = linearOf(cost, plan);
  expect(Math.abs(answer.cost - linear)).toBeLessThanOrEqual(4 * relative * (total * size));
  const entropy = plan.reduce((sum, x) => sum + xlogx(x), 0);
  const free = isFree ? [p.rhoA, p.rhoB] : [undefined, undefined];
  const prices = penalty(free[0], rows, a) + penalty(free[1], columns, b) - (isFree ? eps * total : 0);
  const primal = linear + eps * entropy + prices;
  // Each element counts by cost and logarithm, of the size of the potentials together, and with penalties by theirs.
  const weight =
    total * (size + eps) + (free[0] ?? 0) * (sumOf(rows) + 1) * 50 + (free[1] ?? 0) * (sumOf(columns) + 1) * 50;
  expect(Math.abs(value - primal), `${kind} value ${value} primal ${primal}`).toBeLessThanOrEqual(
    8 * relative * weight,
  );
  if (isFree) return;

  // The dual of the potentials, and a plan of the very masses: what lies between is what the error leaves.
  const dual = weighted(f, a) + weighted(g, b) - eps * (total - 1);
  expect(Math.abs(value - dual)).toBeLessThanOrEqual((size + eps) * (error + rounding) + 8 * relative * weight);
  if (!isWhole || status !== 'converged') return;
  const near = feasible(plan, a, b);
  const gap = linearOf(cost, near) + eps * near.reduce((sum, x) => sum + xlogx(x), 0) - dual;
  const moved = 3 * error + rounding;
  const most = moved * (2 * size + eps * (2 + Math.log((n * m) / Math.min(1, moved)))) + 8 * relative * weight;
  expect(gap).toBeLessThanOrEqual(most);
  expect(gap).toBeGreaterThanOrEqual(-8 * relative * weight);
}

describe.each(devices)('R11: transport certificates on %s', certificates.tagged, () => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it(
    'plan, cost, value, dual and error are what potentials make them, and so is the status',
    async () => {
      const seen = new Map<string, number>();
      const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
      await certificates.each(async (seed) => {
        const p = problem(seed);
        const { m, cost, a, b } = p;
        const isAllowed = (i: number, j: number) => cost[i * m + j]! < Infinity;
        const isBare =
          a.some((mass, i) => mass > 0 && !b.some((_, j) => isAllowed(i, j))) ||
          b.some((mass, j) => mass > 0 && !a.some((_, i) => isAllowed(i, j)));
        const solved = solve(device, p);
        if (isBare) {
          count('refused');
          return expect(solved).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
        }
        const answer = await solved;
        count(p.kind);
        count(answer.status);
        check(p, answer);
        if (p.isWhole || p.kind === 'unbalanced') return;
        const flow = maxFlow(a, b, isAllowed);
        if (answer.status === 'infeasible') expect(flow).toBeLessThan(1 - 1e-13);
        if (answer.status === 'converged') expect(flow).toBeGreaterThan(1 - p.tol - 1e-12);
      });
      if (certificates.count < 100 || kind !== 'cpu') return;
      const statuses = ['converged', 'max-iterations', 'at-precision', 'infeasible'];
      for (const what of [...statuses, 'refused', ...kinds]) expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
    },
    certificates.limit(120_000),
  );
});
