// Devices: cpu, cuda
// Axes: products
import { afterAll, describe, expect, it, vi } from 'vitest';
import { AdamW, AuON, combine, Device, Muon, Optimizer, SGD, Tensor } from '../../lib/index.ts';
import { Guard } from '../../lib/optimizers/base/guard.ts';
import { sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { bits, gradsOf, numbers, stateBits, tensor, values, weightsOf } from './classes.ts';

const code = (name: string): object => expect.objectContaining({ name: 'OrthokitError', code: name });

describe.each(devices)('combine on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const shapes = [[4, 5], [5, 3], [6], [2, 2]];
  const make = (weights: Tensor[], options = {}) =>
    combine(
      [
        { optimizer: Muon, params: weights.slice(0, 2), lr: 0.02, weightDecay: 0.1 },
        { optimizer: AdamW, params: [{ name: 'bias', params: weights.slice(2, 3), lr: 0.01 }], betas: [0.8, 0.9] },
        { optimizer: AuON, params: weights.slice(3), lr: 0.05 },
      ],
      options,
    );
  type Combined = ReturnType<typeof make>;
  const state = async (optimizer: Combined): Promise<object[]> => Promise.all(optimizer.parts.map(stateBits));

  it('gives copies of a step back where a later part, or the look at gradients, throws', async () => {
    const fail = (): never => {
      throw new Error('no');
    };
    using one = tensor(device, [4, 6], 1);
    using two = tensor(device, [6, 4], 2);
    const split = { axis: 1, sizes: [2, 2] } as const;
    using optimizer = combine([
      { optimizer: Muon, params: [one], layout: 'in_out' },
      { optimizer: Muon, params: [two], split },
    ]);
    optimizer.step([one.copy(), two.copy()]);
    using first = tensor(device, [4, 6], 3);
    using second = tensor(device, [6, 4], 4);
    const later = optimizer.parts[1];
    const prepare = vi.spyOn(later, 'prepare').mockReturnValue({ begin: fail, run: fail, dispose: () => {} });
    const examine = vi.spyOn(Guard.prototype, 'examine');
    try {
      const { live } = await settledMemory(device);
      expect(() => optimizer.step([first, second])).toThrow('no');
      expect(device.info.memory.live).toBe(live);
      prepare.mockRestore();
      examine.mockImplementation(fail);
      for (const step of [() => optimizer.step([first, second]), () => later.step([second])]) {
        expect(step).toThrow('no');
        expect(device.info.memory.live).toBe(live);
      }
    } finally {
      prepare.mockRestore();
      examine.mockRestore();
    }
  });

  it('steps like its parts alone', async () => {
    const [a, b] = [weightsOf(device, shapes), weightsOf(device, shapes)];
    const optimizer = make(a);
    const muon = new Muon(b.slice(0, 2), { lr: 0.02, weightDecay: 0.1 });
    const adamw = new AdamW(b.slice(2, 3), { lr: 0.01, betas: [0.8, 0.9] });
    const auon = new AuON(b.slice(3), { lr: 0.05 });
    expect(optimizer.groups.map((group) => group.name)).toEqual(['0', 'bias', '0']);
    expect(optimizer.groups.map((group) => group.lr)).toEqual([0.02, 0.01, 0.05]);
    expect(optimizer.device).toBe(device);
    for (let at = 0; at < 4; ++at) {
      if (at === 2) optimizer.groups[1].lr = adamw.groups[0]!.lr = 0.3;
      if (at === 3) optimizer.groups[0].momentum = muon.groups[0]!.momentum = 0.8;
      const grads = gradsOf(device, shapes, at).map((g, i) => (at === 1 && i === 1 ? null : g));
      const before = await bits(grads.filter((g) => g !== null));
      expect(optimizer.step(grads)).toBe(undefined);
      muon.step(grads.slice(0, 2));
      adamw.step(grads.slice(2, 3));
      auon.step(grads.slice(3));
      expect(await bits(grads.filter((g) => g !== null))).toEqual(before);
    }
    expect(await bits(a)).toEqual(await bits(b));
    expect(optimizer.stateBytes).toBe(muon.stateBytes + adamw.stateBytes + auon.stateBytes);
    const { parts } = await optimizer.report();
    expect(parts).toEqual([await muon.report(), await adamw.report(), await auon.report()]);
  });

  it('reports over all parts, missing gradients left out', async () => {
    const weights = weightsOf(device, shapes, 'f64');
    const optimizer = combine([
      { optimizer: Muon, params: weights.slice(0, 2) },
      { optimizer: AdamW, params: weights.slice(2, 3), weightDecay: 0 },
      { optimizer: AuON, params: weights.slice(3) },
    ]);
    expect(await optimizer.report()).toMatchObject({ step: 0, gradNorm: 0, updateRms: 0, nonFinite: 0, skipped: 0 });
    for (const missing of [-1, 0, 2]) {
      const before = await Promise.all(weights.map(numbers));
      optimizer.step(gradsOf(device, shapes, 3).map((g, i) => (i === missing ? null : g)));
      let [squares, moved, elements] = [0, 0, 0];
      for (const [i, weight] of weights.entries()) {
        if (i === missing) continue;
        for (const x of values(sizeOf(weight.shape), 30 + i)) squares += x * x;
        for (const [k, x] of (await numbers(weight)).entries()) moved += (x - (before[i]?.[k] ?? 0)) ** 2;
        elements += weight.size;
      }
      const report = await optimizer.report();
      expect(report.gradNorm).toBeCloseTo(Math.sqrt(squares), 9);
      expect(report.updateRms / Math.sqrt(moved / elements)).toBeCloseTo(1, 9);
      expect(report.brake).toBe(report.parts[2]?.brake);
      expect(report.brake).toBeGreaterThan(0);
    }
  });

  it('skips a step of all parts for a gradient of one', async () => {
    const [a, b] = [weightsOf(device, shapes), weightsOf(device, shapes)];
    const [one, two] = [make(a, { nonFinite: 'skip' }), make(b, { nonFinite: 'skip' })];
    for (const optimizer of [one, two]) optimizer.step(gradsOf(device, shapes, 1));
    const before = [await bits(a), await state(one)];
    const bad = gradsOf(device, shapes, 2).map((g, i) => (i === 2 ? tensor(device, [6], 1, Infinity) : g));
    one.step(bad);
    expect([await bits(a), await state(one)]).toEqual(before);
    const report = await one.report();
    const held = { step: 2, nonFinite: 1, skipped: 1, updateRms: 0, gradNorm: Number.NaN };
    expect(report).toMatchObject(held);
    for (const part of report.parts) expect(part).toMatchObject(held);
    for (const optimizer of [one, two]) optimizer.step(gradsOf(device, shapes, 3));
    expect(await bits(a)).toEqual(await bits(b));
    expect(await one.report()).toMatchObject({ step: 3, nonFinite: 0, skipped: 1 });
  });

  it('throws for a gradient of one part, with nothing changed in any', async () => {
    const weights = weightsOf(device, shapes);
    const optimizer = make(weights, { nonFinite: 'throw' });
    optimizer.step(gradsOf(device, shapes, 1));
    const before = [await bits(weights), await state(optimizer)];
    optimizer.step(gradsOf(device, shapes, 2).map((g, i) => (i === 3 ? tensor(device, [2, 2], 1, Infinity) : g)));
    await expect(device.synchronize()).rejects.toThrow(code('ERR_ARGUMENT'));
    expect([await bits(weights), await state(optimizer)]).toEqual(before);
  });

  it('propagates by default, and counts', async () => {
    const weights = weightsOf(device, shapes);
    const optimizer = make(weights);
    optimizer.step(gradsOf(device, shapes, 2).map((g, i) => (i > 1 ? tensor(device, g.shape, 1, Infinity) : g)));
    expect(await optimizer.report()).toMatchObject({ nonFinite: 2, skipped: 0 });
  });

  it('checks all parts before the first is stepped', async () => {
    const weights = weightsOf(device, shapes);
    const optimizer = make(weights);
    optimizer.step(gradsOf(device, shapes, 1));
    const before = [await bits(weights), await state(optimizer)];
    const good = gradsOf(device, shapes, 2);
    const momenta = optimizer.parts[0]!.part().tensors['0.0.momenta'] as Tensor;
    for (const [at, grad, expected] of [
      [3, tensor(device, [4], 1), 'ERR_SHAPE'],
      [3, undefined, 'ERR_ARGUMENT'],
      [3, weights[3], 'ERR_ARGUMENT'],
      // Bytes of another part.
      [3, (weights[2] as Tensor).reshape([6]), 'ERR_SHAPE'],
      [0, momenta, 'ERR_ARGUMENT'],
    ] as [number, Tensor, string][])
      expect(() => optimizer.step(good.with(at, grad)), expected).toThrow(code(expected));
    for (const list of [good.slice(1), [...good, null], null, {}])
      expect(() => optimizer.step(list as never)).toThrow(code('ERR_ARGUMENT'));
    optimizer.groups[2]!.lr = Number.NaN;
    expect(() => optimizer.step(good)).toThrow(code('ERR_ARGUMENT'));
    optimizer.groups[2]!.lr = 0.05;
    expect([await bits(weights), await state(optimizer)]).toEqual(before);
  });

  it('refuses the bytes of another part as a gradient', async () => {
    const [x, y] = [tensor(device, [3, 4], 1), tensor(device, [3, 4], 2)];
    const optimizer = combine([
      { optimizer: Muon, params: [x] },
      { optimizer: AdamW, params: [y] },
    ]);
    const before = await bits([x, y]);
    const grad = tensor(device, [3, 4], 3);
    for (const grads of [
      [y, grad],
      [grad, x],
      [grad, x.reshape([12]).reshape([3, 4])],
    ])
      expect(() => optimizer.step(grads)).toThrow(code('ERR_ARGUMENT'));
    expect(await bits([x, y])).toEqual(before);
  });

  it('refuses what it cannot combine, and leaves nothing behind', async () => {
    const own = Device.open(kind);
    const other = Device.open(kind);
    const w = tensor(own, [3, 4], 1);
    const elsewhere = tensor(other, [3], 1);
    await own.synchronize();
    const { live } = await settledMemory(own);
    const good = { optimizer: Muon, params: [w] };
    const vector = { optimizer: SGD, params: [elsewhere] };
    for (const parts of [
      [],
      null,
      good,
      [null],
      [5],
      [{ params: [w] }],
      [{ optimizer: 'Muon', params: [w] }],
      [{ optimizer: Optimizer, params: [w] }],
      [{ optimizer: Tensor, params: [w] }],
      [{ optimizer: Muon }],
      [good, { optimizer: AdamW, params: [w] }],
      [{ ...good, nonFinite: 'skip' }],
      [{ ...good, learningRate: 1 }],
      [{ ...good, lr: -1 }],
    ])
      expect(() => combine(parts as never), JSON.stringify(parts)).toThrow(code('ERR_ARGUMENT'));
    expect(() => combine([good, vector] as never)).toThrow(code('ERR_DEVICE'));
    for (const options of [null, 5, { lr: 1 }, { nonFinite: 'ignore' }])
      expect(() => combine([good], options as never)).toThrow(code('ERR_ARGUMENT'));
    await own.synchronize();
    expect(own.info.memory.live).toBe(live);
    await Promise.all([own.close(), other.close()]);
  });

  it('makes no tensor in a step, and gives its memory back', async () => {
    const own = Device.open(kind);
    const weights = weightsOf(own, shapes);
    const grads = gradsOf(own, shapes, 1);
    const missing = grads.with(1, null as never);
    await own.synchronize();
    const { live: before } = await settledMemory(own);
    const optimizer = make(weights, { nonFinite: 'skip' });
    for (const list of [grads, missing]) optimizer.step(list);
    await own.synchronize();
    const { live } = await settledMemory(own);
    for (let i = 0; i < 50; ++i) optimizer.step(i % 3 === 0 ? missing : grads);
    expect(own.info.memory.live).toBe(live);
    await own.synchronize();
    expect(own.info.memory.live).toBe(live);
    const now = await bits(weights);
    optimizer.dispose();
    optimizer[Symbol.dispose]();
    await own.synchronize();
    expect(own.info.memory.live).toBe(before);
    expect(await bits(weights)).toEqual(now);
    expect(() => optimizer.step(grads)).toThrow(code('ERR_DISPOSED'));
    await expect(optimizer.report()).rejects.toThrow(code('ERR_DISPOSED'));
    await expect(optimizer.save('x')).rejects.toThrow(code('ERR_DISPOSED'));
    for (const t of [...weights, ...grads]) t.dispose();
    await own.close();
  });
});
