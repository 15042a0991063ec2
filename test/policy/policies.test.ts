// Devices: cpu, cuda
// Values: the objective, its gradient and Hessian of a small process, by enumeration of all trajectories (values computed
// apart); of Gaussian policies central differences of log π in plain numbers.
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import {
  Harpg,
  LinearGaussianPolicy,
  LinearSoftmaxPolicy,
  NPgIgt,
  type PolicyBatch,
  type PolicyOracle,
  rewardToGo,
} from '../../lib/policy/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { objective, played, policyOf, type Trajectory, trajectoriesOf } from './chain.ts';

type Dtype = 'f32' | 'f64';
const numbers = (x: ArrayLike<number>, dtype: Dtype) => (dtype === 'f64' ? Float64Array.from(x) : Float32Array.from(x));

const tensorOn = (device: Device, x: ArrayLike<number>, shape: number[], dtype: Dtype) =>
  Tensor.from(device, numbers(x, dtype), shape);
const read = async (x: Tensor) => [...(await x.read())].map(Number);

/** The batch of trajectories, whose weights are `factor` of each times its rewards to go. */
function batchOn(
  device: Device,
  all: readonly Trajectory[],
  discount: number,
  dtype: Dtype,
  factor = (_: Trajectory) => 1,
) {
  const [count, time] = [all.length, all[0]!.states.length];
  const states = all.flatMap((one) => one.states.flatMap((s) => [s === 0 ? 1 : 0, s === 1 ? 1 : 0]));
  const rewards = tensorOn(device, all.flatMap((one) => [...one.rewards]), [count, time], dtype); // biome-ignore format: one line
  const lengths = new Int32Array(count).fill(time);
  const weights = rewardToGo(rewards, lengths, { discount });
  ops.scaleAxis(device, {
    x: weights,
    scale: tensorOn(device, all.map(factor), [count], dtype),
    out: weights,
    axis: 0,
  });
  return {
    states: tensorOn(device, states, [count, time, 2], dtype),
    actions: Tensor.from(device, Int32Array.from(all.flatMap((one) => one.actions)), [count, time]),
    weights,
    lengths,
  };
}

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (x: ArrayLike<number>, shape: number[], dtype: Dtype) => tensorOn(device, x, shape, dtype);
  const batchOf = (all: readonly Trajectory[], discount: number, dtype: Dtype, factor?: (one: Trajectory) => number) =>
    batchOn(device, all, discount, dtype, factor);
  const near = (found: readonly number[], expected: readonly number[], tol: number) => {
    expect(found.length).toBe(expected.length);
    for (const [i, value] of expected.entries())
      expect(Math.abs(found[i]! - value), `${i}: ${found[i]} ${value}`).toBeLessThanOrEqual(tol);
  };

  it('estimates of gradient and Hessian are right in the mean over all trajectories', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const theta = [0.3, -0.2, 0.1, 0.4];
      const all = trajectoriesOf(3, policyOf(theta));
      expect(all.reduce((sum, one) => sum + one.probability, 0)).toBeCloseTo(1, 12);
      expect(objective(theta, 3, 0.9)).toBeCloseTo(2.7489496364, 9);
      const policy = new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 2, dtype });
      policy.params[0].write(numbers(theta, dtype));
      // Means over trajectories, of which each counts by its probability.
      const batch = batchOf(all, 0.9, dtype, ({ probability }) => probability * all.length);
      const out = [Tensor.zeros(device, [2, 2], { dtype })];
      const v = [tensor([1, -0.5, 0.25, 2], [2, 2], dtype)];
      const tol = dtype === 'f64' ? 1e-9 : 3e-6;
      policy.gradient(batch, out);
      near(await read(out[0]!), [0.2129460569, -0.2129460569, -0.5927810998, 0.5927810998], tol);
      policy.hessianProduct(batch, v, out);
      near(await read(out[0]!), [-0.1248103103, 0.1248103103, 0.1296603111, -0.1296603111], tol);
      // At parameters that are named, whatever the policy's own are.
      const elsewhere = [tensor(theta, [2, 2], dtype)];
      policy.params[0].write(numbers([0, 0, 0, 0], dtype));
      policy.gradient(batch, out, { params: elsewhere });
      near(await read(out[0]!), [0.2129460569, -0.2129460569, -0.5927810998, 0.5927810998], tol);
    }
  });

  it('padding may hold anything, and lengths say what counts', async () => {
    const theta = [0.3, -0.2, 0.1, 0.4];
    const all = played(5, 4, theta, 1);
    const lengths = [4, 0, 2, 3, 1];
    const policy = new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 2, dtype: 'f64' });
    policy.params[0].write(Float64Array.from(theta));
    const [sums, products] = [new Float64Array(4), new Float64Array(4)];
    const v = [tensor([1, -0.5, 0.25, 2], [2, 2], 'f64')];
    const out = [Tensor.zeros(device, [2, 2], { dtype: 'f64' })];
    for (const [i, one] of all.entries()) {
      const cut = lengths[i]!;
      if (cut === 0) continue;
      const part = { ...one };
      part.states = one.states.slice(0, cut);
      part.actions = one.actions.slice(0, cut);
      part.rewards = one.rewards.slice(0, cut);
      const batch = batchOf([part], 0.9, 'f64');
      policy.gradient(batch, out);
      for (const [k, x] of (await read(out[0]!)).entries()) sums[k]! += x / 5;
      policy.hessianProduct(batch, v, out);
      for (const [k, x] of (await read(out[0]!)).entries()) products[k]! += x / 5;
    }
    const beyond = (t: number, i: number) => t >= lengths[i]!;
    const padded = (row: readonly number[], i: number, by: number) => row.map((x, t) => (beyond(t, i) ? by : x));
    const rewards = tensor(all.flatMap((one, i) => padded(one.rewards, i, Number.NaN)), [5, 4], 'f64'); // biome-ignore format: one line
    const states = all.flatMap((one, i) =>
      one.states.flatMap((s, t) => (beyond(t, i) ? [NaN, Infinity] : [s === 0 ? 1 : 0, s === 1 ? 1 : 0])),
    );
    const batch: PolicyBatch = {
      states: tensor(states, [5, 4, 2], 'f64'),
      actions: Tensor.from(device, Int32Array.from(all.flatMap((one, i) => padded(one.actions, i, 99))), [5, 4]),
      weights: rewardToGo(rewards, lengths, { discount: 0.9 }),
      lengths,
    };
    policy.gradient(batch, out);
    near(await read(out[0]!), [...sums], 1e-14);
    policy.hessianProduct(batch, v, out);
    near(await read(out[0]!), [...products], 1e-13);
  });

  it('the lists of a batch are uploaded once, and anew where its lengths have changed', async () => {
    const theta = [0.3, -0.2, 0.1, 0.4];
    const batch = batchOf(played(3, 4, theta, 1), 0.9, 'f64');
    const policy = new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 2, dtype: 'f64' });
    policy.params[0].write(Float64Array.from(theta));
    const rewards = tensor([...Array(12).keys()], [3, 4], 'f64');
    const out = [Tensor.zeros(device, [2, 2], { dtype: 'f64' })];
    const from = vi.spyOn(Tensor, 'from');
    const lists = () => from.mock.calls.splice(0).filter(([, numbers]) => numbers instanceof Int32Array).length;
    const ask = async () => {
      policy.gradient(batch, out);
      const gradient = await read(out[0]!);
      policy.hessianProduct(batch, out, out);
      return [...gradient, ...(await read(out[0]!)), ...(await read(rewardToGo(rewards, batch.lengths)))];
    };
    try {
      const first = await ask();
      // That of `rewardToGo` is there since the batch was made.
      expect(lists()).toBe(2);
      expect(await ask()).toEqual(first);
      expect(lists()).toBe(0);
      batch.lengths.set([4, 2, 3]);
      const cut = await ask();
      expect(lists()).toBe(3);
      expect(cut).not.toEqual(first);
      const fresh = { ...batch, lengths: batch.lengths.slice() };
      policy.gradient(fresh, out);
      expect(await read(out[0]!)).toEqual(cut.slice(0, 4));
      expect(await read(rewardToGo(rewards, [4, 2, 3]))).toEqual(cut.slice(8));
      // Elsewhere there are others.
      const other = Device.open('cpu');
      const away = rewardToGo(Tensor.from(other, new Float64Array(12).fill(1), [3, 4]), batch.lengths, { discount: 1 });
      expect(await read(away)).toEqual([4, 3, 2, 1, 2, 1, 0, 0, 3, 2, 1, 0]);
      await other.close();
      expect(await ask()).toEqual(cut);
    } finally {
      from.mockRestore();
    }
  });

  it('an action that is none makes estimates NaN, unless it lies beyond a length', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const policy = new LinearSoftmaxPolicy(device, { stateDim: 1, actions: 2, dtype });
      const states = tensor([1, 2, 3], [1, 3, 1], dtype);
      const weights = tensor([1, 1, 1], [1, 3], dtype);
      const [out, product, v] = [tensor([0, 0], [1, 2], dtype), tensor([0, 0], [1, 2], dtype), tensor([1, -1], [1, 2], dtype)]; // biome-ignore format: one line
      for (const [actions, length, bad] of [
        [[0, -1, 1], 3, true],
        [[0, 2, 1], 3, true],
        [[0, 1, -1], 2, false],
      ] as const) {
        const batch = { states, weights, lengths: [length], actions: Tensor.from(device, Int32Array.from(actions), [1, 3]) }; // biome-ignore format: one line
        policy.gradient(batch, [out]);
        policy.hessianProduct(batch, [v], [product]);
        for (const x of [...(await read(out)), ...(await read(product))]) expect(Number.isNaN(x)).toBe(bad);
      }
    }
  });

  it('rewards to go are those of the objective, or begin anew at each step', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      for (const [count, time] of [
        [1, 1],
        [3, 7],
        [2, 33],
        [5, 200],
      ] as const) {
        // biome-ignore format: one line
        const values = normal(count * time, time);
        const lengths = Array.from({ length: count }, (_, i) => Math.max(0, time - 2 * i));
        const rewards = tensor(values.map((x, k) => (k % time < lengths[Math.floor(k / time)]! ? x : NaN)), [count, time], dtype); // biome-ignore format: one line
        for (const mode of ['objective', 'reset'] as const)
          for (const discount of [1, 0.9]) {
            const expected = new Float64Array(count * time);
            for (let i = 0; i < count; ++i)
              for (let t = 0; t < lengths[i]!; ++t)
                for (let h = t; h < lengths[i]!; ++h)
                  expected[i * time + t]! += values[i * time + h]! * discount ** (mode === 'reset' ? h - t : h);
            const out = rewardToGo(rewards, Int32Array.from(lengths), { discount, mode });
            expect([out.shape, out.dtype]).toEqual([[count, time], dtype]);
            near(await read(out), [...expected], dtype === 'f64' ? 1e-12 : 1e-4);
          }
      }
    }
    expect([...(await rewardToGo(Tensor.zeros(device, [0, 5]), []).read())]).toEqual([]);
    expect([...(await rewardToGo(Tensor.zeros(device, [2, 0]), [0, 0]).read())]).toEqual([]);
    const rewards = Tensor.zeros(device, [2, 3]);
    expect(() => rewardToGo(rewards, [3, 4])).toThrow(
      'rewardToGo: lengths[1] must be a whole number from 0 to 3, got 4',
    );
    expect(() => rewardToGo(rewards, [3])).toThrow('rewardToGo: lengths must have 2 elements, got 1');
    for (const discount of [0, 1.01, -1])
      expect(() => rewardToGo(rewards, [3, 3], { discount })).toThrow(
        `rewardToGo: discount must be in (0, 1], got ${discount}`,
      );
  });

  it('a softmax policy draws by its probabilities, anew at each offset', async () => {
    const policy = new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 3, dtype: 'f64' });
    policy.params[0].write(Float64Array.of(1, 0, -1, 0.5, 2, 0));
    const n = kind === 'cpu' ? 20000 : 2000;
    const states = tensor(Array.from({ length: 2 * n }, (_, k) => (k % 2 === 0 ? 1 : 0.5)), [n, 2], 'f64'); // biome-ignore format: one line
    const logits = [1.25, 1, -1];
    const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
    const expected = logits.map((x) => x - Math.log(total));
    near((await read(policy.logProbabilities(states))).slice(0, 3), expected, 1e-13);
    const counts = [0, 0, 0];
    const drawn = await read(policy.sample(states, { seed: 4 }));
    for (const action of drawn) counts[action]! += 1;
    for (const [a, count] of counts.entries())
      expect(Math.abs(count / n - Math.exp(expected[a]!))).toBeLessThan(kind === 'cpu' ? 0.015 : 0.05);
    expect(await read(policy.sample(states, { seed: 4 }))).toEqual(drawn);
    expect(await read(policy.sample(states, { seed: 4, offset: n }))).not.toEqual(drawn);
    // A draw of two parts is the draw of the whole.
    const rest = states.rows(5, n);
    expect(await read(policy.sample(rest, { seed: 4, offset: 5 }))).toEqual(drawn.slice(5));
  });

  it('a Gaussian policy has the gradient and the Hessian of its log π', async () => {
    for (const learned of [false, true]) {
      const policy = new LinearGaussianPolicy(device, {
        stateDim: 3,
        actionDim: 2,
        logStd: 0.2,
        learned,
        dtype: 'f64',
      });
      const size = learned ? 8 : 6;
      expect(policy.params.map(({ shape }) => shape)).toEqual(learned ? [[3, 2], [2]] : [[3, 2]]);
      const at = [...normal(6, 1), 0.2, learned ? -0.3 : 0.2];
      policy.params[0]!.write(Float64Array.from(at.slice(0, 6)));
      if (learned) policy.params[1]!.write(Float64Array.from(at.slice(6)));
      const [s, a, w] = [normal(4 * 3, 2), normal(4 * 2, 3), normal(4, 4)];
      const logs = (x: readonly number[]) =>
        [0, 1, 2, 3].map((n) =>
          [0, 1].reduce((sum, k) => {
            const mean = [0, 1, 2].reduce((m, i) => m + s[3 * n + i]! * x[2 * i + k]!, 0);
            const z = (a[2 * n + k]! - mean) / Math.exp(x[6 + k]!);
            return sum - z ** 2 / 2 - x[6 + k]! - Math.log(2 * Math.PI) / 2;
          }, 0),
        );
      const states = tensor(s, [4, 3], 'f64');
      near(await read(policy.logProbabilities(states, tensor(a, [4, 2], 'f64'))), logs(at), 1e-12);
      // Two trajectories of two steps each.
      const batch: PolicyBatch = {
        states: tensor(s, [2, 2, 3], 'f64'),
        actions: tensor(a, [2, 2, 2], 'f64'),
        weights: tensor(w, [2, 2], 'f64'),
        lengths: [2, 2],
      };
      const moved = (i: number, by: number) => at.map((x, k) => (k === i ? x + by : x));
      const slopes = (x: readonly number[]) =>
        Array.from({ length: size }, (_, i) => {
          const [up, down] = [logs(x.map((y, k) => (k === i ? y + 1e-5 : y))), logs(x.map((y, k) => (k === i ? y - 1e-5 : y)))]; // biome-ignore format: one line
          return up.map((y, n) => (y - down[n]!) / 2e-5);
        });
      const grads = policy.params.map((one) => Tensor.zeros(device, one.shape, { dtype: 'f64' }));
      policy.gradient(batch, grads);
      const score = slopes(at);
      const found = (await Promise.all(grads.map(read))).flat();
      near(found, score.map((row) => row.reduce((sum, x, n) => sum + (w[n]! * x) / 2, 0)), 1e-8); // biome-ignore format: one line
      const v = [...normal(size, 5)];
      const direction = [tensor(v.slice(0, 6), [3, 2], 'f64'), ...(learned ? [tensor(v.slice(6), [2], 'f64')] : [])];
      policy.hessianProduct(batch, direction, grads);
      const along = (n: number) => v.reduce((sum, x, i) => sum + x * score[i]![n]!, 0);
      const curved = Array.from({ length: size }, (_, i) => {
        const [up, down] = [slopes(moved(i, 1e-4)), slopes(moved(i, -1e-4))];
        let sum = 0;
        for (let n = 0; n < 4; ++n) {
          for (let k = 0; k < size; ++k) sum += (w[n]! * v[k]! * (up[k]![n]! - down[k]![n]!)) / 2e-4 / 2;
          const first = n < 2 ? 0 : 2;
          sum += (w[n]! * score[i]![n]! * (along(first) + along(first + 1))) / 2;
        }
        return sum;
      });
      near((await Promise.all(grads.map(read))).flat(), curved, 1e-5);
      const many = tensor(new Float64Array(3 * 4000).fill(0), [4000, 3], 'f64');
      const draws = await read(policy.sample(many, { seed: 1 }));
      for (const k of [0, 1]) {
        const own = draws.filter((_, i) => i % 2 === k);
        const deviation = Math.sqrt(own.reduce((sum, x) => sum + x * x, 0) / own.length);
        expect(deviation / Math.exp(at[6 + k]!)).toBeCloseTo(1, 1);
      }
    }
  });

  it('refuses batches, options and tensors that do not fit', () => {
    const policy = new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 2, dtype: 'f64' });
    const good = batchOf(played(2, 3, [0, 0, 0, 0], 1), 0.9, 'f64');
    const grads = [Tensor.zeros(device, [2, 2], { dtype: 'f64' })];
    const code = (call: () => unknown) => {
      try {
        call();
        return 'done';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(() => policy.gradient({ ...good, lengths: [3, 4] }, grads))).toBe('ERR_ARGUMENT');
    expect(code(() => policy.gradient({ ...good, lengths: [3] }, grads))).toBe('ERR_SHAPE');
    expect(code(() => policy.gradient({ ...good, lengths: 'three' as never }, grads))).toBe('ERR_ARGUMENT');
    expect(code(() => policy.gradient(null as never, grads))).toBe('ERR_ARGUMENT');
    expect(code(() => policy.gradient({ ...good, actions: good.weights }, grads))).toBe('ERR_DTYPE');
    expect(code(() => policy.gradient({ ...good, weights: grads[0]! }, grads))).toBe('ERR_SHAPE');
    expect(code(() => policy.gradient(good, []))).toBe('ERR_SHAPE');
    expect(code(() => policy.gradient(good, [Tensor.zeros(device, [2, 2])]))).toBe('ERR_DTYPE');
    expect(code(() => policy.gradient(good, grads, { params: [] }))).toBe('ERR_SHAPE');
    expect(code(() => new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 0 }))).toBe('ERR_ARGUMENT');
    expect(code(() => new LinearGaussianPolicy(device, { stateDim: 2, actionDim: 1, logStd: NaN }))).toBe(
      'ERR_ARGUMENT',
    );
    expect(code(() => policy.gradient(good, grads))).toBe('done');
    policy.dispose();
    expect(code(() => policy.gradient(good, grads))).toBe('ERR_DISPOSED');
  });
});

