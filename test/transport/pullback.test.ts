// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import {
  Device,
  type Metric,
  type SinkhornOptions,
  sinkhorn,
  Tensor,
  type TransportVariable,
} from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, normalized, numbers } from '../support/transport.ts';

const [n, m, d, k] = [6, 9, 2, 3];
const problem = {
  cost: numbers(n * m, 1),
  x: numbers(n * d, 2),
  y: numbers(m * d, 3),
  a: normalized(numbers(n, 4, 0.5, 1)),
  b: normalized(numbers(m, 5, 0.5, 1)),
  eps: Float64Array.of(0.1),
};
type Problem = typeof problem;
type Numbers = keyof Problem;

/** Cotangents as numbers. */
interface Loss {
  readonly f?: Float64Array;
  readonly g?: Float64Array;
  readonly plan?: Float64Array;
  readonly left?: Float64Array;
  readonly right?: Float64Array;
  readonly cost?: number;
}
const f = numbers(n, 11, -1, 1);
const g = numbers(m, 12, -1, 1);
const plan = numbers(n * m, 13, -1, 1);
const [left, right] = [numbers(n * k, 14, -1, 1), numbers(m * k, 15, -1, 1)];
const losses: Record<string, Loss> = {
  f: { f },
  g: { g },
  plan: { plan },
  factors: { left, right },
  cost: { cost: 1 },
  'all together': { f, g, left, right, cost: -0.7 },
};
const outer = (): Float64Array =>
  plan.map((_, at) => {
    const [i, j] = [Math.floor(at / m), at % m];
    let sum = 0;
    for (let l = 0; l < k; l++) sum += left[i * k + l]! * right[j * k + l]!;
    return sum;
  });

/** Differences are computed here, for all devices. */
const cpu = Device.open('cpu');
afterAll(() => cpu.close());

describe.each(devices)('pullbacks on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  type Place = [metric: Metric | undefined, options: Partial<SinkhornOptions>];
  const solve = async (own: Problem, [metric, options]: Place, on: Device) => {
    const settings = { a: own.a, b: own.b, eps: own.eps[0]!, tol: 1e-13, maxSweeps: 50_000, ...options };
    if (metric === undefined) {
      using cost = Tensor.from(on, own.cost, [n, m]);
      return await sinkhorn(cost, settings);
    }
    using x = Tensor.from(on, own.x, [n, d]);
    using y = Tensor.from(on, own.y, [m, d]);
    return await sinkhorn({ x, y, metric }, settings);
  };
  const total = (x: Float64Array | undefined, y: Float64Array) =>
    x ? x.reduce((sum, value, i) => sum + (value === 0 || y[i] === -Infinity ? 0 : value * y[i]!), 0) : 0;
  /** The loss of a problem, linear in all that a result holds. */
  const lossOf = async (own: Problem, loss: Loss, place: Place): Promise<number> => {
    using result = await solve(own, place, cpu);
    using whole = await result.plan();
    const numbersOfPlan = await valuesOf(whole);
    return (
      total(loss.f, await valuesOf(result.f)) +
      total(loss.g, await valuesOf(result.g)) +
      total(loss.plan, numbersOfPlan) +
      total(loss.left && outer(), numbersOfPlan) +
      (loss.cost ?? 0) * result.cost
    );
  };
  const given = (loss: Loss) => {
    const made = (x: Float64Array | undefined, shape: number[]) => x && Tensor.from(device, x, shape);
    const factors = { left: made(loss.left, [n, k])!, right: made(loss.right, [m, k])! };
    return {
      f: made(loss.f, [n]),
      g: made(loss.g, [m]),
      plan: loss.left ? factors : made(loss.plan, [n, m]),
      cost: loss.cost,
    };
  };
  /** Along a direction that keeps masses of 0, forbidden pairs, and totals where it must. */
  const directionOf = (own: Problem, by: Numbers, keepsTotal: boolean): Float64Array => {
    const moves = own[by].map((x) => (x === Infinity || ((by === 'a' || by === 'b') && x === 0) ? 0 : 1));
    const direction = numbers(own[by].length, 7, -1, 1).map((x, i) => x * moves[i]!);
    if (!keepsTotal || (by !== 'a' && by !== 'b'))
      return by === 'a' || by === 'b' ? direction.map((x) => x * 0.1) : direction;
    const mean = direction.reduce((s, x) => s + x, 0) / moves.reduce((s, x) => s + x, 0);
    return direction.map((x, i) => 0.1 * moves[i]! * (x - mean));
  };
  const h = 1e-4;
  const slope = async (own: Problem, by: Numbers, direction: Float64Array, loss: Loss, place: Place) => {
    const at = (t: number) => lossOf({ ...own, [by]: own[by].map((x, i) => x + t * direction[i]!) }, loss, place);
    // Of the fourth order, so that the differences are right to ten digits.
    const [p1, m1, p2, m2] = [await at(h), await at(-h), await at(2 * h), await at(-2 * h)];
    return (8 * (p1 - m1) - (p2 - m2)) / (12 * h);
  };
  const check = async (own: Problem, loss: Loss, by: readonly TransportVariable[], place: Place, digits = 7) => {
    using result = await solve(own, place, device);
    const gradients = (await result.pullback(given(loss), by)) as Record<TransportVariable, Tensor | number>;
    expect(Object.keys(gradients).sort()).toEqual([...by].sort());
    const { unbalanced } = place[1];
    for (const name of by) {
      const direction = directionOf(own, name, unbalanced === undefined);
      const expected = await slope(own, name, direction, loss, place);
      const gradient = gradients[name];
      const actual =
        typeof gradient === 'number' ? gradient * direction[0]! : total(direction, await valuesOf(gradient));
      expect(Math.abs(expected), `${name}: the slope says something`).toBeGreaterThan(1e-5);
      expect(actual, name).toBeCloseTo(expected, digits);
    }
  };

  describe.each(Object.entries(losses))('of a loss of %s', (_, loss) => {
    it('of a stored cost agree with differences of solutions', () =>
      check(problem, loss, ['cost', 'a', 'b', 'eps'], [undefined, {}]));

    it.each(['sqeuclidean', 'euclidean', 'l1'] as const)('of points, %s, too', (metric) =>
      check(problem, loss, ['x', 'y', 'a', 'b', 'eps'], [metric, {}]),
    );

    it('of points whose solver stored a matrix, too', () =>
      check(problem, loss, ['x', 'y', 'a', 'b', 'eps'], ['euclidean', { method: 'lbfgs' }]));

    it.each([{ rhoA: 0.3, rhoB: 0.7 }, { rhoA: 0.3 }, { rhoB: 0.5 }])(
      'of unbalanced masses %j, too',
      async (unbalanced) => {
        await check(problem, loss, ['cost', 'a', 'b', 'eps'], [undefined, { unbalanced }]);
        await check(problem, loss, ['x', 'y', 'a', 'b', 'eps'], ['sqeuclidean', { unbalanced }]);
      },
    );

    it('with forbidden pairs and masses of 0, too', async () => {
      const cost = problem.cost.map((x, at) => (at % 5 === 2 ? Infinity : x));
      const own = { ...problem, cost, a: normalized(massesOf(n + 1, 4).slice(1)), b: massesOf(m, 5) };
      expect([own.a[5], own.b[6]]).toEqual([0, 0]);
      await check(own, loss, ['cost', 'a', 'b', 'eps'], [undefined, {}]);
    });
  });
});
