// Devices: cpu, cuda
// Values: eta 1200 by SSNS of RegOT, an independent program, to ten digits and more; 3 × 3 in 40-digit arithmetic; closed forms.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor, type TransportMethod } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { valuesOf } from '../support/tensors.ts';
import { plane, ringAndBar, splitMix } from '../support/transport.ts';

const cpu = Device.open('cpu');
afterAll(() => cpu.close());

describe.each(onlyCpu)('golden values', () => {
  it('the stream of numbers begins as it must', () => {
    expect([...splitMix(3, 1n)]).toEqual([0.5665615751722809, 0.7457817572627011, 0.9710027535867962]);
  });

  it('500 × 500 uniform costs, eta 1200: value, cost, and the work that the method needs', async () => {
    using cost = Tensor.from(cpu, splitMix(500 * 500, 1n), [500, 500]);
    using result = await sinkhorn(cost, { eps: 1 / 1200, method: 'sns', tol: 1e-12 });
    expect(result.status).toBe('converged');
    expect(result.value).toBeCloseTo(-0.002254103432438398, 15);
    expect(result.cost).toBeCloseTo(0.00357931841054, 13);
    // Two at each of eight levels: 0.1 · 2⁻ᵏ while above 1/1200, and that.
    expect(result.iterations.sweeps).toBe(16);
    expect(result.iterations.newton).toBeLessThanOrEqual(8);
  });

  it.each([
    ['sqeuclidean', 0.01895106199171373, 0.02501599298234, 12],
    ['euclidean', 0.1338305583943, 0.139876935394, 40],
    ['l1', 0.1507813778402, undefined, 90],
  ] as const)('ring and bar, %s, eta 1200', async (metric, value, linear, newton) => {
    const { cost: numbers, a, b } = ringAndBar(metric);
    using cost = Tensor.from(cpu, numbers, [784, 784]);
    using result = await sinkhorn(cost, { a, b, eps: 1 / 1200, method: 'sns', tol: 1e-12 });
    expect(result.status).toBe('converged');
    expect(result.value).toBeCloseTo(value, 12);
    if (linear !== undefined) expect(result.cost).toBeCloseTo(linear, 11);
    expect(result.iterations.newton).toBeLessThanOrEqual(newton);
  });

  it('skewed masses on 300 × 450', async () => {
    const masses = (size: number, seed: bigint) => {
      const powers = splitMix(size, seed).map((u) => u ** 6 + 1e-9);
      const total = powers.reduce((x, y) => x + y, 0);
      return powers.map((x) => x / total);
    };
    using cost = Tensor.from(cpu, splitMix(300 * 450, 5n), [300, 450]);
    const options = { a: masses(300, 3n), b: masses(450, 4n), eps: 1 / 1200, tol: 1e-12 };
    using result = await sinkhorn(cost, { ...options, method: 'sns' });
    expect(result.status).toBe('converged');
    expect(result.marginalError).toBeLessThan(1e-12);
  });

  it('eta 20,000: says so where numbers end', async () => {
    using cost = Tensor.from(cpu, splitMix(500 * 500, 1n), [500, 500]);
    using result = await sinkhorn(cost, { eps: 1 / 20_000, method: 'sns', tol: 1e-15 });
    expect(result.status).toBe('at-precision');
    expect(result.marginalError).toBeLessThan(64 * 2 ** -52 * 20_000);
  });

  it.each(['auto', 'ssns', 'lbfgs', 'splr'] as const)('the same by %s', async (method) => {
    using cost = Tensor.from(cpu, splitMix(500 * 500, 1n), [500, 500]);
    using result = await sinkhorn(cost, { eps: 1 / 1200, method, tol: 1e-9 });
    expect(result.status).toBe('converged');
    expect(result.value).toBeCloseTo(-0.002254103432438398, 10);
  });

  it('the published form takes the steps that were published, and more to the last digits', async () => {
    using cost = Tensor.from(cpu, splitMix(500 * 500, 1n), [500, 500]);
    using result = await sinkhorn(cost, { eps: 1 / 1200, method: 'sns', paper: {}, tol: 1e-12 });
    expect(result.status).toBe('converged');
    // N₁ of the paper.
    expect(result.iterations.sweeps).toBe(20);
    // Three entries a row: 23 steps to an error of 1e-13.
    expect(result.iterations.newton).toBeGreaterThan(17);
    expect(result.iterations.newton).toBeLessThan(25);
    expect(result.value).toBeCloseTo(-0.002254103432438398, 14);
  });

  it('auto sweeps where that is enough', async () => {
    using cost = Tensor.from(cpu, splitMix(1000 * 1000, 1n), [1000, 1000]);
    using result = await sinkhorn(cost, { eps: 1e-2, tol: 1e-9 });
    expect(result.status).toBe('converged');
    expect(result.iterations.newton).toBe(0);
  });

  it('auto takes few steps, at eps itself, where sweeps have come near', async () => {
    using cost = Tensor.from(cpu, splitMix(500 * 500, 1n), [500, 500]);
    using result = await sinkhorn(cost, { eps: 1 / 1200, tol: 1e-12 });
    expect(result.status).toBe('converged');
    // Two that make the kernel, and the seven and four that the guide's prediction is from.
    expect(result.iterations.sweeps).toBe(13);
    expect(result.iterations.newton).toBeLessThanOrEqual(8);
  });

  it('auto knows a plan that is too dense for steps, though there is no room to see how dense', async () => {
    using cost = Tensor.from(cpu, plane(1000), [1000, 1000]);
    using result = await sinkhorn(cost, { eps: 0.05, tol: 1e-9 });
    expect(result.status).toBe('converged');
    expect(result.iterations.newton).toBe(0);
    expect(result.iterations.evaluations).toBeLessThan(40);
  });

  it('without annealing too', async () => {
    using cost = Tensor.from(cpu, splitMix(500 * 500, 1n), [500, 500]);
    using result = await sinkhorn(cost, { eps: 1 / 1200, method: 'sns', tol: 1e-12, anneal: false });
    expect(result.status).toBe('converged');
    expect(result.value).toBeCloseTo(-0.002254103432438398, 14);
    expect(result.iterations.sweeps).toBe(2);
  });
});

