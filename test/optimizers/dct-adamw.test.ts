// Devices: cpu, cuda
// Properties of the method: the check values are in check-values.test.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, DCTAdamW, Device, ops, Tensor } from '../../lib/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { valuesOf } from '../support/tensors.ts';
import { bits, numbers, stateBits } from './classes.ts';

const everything = { rank: 3, gap: 2, rotate: true };
const feedbacks = [false, true, '8bit', '4bit'] as const;

describe.each(devices)('DCTAdamW on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const gradient = (shape: number[], seed: number, scale = 1, on = device): Tensor =>
    Tensor.from(on, normal(sizeOf(shape), seed, scale), shape);

  it.each([
    [[9, 6], 'dct2'],
    [[6, 9], 'dct2'],
    [[9, 6], 'dct3'],
    [[6, 9], 'dct3'],
  ] as const)('of full rank is AdamW in the basis, %j, %s', async ([m, n], basis) => {
    const start = gradient([m, n], 7);
    // Coordinates in the basis: of rows, and of columns where the matrix is wide.
    const kindOf = { there: basis, back: basis === 'dct2' ? 'dct3' : 'dct2' } as const;
    const turn = (x: Tensor, way: 'there' | 'back'): Tensor => {
      const tall = (t: Tensor): Tensor => {
        if (m > n) return t;
        const out = new Tensor(device, [...t.shape].reverse(), t.dtype);
        ops.transpose(device, { x: t, out });
        return out;
      };
      const x2 = tall(x);
      const out = new Tensor(device, x2.shape, x2.dtype);
      ops.dct(device, { x: x2, out, kind: kindOf[way] });
      return tall(out);
    };
    const [w, inBasis] = [start.copy(), turn(start, 'there')];
    const options = { lr: 0.1, betas: [0.8, 0.9] as const, weightDecay: 0.1 };
    const [one, two] = [new DCTAdamW([w], { ...options, basis }), new AdamW([inBasis], options)];
    for (let step = 1; step <= 4; ++step) {
      one.step([gradient([m, n], step)]);
      two.step([turn(gradient([m, n], step), 'there')]);
    }
    const expected = await numbers(turn(inBasis, 'back'));
    for (const [i, x] of (await numbers(w)).entries()) expect(x).toBeCloseTo(expected[i]!, 12);
  });

  it.each(feedbacks)(
    'goes on to the same bits from a checkpoint, between choices too, feedback %s',
    async (errorFeedback) => {
      const shapes = [[9, 6], [5, 8], [2, 4, 5]]; // biome-ignore format: one line
      const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
      const file = path.join(folder, 'state.safetensors');
      const options = { ...everything, gap: 3, errorFeedback };
      const weights = shapes.map((shape, i) => gradient(shape, 50 + i));
      const optimizer = new DCTAdamW(weights, options);
      const step = (one: DCTAdamW, at: number): void =>
        one.step(shapes.map((shape, i) => gradient(shape, 10 * at + i)));
      for (let at = 1; at <= 4; ++at) step(optimizer, at);
      const copies = weights.map((w) => w.copy());
      await optimizer.save(file);
      const resumed = new DCTAdamW(copies, options);
      await resumed.load(file);
      for (let at = 5; at <= 8; ++at) for (const one of [optimizer, resumed]) step(one, at);
      expect(await bits(copies)).toEqual(await bits(weights));
      expect(await stateBits(resumed)).toEqual(await stateBits(optimizer));
      rmSync(folder, { recursive: true });
    },
  );

  it('keeps what a step leaves for later ones: with error feedback no part of a gradient is lost', async () => {
    const [m, n] = [8, 6];
    const g = gradient([m, n], 3);
    for (const [errorFeedback, off] of [
      [true, 1e-12],
      ['8bit', 0.03],
      ['4bit', 0.4],
    ] as const) {
      // biome-ignore format: one line
      const w = Tensor.zeros(device, [m, n], { dtype: 'f64' });
      using optimizer = new DCTAdamW([w], { rank: 2, errorFeedback });
      optimizer.step([g]);
      const { tensors } = optimizer.part();
      const [momenta, indices] = [tensors['0.0.momenta']!, tensors['0.0.indices']!];
      // g less the feedback is a·D_rᵀ: in its coordinates zero but for two, which are 10 of the momenta each.
      let left: Tensor;
      if (errorFeedback === true) left = tensors['0.0.feedback']!;
      else {
        left = new Tensor(device, [m, n], 'f64');
        const [codes, ranges] = [tensors['0.0.feedback']!, tensors['0.0.ranges']!];
        ops.dequantizeRows(device, { codes, ranges, out: left, bits: errorFeedback === '8bit' ? 8 : 4 });
      }
      const [all, rest] = [new Tensor(device, [m, n], 'f64'), new Tensor(device, [m, n], 'f64')];
      ops.dct(device, { x: g, out: all });
      ops.dct(device, { x: left, out: rest });
      const [whole, kept, a] = [await numbers(all), await numbers(rest), await numbers(momenta)];
      const places = [...(await indices.read())];
      expect(places[0]!).toBeLessThan(places[1]!);
      for (let i = 0; i < m; ++i)
        for (let k = 0; k < n; ++k) {
          const at = places.indexOf(k);
          expect(Math.abs(kept[i * n + k]! - (at < 0 ? whole[i * n + k]! : 0))).toBeLessThan(off);
          if (at >= 0) expect(10 * a[at * m + i]!).toBeCloseTo(whole[i * n + k]!, 12);
        }
    }
  });

  it('moves moments along with their vectors where it rotates, and nowhere else', async () => {
    const [m, n] = [5, 6];
    const wave = (k: number): Tensor =>
      Tensor.from(device, Float64Array.from({ length: m * n }, (_, i) => Math.cos((Math.PI * k * (2 * Math.floor(i / n) + 1)) / (2 * m))), [m, n]); // biome-ignore format: one line
    const run = async (rotate: boolean): Promise<[number[], number[][]]> => {
      const w = Tensor.zeros(device, [m, n], { dtype: 'f64' });
      using optimizer = new DCTAdamW([w], { rank: 2, rotate, betas: [0.5, 0.5] });
      for (const vectors of [
        [1, 3],
        [3, 4],
      ]) {
        // biome-ignore format: one line
        const sum = new Tensor(device, [m, n], 'f64');
        ops.linearCombination(device, { out: [sum], terms: vectors.map(wave), coefficients: [1, 1] });
        optimizer.step([sum]);
      }
      const { tensors } = optimizer.part();
      const momenta = await numbers(tensors['0.0.momenta']!);
      return [[...(await tensors['0.0.indices']!.read())], [momenta.slice(0, n), momenta.slice(n)]];
    };
    const size = Math.sqrt(m / 2);
    const [indices, rotated] = await run(true);
    expect(indices).toEqual([3, 4]);
    for (const [p, share] of [[0, 0.75], [1, 0.5]] as const) // biome-ignore format: one line
      for (const x of rotated[p]!) expect(x).toBeCloseTo(share * size, 12);
    const [, stale] = await run(false);
    for (const row of stale) for (const x of row) expect(x).toBeCloseTo(0.75 * size, 12);
  });

  it.each([[[1, 1]], [[1, 5]], [[5, 1]], [[2, 3]]])(
    'stays finite for %j: zeros, rank one, 1e-30 and 1e30, whatever is kept of gradients',
    async (shape) => {
      for (const errorFeedback of feedbacks)
        for (const scale of [0, 1e-30, 1, 1e30]) {
          const w = Tensor.zeros(device, shape);
          using optimizer = new DCTAdamW([w], { rank: 1, errorFeedback, rotate: true });
          for (const data of [normal(sizeOf(shape), 1, scale), new Float64Array(sizeOf(shape)).fill(scale), new Float64Array(sizeOf(shape))]) // biome-ignore format: one line
            optimizer.step([Tensor.from(device, Float32Array.from(data), shape)]);
          const values = await numbers(w);
          expect(values.every(Number.isFinite)).toBe(true);
          if (scale === 0) expect(values.every((x) => x === 0)).toBe(true);
        }
    },
  );

  it('makes no steps of rounding: a constant gradient moves all elements alike', async () => {
    for (const shape of [
      [5, 7],
      [7, 5],
      [12, 13],
    ]) {
      // biome-ignore format: one line
      const w = Tensor.zeros(device, shape);
      using optimizer = new DCTAdamW([w], { weightDecay: 0 });
      for (let step = 0; step < 5; ++step) optimizer.step([Tensor.full(device, shape, 0.3)]);
      const values = await numbers(w);
      const expected = -5e-3 / Math.sqrt(Math.min(...shape));
      for (const x of values) expect(x / expected).toBeCloseTo(1, 5);
    }
  });

  it.each([
    [true, 'f32', [7, 5]],
    [true, 'bf16', [5, 7]],
    ['8bit', 'f32', [5, 7]],
    ['4bit', 'f32', [5, 7]],
  ] as const)('makes no steps of what it keeps of gradients, where they fall or are 0: %s, %s', async (...given) => {
    const [errorFeedback, stateDtype, shape] = given;
    const w = Tensor.zeros(device, shape);
    using optimizer = new DCTAdamW([w], { weightDecay: 0, errorFeedback, stateDtype, lr: 1 });
    for (const size of [0.3, 0, 1e-9, 0]) optimizer.step([Tensor.full(device, shape, size)]);
    const values = await numbers(w);
    for (const x of values) expect(x / values[0]!).toBeCloseTo(1, 4);
  });

  it('keeps no rounding beside what it leaves for later steps', async () => {
    // Of two cosines a step takes one.
    const [m, n] = [9, 6];
    const cosines = (size: number) =>
      Float32Array.from({ length: m * n }, (_, i) => {
        const at = (Math.PI * (2 * (i % n) + 1)) / (2 * n);
        return size * (1 + Math.floor(i / n)) * (4 * Math.cos(at) + Math.cos(3 * at));
      });
    const w = Tensor.zeros(device, [m, n]);
    using optimizer = new DCTAdamW([w], { weightDecay: 0, errorFeedback: true, rank: 1, gap: 3, lr: 1, rotate: true });
    for (const size of [1, 0, 0, 0, 0, 0, 0]) optimizer.step([Tensor.from(device, cosines(size), [m, n])]);
    const coordinates = Tensor.zeros(device, [m, n]);
    ops.dct(device, { x: w, out: coordinates });
    for (const [i, x] of (await numbers(coordinates)).entries()) {
      if (i % n === 1 || i % n === 3) expect(Math.abs(x)).toBeGreaterThan(0.1);
      else expect(Math.abs(x)).toBeLessThan(1e-4);
    }
  });

  it('chooses when its count says so, held back steps not counted', async () => {
    const shape = [6, 4];
    const w = gradient(shape, 1);
    using optimizer = new DCTAdamW([w], { ...everything, gap: 100, nonFinite: 'skip' });
    const bad = Tensor.full(device, shape, NaN, { dtype: 'f64' });
    const state = async () => ({ ...(await stateBits(optimizer)), w: (await bits([w]))[0], skipped: 0 });
    const before = await state();
    optimizer.step([bad]);
    expect(await state()).toEqual(before);
    const other = gradient(shape, 1);
    using plain = new DCTAdamW([other], { ...everything, gap: 100 });
    for (const one of [optimizer, plain]) one.step([gradient(shape, 2)]);
    expect(await bits([w])).toEqual(await bits([other]));
  });

  it('refuses what it does not take', () => {
    const weight = Tensor.zeros(device, [3, 4]);
    for (const options of [
      { rank: 0 },
      { rank: 1.5 },
      { gap: 0 },
      { gap: 2.5 },
      { rotate: 1 },
      { basis: 'dct1' },
      { errorFeedback: '2bit' },
      { errorFeedback: 'on' },
      { momentum: 0.9 },
    ])
      expect(() => new DCTAdamW([weight], options as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe.each(onlyCpu)('DCTAdamW on %s', (kind) => {
  it('has the state that the formula says', async () => {
    const device = Device.open(kind);
    for (const shape of [[9, 6], [6, 9], [3, 5, 7], [4, 3, 2, 2]]) // biome-ignore format: one line
      for (const errorFeedback of feedbacks)
        for (const stateDtype of ['f32', 'bf16', 'f16'] as const) {
          using optimizer = new DCTAdamW([Tensor.zeros(device, shape)], { rank: 4, errorFeedback, stateDtype });
          const [batch, m, ...rest] = (shape.length === 3 ? shape : [1, ...shape]) as [number, number, ...number[]];
          const [n, width] = [sizeOf(rest), stateDtype === 'f32' ? 4 : 2];
          const taken = Math.min(4, m, n);
          const moments = 2 * taken * Math.max(m, n) * width + 4 * taken;
          const kept = {
            false: 0,
            true: m * n * (stateDtype === 'f16' ? 4 : width),
            '8bit': m * n + 8 * m,
            '4bit': m * Math.ceil(n / 2) + 8 * m,
          };
          expect(optimizer.stateBytes).toBe(batch * (moments + kept[`${errorFeedback}`]) + 4);
        }
    await device.close();
  });

  it('goes on in f16 where the feedback outgrows it', async () => {
    const device = Device.open(kind);
    const weight = Tensor.zeros(device, [4, 6]);
    using optimizer = new DCTAdamW([weight], { rank: 1, gap: 1000, errorFeedback: true, stateDtype: 'f16' });
    for (let step = 1; step <= 20; ++step)
      optimizer.step([
        Tensor.from(
          device,
          Float32Array.from(normal(24, step), (x) => 1e4 * (x + 1)),
          [4, 6],
        ),
      ]);
    expect((await valuesOf(weight)).every(Number.isFinite)).toBe(true);
    await device.close();
  });

  it('has the same bits with any number of threads', async () => {
    const results = [];
    for (const threads of [1, 2, 3]) {
      const device = Device.open(kind, { threads });
      const shapes = [[170, 133], [140, 195], [2, 17, 30]]; // biome-ignore format: one line
      const weights = shapes.map((shape, i) => Tensor.from(device, Float32Array.from(normal(sizeOf(shape), i)), shape));
      const optimizer = new DCTAdamW(
        feedbacks.map((errorFeedback, i) => ({ name: `${i}`, params: weights.map((w) => w.copy()), errorFeedback })),
        everything,
      );
      for (let step = 1; step <= 3; ++step)
        optimizer.step(feedbacks.flatMap(() => shapes.map((shape, i) => Tensor.from(device, Float32Array.from(normal(sizeOf(shape), 10 * step + i)), shape)))); // biome-ignore format: one line
      results.push([await bits(optimizer.groups.flatMap((group) => group.params)), await stateBits(optimizer)]);
      await device.close();
    }
    for (const other of results.slice(1)) expect(other).toEqual(results[0]);
  });
});
