// Devices: cpu, cuda
// Source: values "AuON head" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { type AuonOptions, auon, scaledUpdate } from '../../reference/auon.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const shapes = [[33, 31], [31], [], [0], [3, 17, 9], [4, 3, 2, 2]]; // biome-ignore format: one line
const method: Method = {
  op: 'auon',
  reference: each(auon),
  options: { lr: 0.24, eps: 1e-7 },
  states: { momenta: 'like' },
  shapes,
};
// And of more than one block and chunk; of each variant below.
describeStep({ ...method, shapes: [...shapes, [130, 130]] });
describeStep({ ...method, options: { lr: 0.24, variant: 'head', gamma: 1.5, nesterov: 'off' } });
describeStep({ ...method, options: { lr: 0.24, variant: 'rms', gamma: 0.5 } });
describeStep({ ...method, options: { lr: 0.24 }, states: {} });

describeCheckValues(method, [
  {
    name: 'paper',
    options: { lr: 0.24, weightDecay: 0.01 },
    wide: [0.3461658747, 0.141087225, 0.5105879453],
    tall: [0.3051952813, 0.5092112753, 0.5581987856],
  },
  {
    name: 'head',
    options: { lr: 0.24, weightDecay: 0.01, variant: 'head', gamma: 1.5 },
    wide: [0.4397993276, 0.1084218979, 0.1699254801],
    tall: [0.4397968157, 0.4742228351, 0.1424826654],
  },
]);

