// Devices: cpu, cuda
// Source: closed form "%s, of every size in one call"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectSame } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { arrayOf, dtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy } from '../../support/tensors.ts';

describe.each(devices)('copy on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(dtypes)('%s, of every size in one call', async (dtype) => {
    const data = awkward.map((size) => normal(size, size + 1, 50));
    const x = data.map((values) => tensorOf(device, values, [values.length], dtype));
    const out = data.map((values) => Tensor.full(device, [values.length], 9, { dtype }));
    ops.copy(device, { out, x });
    for (const [i, values] of data.entries()) expectSame(await out[i]!.read(), arrayOf(values, dtype));
  });

  it.each(dtypes)('agrees with the reference, %s', (dtype) =>
    expectLikeReference(
      'copy',
      device,
      (on) => ({
        out: awkward.map((size) => Tensor.full(on, [size], 9, { dtype })),
        x: awkward.map((size) => tensorOf(on, normal(size, size + 1, 50), [size], dtype)),
      }),
      { ulps: 0 },
    ),
  );

  it('keeps the bits of NaN', async () => {
    const bits = Uint16Array.from([0x7f81, 0xffff, 0x7fc0]);
    const x = Tensor.from(device, bits, [3], { dtype: 'bf16' });
    expect(await x.copy().read()).toEqual(bits);
  });

  it('refuses other dtypes, shapes, numbers of tensors, and itself', () => {
    const x = Tensor.zeros(device, [2, 3]);
    const same = Tensor.zeros(device, [2, 3]);
    const code = (fields: { out: Tensor[]; x: Tensor[] }) => thrownBy(() => ops.copy(device, fields)).code;
    expect(code({ out: [x], x: [Tensor.zeros(device, [2, 3], { dtype: 'f64' })] })).toBe('ERR_DTYPE');
    expect(code({ out: [x], x: [Tensor.zeros(device, [3, 2])] })).toBe('ERR_SHAPE');
    expect(code({ out: [x], x: [] })).toBe('ERR_ARGUMENT');
    expect(code({ out: [x], x: [x] })).toBe('ERR_ARGUMENT');
    expect(code({ out: [x], x: [x.reshape([2, 3])] })).toBe('ERR_ARGUMENT');
    expect(code({ out: [x, same], x: [same, same] })).toBe('ERR_ARGUMENT');
  });
});
