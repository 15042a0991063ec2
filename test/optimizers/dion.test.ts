// Devices: cpu, cuda
// Axes: products
// Values: properties of low rank, which hold for any program.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dion, Dion2, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { bits, numbers, stateBits } from './classes.ts';
import { code } from './each-class.ts';

const outer = (a: number[], b: number[]): number[][] => a.map((x) => b.map((y) => x * y));
const sum = (a: number[][], b: number[][]): number[][] => a.map((row, i) => row.map((x, j) => x + b[i]![j]!));

describe.each(devices)('low-rank relatives of Muon on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const matrix = (rows: number[][]): Tensor =>
    Tensor.from(device, Float64Array.from(rows.flat()), [rows.length, rows[0]!.length]);
  /** The amount that steps at a rate of 1 take off a matrix of zeros. */
  async function update(grads: number[][][], options: object = {}, Class: typeof Dion | typeof Dion2 = Dion) {
    const [m, n] = [grads[0]!.length, grads[0]![0]!.length];
    const weight = Tensor.zeros(device, [m, n], { dtype: 'f64' });
    const optimizer = new Class([weight], { lr: 1, shapeScale: 'none', ...options });
    for (const grad of grads) optimizer.step([matrix(grad)]);
    const flat = (await numbers(weight)).map((x) => -x);
    const rows = Array.from({ length: m }, (_, i) => flat.slice(i * n, (i + 1) * n));
    const state = Object.fromEntries(
      Object.entries(optimizer.part().tensors).map(([name, tensor]) => [name.split('.').at(-1)!, tensor]),
    );
    return { rows, state };
  }

  it('Dion: of a matrix of low rank it moves by the polar factor, and nothing else', async () => {
    // Singular vectors (0.6, 0.8, 0), (0.8, −0.6, 0) and (1, 0, 0, 0), (0, 0, 0.28, 0.96).
    const [u1, u2, v1, v2] = [[0.6, 0.8, 0], [0.8, -0.6, 0], [1, 0, 0, 0], [0, 0, 0.28, 0.96]]; // biome-ignore format: one line
    const g = sum(outer(u1!.map((x) => 5 * x), v1!), outer(u2!.map((x) => 0.5 * x), v2!)); // biome-ignore format: one line
    const polar = sum(outer(u1!, v1!), outer(u2!, v2!)).flat();
    for (const rank of [2, 768]) {
      // Power iterations turn the basis to the singular vectors; each moves by a matrix near the polar factor.
      const [many, fewer] = [await update(Array(12).fill(g), { rank }), await update(Array(11).fill(g), { rank })];
      const last = many.rows.flat().map((x, i) => x - fewer.rows.flat()[i]!);
      for (const [i, x] of last.entries()) expect(x, `rank ${rank}`).toBeCloseTo(polar[i]!, 6);
    }
  });

  it('Dion: moves no farther than its rank, along columns of norm 1', async () => {
    const g = Array.from({ length: 9 }, (_, i) => [...normal(7, i)]);
    const { rows, state } = await update([g], { rank: 3 });
    expect(Math.hypot(...rows.flat())).toBeCloseTo(Math.sqrt(3), 6);
    expect(state['bases']!.shape).toEqual([7, 3]);
    const q = await numbers(state['bases']!);
    for (const j of [0, 1, 2]) expect(Math.hypot(...q.filter((_, i) => i % 3 === j))).toBeCloseTo(1, 6);
  });

  it('Dion: what a step uses leaves the sum by 1 − momentum, the rest stays', async () => {
    const g = outer([1, 2, 3], [4, 5]);
    const { state } = await update([g], { rank: 1, momentum: 0.25 });
    for (const [i, x] of (await numbers(state['momenta']!)).entries()) expect(x).toBeCloseTo(0.25 * g.flat()[i]!, 12);
    const beside = sum(g, outer([2, -1, 0], [5, -4]));
    const kept = await update([beside], { rank: 1, momentum: 0.25 });
    expect(Math.hypot(...(await numbers(kept.state['momenta']!)))).toBeGreaterThan(0.25 * Math.hypot(...beside.flat()));
  });

  it('Dion: goes on after gradients of zero, and finds the directions that it has lost', async () => {
    const zeros = [[0, 0, 0], [0, 0, 0]]; // biome-ignore format: one line
    const none = await update([zeros, zeros]);
    expect(none.rows.flat().every((x) => x === 0)).toBe(true);
    const g = [[3, 0, 0], [0, 1, 0]]; // biome-ignore format: one line
    const { rows } = await update([zeros, g, g]);
    expect(Math.hypot(...rows.flat())).toBeGreaterThan(1);
  });

  // The arithmetic of every size is that of the operations, which their tests compare on each device.
  const sizes = [[2, 3], [1, 1], [1, 5], [5, 1]] as const; // biome-ignore format: one line
  it.each(kind === 'cpu' ? sizes : sizes.slice(0, 1))(
    'never makes NaN of gradients of [%i, %i], whatever their rank and size',
    async (m, n) => {
      const full = Array.from({ length: m }, (_, i) => [...normal(n, i)]);
      const flat = outer(Array(m).fill(1), Array(n).fill(2));
      for (const Class of [Dion, Dion2])
        for (const grad of [full, flat, full.map((row, i) => (i === 0 ? row : row.map(() => 0)))])
          for (const [scale, options] of [
            [1e-30, {}],
            [1e-30, { eps: 0 }],
            [1, { eps: 0 }],
            [1e30, {}],
          ] as const) {
            const scaled = grad.map((row) => row.map((x) => x * scale));
            const { rows } = await update([scaled, scaled, scaled], options, Class);
            expect(rows.flat().every(Number.isFinite), `${Class.name} ${scale}`).toBe(true);
          }
    },
  );

  it('Dion: the seed makes the basis, the same for equal shapes and for each head', async () => {
    const bases = async (shape: number[], options: object): Promise<number[]> => {
      const { tensors } = new Dion([Tensor.zeros(device, shape)], { rank: 2, ...options }).part();
      return numbers(Object.entries(tensors).find(([name]) => name.endsWith('bases'))![1]);
    };
    const one = await bases([4, 3], {});
    expect(one).toEqual(await numbers(Tensor.randn(device, [3, 2], { seed: 0 })));
    expect(await bases([4, 3], { initialBasis: 1 })).not.toEqual(one);
    expect(await bases([8, 3], { heads: 2 })).toEqual([...one, ...one]);
    expect(await bases([2, 4, 3], {})).toEqual([...one, ...one]);
    const rows = [[1, 2], [3, 4], [5, 6]]; // biome-ignore format: one line
    expect(await bases([2, 4, 3], { initialBasis: rows })).toEqual([...rows.flat(), ...rows.flat()]);
    expect(await bases([4, 3, 1, 1], { rank: 9, stateDtype: 'f64' })).toHaveLength(9);
  });

  it('refuse what does not fit', () => {
    const w = [Tensor.zeros(device, [4, 3])];
    const thrown = (Class: typeof Dion | typeof Dion2, options: object) => () => new Class(w, options);
    for (const initialBasis of [-1, 0.5, [], [[]], 'x', [[1, Number.NaN]]])
      expect(thrown(Dion, { rank: 2, initialBasis })).toThrow(/initialBasis/);
    expect(thrown(Dion, { rank: 2, initialBasis: [[1, 2]] })).toThrow(
      'initialBasis must have 3 rows of 2 numbers for a weight of shape [4,3], got 1 rows of 2',
    );
    for (const rank of [0, 1.5, -1]) expect(thrown(Dion, { rank })).toThrow(code('ERR_ARGUMENT'));
    for (const fraction of [0, 1.5, -1]) expect(thrown(Dion2, { fraction })).toThrow(code('ERR_ARGUMENT'));
    for (const efDecay of [-1, 1.5]) expect(thrown(Dion2, { efDecay })).toThrow(code('ERR_ARGUMENT'));
    expect(thrown(Dion2, { momentum: 0.9 })).toThrow(code('ERR_ARGUMENT'));
  });

  it('Dion2: moves the rows of the largest sums alone, or columns where they are fewer', async () => {
    const tall = Array.from({ length: 6 }, (_, i) => [...normal(4, i)].map((x, j) => (j === 2 ? 10 * x : x)));
    const { rows } = await update([tall], { fraction: 0.25 }, Dion2);
    for (const row of rows) for (const [j, x] of row.entries()) expect(x !== 0).toBe(j === 2);
    const wide = tall[0]!.map((_, j) => tall.map((row) => row[j]!));
    const turned = await update([wide], { fraction: 0.25 }, Dion2);
    for (const [i, row] of turned.rows.entries())
      for (const [j, x] of row.entries()) expect(x).toBeCloseTo(rows[j]![i]!, 12);
  });

  it('Dion2: rows that wait are taken in their turn', async () => {
    const g = [[3, 0, 0], [0, 2, 0], [0, 0, 1]]; // biome-ignore format: one line
    const { rows } = await update([g, g, g, g, g, g], { fraction: 0.3, efDecay: 0 }, Dion2);
    // Sums (3, 2, 1), (3, 4, 2), (6, 2, 3), (3, 4, 4), (6, 2, 5), (3, 4, 6): the last step is the third row's.
    for (const row of rows) expect(row.some((x) => x > 0.5)).toBe(true);
  });
});