describe.each(onlyCpu)('learning, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const learners: readonly [string, (theta: Tensor) => NPgIgt | Harpg][] = [
    ['N-PG-IGT', (theta) => new NPgIgt([theta], { stepSize: 1 })],
    ['N-HARPG', (theta) => new Harpg([theta], { stepSize: 1, seed: 1 })],
  ];
  it.each(learners)('%s learns the small process', async (_, make) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const policy = new LinearSoftmaxPolicy(device, { stateDim: 2, actions: 2, dtype: 'f64' });
      const method = make(policy.params[0]);
      const playedAt = async (params: readonly Tensor[], own: number) =>
        batchOn(device, played(20, 20, await read(params[0]!), own), 0.9, 'f64');
      const oracle: Required<PolicyOracle> = {
        gradient: async (params, grads, own) => policy.gradient(await playedAt(params, own), grads, { params }),
        hessianProduct: async (params, v, out, own) =>
          policy.hessianProduct(await playedAt(params, own + 7), v, out, { params }),
      };
      expect(objective([0, 0, 0, 0], 20, 0.9)).toBeCloseTo(8.4408, 4);
      for (let t = 0; t < 300; ++t) await method.step(oracle, 1000 * seed + t);
      expect(objective(await read(policy.params[0]), 20, 0.9)).toBeGreaterThan(14.4);
    }
  });
});

