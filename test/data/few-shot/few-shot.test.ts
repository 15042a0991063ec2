// Devices: cpu, cuda
// Values: Lloyd's iterations in plain numbers; the order of methods on tasks that are drawn, as the specification found it
// in another program; properties of the energy.
import { afterAll, describe, expect, it } from 'vitest';
import { laplacianKModes, type TransductiveClusterOptions, transductiveCluster } from '../../../lib/data/index.ts';
import { Device, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { goal } from '../../support/goal.ts';
import { settledMemory } from '../../support/settled.ts';
import { valuesOf } from '../../support/tensors.ts';
import { drawTasks } from './tasks.ts';

type More = Partial<TransductiveClusterOptions>;
const rises = (energy: Float64Array, innerSteps: Int32Array) => {
  let at = 0;
  let count = 0;
  for (const steps of innerSteps) {
    for (let i = at + 1; i < at + steps; ++i) if (energy[i]! > energy[i - 1]! + 1e-9) count += 1;
    at += steps;
  }
  return count;
};
const rise = (energy: Float64Array) => energy.some((e, i) => i > 0 && e > energy[i - 1]! + 1e-9);

describe.each(devices)('transductiveCluster on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const batch = (tasks: number, seed: number, size = {}) => {
    const { support, query, supportLabels, labels } = drawTasks(tasks, seed, size);
    const d = { d: 16, ...size }.d;
    const own = {
      support: Tensor.from(device, support, [tasks, support.length / tasks / d, d]),
      query: Tensor.from(device, query, [tasks, query.length / tasks / d, d]),
      supportLabels,
      classes: { ways: 5, ...size }.ways,
    };
    return { own, labels };
  };
  const accuracy = (found: Int32Array, labels: Int32Array) =>
    found.reduce((sum, label, i) => sum + (label === labels[i] ? 1 : 0), 0) / labels.length;

  it.each([
    ['means', {}],
    ['modes', { mode: 'modes' }],
    ['fixed', { mode: 'fixed', lambda: 1 }],
    ['soft', { assignments: 'soft', temperature: 10 }],
  ] as [string, More][])('%s: a batch is its tasks one by one, in any order of rows and classes', async (_, more) => {
    const { own } = batch(3, 11, { queries: 4 });
    const whole = await transductiveCluster({ ...own, ...more });
    expect(whole.probabilities.shape).toEqual([3, 20, 5]);
    expect(whole.prototypes.shape).toEqual([3, 5, 16]);
    const all = await valuesOf(whole.probabilities);
    for (let t = 0; t < 3; ++t) {
      const part = (x: Tensor) => x.rows(t, t + 1).reshape(x.shape.slice(1));
      const one = await transductiveCluster({ ...own, support: part(own.support), query: part(own.query), supportLabels: own.supportLabels.slice(5 * t, 5 * t + 5), ...more }); // biome-ignore format: one line
      expect(one.labels).toEqual(whole.labels.slice(20 * t, 20 * t + 20));
      expect(await valuesOf(one.probabilities)).toEqual(all.slice(100 * t, 100 * t + 100));
      expect(one.energy.at(-1)).toBe(whole.energy[t]);
      expect(one.innerSteps.reduce((a, b) => a + b, 0)).toBe(whole.innerSteps[t]);
      expect(rises(one.energy, one.innerSteps)).toBe(0);
    }
    // Queries turned around, and classes renamed.
    const query = await own.query.read();
    const turned = new Float64Array(query.length);
    for (let i = 0; i < 60; ++i) turned.set(query.subarray(16 * i, 16 * i + 16), 16 * (20 * Math.floor(i / 20) + 19 - (i % 20))); // biome-ignore format: one line
    const other = await transductiveCluster({ ...own, query: Tensor.from(device, turned, [3, 20, 16]), supportLabels: own.supportLabels.map((k) => 4 - k), ...more }); // biome-ignore format: one line
    const expected = whole.labels.map((_, i) => 4 - whole.labels[20 * Math.floor(i / 20) + 19 - (i % 20)]!);
    expect(other.labels).toEqual(expected);
  });

  it('is K-means where nothing is asked of neighbours', async () => {
    const { own } = batch(1, 21, { shots: 2, queries: 6, d: 3, ways: 3 });
    const flat = (x: Tensor) => x.reshape(x.shape.slice(1));
    const [support, query] = [flat(own.support), flat(own.query)];
    const { labels, prototypes } = await transductiveCluster({ ...own, support, query, lambda: 0, normalize: 'none', shift: false, tol: 0 }); // biome-ignore format: one line
    const rows = [...(await support.read()), ...(await query.read())].map(Number);
    const row = (i: number) => rows.slice(3 * i, 3 * i + 3);
    let mine = Array.from({ length: 24 }, (_, i) => (i < 6 ? own.supportLabels[i]! : -1));
    let centers: number[][] = [];
    for (let round = 0; round < 50; ++round) {
      centers = [0, 1, 2].map((k) => [0, 1, 2].map((j) => {
        const members = mine.flatMap((label, i) => (label === k ? [row(i)[j]!] : []));
        return members.reduce((a, b) => a + b, 0) / members.length;
      })); // biome-ignore format: the means of means
      const distance = (i: number, k: number) => row(i).reduce((sum, x, j) => sum + (x - centers[k]![j]!) ** 2, 0);
      const nearest = (i: number) => [0, 1, 2].reduce((best, k) => (distance(i, k) < distance(i, best) ? k : best), 0);
      mine = mine.map((label, i) => (i < 6 ? label : nearest(i)));
    }
    expect([...labels]).toEqual(mine.slice(6));
    for (const [at, value] of (await valuesOf(prototypes)).entries())
      expect(value).toBeCloseTo(centers[Math.floor(at / 3)]![at % 3]!, 12);
  });

  it.each(['f32', 'f16', 'bf16'] as const)('takes features in %s, centred and of unit length', async (dtype) => {
    const { own, labels } = batch(4, 31);
    const base = Tensor.full(device, [16], 0.25, { dtype });
    const far = async (x: Tensor) => Tensor.from(device, (await valuesOf(x)).map((v) => 3 * v + 0.25), x.shape).cast(dtype); // biome-ignore format: one line
    const moved = { ...own, support: await far(own.support), query: await far(own.query) };
    const one = await transductiveCluster({ ...moved, baseMean: base });
    expect([one.probabilities.dtype, one.prototypes.dtype]).toEqual(['f32', 'f32']);
    const exact = await transductiveCluster(own);
    expect(accuracy(one.labels, exact.labels)).toBeGreaterThan(0.95);
    expect(accuracy(one.labels, labels)).toBeGreaterThan(0.45);
  });

  it('tells rows apart that lie close together far from the origin, in f32', async () => {
    const { own } = batch(2, 51, { queries: 8 });
    const far = async (x: Tensor) => Tensor.from(device, (await valuesOf(x)).map((v) => v + 1e4), x.shape).cast('f32'); // biome-ignore format: one line
    const single = { ...own, support: await far(own.support), query: await far(own.query) };
    const double = { ...own, support: single.support.cast('f64'), query: single.query.cast('f64') };
    for (const more of [{}, { lambda: 0 }, { mode: 'fixed' }, { mode: 'modes' }] as More[]) {
      const [one, exact] = [await transductiveCluster({ ...single, ...more }), await transductiveCluster({ ...double, ...more })]; // biome-ignore format: one line
      expect(one.labels).toEqual(exact.labels);
      expect(one.energy).toEqual(exact.energy);
    }
    // Without a graph labels are those of the rows themselves, but for what f32 has rounded.
    const { labels } = await transductiveCluster({ ...single, mode: 'fixed', lambda: 0, normalize: 'none' });
    const near = await transductiveCluster({ ...own, mode: 'fixed', lambda: 0, normalize: 'none' });
    expect(accuracy(labels, near.labels)).toBeGreaterThan(0.95);
  });

  it('gives back what it took, also when it is aborted', async () => {
    const { own } = batch(2, 41, { queries: 3 });
    await transductiveCluster(own);
    const { live } = await settledMemory(device);
    const { probabilities, prototypes } = await transductiveCluster(own);
    probabilities.dispose();
    prototypes.dispose();
    const stop = new AbortController();
    const call = transductiveCluster({ ...own, tol: 0, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(call).rejects.toThrow(/abort/i);
    expect((await settledMemory(device)).live).toBeLessThanOrEqual(live);
  });

  it('laplacianKModes finds blobs without labels, as means and as modes, by seed', async () => {
    const x = normal(60 * 2, 5, 0.3).map((v, i) => v + [5, -5, 0][Math.floor(i / 40)]! * (i % 2 === 0 ? 1 : -1));
    const rows = Tensor.from(device, x, [60, 2]);
    for (const more of [{}, { mode: 'means' }, { mode: 'means', assignments: 'soft' }, { sigma: 1 }] as const) {
      const one = await laplacianKModes(rows, 3, { seed: 3, ...more });
      const names = [0, 20, 40].map((i) => one.labels[i]!);
      expect(new Set(names).size).toBe(3);
      expect([...one.labels]).toEqual(Array.from({ length: 60 }, (_, i) => names[Math.floor(i / 20)]));
      expect(rises(one.energy, one.innerSteps)).toBe(0);
      expect(one.status).toBe('converged');
      const center = (await valuesOf(one.prototypes)).slice(2 * names[0]!, 2 * names[0]! + 2);
      expect(Math.hypot(center[0]! - 5, center[1]! + 5)).toBeLessThan(0.5);
      const again = await laplacianKModes(rows, 3, { seed: 3, ...more });
      expect(again.energy).toEqual(one.energy);
    }
    // Far from the origin, and several problems at once.
    const far = await laplacianKModes(
      Tensor.from(
        device,
        x.map((v) => v + 1e7),
        [60, 2],
      ),
      3,
      { seed: 3 },
    );
    expect(far.labels).toEqual((await laplacianKModes(rows, 3, { seed: 3 })).labels);
    expect((await valuesOf(far.prototypes)).every((v) => Math.abs(v - 1e7) < 10)).toBe(true);
    const both = await laplacianKModes(Tensor.from(device, [...x, ...x], [2, 60, 2]), 2);
    expect([both.labels.length, both.prototypes.shape]).toEqual([120, [2, 2, 2]]);
  });

  it.each([
    ['means', 5, 2, 1],
    ['modes', 1, 0.7, 25],
  ] as const)('a round in which a cluster is lost leaves no trace: %s', async (mode, temperature, lambda, seed) => {
    for (const shape of [
      [12, 2],
      [1, 12, 2],
    ]) {
      const x = Tensor.from(device, normal(24, seed), shape);
      const broken = await laplacianKModes(x, 5, { mode, temperature, lambda });
      expect(broken.status).toBe('breakdown');
      const { iterations } = broken;
      const whole = await laplacianKModes(x, 5, { mode, temperature, lambda, maxIterations: iterations });
      expect(whole.status).toBe('max-iterations');
      for (const name of ['labels', 'energy', 'innerSteps', 'iterations'] as const)
        expect(broken[name]).toEqual(whole[name]);
      for (const name of ['probabilities', 'prototypes'] as const)
        expect(await valuesOf(broken[name])).toEqual(await valuesOf(whole[name]));
    }
  });

  it('rows that are all alike, and one cluster of one row', async () => {
    const same = await laplacianKModes(Tensor.full(device, [6, 2], 3), 2);
    expect(same.status).toBe('breakdown');
    expect([...same.labels]).toEqual([0, 0, 0, 0, 0, 0]);
    expect((await valuesOf(same.probabilities)).every(Number.isFinite)).toBe(true);
    const one = await laplacianKModes(Tensor.full(device, [1, 2], 3), 1, { neighbours: 1, sigma: 1 });
    expect([...one.labels, ...(await valuesOf(one.prototypes))]).toEqual([0, 3, 3]);
    const x = Tensor.full(device, [2, 3], 1);
    const query = Tensor.full(device, [2, 3], 1);
    const alike = await transductiveCluster({ support: x, supportLabels: [0, 1], query, classes: 2, mode: 'modes' });
    expect([...alike.labels]).toEqual([0, 0]);
    expect((await valuesOf(alike.prototypes)).every(Number.isFinite)).toBe(true);
  });
});

describe.each(onlyCpu)('transductiveCluster', () => {
  const energies = goal('R27', { ci: 40, deep: 10_000 });
  it('R27: the energy rises in no random task', { ...energies.tagged, timeout: energies.limit(180_000) }, async () => {
    await using device = Device.open('cpu');
    await energies.each(async (seed) => {
      const [ways, d] = [2 + (seed % 4), 2 + (seed % 9)];
      const drawn = drawTasks(1, seed, { ways, shots: 1 + (seed % 2), queries: 3 + (seed % 5), d });
      using support = Tensor.from(device, drawn.support, [drawn.support.length / d, d]);
      using query = Tensor.from(device, drawn.query, [drawn.query.length / d, d]);
      const { supportLabels } = drawn;
      const lambda = [0.1, 0.7, 1, 3][Math.floor(seed / 7) % 4]!;
      const own = { support, query, supportLabels, classes: ways, lambda };
      const four: More[] = [{ mode: 'fixed' }, { assignments: 'soft' }, {}, { mode: 'modes' }];
      await Promise.all(
        four.map(async (more) => {
          const { energy, innerSteps, ...made } = await transductiveCluster({ ...own, ...more });
          expect(rises(energy, innerSteps)).toBe(0);
          if (more.assignments === 'soft') expect(rise(energy)).toBe(false);
          for (const tensor of [made.probabilities, made.prototypes]) tensor.dispose();
        }),
      );
    });
  });

  it('on drawn tasks prototypes are below the graph, and this below clusters', async () => {
    await using device = Device.open('cpu');
    const tasks = 200;
    const { support, query, supportLabels, labels } = drawTasks(tasks, 1);
    const own = {
      support: Tensor.from(device, support, [tasks, 5, 16]),
      query: Tensor.from(device, query, [tasks, 75, 16]),
      supportLabels,
      classes: 5,
    };
    const right = async (more: More) => {
      const found = (await transductiveCluster({ ...own, ...more })).labels;
      return found.reduce((sum, label, i) => sum + (label === labels[i] ? 1 : 0), 0) / labels.length;
    };
    const nearest = await right({ mode: 'fixed', lambda: 0, shift: false });
    const laplacian = await right({ mode: 'fixed', lambda: 1, shift: false });
    const means = await right({ lambda: 0 });
    const slk = await right({ temperature: 10 });
    expect(laplacian).toBeGreaterThan(nearest + 0.02);
    expect(means).toBeGreaterThan(laplacian + 0.02);
    expect(slk).toBeGreaterThan(laplacian + 0.02);
  });

  const refusals: [string, (x: { support: Tensor; query: Tensor; device: Device }) => object, RegExp][] = [
    ['no support', () => ({ support: undefined }), /support must be a Tensor/],
    ['labels of other number', () => ({ supportLabels: [0] }), /supportLabels must have 2 elements/],
    ['labels out of range', () => ({ supportLabels: [0, 2] }), /supportLabels\[1\] must be a whole number from 0 to 1, got 2/],
    ['labels that are no numbers', () => ({ supportLabels: [0, NaN] }), /supportLabels\[1\] must be a whole number/],
    ['more classes than rows', () => ({ classes: 3 }), /classes must be at most 2/],
    ['classes beyond any array', () => ({ classes: 1e12 }), /classes must be at most 2/],
    ['a class without support', () => ({ supportLabels: [1, 1] }), /class 0 of task 0 must have support/],
    ['queries of another width', ({ device }) => ({ query: Tensor.zeros(device, [3, 5]) }), /query must have shape/],
    ['no queries', ({ device }) => ({ query: Tensor.zeros(device, [0, 2]) }), /query must be/],
    ['more neighbours than rows', () => ({ neighbours: 6 }), /neighbours must be at most 5/],
    ['more neighbours than queries', () => ({ neighbours: 4, mode: 'fixed' }), /neighbours must be at most 3/],
    ['a negative lambda', () => ({ lambda: -1 }), /lambda must be finite and not negative/],
    ['a temperature of 0', () => ({ temperature: 0 }), /temperature must be a positive number/],
    ['cl2n without a mean', () => ({ normalize: 'cl2n' }), /baseMean must be given for cl2n/],
    ['a mean for nothing', ({ device }) => ({ normalize: 'l2n', baseMean: Tensor.zeros(device, [2]) }), /normalize must be 'cl2n'/],
    ['a sigma for means', () => ({ sigma: 1 }), /sigma must be given for 'modes' alone/],
    ['soft modes', () => ({ mode: 'modes', assignments: 'soft' }), /assignments must be 'hard' for modes/],
    ['modes without a width', () => ({ mode: 'modes', neighbours: 1 }), /neighbours must be from 2 on/],
    ['a row of zeros', ({ device }) => ({ query: Tensor.from(device, [1, 0, 0, 0, 0, 1], [3, 2]) }), /query row 1 of task 0 must have a length/],
    ['NaN', ({ device }) => ({ support: Tensor.from(device, [1, 0, NaN, 1], [2, 2]) }), /support row 1 of task 0 must be finite/],
    ['infinity', ({ device }) => ({ normalize: 'none', query: Tensor.from(device, [1, 0, Infinity, 0, 0, 1], [3, 2]) }), /query row 1 of task 0 must be finite/],
  ]; // biome-ignore format: a line each
  it.each(refusals)('refuses %s', async (_, change, message) => {
    await using device = Device.open('cpu');
    const support = Tensor.from(device, [1, 0, 0, 1], [2, 2]);
    const query = Tensor.from(device, [1, 0, 1, 1, 0, 1], [3, 2]);
    const own = { support, query, supportLabels: [0, 1], classes: 2, ...change({ support, query, device }) };
    await expect(transductiveCluster(own as TransductiveClusterOptions)).rejects.toThrow(message);
    const x = Tensor.zeros(device, [3, 2]);
    await expect(laplacianKModes(x, 4)).rejects.toThrow(/k must be a whole number from 1 to 3/);
    await expect(laplacianKModes(x, 1, { neighbours: 4 })).rejects.toThrow(/neighbours must be at most 3/);
    await expect(laplacianKModes(x, 1, { normalize: 'l2n' })).rejects.toThrow(/row 0 of task 0 must have a length/);
  });
});
