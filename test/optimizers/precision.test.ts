// Devices: cpu, cuda
// Weights, gradients and state of every optimizer in every floating dtype.
import { expect, it } from 'vitest';
import { Tensor } from '../../lib/index.ts';
import { bits, numbers, tensor, weightsOf } from './classes.ts';
import { code, eachClass } from './each-class.ts';

eachClass('R10: ', ['R10'], ({ device, alone, Class, shapes, start, grads }) => {
  it.each(['f64', 'f16', 'bf16'] as const)('steps weights in %s near those in f32', async (dtype) => {
    // lr is large enough to be seen in 16 bits.
    const [a, b] = [weightsOf(device, shapes, dtype), start()];
    const [one, two] = [new Class(a, { lr: 0.05 }), new Class(b, { lr: 0.05 })];
    for (let step = 1; step <= 3; ++step) for (const optimizer of [one, two]) optimizer.step(grads(step));
    const tolerance = { f64: 1e-4, f16: 4e-3, bf16: 3e-2 }[dtype];
    for (const [i, weight] of a.entries()) {
      expect(weight.dtype).toBe(dtype);
      const expected = await numbers(b[i] as Tensor);
      for (const [k, x] of (await numbers(weight)).entries())
        expect(Math.abs(x - (expected[k] ?? 0))).toBeLessThan(tolerance * Math.max(1, Math.abs(x)));
    }
  });

  it.each(['f64', 'f16', 'bf16'] as const)('keeps moments in %s', async (stateDtype) => {
    const [a, b] = [start(), start()];
    const [one, two] = [new Class(a, { stateDtype, lr: 0.01 }), new Class(b, { lr: 0.01 })];
    const [own, usual] = [Object.values(one.part().tensors), Object.values(two.part().tensors)];
    for (const [i, t] of own.entries()) expect(t.dtype).toBe(usual[i]?.dtype === 'f32' ? stateDtype : usual[i]?.dtype);
    for (let step = 1; step <= 3; ++step) for (const optimizer of [one, two]) optimizer.step(grads(step));
    for (const [i, weight] of a.entries()) {
      const expected = await numbers(b[i] as Tensor);
      for (const [k, x] of (await numbers(weight)).entries())
        expect(Math.abs(x - (expected[k] ?? 0))).toBeLessThan(0.02);
    }
  });

  it.each(['f16', 'bf16', 'f64'] as const)('takes gradients in %s', async (dtype) => {
    const [a, b, before] = [start(), start(), start()];
    const [one, two] = [new Class(a), new Class(b)];
    const given = grads(1).map((g) => g.cast(dtype));
    one.step(given);
    two.step(given.map((g) => g.cast('f32')));
    // A fused pass over f32 rounds a norm in another order than the one that converts.
    for (const [i, weight] of a.entries()) {
      const [expected, old] = [await numbers(b[i] as Tensor), await numbers(before[i] as Tensor)];
      expect(await numbers(weight)).not.toEqual(old);
      for (const [k, x] of (await numbers(weight)).entries())
        expect(Math.abs(x - (expected[k] ?? 0))).toBeLessThanOrEqual(
          2 ** -22 * Math.max(Math.abs(x), Math.abs(old[k] ?? 0)),
        );
    }
  });

  it('loses small steps of bf16 weights without master weights, and none with them', async () => {
    const steps = 100;
    const run = async (dtype: 'bf16' | 'f32', masterWeights: 'none' | 'fp32' | 'split16') => {
      const weights = shapes.map((shape) => Tensor.full(device, shape, 1, { dtype }));
      const optimizer = new Class(weights, { lr: 2e-4, weightDecay: 0, masterWeights });
      const given = shapes.map((shape) => Tensor.full(device, shape, 0.5));
      for (let i = 0; i < steps; ++i) optimizer.step(given);
      const masters = Object.entries(optimizer.part().tensors).flatMap(([key, t]) =>
        key.endsWith('.master') ? [t] : [],
      );
      return { weights, masters };
    };
    const exact = await bits((await run('f32', 'none')).weights);
    const bare = await run('bf16', 'none');
    for (const weight of bare.weights) expect(new Set(await numbers(weight))).toEqual(new Set([1]));

    const whole = await run('bf16', 'fp32');
    expect(await bits(whole.masters)).toEqual(exact);
    expect(await bits(whole.weights)).toEqual(await bits(whole.masters.map((t) => t.cast('bf16'))));

    const split = await run('bf16', 'split16');
    for (const [i, weight] of split.weights.entries()) {
      const [high, low] = await Promise.all([weight.read(), (split.masters[i] as Tensor).read()]);
      const joined = Uint32Array.from(high, (x, k) => ((x << 16) | (low[k] ?? 0)) >>> 0);
      expect(Buffer.from(joined.buffer).toString('hex')).toBe(exact[i]);
      expect(Array.from(await numbers(weight)).every((x) => x < 1)).toBe(true);
    }
  });

  it('adds l2 decay of master weights, not of the rounded ones', async () => {
    const run = async (dtype: 'bf16' | 'f32', masterWeights: 'none' | 'fp32' | 'split16') => {
      const weights = shapes.map((shape) => Tensor.full(device, shape, 1, { dtype }));
      const optimizer = new Class(weights, { lr: 1e-3, weightDecay: 0.5, weightDecayMode: 'l2', masterWeights });
      for (let step = 1; step < 4; ++step) optimizer.step(grads(step));
      const masters = Object.entries(optimizer.part().tensors).flatMap(([key, t]) =>
        key.endsWith('.master') ? [t] : [],
      );
      return { weights, masters };
    };
    const exact = await bits((await run('f32', 'none')).weights);
    expect(await bits((await run('bf16', 'fp32')).masters)).toEqual(exact);
    const split = await run('bf16', 'split16');
    for (const [i, weight] of split.weights.entries()) {
      const [high, low] = await Promise.all([weight.read(), (split.masters[i] as Tensor).read()]);
      const joined = Uint32Array.from(high, (x, k) => ((x << 16) | (low[k] ?? 0)) >>> 0);
      expect(Buffer.from(joined.buffer).toString('hex')).toBe(exact[i]);
    }
  });

  it(
    'refuses split16 for f16 weights, and leaves nothing behind',
    alone(async (device) => {
      const weights = weightsOf(device, shapes, 'f16');
      const { live } = device.info.memory;
      expect(() => new Class(weights, { masterWeights: 'split16' })).toThrow(code('ERR_DTYPE'));
      const mixed = [tensor(device, [3, 3], 1, 1, 'bf16'), ...weights];
      expect(() => new Class(mixed, { masterWeights: 'split16', nonFinite: 'skip' })).toThrow(code('ERR_DTYPE'));
      await device.synchronize();
      expect(device.info.memory.live).toBe(live + 1);
    }),
  );
});
