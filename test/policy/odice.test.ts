// Devices: cpu, cuda
// Values: the coefficient and the combination of two small vectors, worked out by hand; steps against the same rule in
// plain numbers; on a grid world, exact values of the policies that are learned.
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import {
  linearValue,
  type OdiceBatch,
  OdiceValueLearner,
  type OdiceValueLearnerOptions,
  projectOut,
} from '../../lib/policy/index.ts';
import { normal, uniform } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

type Dtype = 'f32' | 'f64';
const numbers = (x: ArrayLike<number>, dtype: Dtype) => (dtype === 'f64' ? Float64Array.from(x) : Float32Array.from(x));
const read = async (x: Tensor) => [...(await x.read())].map(Number);
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (x: ArrayLike<number>, dtype: Dtype = 'f64', shape = [x.length]) =>
    Tensor.from(device, numbers(x, dtype), shape);

  it('projectOut takes the component along another vector away, however they are split', async () => {
    const [f, b] = [[1, 2, -1, 0.5], [-2, 0.5, 3, 1]]; // biome-ignore format: one line
    for (const dtype of ['f64', 'f32'] as const)
      for (const ends of [[4], [1, 4], [1, 2, 3, 4]]) {
        const parts = (x: readonly number[]) => ends.map((end, i) => tensor(x.slice(ends[i - 1] ?? 0, end), dtype));
        const [forward, backward] = [parts(f), parts(b)];
        const k = await read(projectOut(forward, backward));
        const left = (await Promise.all(backward.map(read))).flat();
        const combined = left.map((x, i) => x + f[i]!);
        const digits = dtype === 'f64' ? 12 : 5;
        expect(k[0]).toBeCloseTo(-0.56, digits);
        for (const [i, x] of [-0.44, 3.62, 1.44, 1.78].entries()) expect(combined[i]).toBeCloseTo(x, digits);
        expect(dot(f, left)).toBeCloseTo(0, digits);
        expect(dot(b, left)).toBeCloseTo(dot(left, left), digits);
        expect((await Promise.all(forward.map(read))).flat()).toEqual(f);
      }
  });

  it('projectOut knows parallel and empty vectors, shares, and floors in two units', async () => {
    const [f, b] = [[...normal(33, 1)], [...normal(33, 2)]]; // biome-ignore format: one line
    const rest = async (forward: readonly number[], backward: readonly number[], options = {}) => {
      const out = [tensor(backward)];
      using k = projectOut([tensor(forward)], out, options);
      return { k: (await read(k))[0]!, left: await read(out[0]!) };
    };
    const parallel = await rest(f, f.map((x) => 3 * x)); // biome-ignore format: one line
    expect(parallel.k).toBeCloseTo(3, 14);
    for (const x of parallel.left) expect(Math.abs(x)).toBeLessThan(1e-14);
    const zeros = f.map(() => 0);
    for (const options of [{}, { floor: 0 }, { relative: true }, { relative: true, floor: 0 }])
      expect(await rest(zeros, b, options)).toEqual({ k: 0, left: b });
    const half = await rest(f, b, { scale: 0.5 });
    expect(dot(f, half.left)).toBeCloseTo(dot(f, b) / 2, 12);
    // Of vectors that are scaled down, the absolute floor leaves nearly all; the relative one does not see units.
    const small = (x: readonly number[]) => x.map((value) => 1e-8 * value);
    const [absolute, relative] = [await rest(small(f), small(b)), await rest(small(f), small(b), { relative: true })];
    expect(Math.abs(absolute.k)).toBeLessThan(1e-4);
    expect(relative.k).toBeCloseTo(dot(f, b) / dot(f, f), 12);
    expect((await rest(small(f), b, { relative: true })).k).toBe(0);
    const [backward, out] = [tensor(b), [tensor(zeros)]];
    projectOut([tensor(f)], [backward], { out });
    expect(await read(backward)).toEqual(b);
    expect(dot(f, await read(out[0]!))).toBeCloseTo(0, 12);
    for (const wrong of [[], [backward, backward], [tensor([1])], 5])
      expect(() => projectOut([tensor(f)], wrong as Tensor[])).toThrow(/^projectOut: backward/);
    expect(() => projectOut([tensor(f)], [backward], { floor: -1 })).toThrow(
      'projectOut: floor must be finite and not negative, got -1',
    );
  });

  const [count, features] = [7, 4];
  const batchOf = (seed: number, dtype: Dtype): OdiceBatch => ({
    states: tensor(normal(count * features, seed), dtype, [count, features]),
    nextStates: tensor(normal(count * features, seed + 1), dtype, [count, features]),
    rewards: tensor(normal(count, seed + 2, 2), dtype),
    done: tensor([0, 0, 1, 0, 0, 1, 0], dtype),
  });

  it.each([
    ['orthogonal', 'pearson', 'odice'],
    ['orthogonal', 'pearson', 'theory'],
    ['orthogonal', 'reverse-kl', 'odice'],
    ['true', 'pearson', 'odice'],
    ['semi', 'reverse-kl', 'theory'],
  ] as const)('steps as the rule in plain numbers: %s, %s, %s', async (mode, dual, weight) => {
    for (const dtype of ['f64', 'f32'] as const) {
      const [lambda, eta, gamma, rate, lr] = [0.6, 0.7, 0.9, 0.1, 0.05];
      const oracle = linearValue(features, { device, dtype });
      let w = [...normal(features, 9, 0.3)];
      oracle.params[0]!.write(numbers(w, dtype));
      const options = { lambda, eta, discount: gamma, dual, mode, weight, targetRate: rate, lr };
      const learner = new OdiceValueLearner(oracle, options);
      let target = [...w];
      let [m, v] = [w.map(() => 0), w.map(() => 0)];
      const slope = (y: number) => (dual === 'pearson' ? Math.max(y / 2 + 1, 0) : Math.exp(y - 1));
      const digits = dtype === 'f64' ? 10 : 3;
      for (let t = 1; t <= 4; ++t) {
        const batch = batchOf(10 * t, dtype);
        const [s, next, r, done] = await Promise.all([read(batch.states), read(batch.nextStates), read(batch.rewards), read(batch.done)]); // biome-ignore format: one line
        const row = (x: readonly number[], i: number) => x.slice(features * i, features * (i + 1));
        const [g, f, b] = [w.map(() => 0), w.map(() => 0), w.map(() => 0)];
        const weights: number[] = [];
        let mean = 0;
        for (let i = 0; i < count; ++i) {
          const u = (1 - done[i]!) * gamma;
          const forward = r[i]! + u * dot(row(next, i), target) - dot(row(s, i), w);
          const backward = r[i]! + u * dot(row(next, i), w) - dot(row(s, i), target);
          mean += forward / count;
          const raw = dual === 'pearson' && weight === 'odice' ? Math.max(forward, 0) : slope(forward);
          weights.push(Math.min(raw, 100));
          for (let j = 0; j < features; ++j) {
            g[j]! += ((1 - lambda) / count) * row(s, i)[j]!;
            f[j]! -= (lambda / count) * slope(forward) * row(s, i)[j]!;
            b[j]! += ((lambda * eta) / count) * slope(backward) * u * row(next, i)[j]!;
          }
        }
        const k = mode === 'orthogonal' ? dot(f, b) / dot(f, f) : 0;
        const all = g.map((x, j) => x + (1 - k) * f[j]! + (mode === 'semi' ? 0 : b[j]!));
        m = m.map((x, j) => 0.9 * x + 0.1 * all[j]!);
        v = v.map((x, j) => 0.999 * x + 0.001 * all[j]! ** 2);
        w = w.map((x, j) => x - (lr * m[j]!) / (1 - 0.9 ** t) / (Math.sqrt(v[j]! / (1 - 0.999 ** t)) + 1e-8));
        target = target.map((x, j) => (1 - rate) * x + rate * w[j]!);
        const found = await learner.step(batch);
        expect((await read(found.coefficient))[0]).toBeCloseTo(k, digits);
        expect((await read(found.tdMean))[0]).toBeCloseTo(mean, digits);
        expect((await read(found.weightSum))[0]).toBeCloseTo(weights.reduce((sum, x) => sum + x, 0), digits - 1); // biome-ignore format: one line
        expect(await read(found.cut)).toEqual([0]);
        for (const [i, x] of (await read(found.policyWeights)).entries()) expect(x).toBeCloseTo(weights[i]!, digits);
        for (const [j, x] of (await read(oracle.params[0]!)).entries()) expect(x).toBeCloseTo(w[j]!, digits);
      }
    }
  });

  it('without a backward factor it is the semi-gradient method, bit for bit', async () => {
    const run = async (options: OdiceValueLearnerOptions) => {
      const oracle = linearValue(features, { device });
      const learner = new OdiceValueLearner(oracle, { lr: 0.1, ...options });
      for (let t = 0; t < 3; ++t) await learner.step(batchOf(t, 'f32'));
      return read(oracle.params[0]!);
    };
    expect(await run({ eta: 0 })).toEqual(await run({ mode: 'semi' }));
    expect(await run({ eta: 0 })).not.toEqual(await run({}));
  });

  it('an oracle that knows its own parameters alone leads to the same bits', async () => {
    const run = async (knowsOthers: boolean) => {
      const { params, forward, vjp, forwardAt } = linearValue(features, { device });
      const oracle = { params, forward, vjp, ...(knowsOthers ? { forwardAt } : {}) };
      const learner = new OdiceValueLearner(oracle, { lr: 0.1, targetRate: 0.3 });
      for (let t = 0; t < 3; ++t) await learner.step(batchOf(t, 'f32'));
      return read(params[0]!);
    };
    const others = await run(true);
    expect(await run(false)).toEqual(others);
    expect(others).not.toEqual([0, 0, 0, 0]);
  });

  it('exponents are cut where they would overflow, and counted; weights stop at 100', async () => {
    const oracle = linearValue(features, { device });
    const learner = new OdiceValueLearner(oracle, { dual: 'reverse-kl', lr: 0.1 });
    const batch = { ...batchOf(1, 'f32'), rewards: tensor([1e4, 0, 0, 0, 0, 0, 0], 'f32') };
    const { policyWeights, cut } = await learner.step(batch);
    expect((await read(policyWeights))[0]).toBe(100);
    expect(await read(cut)).toEqual([2]);
    for (const x of await read(oracle.params[0]!)) expect(Number.isFinite(x)).toBe(true);
  });

  it('disposed of during a call, it leaves the parameters as they were', async () => {
    const { forwardAt, ...exact } = linearValue(features, { device });
    exact.params[0]!.write(numbers(normal(features, 9), 'f32'));
    let learner: OdiceValueLearner | undefined;
    let [calls, last] = [0, 3];
    const counted = async (call: () => unknown) => {
      await call();
      calls += 1;
      if (calls === last) learner!.dispose();
    };
    const oracle = {
      ...exact,
      forward: (states: Tensor, out: Tensor) => counted(() => exact.forward(states, out)),
    };
    const others = {
      ...oracle,
      forwardAt: (...given: [readonly Tensor[], Tensor, Tensor]) => counted(() => forwardAt!(...given)),
    };
    for (const [by, at] of [oracle, others].flatMap((by) => [1, 3, 4].map((at) => [by, at] as const))) {
      last = at;
      learner = new OdiceValueLearner(by, { lr: 0.1 });
      // The target is away from the parameters.
      exact.params[0]!.write(numbers(normal(features, 10 + last), 'f32'));
      const before = await read(exact.params[0]!);
      calls = 0;
      await expect(learner.step(batchOf(1, 'f32'))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      expect(calls).toBe(last);
      expect(await read(exact.params[0]!)).toEqual(before);
    }
  });

  it('a value of −∞ of a next state moves nothing', async () => {
    const exact = linearValue(features, { device });
    let calls = 0;
    const oracle = {
      ...exact,
      forward: (states: Tensor, out: Tensor) => {
        calls += 1;
        if (calls % 2 === 0) out.write(new Float32Array(count).fill(-Infinity));
        else return exact.forward(states, out);
      },
    };
    const before = await read(exact.params[0]!);
    const learner = new OdiceValueLearner(oracle, { lr: 0.1 });
    await learner.step({ ...batchOf(1, 'f32'), done: Tensor.zeros(device, [count]) });
    expect(await read(exact.params[0]!)).toEqual(before);
  });

  it('batches may change their size, and nothing stays of those before', async () => {
    const oracle = linearValue(features, { device, dtype: 'f64' });
    const learner = new OdiceValueLearner(oracle, { lr: 0.1 });
    const { live } = await settledMemory(device);
    const held: number[] = [];
    for (const rows of [7, 3, 7, 1]) {
      const part = (x: Tensor) => x.rows(0, rows);
      const { states, nextStates, rewards, done } = batchOf(1, 'f64');
      const batch = { states: part(states), nextStates: part(nextStates), rewards: part(rewards), done: part(done) };
      const { policyWeights } = await learner.step(batch);
      expect(policyWeights.shape).toEqual([rows]);
      for (const one of [policyWeights, ...Object.values(batch), states, nextStates, rewards, done]) one.dispose();
      held.push((await settledMemory(device)).live);
    }
    expect(held[2]).toBe(held[0]);
    expect(held[3]).toBeLessThanOrEqual(held[1]!);
    learner.dispose();
    expect((await settledMemory(device)).live).toBeLessThan(live);
  });

  it('numbers of the oracle that are not finite are told with the function that gave them, and the step', async () => {
    for (const mode of ['orthogonal', 'true', 'semi'] as const) {
      const exact = linearValue(features, { device });
      let [bad, calls] = ['', 0];
      const spoilt = (name: string, out: Tensor) => {
        calls += 1;
        // The one of the target, or the last gradient.
        if (bad === name && calls % (name === 'forward' ? 4 : mode === 'semi' ? 2 : 3) === 0)
          ops.fill(device, { x: [out], value: NaN });
      };
      const oracle = {
        params: exact.params,
        async forward(states: Tensor, out: Tensor) {
          await exact.forward(states, out);
          if (bad !== 'vjp') spoilt('forward', out);
        },
        async vjp(states: Tensor, cotangent: Tensor, grads: readonly Tensor[]) {
          await exact.vjp(states, cotangent, grads);
          if (bad !== 'forward') spoilt('vjp', grads[0]!);
        },
      };
      const learner = new OdiceValueLearner(oracle, { lr: 0.1, mode });
      const state = () => Promise.all(exact.params.map(read));
      for (const [i, name] of ['forward', 'vjp'].entries()) {
        await learner.step(batchOf(1, 'f32'));
        const before = await state();
        [bad, calls] = [name, 0];
        await learner.step(batchOf(2, 'f32'));
        // A step that follows is held back, and gives what is finite: it is not the one that is told of.
        bad = '';
        const told = learner.step(batchOf(3, 'f32')).then(({ policyWeights }) => {
          policyWeights.dispose();
          return learner.save(path.join(os.tmpdir(), 'never-written'));
        });
        // Whichever of both hears of it first.
        await expect(told).rejects.toThrow(`: oracle.${name} must give finite numbers, got others in step ${i + 2}`);
        expect(await state()).toEqual(before);
      }
    }
  });

  it('values of the target that are not finite are told with the function that gave them', async () => {
    const exact = linearValue(features, { device });
    let isBad = false;
    const oracle = {
      ...exact,
      forwardAt(at: readonly Tensor[], states: Tensor, out: Tensor) {
        if (isBad) ops.fill(device, { x: [out], value: NaN });
        else return exact.forwardAt!(at, states, out);
      },
    };
    const learner = new OdiceValueLearner(oracle, { lr: 0.1 });
    await learner.step(batchOf(1, 'f32'));
    const before = await read(exact.params[0]!);
    isBad = true;
    await learner.step(batchOf(2, 'f32'));
    await expect(learner.save(path.join(os.tmpdir(), 'never-written'))).rejects.toThrow(
      ': oracle.forwardAt must give finite numbers, got others in step 2',
    );
    expect(await read(exact.params[0]!)).toEqual(before);
    expect(() => new OdiceValueLearner({ ...exact, forwardAt: 5 as never })).toThrow(
      'OdiceValueLearner: oracle must have no forwardAt but a function, got 5',
    );
  });

  it('a failure of the function of other parameters moves nothing, and steps go on as if it had not been', async () => {
    const run = async (fail?: (at: readonly Tensor[], out: Tensor) => void | Promise<void>, code?: string) => {
      const exact = linearValue(features, { device });
      let calls = 0;
      const oracle = {
        ...exact,
        forwardAt(at: readonly Tensor[], states: Tensor, out: Tensor) {
          calls += 1;
          return fail && calls === 4 ? fail(at, out) : exact.forwardAt!(at, states, out);
        },
      };
      const learner = new OdiceValueLearner(oracle, { lr: 0.1, targetRate: 0.3 });
      // It is the function that the oracle had when the learner was made.
      oracle.forwardAt = undefined as never;
      for (let t = 0; t < 4; ++t) {
        const step = learner.step(batchOf(t, 'f32'));
        if (fail && t === 1) {
          await expect(step).rejects.toMatchObject({ code });
          --t;
          fail = undefined;
        } else (await step).policyWeights.dispose();
      }
      return read(exact.params[0]!);
    };
    const right = await run();
    const throws = () => {
      throw new Error('no values');
    };
    expect(await run(throws, 'ERR_ARGUMENT')).toEqual(right);
    expect(await run(async () => throws(), 'ERR_ARGUMENT')).toEqual(right);
    expect(await run((at) => at[0]!.dispose(), 'ERR_DISPOSED')).toEqual(right);
    expect(await run(async (_, out) => out.dispose(), 'ERR_DISPOSED')).toEqual(right);
    expect(right).not.toEqual([0, 0, 0, 0]);
  });

  it('values of other parameters ask for them', async () => {
    const { forwardAt } = linearValue(features, { device });
    const [states, out] = [Tensor.full(device, [count, features], 1), Tensor.zeros(device, [count])];
    const refused = (at: readonly Tensor[], code: string) =>
      expect(() => forwardAt!(at, states, out)).toThrow(expect.objectContaining({ code }));
    refused([], 'ERR_ARGUMENT');
    refused([out], 'ERR_SHAPE');
    refused([Tensor.zeros(device, [features], { dtype: 'f64' })], 'ERR_DTYPE');
    await forwardAt!([Tensor.full(device, [features], 2)], states, out);
    expect(await read(out)).toEqual(Array<number>(count).fill(2 * features));
  });

  it('bad numbers move nothing and are told with their step; no weight is told as well', async () => {
    const oracle = linearValue(features, { device });
    const learner = new OdiceValueLearner(oracle, { lr: 0.1 });
    const { weightSum } = await learner.step({
      ...batchOf(1, 'f32'),
      rewards: tensor(new Float64Array(7).fill(-5), 'f32'),
    });
    expect(await read(weightSum)).toEqual([0]);
    const before = await read(oracle.params[0]!);
    for (const wrong of [
      { rewards: tensor([0, 0, NaN, 0, 0, 0, 0], 'f32') },
      { done: tensor([0, 0, 0.5, 0, 0, 0, 0], 'f32') },
    ]) {
      // biome-ignore format: one line
      await learner.step({ ...batchOf(2, 'f32'), ...wrong });
      await device.synchronize();
      let error: Error | undefined;
      for (let t = 0; t < 100 && !error; ++t) {
        await learner.step(batchOf(3, 'f32')).catch((thrown: Error) => {
          error = thrown;
        });
        await device.synchronize();
      }
      expect(error!.message).toBe(
        'OdiceValueLearner.step: oracle, states and rewards must give finite numbers, and done 0 or 1, got others in step 2',
      );
      expect(await read(oracle.params[0]!)).toEqual(before);
    }
    const broken = new OdiceValueLearner({ ...oracle, forward: () => { throw new Error('boom'); } }); // biome-ignore format: one line
    await expect(broken.step(batchOf(1, 'f32'))).rejects.toThrow(
      'OdiceValueLearner.step: oracle.forward of step 1 has failed: boom',
    );
    expect(await read(oracle.params[0]!)).toEqual(before);
    learner.lr = -1;
    await expect(learner.step(batchOf(1, 'f32'))).rejects.toThrow(
      'OdiceValueLearner.step: lr must be a positive number, got -1',
    );
    for (const options of [{ lambda: 1.1 }, { eta: -1 }, { discount: 0 }, { targetRate: 0 }, { mode: 'half' }])
      expect(() => new OdiceValueLearner(oracle, options as object)).toThrow(/^OdiceValueLearner: \w+ must /);
  });
});

