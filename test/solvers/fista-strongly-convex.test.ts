// Devices: cpu, cuda
// Values: the minimum of a quadratic function in closed form.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { fistaStronglyConvex, type Oracle } from '../../lib/solvers/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';

const n = 12;
const read = async (x: Tensor) => [...(await x.read())].map(Number);
/** Σ dᵢ (xᵢ − 1)² / 2 with d from `least` to 1, geometrically, in two tensors. */
function quadratic(device: Device, least: number, dtype: 'f32' | 'f64' = 'f64'): Oracle & { asked: number } {
  const from = (numbers: number[]) =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), [n / 2]);
  const d = Array.from({ length: n }, (_, i) => least ** (1 - i / (n - 1)));
  const parts = [from(d.slice(0, n / 2)), from(d.slice(n / 2))];
  const params = [Tensor.full(device, [n / 2], 5, { dtype }), Tensor.full(device, [n / 2], -3, { dtype })];
  const one = Tensor.full(device, [n / 2], 1, { dtype });
  const oracle = {
    params,
    asked: 0,
    value: () => {
      throw new Error('not asked for');
    },
    gradient(grads: readonly Tensor[]) {
      oracle.asked += 1;
      ops.linearCombination(device, { out: grads, terms: [...params, one, one], coefficients: [1, -1] });
      ops.multiply(device, { x: grads, y: parts, out: grads });
    },
  };
  return oracle;
}
const distance = async (oracle: Oracle) =>
  Math.hypot(...(await Promise.all(oracle.params.map(read))).flat().map((x) => x - 1));

describe.each(devices)('fistaStronglyConvex on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('ends within the accuracy, and knows where it is', async () => {
    for (const least of kind === 'cpu' ? [1, 0.5, 1e-2, 1e-4] : [1, 1e-2])
      for (const accuracy of [1, 1e-3, 1e-8]) {
        const oracle = quadratic(device, least);
        const { status, error, iterations } = await fistaStronglyConvex(oracle, { mu: least, lipschitz: 1, accuracy });
        expect(status).toBe('converged');
        expect(error).toBeLessThanOrEqual(accuracy);
        expect(await distance(oracle)).toBeLessThanOrEqual(error);
        expect(oracle.asked).toBe(iterations + 1);
        // (1 − √(μ / L)) a step.
        expect(iterations).toBeLessThan(2 + 16 + (2 * Math.log(100 / (least * accuracy))) / Math.sqrt(least));
      }
  });

  it('certifies nothing that squares beyond f64 hide', async () => {
    // f = c x² / 2
    for (const c of [1e-200, 1e200]) {
      const x = Tensor.full(device, [2], 5, { dtype: 'f64' });
      const oracle = {
        params: [x],
        gradient: ([out]: readonly Tensor[]) =>
          ops.linearCombination(device, { out: [out!], terms: [x], coefficients: [c] }),
      };
      const { status, error } = await fistaStronglyConvex(oracle, { mu: c, lipschitz: 2 * c, accuracy: 1e-6 });
      expect(status).toBe('converged');
      expect(error).toBeGreaterThan(0);
      expect(Math.hypot(...(await read(x)))).toBeLessThanOrEqual(error);
    }
  });

  it('counts rounding, and says where it hides what is asked for', async () => {
    const oracle = quadratic(device, 1e-2, 'f32');
    const { status, error } = await fistaStronglyConvex(oracle, { mu: 1e-2, lipschitz: 1, accuracy: 1e-9 });
    expect(status).toBe('at-precision');
    expect(error).toBeLessThan(1e-2);
    expect(await distance(oracle)).toBeLessThanOrEqual(error);
  });

  it('gradients whose noise is more than their rounding end it, from far and from near', async () => {
    for (const from of [5, 0]) {
      const x = Tensor.full(device, [3], from);
      const large = Tensor.full(device, [3], 1e6);
      const noisy: Pick<Oracle, 'params' | 'gradient'> = {
        params: [x],
        gradient([out]) {
          // x + a million, less a million: to a sixteenth.
          ops.linearCombination(device, { out: [out!], terms: [x, large], coefficients: [1, 1.1] });
          ops.linearCombination(device, { out: [out!], terms: [out!, large], coefficients: [1, -1.1] });
        },
      };
      const { status } = await fistaStronglyConvex(noisy, { mu: 0.1, lipschitz: 1, accuracy: 1e-7 });
      expect(status).toMatch(/at-precision|converged/);
      expect(Math.abs((await read(x))[0]!)).toBeLessThan(0.5);
    }
  });

  it('ends for want of steps, and where mu or lipschitz is wrong', async () => {
    const short = { mu: 1e-2, lipschitz: 1, accuracy: 1e-8, maxIterations: 5 };
    expect(await fistaStronglyConvex(quadratic(device, 1e-2), short)).toMatchObject({
      status: 'max-iterations',
      iterations: 5,
    });
    const wrong = { mu: 0.2, lipschitz: 0.3, accuracy: 1e-8 };
    expect(await fistaStronglyConvex(quadratic(device, 0.2), wrong)).toMatchObject({ status: 'diverged' });
  });

  it('a failure and an abort leave the parameters as they were', async () => {
    const numbers = [...new Array(6).fill(5), ...new Array(6).fill(-3)];
    const oracle = quadratic(device, 1e-2);
    const { gradient } = oracle;
    const state = async () => (await Promise.all(oracle.params.map(read))).flat();
    const controller = new AbortController();
    const given = { mu: 1e-2, lipschitz: 1, accuracy: 1e-9 };
    const aborted = fistaStronglyConvex(oracle, {
      ...given,
      signal: controller.signal,
      onProgress: ({ iterations }) => {
        if (iterations > 10) controller.abort(new Error('enough'));
      },
    });
    await expect(aborted).rejects.toThrow('enough');
    expect(await state()).toEqual(numbers);
    for (const [bad, words] of [
      [
        () => {
          throw new Error('boom');
        },
        'has failed: boom',
      ],
      [
        ([out]: readonly Tensor[]) => out!.write(new Float64Array(6).fill(Number.NaN)),
        'must give finite numbers, got NaN',
      ],
    ] as const) {
      // biome-ignore format: one line
      oracle.asked = 0;
      oracle.gradient = (grads) => (oracle.asked > 5 ? bad(grads) : gradient(grads));
      await expect(fistaStronglyConvex(oracle, given)).rejects.toThrow(`fistaStronglyConvex: oracle.gradient ${words}`);
      expect(await state()).toEqual(numbers);
    }
  });
});

describe.each(onlyCpu)('what fistaStronglyConvex refuses, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('options and oracles', async () => {
    const oracle = quadratic(device, 0.5);
    const code = (of: unknown, options: object) =>
      fistaStronglyConvex(of as Oracle, { mu: 0.5, lipschitz: 1, ...options }).catch((error) => error.code);
    for (const options of [{ mu: 0 }, { mu: -1 }, { mu: undefined }, { lipschitz: 0.4 }, { accuracy: 0 }, { maxIterations: 0 }, { tol: 1 }]) // biome-ignore format: one line
      expect(await code(oracle, options)).toBe('ERR_ARGUMENT');
    const [first] = oracle.params;
    for (const of of [undefined, {}, { ...oracle, gradient: 1 }, { ...oracle, params: [] }, { ...oracle, params: [first, first] }]) // biome-ignore format: one line
      expect(await code(of, {})).toBe('ERR_ARGUMENT');
  });
});
