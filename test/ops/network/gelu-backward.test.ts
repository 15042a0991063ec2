// Devices: cpu, cuda
// Source: formula "agrees with central differences of the forward operation: %s"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { gelu } from '../../reference/gelu.ts';
import { geluBackward as reference } from '../../reference/gelu-backward.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const forms = ['erf', 'tanh'] as const;

describe.each(devices)('geluBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(awkward)('agrees with the reference, n = %i, in place too', async (n) => {
      for (const form of forms) {
        const grad = tensorOf(device, normal(n, n + 1), [n], dtype);
        const x = tensorOf(device, normal(n, n + 2, 2), [n], dtype);
        const out = Tensor.full(device, [n], NaN, { dtype });
        const g = await valuesOf(grad);
        ops.geluBackward(device, { grad, x, out, form });
        // The two terms cancel where the derivative is 0.
        const magnitude = g.map(Math.abs);
        const ulps = dtype === 'f32' ? 6 : 8;
        expectClose(await valuesOf(out), reference(g, await valuesOf(x), form), { dtype, ulps, magnitude });
        ops.geluBackward(device, { grad, x, out: grad, form });
        expect(sameBits(await grad.read(), await out.read())).toBe(true);
      }
    });
  });

  it.each(forms)('agrees with central differences of the forward operation: %s', async (form) => {
    const x = normal(33, 1, 2);
    const out = tensorOf(device, x, [33], 'f64');
    ops.geluBackward(device, { grad: Tensor.full(device, [33], 1, { dtype: 'f64' }), x: out, out, form });
    const [up, down] = [1e-5, -1e-5].map((step) =>
      gelu(
        x.map((v) => v + step),
        form,
      ),
    );
    (await valuesOf(out)).forEach((v, i) => {
      expect(v).toBeCloseTo((up![i]! - down![i]!) / 2e-5, 8);
    });
  });

  it.each(forms)('is 0 at -inf, 1 at +inf, and passes NaN: %s', async (form) => {
    const grad = tensorOf(device, [2, 2, 2, 2, 2, NaN, 2]);
    const x = tensorOf(device, [0, Infinity, -Infinity, 1e30, -1e30, 1, NaN]);
    ops.geluBackward(device, { grad, x, out: grad, form });
    expect((await grad.read()).map((v) => v + 0)).toEqual(new Float32Array([1, 2, 0, 2, 0, NaN, NaN]));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3]),
  x: Tensor.zeros(device, [2, 3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('geluBackward', () => {
  refusesWrongFields('geluBackward', valid);
  refuses('geluBackward', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const flat = Tensor.zeros(device, [6]);
    return [
      [{ grad: f64.cast('i32') }, 'ERR_DTYPE', 'geluBackward: grad must be floating, got i32[2, 3]'],
      [{ x: f64 }, 'ERR_DTYPE', "geluBackward: x must have grad's dtype, got f64[2, 3]"],
      [{ out: f64 }, 'ERR_DTYPE', "geluBackward: out must have grad's dtype, got f64[2, 3]"],
      [{ x: flat }, 'ERR_SHAPE', "geluBackward: x must have grad's shape, got f32[6] for grad f32[2, 3]"],
      [{ out: flat }, 'ERR_SHAPE', "geluBackward: out must have grad's shape, got f32[6] for grad f32[2, 3]"],
      [{ form: 'exact' }, 'ERR_ARGUMENT', "geluBackward: form must be one of 'erf', 'tanh', got 'exact'"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      forms.map((form) => {
        const [grad, x] = [1, 2].map((seed) => tensorOf(device, normal(40001, seed), [40001]));
        ops.geluBackward(device, { grad: grad!, x: x!, out: grad!, form });
        return grad!;
      }),
    ));
});
