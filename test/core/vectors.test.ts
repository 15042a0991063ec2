// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Owned } from '../../lib/core/owned.ts';
import * as vectors from '../../lib/core/vectors.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('vectors on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const f64 = (...values: number[]): Tensor => Tensor.from(device, new Float64Array(values), [values.length]);
  const numbers = async (x: vectors.Vector): Promise<number[]> => {
    const lists = await Promise.all([x].flat().map((part) => (part as Tensor).read()));
    return lists.flatMap((list) => [...list]);
  };

  it.each([
    ['a tensor', () => f64(1, 2, 3), () => f64(4, -5, 6)],
    ['a list', () => [f64(1), f64(2, 3)], () => [f64(4), f64(-5, 6)]],
  ])('of %s: products, norms, combinations', async (_, makeX, makeY) => {
    const [x, y]: [vectors.Vector, vectors.Vector] = [makeX(), makeY()];
    const out = vectors.scalar(device);
    vectors.dot(device, x, y, out);
    expect(await numbers(out)).toEqual([12]);
    vectors.norm(device, [x].flat().concat(f64(0, Math.sqrt(2))) as Tensor[], out);
    expect((await numbers(out))[0]).toBeCloseTo(4, 14);

    using owned = new Owned();
    const made = vectors.like(x, owned);
    vectors.combine(device, made, [2, x], [f64(10), y], [[-1, f64(3)], x]);
    expect(await numbers(made)).toEqual([39, -52, 57]);
    vectors.axpy(device, -2, x, made);
    expect(await numbers(made)).toEqual([37, -56, 51]);
    vectors.scale(device, f64(0.5), made);
    expect(await numbers(made)).toEqual([18.5, -28, 25.5]);
    vectors.scale(device, 2, x, made);
    expect(await numbers(made)).toEqual([2, 4, 6]);
    vectors.copy(device, y, made);
    vectors.multiply(device, made, x, made);
    expect(await numbers(made)).toEqual([4, -10, 18]);
    vectors.divide(device, made, x, made);
    expect(await numbers(made)).toEqual(await numbers(y));
  });

  it('has inner products of f32 in f64, and vectors of its dtypes', async () => {
    const large = Tensor.from(device, new Float32Array([1e30, 1]), [2]);
    const out = vectors.scalar(device);
    vectors.dot(device, large, large, out);
    expect(await numbers(out)).toEqual([Math.fround(1e30) ** 2 + 1]);
    using owned = new Owned();
    const [like] = vectors.like(large, owned);
    expect([like!.dtype, like!.shape]).toEqual(['f32', [2]]);
  });

  it('divides scalars where they are', async () => {
    const quotient = vectors.scalar(device);
    vectors.divide(device, f64(3), f64(4), quotient);
    expect(await numbers(quotient)).toEqual([0.75]);
  });
});
