// Devices: cpu, cuda
// Values: χ₁ and χ₂ of four graphs, rows of an exponential of a matrix, the minimum of eight functions and slopes of the
// error were computed apart (NumPy); the rest are identities: semigroup, conservation, replay.
import { afterAll, describe, expect, it } from 'vitest';
import { constantsOf, flowOf } from '../../lib/decentralized/dadao-constants.ts';
import { DadaoGraph, DadaoNode, type DadaoSample, DadaoSimulation } from '../../lib/decentralized/index.ts';
import { Device, loadTensors, ops, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { graphs, minimum, quadratics } from './quadratics.ts';

const codeOf = (call: () => unknown): string => {
  try {
    call();
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe.each(onlyCpu)('graphs and flows, on %s', () => {
  it.each([
    ['ring', 13.6569, 3.5, 9.7774],
    ['complete', 3.5, 3.5, 4.9497],
    ['star', 7, 3.5, 7],
    ['path', 45.9797, 3.5, 17.9404],
  ] as const)('%s has its χ₁, χ₂ and rate', (name, chi1, chi2, rate) => {
    const graph = new DadaoGraph(8, graphs[name]);
    expect(graph.chi1).toBeCloseTo(chi1, 4);
    expect(graph.chi2).toBeCloseTo(chi2, 9);
    expect(graph.minRate).toBeCloseTo(rate, 4);
    expect(graph.totalRate).toBeCloseTo(1, 14);
    // Rates are taken as they are: twice as often, half the χ, and the same rate asked for.
    const twice = new DadaoGraph(8, graphs[name], { rates: graph.rates.map((x) => 2 * x) });
    expect(twice.chi1).toBeCloseTo(graph.chi1 / 2, 9);
    expect(twice.chi2).toBeCloseTo(graph.chi2 / 2, 9);
    expect(twice.minRate).toBeCloseTo(graph.minRate, 9);
  });

  it('long rings and paths have the χ₁ of their closed forms', () => {
    for (const n of [2, 3, 50, 200]) {
      const path = Array.from({ length: n - 1 }, (_, i): [number, number] => [i, i + 1]);
      const least = (2 - 2 * Math.cos(Math.PI / n)) / (n - 1);
      expect(new DadaoGraph(n, path).chi1 * least).toBeCloseTo(1, 9);
      expect(new DadaoGraph(n, path).chi2).toBeCloseTo((n - 1) / 2, 7);
    }
  });

  it('unequal rates weigh the edges', () => {
    // A path of three: Λ of rates a, b has the eigenvalues a + b ± √(a² − ab + b²).
    const [a, b] = [0.2, 1.5];
    const graph = new DadaoGraph(3, [[0, 1], [1, 2]], { rates: [a, b] }); // biome-ignore format: one line
    expect(graph.chi1 * (a + b - Math.sqrt(a * a - a * b + b * b))).toBeCloseTo(1, 12);
    expect(graph.chi2).toBeCloseTo(1 / a / 2, 12);
  });

  it('refuses graphs that are none, and names the components of those that fall apart', () => {
    const make = (nodes: unknown, edges: unknown, options?: object) => () =>
      new DadaoGraph(nodes as number, edges as [number, number][], options);
    expect(
      make(5, [
        [0, 1],
        [2, 3],
      ]),
    ).toThrow(
      // biome-ignore format: one line
      'DadaoGraph: edges must connect all nodes, got 3 components {0, 1} {2, 3} {4}',
    );
    expect(make(3, [[0, 1], [1, 1]])).toThrow('DadaoGraph: edges[1] must join two different nodes, got [1, 1]'); // biome-ignore format: one line
    expect(make(3, [[0, 1], [1, 0]])).toThrow('DadaoGraph: edges[1] must stand once, got [1, 0] again'); // biome-ignore format: one line
    expect(make(3, [[0, 3]])).toThrow('DadaoGraph: edges[0] must be two nodes from 0 to 2, got [0, 3]');
    for (const nodes of [1, 0, 2.5, '3']) expect(codeOf(make(nodes, [[0, 1]]))).toBe('ERR_ARGUMENT');
    for (const edges of [undefined, [], 5, [5], [[0]]]) expect(codeOf(make(2, edges))).toBe('ERR_ARGUMENT');
    for (const rates of [[0], [-1], [Number.NaN], [1, 1], 'one'])
      expect(codeOf(make(2, [[0, 1]], { rates }))).toBe('ERR_ARGUMENT');
  });

  it('refuses more nodes than it can measure before anything else, and rates that are too different', () => {
    const edges = new Proxy([] as [number, number][], { get: () => { throw new Error('touched'); } }); // biome-ignore format: one line
    expect(() => new DadaoGraph(4097, edges)).toThrow(
      'DadaoGraph: nodes must be a whole number from 2 to 4096, got 4097',
    );
    const path: [number, number][] = [[0, 1], [1, 2], [2, 3]]; // biome-ignore format: one line
    for (const rates of [[1, 1e-13, 1], [1e-20, 1, 1], [1e-320, 1e-320, 1e-320], [1e308, 1e308, 1e308], [1, 1e300, 1]]) // biome-ignore format: one line
      expect(() => new DadaoGraph(4, path, { rates })).toThrow(/^DadaoGraph: rates must be of similar sizes/);
    const skewed = new DadaoGraph(4, path, { rates: [1, 1e-8, 1] });
    expect(skewed.chi2 * 2e-8).toBeCloseTo(1, 6);
    expect(skewed.chi1 * 1e-8).toBeCloseTo(1, 6);
  });

  it('a graph is measured in turns as at once, until a signal ends it', async () => {
    const ring = Array.from({ length: 400 }, (_, i): [number, number] => [i, (i + 1) % 400]);
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 0);
    const found = await DadaoGraph.of(400, ring);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    expect(found).toEqual(new DadaoGraph(400, ring));
    expect(found).toBeInstanceOf(DadaoGraph);
    expect(found.chi2).toBeCloseTo(399 / 2, 7);
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = DadaoGraph.of(400, ring, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(aborted).rejects.toBe(reason);
    await expect(DadaoGraph.of(3, [[0, 1]])).rejects.toThrow('DadaoGraph.of: edges must connect all nodes');
  });

  it('the flow is an exponential: known rows, semigroup, and no time', () => {
    const constants = constantsOf(1, 10, 1);
    const flow = flowOf(constants, 0.7);
    const near = (row: ArrayLike<number>, expected: readonly number[], digits: number) => {
      for (const [j, value] of expected.entries()) expect(row[j]).toBeCloseTo(value, digits);
    };
    near(flow.slice(0, 6), [0.98081227, 0.01918773, 0, 0, 0, 0], 8);
    near(flow.slice(12, 18), [-9.764e-5, -0.01494028, 0.93193925, 0.03798491, -0.02968719, -3.8864e-4], 7);
    // y and ỹ alone have the slowest mode, −q / 8 ± …: the determinant of their part falls by twice that.
    for (const time of [0.7, 5, 40]) {
      const [a, b, c, d] = [14, 15, 20, 21].map((at) => flowOf(constants, time)[at]!) as [
        number,
        number,
        number,
        number,
      ];
      expect(Math.log(a * d - b * c) / (2 * time)).toBeCloseTo(-0.02795, 5);
    }
    expect([...flowOf(constants, 0)]).toEqual(Array.from({ length: 36 }, (_, k) => Number(k % 7 === 0)));
    for (const [a, b, lipschitz] of [
      [0.3, 0.4, 10],
      [2, 5, 10],
      [1, 3, 1e4],
    ] as const) {
      // biome-ignore format: one line
      const own = constantsOf(1, lipschitz, 1);
      const [first, second, both] = [flowOf(own, a), flowOf(own, b), flowOf(own, a + b)];
      const size = Math.max(...both.map(Math.abs));
      for (let i = 0; i < 6; ++i)
        for (let j = 0; j < 6; ++j) {
          const row = second.slice(6 * i, 6 * i + 6);
          const product = row.reduce((sum, x, k) => sum + x * first[6 * k + j]!, 0);
          expect(Math.abs(product - both[6 * i + j]!) / size).toBeLessThan(1e-13 * Math.max(1, lipschitz / 1e3));
        }
    }
  });
});

describe.each(devices)('nodes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const node = (x: number, dtype: 'f32' | 'f64' = 'f64') =>
    new DadaoNode(device, { dim: 2, mu: 1, lipschitz: 10, chi1Star: 2, x0: Tensor.full(device, [2], x, { dtype }) });
  const read = async (x: Tensor) => [...(await x.read())].map(Number);
  const pull = (x: Tensor, out: Tensor) => {
    using one = x.copy();
    out.write(new Float64Array(2).fill(0.5));
    return void one;
  };

  it('a gradient event is its formula, after the flow', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const one = node(2, dtype);
      let state = [2, 0, 0, 0, 0, 0];
      const constants = constantsOf(1, 10, 2);
      const flow = (time: number) => {
        const all = flowOf(constants, time);
        state = state.map((_, i) => state.reduce((sum, x, k) => sum + x * all[6 * i + k]!, 0));
      };
      for (const [time, before] of [
        [0.4, 0],
        [1.5, 0.4],
        [1.5, 1.5],
      ] as const) {
        // biome-ignore format: one line
        flow(time - before);
        await one.gradientEvent(time, async (x, out) => {
          const values = await read(x);
          for (const value of values) expect(value).toBeCloseTo(state[0]!, dtype === 'f64' ? 12 : 4);
          out.write((dtype === 'f64' ? Float64Array : Float32Array).from(values.map((value) => 3 * value)));
        });
        const g = 3 * state[0]! - constants.nu * state[0]! - state[3]!;
        state[0]! -= constants.gamma * g;
        state[1]! -= constants.gammaTilde * g;
        state[3]! += constants.deltas * g;
        expect((await read(one.x))[0]).toBeCloseTo(state[0]!, dtype === 'f64' ? 12 : 4);
        expect(one.time).toBe(time);
      }
      flow(0.5);
      expect((await read(one.message(2)))[1]).toBeCloseTo(state[2]! + state[4]!, dtype === 'f64' ? 12 : 4);
      expect(one.time).toBe(1.5);
    }
  });

  it('disposed of during a call, it says so, and gives all back when the call has ended', async () => {
    const { live } = await settledMemory(device);
    const one = node(2);
    const event = one.gradientEvent(1, async (x, out) => {
      one.dispose();
      out.write((await x.read()) as Float64Array);
    });
    await expect(event).rejects.toThrow('DadaoNode.gradientEvent: the node has been disposed');
    await expect(event).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(one.time).toBe(0);
    expect(one.stateBytes).toBe(0);
    expect(() => one.message(2)).toThrow('DadaoNode.message: the node has been disposed');
    await device.synchronize();
    // x0, which node() makes, is the caller's.
    expect(device.info.memory.live - live).toBeLessThanOrEqual(64);
  });

  it('a simulation that is disposed of during a call says so, whoever does it', async () => {
    const graph = new DadaoGraph(8, graphs.complete);
    for (const by of ['gradient', 'sample', 'caller', 'node'] as const) {
      let simulation: DadaoSimulation | undefined;
      const functions = quadratics(device).map((of) => ({
        dim: of.dim,
        x0: of.x0,
        gradient: async (x: Tensor, out: Tensor) => {
          await of.gradient(x, out);
          if (by === 'gradient') simulation!.dispose();
          if (by === 'node') for (const one of simulation!.nodes) one.dispose();
        },
      }));
      simulation = new DadaoSimulation(graph, functions, { mu: 1, lipschitz: 10, seed: 1 });
      const run = simulation.run(2, {
        every: 0.01,
        onSample: () => {
          if (by === 'sample') simulation!.dispose();
        },
      });
      if (by === 'caller') simulation.dispose();
      await expect(run).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      await expect(run).rejects.toThrow(`DadaoSimulation.run: the ${by === 'node' ? 'node' : 'simulation'} has been disposed`); // biome-ignore format: one line
      for (const one of simulation.nodes) expect(one.stateBytes).toBe(0);
      for (const { x0 } of functions) expect(await read(x0)).toEqual([1, 1, 1]);
      simulation.dispose();
      await expect(simulation.run(3)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    }
  });

  it('a communication takes from one what the other gets', async () => {
    const [a, b] = [node(1), node(-2)];
    await a.gradientEvent(0.2, (_, out) => out.write(Float64Array.of(1, -3)));
    await b.gradientEvent(0.5, (_, out) => out.write(Float64Array.of(0.25, 2)));
    using folder = new Folder();
    const sums = async () => {
      // y + z of both, at one time, without an event: the messages.
      const messages = [await read(a.message(0.9)), await read(b.message(0.9))];
      return messages[0]!.map((x, i) => x + messages[1]![i]!);
    };
    const before = await sums();
    const [mine, theirs] = [a.message(0.9), b.message(0.9)];
    a.receive(0.9, mine, theirs);
    b.receive(0.9, theirs, mine);
    const after = await sums();
    for (const [i, x] of before.entries()) expect(after[i]).toBeCloseTo(x, 13);
    const [from, to] = [await read(mine), await read(theirs)];
    for (const [i, x] of (await read(a.message(0.9))).entries())
      expect(x).toBeCloseTo(from[i]! - (from[i]! - to[i]!) / 2, 13);
    await a.save(folder.file('a'));
    const again = node(5);
    await again.load(folder.file('a'));
    expect(again.time).toBe(0.9);
    expect(await read(again.x)).toEqual(await read(a.x));
    for (const one of [a, again]) await one.gradientEvent(2, pull);
    expect(await read(again.message(3))).toEqual(await read(a.message(3)));
  });

  it('of both nodes together, z and z̃ change by the flow alone', async () => {
    using folder = new Folder();
    const [a, b] = [node(1), node(-2)];
    await a.gradientEvent(0.2, (_, out) => out.write(Float64Array.of(1, -3)));
    await b.gradientEvent(0.5, (_, out) => out.write(Float64Array.of(0.25, 2)));
    a.receive(0.6, a.message(0.6), b.message(0.6));
    const sums = async (meet: boolean): Promise<number[]> => {
      const [one, other] = [node(0), node(0)];
      for (const [from, to] of [
        [a, one],
        [b, other],
      ] as const) {
        // biome-ignore format: one line
        await from.save(folder.file('node'));
        await to.load(folder.file('node'));
      }
      const [mine, theirs] = [one.message(0.9), other.message(0.9)];
      one.receive(0.9, mine, meet ? theirs : mine);
      other.receive(0.9, theirs, meet ? mine : theirs);
      const parts = await Promise.all(
        [one, other].map(async (each, i) => {
          await each.save(folder.file(`node ${i}`));
          const tensors = await loadTensors(folder.file(`node ${i}`), device);
          return read(tensors['vectors']!);
        }),
      );
      return parts[0]!.map((value, k) => value + parts[1]![k]!).slice(8);
    };
    const [apart, together] = [await sums(false), await sums(true)];
    for (const [k, value] of apart.entries()) expect(together[k]).toBeCloseTo(value, 12);
    expect(Math.max(...apart.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it('a failed event leaves node and clock as they were', async () => {
    const one = node(1);
    await one.gradientEvent(1, pull);
    const before = [await read(one.x), await read(one.message(1))];
    const fails = (t: number, call: (x: Tensor, out: Tensor) => void | Promise<void>) =>
      expect(one.gradientEvent(t, call)).rejects;
    await fails(2, () => {
      throw new Error('boom');
    }).toThrow('DadaoNode.gradientEvent: the gradient at time 2 has failed: boom');
    await fails(2, (_, out) => out.write(Float64Array.of(0, Number.NaN))).toThrow(
      'DadaoNode.gradientEvent: the gradient at time 2 must be finite, got NaN or infinity',
    );
    await fails(0.5, pull).toThrow(
      'DadaoNode.gradientEvent: t must be a time from that of the last event on, 1, got 0.5',
    );
    expect(codeOf(() => one.message(0.5))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => one.message(Number.NaN))).toBe('ERR_ARGUMENT');
    const message = one.message(2);
    expect(codeOf(() => one.receive(0.5, message, message))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => one.receive(2, message, Tensor.zeros(device, [3], { dtype: 'f64' })))).toBe('ERR_SHAPE');
    expect(codeOf(() => one.receive(2, message, Tensor.zeros(device, [2])))).toBe('ERR_DTYPE');
    expect([one.time, await read(one.x), await read(one.message(1))]).toEqual([1, ...before]);
    const running = one.gradientEvent(3, async (x, out) => {
      expect(codeOf(() => one.message(3))).toBe('ERR_STATE');
      expect(codeOf(() => one.receive(3, message, message))).toBe('ERR_STATE');
      await Promise.resolve(pull(x, out));
    });
    await expect(one.gradientEvent(3, pull)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await running;
    expect(one.time).toBe(3);
  });

  it('a state that a message destroyed is named, not the gradient', async () => {
    const one = node(1);
    one.receive(0.5, one.message(0.5), Tensor.from(device, Float64Array.of(Number.NaN, 0), [2]));
    await expect(one.gradientEvent(1, pull)).rejects.toThrow(
      'DadaoNode.gradientEvent: the state at time 1 must be finite, and so every message, got NaN or infinity',
    );
    expect(one.time).toBe(0.5);
  });

  it('refuses options that contradict each other', () => {
    const make = (options: object) =>
      codeOf(() => new DadaoNode(device, { dim: 2, mu: 1, lipschitz: 10, chi1Star: 1, ...options }).dispose());
    expect(make({})).toBe('done');
    for (const wrong of [{ mu: 0 }, { mu: -1 }, { lipschitz: 0.5 }, { chi1Star: 0 }, { dim: 0 }])
      expect(make(wrong)).toBe('ERR_ARGUMENT');
    const x0 = Tensor.zeros(device, [2]);
    expect(make({ x0, dtype: 'f64' })).toBe('ERR_DTYPE');
    expect(make({ x0: Tensor.zeros(device, [3]) })).toBe('ERR_SHAPE');
  });

  it('a simulation replays its events, in parts as at once', async () => {
    const run = async (parts: readonly number[], seed = 1) => {
      const functions = quadratics(device);
      using simulation = new DadaoSimulation(new DadaoGraph(8, graphs.ring), functions, { mu: 1, lipschitz: 10, seed });
      let trace: unknown;
      for (const until of parts) trace = await simulation.run(until);
      const x = await Promise.all(simulation.nodes.map((one) => read(one.x)));
      return { trace, x, gradients: functions.map(({ count }) => count) };
    };
    const whole = await run([6]);
    expect(await run([1, 2.5, 2.5, 6])).toEqual(whole);
    expect((await run([6], 2)).x).not.toEqual(whole.x);
    // From files, in simulations of their own.
    using folder = new Folder();
    let trace: unknown;
    let x: number[][] = [];
    for (const [i, until] of [0.01, 1, 2.5, 2.5, 6].entries()) {
      using simulation = new DadaoSimulation(new DadaoGraph(8, graphs.ring), quadratics(device), { mu: 1, lipschitz: 10, seed: 1 }); // biome-ignore format: one line
      if (i > 0) await simulation.load(folder.file('state'));
      trace = await simulation.run(until);
      await simulation.save(folder.file('state'));
      x = await Promise.all(simulation.nodes.map((one) => read(one.x)));
    }
    expect([trace, x]).toEqual([whole.trace, whole.x]);
    expect(whole.trace).toMatchObject({ time: 6, gradients: whole.gradients.reduce((sum, n) => sum + n, 0) });
  });
});

/** The slope of the logarithm of the mean squared error between two times, and the error at the end. */
async function slopeOf(
  device: Device,
  name: keyof typeof graphs | readonly (keyof typeof graphs)[],
  seed: number,
  dtype: 'f32' | 'f64' = 'f64',
): Promise<{ slope: number; error: number; gradients: number; communications: number }> {
  const graph = [name].flat().map((one) => new DadaoGraph(8, graphs[one as keyof typeof graphs]));
  using simulation = new DadaoSimulation(graph, quadratics(device, dtype), { mu: 1, lipschitz: 10, seed });
  const points: [number, number][] = [];
  const onSample = async ({ time, x }: DadaoSample): Promise<void> => {
    const all = await Promise.all(x.map((one) => one.read()));
    const squares = all.map((one) => minimum.reduce((sum, value, i) => sum + (Number(one[i]) - value) ** 2, 0));
    points.push([time, squares.reduce((sum, value) => sum + value, 0) / 8]);
  };
  const { gradients, communications } = await simulation.run(250, { onSample, every: 10 });
  const fitted = points.filter(([time]) => time >= 50).map(([time, error]) => [time, Math.log(error)] as const);
  const mean = (k: 0 | 1) => fitted.reduce((sum, point) => sum + point[k], 0) / fitted.length;
  const [t, y] = [mean(0), mean(1)];
  const slope =
    fitted.reduce((sum, [time, value]) => sum + (time - t) * (value - y), 0) /
    fitted.reduce((sum, [time]) => sum + (time - t) ** 2, 0);
  return { slope, error: points.at(-1)![1], gradients, communications };
}

describe.each(onlyCpu)('decoupling, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('the slope of the error does not depend on the graph, and communications follow its rate', async () => {
    const slopes: number[] = [];
    for (const [name, rate, known] of [
      ['ring', 9.7774, -0.049],
      ['complete', 4.9497, -0.0465],
      ['star', 7, -0.0481],
      ['path', 17.9404, -0.0504],
    ] as const) {
      // biome-ignore format: one line
      const { slope, error, gradients, communications } = await slopeOf(device, name, 1);
      expect(slope).toBeLessThan(-0.028);
      // Of three seeds and other events.
      expect(Math.abs(slope / known - 1)).toBeLessThan(0.15);
      expect(error).toBeLessThan(1e-5);
      // Within four deviations of a Poisson process.
      expect(Math.abs(gradients - 2000)).toBeLessThan(4 * Math.sqrt(2000));
      expect(Math.abs(communications - 250 * rate)).toBeLessThan(4 * Math.sqrt(250 * rate));
      slopes.push(slope);
    }
    expect(Math.max(...slopes) / Math.min(...slopes)).toBeGreaterThan(0.85);
  });

  it('graphs may change, and numbers may be f32', async () => {
    const changing = await slopeOf(device, ['ring', 'star', 'path'], 1);
    expect(changing.slope).toBeLessThan(-0.028);
    const narrow = await slopeOf(device, 'star', 1, 'f32');
    expect(narrow.error).toBeLessThan(1e-5);
    expect(narrow.slope).toBeLessThan(-0.028);
  });

  it('a gradient that throws or is not finite moves nothing, is told with its node, and comes again', async () => {
    const good = quadratics(device);
    using folder = new Folder();
    for (const [name, options] of [
      ['throws', {}],
      ['NaN', {}],
      ['NaN', { every: 0.5, onSample: () => {} }],
      ['late', {}],
    ] as const) {
      // biome-ignore format: one line
      const seen: number[] = [];
      let calls = 0;
      const functions = good.map((one, i) => ({
        ...one,
        async gradient(x: Tensor, out: Tensor) {
          await one.gradient(x, out);
          calls += 1;
          seen.push(i);
          if (calls !== 20) return;
          if (name === 'NaN') out.write(new Float64Array(3).fill(Number.NaN));
          else if (name === 'throws') throw new Error('boom');
          // Seen only with an error that comes after it.
          else out.write(new Float64Array(3).fill(Infinity));
        },
      }));
      const make = (of: typeof functions | typeof good) =>
        new DadaoSimulation(new DadaoGraph(8, graphs.star), of, { mu: 1, lipschitz: 10, seed: 1 });
      using bad = make(functions);
      using plain = make(good);
      const run =
        name === 'late'
          ? bad.run(9, { every: 6, onSample: () => { throw new Error('after it'); } }) // biome-ignore format: one line
          : bad.run(6, options);
      await run.then(
        () => expect.unreachable(),
        (error: Error) => {
          expect(error.message).toMatch(`DadaoSimulation.run: functions[${seen[19]}].gradient at time`);
          const end = name === 'throws' ? ' has failed: boom' : ' must be finite, got NaN or infinity';
          expect(error.message.endsWith(end)).toBe(true);
        },
      );
      // It stands where a simulation stands that has run no further: of NaN, at the last look.
      const stood = bad.time;
      if (name === 'throws') expect(stood).toBeGreaterThan(0);
      else expect(stood).toBe('every' in options ? Math.floor(stood / 0.5) * 0.5 : 0);
      await plain.run(stood);
      for (const [i, each] of bad.nodes.entries()) {
        expect(each.time).toBe(plain.nodes[i]!.time);
        expect(await each.x.read()).toEqual(await plain.nodes[i]!.x.read());
      }
      // It can be stored, brought back and go on as if nothing had been.
      await bad.save(folder.file('state'));
      await bad.load(folder.file('state'));
      expect(await bad.run(6)).toEqual(await plain.run(6));
      for (const [i, each] of bad.nodes.entries()) expect(await each.x.read()).toEqual(await plain.nodes[i]!.x.read());
    }
  });

  it('refuses calls of its nodes while it loads', async () => {
    using folder = new Folder();
    const make = () => new DadaoSimulation(new DadaoGraph(8, graphs.star), quadratics(device), { mu: 1, lipschitz: 10, seed: 1 }); // biome-ignore format: one line
    using simulation = make();
    await simulation.run(2);
    await simulation.save(folder.file('state'));
    using other = make();
    const [node] = other.nodes;
    const loading = other.load(folder.file('state'));
    expect(codeOf(() => node!.message(3))).toBe('ERR_STATE');
    await expect(node!.gradientEvent(3, () => {})).rejects.toMatchObject({ code: 'ERR_STATE' });
    await loading;
    expect(codeOf(() => node!.message(3).dispose())).toBe('done');
    // The other way round, too: a node that is at work is not written.
    let end = () => {};
    const event = node!.gradientEvent(3, (_, out) => {
      ops.fill(device, { x: [out], value: 0 });
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await expect(other.load(folder.file('state'))).rejects.toMatchObject({ code: 'ERR_STATE' });
    end();
    await event;
    await other.load(folder.file('state'));
  });

  it('can be aborted and goes on', async () => {
    const make = (change: (i: number) => Partial<ReturnType<typeof quadratics>[number]>) => {
      const functions = quadratics(device).map((one, i) => ({ ...one, ...change(i) }));
      return new DadaoSimulation(new DadaoGraph(8, graphs.star), functions, { mu: 1, lipschitz: 10, seed: 1 });
    };
    const controller = new AbortController();
    const good = make(() => ({}));
    const reason = new Error('enough');
    const run = good.run(50, {
      signal: controller.signal,
      every: 1,
      onSample: ({ time }) => {
        if (time > 3) controller.abort(reason);
      },
    });
    await expect(run).rejects.toBe(reason);
    expect(good.time).toBeLessThan(6);
    expect((await good.run(7)).time).toBe(7);
    await expect(good.run(6)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('an aborted signal stops a call and no more', async () => {
    const simulation = new DadaoSimulation(new DadaoGraph(8, graphs.star), quadratics(device), { mu: 1, lipschitz: 10, seed: 1 }); // biome-ignore format: one line
    const reason = new Error('enough');
    await expect(simulation.run(1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await simulation.run(1)).time).toBe(1);
  });

  it('an abort does not wait for a gradient, whose event comes again', async () => {
    const make = (gradient?: (x: Tensor, out: Tensor) => void | Promise<void>) => {
      const functions = quadratics(device).map((one) => ({ ...one, gradient: gradient ?? one.gradient.bind(one) }));
      return new DadaoSimulation(new DadaoGraph(8, graphs.star), functions, { mu: 1, lipschitz: 10, seed: 1 });
    };
    const controller = new AbortController();
    const reason = new Error('enough');
    let [calls, isStuck] = [0, true];
    const [one] = quadratics(device);
    const slow = make(async (x, out) => {
      calls += 1;
      if (calls === 5 && isStuck) {
        isStuck = false;
        setImmediate(() => controller.abort(reason));
        await new Promise(() => {});
      }
      await one!.gradient(x, out);
    });
    const plain = make((x, out) => one!.gradient(x, out));
    await expect(slow.run(4, { signal: controller.signal })).rejects.toBe(reason);
    const trace = await slow.run(4);
    expect(trace).toEqual(await plain.run(4));
    for (const [i, each] of slow.nodes.entries()) expect(await each.x.read()).toEqual(await plain.nodes[i]!.x.read());
  });

  it('samples come up to the end', async () => {
    const times = async (until: number, every?: number) => {
      const simulation = new DadaoSimulation(new DadaoGraph(8, graphs.star), quadratics(device), { mu: 1, lipschitz: 10, seed: 1 }); // biome-ignore format: one line
      const all: number[] = [];
      await simulation.run(until, { every, onSample: ({ time }) => void all.push(time) });
      return all;
    };
    const whole = await times(1);
    expect(whole).toHaveLength(100);
    expect(whole.at(-1)).toBe(1);
    expect(whole[29]).toBe(30 * 0.01);
    expect(await times(1, 0.4)).toEqual([0.4, 0.8]);
  });

  it('of graphs that change, each number of the rate is of the worst one', () => {
    // A path has the larger χ₁, a star with an edge that is used less the larger χ₂.
    const path = new DadaoGraph(8, graphs.path);
    const seldom = new DadaoGraph(8, graphs.star, { rates: [0.5, 1, 1, 1, 1, 1, 1] });
    const [chi1, chi2] = (['chi1', 'chi2'] as const).map((name) =>
      Math.max(...[path, seldom].map((one) => one[name] * one.totalRate)),
    ) as [number, number];
    const options = { mu: 1, lipschitz: 10, seed: 1 };
    const both = new DadaoSimulation([path, seldom], quadratics(device), options);
    expect(both.rate).toBeCloseTo(Math.sqrt(2 * chi1 * chi2), 9);
    expect(new DadaoSimulation(path, quadratics(device), options).rate).toBeCloseTo(path.minRate, 12);
  });

  it('warns of a rate below the one that is asked for', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const graph = new DadaoGraph(8, graphs.star);
    new DadaoSimulation(graph, quadratics(device), { mu: 1, lipschitz: 10, seed: 1, rate: 1 }).dispose();
    expect((await warned).message).toMatch(/^DadaoSimulation: rate should be at least minRate, (7|6\.9{9})\d*, got 1$/);
    const again = new Promise<Error>((resolve) => process.once('warning', resolve));
    const both = [graph, new DadaoGraph(8, graphs.path)];
    new DadaoSimulation(both, quadratics(device), { mu: 1, lipschitz: 10, seed: 1, rate: 1 }).dispose();
    // No graph of a list has the rate that is asked for.
    expect((await again).message).toMatch(
      /^DadaoSimulation: rate should be at least that of the largest χ₁ and χ₂ of the graphs, \d+\.\d+, got 1$/,
    );
    const few = () => new DadaoSimulation(graph, quadratics(device).slice(1), { mu: 1, lipschitz: 10, seed: 1 });
    expect(codeOf(few)).toBe('ERR_SHAPE');
    expect(codeOf(() => new DadaoSimulation([], quadratics(device), { mu: 1, lipschitz: 10, seed: 1 }))).toBe(
      'ERR_ARGUMENT',
    );
  });
});
