// Devices: cpu, cuda
// Weights, gradients and state of every optimizer in every floating dtype. What is allowed is a multiple of the rounding of
// a step, and the weights must move by far more: a class that does not step fails.
import { expect, it } from 'vitest';
import { type Device, Tensor } from '../../lib/index.ts';
import { expectClose, largest } from '../support/compare.ts';
import { kind } from '../support/devices.ts';
import { spacing } from '../support/dtypes.ts';
import { settledMemory } from '../support/settled.ts';
import { type AnyOptimizer, bits, fullState, numbers, tensor, weightsOf } from './classes.ts';
import { code, eachClass } from './each-class.ts';

const steps = 3;
/**
 * Columns of a reflection, of different lengths: rows where these are fewer. Its singular vectors are axes and none of its
 * elements is small, so that Conda leaves out none for what 16 bits round.
 */
function reflected(device: Device, shape: readonly number[], step: number): Tensor {
  const [m, n] = [shape[0]!, shape[1]!];
  const element = (i: number, j: number) => ((i === j ? 1 : 0) - 2 / Math.max(m, n)) * (1 - (m < n ? i : j) / 10);
  const values = Array.from({ length: m * n }, (_, k) => element(Math.floor(k / n), k % n) / step);
  return Tensor.from(device, Float32Array.from(values), [m, n]);
}
const largestMove = (after: number[], before: number[]): number => largest(after.map((x, i) => x - before[i]!));

