// Devices: cpu, cuda
// Values: steps along the dense inverse of the Fisher matrix, in plain numbers.
import { afterAll, describe, expect, it } from 'vitest';
import { MFacOptimizer } from '../../lib/curvature/index.ts';
import { Device, loadTensors, ops, readTensorInfo, saveTensors, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { codeOf } from '../solvers/problems.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { fisher, solverOf } from './dense.ts';

describe.each(devices)('the optimizer of M-FAC on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const [size, window, damp] = [6, 3, 1e-2];
  const gradient = (step: number) => normal(size, step);
  const tensors = (values: Float64Array, dtype: 'f32' | 'f64') =>
    [[0, 4, [2, 2]], [4, 6, [2]]].map(([from, to, shape]) => Tensor.from(device, [...values.subarray(from as number, to as number)], shape as number[], { dtype })); // biome-ignore format: one line
  const read = async (list: readonly Tensor[]) => {
    const parts = await Promise.all(list.map((one) => one.read()));
    return parts.flatMap((part) => [...part].map(Number));
  };

  it.each([
    ['f64', 'f64', 1e-10],
    ['f32', 'f32', 1e-4],
    ['f32', 'bf16', 3e-2],
  ] as const)('steps along the inverse of the last gradients: %s, a window of %s', async (dtype, kept, tolerance) => {
    const options = { lr: 0.1, momentum: 0.5, weightDecay: 0.1, window, damp, dtype: kept };
    const params = tensors(normal(size, 99), dtype);
    using optimizer = new MFacOptimizer(params, options);
    const ring: Float64Array[] = [];
    let w = Float64Array.from(normal(size, 99));
    let v = new Float64Array(size);
    for (let step = 1; step <= 5; ++step) {
      const g = gradient(step).map((value, i) => value + 0.1 * w[i]!);
      ring[(step - 1) % window] = g;
      const u = solverOf(fisher(ring, damp, window))(g);
      v = v.map((value, i) => 0.5 * value + 0.5 * u[i]!);
      w = w.map((value, i) => value - 0.1 * v[i]!);
      const grads = tensors(gradient(step), dtype);
      await optimizer.step(grads);
      for (const one of grads) one.dispose();
    }
    const found = await read(params);
    const scale = Math.max(...w.map(Math.abs));
    for (const [i, value] of found.entries()) expect(Math.abs(value - w[i]!)).toBeLessThan(tolerance * scale);
    expect(optimizer.steps).toBe(5);
  });

  it('takes nothing that is not finite into the window, and moves nothing by it', async () => {
    const [params, others] = [tensors(normal(size, 1), 'f64'), tensors(normal(size, 1), 'f64')];
    using optimizer = new MFacOptimizer(params, { window, damp });
    using clean = new MFacOptimizer(others, { window, damp });
    for (const step of [1, 2, 3, 4]) {
      const bad = gradient(step);
      bad[step] = step % 2 ? NaN : Infinity;
      expect(await codeOf(optimizer.step(tensors(bad, 'f64')))).toBe('ERR_ARGUMENT');
      for (const one of [optimizer, clean]) await one.step(tensors(gradient(step), 'f64'));
      expect(await read(params)).toEqual(await read(others));
    }
  });

  it('holds back what makes numbers that are not finite, with the window as before', async () => {
    for (const momentum of [0, 0.5]) {
      const [params, others] = [tensors(normal(size, 1), 'f32'), tensors(normal(size, 1), 'f32')];
      using optimizer = new MFacOptimizer(params, { window, damp, momentum });
      using clean = new MFacOptimizer(others, { window, damp, momentum });
      for (const step of [1, 2, 3, 4, 5]) {
        optimizer.lr = 1e300;
        const before = await read(params);
        expect(await codeOf(optimizer.step(tensors(gradient(step + 20), 'f32')))).toBe('ERR_ARGUMENT');
        expect(await read(params)).toEqual(before);
        optimizer.lr = clean.lr;
        for (const one of [optimizer, clean]) await one.step(tensors(gradient(step), 'f32'));
        expect(await read(params)).toEqual(await read(others));
        expect(optimizer.steps).toBe(step);
      }
    }
    const small = tensors(new Float64Array(size).fill(1), 'f32');
    using optimizer = new MFacOptimizer(small, { window, damp: 1e-300, lr: 1 });
    expect(await codeOf(optimizer.step(tensors(new Float64Array(size).fill(1e-40), 'f32')))).toBe('ERR_ARGUMENT');
    expect(await read(small)).toEqual(Array(size).fill(1));
  });

  it.each(['f32', 'f64', 'bf16'] as const)('refuses files of what no window holds: %s', async (dtype) => {
    using folder = new Folder();
    const [file, other] = [folder.file('mfac'), folder.file('other')];
    const options = { window, damp, momentum: 0.5, dtype };
    using optimizer = new MFacOptimizer(tensors(normal(size, 1), 'f32'), options);
    for (const step of [1, 2]) await optimizer.step(tensors(gradient(step), 'f32'));
    await optimizer.save(file);
    const metadata = Object.fromEntries((await readTensorInfo(file)).metadata);
    const load = async (change: (state: Record<string, Tensor>) => void) => {
      const state = await loadTensors(file, device);
      change(state);
      await saveTensors(other, state, { metadata });
      return codeOf(optimizer.load(other));
    };
    const fill = (x: Tensor, value: number) => ops.fill(device, { x: [x], value });
    expect(await load(() => {})).toBe('resolved');
    for (const name of ['gradients', 'gram', 'momenta.1'])
      expect(await load((state) => fill(state[name]!, NaN))).toBe('ERR_STATE');
    for (const value of [-5, 0]) expect(await load((state) => fill(state['gram']!, value))).toBe('ERR_STATE');
    using plain = new MFacOptimizer(tensors(normal(size, 1), 'f32'), { window, damp, dtype });
    const state = await loadTensors(file, device);
    for (const name of Object.keys(state)) if (name.startsWith('momenta')) delete state[name];
    await saveTensors(other, state, { metadata });
    expect(await codeOf(plain.load(other))).toBe('ERR_STATE');
  });

  it('goes on from a file bit for bit, with scalars that have been set', async () => {
    using folder = new Folder();
    const file = folder.file('mfac');
    const params = tensors(normal(size, 1), 'f32');
    using optimizer = new MFacOptimizer(params, { window, damp, momentum: 0.9 });
    for (const step of [1, 2, 3, 4]) await optimizer.step(tensors(gradient(step), 'f32'));
    optimizer.lr = 0.05;
    await optimizer.save(file);
    const copies = params.map((one) => one.copy());
    using other = new MFacOptimizer(copies, { window, damp, momentum: 0.9 });
    await other.load(file);
    expect([other.lr, other.steps]).toEqual([0.05, 4]);
    for (const one of [optimizer, other]) await one.step(tensors(gradient(5), 'f32'));
    expect(await read(copies)).toEqual(await read(params));
    using another = new MFacOptimizer(copies, { window: 4, damp, momentum: 0.9 });
    expect(await codeOf(another.load(file))).toBe('ERR_STATE');
  });

  it('refuses what it cannot do, and says the bytes of a window that does not fit', async () => {
    const params = tensors(normal(size, 1), 'f32');
    for (const bad of [{ window: 0 }, { damp: 0 }, { damp: -1 }, { lr: -1 }, { momentum: 1 }, { window: 40000 }])
      expect(() => new MFacOptimizer(params, bad)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    // 4 · 100 · 6 + 8 · 100²
    expect(() => new MFacOptimizer(params, { window: 100, memoryLimit: 80_000 })).toThrow(/82400 bytes/);
    using optimizer = new MFacOptimizer(params, { window, damp });
    const grads = tensors(gradient(1), 'f32');
    expect(await codeOf(optimizer.step(grads.slice(1)))).toBe('ERR_SHAPE');
    const running = optimizer.step(grads);
    expect(await codeOf(optimizer.step(grads))).toBe('ERR_STATE');
    await running;
    optimizer.momentum = 0.5;
    expect(await codeOf(optimizer.step(grads))).toBe('ERR_ARGUMENT');
    optimizer.momentum = 0;
    await optimizer.step([grads[0]!, null]);
    const last = optimizer.step(grads);
    optimizer.dispose();
    expect(await codeOf(last)).toMatch(/resolved|ERR_DISPOSED/);
    expect(await codeOf(optimizer.step(grads))).toBe('ERR_DISPOSED');
    expect(optimizer.stateBytes).toBe(0);
  });
});
