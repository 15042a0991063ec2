// Devices: cpu
// Source: formula "orders ids as a comparison does"
import { afterAll, describe, expect, it } from 'vitest';
import { Owned } from '../../lib/core/owned.ts';
import { Task } from '../../lib/core/task.ts';
import { atOnce } from '../../lib/core/turns.ts';
import { encode } from '../../lib/data/rows/form.ts';
import { idsAt, orderOf, readIds } from '../../lib/data/rows/ids.ts';
import { Segment, type SegmentForm } from '../../lib/data/rows/segment.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { uniform } from '../support/data.ts';

describe('ids', () => {
  it('orders ids as a comparison does', () => {
    const next = uniform(3);
    const most = 2 ** 31 - 1;
    const drawn = (count: number, limit: number) =>
      Int32Array.from({ length: count }, () => Math.floor(next() * limit));
    const lists = [[], [7], [3, 2], [2, 2], [most, 0], [2047, 2048, 2 ** 22, 2 ** 22 - 1, 0, most, most - 1]];
    for (const ids of [...lists.map((list) => Int32Array.from(list)), drawn(5000, 2 ** 31), drawn(5000, 40)]) {
      const expected = [...ids.keys()].sort((a, b) => ids[a]! - ids[b]! || a - b);
      const order = atOnce(orderOf(ids));
      expect([...(order ?? ids.keys())]).toEqual(expected);
      expect(order === undefined).toBe(new Set(ids).size === ids.length && expected.every((place, i) => place === i));
      expect([...atOnce(idsAt(ids, Int32Array.from(expected)))]).toEqual([...ids].sort((a, b) => a - b));
    }
  });

  it('works on some thousand ids at most before others may have a turn', () => {
    const count = 10 ** 5;
    for (const given of [
      Int32Array.from({ length: count }, (_, i) => count - i),
      BigInt64Array.from({ length: count }, (_, i) => BigInt(count - i)),
      Array.from({ length: count }, (_, i) => i),
    ]) {
      let [reads, most, yields] = [0, 0, 0];
      const counted = new Proxy(given, {
        get: (target, key) => {
          if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
          return Reflect.get(target, key, target);
        },
      });
      const steps = readIds('test', counted as Int32Array);
      for (let step = steps.next(); !step.done; step = steps.next(), reads = 0) {
        most = Math.max(most, reads);
        yields += 1;
      }
      expect(most).toBeLessThanOrEqual(2 ** 14);
      // Reading them, and for those in disorder three counts, three moves, their first places and a look for pairs.
      expect(yields).toBeGreaterThanOrEqual((Array.isArray(given) ? 1 : 9) * Math.ceil(count / 2 ** 14) - 1);
    }
  });
});

describe('rows', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());
  const form: SegmentForm = { device, dim: 2, dtype: 'f32', refusesZero: false };

  it('keeps the copy of rows in f32 that there is', () => {
    using before = new Owned<Tensor>();
    using owned = new Owned<Tensor>();
    const x = before.add(Tensor.from(device, [1, 2, 3, 4], [2, 2]));
    expect(encode(x, 'f32', before, owned).rows).toBe(x);
    expect([[...before], [...owned]]).toEqual([[], [x]]);
  });

  it('has one list of the ids that a search goes by, whatever number of searches', async () => {
    using owned = new Owned<Tensor>();
    using passing = new Owned<Tensor>();
    using task = new Task<never>(device);
    const rows = owned.add(Tensor.zeros(device, [12, 2]));
    const whole = Segment.of(
      form,
      Int32Array.from({ length: 12 }, (_, i) => 2 * i),
      { rows },
      owned,
    );
    const view = atOnce(Segment.without(whole, Int32Array.of(1, 5)))!;
    const first = await view.searched('test', task, passing);
    const second = await view.searched('test', task, passing);
    expect([...first.ids]).toEqual([0, -1, 4, 6, 8, -1, 12, 14, 16, 18, 20, 22]);
    expect(second.ids).toBe(first.ids);
    expect((await whole.searched('test', task, passing)).ids).toBe(whole.ids);
    const less = atOnce(Segment.without(view, Int32Array.of(0)))!;
    expect([...(await less.searched('test', task, passing)).ids].filter((id) => id < 0).length).toBe(3);
    // A quarter of the rows is the most that may be gone.
    expect(atOnce(Segment.without(less, Int32Array.of(0)))).toBeUndefined();
    for (const one of [less, view, whole]) one.release();
  });
});
