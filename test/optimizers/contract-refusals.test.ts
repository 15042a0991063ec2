// Devices: cpu, cuda
// Axes: node
// Refusals of every optimizer, at the call and before anything changes.
import { expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { sizeOf } from '../support/data.ts';
import { settledMemory } from '../support/settled.ts';
import { bits, stateBits, tensor } from './classes.ts';
import { code, eachClass } from './each-class.ts';

eachClass('R10: ', ['R10'], ({ device, alone, Class, shapes, start, grads }) => {
  it('checks scalars at the next step, before anything changes', async () => {
    const weights = start();
    const optimizer = new Class([{ params: weights.slice(0, 1) }, { params: weights.slice(1) }]);
    optimizer.step(grads(1));
    const before = [await bits(weights), await stateBits(optimizer)];
    const group = optimizer.groups[1] as unknown as Record<string, unknown>;
    for (const value of [Number.NaN, -1, Infinity, '0.1', undefined, null, {}, Object.create(null), [1], 1n]) {
      const lr = group['lr'];
      group['lr'] = value;
      expect(() => optimizer.step(grads(2))).toThrow(code('ERR_ARGUMENT'));
      group['lr'] = lr;
    }
    expect([await bits(weights), await stateBits(optimizer)]).toEqual(before);
    expect((await optimizer.report()).step).toBe(1);
  });

  it(
    'refuses names that are not options',
    alone(async (device) => {
      const weights = start(device);
      const { live: before } = await settledMemory(device);
      for (const option of ['learningRate', 'toString', '__proto__', 'constructor', 'params', 'name']) {
        const given = Object.defineProperty({}, option, { value: 1, enumerable: true });
        expect(() => new Class(weights, given), option).toThrow(code('ERR_ARGUMENT'));
        if (option === 'params' || option === 'name') continue;
        const group = Object.defineProperty({ params: weights }, option, { value: 1, enumerable: true });
        expect(() => new Class([group]), option).toThrow(code('ERR_ARGUMENT'));
      }
      expect(() => new Class([{ params: weights, nonFinite: 'skip' } as never])).toThrow(code('ERR_ARGUMENT'));
      for (const wrong of [null, 5, 'lr', []])
        expect(() => new Class(weights, wrong as never)).toThrow(code('ERR_ARGUMENT'));
      expect(device.info.memory.live).toBe(before);
    }),
  );

  it('keeps its groups', () => {
    const optimizer = new Class(start());
    const groups = optimizer.groups as unknown[];
    expect(() => groups.push({})).toThrow(TypeError);
    expect(() => Object.assign(optimizer, { groups: [] })).toThrow(TypeError);
    expect(optimizer.groups.length).toBe(1);
  });

  it(
    'refuses parameters that it cannot own',
    alone(async (device) => {
      const [w] = start(device) as [Tensor];
      const other = Device.open('cpu', { threads: 1 });
      const elsewhere = tensor(other, w.shape, 1);
      using view = w.reshape([1, w.size]);
      const integers = (['i32', 'u8'] as const).map((dtype) => Tensor.zeros(device, [3, 3], { dtype }));
      const { live: before } = await settledMemory(device);
      for (const params of [[], [w, w], [w, view], [{ params: [] }], [w, { params: [w] }], w, null, [new Proxy(w, {})]])
        expect(() => new Class(params as never)).toThrow(code('ERR_ARGUMENT'));
      expect(() => new Class([{ params: [w], name: 5 } as never])).toThrow(code('ERR_ARGUMENT'));
      expect(
        () =>
          new Class([
            { name: 'a', params: [w] },
            { name: 'a', params: [] },
          ]),
      ).toThrow(code('ERR_ARGUMENT'));
      expect(() => new Class([w, elsewhere])).toThrow(code('ERR_DEVICE'));
      for (const one of integers) expect(() => new Class([one])).toThrow(code('ERR_DTYPE'));
      const gone = tensor(device, [3, 3], 1);
      gone.dispose();
      expect(() => new Class([gone])).toThrow(code('ERR_DISPOSED'));
      for (const nonFinite of ['ignore', null])
        expect(() => new Class([w], { nonFinite } as never)).toThrow(code('ERR_ARGUMENT'));
      expect(device.info.memory.live).toBe(before);
      for (const one of [w, ...integers]) one.dispose();
      await other.close();
    }),
  );

  it('seals its groups', () => {
    const optimizer = new Class(start());
    const group = optimizer.groups[0] as unknown as Record<string, unknown>;
    for (const [option, { fixed }] of Object.entries(optimizer.part().schema))
      if (fixed) expect(() => Object.assign(group, { [option]: group[option] }), option).toThrow(TypeError);
    expect(() => Object.assign(group, { learningRate: 1 })).toThrow(TypeError);
    expect(() => Object.assign(group, { params: [] })).toThrow(TypeError);
    expect(() => (group['params'] as Tensor[]).pop()).toThrow(TypeError);
    for (const value of Object.values(group)) if (Array.isArray(value)) expect(Object.isFrozen(value)).toBe(true);
  });

  it('refuses a bad gradient in the last group before the first is stepped', async () => {
    const weights = start();
    const last = weights.length - 1;
    const optimizer = new Class([{ params: weights.slice(0, last) }, { params: weights.slice(last) }], {
      stateDtype: 'f32',
    });
    optimizer.step(grads(1));
    const before = [await bits(weights), await stateBits(optimizer)];
    const shape = shapes[last] as number[];
    const other = Device.open('cpu', { threads: 1 });
    const gone = tensor(device, shape, 1);
    gone.dispose();
    const own = Object.values(optimizer.part().tensors).find(
      (t) => t.shape.join() === shape.join() && t.dtype === 'f32',
    );
    const bad: [unknown, string][] = [
      [tensor(device, [...shape, 2], 1), 'ERR_SHAPE'],
      [Tensor.zeros(device, shape, { dtype: 'i32' }), 'ERR_DTYPE'],
      [gone, 'ERR_DISPOSED'],
      [tensor(other, shape, 1), 'ERR_DEVICE'],
      [weights[last], 'ERR_ARGUMENT'],
      [weights[last]?.reshape([sizeOf(shape)]).reshape(shape), 'ERR_ARGUMENT'],
      ...(own ? [[own, 'ERR_ARGUMENT'] as [unknown, string]] : []),
      [undefined, 'ERR_ARGUMENT'],
      [{}, 'ERR_ARGUMENT'],
      [new Float32Array(sizeOf(shape)), 'ERR_ARGUMENT'],
    ];
    const good = grads(2).slice(0, last);
    for (const [grad, expected] of bad)
      expect(() => optimizer.step([...good, grad as Tensor]), String(grad)).toThrow(code(expected));
    for (const list of [good, [...grads(2), null], [], undefined, null, {}])
      expect(() => optimizer.step(list as never)).toThrow(code('ERR_ARGUMENT'));
    expect([await bits(weights), await stateBits(optimizer)]).toEqual(before);
    weights[last]?.dispose();
    expect(() => optimizer.step(grads(2))).toThrow(code('ERR_DISPOSED'));
    expect(await bits(weights.slice(0, last))).toEqual((before[0] as string[]).slice(0, last));
    await other.close();
  });
});