describe.each(onlyCpu)('the authors’ program, on %s', () => {
  it('has the Hessian’s products with the wrong sign, and as products of means', () => {
    // ∇ of ⟨∇Φ, v⟩ for the loss Φ = −Σ Ψ log π adds what the score of the trajectory times ⟨∇ log π, v⟩ takes away.
    const theta = [0.3, -0.2, 0.1, 0.4];
    const v = [1, -0.5, 0.25, 2];
    const [right, wrong, ofMeans] = [new Float64Array(4), new Float64Array(4), new Float64Array(4)];
    // Means over all trajectories: of the gradient, and of ⟨∇ log π, v⟩.
    const [gradient, slope] = [new Float64Array(4), { mean: 0 }];
    for (const one of trajectoriesOf(3, policyOf(theta))) {
      const policy = policyOf(theta);
      const score = one.states.map((s, t) =>
        [0, 1, 2, 3].map((k) => (k >> 1 === s ? (k % 2 === one.actions[t] ? 1 : 0) - policy[s]![k % 2]! : 0)),
      );
      const along = score.reduce((sum, row) => sum + row.reduce((part, x, k) => part + x * v[k]!, 0), 0);
      slope.mean += one.probability * along;
      for (const [t, s] of one.states.entries()) {
        const weight = one.rewards.reduce((sum, r, h) => sum + (h >= t ? 0.9 ** h * r : 0), 0) * one.probability;
        const mean = policy[s]![0]! * v[2 * s]! + policy[s]![1]! * v[2 * s + 1]!;
        for (let k = 0; k < 4; ++k) {
          const curved = k >> 1 === s ? -policy[s]![k % 2]! * (v[k]! - mean) : 0;
          right[k]! += weight * (score[t]![k]! * along + curved);
          gradient[k]! += weight * score[t]![k]!;
          ofMeans[k]! += weight * curved;
          // hvp + jac · ⟨∇ log π, v⟩, where the first two are of the loss, and so is the last, with its minus.
          wrong[k]! += weight * (score[t]![k]! * along - curved);
        }
      }
    }
    for (let k = 0; k < 4; ++k) ofMeans[k]! += gradient[k]! * slope.mean;
    const expected = [-0.1248103103, 0.1248103103, 0.1296603111, -0.1296603111];
    const error = (x: Float64Array) => Math.hypot(...expected.map((value, k) => x[k]! - value));
    expect(error(right)).toBeLessThan(1e-9);
    expect(error(wrong)).toBeGreaterThan(1);
    // The mean of ⟨∇ log π, v⟩ is 0, and with it all that trajectories tell of the process.
    expect(slope.mean).toBeCloseTo(0, 12);
    expect(error(ofMeans)).toBeGreaterThan(1);
  });
});
