// Devices: cpu
import { expect, it } from 'vitest';
import { firstDecrease, lineSearch } from '../../lib/solvers/line-search.ts';

const along = (f: (t: number) => number, slope: (t: number) => number) => async (t: number) => ({
  change: f(t) - f(0),
  slope: slope(t),
});

it.each([
  ['a parabola whose minimum is far', (t: number) => (t - 100) ** 2, (t: number) => 2 * (t - 100)],
  ['a parabola whose minimum is near', (t: number) => (t - 1e-3) ** 2, (t: number) => 2 * (t - 1e-3)],
  ['a curve that ends', (t: number) => (t < 2 ? -Math.sqrt(t + 1e-3) - Math.log(2 - t) * 0.1 : Infinity), (t: number) => -0.5 / Math.sqrt(t + 1e-3) + 0.1 / (2 - t)], // biome-ignore format: one line
])('meets the strong Wolfe conditions on %s', async (_, f, slope) => {
  const found = await lineSearch(along(f, slope), { slope: slope(0), first: 4 });
  const { length, point } = found.best!;
  expect(point.change).toBeLessThanOrEqual(1e-4 * length * slope(0));
  expect(Math.abs(point.slope)).toBeLessThanOrEqual(0.9 * Math.abs(slope(0)));
});

it('halves by Armijo alone, ends at the longest, and finds nothing uphill', async () => {
  const tried: number[] = [];
  const parabola = async (t: number) => {
    tried.push(t);
    return { change: (t - 0.1) ** 2 - 0.01, slope: 2 * (t - 0.1) };
  };
  const armijo = await lineSearch(parabola, { slope: -0.2, curvature: Infinity });
  expect(tried).toEqual([1, 0.5, 0.25, 0.125]);
  expect(armijo.best!.length).toBe(0.125);
  const line = along((t) => -t, () => -1); // biome-ignore format: one line
  expect(await lineSearch(line, { slope: -1, longest: 3 })).toMatchObject({ best: { length: 3 }, evaluations: 3 });
  const up = along((t) => t, () => 1); // biome-ignore format: one line
  expect(await lineSearch(up, { slope: -1, evaluations: 7 })).toMatchObject({ best: undefined, evaluations: 7 });
  expect(await lineSearch(up, { slope: 1, isBetter: ({ slope }) => slope > 0 })).toMatchObject({ best: { length: 1 } });
  expect(await lineSearch(up, { slope: NaN })).toMatchObject({ best: undefined, evaluations: 0 });
});

it('leaves points that values do not tell apart to another judge', async () => {
  const noise = async (t: number) => ({ change: 1e-17, slope: t > 0.3 ? 1 : -1e-3 });
  const judged = { slope: -1, rounding: 2, isBetter: ({ slope }: { slope: number }) => slope < 0 };
  expect((await lineSearch(noise, judged)).best).toMatchObject({ length: 0.25 });
  expect(await lineSearch(noise, { ...judged, isBetter: () => false, tinyEvaluations: 4 })).toMatchObject({
    best: undefined,
    tinyEvaluations: 4,
  });
  const none = async () => ({ change: Infinity, slope: -1 });
  expect((await lineSearch(none, { ...judged, tinyEvaluations: 3 })).best).toBeUndefined();
});

it('takes the first of some lengths at which the value falls, else the one at which it rises least', async () => {
  const at = (values: Record<number, number>) => async (t: number) => ({ change: values[t]! });
  expect((await firstDecrease(at({ 1: 2, 0.5: -1, 0.1: -3 }), [1, 0.5, 0.1])).length).toBe(0.5);
  expect((await firstDecrease(at({ 1: 2, 0.5: 1, 0.1: 3 }), [1, 0.5, 0.1])).length).toBe(0.5);
});