eachClass('R10: ', ['R10'], ({ device, alone, name, Class, shapes, start, grads }) => {
  // Newton–Schulz multiplies the rounding of small singular values, with these coefficients by 3.4 in the first of two steps,
  // which show all that a step does.
  const orthogonalizes = 'nsSteps' in new Class(start()).part().schema;
  // Gradients have rank 2; a sum of them keeps the rounding of all steps, if it does not decay.
  const sliced = { fraction: 1, efDecay: 0.5 };
  const own: Record<string, object> = { Dion: { rank: 2, momentum: 0.5 }, Dion2: sliced, NorDion2: sliced };
  const options = { ...(orthogonalizes ? { coefficients: 'jordan', nsSteps: 2 } : {}), ...own[name] };

  /** A rate at which the largest element moves by about 1 in three steps: far more than 16 bits round. */
  let rate: Promise<number> | undefined;
  const visibleRate = (): Promise<number> => (rate ??= findVisibleRate());
  const findVisibleRate = async (): Promise<number> => {
    const [weights, before] = [start(), start()];
    const optimizer = new Class(weights, { ...options, lr: 0.01, weightDecay: 0 });
    for (let step = 1; step <= steps; ++step) optimizer.step(grads(step));
    const moves = await Promise.all(
      weights.map(async (w, i) => largestMove(await numbers(w), await numbers(before[i]!))),
    );
    expect(Math.max(...moves)).toBeGreaterThan(0);
    return 0.01 / Math.max(...moves);
  };

  it.each(['f64', 'f16', 'bf16'] as const)('steps weights in %s as those in f32, but for rounding', async (dtype) => {
    const lr = await visibleRate();
    const [a, b, before] = [weightsOf(device, shapes, dtype), start(), start()];
    const [one, two] = [
      new Class(a, { ...options, lr, weightDecay: 0 }),
      new Class(b, { ...options, lr, weightDecay: 0 }),
    ];
    const sizes = await Promise.all(before.map(async (w) => (await numbers(w)).map(Math.abs)));
    for (let step = 1; step <= steps; ++step) {
      for (const optimizer of [one, two]) optimizer.step(grads(step));
      for (const [i, w] of b.entries())
        for (const [k, x] of (await numbers(w)).entries()) sizes[i]![k] = Math.max(sizes[i]![k]!, Math.abs(x));
    }
    for (const [i, weight] of a.entries()) {
      expect(weight.dtype).toBe(dtype);
      const [expected, old] = [await numbers(b[i]!), await numbers(before[i]!)];
      const moved = largestMove(expected, old);
      // The start and each step round by half a unit; in f32 what a step computes is off by a few units as well.
      const coarse = dtype === 'f64' ? 'f32' : dtype;
      const ulps = dtype === 'f64' ? 16 * steps : (steps + 1) / 2 + 1 / 8;
      expectClose(await numbers(weight), expected, { dtype: coarse, ulps, magnitude: sizes[i]!.map((x) => x + moved) });
      expect(moved).toBeGreaterThan(10 * ulps * spacing(Math.max(...sizes[i]!) + moved, coarse));
    }
  });

  it.each(['f64', 'f16', 'bf16'] as const)('keeps moments in %s, right to their rounding', async (stateDtype) => {
    const [a, b, before] = [start(), start(), start()];
    // Trion stores its momentum twice a step and forgets no rounding: three steps use one, three and five of them, three
    // times as many as others, some of sums that were larger. Newton–Schulz would multiply all of it.
    const sums = name === 'Trion';
    const given = { ...options, ...(sums ? { nsSteps: 0 } : {}), lr: 0.01 };
    const [one, two] = [new Class(a, { ...given, stateDtype }), new Class(b, given)];
    const [own, usual] = [Object.values(one.part().tensors), Object.values(two.part().tensors)];
    // A basis is no moment.
    const names = Object.keys(one.part().tensors);
    const isKept = (i: number) => usual[i]?.dtype !== 'f32' || (name === 'Conda' && names[i]!.endsWith('.bases'));
    for (const [i, t] of own.entries()) expect(t.dtype).toBe(isKept(i) ? usual[i]?.dtype : stateDtype);
    const gradients = (step: number) =>
      name === 'Conda' ? shapes.map((s) => reflected(device, s, step)) : grads(step);
    for (let step = 1; step <= steps; ++step) for (const optimizer of [one, two]) optimizer.step(gradients(step));
    for (const [i, weight] of a.entries()) {
      const [expected, old] = [await numbers(b[i]!), await numbers(before[i]!)];
      const moved = largestMove(expected, old);
      expect(moved).toBeGreaterThan(0);
      // A unit a step of the largest move, as it is stored, and of the weight.
      const times = sums ? 4 : orthogonalizes ? 3.4 : 1;
      const unit = spacing(moved, stateDtype === 'f64' ? 'f32' : stateDtype) * times;
      const allowed = steps * (unit + spacing(Math.max(...old), 'f32'));
      expect(moved).toBeGreaterThan(10 * allowed);
      for (const [k, x] of (await numbers(weight)).entries())
        expect(Math.abs(x - expected[k]!)).toBeLessThanOrEqual(allowed);
    }
  });

  it.each(['f16', 'bf16', 'f64'] as const)('takes gradients in %s', async (dtype) => {
    const [a, b, before] = [start(), start(), start()];
    const [one, two] = [new Class(a), new Class(b)];
    const given = grads(1).map((g) => g.cast(dtype));
    one.step(given);
    two.step(given.map((g) => g.cast('f32')));
    // A fused pass over f32 rounds a norm in another order than the one that converts: two units of the weight.
    for (const [i, weight] of a.entries()) {
      const [expected, old] = [await numbers(b[i]!), await numbers(before[i]!)];
      expect(largestMove(expected, old)).toBeGreaterThan(20 * spacing(Math.max(...old), 'f32'));
      expectClose(await numbers(weight), expected, { dtype: 'f32', ulps: 2, magnitude: old.map(Math.abs) });
    }
  });

  it('loses small steps of bf16 weights without master weights, and none with them', async () => {
    const steps = kind === 'cpu' ? 20 : 5;
    const run = async (dtype: 'bf16' | 'f32', masterWeights: 'none' | 'fp32' | 'split16') => {
      const weights = shapes.map((shape) => Tensor.full(device, shape, 1, { dtype }));
      const optimizer = new Class(weights, { lr: 1e-3, weightDecay: 0, masterWeights });
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

  it('keeps moments in f16 at 65,504 that would pass it, and makes no NaN of them', async () => {
    const weights = start();
    const optimizer = new Class(weights, { ...fullState[name], stateDtype: 'f16', lr: 1e-3 });
    for (let step = 0; step < 5; ++step) optimizer.step(grads(step, 3e4));
    for (const state of Object.values(optimizer.part().tensors))
      if (state.dtype !== 'i32') expect((await numbers(state)).every(Number.isFinite)).toBe(true);
    for (const weight of weights) expect((await numbers(weight)).every(Number.isFinite)).toBe(true);
    expect(await optimizer.report()).toMatchObject({ nonFinite: 0 });
  });

  it('refuses masters that no weight would have, and takes those that some have', () => {
    const of = (dtype: 'f32' | 'bf16') => [tensor(device, [3, 3], 1, 1, dtype)];
    const groups = (first: object, second: object) => [
      { params: of('bf16'), ...first },
      { name: 'wide', params: of('f32'), ...second },
    ];
    for (const masterWeights of ['fp32', 'split16'] as const) {
      const refusal = (where: string) =>
        expect.objectContaining({
          code: 'ERR_ARGUMENT',
          message: `${where}: masterWeights must be none where no weight has 16 bits, got ${masterWeights}`,
        });
      expect(() => new Class(of('f32'), { masterWeights })).toThrow(refusal(name));
      expect(() => new Class(groups({}, { masterWeights }))).toThrow(refusal(`${name} group wide`));
      expect(() => new Class(groups({ masterWeights: 'none' }, {}), { masterWeights })).toThrow(refusal(name));
      const masters = (optimizer: AnyOptimizer) =>
        Object.keys(optimizer.part().tensors).filter((key) => key.endsWith('.master')).length;
      expect(masters(new Class([...of('f32'), ...of('bf16')], { masterWeights }))).toBe(1);
      expect(masters(new Class(groups({}, {}), { masterWeights }))).toBe(1);
      expect(masters(new Class(groups({ masterWeights }, { params: [] })))).toBe(1);
    }
  });

  it(
    'refuses split16 for f16 weights, and leaves nothing behind',
    alone(async (device) => {
      const weights = weightsOf(device, shapes, 'f16');
      const mixed = [tensor(device, [3, 3], 1, 1, 'bf16'), ...weights];
      const { live } = await settledMemory(device);
      expect(() => new Class(weights, { masterWeights: 'split16' })).toThrow(code('ERR_DTYPE'));
      expect(() => new Class(mixed, { masterWeights: 'split16', nonFinite: 'skip' })).toThrow(code('ERR_DTYPE'));
      await device.synchronize();
      expect(device.info.memory.live).toBe(live);
      for (const weight of mixed) weight.dispose();
    }),
  );
});
