// Devices: cpu, cuda
// Axes: node
// State of every optimizer: its memory, the size of its state, its report.
import { expect, it } from 'vitest';
import { sizeOf } from '../support/data.ts';
import { settledMemory } from '../support/settled.ts';
import { bits, fullState, numbers, stateOf, stateSettings, tensor, values, weightsOf } from './classes.ts';
import { code, eachClass } from './each-class.ts';

eachClass('R10: ', ['R10'], ({ device, alone, name, Class, shapes, start, grads }) => {
  it(
    'makes no tensor in a step',
    alone(async (device) => {
      for (const nonFinite of ['propagate', 'skip', 'throw'] as const) {
        const weights = start(device);
        const optimizer = new Class(weights, { missingGrad: 'skip', nonFinite });
        const given = grads(1, 1, device);
        const missing = given.map((g, i) => (i === 1 ? null : g));
        for (let i = 0; i < 2; ++i) for (const list of [given, missing]) optimizer.step(list);
        await device.synchronize();
        const { live, bytes } = await settledMemory(device);
        for (let i = 0; i < 12; ++i) optimizer.step(i % 3 === 0 ? missing : given);
        expect(device.info.memory.live).toBe(live);
        await device.synchronize();
        expect(device.info.memory).toMatchObject({ live, bytes });
        optimizer.dispose();
        for (const t of [...weights, ...given]) t.dispose();
      }
    }),
  );

  it(
    'gives its memory back and leaves the parameters',
    alone(async (device) => {
      const weights = start(device);
      const given = grads(1, 1, device);
      const { live, bytes } = await settledMemory(device);
      const optimizer = new Class(weights, { nonFinite: 'skip', missingGrad: 'zero' });
      expect(device.info.memory.bytes).toBeGreaterThanOrEqual(bytes + optimizer.stateBytes);
      optimizer.step(given.map((g, i) => (i === 0 ? null : g)));
      await optimizer.report();
      const before = await bits(weights);
      optimizer.dispose();
      optimizer[Symbol.dispose]();
      expect(await bits(weights)).toEqual(before);
      await device.synchronize();
      expect(device.info.memory).toMatchObject({ live, bytes });
      expect(() => optimizer.step(given)).toThrow(code('ERR_DISPOSED'));
      await expect(optimizer.report()).rejects.toThrow(code('ERR_DISPOSED'));
      await expect(optimizer.save('/nowhere/x')).rejects.toThrow(code('ERR_DISPOSED'));
      await expect(optimizer.load('/nowhere/x')).rejects.toThrow(code('ERR_DISPOSED'));
    }),
  );

  it('reports what float64 says', async () => {
    const weights = weightsOf(device, shapes, 'f64');
    const last = weights.length - 1;
    const optimizer = new Class([{ params: weights.slice(0, last) }, { params: weights.slice(last) }], {
      weightDecay: 0,
      lr: 0.02,
    });
    expect(await optimizer.report()).toMatchObject({ step: 0, gradNorm: 0, updateRms: 0, nonFinite: 0, skipped: 0 });
    optimizer.step(grads(1));
    const before = await Promise.all(weights.map(numbers));
    const given = grads(2).map((g, i) => (i === 1 ? null : g));
    optimizer.step(given);
    const report = await optimizer.report();
    let [squares, moved, elements] = [0, 0, 0];
    for (const [i, weight] of weights.entries()) {
      const after = await numbers(weight);
      if (given[i] === null) continue;
      for (const x of values(sizeOf(weight.shape), 20 + i)) squares += x * x;
      for (const [k, x] of after.entries()) moved += (x - (before[i]?.[k] ?? 0)) ** 2;
      elements += after.length;
    }
    expect(report.step).toBe(2);
    expect(report.gradNorm).toBeCloseTo(Math.sqrt(squares), 9);
    expect(report.updateRms / Math.sqrt(moved / elements)).toBeCloseTo(1, 9);
    expect(report).toMatchObject({ nonFinite: 0, skipped: 0 });
  });

  it('counts the bytes of its state', () => {
    const optimizer = new Class(start(), { nonFinite: 'skip' });
    const own = Object.values(optimizer.part().tensors).reduce((sum, t) => sum + t.byteLength, 0);
    expect(optimizer.stateBytes).toBe(own);
  });

  it.each(stateSettings)('has the state that its table says, %s', (_setting, options, dtype) => {
    const given: { masterWeights?: string; stateDtype?: 'f64' | 'f32' | 'f16' | 'bf16' } = options;
    const { moments, rows = 0, bytes } = stateOf[name]!;
    const width = { f64: 8, f32: 4, f16: 2, bf16: 2 }[given.stateDtype ?? 'f32'];
    const master = given.masterWeights ? (given.masterWeights === 'fp32' ? 4 : 2) : 0;
    const elements = sizeOf([5, 7]);
    const make = (more: object) => new Class([tensor(device, [5, 7], 1, 1, dtype)], { ...options, ...more });
    expect(make(fullState[name] ?? {}).stateBytes).toBe(
      elements * (moments * width + master) + 5 * rows * width + bytes,
    );
    // Without the options that it needs, a class keeps masters alone.
    if (name in fullState) expect(make({}).stateBytes).toBe(elements * master);
  });
});
