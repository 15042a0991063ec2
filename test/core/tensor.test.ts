// Devices: cpu, cuda
// Axes: node
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, saveTensors, Tensor, type TensorData } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { arrayOf, dtypes } from '../support/dtypes.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, thrownBy } from '../support/tensors.ts';

describe.each(devices)('a tensor on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe('from', () => {
    it.each([
      ['number[]', [1, 2], 'f32'],
      ['Float32Array', Float32Array.from([1, 2]), 'f32'],
      ['Float64Array', Float64Array.from([1, 2]), 'f64'],
      ['Int32Array', Int32Array.from([1, 2]), 'i32'],
      ['Uint8Array', Uint8Array.from([1, 2]), 'u8'],
      ['Buffer', Buffer.from([1, 2]), 'u8'],
    ] as [string, TensorData, Dtype][])('%s gives its dtype', async (_, data, dtype) => {
      const tensor = Tensor.from(device, data, [2]);
      expect(tensor.dtype).toBe(dtype);
      expect(await tensor.read()).toEqual(arrayOf([1, 2], dtype));
    });

    it.each(dtypes)('numbers become %s', async (dtype) => {
      expect(await Tensor.from(device, [1, 0, 7], [3], { dtype }).read()).toEqual(arrayOf([1, 0, 7], dtype));
    });

    it('16-bit types: Float32Array is rounded, Uint16Array is bits', async () => {
      for (const dtype of ['f16', 'bf16'] as const) {
        const values = normal(100, 1).map(Math.fround);
        const rounded = Tensor.from(device, Float32Array.from(values), [100], { dtype });
        expect(await rounded.read()).toEqual(arrayOf(values, dtype));
        const bits = Uint16Array.from([1, 2, 0xffff]);
        expect(await Tensor.from(device, bits, [3], { dtype }).read()).toEqual(bits);
      }
    });

    const misfits: [string, TensorData, Dtype][] = [
      ['Uint8Array on f32', new Uint8Array(2), 'f32'],
      ['Float64Array on f32', new Float64Array(2), 'f32'],
      ['Float32Array on f64', new Float32Array(2), 'f64'],
      ['Float64Array on bf16', new Float64Array(2), 'bf16'],
      ['Uint8Array on f16', new Uint8Array(2), 'f16'],
      ['Uint16Array on f32', new Uint16Array(2), 'f32'],
      ['Float32Array on i32', new Float32Array(2), 'i32'],
      ['Int32Array on u8', new Int32Array(2), 'u8'],
      ['Uint32Array on i32', new Uint32Array(2) as never, 'i32'],
      ['BigInt64Array on f64', new BigInt64Array(2) as never, 'f64'],
      ['an object with a length', { length: 2 } as never, 'f32'],
    ];
    it.each(misfits)('refuses %s', (_, data, dtype) => {
      expect(thrownBy(() => Tensor.from(device, data, [2], { dtype })).code).toBe('ERR_DTYPE');
      expect(thrownBy(() => Tensor.zeros(device, [2], { dtype }).write(data)).code).toBe('ERR_DTYPE');
    });

    it('needs a dtype for bits and for other arrays', () => {
      const bare = Object.create(null);
      for (const data of [new Uint16Array(1), new Int8Array(1), new BigUint64Array(1), 'a', undefined, null, bare])
        expect(thrownBy(() => Tensor.from(device, data as never, [1])).code).toBe('ERR_DTYPE');
    });

    it('another number of elements is ERR_SHAPE, and leaves no tensor', async () => {
      const { live } = await settledMemory(device);
      expect(thrownBy(() => Tensor.from(device, [1, 2, 3], [2]))).toEqual({
        code: 'ERR_SHAPE',
        message: 'Tensor.from: data must have 2 elements, got 3',
      });
      expect(thrownBy(() => Tensor.from(device, [], [1])).code).toBe('ERR_SHAPE');
      expect(device.info.memory.live).toBe(live);
    });

    it('rows in a list are ERR_ARGUMENT, with what to give instead', () => {
      for (const rows of [[[1, 2], [3, 4]], [Float32Array.of(1, 2), Float32Array.of(3, 4)]]) // biome-ignore format: one line
        for (const shape of [[2, 2], [2]])
          expect(thrownBy(() => Tensor.from(device, rows as never, shape))).toEqual({
            code: 'ERR_ARGUMENT',
            message: 'Tensor.from: data must be a flat list of numbers, row after row, got a list at 0',
          });
      expect(thrownBy(() => Tensor.zeros(device, [2]).write([1, []] as never)).message).toBe(
        'write: data must be a flat list of numbers, row after row, got a list at 1',
      );
    });

    it('numbers that an integer dtype cannot hold are ERR_ARGUMENT', () => {
      for (const [x, dtype] of [
        [1.5, 'i32'],
        [2 ** 31, 'i32'],
        [NaN, 'i32'],
        [256, 'u8'],
        [-1, 'u8'],
      ] as const)
        expect(thrownBy(() => Tensor.from(device, [x], [1], { dtype })).code).toBe('ERR_ARGUMENT');
    });

    it('full takes numbers, and for integers those that the dtype holds', async () => {
      const { live: before } = await settledMemory(device);
      for (const value of [undefined, null, '1', 1n])
        expect(thrownBy(() => Tensor.full(device, [1], value as never)).code).toBe('ERR_ARGUMENT');
      for (const value of [256, -1, 0.5, NaN])
        expect(thrownBy(() => Tensor.full(device, [1], value, { dtype: 'u8' })).code).toBe('ERR_ARGUMENT');
      expect(device.info.memory.live).toBe(before);
      expect(await Tensor.full(device, [1], 255, { dtype: 'u8' }).read()).toEqual(Uint8Array.from([255]));
    });
  });

  describe('shape', () => {
    it.each([
      [[], 1],
      [[0], 0],
      [[3, 0, 2], 0],
      [[1, 2, 1, 3, 1], 6],
    ])('%j', async (shape, size) => {
      const tensor = Tensor.full(device, shape, 2);
      expect(tensor).toMatchObject({ shape, size, dtype: 'f32', byteLength: 4 * size, device, disposed: false });
      expect(Object.isFrozen(tensor.shape)).toBe(true);
      expect(await tensor.read()).toEqual(new Float32Array(size).fill(2));
    });

    it.each([
      ['a fraction', [1.5]],
      ['NaN', [NaN]],
      ['a negative size', [-1]],
      ['infinity', [Infinity]],
      ['text', ['2']],
      ['a big integer', [2n]],
      ['a hole', new Array(1)],
      ['2^32 × 2^32', [2 ** 32, 2 ** 32]],
      ['2^32 × 2^32 × 0', [2 ** 32, 2 ** 32, 0]],
      ['2^60', [2 ** 60]],
      ['six dimensions', [1, 1, 1, 1, 1, 1]],
    ])('refuses %s', (_, shape) => {
      expect(thrownBy(() => new Tensor(device, shape as never)).code).toBe('ERR_SHAPE');
      expect(thrownBy(() => Tensor.zeros(device, [1]).reshape(shape as never)).code).toBe('ERR_SHAPE');
    });

    it.each([undefined, null, 3, '2', { length: 1, 0: 2 }, new Float64Array([2])])('refuses %s', (shape) => {
      expect(thrownBy(() => new Tensor(device, shape as never)).code).toBe('ERR_ARGUMENT');
    });

    it.each(['f31', '', null, 3, 'F32'])('refuses the dtype %j', (dtype) => {
      expect(thrownBy(() => new Tensor(device, [1], dtype as never)).code).toBe('ERR_DTYPE');
    });

    it.each([undefined, null, {}, 'cpu'])('refuses the device %j', (owner) => {
      expect(thrownBy(() => new Tensor(owner as never, [1])).code).toBe('ERR_ARGUMENT');
    });
  });

  describe('write and read', () => {
    it('the array may be changed at once, and what is read is fresh', async () => {
      const data = Float32Array.from([1, 2, 3]);
      const tensor = Tensor.from(device, data, [3]);
      data.fill(9);
      const first = await tensor.read();
      expect(first).toEqual(Float32Array.from([1, 2, 3]));
      first.fill(7);
      expect(await tensor.read()).toEqual(Float32Array.from([1, 2, 3]));
    });

    it('reads see what was queued before them, and nothing after', async () => {
      const tensor = Tensor.zeros(device, [20000]);
      const reads = [];
      for (let i = 1; i <= 5; i++) {
        tensor.write(new Float32Array(20000).fill(i));
        reads.push(tensor.read());
      }
      for (const [i, read] of reads.entries()) expect(await read).toEqual(new Float32Array(20000).fill(i + 1));
    });

    it('has its array from the start: nothing is copied where JavaScript runs', async () => {
      const tensor = Tensor.zeros(device, [1 << 24]);
      const before = process.memoryUsage().arrayBuffers;
      const read = tensor.read();
      // Others may be collected meanwhile: half is enough to tell.
      expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(tensor.byteLength / 2);
      expect((await read).length).toBe(tensor.size);
    });

    it('takes parts of a buffer', async () => {
      const whole = Float32Array.from({ length: 10 }, (_, i) => i);
      expect(await Tensor.from(device, whole.subarray(3, 6), [3]).read()).toEqual(Float32Array.from([3, 4, 5]));
      const odd = new Uint8Array(Uint8Array.from([9, 1, 2, 9]).buffer, 1, 2);
      expect(await Tensor.from(device, odd, [2]).read()).toEqual(Uint8Array.from([1, 2]));
    });

    it('takes shared and resizable memory', async () => {
      const shared = new Float32Array(new SharedArrayBuffer(16), 4, 2);
      shared.set([5, 6]);
      expect(await Tensor.from(device, shared, [2]).read()).toEqual(Float32Array.from([5, 6]));
      type Resizable = ArrayBuffer & { resize(bytes: number): void };
      const buffer = new (ArrayBuffer as unknown as new (bytes: number, o: object) => Resizable)(8, {
        maxByteLength: 64,
      });
      const view = new Float32Array(buffer);
      view.set([1, 2]);
      expect(await Tensor.from(device, view, [2]).read()).toEqual(Float32Array.from([1, 2]));
      buffer.resize(16);
      view.set([3, 4], 2);
      expect(await Tensor.from(device, view, [4]).read()).toEqual(Float32Array.from([1, 2, 3, 4]));
      buffer.resize(4);
      expect(thrownBy(() => Tensor.from(device, view, [4])).code).toBe('ERR_SHAPE');
      const fixed = new Float32Array(buffer, 0, 1);
      buffer.resize(0);
      expect(thrownBy(() => Tensor.from(device, fixed, [1])).code).toBe('ERR_SHAPE');
    });

    it('a detached buffer holds nothing', async () => {
      const data = new Float32Array(4);
      structuredClone(data.buffer, { transfer: [data.buffer] });
      expect(thrownBy(() => Tensor.from(device, data, [4])).code).toBe('ERR_SHAPE');
      expect(await Tensor.from(device, data, [0]).read()).toEqual(new Float32Array(0));
    });

    it('refuses what is no data', () => {
      const tensor = Tensor.zeros(device, [2]);
      for (const data of [undefined, null, 3, new DataView(new ArrayBuffer(8)), new ArrayBuffer(8)])
        expect(['ERR_SHAPE', 'ERR_DTYPE']).toContain(thrownBy(() => tensor.write(data as never)).code);
    });
  });

  it('copy has bytes of its own; reshape shares them', async () => {
    const x = tensorOf(device, [1, 2, 3, 4, 5, 6], [2, 3]);
    const copy = x.copy();
    const view = x.reshape([3, 2]);
    expect(view).toMatchObject({ shape: [3, 2], dtype: 'f32', size: 6, device });
    view.write([9, 9, 9, 9, 9, 9]);
    expect(await x.read()).toEqual(new Float32Array(6).fill(9));
    expect(await copy.read()).toEqual(Float32Array.from([1, 2, 3, 4, 5, 6]));
    x.dispose();
    expect(await view.read()).toEqual(new Float32Array(6).fill(9));
    expect(thrownBy(() => view.reshape([5])).code).toBe('ERR_SHAPE');
  });

  it('cast gives another dtype of the same shape', async () => {
    const x = tensorOf(device, [1.5, -2.5], [2, 1]).cast('i32');
    expect(x).toMatchObject({ shape: [2, 1], dtype: 'i32' });
    expect(await x.read()).toEqual(Int32Array.from([1, -2]));
  });

  it('an output may not share bytes with another operand, whatever its shape', () => {
    const x = tensorOf(device, [1, 2, 3, 4], [2, 2]);
    const same = x.reshape([2, 2]);
    const other = Tensor.zeros(device, [2, 2]);
    const code = (call: () => void) => thrownBy(call).code;
    expect(code(() => ops.gemm(device, { a: x, b: other, c: same }))).toBe('ERR_ARGUMENT');
    expect(code(() => ops.fill(device, { x: [x, same] }))).toBe('ERR_ARGUMENT');
    expect(code(() => ops.sgd(device, { weights: [x], grads: [same], lr: 1 }))).toBe('ERR_ARGUMENT');
  });

  it('is gone when disposed, once and for all', async () => {
    const tensor = tensorOf(device, [1, 2]);
    const read = tensor.read();
    tensor.dispose();
    tensor.dispose();
    expect(tensor.disposed).toBe(true);
    expect(await read).toEqual(Float32Array.from([1, 2]));
    const calls = [
      () => tensor.read(),
      () => tensor.write([1, 2]),
      () => tensor.copy(),
      () => tensor.cast('f64'),
      () => tensor.reshape([2]),
      () => ops.fill(device, { x: [tensor] }),
    ];
    for (const call of calls) expect(thrownBy(call).code).toBe('ERR_DISPOSED');
    expect(thrownBy(() => ops.fill(device, { x: [tensor] })).message).toBe('fill: x has been disposed');
    expect(thrownBy(() => tensor.read()).message).toBe('read: tensor has been disposed');
    expect(thrownBy(() => new Tensor(device, [-1])).message).toMatch(/^Tensor: shape must be of whole sizes/);
    expect(tensor).toMatchObject({ shape: [2], size: 2, byteLength: 8 });
    const kept = (() => {
      using short = Tensor.zeros(device, [1]);
      return short;
    })();
    expect(kept.disposed).toBe(true);
  });

  it('methods on other objects throw and harm nothing', () => {
    const tensor = Tensor.zeros(device, [1]);
    const codeOf = (method: (data: never) => unknown, wrong: unknown) =>
      thrownBy(() => method.call(wrong, [] as never)).code;
    for (const wrong of [{}, null, undefined, 3, 'a', device, Object.create(Tensor.prototype)]) {
      for (const method of [tensor.read, tensor.dispose, tensor.write])
        expect(codeOf(method, wrong)).toBe('ERR_ARGUMENT');
      expect(() => Reflect.get(Tensor.prototype, 'disposed', Object(wrong))).toThrow();
    }
    for (const wrong of [{}, null, undefined, 3, tensor, Object.create(Device.prototype)])
      for (const method of [device.synchronize, device.flow, device.close])
        expect(codeOf(method, wrong)).toBe('ERR_ARGUMENT');
  });

  it('reads the sizes of a shape once: no getter finds it half made', async () => {
    const { live } = await settledMemory(device);
    const tensor = tensorOf(device, [1, 2, 3, 4, 5, 6]);
    const sizes = [6, 5, 4];
    const changing = Object.defineProperty([0], 0, { get: () => sizes.shift() });
    const view = tensor.reshape(changing);
    expect(view).toMatchObject({ shape: [6], size: 6 });
    const disposing = Object.defineProperty([0], 0, {
      get: () => {
        tensor.dispose();
        return 6;
      },
    });
    expect(thrownBy(() => tensor.reshape(disposing)).code).toBe('ERR_DISPOSED');
    view.dispose();
    expect(device.info.memory.live).toBe(live);
  });

  it('refuses at once what the device could never hold, and still works', async () => {
    const before = await settledMemory(device);
    const { code, message } = thrownBy(() => new Tensor(device, [2 ** 22, 2 ** 22]));
    expect(code).toBe('ERR_MEMORY');
    expect(message).toContain(`the device has ${device.info.memoryBytes} bytes`);
    expect(device.info.memory).toEqual(before);
    expect(await Tensor.full(device, [1], 3).read()).toEqual(new Float32Array([3]));
  });
});

describe.each(onlyCpu)('a tensor of more elements than an array of JavaScript can have', () => {
  const isTooLong = (size: number): boolean => {
    try {
      new Uint8Array(new ArrayBuffer(size));
      return false;
    } catch {
      return true;
    }
  };

  // Memory that nobody touches costs nothing. Later releases of Node.js have arrays that are longer than memories are.
  it('is refused by read() and saveTensors()', async () => {
    const size = 2 ** 32 + 1;
    if (!isTooLong(size)) return expect(Number(process.versions.node.split('.')[0])).toBeGreaterThan(20);
    const device = Device.open('cpu', { threads: 1 });
    const x = new Tensor(device, [size], 'u8');
    const { code, message } = thrownBy(() => x.read());
    expect([code, message]).toEqual(['ERR_UNSUPPORTED', `read: JavaScript has no array of ${size} elements`]);
    using folder = new Folder();
    await expect(saveTensors(folder.file('x'), { x })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    expect(folder.names).toEqual([]);
    await device.close();
  });
});
