// Devices: cpu, cuda
// Values: dense systems on the host, the paper's recurrences, and figures of the prototype.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { MFac, MFacStatic, obsPrune } from '../../lib/curvature/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { codeOf } from '../solvers/problems.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { dot, fisher, type Rows, relative, rowsOf, solverOf } from './dense.ts';

type Work = 'f32' | 'f64';
const rounded = (x: Float64Array, dtype: Work): Float64Array =>
  dtype === 'f64' ? x : Float64Array.from(Float32Array.from(x));

/** F⁻¹ x by the recurrences of the paper's dynamic algorithm. */
function paper(gradients: Rows, damp: number, x: Float64Array): Float64Array {
  const m = gradients.length;
  const u = gradients.map((g, i) => Float64Array.from(gradients, (h, j) => dot(g, h) / damp + (i === j ? m : 0)));
  for (let k = 0; k < m; ++k)
    for (let i = k + 1; i < m; ++i) {
      const factor = u[i]![k]! / u[k]![k]!;
      for (let j = k; j < m; ++j) u[i]![j]! -= factor * u[k]![j]!;
    }
  const q = u.map((row, i) => row[i]!);
  const b = u.map(() => new Float64Array(m));
  for (let i = 0; i < m; ++i) {
    b[i]![i] = 1 / damp;
    for (let j = 0; j < i; ++j) for (let k = j; k < i; ++k) b[i]![j]! -= (u[k]![i]! / q[k]!) * b[k]![j]!;
  }
  const z = Float64Array.from(gradients, (g) => dot(g, x) / damp);
  for (let i = 1; i < m; ++i) for (let k = 0; k < i; ++k) z[i]! -= (u[k]![i]! * z[k]!) / q[k]!;
  const y = z.map((_, j) => b.reduce((sum, row, i) => sum + (row[j]! * z[i]!) / q[i]!, 0));
  return x.map((value, at) => value / damp - gradients.reduce((sum, g, i) => sum + g[at]! * y[i]!, 0));
}

/** The same, each product and sum rounded to f32, but for the sums over elements, which the authors' program adds in blocks. */
function paperInF32(gradients: Rows, damp: number, x: Float64Array): Float64Array {
  const r = Math.fround;
  const [m, lambda] = [gradients.length, r(damp)];
  const u = gradients.map((g, i) =>
    Float64Array.from(gradients, (h, j) => r(r(r(dot(g, h)) / lambda) + (i === j ? m : 0))),
  );
  for (let k = 0; k < m; ++k)
    for (let i = k + 1; i < m; ++i) {
      const factor = r(u[i]![k]! / u[k]![k]!);
      for (let j = k; j < m; ++j) u[i]![j] = r(u[i]![j]! - r(factor * u[k]![j]!));
    }
  const q = u.map((row, i) => row[i]!);
  const b = u.map(() => new Float64Array(m));
  for (let i = 0; i < m; ++i) {
    b[i]![i] = r(1 / lambda);
    for (let j = 0; j < i; ++j)
      for (let k = j; k < i; ++k) b[i]![j] = r(b[i]![j]! - r(r(u[k]![i]! / q[k]!) * b[k]![j]!));
  }
  const z = Float64Array.from(gradients, (g) => r(r(dot(g, x)) / lambda));
  for (let i = 1; i < m; ++i) for (let k = 0; k < i; ++k) z[i] = r(z[i]! - r(r(u[k]![i]! * z[k]!) / q[k]!));
  const y = z.map((_, j) => b.reduce((sum, row, i) => r(sum + r(row[j]! * r(z[i]! / q[i]!))), 0));
  return x.map((value, at) => gradients.reduce((sum, g, i) => r(sum - r(g[at]! * y[i]!)), r(value / lambda)));
}

