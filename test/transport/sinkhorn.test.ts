// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import {
  Device,
  OrthokitError,
  type SinkhornOptions,
  sinkhorn,
  Tensor,
  type TransportProgress,
} from '../../lib/index.ts';
import { columnSumsOf, distance, planOf, rowSumsOf } from '../reference/transport.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { valuesOf } from '../support/tensors.ts';
import { massesOf, numbers, splitMix, vector } from '../support/transport.ts';

describe.each(devices)('sinkhorn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const costOf = (n: number, m: number, dtype: 'f32' | 'f64' = 'f64'): Tensor =>
    Tensor.from(device, dtype === 'f64' ? splitMix(n * m, 3n) : Float32Array.from(splitMix(n * m, 3n)), [n, m]);

  it.each(['sns', 'sinkhorn'] as const)(
    '%s: what it says of its plan is so, in f32 and f64, with masses of 0',
    async (method) => {
      for (const dtype of ['f64', 'f32'] as const) {
        const [n, m, eps] = [20, 31, 0.02];
        const [a, b] = [massesOf(n, 1).map((x) => 3 * x), massesOf(m, 2).map((x) => 3 * x)];
        using cost = costOf(n, m, dtype);
        const before = await cost.read();
        const tol = dtype === 'f64' ? 1e-9 : 1e-4;
        using result = await sinkhorn(cost, { a, b, eps, method, tol });
        expect(result.status).toBe('converged');
        expect([result.f.dtype, result.g.dtype]).toEqual([dtype, dtype]);
        const [f, g, c] = await Promise.all([valuesOf(result.f), valuesOf(result.g), valuesOf(cost)]);
        const plan = planOf(c, f, g, eps);
        const error = distance(a, rowSumsOf(plan, n, m)) + distance(b, columnSumsOf(plan, n, m));
        expect(error).toBeLessThanOrEqual(tol);
        // Exponents are rounded at the size of the potentials, and each sum feels that at its own.
        const largest = [...f, ...g].reduce((most, x) => (x === -Infinity ? most : Math.max(most, Math.abs(x))), 0);
        const rounding = 3 * 2 ** -51 * (1 + largest / eps);
        expect(Math.abs(result.marginalError - error)).toBeLessThan(rounding + 1e-6 * error);
        const linear = plan.reduce((sum, p, k) => sum + p * c[k]!, 0);
        expect(result.cost).toBeCloseTo(linear, 10);
        const entropy = plan.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);
        expect(result.value).toBeCloseTo(linear + eps * entropy, 10);
        expect([f[6], g[13]]).toEqual([-Infinity, -Infinity]);
        const dense = await result.plan();
        expect([dense.dtype, ...dense.shape]).toEqual([dtype, n, m]);
        for (const [k, p] of (await valuesOf(dense)).entries()) expect(Math.abs(p - plan[k]!)).toBeLessThan(1e-7);
        expect(sameBits(await cost.read(), before)).toBe(true);
        dense.dispose();
      }
    },
  );

  it('potentials have equal means, and the plan outlives the tensors of the call', async () => {
    const cost = costOf(9, 13);
    const result = await sinkhorn(cost, { eps: 0.1 });
    cost.dispose();
    const mean = (x: Float64Array) => x.reduce((a, b) => a + b, 0) / x.length;
    expect(mean(await valuesOf(result.f))).toBeCloseTo(mean(await valuesOf(result.g)), 14);
    using plan = await result.plan();
    expect((await valuesOf(plan)).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    result.dispose();
    await expect(result.plan()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('under low bounds all that is passed is taken at the call, and what is told of the work grows', async () => {
    const [n, m] = [9, 13];
    const options = { eps: 1e-3, maxSweeps: 7, maxNewton: 3 };
    const [a, b] = [massesOf(n, 1), massesOf(m, 2)];
    using whole = costOf(n, m);
    using expected = await sinkhorn(whole, { ...options, a, b });
    expect(expected.status).not.toBe('converged');

    const cost = costOf(n, m);
    const [rows, columns] = [vector(device, a), Float64Array.from(b)];
    const work: number[] = [];
    const onProgress = ({ iterations }: TransportProgress) =>
      work.push(Object.values(iterations).reduce((sum, x) => sum + x, 0));
    const asked = sinkhorn(cost, { ...options, a: rows, b: columns, onProgress });
    for (const tensor of [cost, rows]) tensor.dispose();
    columns.fill(1 / m);
    using result = await asked;
    expect(sameBits(await result.f.read(), await expected.f.read())).toBe(true);
    expect(work).toEqual([...work].sort((x, y) => x - y));
  });

  it('under low bounds a problem that a method proves to be infeasible is told as that', async () => {
    // Rows 0 and 1 reach column 0 alone, whose mass is less than theirs.
    const cost = Float64Array.of(0, Infinity, Infinity, 0, Infinity, Infinity, 1, 2, 0.5);
    using tensor = Tensor.from(device, cost, [3, 3]);
    using result = await sinkhorn(tensor, { eps: 0.1, maxSweeps: 50 });
    expect(result.status).toBe('infeasible');
  });

  it.each(['auto', 'sinkhorn', 'sns'] as const)(
    'by %s, the last gauge is a shift of the balanced one',
    async (method) => {
      using cost = costOf(6, 5);
      const options = { a: massesOf(6, 1).map((x) => 3 * x), b: Float64Array.of(1, 1, 0.5, 0.5, 0), eps: 0.1, method };
      using balanced = await sinkhorn(cost, { ...options, tol: 1e-12 });
      using last = await sinkhorn(cost, { ...options, tol: 1e-12, gauge: 'last' });
      const [f, g] = [await valuesOf(balanced.f), await valuesOf(balanced.g)];
      // The last column has no mass: the one before it is 0.
      const shift = g[3]!;
      for (const [i, x] of (await valuesOf(last.f)).entries()) expect(x).toBeCloseTo(f[i]! + shift, 10);
      const columns = await valuesOf(last.g);
      expect([columns[3], columns[4]]).toEqual([0, -Infinity]);
      for (const j of [0, 1, 2]) expect(columns[j]).toBeCloseTo(g[j]! - shift, 10);
      expect(last.value).toBeCloseTo(balanced.value, 11);
      expect(last.marginalError).toBeLessThanOrEqual(1e-12);
    },
  );

  it('the last gauge is exactly 0 at the last column', async () => {
    for (let seed = 0; seed < (kind === 'cpu' ? 40 : 4); seed++) {
      const [n, m] = [1 + (seed % 8), seed % 2 === 0 ? 1 : 8];
      using cost = Tensor.from(device, numbers(n * m, seed), [n, m]);
      using result = await sinkhorn(cost, { a: massesOf(n, seed).map((x) => 3 * x), eps: 10, gauge: 'last' });
      expect((await valuesOf(result.g)).at(-1)).toBe(0);
    }
  });

  it('gives the large elements of the plan', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      using cost = costOf(20, 30, dtype);
      using result = await sinkhorn(cost, { eps: 0.05, tol: 1e-4 });
      const dense = await (await result.plan()).read();
      const { rows, cols, values } = await result.plan({ threshold: 1e-3 });
      const large = [...dense.keys()].filter((k) => dense[k]! >= 1e-3);
      expect([...rows].map((row, k) => 30 * row + cols[k]!)).toEqual(large);
      expect([...values]).toEqual(large.map((k) => dense[k]));
      expect(values.constructor).toBe(dense.constructor);
    }
    using cost = costOf(2, 2);
    using result = await sinkhorn(cost, { eps: 1 });
    expect((await result.plan({ threshold: 5 })).rows).toHaveLength(0);
    await expect(result.plan({ threshold: 0 })).rejects.toThrow('plan: threshold must be a positive number, got 0');
    await expect(result.plan({ least: 1 } as never)).rejects.toThrow('plan: least is not an option');
  });

  it('a warm start at the solution takes no step, one at another eps few', async () => {
    using cost = costOf(40, 40);
    using cold = await sinkhorn(cost, { eps: 0.01, method: 'sns' });
    using again = await sinkhorn(cost, { eps: 0.01, method: 'sns', warmStart: cold });
    expect(again.iterations.newton).toBe(0);
    using next = await sinkhorn(cost, { eps: 0.008, method: 'sns', warmStart: cold });
    using direct = await sinkhorn(cost, { eps: 0.008, method: 'sns' });
    expect(next.status).toBe('converged');
    expect(next.value).toBeCloseTo(direct.value, 12);
    expect(next.iterations.newton).toBeLessThan(direct.iterations.newton);
  });

  it('forbidden pairs have no mass, and the rest is as with a very large cost', async () => {
    const values = numbers(30 * 30, 4).map((x, k) => ((k + Math.floor(k / 30)) % 3 === 0 ? Infinity : x));
    using cost = Tensor.from(device, values, [30, 30]);
    using large = Tensor.from(
      device,
      values.map((x) => Math.min(x, 50)),
      [30, 30],
    );
    for (const method of ['sns', 'sinkhorn'] as const) {
      using result = await sinkhorn(cost, { eps: 0.05, method, maxSweeps: 20_000 });
      using expected = await sinkhorn(large, { eps: 0.05, method, maxSweeps: 20_000 });
      expect([result.status, expected.status]).toEqual(['converged', 'converged']);
      const plan = await valuesOf(await result.plan());
      for (const [k, p] of plan.entries()) if (values[k] === Infinity) expect(p).toBe(0);
      expect(result.value).toBeCloseTo(expected.value, 9);
    }
  });

  it('runs out of sweeps or steps and says so', async () => {
    using cost = costOf(30, 30);
    using few = await sinkhorn(cost, { eps: 0.002, method: 'sinkhorn', maxSweeps: 40 });
    expect([few.status, few.iterations.sweeps]).toEqual(['max-iterations', 40]);
    using steps = await sinkhorn(cost, { eps: 0.002, method: 'sns', maxNewton: 2 });
    expect([steps.status, steps.iterations.newton]).toEqual(['max-iterations', 2]);
    for (const result of [few, steps])
      expect(Number.isFinite(result.value + result.cost + result.marginalError)).toBe(true);
  });

  it('tells how far it is, and stops when it is told to', async () => {
    using cost = costOf(40, 40);
    const seen: TransportProgress[] = [];
    using result = await sinkhorn(cost, { eps: 0.01, onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.at(-1)!.marginalError).toBeLessThan(1e-9);
    expect(seen.at(-1)!.iterations).toEqual(result.iterations);
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = sinkhorn(cost, {
      eps: 1e-4,
      method: 'sinkhorn',
      maxSweeps: 1e9,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(aborted).rejects.toBe(reason);
    await expect(sinkhorn(cost, { eps: 1, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await device.synchronize();
  });

  it('leaves no memory behind', async () => {
    await using device = Device.open(kind);
    using cost = Tensor.from(device, splitMix(40 * 40, 3n), [40, 40]);
    const { live } = await settledMemory(device);
    (await sinkhorn(cost, { eps: 0.01 })).dispose();
    await sinkhorn(cost, { eps: 0.01, a: [1] }).catch(() => {});
    await sinkhorn(cost, {
      eps: 0.01,
      onProgress: () => {
        throw new Error('no');
      },
    }).catch(() => {});
    expect(device.info.memory.live).toBe(live);
  });
});

describe.each(onlyCpu)('sinkhorn', () => {
  const device = Device.open('cpu');
  const other = Device.open('cpu');
  afterAll(async () => {
    await device.close();
    await other.close();
  });
  const cost = Tensor.from(device, numbers(6, 1), [2, 3]);
  const [inf, nan] = [Infinity, NaN];
  const matrix = (x: number[]) => Tensor.from(device, Float64Array.from(x), [2, x.length / 2]);

  it.each<[string, unknown, Partial<Record<keyof SinkhornOptions | 'extra', unknown>>, string, string]>([
    ['no tensor', [[1]], {}, 'ERR_ARGUMENT', 'sinkhorn: cost must be a Tensor, got a list'],
    ['a vector', vector(device, numbers(3, 1)), {}, 'ERR_SHAPE', 'cost must be a matrix with elements, got [3]'],
    ['nothing', Tensor.zeros(device, [0, 3]), {}, 'ERR_SHAPE', 'cost must be a matrix with elements, got [0,3]'],
    ['bf16', Tensor.zeros(device, [2, 3], { dtype: 'bf16' }), {}, 'ERR_DTYPE', 'cost must be f32 or f64, got bf16'],
    ['an unknown option', cost, { extra: 1 }, 'ERR_ARGUMENT', 'sinkhorn: extra is not an option'],
    ['an eps beyond the numbers', cost, { eps: 1e-200 }, 'ERR_ARGUMENT', 'for this cost, got 1e-200'],
    ['eps 0', cost, { eps: 0 }, 'ERR_ARGUMENT', 'eps must be a positive number, got 0'],
    ['eps 1e-320', cost, { eps: 1e-320 }, 'ERR_ARGUMENT', 'eps must have a finite inverse'],
    ['eps 1e308', cost, { eps: 1e308 }, 'ERR_ARGUMENT', 'eps must be at most 6.6'],
    ['tol 0', cost, { tol: 0 }, 'ERR_ARGUMENT', 'tol must be a positive number, got 0'],
    ['half a sweep', cost, { maxSweeps: 0.5 }, 'ERR_ARGUMENT', 'maxSweeps must be a whole number from 1 on, got 0.5'],
    ['no step', cost, { maxNewton: 0 }, 'ERR_ARGUMENT', 'maxNewton must be a whole number from 1 on, got 0'],
    ['another method', cost, { method: 'greedy' }, 'ERR_ARGUMENT', 'method must be'],
    ['anneal: true', cost, { anneal: true }, 'ERR_ARGUMENT', 'anneal must be an object or false, got true'],
    ['a factor of 1', cost, { anneal: { factor: 1 } }, 'ERR_ARGUMENT', 'anneal.factor must be below 1, got 1'],
    ['a word in anneal', cost, { anneal: { stop: 1 } }, 'ERR_ARGUMENT', 'sinkhorn: anneal: stop is not an option'],
    ['paper with sweeps', cost, { method: 'sinkhorn', paper: {} }, 'ERR_ARGUMENT', 'paper must go with method sns'],
    [
      'a share of 2',
      cost,
      { method: 'sns', paper: { lambda: 2 } },
      'ERR_ARGUMENT',
      'paper.lambda must be at most 1, got 2',
    ],
    ['paper: true', cost, { method: 'sns', paper: true }, 'ERR_ARGUMENT', 'paper must be an object or false, got true'],
    ['half a warm start', cost, { warmStart: { f: cost } }, 'ERR_ARGUMENT', 'warmStart must have tensors f and g'],
    ['no signal', cost, { signal: {} }, 'ERR_ARGUMENT', 'signal must be an AbortSignal, got an object'],
    ['no function', cost, { onProgress: 1 }, 'ERR_ARGUMENT', 'onProgress must be a function, got 1'],
    [
      'a text',
      cost,
      { a: 'ab' },
      'ERR_ARGUMENT',
      'a must be a Tensor, an array of numbers, Float32Array or Float64Array',
    ],
    ['no gauge', cost, { gauge: 'first' }, 'ERR_ARGUMENT', "gauge must be one of 'balanced', 'last', got 'first'"],
    [
      'a gauge where a shift is no gauge',
      cost,
      { gauge: 'last', unbalanced: { rhoA: 1 } },
      'ERR_UNSUPPORTED',
      'gauge must not go with unbalanced, got last',
    ],
    ['few masses', cost, { a: [1] }, 'ERR_SHAPE', 'a must have 2 elements, got 1'],
    ['a negative mass', cost, { a: [2, -1] }, 'ERR_ARGUMENT', 'a must be finite and not negative, got -1 at 1'],
    [
      'an infinite mass',
      cost,
      { b: [inf, 1, 1] },
      'ERR_ARGUMENT',
      'b must be finite and not negative, got Infinity at 0',
    ],
    ['a mass of NaN', cost, { b: [0, 1, nan] }, 'ERR_ARGUMENT', 'b must be finite and not negative, got NaN at 2'],
    ['no mass', cost, { b: [0, 0, 0] }, 'ERR_ARGUMENT', 'b must have a positive, finite total, got 0'],
    ['unequal masses', cost, { a: [1, 1], b: [1, 1, 1] }, 'ERR_ARGUMENT', 'b must have the total of a, 2, got 3'],
    ['masses elsewhere', cost, { a: vector(other, numbers(2, 1)) }, 'ERR_DEVICE', 'a is on another device'],
    [
      'masses in i32',
      cost,
      { a: Tensor.zeros(device, [2], { dtype: 'i32' }) },
      'ERR_DTYPE',
      'a must be f32 or f64, got i32',
    ],
    ['a matrix of masses', cost, { a: Tensor.zeros(device, [2, 1]) }, 'ERR_SHAPE', 'a must have shape [2], got [2,1]'],
    ['NaN', matrix([1, nan, 1, 1]), {}, 'ERR_ARGUMENT', 'cost must be neither NaN nor -Infinity, got 1 of them'],
    [
      '-Infinity',
      matrix([-inf, -inf, 1, 1]),
      {},
      'ERR_ARGUMENT',
      'cost must be neither NaN nor -Infinity, got 2 of them',
    ],
    ['a forbidden row', matrix([inf, inf, 1, 1]), {}, 'ERR_ARGUMENT', 'got 1 rows and 0 columns without'],
    ['a forbidden column', matrix([inf, 1, inf, 1]), {}, 'ERR_ARGUMENT', 'got 0 rows and 1 columns without'],
  ])('refuses %s', async (_, value, options, code, message) => {
    const call = sinkhorn(value as Tensor, { eps: 1, ...options } as SinkhornOptions);
    await expect(call).rejects.toThrow(message);
    await expect(call).rejects.toMatchObject({ code });
    await expect(call).rejects.toBeInstanceOf(OrthokitError);
  });

  it('refuses warm starts that do not fit, and what has been disposed', async () => {
    const [two, three] = [vector(device, numbers(2, 1)), vector(device, numbers(3, 1))];
    const start = (f: Tensor, g: Tensor) => sinkhorn(cost, { eps: 1, warmStart: { f, g } });
    await expect(start(three, three)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(start(two, three.cast('bf16'))).rejects.toMatchObject({ code: 'ERR_DTYPE' });
    await expect(start(two, vector(other, numbers(3, 1)))).rejects.toMatchObject({ code: 'ERR_DEVICE' });
    const gone = Tensor.from(device, numbers(6, 1), [2, 3]);
    gone.dispose();
    await expect(sinkhorn(gone, { eps: 1 })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    two.dispose();
    await expect(sinkhorn(cost, { eps: 1, a: two })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it.each(['auto', 'sinkhorn', 'sns', 'lbfgs', 'ssns'] as const)(
    '%s: rows with more mass than they may send are infeasible',
    async (method) => {
      // Four rows may use three columns of 0.1 each.
      const values = numbers(100, 1).map((x, k) => (Math.floor(k / 10) < 4 && k % 10 > 2 ? Infinity : x));
      using cost = Tensor.from(device, values, [10, 10]);
      using result = await sinkhorn(cost, { eps: 0.05, method });
      expect(result.status).toBe('infeasible');
      expect(Number.isFinite(result.value + result.cost + result.marginalError)).toBe(true);
      // With room for them, they are not.
      const b = [0.2, 0.2, 0.2, ...Array(7).fill(0.4 / 7)];
      using solved = await sinkhorn(cost, { eps: 0.05, method, b, tol: 1e-7 });
      expect(solved.status).toBe('converged');
    },
  );

  it('potentials that ran away from masses that cannot be carried are not given out', async () => {
    // All rows but the first, with 0.77 of the mass, may use the columns of 1e-4 and 8e-4 alone.
    const values = [inf, inf, 0.9147361838258803, 0.21555488463491201, inf, inf, 0.7214775865431875, inf];
    values.push(inf, 0.7143447694834322, 0.13635686319321394, inf, 0.9639907032251358, 0.7492648186162114, inf);
    using cost = Tensor.from(device, values, [5, 3], { dtype: 'f64' });
    const rows = [0.2260626624854015, 0.22997808062038014, 0.2616874079797858, 0.2343552714247946, 0.04791657748963794];
    const b = [0.00010133183213325787, 0.0007975334690782181, 0.9991011346987886];
    const limits = { maxSweeps: 300, maxNewton: 100 };
    using result = await sinkhorn(cost, {
      a: rows,
      b,
      eps: 1.1944018984580443e-6,
      method: 'splr',
      gauge: 'last',
      ...limits,
    });
    expect(result.status).toBe('infeasible');
    // A plan of zeros has an error of 2.
    expect(result.marginalError).toBeLessThan(2);
    expect(Math.max(...(await valuesOf(result.f)).map(Math.abs))).toBeLessThan(1);
  });

  it('masses without a way between them are infeasible', async () => {
    using walls = matrix([1, inf, inf, 1]);
    using result = await sinkhorn(walls, { eps: 0.1, a: [0.5, 0.5], b: [1, 0] });
    expect(result.status).toBe('infeasible');
    expect(Number.isNaN(result.value + result.cost + result.marginalError)).toBe(false);
  });
});