const three = { a: [0.2, 0.5, 0.3], b: [0.4, 0.35, 0.25] };
const methods: readonly TransportMethod[] = ['auto', 'sns', 'sinkhorn', 'ssns', 'splr', 'lbfgs'];

describe.each(devices)('small problems on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const costOf = (numbers: readonly number[], n: number, m: number) =>
    Tensor.from(device, Float64Array.from(numbers), [n, m]);

  describe.each(methods)('by %s', (method) => {
    it('3 × 3, eta 10', async () => {
      using cost = costOf([0.1, 0.7, 0.4, 0.9, 0.2, 0.5, 0.3, 0.8, 0.6], 3, 3);
      using result = await sinkhorn(cost, { ...three, eps: 0.1, method, tol: 1e-13 });
      expect(result.value).toBeCloseTo(0.1262997563135786, 13);
      const plan = [
        ...[0.1599673065045874, 0.0002285313200845946, 0.03980416217532802],
        ...[0.0005519317204894063, 0.3488414758315918, 0.1506065924479188],
        ...[0.2394807617749232, 0.0009299928483236234, 0.05958924537675316],
      ];
      for (const [k, p] of (await valuesOf(await result.plan())).entries()) expect(p).toBeCloseTo(plan[k]!, 12);
    });

    it('2 × 2: 1 / (2 (1 + exp(−eta)))', async () => {
      using cost = costOf([0, 1, 1, 0], 2, 2);
      for (const eta of [1, 10]) {
        using result = await sinkhorn(cost, { eps: 1 / eta, method, tol: 1e-13 });
        const [p] = await valuesOf(await result.plan());
        expect(p).toBeCloseTo(1 / (2 * (1 + Math.exp(-eta))), 13);
      }
    });

    it('costs s + t give the product of the masses', async () => {
      const [s, t] = [
        [0.5, -1, 2],
        [0.25, 3, -0.75],
      ];
      using cost = costOf(
        s!.flatMap((x) => t!.map((y) => x + y)),
        3,
        3,
      );
      using result = await sinkhorn(cost, { ...three, eps: 0.05, method, tol: 1e-12 });
      const plan = await valuesOf(await result.plan());
      for (let k = 0; k < 9; k++) expect(plan[k]).toBeCloseTo(three.a[Math.floor(k / 3)]! * three.b[k % 3]!, 12);
    });
  });

  it.each([{}, false] as const)('3 × 3, eta 100, entries of 1e-31 included, anneal %j', async (anneal) => {
    using cost = costOf([0.1, 0.7, 0.4, 0.9, 0.2, 0.5, 0.3, 0.8, 0.6], 3, 3);
    using result = await sinkhorn(cost, { ...three, eps: 0.01, method: 'sns', tol: 1e-13, anneal });
    expect(result.value).toBeCloseTo(0.2691471362313889, 12);
    expect(result.cost).toBeCloseTo(0.285, 12);
    const plan = await valuesOf(await result.plan());
    for (const [k, p] of [
      [1, 8.172743378516752e-28],
      [3, 2.385269841545188e-31],
      [7, 2.700249787149485e-23],
    ] as const)
      expect(Math.abs(plan[k]! / p - 1)).toBeLessThan(1e-9);
  });

  it('64 × 64 uniform costs, eta 200', async () => {
    using cost = Tensor.from(device, splitMix(64 * 64, 7n), [64, 64]);
    using result = await sinkhorn(cost, { eps: 1 / 200, method: 'sns', tol: 1e-13 });
    expect(result.status).toBe('converged');
    expect(result.value).toBeCloseTo(0.002454218921617824, 15);
    expect(result.cost).toBeCloseTo(0.02636214167936, 12);
  });
});
