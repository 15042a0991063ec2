// Devices: cpu, cuda
// Source: closed form "of 3 and 4 is 5, whatever the dtype"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { inverseNorm, norm } from '../../reference/norms.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('norms on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const cases = floatingDtypes.flatMap((dtype) =>
    (dtype === 'f16' ? [1e-3, 1, 1e3] : [1e-30, 1, 1e30]).map((scale) => ({ dtype, scale })),
  );
  it.each(cases)('$dtype of size $scale, every length in one call', async ({ dtype, scale }) => {
    const x = awkward.map((size) => tensorOf(device, normal(size, size + 2, scale), [size], dtype));
    const values = await Promise.all(x.map(valuesOf));
    const out = new Tensor(device, [x.length], 'f64');
    ops.norms(device, { x, out });
    expectClose(await valuesOf(out), values.map(norm), { dtype: 'f64', ulps: 64 });
    const eps = 1e-7;
    ops.norms(device, { x, out, result: 'inverse', eps, scale: 1.02 });
    const expected = values.map((v) => inverseNorm(v, eps, 1.02));
    expectClose(await valuesOf(out), expected, { dtype: 'f64', ulps: 64 });
  });

  it('of 3 and 4 is 5, whatever the dtype', async () => {
    const x = floatingDtypes.flatMap((dtype) =>
      [
        [3, -4],
        [2, 3, 6],
      ].map((v) => tensorOf(device, v, [v.length], dtype)),
    );
    const out = Tensor.full(device, [x.length], NaN, { dtype: 'f64' });
    ops.norms(device, { x, out });
    expect([...(await out.read())]).toEqual(floatingDtypes.flatMap(() => [5, 7]));
    ops.norms(device, { x, out, result: 'inverse' });
    expectClose(
      await out.read(),
      floatingDtypes.flatMap(() => [1 / 5, 1 / 7]),
      { dtype: 'f64', ulps: 2 },
    );
  });

  it('of nothing and of zeros is 0, and so is the inverse', async () => {
    const x = [Tensor.zeros(device, [0]), Tensor.zeros(device, [3, 4])];
    const out = Tensor.full(device, [2], NaN, { dtype: 'f64' });
    for (const result of ['norm', 'inverse'] as const) {
      ops.norms(device, { x, out, result });
      expect(await out.read()).toEqual(new Float64Array(2));
    }
    const none = new Tensor(device, [0], 'f64');
    ops.norms(device, { x: [], out: none });
    expect(await none.read()).toEqual(new Float64Array(0));
  });

  it.each([1e-300, 1e-160, 1e155, 1e300])('f64 of size %d, whose squares leave the range of f64', async (scale) => {
    const sizes = [1, 2, 600, 40_000];
    const plain = sizes.map((size) => normal(size, size));
    const x = plain.map((values) => tensorOf(device, values.map((v) => v * scale), [values.length], 'f64')); // biome-ignore format: one line
    // Beside one of ordinary size, and none at all.
    x.push(tensorOf(device, plain[2]!, [600], 'f64'), Tensor.zeros(device, [5], { dtype: 'f64' }));
    const out = new Tensor(device, [x.length], 'f64');
    ops.norms(device, { x, out });
    const expected = [...plain.map((values) => norm(values) * scale), norm(plain[2]!), 0];
    expectClose(await valuesOf(out), Float64Array.from(expected), { dtype: 'f64', ulps: 64 });
    ops.norms(device, { x, out, result: 'inverse', scale: 2 });
    const inverses = expected.map((value) => (value === 0 ? 0 : 0.5 / value));
    expectClose(await valuesOf(out), Float64Array.from(inverses), { dtype: 'f64', ulps: 64 });
  });

  it('has an inverse that is finite in f32, for subnormal f32', async () => {
    const x = [tensorOf(device, [1e-42, 0]), tensorOf(device, [1e-42], [1], 'f64')];
    const out = new Tensor(device, [2], 'f64');
    ops.norms(device, { x, out, result: 'inverse' });
    const [narrow, wide] = await valuesOf(out);
    expect(narrow).toBe((2 - 2 ** -23) * 2 ** 127);
    expect(wide).toBeCloseTo(1e42, -30);
  });

  it('passes on what is no number', async () => {
    const x = [tensorOf(device, [1, NaN]), tensorOf(device, [1, -Infinity])];
    const out = new Tensor(device, [2], 'f64');
    ops.norms(device, { x, out });
    expect(await out.read()).toEqual(Float64Array.from([NaN, Infinity]));
  });

  it('refuses what does not fit', () => {
    const x = [Tensor.zeros(device, [2])];
    const out = new Tensor(device, [1], 'f64');
    const code = (fields: Partial<Parameters<typeof ops.norms>[1]>) =>
      thrownBy(() => ops.norms(device, { x, out, ...fields })).code;
    expect(code({ out: new Tensor(device, [1]) })).toBe('ERR_DTYPE');
    expect(code({ out: new Tensor(device, [2], 'f64') })).toBe('ERR_SHAPE');
    expect(code({ x: [Tensor.zeros(device, [2], { dtype: 'i32' })] })).toBe('ERR_DTYPE');
    expect(code({ eps: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ scale: 0 })).toBe('ERR_ARGUMENT');
    expect(code({ eps: NaN })).toBe('ERR_ARGUMENT');
  });
});
