// Devices: cpu
// Axes: node
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { thrownBy } from '../support/tensors.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

const full = (value: number, size = 1) => Tensor.full(device, [size], value);
const one = async (x: Tensor) => (await x.read())[0];

/** A list whose second element is found by a call. */
function lazily(first: Tensor, second: () => Tensor): Tensor[] {
  const list = [first, first];
  Object.defineProperty(list, 1, { get: second });
  return list;
}

describe('calls that are written where native code reads them', () => {
  it('are right if another one is made while a list is read', async () => {
    const [a, b, out, other] = [full(1), full(2), full(0), full(0)];
    const terms = lazily(a, () => {
      ops.fill(device, { x: [other], value: 7 });
      return b;
    });
    ops.linearCombination(device, { out: [out], terms, coefficients: [10, 100] });
    expect([await one(out), await one(other)]).toEqual([210, 7]);
  });

  it('are right if tensors are made while a list is read', async () => {
    const [a, out] = [full(1), full(0)];
    const terms = lazily(a, () => full(3));
    ops.linearCombination(device, { out: [out], terms, coefficients: [10, 100] });
    expect(await one(out)).toBe(310);
  });

  it('refuse a shape that makes a tensor while it is read, which stays what it is', async () => {
    const made: Tensor[] = [];
    let reads = 0;
    const shape = new Proxy([6], {
      get(list, name) {
        reads += 1;
        if (name === '0' && made.length === 0) made.push(full(7, 12));
        // Six sizes at first, then one.
        return name === 'length' ? (reads === 1 ? 6 : 1) : Reflect.get(list, name);
      },
    });
    expect(thrownBy(() => new Tensor(device, shape, 'f32')).code).toBe('ERR_ARGUMENT');
    expect(made).toHaveLength(1);
    expect(await made[0]!.read()).toEqual(new Float32Array(12).fill(7));
  });

  it('tell the garbage collector of memory once, whatever a handle has held before', () => {
    using whole = full(0, 10);
    const before = process.memoryUsage().external;
    for (let i = 0; i < 20; ++i) {
      new Tensor(device, [10_000_000]).dispose();
      whole.reshape([2, 5]).dispose();
    }
    expect(Math.abs(process.memoryUsage().external - before)).toBeLessThan(20_000_000);
  });

  it('refuse a tensor that a getter has disposed of', () => {
    const [a, b, out] = [full(1), full(2), full(0)];
    const terms = lazily(a, () => {
      a.dispose();
      return b;
    });
    const call = () => ops.linearCombination(device, { out: [out], terms, coefficients: [1, 1] });
    expect(thrownBy(call).code).toBe('ERR_DISPOSED');
  });

  it.each([1, 4093, 4094, 4095, 4096, 5000])('take %i operands', async (count) => {
    const x = Array.from({ length: count }, () => full(0));
    ops.fill(device, { x, value: 3 });
    for (const tensor of x) expect(await one(tensor)).toBe(3);
  });

  it('take numbers, words and factors of each kind', async () => {
    const [x, out] = [full(3), full(0)];
    const half = Tensor.full(device, [1], 0.5, { dtype: 'f64' });
    ops.linearCombination(device, { out: [out], terms: [x, x, x], coefficients: [1, half, [10, half]] });
    expect(await one(out)).toBe(19.5);
    ops.map(device, { x: [out], out: [out], function: 'clamp', parameters: [-Infinity, 4] });
    expect(await one(out)).toBe(4);
  });

  it('say what is wrong with other values', () => {
    const x = full(1);
    const messageOf = (fields: object) => thrownBy(() => ops.map(device, fields as never)).message;
    expect(messageOf({ x: [x], out: [x], function: 'twice' })).toMatch(
      /^map: function must be one of .*, got 'twice'$/,
    );
    expect(messageOf({ x: [x], out: [{}], function: 'exp' })).toMatch(/^map: out must be a Tensor, got/);
    expect(messageOf({ x, out: [x], function: 'exp' })).toMatch(/^map: x must be an array, got/);
    expect(messageOf({ out: [x], function: 'exp' })).toBe('map: x is missing');
    expect(messageOf({ x: [x], out: [x], function: 'clamp', parameters: ['0', 1] })).toMatch(/a number, got '0'$/);
    expect(thrownBy(() => ops.fill({} as Device, { x: [x] })).message).toMatch(/^fill: device must be a Device, got/);
  });

  it.each([NaN, -1, undefined, 1.5, Infinity, 5n])('refuse a list whose length is %s', (length) => {
    const x = full(0);
    const list = new Proxy([x], { get: (all, name) => (name === 'length' ? length : Reflect.get(all, name)) });
    expect(thrownBy(() => ops.fill(device, { x: list, value: 3 })).message).toMatch(/^fill: x/);
  });

  it('tell what a getter throws', () => {
    const terms = lazily(full(1), () => {
      throw new RangeError('mine');
    });
    const call = () => ops.linearCombination(device, { out: [full(0)], terms, coefficients: [1, 1] });
    expect(thrownBy(call).message).toBe('mine');
  });

  it('are those of each copy of the library that shares the binary', async () => {
    const [a, b, c] = [full(1), full(10), full(0)];
    vi.resetModules();
    const copy = await import('../../lib/index.ts');
    const other = copy.Device.open('cpu', { threads: 1 });
    const x = copy.Tensor.full(other, [1], 5);
    copy.ops.linearCombination(other, { out: [x], terms: [x, x], coefficients: [1, 1] });
    ops.linearCombination(device, { out: [c], terms: [a, b], coefficients: [1, 1] });
    copy.ops.fill(other, { x: [x], value: 4 });
    ops.fill(device, { x: [a], value: 2 });
    expect([await one(c), await one(a), (await x.read())[0]]).toEqual([11, 2, 4]);
    await other.close();
  });
});
