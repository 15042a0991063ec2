// Devices: cpu
// Every problem of the table in the design notes of the safe form, to 1e-12: among them those that the published form fails on.
// Values: none; the error of the marginals is computed anew from what is returned.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type SinkhornOptions, sinkhorn, Tensor } from '../../lib/index.ts';
import { digitPair, normalized, plane, ringAndBar, smallDigitPair, splitMix } from '../support/transport.ts';

const cpu = Device.open('cpu');
afterAll(() => cpu.close());

interface Row {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly problem: () => { cost: Float64Array; a?: Float64Array; b?: Float64Array };
  readonly eta: number;
  readonly options?: Partial<SinkhornOptions>;
}

const skewed = (size: number, seed: bigint) => normalized(splitMix(size, seed).map((u) => u ** 6 + 1e-9));
const uniform = (n: number, seed: bigint) => () => ({ cost: splitMix(n * n, seed) });
const grid = [784, 784] as const;
const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;

const rows: readonly Row[] = [
  { name: '500 × 500 uniform costs', shape: [500, 500], problem: uniform(500, 1n), eta: 1200 },
  { name: '64 × 64 uniform costs', shape: [64, 64], problem: uniform(64, 7n), eta: 200 },
  ...metrics.map((metric) => ({
    name: `ring and bar, ${metric}`,
    shape: grid,
    problem: () => ringAndBar(metric),
    eta: 1200,
  })),
  ...metrics.map((metric) => ({
    name: `a 0 and a 1, ${metric}`,
    shape: grid,
    problem: () => digitPair(metric),
    eta: 1200,
  })),
  ...metrics.map((metric) => ({
    name: `a 0 and a 1 of 8 × 8 pixels, upsampled, ${metric}`,
    shape: grid,
    problem: () => smallDigitPair(metric),
    eta: 1200,
  })),
  { name: '500 × 500 uniform costs', shape: [500, 500], problem: uniform(500, 1n), eta: 20_000 },
  {
    name: '300 × 450, skewed masses',
    shape: [300, 450],
    problem: () => ({ cost: splitMix(300 * 450, 5n), a: skewed(300, 3n), b: skewed(450, 4n) }),
    eta: 1200,
  },
  { name: '600 and 600 points', shape: [600, 600], problem: () => ({ cost: plane(600) }), eta: 2000 },
  { name: '600 and 600 points', shape: [600, 600], problem: () => ({ cost: plane(600) }), eta: 50 },
  {
    name: '500 × 500 uniform costs, cold',
    shape: [500, 500],
    problem: uniform(500, 1n),
    eta: 1200,
    options: { anneal: false },
  },
  ...(['sqeuclidean', 'euclidean'] as const).map((metric) => ({
    name: `ring and bar, ${metric}, cold`,
    shape: grid,
    problem: () => ringAndBar(metric),
    eta: 1200,
    options: { anneal: false } as const,
  })),
];

describe.each(rows)('$name, eta $eta', ({ shape, problem, eta, options }) => {
  it.each(['sns', 'auto'] as const)('%s reaches 1e-12, or says that numbers end before', async (method) => {
    const { cost: numbers, a, b } = problem();
    using cost = Tensor.from(cpu, numbers, shape);
    using result = await sinkhorn(cost, { a, b, eps: 1 / eta, tol: 1e-12, ...options, method });
    const range = numbers.reduce((x, y) => Math.max(x, y)) - numbers.reduce((x, y) => Math.min(x, y));
    const least = 64 * 2 ** -52 * range * eta;
    expect(['converged', 'at-precision']).toContain(result.status);
    expect(result.marginalError).toBeLessThanOrEqual(result.status === 'converged' ? 1e-12 : least);
    if (least < 1e-12) expect(result.status).toBe('converged');
    expect(Number.isFinite(result.value)).toBe(true);
  });
});