describe.each(onlyCpu)('Dion', () => {
  it('resumes from its basis, on another number of threads, without the one it started from', async () => {
    const folder = new Folder();
    const file = folder.file('dion');
    const start = (device: Device, initialBasis: number) => {
      const weight = Tensor.from(device, Float32Array.from(normal(600, 1)), [20, 30]);
      const optimizer = new Dion([weight], { rank: 5, initialBasis });
      const step = (seed: number) =>
        optimizer.step([Tensor.from(device, Float32Array.from(normal(600, seed)), [20, 30])]);
      return { weight, optimizer, step };
    };
    const [a, b] = [Device.open('cpu', { threads: 1 }), Device.open('cpu', { threads: 3 })];
    const [one, two] = [start(a, 1), start(b, 2)];
    for (let seed = 10; seed < 14; ++seed) one.step(seed);
    await one.optimizer.save(file);
    two.weight.write(await one.weight.read());
    await two.optimizer.load(file);
    for (let seed = 14; seed < 17; ++seed) for (const { step } of [one, two]) step(seed);
    expect(await bits([two.weight])).toEqual(await bits([one.weight]));
    expect(await stateBits(two.optimizer as never)).toEqual(await stateBits(one.optimizer as never));
    await Promise.all([a.close(), b.close()]);
  });
});