describe.each(onlyCpu)('a grid world, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const [side, discount, samples] = [6, 0.9, 2000];
  const cells = side * side;
  const moves = [[0, 1], [1, 0], [0, -1], [-1, 0]] as const; // biome-ignore format: one line
  const goal = cells - 1;
  const moved = (cell: number, action: number): number => {
    const row = Math.min(side - 1, Math.max(0, Math.floor(cell / side) + moves[action]![0]));
    const column = Math.min(side - 1, Math.max(0, (cell % side) + moves[action]![1]));
    return row * side + column;
  };
  /** Normalized radial functions around the cells, of width 0.5. */
  const featuresOf = (cell: number): number[] => {
    const all = Array.from({ length: cells }, (_, other) => {
      const [x, y] = [(cell % side) - (other % side), Math.floor(cell / side) - Math.floor(other / side)];
      return Math.exp(-(x * x + y * y) / 0.5);
    });
    const sum = all.reduce((total, x) => total + x, 0);
    return all.map((x) => x / sum);
  };
  /** The exact value of a policy at the first cell, of a reward of 1. */
  const startValue = (policy: readonly (readonly number[])[]): number => {
    let values = new Array<number>(cells).fill(0);
    for (let sweep = 0; sweep < 300; ++sweep)
      values = values.map((_, cell) =>
        cell === goal
          ? 0
          : policy[cell]!.reduce((sum, p, action) => {
              const next = moved(cell, action);
              return sum + p * (next === goal ? 1 : discount * values[next]!);
            }, 0),
      );
    return values[0]!;
  };
  const cloned = (data: readonly (readonly [number, number, number])[], weights: readonly number[]) => {
    const policy = Array.from({ length: cells }, () => [0, 0, 0, 0]);
    for (const [k, [cell, action]] of data.entries()) policy[cell]![action]! += weights[k]!;
    return policy.map((row) => {
      const sum = row.reduce((total, x) => total + x, 0);
      return sum > 0 ? row.map((x) => x / sum) : [0.25, 0.25, 0.25, 0.25];
    });
  };

  it('the orthogonal gradient learns what the whole one does not', async () => {
    const draw = uniform(1);
    // Paths of at most 50 steps from any cell.
    let cell = 0;
    const data = Array.from({ length: samples }, (_, k): [number, number, number] => {
      const from = cell;
      const toward = [0, 1].filter((action) => moved(from, action) !== from);
      const action = draw() < 0.7 ? Math.floor(draw() * 4) : toward[Math.floor(draw() * toward.length)]!;
      const next = moved(from, action);
      cell = next === goal || k % 50 === 49 ? Math.floor(draw() * goal) : next;
      return [from, action, next];
    });
    const table = Tensor.from(device, Float64Array.from(data.flatMap(([cell]) => featuresOf(cell))), [samples, cells]);
    const after = Tensor.from(device, Float64Array.from(data.flatMap(([, , next]) => featuresOf(next))), [samples, cells]); // biome-ignore format: one line
    const isEnd = data.map(([, , next]) => Number(next === goal));
    const learned = async (mode: 'orthogonal' | 'true' | 'semi', seed = 7): Promise<number> => {
      const [steps, size] = [4000, 64];
      const oracle = linearValue(cells, { device, dtype: 'f64' });
      const learner = new OdiceValueLearner(oracle, { lambda: 0.5, discount, mode, lr: 0.3 });
      const batch = {
        states: Tensor.zeros(device, [size, cells], { dtype: 'f64' }),
        nextStates: Tensor.zeros(device, [size, cells], { dtype: 'f64' }),
        rewards: Tensor.zeros(device, [size], { dtype: 'f64' }),
        done: Tensor.zeros(device, [size], { dtype: 'f64' }),
      };
      const index = Tensor.zeros(device, [size], { dtype: 'i32' });
      const next = uniform(seed);
      for (let t = 0; t < steps; ++t) {
        learner.lr = 0.15 * (1 + Math.cos((Math.PI * t) / steps)) + 1e-9;
        const chosen = Int32Array.from({ length: size }, () => Math.floor(next() * samples));
        index.write(chosen);
        ops.gatherRows(device, { x: table, index, out: batch.states });
        ops.gatherRows(device, { x: after, index, out: batch.nextStates });
        batch.rewards.write(Float64Array.from(chosen, (k) => 20 * isEnd[k]!));
        batch.done.write(Float64Array.from(chosen, (k) => isEnd[k]!));
        (await learner.step(batch)).policyWeights.dispose();
      }
      const w = await read(oracle.params[0]!);
      const value = Array.from({ length: cells }, (_, cell) => dot(featuresOf(cell), w));
      const weights = data.map(([cell, , to], k) =>
        Math.max(20 * isEnd[k]! + (isEnd[k] ? 0 : discount * value[to]!) - value[cell]!, 0),
      );
      return startValue(cloned(data, weights));
    };
    const best = 0.9 ** 9;
    expect(best).toBeCloseTo(0.3874, 4);
    const whole = await learned('true');
    for (const seed of [7, 8, 9]) {
      const orthogonal = await learned('orthogonal', seed);
      expect(orthogonal).toBeGreaterThan(0.38);
      expect(orthogonal).toBeLessThan(best + 1e-12);
      expect(whole).toBeLessThan(orthogonal - 0.05);
    }
    expect(await learned('semi')).toBeGreaterThan(0.38);
    // Of other steps than those of the table, whose behaviour has 0.081.
    const cloning = startValue(cloned(data, data.map(() => 1))); // biome-ignore format: one line
    expect(Math.abs(cloning - 0.0811)).toBeLessThan(0.02);
  });
});
