// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor, type TransportProgress } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, splitMix } from '../support/transport.ts';

const [n, m, eps, tol] = [40, 57, 0.02, 1e-12];
const [a, b, values] = [massesOf(n, 1), massesOf(m, 2), splitMix(n * m, 3n)];

describe.each(devices)('transport on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const planOf = async (
    cost: Float64Array,
    shape: [number, number],
    rows: Float64Array,
    columns: Float64Array,
    method: 'sns' | 'sinkhorn',
  ) => {
    using tensor = Tensor.from(device, cost, shape);
    using result = await sinkhorn(tensor, { a: rows, b: columns, eps, method, tol, maxSweeps: 20_000 });
    expect(result.status).toBe('converged');
    using plan = await result.plan();
    return { plan: await valuesOf(plan), value: result.value };
  };
  const order = Array.from({ length: n }, (_, i) => (i * 17) % n);

  describe.each(['sns', 'sinkhorn'] as const)('by %s', (method) => {
    it('rows in another order give the plan in that order', async () => {
      const { plan } = await planOf(values, [n, m], a, b, method);
      const shuffled = values.map((_, k) => values[order[Math.floor(k / m)]! * m + (k % m)]!);
      const other = await planOf(
        shuffled,
        [n, m],
        a.map((_, i) => a[order[i]!]!),
        b,
        method,
      );
      for (const [k, p] of other.plan.entries())
        expect(Math.abs(p - plan[order[Math.floor(k / m)]! * m + (k % m)]!)).toBeLessThan(1e-12);
    });

    it('the transposed problem has the transposed plan', async () => {
      const { plan, value } = await planOf(values, [n, m], a, b, method);
      const turned = values.map((_, k) => values[(k % n) * m + Math.floor(k / n)]!);
      const other = await planOf(turned, [m, n], b, a, method);
      for (const [k, p] of other.plan.entries())
        expect(Math.abs(p - plan[(k % n) * m + Math.floor(k / n)]!)).toBeLessThan(1e-12);
      expect(other.value).toBeCloseTo(value, 12);
    });

    it('a number added to each row and column changes the value by its mass, and no plan', async () => {
      const { plan, value } = await planOf(values, [n, m], a, b, method);
      const [s, t] = [splitMix(n, 5n), splitMix(m, 6n)];
      const shifted = values.map((x, k) => x + s[Math.floor(k / m)]! - t[k % m]!);
      const other = await planOf(shifted, [n, m], a, b, method);
      for (const [k, p] of other.plan.entries()) expect(Math.abs(p - plan[k]!)).toBeLessThan(1e-12);
      const added = a.reduce((sum, x, i) => sum + x * s[i]!, 0) - b.reduce((sum, x, j) => sum + x * t[j]!, 0);
      expect(other.value).toBeCloseTo(value + added, 12);
    });

    it('the same bits on any number of threads', async () => {
      const cost = splitMix(600 * 90, 4n);
      const potentials = await Promise.all(
        [1, 2, 3].map(async (threads) => {
          await using own = Device.open('cpu', { threads });
          using tensor = Tensor.from(own, cost, [600, 90]);
          using result = await sinkhorn(tensor, { eps, method, maxSweeps: 50 });
          return result.f.read();
        }),
      );
      for (const other of potentials.slice(1)) expect(sameBits(other, potentials[0]!)).toBe(true);
    });
  });

  // Powers of two change no rounding: whatever depends on the unit of the cost shows.
  it.each(['auto', 'sns', 'sinkhorn', 'ssns', 'splr', 'lbfgs'] as const)(
    '%s does the same, bit for bit, whatever the unit of the cost',
    async (method) => {
      const solved = async (unit: number) => {
        using cost = Tensor.from(
          device,
          values.map((x) => unit * x),
          [n, m],
        );
        using result = await sinkhorn(cost, { a, b, eps: unit * eps, method, tol: 1e-8 });
        const f = (await valuesOf(result.f)).map((x) => x / unit);
        return { f, value: result.value / unit, status: result.status, iterations: result.iterations };
      };
      const { f, ...expected } = await solved(1);
      for (const unit of [2 ** -600, 2 ** 600]) {
        const { f: other, ...rest } = await solved(unit);
        expect(rest).toEqual(expected);
        expect(sameBits(other, f)).toBe(true);
      }
    },
  );

  it('sweeps and accepted steps never make the error of a level much worse, nor end above its start', async () => {
    using tensor = Tensor.from(device, values, [n, m]);
    for (const method of ['sns', 'sinkhorn'] as const) {
      const seen: TransportProgress[] = [];
      const options = { a, b, eps, tol, method, maxSweeps: 20_000, anneal: false as const };
      using result = await sinkhorn(tensor, { ...options, onProgress: (progress) => seen.push(progress) });
      expect(result.status).toBe('converged');
      const errors = seen.map(({ marginalError }) => marginalError);
      if (method === 'sinkhorn')
        for (let k = 1; k < errors.length; k++) expect(errors[k]).toBeLessThanOrEqual(errors[k - 1]! * (1 + 1e-9));
      expect(errors.at(-1)).toBeLessThan(errors[0]!);
    }
  });
});
