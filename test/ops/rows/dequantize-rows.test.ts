// Devices: cpu, cuda
// Source: closed form "spreads codes evenly from the least to the largest"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { type RowCodes, rowCodeFields, rowCodes } from '../../support/row-codes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf =
  (...given: RowCodes) =>
  (on: Device) => {
    const { numbers, codes, ranges, bits } = rowCodeFields(on, given);
    return { codes, ranges, out: numbers, bits };
  };

describe.each(devices)('dequantize_rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(rowCodes)('of %i rows of %i of %i bits in %s', (...given) =>
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
