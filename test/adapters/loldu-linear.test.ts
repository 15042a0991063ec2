// Devices: cpu, cuda
// Source: check values of LoLDU's formula in plain loops: factors by Gaussian elimination with row exchanges
import { afterAll, describe, expect, it } from 'vitest';
import { LoLDULinear } from '../../lib/adapters/index.ts';
import { AdamW, Device, Tensor } from '../../lib/index.ts';
import { lstsq } from '../../lib/linalg/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { at, type Dense, dense, distance, filledBy, largestOf, norm, product, sum, transposed } from './matrices.ts';

/** P·L, d and U of a matrix, its exchanges by the largest element of a column. */
function ldu(w: Dense): { left: Dense; d: number[]; right: Dense } {
  const [m, n, k] = [w.rows, w.columns, Math.min(w.rows, w.columns)];
  const rest = Array.from({ length: m }, (_, i) => Array.from({ length: n }, (_x, j) => at(w, i, j)));
  const order = rest.map((_, i) => i);
  const lower = rest.map(() => Array<number>(k).fill(0));
  for (let j = 0; j < k; ++j) {
    let best = j;
    for (let i = j; i < m; ++i) if (Math.abs(rest[i]![j]!) > Math.abs(rest[best]![j]!)) best = i;
    for (const list of [rest, lower, order] as unknown[][]) [list[j], list[best]] = [list[best], list[j]];
    lower[j]![j] = 1;
    for (let i = j + 1; i < m; ++i) {
      const factor = rest[j]![j] === 0 ? 0 : rest[i]![j]! / rest[j]![j]!;
      lower[i]![j] = factor;
      for (let c = j; c < n; ++c) rest[i]![c]! -= factor * rest[j]![c]!;
    }
  }
  const d = Array.from({ length: k }, (_, i) => rest[i]![i]!);
  return {
    left: filledBy(m, k, (i, j) => lower[order.indexOf(i)]![j]!),
    d,
    right: filledBy(k, n, (i, j) => (j < i ? 0 : j === i ? 1 : rest[i]![j]! / d[i]!)),
  };
}

