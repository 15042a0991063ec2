// Devices: cpu, cuda
// Source: closed form "spreads codes evenly from the least to the largest"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Given = [rows: number, columns: number, bits: 8 | 4, dtype: 'f32' | 'f64'];
const fieldsOf =
  (...[rows, columns, bits, dtype]: Given) =>
  (on: Device) => {
    const width = bits === 8 ? columns : Math.ceil(columns / 2);
    const codes = Uint8Array.from({ length: rows * width }, (_, i) => (37 * i + 11) % 256);
    return {
      codes: Tensor.from(on, codes, [rows, width]),
      ranges: tensorOf(on, normal(2 * rows, 2), [rows, 2], dtype),
      out: Tensor.full(on, [rows, columns], NaN, { dtype }),
      bits,
    };
  };

describe.each(devices)('dequantize_rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<Given>([
    [33, 31, 8, 'f32'],
    [33, 31, 4, 'f32'],
    [5, 596, 4, 'f64'],
    [2, 4097, 8, 'f64'],
    [3, 1, 4, 'f32'],
    [3, 0, 4, 'f32'],
    [0, 3, 8, 'f32'],
  ])('of %i rows of %i of %i bits in %s', (...given) =>
    expectLikeReference('dequantizeRows', device, fieldsOf(...given), { ulps: 2, of: 'largest' }),
  );

  it('spreads codes evenly from the least to the largest', async () => {
    const codes = Tensor.from(device, Uint8Array.of(0x01, 0x2f), [1, 2]);
    const ranges = tensorOf(device, [-1, 29], [2], 'f64');
    const out = Tensor.full(device, [1, 4], NaN, { dtype: 'f64' });
    ops.dequantizeRows(device, { codes, ranges, out, bits: 4 });
    expect([...(await valuesOf(out))]).toEqual([-1, 1, 3, 29]);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.dequantizeRows(device, { ...fieldsOf(2, 3, 8, 'f32')(device), ...more })).code;
    expect(code({ bits: 16 })).toBe('ERR_ARGUMENT');
    expect(code({ bits: 4 })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, []) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [2, 3], { dtype: 'bf16' }) })).toBe('ERR_DTYPE');
    expect(code({ codes: Tensor.zeros(device, [2, 3]) })).toBe('ERR_DTYPE');
    expect(code({ ranges: Tensor.zeros(device, [2, 2], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
  });
});