describe.each(devices)('auon on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** The update for lr 1 and the brake, without momentum. */
  async function scaled(
    u: Float64Array,
    shape: number[],
    options: Omit<AuonOptions, 'lr'>,
    dtype: 'f32' | 'f64',
  ): Promise<{ update: Float64Array; brake: number }> {
    const weights = [Tensor.zeros(device, shape, { dtype })];
    const statistics = new Tensor(device, [3], 'f64');
    ops.auon(device, { weights, grads: [tensorOf(device, u, shape, dtype)], statistics, lr: 1, ...options });
    const update = (await valuesOf(weights[0]!)).map((x) => -x);
    return { update, brake: (await valuesOf(statistics))[2]! };
  }

  const oneHot = (n: number) => Float64Array.from({ length: n }, (_, i) => (i === Math.floor(n / 2) ? 3 : 0));
  const spiky = (n: number) => {
    const next = uniform(n);
    return Float64Array.from({ length: n }, () => Math.tan(Math.PI * (next() - 0.5)));
  };
  const kinds = { 'one-hot': oneHot, normal: (n: number) => normal(n, n), 'heavy tails': spiky };
  const [gammas, counts] = {
    cpu: [[0.5, 1.5, 4, 20], [1, 2, 3, 15, 16, 17, 100, 1000, 20000]], // biome-ignore format: one line
    cuda: [[0.5, 20], [1, 2, 17, 1000, 20000]], // biome-ignore format: one line
  }[kind] as [number[], number[]];
  const cases = Object.keys(kinds).flatMap((name) =>
    gammas.flatMap((gamma) =>
      (['paper', 'head', 'rms'] as const).map((variant) => ({ name: name as keyof typeof kinds, gamma, variant })),
    ),
  );
  it.each(cases)('$variant, $name, gamma $gamma: update and brake of tensors of 1 to 20,000', async (c) => {
    for (const n of counts)
      for (const dtype of ['f32', 'f64'] as const) {
        const u = kinds[c.name](n).map(Math.fround);
        const options = { gamma: c.gamma, variant: c.variant };
        const [expected, brake] = scaledUpdate(u, [n], { lr: 1, ...options });
        const actual = await scaled(u, [n], options, dtype);
        // log r and sinh z are right to rounding; their exponentials multiply its share.
        const size = 1 + c.gamma + Math.log1p(brake);
        expectClose(actual.update, expected, { dtype, ulps: 32 + (dtype === 'f64' ? 4 * size : 0) });
        // r is right to rounding: the brake, which is r − 1, to an absolute error of that size.
        const allowed = (dtype === 'f32' ? 1e-7 : 1e-15) * size * (1 + brake);
        if (actual.brake !== brake && !(Math.abs(actual.brake - brake) <= allowed))
          throw new Error(`brake of ${n} ${dtype}: expected ${brake}, got ${actual.brake}`);
      }
  });

  it('the brake of large tensors is tiny, and right', async () => {
    // γ²/(2N) to first order.
    const u = normal(600 * 600, 1);
    const { brake } = await scaled(u, [600, 600], { variant: 'head', gamma: 1.5 }, 'f32');
    expect(brake / (1.5 ** 2 / (2 * u.length)) - 1).toBeLessThan(1e-4);
    const spike = await scaled(oneHot(360000), [600, 600], { variant: 'head', gamma: 1.5 }, 'f32');
    const exact = Math.sinh(1.5) ** 2 / 360000 / 2;
    expect(Math.abs(spike.brake / exact - 1)).toBeLessThan(1e-5);
  });

  it.each([1e-290, 1e-170, 1e-150, 1e-90, 1e90, 1e150, 1e170, 1e240])(
    'f64: steps for gradients of size %d as for others',
    async (scale) => {
      const u = normal(600, 5);
      for (const variant of ['paper', 'head', 'rms'] as const)
        for (const gamma of [0.5, 1.5, 20]) {
          const plain = await scaled(u, [20, 30], { variant, gamma, eps: 0 }, 'f64');
          const large = await scaled(
            u.map((x) => x * scale),
            [20, 30],
            { variant, gamma, eps: 0 },
            'f64',
          );
          // `head` is a multiple of u itself.
          const update = variant === 'head' ? large.update.map((x) => x / scale) : large.update;
          expectClose(update, plain.update, { dtype: 'f64', ulps: 8 * (8 + gamma) });
          expect(large.brake / plain.brake).toBeCloseTo(1, 11);
        }
    },
  );

  it('rms: z far beyond what cosh can hold', async () => {
    const u = oneHot(100000);
    for (const gamma of [5, 100]) {
      const [expected, brake] = scaledUpdate(u, [u.length], { lr: 1, gamma, variant: 'rms' });
      const actual = await scaled(u, [u.length], { gamma, variant: 'rms' }, 'f64');
      expectClose(actual.update, expected, { dtype: 'f64', ulps: 1 << 17 });
      expect(actual.brake === brake || Math.abs(actual.brake / brake - 1) < 1e-9).toBe(true);
    }
  });

  it('paper: the update has norm 1/r, whatever the size of the gradient', async () => {
    for (const scale of [1e-30, 1, 1e30]) {
      const u = normal(40 * 30, 3, scale);
      const { update } = await scaled(u, [30, 40], { eps: 0 }, 'f32');
      expect(Math.sqrt(update.reduce((sum, x) => sum + x * x, 0))).toBeCloseTo(1, 3);
    }
  });

  it('paper: each matrix of a batch has its own norm; head: one', async () => {
    const u = normal(24, 1).map((x, i) => (i < 12 ? x : 1000 * x));
    const size = (x: Float64Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
    const paper = await scaled(u, [2, 3, 4], {}, 'f64');
    expect(size(paper.update.subarray(0, 12)) / size(paper.update.subarray(12))).toBeCloseTo(1, 1);
    const head = await scaled(u, [2, 3, 4], { variant: 'head' }, 'f64');
    expect(head.update[0]! / head.update[12]!).toBeCloseTo(u[0]! / u[12]!, 9);
  });

  it('passes on what is no number', async () => {
    for (const bad of [NaN, Infinity])
      for (const variant of ['paper', 'head', 'rms'] as const) {
        const { update } = await scaled(Float64Array.from([1, bad, 2]), [3], { variant }, 'f32');
        expect([...update].some(Number.isNaN)).toBe(true);
      }
  });

  it('refuses what does not fit', () => {
    const zeros = () => [Tensor.zeros(device, [2, 3])];
    const fields = { weights: zeros(), grads: zeros(), momenta: zeros() };
    const code = (more: object) => thrownBy(() => ops.auon(device, { ...fields, ...more })).code;
    expect(code({ gamma: 0 })).toBe('ERR_ARGUMENT');
    expect(code({ gamma: 101 })).toBe('ERR_ARGUMENT');
    expect(code({ eps: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ momentum: 1 })).toBe('ERR_ARGUMENT');
    expect(code({ variant: 'tail' })).toBe('ERR_ARGUMENT');
  });
});