describe.each(devices)('M-FAC on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const [d, m] = [1000, 32];
  const tensor = (values: Float64Array, dtype: Work, shape: readonly number[] = [values.length]) =>
    Tensor.from(device, dtype === 'f64' ? values : Float32Array.from(values), shape);
  const empty = (dtype: Work, shape: readonly number[] = [d]) => new Tensor(device, shape, dtype);
  const read = async (x: Tensor) => Float64Array.from((await x.read()) as Float64Array);
  const filledWith = async (gradients: Rows, dtype: Work, damp: number, window = gradients.length) => {
    const one = new MFac([empty(dtype, [gradients[0]!.length])], { window, damp });
    for (const g of gradients) await one.push([tensor(g, dtype)]);
    return one;
  };

  it.each([
    ['f64', 1e-5],
    ['f64', 1e-3],
    ['f32', 1e-5],
    ['f32', 1e-3],
  ] as const)('solves as the dense matrix does: %s, damping %f', async (dtype, damp) => {
    // biome-ignore format: one line
    const gradients = rowsOf(rounded(normal(m * d, 1), dtype), d);
    const x = rounded(normal(d, 2), dtype);
    const expected = solverOf(fisher(gradients, damp))(x);
    const tol = dtype === 'f64' ? 1e-8 : 5e-7;
    const window = await filledWith(gradients, dtype, damp);
    const out = empty(dtype);
    window.solve([tensor(x, dtype)], [out]);
    expect(relative(await read(out), expected)).toBeLessThan(tol);
    const fixed = await MFacStatic.fromGradients(tensor(Float64Array.from(gradients.flatMap((g) => [...g])), dtype, [m, d]), { damp }); // biome-ignore format: one line
    expect(relative(await read(fixed.solve(tensor(x, dtype))), expected)).toBeLessThan(tol);
    if (damp === 1e-3) expect(relative(paper(gradients, damp, x), expected)).toBeLessThan(1e-8);
    if (dtype === 'f64') expect(relative(await read(out), paper(gradients, damp, x))).toBeLessThan(1e-8);
  });

  it('damps each block by its own gradients where rounding would lose the damping', async () => {
    // Gradients of 1e6 in the first block, of 1 in the second one.
    const rows = [3e6, -2e6, 1, 2, 1e6, 4e6, -1, 1];
    const fixed = await MFacStatic.fromGradients(Tensor.from(device, Float64Array.from(rows), [2, 4]), { damp: 1e-12, blockSize: 2 }); // biome-ignore format: one line
    const alone = await MFacStatic.fromGradients(Tensor.from(device, Float64Array.of(1, 2, -1, 1), [2, 2]), { damp: 1e-12 }); // biome-ignore format: one line
    const x = await fixed.solve(Tensor.from(device, Float64Array.of(1, 1, 1, 1), [4])).read();
    const y = await alone.solve(Tensor.from(device, Float64Array.of(1, 1), [2])).read();
    for (const k of [0, 1]) expect(Number(x[2 + k]) / Number(y[k])).toBeCloseTo(1, 12);
    const [wide, own] = [await (await fixed.diagonal()).read(), await (await alone.diagonal()).read()];
    for (const k of [0, 1]) expect(Number(wide[2 + k]) / Number(own[k])).toBeCloseTo(1, 12);
    expect((await fixed.element(2, 3)) / (await alone.element(0, 1))).toBeCloseTo(1, 12);
  });

  it('gives its own gradient right in f32, where the published formula and Woodbury’s identity have lost its digits', async () => {
    const damp = 1e-5;
    const gradients = rowsOf(rounded(normal(m * d, 3), 'f32'), d);
    // One that stands there twice makes coefficients that nearly cancel.
    gradients[1] = gradients[0]!.slice();
    const window = await filledWith(gradients, 'f32', damp);
    const wide = await filledWith(gradients, 'f64', damp);
    const [own, naive, reference] = [empty('f32'), empty('f32'), empty('f64')];
    const solve = solverOf(fisher(gradients, damp));
    for (const slot of [0, m - 1]) {
      const expected = solve(gradients[slot]!);
      wide.solveSlot(slot, [reference]);
      expect(relative(await read(reference), expected)).toBeLessThan(1e-7);
      window.solveSlot(slot, [own]);
      expect(relative(await read(own), expected)).toBeLessThan(2e-6);
      window.solve([tensor(gradients[slot]!, 'f32')], [naive]);
      expect(relative(await read(naive), expected)).toBeGreaterThan(1e-2);
      expect(relative(paper(gradients, damp, gradients[slot]!), expected)).toBeLessThan(1e-7);
      expect(relative(paperInF32(gradients, damp, gradients[slot]!), expected)).toBeGreaterThan(1e-2);
    }
  });

  it('keeps the last gradients, counts m while it fills, and works in bf16', async () => {
    const [size, window, damp] = [40, 5, 1e-2];
    const all = rowsOf(rounded(normal(15 * size, 4), 'f32'), size);
    const x = rounded(normal(size, 5), 'f32');
    const [out, other] = [empty('f32', [size]), empty('f32', [size])];
    const ring = new MFac([empty('f32', [size])], { window, damp });
    ring.solve([tensor(x, 'f32')], [out]);
    expect(relative(await read(out), x.map((value) => value / damp))).toBeLessThan(1e-7); // biome-ignore format: one line
    for (const [i, g] of all.entries()) {
      expect(await ring.push([tensor(g, 'f32')])).toBe(i % window);
      expect(ring.filled).toBe(Math.min(window, i + 1));
      if (i !== 2) continue;
      ring.solve([tensor(x, 'f32')], [out]);
      const expected = solverOf(fisher(all.slice(0, 3), damp, window))(x);
      expect(relative(await read(out), expected)).toBeLessThan(1e-6);
    }
    const fresh = await filledWith(all.slice(-window), 'f32', damp);
    ring.solve([tensor(x, 'f32')], [out]);
    fresh.solve([tensor(x, 'f32')], [other]);
    expect(relative(await read(out), await read(other))).toBeLessThan(1e-6);

    const half = new MFac([empty('f32', [size])], { window: 40, damp, dtype: 'bf16' });
    const many = rowsOf(normal(40 * size, 6), size);
    for (const g of many) await half.push([tensor(g, 'f32')]);
    half.solve([tensor(x, 'f32')], [out]);
    const bits = Tensor.from(device, Float32Array.from(many.flatMap((g) => [...g])), [40, size]).cast('bf16').cast('f32'); // biome-ignore format: one line
    const widened = rowsOf(await read(bits), size);
    expect(relative(await read(out), solverOf(fisher(widened, damp))(x))).toBeLessThan(1e-5);
    half.solveSlot(39, [out]);
    expect(relative(await read(out), solverOf(fisher(widened, damp))(widened[39]!))).toBeLessThan(1e-5);
    expect(half.stateBytes).toBe(40 * size * 2 + 8 * 40 * 40);
  });

  it('takes lists of tensors, of several dtypes, and may write where it reads', async () => {
    const params = [empty('f32', [2, 3]), empty('f32', [4]).cast('bf16')];
    const window = new MFac(params, { window: 3, damp: 0.1 });
    const listOf = (seed: number) => [tensor(normal(6, seed), 'f32', [2, 3]), tensor(normal(4, seed + 50), 'f32').cast('bf16')]; // biome-ignore format: one line
    const flatOf = async (list: readonly Tensor[]) =>
      Float64Array.from([...(await read(list[0]!)), ...(await read(list[1]!.cast('f32')))]);
    const gradients: Float64Array[] = [];
    for (const seed of [1, 2, 3]) {
      await window.push(listOf(seed));
      gradients.push(await flatOf(listOf(seed)));
    }
    const x = listOf(7);
    const expected = solverOf(fisher(gradients, 0.1))(await flatOf(x));
    window.solve(x, x);
    expect(relative(await flatOf(x), expected)).toBeLessThan(4e-3);
    expect(relative(await read(x[0]!), expected.subarray(0, 6))).toBeLessThan(1e-6);
  });

  it('stays finite where squares swallow the damping, and for any size of gradients', async () => {
    for (const scale of [1e-30, 1e15, 1e30]) {
      const gradients = rowsOf(normal(4 * 6, 8, scale), 6);
      gradients[3] = gradients[2]!.slice();
      const window = await filledWith(gradients, 'f32', 1e-9);
      const out = empty('f32', [6]);
      for (const slot of [0, 3]) {
        window.solveSlot(slot, [out]);
        expect((await read(out)).every(Number.isFinite)).toBe(true);
        expect(dot(await read(out), gradients[slot]!)).toBeGreaterThan(0);
      }
      window.solve([tensor(normal(6, 9), 'f32')], [out]);
      expect((await read(out)).every(Number.isFinite)).toBe(true);
    }
  });

  it('goes on from its file bit for bit, and refuses one of another window', async () => {
    using folder = new Folder();
    const all = rowsOf(normal(7 * 20, 10), 20);
    const one = await filledWith(all.slice(0, 5), 'f32', 0.1, 4);
    await one.save(folder.file('window'), { metadata: { step: '5' } });
    const [other, smaller] = [4, 3].map((window) => new MFac([empty('f32', [20])], { window, damp: 0.1 })) as [MFac, MFac]; // biome-ignore format: one line
    expect((await other.load(folder.file('window'))).metadata).toEqual({ step: '5' });
    const [out, again] = [empty('f32', [20]), empty('f32', [20])];
    for (const g of all.slice(5)) {
      const slots = [await one.push([tensor(g, 'f32')]), await other.push([tensor(g, 'f32')])];
      expect(slots[0]).toBe(slots[1]);
      one.solveSlot(slots[0]!, [out]);
      other.solveSlot(slots[0]!, [again]);
      expect(await again.read()).toEqual(await out.read());
    }
    const load = (window: MFac) => window.load(folder.file('window'));
    await expect(load(smaller)).rejects.toThrow('MFac.load: window must be 3 as here, got');
    expect(smaller.filled).toBe(0);
    const damped = new MFac([empty('f32', [20])], { window: 4, damp: 0.2 });
    await expect(load(damped)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(load(new MFac([empty('f32', [4, 5])], { window: 4, damp: 0.1 }))).rejects.toMatchObject({ code: 'ERR_STATE' }); // biome-ignore format: one line
  });

  it('is as before after a push that fails, wherever that is', async () => {
    using folder = new Folder();
    const all = rowsOf(normal(4 * 6, 21), 6).map((g) => tensor(g, 'f32'));
    const [out, other] = [empty('f32', [6]), empty('f32', [6])];
    const states: Buffer[] = [];
    // Nothing can be written through a view that is gone: of the row, or of the column, of which the row is written.
    for (const gone of [2, 4]) {
      const window = new MFac([all[0]!], { window: 2, damp: 0.1 });
      for (const g of all.slice(0, 2)) await window.push([g]);
      window.solve([all[3]!], [out]);
      const before = await read(out);
      const { reshape } = Tensor.prototype;
      const spy = vi.spyOn(Tensor.prototype, 'reshape').mockImplementation(function (this: Tensor, shape) {
        const view = reshape.call(this, shape);
        if (shape.length === 2 && shape[0] === gone) view.dispose();
        return view;
      });
      try {
        expect(await codeOf(window.push([all[2]!]))).toBe('ERR_DISPOSED');
      } finally {
        spy.mockRestore();
      }
      expect(window.filled).toBe(2);
      await window.save(folder.file('torn'));
      states.push(readFileSync(folder.file('torn')));
      window.solve([all[3]!], [out]);
      expect(await read(out)).toEqual(before);
      expect(await window.push([all[2]!])).toBe(0);
      const fresh = new MFac([all[0]!], { window: 2, damp: 0.1 });
      for (const g of all.slice(0, 3)) await fresh.push([g]);
      window.solve([all[3]!], [out]);
      fresh.solve([all[3]!], [other]);
      expect(await read(out)).toEqual(await read(other));
    }
    expect(states[1]!.equals(states[0]!)).toBe(true);
  });

  it('takes nothing in that is not finite, and names what goes wrong', async () => {
    const g = tensor(normal(6, 11), 'f32');
    const window = new MFac([g], { window: 2, damp: 0.1 });
    await window.push([g]);
    const out = empty('f32', [6]);
    window.solve([g], [out]);
    const before = await read(out);
    for (const value of [Number.NaN, Infinity]) {
      const wrong = Tensor.from(device, [1, 2, value, 4, 5, 6], [6]);
      await expect(window.push([wrong])).rejects.toThrow(
        'MFac.push: the square of grads must give finite numbers, got',
      );
      window.solve([g], [out]);
      expect(await read(out)).toEqual(before);
    }
    const pending = window.push([g]);
    expect(await codeOf(window.push([g]))).toBe('ERR_STATE');
    expect(await pending).toBe(1);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(window.push([g], { signal })).rejects.toThrow('enough');
    expect(window.filled).toBe(2);
    expect(await codeOf(window.push([empty('f32', [5])]))).toBe('ERR_SHAPE');
    expect(await codeOf(window.push([]))).toBe('ERR_ARGUMENT');
    expect(() => window.solveSlot(2, [out])).toThrow('MFac.solveSlot: slot must be a whole number below 2, got 2');
    expect(() => window.solve([g], [])).toThrow('MFac.solve: out must be 1 tensors, got a list of 0');
    const two = new MFac([g, g], { window: 2 });
    expect(() => two.solve([g, g], [out, out])).toThrow(
      'MFac.solve: out must not hold a tensor twice, got one again at 1',
    );
    for (const options of [{ window: 0 }, { damp: 0 }, { damp: -1 }, { dtype: 'f16' }, { memoryLimit: 0 }])
      expect(() => new MFac([g], options as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => new MFac([g], { memoryLimit: 1000, window: 100 })).toThrow(
      'MFac: a window of 100 gradients of 6 elements must find 82400 bytes, got a limit of 1000',
    );
    window.dispose();
    expect(await codeOf(window.push([g]))).toBe('ERR_DISPOSED');
  });

  it.each(['f32', 'f64'] as const)('has the diagonal and the elements of the dense inverse: %s', async (dtype) => {
    const [size, count, damp] = [60, 12, 1e-3];
    const gradients = rowsOf(rounded(normal(count * size, 12), dtype), size);
    const g = tensor(Float64Array.from(gradients.flatMap((one) => [...one])), dtype, [count, size]);
    const x = rounded(normal(size, 14), dtype);
    for (const blockSize of ['full', 7, 20, 60, 1] as const) {
      const width = blockSize === 'full' ? size : blockSize;
      const inside = (i: number, j: number) => Math.floor(i / width) === Math.floor(j / width);
      const solve = solverOf(
        fisher(gradients, damp).map((row, i) => row.map((value, j) => (inside(i, j) ? value : 0))),
      );
      const inverse = Array.from({ length: size }, (_, i) => solve(Float64Array.from({ length: size }, (_, j) => Number(i === j)))); // biome-ignore format: one line
      const fixed = await MFacStatic.fromGradients(g, { damp, blockSize });
      const found = await read(await fixed.diagonal());
      const most = Math.max(...inverse.map((row, i) => row[i]!));
      for (const [i, row] of inverse.entries()) expect(Math.abs(found[i]! - row[i]!) / most).toBeLessThan(1e-6);
      expect(relative(await read(fixed.solve(tensor(x, dtype))), solve(x))).toBeLessThan(dtype === 'f32' ? 1e-6 : 1e-9);
      const places = normal(kind === 'cuda' ? 10 : 100, 13).map((value) => Math.floor(Math.abs(value * 1000)) % size);
      for (let k = 0; k < places.length; k += 2) {
        const [i, j] = [places[k]!, places[k + 1]!];
        expect(Math.abs((await fixed.element(i, j)) - inverse[i]![j]!) / most).toBeLessThan(1e-9);
        if (!inside(i, j)) expect(await fixed.element(i, j)).toBe(0);
      }
      fixed.dispose();
    }
  });

  it.each(onlyCpu)('waits between pieces, and makes few views of them: %s', async () => {
    const [count, size] = [16, 3 * 65536 + 100];
    const g = Tensor.randn(device, [count, size], { seed: 1 });
    let views = 0;
    const { rows } = Tensor.prototype;
    const spy = vi.spyOn(Tensor.prototype, 'rows').mockImplementation(function (this: Tensor, from, to) {
      views += 1;
      return rows.call(this, from, to);
    });
    const waits = vi.spyOn(device, 'synchronize');
    try {
      (await MFacStatic.fromGradients(g, { damp: 1 })).dispose();
    } finally {
      spy.mockRestore();
    }
    expect(views).toBeLessThan(20);
    expect(waits.mock.calls.length).toBeGreaterThan(4);
    waits.mockRestore();
  });

  it('prunes a weight of a quadratic function at the cost that it tells', async () => {
    const [size, count, damp] = [12, 30, 0.1];
    const gradients = rowsOf(normal(count * size, 15), size);
    const fixed = await MFacStatic.fromGradients(tensor(Float64Array.from(gradients.flatMap((one) => [...one])), 'f64', [count, size]), { damp }); // biome-ignore format: one line
    const f = fisher(gradients, damp);
    const start = normal(size, 16);
    const w = tensor(start, 'f64');
    const { weights, mask, loss } = await obsPrune(w, fixed, { drop: 1 });
    const end = await read(weights);
    const gone = mask.indexOf(0);
    expect(mask.filter((kept) => kept === 0)).toHaveLength(1);
    expect(end[gone]).toBe(0);
    const step = end.map((value, i) => value - start[i]!);
    const rise =
      dot(
        step,
        Float64Array.from(f, (row) => dot(row, step)),
      ) / 2;
    expect(Math.abs(rise / loss - 1)).toBeLessThan(1e-6);
    const diagonal = await read(await fixed.diagonal());
    const scores = start.map((value, i) => value ** 2 / (2 * diagonal[i]!));
    expect(loss).toBeCloseTo(Math.min(...scores), 12);
    expect(scores.indexOf(Math.min(...scores))).toBe(gone);
    expect([...(await read(w))]).toEqual([...start]);
    const none = await obsPrune(w, fixed, { drop: 0 });
    expect([[...(await read(none.weights))], none.loss, none.mask.every(Boolean)]).toEqual([[...start], 0, true]);
    const all = await obsPrune(w, fixed, { drop: size });
    expect([...(await read(all.weights))]).toEqual([...start.map(() => 0)]);
    expect(all.mask.some(Boolean)).toBe(false);
  });

  it('names what is amiss with gradients and weights', async () => {
    const g = tensor(normal(12, 17), 'f32', [3, 4]);
    const from = (options: object, of = g) => MFacStatic.fromGradients(of, options);
    for (const options of [{ damp: 0 }, { blockSize: 0 }, { blockSize: 5 }, { blockSize: 'half' }])
      expect(await codeOf(from(options))).toBe('ERR_ARGUMENT');
    await expect(from({ blockSize: 5 })).rejects.toThrow(
      'MFacStatic.fromGradients: blockSize must be at most 4, got 5',
    );
    const wrong = Tensor.from(device, [1, Number.NaN], [1, 2]);
    await expect(from({}, wrong)).rejects.toThrow('MFacStatic.fromGradients: gradients must have finite squares, got');
    expect(await codeOf(from({}, tensor(normal(3, 1), 'f32')))).toBe('ERR_SHAPE');
    const fixed = await from({});
    const w = tensor(normal(4, 18), 'f32');
    expect(await codeOf(fixed.element(0, 4))).toBe('ERR_ARGUMENT');
    expect(() => fixed.solve(empty('f32', [3]))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(await codeOf(obsPrune(w, fixed, { drop: 5 }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(obsPrune(w, {} as never, { drop: 1 }))).toBe('ERR_ARGUMENT');
    await expect(obsPrune(Tensor.from(device, [1, 2, Number.NaN, 0], [4]), fixed, { drop: 1 })).rejects.toThrow('obsPrune: w must give finite numbers, got NaN'); // biome-ignore format: one line
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(fixed.diagonal({ signal })).rejects.toThrow('enough');
    await expect(from({ signal })).rejects.toThrow('enough');
    fixed.dispose();
    expect(await codeOf(obsPrune(w, fixed, { drop: 1 }))).toBe('ERR_DISPOSED');
    expect(await codeOf(fixed.diagonal())).toBe('ERR_DISPOSED');
  });
});
