// Devices: cpu, cuda
// Source: values "has the values of 50 digits, far into the tail"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { gelu as reference } from '../../reference/gelu.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const forms = ['erf', 'tanh'] as const;

describe.each(devices)('gelu on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(awkward)('agrees with the reference, n = %i, in place too', async (n) => {
      for (const form of forms) {
        const x = tensorOf(device, normal(n, n + 1, 2), [n], dtype);
        const out = Tensor.full(device, [n], NaN, { dtype });
        const values = await valuesOf(x);
        ops.gelu(device, { x, out, form });
        const expected = reference(values, form);
        // The exponential's units grow with its argument, but for the f32 erf; in f64 also those of the reference.
        const even = dtype === 'f32' && form === 'erf';
        const magnitude = expected.map((y, i) => (even ? 0 : Math.abs(y) * (1 + values[i]! ** 2)));
        const ulps = dtype === 'f64' ? 8 : even ? 6.5 : 6;
        expectClose(await valuesOf(out), expected, { dtype, ulps, magnitude });
        ops.gelu(device, { x, out: x, form });
        expect(sameBits(await x.read(), await out.read())).toBe(true);
      }
    });
  });

  it('has the values of 50 digits, far into the tail', async () => {
    // x Φ(x) by mpmath 1.3: x * mp.ncdf(x) with mp.dps = 50.
    const values = [
      [-37, -2.1184613523340935e-298],
      [-30.5, -3.973960635193133e-203],
      [-20.25, -3.596804726522879e-90],
      [-10.125, -2.1666423446411244e-23],
      [-5.5, -1.0444259356238245e-7],
      [-3, -0.0040496940948902835],
      [-1.5, -0.1002108019032871],
      [-0.75, -0.16997051428265114],
      [-0.001, -0.000499601057786089],
      [1e-10, 5.000000000398942e-11],
      [0.5, 0.34573123063700656],
      [1, 0.8413447460685429],
      [2.75, 2.7418056511035998],
      [6, 5.999999994080474],
      [9, 9.0],
    ] as const;
    const x = tensorOf(
      device,
      values.map(([at]) => at),
      [values.length],
      'f64',
    );
    ops.gelu(device, { x, out: x });
    const expected = values.map(([, y]) => y);
    expectClose(await valuesOf(x), expected, { dtype: 'f64', ulps: 8 });
  });

  it.each(forms)('passes 0, +inf and NaN, and is 0 far below and at -inf: %s', async (form) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const x = tensorOf(device, [0, -0, Infinity, -Infinity, NaN, -1e30, 1e30, -50, 50], [9], dtype);
      ops.gelu(device, { x, out: x, form });
      const large = (await valuesOf(tensorOf(device, [1e30], [1], dtype)))[0];
      expect([...(await valuesOf(x))]).toEqual([0, -0, Infinity, -0, NaN, -0, large, -0, 50]);
    }
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 3]), out: Tensor.zeros(device, [2, 3]) });
describe.each(onlyCpu)('gelu', () => {
  refusesWrongFields('gelu', valid);
  refuses('gelu', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    return [
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'gelu: x must be floating, got i32[2, 3]'],
      [{ out: f64 }, 'ERR_DTYPE', "gelu: out must have x's dtype, got f64[2, 3]"],
      [{ out: Tensor.zeros(device, [6]) }, 'ERR_SHAPE', "gelu: out must have x's shape, got f32[6] for x f32[2, 3]"],
      [{ form: 'sigmoid' }, 'ERR_ARGUMENT', "gelu: form must be one of 'erf', 'tanh', got 'sigmoid'"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      forms.map((form) => {
        const x = tensorOf(device, normal(40001, 1), [40001]);
        ops.gelu(device, { x, out: x, form });
        return x;
      }),
    ));
});