describe.each(devices)('LoLDULinear on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (x: Dense, dtype: 'f32' | 'f64') =>
    Tensor.from(device, [...Array.from(x.data)], [x.rows, x.columns], { dtype });
  const draw = (rows: number, columns: number, seed: number) => dense(rows, columns, normal(rows * columns, seed));
  const read = async (x: Tensor) => dense(x.shape[0]!, x.shape[1] ?? 1, await x.read());

  describe.each([
    ['f64', 1e-14],
    ['f32', 1e-5],
  ] as const)('in %s', (dtype, near) => {
    it.each([
      [12, 12, 5],
      [20, 9, 9],
      [9, 20, 4],
      [1, 7, 1],
      [7, 1, 1],
      [1, 1, 1],
    ])('keeps the factors of [%d, %d] at rank %d, and begins at the weight', async (outputs, inputs, rank) => {
      const w = draw(outputs, inputs, 1);
      const layer = await LoLDULinear.fromWeight(tensor(w, dtype), { rank, alpha: 2 });
      const { left, d, right } = ldu(w);
      const grown = 2 / rank;
      expect(layer.scale).toBe(grown);
      const found = { left: await read(layer.left), right: await read(layer.right), z: [...(await layer.z.read())] };
      const close = near * 50;
      for (let i = 0; i < outputs; ++i)
        for (let k = 0; k < rank; ++k)
          expect(Math.abs(at(found.left, i, k) - grown * at(left, i, k))).toBeLessThan(close);
      expect(largestOf(found.left)).toBeLessThanOrEqual(grown * (1 + near));
      for (let k = 0; k < rank; ++k) {
        expect(Math.abs(found.z[k]! - d[k]!)).toBeLessThan(close);
        for (let j = 0; j < inputs; ++j)
          expect(Math.abs(at(found.right, k, j) - at(right, k, j))).toBeLessThan(
            close * (1 + Math.abs(at(right, k, j))),
          );
      }
      expect([...layer.zeroPivots]).toEqual([]);
      expect(distance(await read(layer.merge()), w)).toBeLessThan(dtype === 'f64' ? 1e-15 : 1e-6);
    });

    it('does what its merged weight does, at first and after z was written to', async () => {
      const w = draw(10, 14, 2);
      const bias = Tensor.from(device, [...normal(10, 5)], [10], { dtype });
      const layer = await LoLDULinear.fromWeight(tensor(w, dtype), { rank: 6, bias });
      const x = draw(5, 14, 3);
      for (const write of [false, true]) {
        if (write) layer.z.write([...normal(6, 4)]);
        const expected = product(x, transposed(await read(layer.merge())));
        const shift = await bias.read();
        const whole = filledBy(5, 10, (i, j) => at(expected, i, j) + shift[j]!);
        expect(distance(await read(layer.apply(tensor(x, dtype))), whole)).toBeLessThan(dtype === 'f64' ? 1e-14 : 1e-6);
      }
    });

    it('guards pivots that are 0, names them and begins at the weight', async () => {
      const w = draw(8, 8, 6);
      // A column of zeros: its pivot is 0; and two equal rows: the last pivot is 0, or what rounding leaves.
      for (let i = 0; i < 8; ++i) {
        (w.data as Float64Array)[8 * i + 2] = 0;
        (w.data as Float64Array)[8 * 7 + i] = at(w, 3, i);
      }
      const x = tensor(draw(3, 8, 7), dtype);
      for (const given of [w, dense(8, 8, new Float64Array(64))]) {
        const layer = await LoLDULinear.fromWeight(tensor(given, dtype), { rank: 8 });
        const all = given === w ? [2, 7] : [0, 1, 2, 3, 4, 5, 6, 7];
        expect([...layer.zeroPivots]).toEqual(all);
        const [z, right] = [await layer.z.read(), await read(layer.right)];
        for (const k of all) {
          expect(z[k]).toBe(0);
          for (let j = 0; j < 8; ++j) expect(at(right, k, j)).toBe(Number(j === k));
        }
        expect(norm(sum(await read(layer.merge()), given, -1))).toBeLessThan(near);
        expect([...(await layer.apply(x).read())].every(Number.isFinite)).toBe(true);
      }
    });
  });

  it('has the gradient of z that differences give, by gradZ and by nn', async () => {
    const [outputs, inputs, rank, rows] = [9, 11, 5, 7];
    const layer = await LoLDULinear.fromWeight(tensor(draw(outputs, inputs, 1), 'f64'), { rank, alpha: 3 });
    const x = tensor(draw(rows, inputs, 2), 'f64');
    const y = tensor(draw(rows, outputs, 3), 'f64');
    const loss = (m: nn.Traced<{ layer: LoLDULinear }>, input: Tensor, target: Tensor) =>
      nn.sum(nn.multiply(nn.gelu(nn.linear(m.layer, input)), target));
    using step = nn.valueAndGrad(loss);
    using value = nn.forward(loss);
    const { grads } = step({ layer }, x, y);
    expect([...grads.keys()]).toEqual([layer.z]);
    const gradient = await grads.get(layer.z)!.read();
    const z = (await layer.z.read()) as Float64Array;
    for (let k = 0; k < rank; ++k) {
      const at = async (by: number): Promise<number> => {
        layer.z.write(z.map((old, j) => (j === k ? old + by : old)));
        return (await value({ layer }, x, y).read())[0]!;
      };
      const h = 1e-4;
      const difference = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      expect(Math.abs(difference - gradient[k]!)).toBeLessThan(1e-9);
    }
    layer.z.write(z);
    // Of a linear loss, the gradient of y is y itself.
    using plain = nn.valueAndGrad((m: nn.Traced<{ layer: LoLDULinear }>, input: Tensor, target: Tensor) =>
      nn.sum(nn.multiply(nn.linear(m.layer, input), target)),
    );
    const expected = await plain({ layer }, x, y).grads.get(layer.z)!.read();
    const own = await layer.gradZ(x, y).read();
    for (let k = 0; k < rank; ++k) expect(Math.abs(own[k]! - expected[k]!)).toBeLessThan(1e-12);
  });

  it('has gradients of samples that sum to the whole one, and its tangent is the gradient along a direction', async () => {
    const layer = await LoLDULinear.fromWeight(tensor(draw(9, 11, 1), 'f64'), { rank: 5 });
    const x = tensor(draw(6, 11, 2), 'f64');
    const output = (m: nn.Traced<{ layer: LoLDULinear }>, input: Tensor) =>
      nn.gelu(nn.linear(m.layer, nn.reshape(input, [3, 2, 11])));
    const loss = (m: nn.Traced<{ layer: LoLDULinear }>, input: Tensor) => nn.sum(output(m, input));
    using whole = nn.valueAndGrad(loss);
    using each = nn.valueAndGrad(loss, { perSample: true });
    using along = nn.jvp(output);
    const gradient = await whole({ layer }, x).grads.get(layer.z)!.read();
    const samples = each({ layer }, x.reshape([3, 2, 11])).grads.get(layer.z)!;
    expect(samples.shape).toEqual([3, 5]);
    const own = await samples.read();
    for (let k = 0; k < 5; ++k)
      expect(Math.abs(own[k]! + own[5 + k]! + own[10 + k]! - gradient[k]!)).toBeLessThan(1e-13);
    const direction = Tensor.from(device, normal(5, 3), [5]);
    const { tangent } = along({ layer }, new Map([[layer.z, direction]]), x);
    const expected = Array.from(normal(5, 3)).reduce((total, value, k) => total + value * gradient[k]!, 0);
    const changes = (await tangent.read()) as Float64Array;
    expect(Math.abs(changes.reduce((total, value) => total + value, 0) - expected)).toBeLessThan(1e-12);
  });

  it.each(onlyCpu)('finds z again: every number is identified', async () => {
    const w = draw(32, 32, 1);
    const layer = await LoLDULinear.fromWeight(tensor(w, 'f64'), { rank: 32 });
    const z = (await layer.z.read()) as Float64Array;
    const goal = z.map((value, i) => value * (1 + 0.2 * normal(32, 9)[i]!));
    const x = tensor(draw(256, 32, 2), 'f64');
    layer.z.write(goal);
    const y = layer.apply(x);
    layer.z.write(z);
    const optimizer = new AdamW([layer.z], { lr: 0.05, weightDecay: 0 });
    using step = nn.valueAndGrad((m: nn.Traced<{ layer: LoLDULinear }>, input: Tensor, target: Tensor) =>
      nn.squaredError(nn.linear(m.layer, input), target),
    );
    const errors: number[] = [];
    for (let i = 0; i < 500; ++i) {
      if (i > 300) optimizer.groups[0]!.lr = 0.05 * 0.98 ** (i - 300);
      optimizer.step(step({ layer }, x, y).grads);
      if (![100, 300, 500].includes(i + 1)) continue;
      const found = await layer.z.read();
      errors.push(Math.max(...goal.map((value, k) => Math.abs(value - found[k]!))));
    }
    // A prototype in NumPy has 0.49, 1.2e-3 and 1.5e-4, of another matrix.
    expect(errors[0]).toBeGreaterThan(errors[1]!);
    expect(errors[1]).toBeLessThan(1e-2);
    expect(errors[2]).toBeLessThan(1e-3);
  });

  it.each(onlyCpu)('is linear in z: least squares finds it to rounding', async () => {
    const [side, rows] = [32, 64];
    const layer = await LoLDULinear.fromWeight(tensor(draw(side, side, 1), 'f64'), { rank: side });
    const z = (await layer.z.read()) as Float64Array;
    const goal = z.map((value, i) => value * (1 + 0.2 * normal(side, 9)[i]!));
    const x = tensor(draw(rows, side, 2), 'f64');
    const answer = async (numbers: Float64Array): Promise<Float64Array> => {
      layer.z.write(numbers);
      return (await layer.apply(x).read()) as Float64Array;
    };
    const [zero, wanted] = [await answer(new Float64Array(side)), await answer(goal)];
    // A column for each number of z: the answer that it alone adds.
    const columns: Float64Array[] = [];
    for (let k = 0; k < side; ++k) {
      const alone = await answer(Float64Array.from({ length: side }, (_, i) => Number(i === k)));
      columns.push(alone.map((value, i) => value - zero[i]!));
    }
    const a = Float64Array.from({ length: wanted.length * side }, (_, i) => columns[i % side]![Math.floor(i / side)]!);
    const b = wanted.map((value, i) => value - zero[i]!);
    const solved = await lstsq(
      Tensor.from(device, a, [wanted.length, side], { dtype: 'f64' }),
      Tensor.from(device, b, [wanted.length], { dtype: 'f64' }),
    );
    const found = await solved.read();
    expect(Math.max(...goal.map((value, k) => Math.abs(value - found[k]!)))).toBeLessThan(1e-12);
  });

  it('begins at the weight for every init, or as the reference without recentre', async () => {
    const w = draw(10, 8, 1);
    const mean = (values: ArrayLike<number>) => Array.from(values).reduce((total, x) => total + x, 0) / values.length;
    for (const init of ['lu', 'uniform', 'normal', 'mean', 'ones'] as const) {
      const layer = await LoLDULinear.fromWeight(tensor(w, 'f64'), { rank: 6, init });
      const away = await LoLDULinear.fromWeight(tensor(w, 'f64'), { rank: 6, init, recentre: false });
      expect(distance(await read(layer.merge()), w)).toBeLessThan(1e-14);
      expect(distance(await read(away.merge()), w) < 1e-14).toBe(init === 'lu');
      const d = ldu(w).d.slice(0, 6);
      const z = await layer.z.read();
      expect(await away.z.read()).toEqual(z);
      if (init === 'uniform') expect(Math.max(...z.map(Math.abs))).toBeLessThanOrEqual(Math.abs(mean(d)) / 2);
      if (init === 'mean') for (const value of z) expect(Math.abs(value - mean(d))).toBeLessThan(1e-12);
      if (init === 'ones') expect([...z]).toEqual(Array(6).fill(1));
    }
    const seeds = await Promise.all(
      [1, 1, 2].map((seed) => LoLDULinear.fromWeight(tensor(w, 'f64'), { rank: 6, init: 'normal', seed })),
    );
    const [first, again, other] = await Promise.all(seeds.map(({ z }) => z.read()));
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('counts and gives back what it has', async () => {
    const weight = tensor(draw(6, 4, 1), 'f32');
    const before = (await settledMemory(device)).live;
    const layer = await LoLDULinear.fromWeight(weight, { rank: 3 });
    await device.synchronize();
    expect(device.info.memory.live).toBe(before + 4);
    expect(layer.byteLength).toBe(4 * (24 + 3 * 6 + 3 * 4 + 3));
    expect(layer.parameters).toEqual([layer.z]);
    layer.dispose();
    expect(device.info.memory.live).toBe(before);
    expect(() => layer.merge()).toThrow(/has been disposed/);
  });

  it('refuses NaN, ranks above the smaller side and options out of range', async () => {
    const weight = tensor(draw(6, 4, 1), 'f32');
    for (const [options, message] of [
      [{ rank: 5 }, /rank must be at most 4, the smaller side of the weight, got 5/],
      [{ rank: 0 }, /rank must/],
      [{ alpha: 0 }, /alpha must/],
      [{ alpha: NaN }, /alpha must/],
      [{ init: 'zeros' }, /init must/],
      [{ seed: 1 }, /seed must be left out for init 'lu', which draws nothing, got 1/],
    ] as const)
      await expect(LoLDULinear.fromWeight(weight, { rank: 2, ...options } as never)).rejects.toThrow(message);
    weight.write(new Float32Array(24).fill(NaN));
    await expect(LoLDULinear.fromWeight(weight, { rank: 2 })).rejects.toThrow(
      'LoLDULinear.fromWeight: weight must be finite, got NaN or infinity',
    );
  });
});
