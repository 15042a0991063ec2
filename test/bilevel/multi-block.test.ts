// Devices: cpu, cuda
// Values: the optimum of twelve problems in closed form, and how near steps come to it (NumPy); steps against the same rule
// in plain numbers.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { BlockSchedule } from '../../lib/bilevel/block-schedule.ts';
import { wrongBlockState } from '../../lib/bilevel/block-state.ts';
import { type BlockOracles, MultiBlockBilevel, type MultiBlockBilevelOptions } from '../../lib/bilevel/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { blocksOf, count, couplings, dim, hessians, offsets, optimum, solved, targets, times, timesTransposed, upperAt } from './blocks.ts'; // biome-ignore format: one line

const read = async (x: Tensor) => [...(await x.read())].map(Number);
const rates = { alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1, seed: 1 };
const slopeOf = async ({ x }: BlockOracles) => Math.hypot(...upperAt(await read(x)).gradient);
const make = (blocks: BlockOracles, options: Partial<MultiBlockBilevelOptions> = {}) =>
  new MultiBlockBilevel(blocks, { variant: 'v2', blocksPerStep: 4, ...rates, ...options });

/** The rule in plain numbers, without noise. */
function plain(
  variant: 'v1' | 'v2',
  perStep: number,
  bound: number,
  steps: number,
  change: Partial<typeof rates> = {},
) {
  const { alpha, beta, lr, lowerLr, seed } = { ...rates, ...change };
  const gamma = (perStep < count ? (count - perStep) / (perStep * (1 - alpha)) : 0) + 1 - alpha;
  const schedule = new BlockSchedule(count, perStep, seed);
  const zeros = () => Array.from({ length: count }, () => [0, 0, 0]);
  const sum = (a: number, x: readonly number[], b: number, y: readonly number[]) =>
    x.map((value, i) => a * value + b * y[i]!);
  let [x, xBefore, z] = [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
    [0, 0, 0, 0],
  ];
  let [y, yBefore] = [zeros(), zeros()];
  const [v, s, u] = [zeros(), zeros(), zeros()];
  let vBefore = zeros();
  const seen = new Set<number>();
  for (let step = 0; step < steps; ++step) {
    const ids = [...schedule.at(step)];
    const g = [[0, 0, 0, 0], [0, 0, 0, 0]]; // biome-ignore format: one line
    const vNow = v.map((row) => [...row]);
    for (const i of ids) {
      const [A, B] = [hessians[i]!, couplings[i]!];
      const tracked = (old: number[], now: number[], before: number[]) =>
        seen.has(i) ? old.map((one, k) => (1 - alpha) * one + alpha * now[k]! + gamma * (now[k]! - before[k]!)) : now;
      const lower = (at: number[], of: number[]) => sum(1, sum(1, times(A, of), -1, times(B, at)), -1, offsets[i]!);
      const upper = (of: number[]) => sum(1, of, -1, targets[i]!);
      s[i] = tracked(s[i]!, lower(x, y[i]!), lower(xBefore, yBefore[i]!));
      for (const [k, [at, of, w]] of (
        [
          [x, y[i]!, v[i]!],
          [xBefore, yBefore[i]!, vBefore[i]!],
        ] as const
      ).entries()) {
        // biome-ignore format: one line
        const r = variant === 'v1' ? solved(A, upper(of)) : w;
        g[k] = sum(1, g[k]!, 1 / perStep, sum(0.1, at, 1, timesTransposed(B, r)));
      }
      if (variant === 'v2') {
        const residual = (of: number[], w: number[]) => sum(1, times(A, w), -1, upper(of));
        u[i] = tracked(u[i]!, residual(y[i]!, v[i]!), residual(yBefore[i]!, vBefore[i]!));
        const next = sum(1, v[i]!, -lowerLr, u[i]!);
        const size = Math.hypot(...next);
        v[i] = size > bound ? next.map((one) => (one * bound) / size) : next;
      }
      seen.add(i);
    }
    z = step === 0 ? g[0]! : sum(1, sum(1 - beta, z, -(1 - beta), g[1]!), 1, g[0]!);
    [vBefore, yBefore, xBefore] = [vNow, y, x];
    y = y.map((row, i) => sum(1, row, -lowerLr, s[i]!));
    x = sum(1, x, -lr, z);
  }
  return { x, y };
}
const near = (found: readonly number[], expected: readonly number[], digits: number) => {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, digits);
};

