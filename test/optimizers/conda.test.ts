// Devices: cpu, cuda
// Axes: products
// Values: properties of Adam in a basis, which hold for any program.
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, Conda, type CondaOptions, Device, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { tensorOf } from '../support/tensors.ts';
import { bits, numbers, stateBits } from './classes.ts';
import { code } from './each-class.ts';

const stateOf = (optimizer: Conda, name: string): Tensor =>
  Object.entries(optimizer.part().tensors).find(([key]) => key.endsWith(`.${name}`))![1];

describe.each(devices)('Conda on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** The updates that steps at a rate of 1 take off zeros. */
  async function update(shape: number[], grads: number[][], options: Partial<CondaOptions> = {}) {
    const weight = Tensor.zeros(device, shape, { dtype: 'f64' });
    const optimizer = new Conda([weight], { lr: 1, scale: 1, ...options });
    for (const grad of grads) optimizer.step([Tensor.from(device, Float64Array.from(grad), shape)]);
    return { moved: (await numbers(weight)).map((x) => -x), optimizer };
  }

  it('is Adam where the basis is that of the axes', async () => {
    // Diagonal gradients, by falling size: their singular vectors are the axes.
    const grads = [[5, 0, 0, 3], [4, 0, 0, -1], [6, 0, 0, 2]]; // biome-ignore format: one line
    const { moved } = await update([2, 2], grads, { eps: 0 });
    const weight = Tensor.zeros(device, [2, 2], { dtype: 'f64' });
    const adam = new AdamW([weight], { lr: 1, eps: 0, weightDecay: 0 });
    for (const grad of grads) adam.step([Tensor.from(device, Float64Array.from(grad), [2, 2])]);
    for (const [i, x] of (await numbers(weight)).entries()) expect(moved[i]).toBeCloseTo(-x, 12);
  });

  it('turns with the gradients: the rows of a matrix turned turn its update', async () => {
    const grads = [1, 2, 3].map((seed) => [...normal(12, seed)]);
    const [c, s] = [0.6, 0.8];
    // The first two of three columns.
    const turned = (x: number[]) =>
      x.map((_, i) => {
        const at = i - (i % 3);
        return i % 3 === 0 ? c * x[at]! - s * x[at + 1]! : i % 3 === 1 ? s * x[at]! + c * x[at + 1]! : x[i]!;
      });
    const [one, two] = [await update([4, 3], grads, { gap: 2 }), await update([4, 3], grads.map(turned), { gap: 2 })];
    for (const [i, x] of turned(one.moved).entries()) expect(two.moved[i]).toBeCloseTo(x, 8);
  });

  it('moves by no more than 2^100 where a new basis has momentum and no second moment yet', async () => {
    const weight = Tensor.zeros(device, [2, 2]);
    const optimizer = new Conda([weight], { lr: 1, scale: 1, gap: 2 });
    // By the third step the second axis is the first vector of the basis.
    for (const grad of [[1, 0, 0, 0], [0, 0, 0, 1e36], [0, 0, 0, 1e-10]]) // biome-ignore format: one line
      optimizer.step([Tensor.from(device, Float32Array.from(grad), [2, 2])]);
    const moved = (await numbers(weight)).map((x) => Math.abs(Math.round((8 * x) / 2 ** 100)));
    expect(moved).toEqual([0, 0, 0, 8]);
  });

  it('leaves directions alone that no gradient has, whatever is kept in 16 bits', async () => {
    const row = [1, -2, 3, 0.5];
    const grads = [1, 2, 3].map((seed) => [...normal(6, seed)].flatMap((y) => row.map((x) => Math.fround(x * y))));
    for (const stateDtype of ['f32', 'bf16'] as const) {
      const weight = Tensor.zeros(device, [6, 4]);
      const optimizer = new Conda([weight], { lr: 1, stateDtype });
      for (const grad of grads) optimizer.step([Tensor.from(device, Float32Array.from(grad), [6, 4])]);
      const w = await numbers(weight);
      for (let i = 0; i < 6; ++i)
        for (const [j, x] of row.entries()) expect(w[4 * i + j]! / w[4 * i]!, stateDtype).toBeCloseTo(x, 3);
    }
  });

  it('takes no larger steps where gradients fall and come from new directions', async () => {
    // Rows are multiples of one vector, later of one at a right angle to it. No step of Adam's coordinates is larger than
    // (1 − β₁) / √((1 − β₂)(1 − β₁² / β₂)), by Cauchy and Schwarz, which is 7.3.
    const [one, other] = [[1, -2, 3, 0.5, 1], [2, 1, 0, 0, 0]]; // biome-ignore format: one line
    const outer = (row: number[], seed: number, scale: number) =>
      [...normal(6, seed)].flatMap((y) => row.map((x) => scale * x * y));
    for (const [dtype, gradDtype, stateDtype, fall] of [
      ['f32', 'f32', 'f32', 1e-9],
      ['f64', 'f64', 'f64', 1e-17],
      ['f64', 'f32', 'f64', 1e-9],
      ['f64', 'f64', 'f32', 1e-9],
      ['f32', 'f32', 'bf16', 1e-5],
      ['f32', 'f32', 'f16', 1e-4],
    ] as const) {
      const weight = Tensor.zeros(device, [6, 5], { dtype });
      const optimizer = new Conda([weight], { lr: 1, scale: 1, eps: 0, stateDtype, gap: 5 });
      let before = await numbers(weight);
      for (let step = 1; step <= 10; ++step) {
        const grad = step <= 6 ? outer(one, step, 1) : outer(other, step, fall);
        optimizer.step([tensorOf(device, grad, [6, 5], gradDtype)]);
        const now = await numbers(weight);
        const moved = now.map((x, i) => Math.abs(x - before[i]!));
        expect(Math.max(...moved), `${dtype}, gradients ${gradDtype}, state ${stateDtype}, step ${step}`).toBeLessThan(
          7.3,
        );
        before = now;
      }
    }
  });

  it('leaves them alone whatever the size of gradients of f64', async () => {
    const row = [1, -2, 3, 0.5];
    const grads = [1, 2, 3].map((seed) => [...normal(6, seed)].flatMap((y) => row.map((x) => x * y)));
    const { moved } = await update([6, 4], grads, { eps: 0 });
    for (const power of [-700, -520, 520, 900]) {
      const scaled = grads.map((grad) => grad.map((x) => x * 2 ** power));
      expect((await update([6, 4], scaled, { eps: 0 })).moved).toEqual(moved);
    }
  });

  it('shows a momentum that is not finite: no weight of the matrix is left at rest', async () => {
    const good = [...normal(12, 1)];
    const spoiled = good.with(4, Number.NaN);
    expect((await update([4, 3], [spoiled, good])).moved.every(Number.isNaN)).toBe(true);
    // A basis that is there serves rows that are finite, until the next one is due.
    const rows = (await update([4, 3], [good, spoiled], { gap: 2 })).moved.map(Number.isNaN);
    expect(rows).toEqual([0, 1, 2, 3].flatMap((row) => Array(3).fill(row === 1)));
    expect((await update([4, 3], [good, spoiled, good], { gap: 2 })).moved.every(Number.isNaN)).toBe(true);
  });

  it('goes on behind gradients of zero, which leave the axes for a basis', async () => {
    const { moved, optimizer } = await update([2, 3], [Array(6).fill(0), [1, 2, 3, 4, 5, 6]]);
    expect(Array.from(await numbers(stateOf(optimizer, 'bases')))).toEqual([1, 0, 0, 1]);
    expect(Math.hypot(...moved)).toBeGreaterThan(0.5);
  });

  it('decays what a step has made, not what it found', async () => {
    const grad = [...normal(6, 1)];
    const { moved } = await update([2, 3], [grad]);
    for (const weightDecayMode of ['decoupled', 'independent', 'palm'] as const) {
      const decayed = await update([2, 3], [grad], { weightDecay: 0.25, weightDecayMode });
      for (const [i, x] of decayed.moved.entries()) expect(x).toBeCloseTo(0.75 * moved[i]!, 12);
    }
    const cautious = await update([2, 3], [grad], { weightDecay: 0.25, weightDecayMode: 'cautious' });
    expect(cautious.moved).toEqual(moved);
  });

  it('its state has the sides that it is projected on', async () => {
    // Shapes of the basis and of the second moments, by side.
    const cases: [number[], CondaOptions['side'], number[], number[]][] = [
      [[4, 7], 'std', [4, 4], [4, 7]],
      [[7, 4], 'std', [4, 4], [7, 4]],
      [[4, 4], 'std', [4, 4], [4, 4]],
      [[4, 7], 'reverse_std', [7, 4], [4, 4]],
      [[7, 4], 'reverse_std', [7, 4], [4, 4]],
      [[7, 4], 'left', [7, 4], [4, 4]],
      [[4, 7], 'right', [7, 4], [4, 4]],
      [[2, 7, 4], 'std', [2, 4, 4], [2, 7, 4]],
      [[2, 7, 4], 'left', [2, 7, 4], [2, 4, 4]],
      [[4, 3, 2, 2], 'std', [4, 4], [4, 3, 2, 2]],
      [[4, 3, 2, 2], 'right', [12, 4], [4, 4]],
    ];
    for (const [shape, side, basis, roots] of cases) {
      const optimizer = new Conda([Tensor.zeros(device, shape)], { side });
      expect(stateOf(optimizer, 'bases').shape, `${side} of ${shape}`).toEqual(basis);
      expect(stateOf(optimizer, 'roots').shape, `${side} of ${shape}`).toEqual(roots);
      expect(optimizer.stateBytes).toBe(4 * (sizeOf(shape) + sizeOf(basis) + sizeOf(roots) + 1));
      optimizer.step([Tensor.full(device, shape, 1)]);
      optimizer.dispose();
    }
    await device.synchronize();
  });

  it('refuses what does not fit', () => {
    const w = [Tensor.zeros(device, [4, 3])];
    const thrown = (options: object) => () => new Conda(w, options);
    for (const gap of [0, 1.5, -1, 2 ** 31]) expect(thrown({ gap })).toThrow(code('ERR_ARGUMENT'));
    for (const scale of [-1, Number.NaN, Infinity]) expect(thrown({ scale })).toThrow(code('ERR_ARGUMENT'));
    expect(thrown({ side: 'full' })).toThrow(/side must be one of 'std', 'reverse_std', 'left', 'right'/);
    expect(thrown({ rank: 2 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => new Conda([Tensor.zeros(device, [4])])).toThrow(/combine/);
  });
});

describe.each(onlyCpu)('Conda', () => {
  it('resumes from its basis, between two of them, on another number of threads', async () => {
    const folder = new Folder();
    const file = folder.file('conda');
    const start = (device: Device) => {
      const weight = Tensor.from(device, Float32Array.from(normal(600, 1)), [20, 30]);
      // Of one layer the gradients have rank 3.
      const flat = Tensor.from(device, Float32Array.from(normal(600, 2)), [30, 20]);
      const optimizer = new Conda([weight, flat], { gap: 5 });
      const step = (seed: number) => {
        const [a, b] = [[...normal(90, seed)], [...normal(60, seed + 50)]];
        const low = a.flatMap((_, i) => (i % 3 === 0 ? Array.from({ length: 20 }, (_, j) =>
          [0, 1, 2].reduce((sum, k) => sum + a[i + k]! * b[3 * j + k]!, 0)) : [])); // biome-ignore format: one line
        optimizer.step([
          Tensor.from(device, Float32Array.from(normal(600, seed)), [20, 30]),
          Tensor.from(device, Float32Array.from(low), [30, 20]),
        ]);
      };
      return { weights: [weight, flat], optimizer, step };
    };
    const [a, b] = [Device.open('cpu', { threads: 1 }), Device.open('cpu', { threads: 3 })];
    const [one, two] = [start(a), start(b)];
    for (let seed = 10; seed < 17; ++seed) one.step(seed);
    await one.optimizer.save(file);
    for (const [i, weight] of two.weights.entries()) weight.write(await one.weights[i]!.read());
    await two.optimizer.load(file);
    for (let seed = 17; seed < 24; ++seed) for (const { step } of [one, two]) step(seed);
    expect(await bits(two.weights)).toEqual(await bits(one.weights));
    expect(await stateBits(two.optimizer as never)).toEqual(await stateBits(one.optimizer as never));
    await Promise.all([a.close(), b.close()]);
  });
});
