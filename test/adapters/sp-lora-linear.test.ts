// Devices: cpu, cuda
// Source: check values of structured-pruning-adapters: "r(|in| + |out|) + |out| stored numbers, 14"; slices in plain loops
import { afterAll, describe, expect, it } from 'vitest';
import { SpLoraLinear } from '../../lib/adapters/index.ts';
import { AdamW, Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { at, type Dense, dense, distance, filledBy, product, sum, transposed } from './matrices.ts';

describe.each(devices)('SpLoraLinear on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (shape: number[], seed: number, dtype: 'f32' | 'f64') =>
    Tensor.from(
      device,
      [
        ...normal(
          shape.reduce((x, y) => x * y, 1),
          seed,
        ),
      ],
      shape,
      { dtype },
    );
  const read = async (x: Tensor) => dense(x.shape[0]!, x.shape[1] ?? 1, await x.read());
  const slice = (x: Dense, rows: readonly number[], columns: readonly number[]): Dense =>
    filledBy(rows.length, columns.length, (i, j) => at(x, rows[i]!, columns[j]!));
  const make = (dtype: 'f32' | 'f64', [outputs, inputs]: readonly [number, number] = [6, 9]) => {
    const layer = SpLoraLinear.fromWeight(tensor([outputs, inputs], 1, dtype), {
      rank: 2,
      seed: 3,
      bias: tensor([outputs], 2, dtype),
    });
    layer.b.write([...normal(layer.b.size, 4)]);
    return layer;
  };

  it('begins near the weight: a in ±1/√in, b in ±1e-4', async () => {
    const weight = tensor([40, 100], 1, 'f64');
    const layer = SpLoraLinear.fromWeight(weight, { rank: 16, seed: 1 });
    expect(distance(await read(layer.merge()), await read(weight))).toBeLessThan(1e-3);
    for (const [x, bound] of [
      [layer.a, 0.1],
      [layer.b, 1e-4],
    ] as const) {
      const data = (await x.read()) as Float64Array;
      expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(bound);
      const square = data.reduce((total, value) => total + value * value, 0) / data.length;
      expect(Math.abs((3 * square) / bound ** 2 - 1)).toBeLessThan(0.15);
    }
    expect(layer.parameters).toEqual([layer.a, layer.b]);
    expect(layer.parameterCount).toBe(16 * 140);
  });

  it.each([
    ['f64', 1e-15],
    ['f32', 1e-6],
  ] as const)('is the merged layer, whole and pruned, in %s', async (dtype, near) => {
    const layer = make(dtype);
    const x = await read(tensor([5, 9], 6, dtype));
    for (const columns of [
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      [0, 3, 4, 8],
    ]) {
      const input = slice(x, [0, 1, 2, 3, 4], columns);
      if (columns.length < 9) layer.prune({ keepIn: columns, keepOut: Int32Array.of(1, 4) });
      const merged = await read(layer.merge());
      const expected = sum(await read(layer.weight), product(await read(layer.b), await read(layer.a)));
      expect(distance(merged, expected)).toBeLessThan(near);
      const bias = await layer.bias!.read();
      const plain = product(input, transposed(merged));
      const y = layer.apply(Tensor.from(device, [...Array.from(input.data)], [5, columns.length], { dtype }));
      expect(
        distance(
          await read(y),
          filledBy(5, plain.columns, (i, j) => at(plain, i, j) + bias[j]!),
        ),
      ).toBeLessThan(2 * near);
    }
  });

  it.each(['f64', 'f32'] as const)('pruned and adapted is adapted and sliced, in %s: the same bits', async (dtype) => {
    const [whole, layer] = [make(dtype), make(dtype)];
    layer.prune({ keepOut: [0, 2, 3, 5], keepIn: [1, 2, 4, 7, 8] });
    // Places count in what is left.
    layer.prune({ keepOut: [0, 3] });
    layer.prune({ keepIn: [1, 2, 3, 4] });
    const [rows, columns] = [
      [0, 5],
      [2, 4, 7, 8],
    ];
    for (const name of ['weight', 'merge'] as const) {
      const of = (one: SpLoraLinear) => (name === 'merge' ? one.merge() : one.weight);
      expect(await read(of(layer))).toEqual({
        ...slice(await read(of(whole)), rows!, columns!),
        data: expect.anything(),
      });
      expect([...(await of(layer).read())]).toEqual([
        ...Array.from(slice(await read(of(whole)), rows!, columns!).data),
      ]);
    }
    expect([...(await layer.bias!.read())]).toEqual(
      [...(await whole.bias!.read())].filter((_, i) => rows!.includes(i)),
    );
    // Two outputs and four inputs of four and nine, rank 2, with a bias.
    expect(layer.parameterCount).toBe(14);
    expect(layer.byteLength).toBe((dtype === 'f64' ? 8 : 4) * (14 + 8));
  });

  it('has gradients of its factors and bias, those that differences give', async () => {
    const layer = make('f64');
    layer.prune({ keepOut: [0, 1, 4], keepIn: [0, 2, 5, 6] });
    const x = tensor([5, 4], 6, 'f64');
    const loss = (m: nn.Traced<{ layer: SpLoraLinear }>, input: Tensor) => nn.sum(nn.gelu(nn.linear(m.layer, input)));
    using step = nn.valueAndGrad(loss);
    using value = nn.forward(loss);
    const { grads } = step({ layer }, x);
    expect(new Set(grads.keys())).toEqual(new Set(layer.parameters));
    for (const parameter of layer.parameters) {
      const gradient = await grads.get(parameter)!.read();
      const data = (await parameter.read()) as Float64Array;
      for (const i of [0, data.length - 1]) {
        const lossAt = async (by: number): Promise<number> => {
          parameter.write(data.map((old, j) => (j === i ? old + by : old)));
          return (await value({ layer }, x).read())[0]!;
        };
        const difference = (await lossAt(1e-5)) - (await lossAt(-1e-5));
        expect(Math.abs(difference / 2e-5 - gradient[i]!)).toBeLessThan(1e-8);
      }
      parameter.write(data);
    }
  });

  it('is trained on after pruning; an optimizer of what it was is refused', async () => {
    const layer = make('f32');
    const x = tensor([8, 9], 6, 'f32');
    const step = nn.valueAndGrad((m: nn.Traced<{ layer: SpLoraLinear }>, input: Tensor) =>
      nn.mean(nn.multiply(nn.linear(m.layer, input), nn.linear(m.layer, input))),
    );
    const optimizer = new AdamW(layer.parameters, { lr: 0.05 });
    const first = step({ layer }, x);
    const [before] = await first.value.read();
    optimizer.step(first.grads);
    layer.prune({ keepOut: [1, 2] });
    const next = step({ layer }, x);
    expect(() => optimizer.step(next.grads)).toThrow();
    const anew = new AdamW(layer.parameters, { lr: 0.05 });
    for (let i = 0; i < 30; ++i) anew.step(step({ layer }, x).grads);
    expect((await step({ layer }, x).value.read())[0]).toBeLessThan(before! / 4);
    step.dispose();
  });

  it('gives back what it made and lets the weight be', async () => {
    const weight = tensor([6, 9], 1, 'f32');
    const before = (await settledMemory(device)).live;
    const layer = SpLoraLinear.fromWeight(weight, { rank: 2, seed: 1 });
    layer.prune({ keepOut: [0, 1] });
    layer.prune({ keepIn: [3] });
    expect(layer.weight.shape).toEqual([2, 1]);
    layer.dispose();
    await device.synchronize();
    expect(device.info.memory.live).toBe(before);
    expect(() => layer.prune({ keepOut: [0] })).toThrow(/layer has been disposed/);
    expect(() => layer.merge()).toThrow(/layer has been disposed/);
    expect((await weight.read()).length).toBe(54);
  });

  it('refuses places that are not there, or not in order, and stays as it was', async () => {
    const layer = make('f32');
    const before = await layer.merge().read();
    for (const [kept, message] of [
      [{}, /keepOut or keepIn must be given, got neither/],
      [{ keepOut: [] }, /keepOut must name a place to keep, got none/],
      [{ keepOut: [0, 6] }, /keepOut\[1\] must be whole, above 0 and below 6, got 6/],
      [{ keepIn: [-1] }, /keepIn\[0\] must be whole, above -1 and below 9, got -1/],
      [{ keepIn: [2, 2] }, /keepIn\[1\] must be whole, above 2 and below 9, got 2/],
      [{ keepIn: [3, 1] }, /keepIn\[1\] must/],
      [{ keepIn: [0.5] }, /keepIn\[0\] must/],
      [{ keepIn: [NaN] }, /keepIn\[0\] must/],
      [{ keepIn: 3 }, /keepIn must be a list of whole numbers or an Int32Array, got 3/],
      [{ keepOut: [1], keepIn: [9] }, /keepIn\[0\] must/],
    ] as const)
      expect(() => layer.prune(kept as never)).toThrow(message);
    expect(await layer.merge().read()).toEqual(before);
    const weight = tensor([6, 9], 1, 'f32');
    expect(() => SpLoraLinear.fromWeight(weight, { rank: 7, seed: 1 })).toThrow(/rank must be at most 6/);
  });
});