describe.each(devices)('MultiBlockBilevel on %s', (kind) => {
  const device = Device.open(kind);
  const folder = new Folder();
  afterAll(() => device.close());

  it('takes the steps of the rule in plain numbers, lazily or not', async () => {
    const steps = kind === 'cpu' ? 40 : 4;
    const cases = [
      ['v1', 4, Infinity, 'f64'],
      ['v2', 5, Infinity, 'f64'],
      ['v2', 12, 0.3, 'f64'],
      ['v1', 5, Infinity, 'f32'],
      ['v2', 4, 0.3, 'f32'],
    ] as const;
    for (const [variant, perStep, bound, dtype] of kind === 'cpu' ? cases : cases.slice(3)) {
      const expected = plain(variant, perStep, bound, steps);
      const digits = dtype === 'f64' ? 10 : 3;
      for (const updates of ['lazy', 'all'] as const) {
        const blocks = blocksOf(device, dtype);
        const vBound = bound < Infinity ? bound : undefined;
        const method = make(blocks, { variant, blocksPerStep: perStep, updates, vBound });
        for (let t = 0; t < steps; ++t) {
          const { sampled } = await method.step();
          expect(new Set(sampled).size).toBe(perStep);
        }
        near(await read(blocks.x), expected.x, digits);
        const present = await method.presentY();
        near(await read(present), expected.y.flat(), digits);
        if (updates === 'all') near(await read(blocks.y), expected.y.flat(), digits);
        else if (perStep < count) expect(await read(blocks.y)).not.toEqual(await read(present));
        present.dispose();
        method.dispose();
      }
    }
  });

  it('with all blocks and α = β = 1 it descends along gradients, and γ is that of STORM', async () => {
    for (const variant of ['v1', 'v2'] as const) {
      const blocks = blocksOf(device);
      const method = make(blocks, { variant, blocksPerStep: 12, alpha: 1, beta: 1, updates: 'all' });
      expect(method.gamma).toBe(0);
      // y, x and the hypergradient at the present point, no trackers.
      let [x, y] = [[1, 1, 1, 1], hessians.map(() => [0, 0, 0])];
      let v = y;
      for (let t = 0; t < (kind === 'cpu' ? 5 : 2); ++t) {
        await method.step();
        const upper = y.map((row, i) => row.map((value, k) => value - targets[i]![k]!));
        const r = variant === 'v1' ? upper.map((row, i) => solved(hessians[i]!, row)) : v;
        const back = r.map((row, i) => timesTransposed(couplings[i]!, row));
        v = v.map((row, i) => times(hessians[i]!, row).map((value, k) => row[k]! - 0.1 * (value - upper[i]![k]!)));
        y = y.map((row, i) => times(hessians[i]!, row).map((value, k) => row[k]! - 0.1 * (value - times(couplings[i]!, x)[k]! - offsets[i]![k]!))); // biome-ignore format: one line
        x = x.map((value, j) => value - 0.02 * (0.1 * value + back.reduce((sum, row) => sum + row[j]! / 12, 0)));
        near(await read(blocks.x), x, 12);
        near(await read(blocks.y), y.flat(), 12);
      }
    }
    expect(make(blocksOf(device), { blocksPerStep: 12, alpha: 0.1 }).gamma).toBeCloseTo(0.9, 15);
    expect(make(blocksOf(device)).gamma).toBeCloseTo(4.5, 15);
    expect(make(blocksOf(device), { blocksPerStep: 2 }).gamma).toBeCloseTo(10.5, 15);
  });

  it('goes on from a file bit for bit, at any step', async () => {
    for (const [variant, updates] of [['v1', 'lazy'], ['v2', 'lazy'], ['v2', 'all']] as const) // biome-ignore format: one line
      for (const at of kind === 'cpu' ? [0, 1, 4] : [1]) {
        if (kind !== 'cpu' && updates === 'all') continue;
        const run = async (blocks: BlockOracles, method: MultiBlockBilevel, steps: number) => {
          for (let t = 0; t < steps; ++t) await method.step();
          const present = await method.presentY();
          return [await read(blocks.x), await read(blocks.y), await read(present)];
        };
        const options = { variant, updates, blocksPerStep: 5 } as const;
        const [blocks, other] = [blocksOf(device, 'f64', 0.1), blocksOf(device, 'f64', 0.1)];
        const method = make(blocks, options);
        await run(blocks, method, at);
        const file = folder.file(`${variant}-${updates}-${at}`);
        method.lr = 0.03;
        await method.save(file);
        other.x.write(await blocks.x.read());
        other.y.write(await blocks.y.read());
        const again = make(other, options);
        await again.load(file);
        expect(again.lr).toBe(0.03);
        const more = kind === 'cpu' ? 4 : 2;
        expect(await run(other, again, more)).toEqual(await run(blocks, method, more));
        const differs = make(blocksOf(device), { ...options, seed: 2 });
        await expect(differs.load(file)).rejects.toMatchObject({ code: 'ERR_STATE' });
      }
  });

  it('refuses a file of a state that no steps lead to, and goes on as before', async () => {
    const options = { variant: 'v2', blocksPerStep: 5 } as const;
    using method = make(blocksOf(device), options);
    for (let t = 0; t < 2; ++t) await method.step();
    const file = folder.file('good');
    await method.save(file);
    const good = readFileSync(file);
    const header = 8 + Number(good.readBigUInt64LE(0));
    /** The file with another first element of a tensor, or with another number. */
    const changed = (name: string, value: number): string => {
      const bytes = Buffer.from(good);
      const text = bytes.toString('utf8', 8, header);
      if (name === 'steps') {
        const next = text.replace('\\"steps\\":2', `\\"steps\\":${value}`);
        writeFileSync(folder.file('bad'), fileBytes(next, bytes.subarray(header)));
      } else {
        bytes.writeDoubleLE(value, header + JSON.parse(text)[name].data_offsets[0]);
        writeFileSync(folder.file('bad'), bytes);
      }
      return folder.file('bad');
    };
    for (const [name, value, words] of [
      ['last', 2, "state 'last' must have whole numbers from -1 to 1, got 2"],
      ['last', -2, "state 'last' must have whole numbers from -1 to 1, got -2"],
      ['last', 0.5, "state 'last' must have whole numbers from -1 to 1, got 0.5"],
      ['last', Number.NaN, "state 'last' must be finite"],
      ['z', Number.POSITIVE_INFINITY, "state 'z' must be finite"],
      ['gradient', Number.NaN, "state 'gradient' must be finite"],
      ['steps', 1, "state 'last' must have whole numbers from -1 to 0, got 1"],
      ['steps', 3, "state 'last' must have a block of step 2, got none after 1"],
      ['steps', 2 ** 52, 'number steps must be at most 281474976710656, got 4503599627370496'],
    ] as const)
      await expect(method.load(changed(name, value))).rejects.toMatchObject({
        code: 'ERR_STATE',
        message: `MultiBlockBilevel.load: ${words}`,
      });
    await method.load(file);
    await method.step();
  });

  it('names the function and the step that fail, and moves nothing', async () => {
    for (const variant of kind === 'cpu' ? (['v1', 'v2'] as const) : (['v2'] as const)) {
      const curvature = variant === 'v1' ? 'lowerHessian' : 'lowerHessianYY';
      const names = ['lowerGradientY', 'upperGradientY', 'upperGradientX', curvature, 'lowerJacobianXY'] as const;
      const exact = blocksOf(device);
      let bad: Partial<BlockOracles> = {};
      const blocks: BlockOracles = new Proxy(exact, {
        get: (target, name) => (bad as never)[name] ?? target[name as never],
      });
      const method = make(blocks, { variant });
      const state = async () => {
        const present = await method.presentY();
        return [await read(exact.x), await read(present)];
      };
      let step = 0;
      for (const name of names) {
        await method.step();
        step += 1;
        const before = await state();
        bad = { [name]: () => { throw new Error('boom'); } }; // biome-ignore format: one line
        await expect(method.step()).rejects.toThrow(`MultiBlockBilevel.step: blocks.${name} of step ${step + 1} has failed: boom`); // biome-ignore format: one line
        // NaN at the point before alone.
        let calls = 0;
        bad = {
          [name]: async (...args: unknown[]) => {
            await (exact[name] as (...args: unknown[]) => unknown)(...args);
            calls += 1;
            const out = args.at(-2) as Tensor;
            if (calls === 2) ops.fill(device, { x: [out], value: Number.NaN });
          },
        };
        await method.step();
        // A step that follows is held back, too, until somebody hears of it.
        await method.save(folder.file('never')).then(
          () => expect.unreachable(),
          (error: Error) => expect(error.message).toBe(`MultiBlockBilevel.save: blocks.${name} must give finite numbers, got others in step ${step + 1}`), // biome-ignore format: one line
        );
        bad = {};
        expect(await state()).toEqual(before);
      }
      // As if nothing had been.
      const same = blocksOf(device);
      const other = make(same, { variant });
      for (let t = 0; t < step; ++t) await other.step();
      expect(await read(same.x)).toEqual(await read(exact.x));
    }
  });

  it('disposed of during a call, it leaves x and y as they were', async () => {
    const exact = blocksOf(device);
    let method: MultiBlockBilevel | undefined;
    method = make({ ...exact, lowerJacobianXY: () => method!.dispose() });
    await expect(method.step()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(await read(exact.x)).toEqual([1, 1, 1, 1]);
    expect(method.stateBytes).toBe(0);
    await expect(method.step()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('an eigenvalue of a Hessian counts as the floor at least', async () => {
    const exact = blocksOf(device);
    const singular: BlockOracles = {
      ...exact,
      lowerHessian: (_ids, _x, _y, out) => ops.fill(device, { x: [out], value: 0 }),
    };
    const method = make(singular, { variant: 'v1', hessianFloor: 0.5, beta: 1, blocksPerStep: 12 });
    await method.step();
    // r = (∇_y f) / 0.5.
    const back = targets.map((target, i) => timesTransposed(couplings[i]!, target.map((value) => -2 * value))); // biome-ignore format: one line
    near(await read(exact.x), [0, 1, 2, 3].map((j) => 1 - 0.02 * (0.1 + back.reduce((sum, row) => sum + row[j]! / 12, 0))), 12); // biome-ignore format: one line
  });

  it('refuses problems and options', () => {
    const exact = blocksOf(device);
    const code = (change: object, options: object = {}) => {
      try {
        make({ ...exact, ...change }, options).dispose();
        return 'done';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code({})).toBe('done');
    expect(code({ upperGradientX: undefined })).toBe('done');
    expect(code({ lowerHessianYY: undefined })).toBe('ERR_UNSUPPORTED');
    expect(code({ lowerHessian: undefined }, { variant: 'v1' })).toBe('ERR_UNSUPPORTED');
    for (const change of [{ count: 0 }, { dim: 1.5 }, { lowerGradientY: 1 }, { upperGradientX: 1 }, { x: exact.y }])
      expect(code(change)).toBe('ERR_ARGUMENT');
    expect(code({ count: 11 })).toBe('ERR_SHAPE');
    expect(code({ y: Tensor.zeros(device, [12, 3]) })).toBe('ERR_DTYPE');
    for (const options of [{ variant: 'v3' }, { blocksPerStep: 0 }, { blocksPerStep: 13 }, { alpha: 0 }, { alpha: 1 }, { alpha: 1.1 }, { beta: 0 }, { gamma: -1 }, { gamma: 'storm' }, { lr: 0 }, { lowerLr: -1 }, { vLr: 0 }, { vBound: 0 }, { hessianFloor: 1 }, { variant: 'v1', vBound: 1 }, { variant: 'v1', hessianFloor: 0 }, { updates: 'some' }, { lipschitz: 0 }, { seed: -1 }, { seed: undefined }]) // biome-ignore format: one line
      expect(code({}, options)).toBe('ERR_ARGUMENT');
    expect(code({}, { alpha: 1, gamma: 1 })).toBe('done');
  });
});

describe.each(onlyCpu)('the way of MultiBlockBilevel on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const run = async (blocks: BlockOracles, options: Partial<MultiBlockBilevelOptions>, steps: number) => {
    const method = make(blocks, options);
    for (let t = 0; t < steps; ++t) await method.step();
    return slopeOf(blocks);
  };

  it('the optimum is the one that the problem is known for', () => {
    const start = upperAt([1, 1, 1, 1]);
    expect(start.value).toBeCloseTo(3.6973, 4);
    expect(Math.hypot(...start.gradient)).toBeCloseTo(2.494, 3);
    const end = upperAt(optimum.x);
    expect(end.value).toBeCloseTo(optimum.value, 13);
    expect(Math.hypot(...end.gradient)).toBeLessThan(1e-7);
  });

  it('comes as near as the table says', async () => {
    expect(await run(blocksOf(device), { variant: 'v1', blocksPerStep: 12 }, 200)).toBeCloseTo(0.0397, 3);
    expect(await run(blocksOf(device), { variant: 'v2', blocksPerStep: 12 }, 1000)).toBeCloseTo(7.94e-3, 4);
    for (const variant of ['v1', 'v2'] as const)
      expect(await run(blocksOf(device, 'f64', variant === 'v2' ? 0.1 : 0), { variant }, 600)).toBeLessThan(0.05);
    expect(await run(blocksOf(device, 'f32', 0.1), { variant: 'v2' }, 300)).toBeLessThan(0.1);
  });

  it("the authors' γ, without 1 − α, is a running mean that runs away where ours does not", async () => {
    const options = { blocksPerStep: 12, alpha: 0.1, beta: 0.1, lr: 0.05 } as const;
    expect(await run(blocksOf(device, 'f64', 0.5), options, 300)).toBeLessThan(0.1);
    expect(await run(blocksOf(device, 'f64', 0.5), { ...options, gamma: 0 }, 300)).toBeGreaterThan(0.5);
  });

  it("the authors' Hessian, of the wrong sign, and their product, one element for all, lead elsewhere", async () => {
    const exact = blocksOf(device);
    const turned: BlockOracles = {
      ...blocksOf(device),
      lowerHessian: async (ids, x, y, out, sample) => {
        await exact.lowerHessian(ids, x, y, out, sample);
        ops.linearCombination(device, { out: [out], terms: [out], coefficients: [-1] });
      },
    };
    // All eigenvalues of −A are below the floor.
    expect(await run(turned, { variant: 'v1', blocksPerStep: 12 }, 10)).toBeGreaterThan(10);
    const first: BlockOracles = {
      ...blocksOf(device),
      lowerHessianYY: async (ids, x, y, v, out, sample) => {
        await exact.lowerHessianYY(ids, x, y, v, out, sample);
        using columns = out.reshape([ids.length, dim]);
        const rows = await read(columns);
        out.write(Float64Array.from(rows, (_, i) => rows[i - (i % dim)]!));
      },
    };
    expect(await run(first, { blocksPerStep: 12 }, 300)).toBeGreaterThan(0.1);
    expect(await run(blocksOf(device), { blocksPerStep: 12 }, 300)).toBeLessThan(0.04);
  });

  it('warns of a lower rate that the constant does not allow', async () => {
    const warned = new Promise<Error & { code?: string }>((resolve) => {
      process.once('warning', resolve);
    });
    make(blocksOf(device), { lipschitz: 2 }).dispose();
    expect(await warned).toMatchObject({ code: 'ORTHOKIT_MULTI_BLOCK_RATE' });
  });

  it('each epoch takes each block at most once, and none is forgotten', () => {
    for (const [m, perStep] of [
      [12, 4],
      [12, 5],
      [7, 7],
      [1, 1],
      [100_000, 64],
    ] as const) {
      // biome-ignore format: one line
      const schedule = new BlockSchedule(m, perStep, 3);
      const epoch = Math.floor(m / perStep);
      const taken = Array.from({ length: epoch }, (_, t) => [...schedule.at(t)]).flat();
      expect(new Set(taken).size).toBe(epoch * perStep);
      expect(taken.filter((block) => !(block >= 0 && block < m))).toEqual([]);
      expect(schedule.at(0)).toEqual(Int32Array.from(taken.slice(0, perStep)));
    }
    const places = new BlockSchedule(4, 3, 1).placesBefore(1);
    const [first, second] = [new BlockSchedule(4, 3, 1).at(0), new BlockSchedule(4, 3, 1).at(1)];
    for (const [i, id] of second.entries()) expect(places[i]).toBe(first.indexOf(id));
  });

  it('a state of many numbers is looked at in turns', () => {
    const turnsOf = (data: Record<string, Float64Array>, steps: number) => {
      const work = wrongBlockState(new Map(Object.entries(data)), steps);
      for (let turns = 0; ; ++turns) {
        const { done, value } = work.next();
        if (done) return [turns, value];
      }
    };
    const size = 2 ** 20;
    const last = new Float64Array(size).fill(-1);
    last[size - 1] = 4;
    const z = new Float64Array(size);
    // In pieces of at most 65,536, twice for `last`.
    expect(turnsOf({ last, z }, 5)).toEqual([48, undefined]);
    expect(turnsOf({ last, z }, 4)).toEqual([47, "state 'last' must have whole numbers from -1 to 3, got 4"]);
    z[size - 1] = Number.NaN;
    expect(turnsOf({ last, z }, 5)).toEqual([31, "state 'z' must be finite"]);
  });

  it('a lazy step writes no more of a table than the rows that it takes', async () => {
    const many = 100_000;
    const x = Tensor.zeros(device, [4], { dtype: 'f64' });
    const y = Tensor.full(device, [many, dim], 1, { dtype: 'f64' });
    const sizes: number[] = [];
    const keep = (out: Tensor, value: number) => {
      sizes.push(out.size);
      ops.fill(device, { x: [out], value });
    };
    const blocks: BlockOracles = {
      count: many,
      dim,
      x,
      y,
      lowerGradientY: (_ids, _x, _y, out) => keep(out, 1),
      upperGradientY: (_ids, _x, _y, out) => keep(out, 1),
      lowerHessianYY: (_ids, _x, _y, _v, out) => keep(out, 1),
      lowerJacobianXY: (_ids, _x, _y, _v, out) => keep(out, 1),
    };
    const method = make(blocks, { blocksPerStep: 8 });
    const taken = new Set<number>();
    const { live } = await settledMemory(device);
    for (let t = 0; t < 3; ++t) for (const id of (await method.step()).sampled) taken.add(id);
    await device.synchronize();
    expect(device.info.memory.live - live).toBeLessThan(1e5);
    expect(Math.max(...sizes)).toBe(24);
    // Each block was taken once, and stays where it was until the next time.
    expect((await y.read()).every((value) => value === 1)).toBe(true);
    const present = await method.presentY();
    const rows = await present.read();
    for (let i = 0; i < many; i += 1) if (rows[dim * i] !== 1) expect(taken.has(i)).toBe(true);
    expect(taken.size).toBe(24);
  });
});
