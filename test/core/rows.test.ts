// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { placeOf } from '../../lib/core/tensor.ts';
import { AdamW, Device, loadTensors, Muon, ops, saveTensors, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { normal, uniform } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { arrayOf, dtypes } from '../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

describe.each(devices)('rows of a tensor on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const counted = (shape: readonly number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tensorOf(device, Float64Array.from({ length: size }, (_, i) => i), shape); // biome-ignore format: one line
  };

  it.each(dtypes)('are the same bytes, wherever they begin: %s', async (dtype) => {
    const random = uniform(17);
    for (const rest of [[], [3], [2, 5], [1, 1, 7]]) {
      const width = rest.reduce((a, b) => a * b, 1);
      const values = Float64Array.from({ length: 9 * width }, () => Math.floor(random() * 100));
      const x = tensorOf(device, values, [9, ...rest], dtype);
      for (let round = 0; round < 8; ++round) {
        const from = Math.floor(random() * 10);
        const to = from + Math.floor(random() * (10 - from));
        const part = x.rows(from, to);
        expect(part).toMatchObject({ shape: [to - from, ...rest], dtype, size: (to - from) * width, device });
        expect(await valuesOf(part)).toEqual(values.slice(from * width, to * width));
        values.fill(round, from * width, to * width);
        part.write(arrayOf(values.slice(from * width, to * width), dtype));
        expect(await valuesOf(x)).toEqual(values);
        expect(await valuesOf(part.copy())).toEqual(values.slice(from * width, to * width));
      }
    }
  });

  it('go to the end where `to` is left out', async () => {
    expect(await counted([4]).rows(1).read()).toEqual(Float32Array.from([1, 2, 3]));
    expect(counted([4, 2]).rows(4).shape).toEqual([0, 2]);
    expect(counted([0, 2]).rows(0).shape).toEqual([0, 2]);
    expect(counted([3, 0]).rows(1, 3).shape).toEqual([2, 0]);
  });

  it('of rows, of other shapes and under other shapes are where one expects them', async () => {
    const x = counted([6, 4]);
    expect(await x.rows(1, 5).rows(1, 3).read()).toEqual(await x.rows(2, 4).read());
    expect(await x.rows(2, 5).reshape([4, 3]).rows(1, 2).read()).toEqual(Float32Array.from([11, 12, 13]));
    expect(await x.reshape([2, 12]).rows(1).reshape([3, 4]).rows(0, 1).read()).toEqual(Float32Array.from([12, 13, 14, 15])); // biome-ignore format: one line
    expect(placeOf(x.rows(2, 5).reshape([4, 3]).rows(1, 2))).toMatchObject({ begin: 4 * 11, end: 4 * 14 });
  });

  it.each([
    [-1, 1],
    [4, 4],
    [0, 4],
    [2, 1],
    [0.5, 1],
    [0, 1.5],
    [NaN, 1],
    [0, Infinity],
    ['0', 1],
    [null, 1],
    [undefined, undefined],
  ])('from %j to %j do not exist', (from, to) => {
    const { code, message } = thrownBy(() => counted([3, 2]).rows(from as never, to as never));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toMatch(/^rows: (from|to) must be a whole number from \d to 3, got /);
  });

  it('a single number has none, what is no tensor neither', () => {
    const shape = thrownBy(() => Tensor.zeros(device, []).rows(0));
    expect(shape).toEqual({ code: 'ERR_SHAPE', message: 'rows: tensor must have an axis, got shape []' });
    expect(thrownBy(() => Tensor.prototype.rows.call({ shape: [2] } as never, 0)).code).toBe('ERR_ARGUMENT');
    expect(thrownBy(() => new (Tensor as never as new (...of: unknown[]) => object)(device, 0, 1)).code).toBe('ERR_ARGUMENT'); // biome-ignore format: one line
    for (const rows of [[0, 1.5], [-1, 1], [1, 0], [0, 4]] as const) // biome-ignore format: one line
      expect(thrownBy(() => new Tensor(counted([3]), ...(rows as [number, number]))).code).toMatch(/^ERR_(SHAPE|ARG)/);
  });

  it('keep the bytes, and are gone when they are disposed', async () => {
    const own = Device.open(kind);
    const x = Tensor.full(own, [300, 7], 3);
    const part = x.rows(299, 300);
    const flat = part.reshape([7]);
    const deeper = flat.rows(1, 3);
    for (const tensor of [flat, x]) tensor.dispose();
    expect(await part.read()).toEqual(new Float32Array(7).fill(3));
    expect(thrownBy(() => x.rows(0, 1)).code).toBe('ERR_DISPOSED');
    part.dispose();
    expect(await deeper.read()).toEqual(new Float32Array(2).fill(3));
    expect(own.info.memory.live).toBe(1);
    deeper.dispose();
    expect(thrownBy(() => deeper.rows(0)).code).toBe('ERR_DISPOSED');
    expect(own.info.memory).toMatchObject({ live: 0, bytes: 0 });
    await own.close();
  });

  it('may be an output beside other rows, and not beside rows that it shares', async () => {
    const random = uniform(3);
    for (let round = 0; round < 60; ++round) {
      const x = counted([8, 3]);
      const range = () => {
        const from = Math.floor(random() * 8);
        return [from, from + 1 + Math.floor(random() * Math.min(3, 8 - from))] as const;
      };
      const [a, b] = [range(), range()];
      const copy = () => ops.copy(device, { x: [x.rows(...a).reshape([-3 * a[0] + 3 * a[1]])], out: [x.rows(...b).reshape([3 * b[1] - 3 * b[0]])] }); // biome-ignore format: one line
      if (a[1] - a[0] !== b[1] - b[0]) continue;
      const clashes = a[0] < b[1] && b[0] < a[1];
      if (clashes)
        expect(thrownBy(copy)).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('copy: out must not share') }); // biome-ignore format: one line
      else {
        copy();
        expect(await x.rows(...b).read()).toEqual(await x.rows(...a).read());
      }
    }
    const x = counted([8, 3]);
    const twice = () => ops.fill(device, { x: [x.rows(0, 4), x.rows(3, 5)], value: 1 });
    expect(thrownBy(twice)).toEqual({ code: 'ERR_ARGUMENT', message: 'fill: x holds a tensor that is already an output' }); // biome-ignore format: one line
    const whole = () => ops.fill(device, { x: [x, x.rows(3, 5)], value: 1 });
    expect(thrownBy(whole).code).toBe('ERR_ARGUMENT');
    ops.fill(device, { x: [x.rows(5, 8), x.rows(0, 4)], value: 1 });
    expect((await x.read()).filter((value) => value !== 1)).toEqual(Float32Array.from([12, 13, 14]));
  });

  it('alias in place where whole tensors may, if they are the same rows', async () => {
    const x = counted([5, 2]);
    ops.linearCombination(device, { out: [x.rows(1, 3)], terms: [x.rows(1, 3), x.rows(3, 5)], coefficients: [1, 10] });
    expect(await x.read()).toEqual(Float32Array.from([0, 1, 62, 73, 84, 95, 6, 7, 8, 9]));
    const shifted = () => ops.linearCombination(device, { out: [x.rows(1, 3)], terms: [x.rows(2, 4)], coefficients: [1] }); // biome-ignore format: one line
    expect(thrownBy(shifted).code).toBe('ERR_ARGUMENT');
    const scalar = tensorOf(device, [2, 3], [2, 1], 'f64');
    const factor = () => ops.linearCombination(device, { out: [scalar.rows(0, 1).reshape([1])], terms: [scalar.rows(0, 1).reshape([1])], coefficients: [[1, scalar.rows(0, 1).reshape([1])]] }); // biome-ignore format: one line
    expect(thrownBy(factor).code).toBe('ERR_ARGUMENT');
  });

  it('are saved and loaded like other tensors', async () => {
    using folder = new Folder();
    const file = folder.file('rows.safetensors');
    const x = counted([5, 3]);
    await saveTensors(file, { first: x.rows(0, 2), last: x.rows(4) });
    const { first, last } = await loadTensors(file, device);
    expect(await first!.read()).toEqual(Float32Array.from([0, 1, 2, 3, 4, 5]));
    expect(last!.shape).toEqual([1, 3]);
    expect(await last!.read()).toEqual(Float32Array.from([12, 13, 14]));
  });

  it.each([AdamW, Muon])('are stepped by %o as tensors of their own are', async (Optimizer) => {
    const block = tensorOf(device, normal(11 * 5, 1), [11, 5]);
    const grads = tensorOf(device, normal(11 * 5, 2), [11, 5]);
    const cuts = [[0, 3], [3, 4], [5, 11]] as const; // biome-ignore format: one line
    const parts = cuts.map(([from, to]) => block.rows(from, to));
    const own = parts.map((part) => part.copy());
    const left = block.rows(4, 5).copy();
    const slopes = cuts.map(([from, to]) => grads.rows(from, to));
    const [first, second] = [new Optimizer(parts, { lr: 0.1 }), new Optimizer(own, { lr: 0.1 })];
    for (let step = 0; step < 3; ++step) {
      first.step(slopes);
      second.step(slopes.map((slope) => slope.copy()));
    }
    for (const [i, part] of parts.entries()) expect(await part.read()).toEqual(await own[i]!.read());
    expect(await block.rows(4, 5).read()).toEqual(await left.read());
    for (const optimizer of [first, second]) optimizer.dispose();
  });

  it('that share bytes are not two parameters, and no gradient of them', () => {
    const x = counted([6, 2]);
    const twice = () => new AdamW([x.rows(0, 3), x.rows(2, 6)], { lr: 0.1 });
    expect(thrownBy(twice)).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('a tensor twice') }); // biome-ignore format: one line
    const optimizer = new AdamW([x.rows(0, 3)], { lr: 0.1 });
    expect(thrownBy(() => optimizer.step([x.rows(2, 5)])).code).toBe('ERR_ARGUMENT');
    optimizer.step([x.rows(3, 6)]);
    optimizer.dispose();
  });
});
