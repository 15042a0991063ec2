// Devices: cpu, cuda
// Source: closed form "sums a constant gradient to a geometric series"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { momentum } from '../../reference/momentum.ts';
import { sumOfSquares } from '../../reference/sums.ts';
import { expectClose, expectSame, largest } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { type Floating, rounded } from '../../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const rules = (['off', 'on'] as const).flatMap((nesterov) =>
  (['ema', 'heavy-ball'] as const).map((momentumForm) => ({ nesterov, momentumForm })),
);

describe.each(devices)('momentum on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const types: [Floating, Floating, 'f32' | 'f64'][] = [
    ['f32', 'f32', 'f32'],
    ['f64', 'f64', 'f64'],
    ['bf16', 'f32', 'f32'],
    ['f32', 'bf16', 'f32'],
    ['f16', 'f64', 'f64'],
  ];
  const cases = types.flatMap(([grad, state, out]) => rules.map((rule) => ({ grad, state, out, ...rule })));
  it.each(cases)('grads $grad, momenta $state, out $out, $momentumForm, nesterov $nesterov', async (c) => {
    const rule = { momentum: 0.9, dampening: 0.25, nesterov: c.nesterov, momentumForm: c.momentumForm };
    const sizes = [0, 1, 31, 33, 1025, 16385];
    for (const scale of c.grad === 'f16' ? [1] : [1e-30, 1, 1e30]) {
      const momenta = sizes.map((n) => Tensor.zeros(device, [n], { dtype: c.state }));
      const out = sizes.map((n) => Tensor.full(device, [n], NaN, { dtype: c.out }));
      const squares = new Tensor(device, [sizes.length], 'f64');
      const m = sizes.map((n) => new Float64Array(n));
      for (let step = 0; step < 3; step++) {
        const g = sizes.map((n) => normal(n, n + step, scale).map((x) => rounded(x, c.grad)));
        const grads = g.map((values) => tensorOf(device, values, [values.length], c.grad));
        ops.momentum(device, { grads, momenta, out, squares, ...rule });
        for (const [i, values] of g.entries()) {
          const expected = momentum(m[i]!, values, rule);
          m[i] = m[i]!.map((x) => rounded(x, c.state));
          const coarse = c.state === 'bf16';
          const tolerance = { dtype: coarse ? c.state : c.out, ulps: coarse ? 2 : 8, magnitude: largest(expected) };
          expectClose(await valuesOf(out[i]!), expected, tolerance);
          expectClose(await valuesOf(momenta[i]!), m[i]!, { ...tolerance, magnitude: largest(m[i]!) });
        }
        expectClose(await valuesOf(squares), g.map(sumOfSquares), { dtype: 'f64', ulps: 64 });
      }
    }
  });

  it('sums a constant gradient to a geometric series', async () => {
    for (const [momentumForm, share] of [
      ['heavy-ball', 1],
      ['ema', 0.5],
    ] as const) {
      const [momenta, grads] = [[Tensor.zeros(device, [3])], [Tensor.full(device, [3], 4)]];
      const out = [Tensor.full(device, [3], NaN)];
      for (let t = 1; t <= 10; t++) {
        ops.momentum(device, { grads, momenta, out, momentum: 0.5, momentumForm });
        // 4 (1 + 1/2 + 1/4 + …), t terms.
        expectSame(await out[0]!.read(), new Float32Array(3).fill(4 * share * (2 - 2 ** (1 - t))));
      }
    }
  });

  it('adds l2 decay to the gradient, not to its squares', async () => {
    const w = normal(2000, 1);
    const g = normal(2000, 2);
    const momenta = [Tensor.zeros(device, [2000], { dtype: 'f64' })];
    const out = [new Tensor(device, [2000], 'f64')];
    const squares = new Tensor(device, [1], 'f64');
    const [grads, weights] = [[tensorOf(device, g, [2000], 'f64')], [tensorOf(device, w, [2000], 'f64')]];
    ops.momentum(device, { grads, momenta, out, weights, squares, l2: 0.3, momentum: 0.5 });
    const expected = momentum(new Float64Array(2000), g.map((x, i) => x + 0.3 * w[i]!), { momentum: 0.5 }); // biome-ignore format: one line
    expectClose(await valuesOf(out[0]!), expected, { dtype: 'f64', ulps: 4, magnitude: 1 });
    expectClose(await valuesOf(squares), [sumOfSquares(g)], { dtype: 'f64', ulps: 64 });
  });

  it('a guard keeps the momenta and gives zeros', async () => {
    const momenta = [tensorOf(device, normal(2000, 1), [2000], 'bf16')];
    const before = await momenta[0]!.read();
    const out = [Tensor.full(device, [2000], NaN)];
    const grads = [Tensor.full(device, [2000], NaN)];
    ops.momentum(device, { grads, momenta, out, guard: tensorOf(device, [1], [1], 'f64') });
    expectSame(await out[0]!.read(), new Float32Array(2000));
    expectSame(await momenta[0]!.read(), before);
  });

  it('refuses what does not fit', () => {
    const zeros = (dtype: Dtype = 'f32') => [Tensor.zeros(device, [2], { dtype })];
    const fields = { grads: zeros(), momenta: zeros(), out: zeros() };
    const code = (more: object) => thrownBy(() => ops.momentum(device, { ...fields, ...more })).code;
    expect(code({ out: zeros('f16') })).toBe('ERR_DTYPE');
    expect(code({ grads: zeros('i32') })).toBe('ERR_DTYPE');
    const split = { weights: zeros('bf16'), masters: zeros('bf16'), l2: 0.1 };
    expect(code({ ...split, out: zeros('f64') })).toBe('ERR_DTYPE');
    expect(code({ l2: 0.1 })).toBe('ERR_ARGUMENT');
    expect(code({ momentum: 1 })).toBe('ERR_ARGUMENT');
    expect(code({ momentum: 1.1, momentumForm: 'heavy-ball' })).toBe('ERR_ARGUMENT');
    expect(code({ momentum: -0.1 })).toBe('ERR_ARGUMENT');
    expect(code({ dampening: NaN })).toBe('ERR_ARGUMENT');
    expect(code({ weights: zeros(), l2: Infinity })).toBe('ERR_ARGUMENT');
    expect(code({ out: fields.grads })).toBe('ERR_ARGUMENT');
    expect(code({ momenta: [] })).toBe('ERR_ARGUMENT');
    expect(code({ squares: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
  });
});
