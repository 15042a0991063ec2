// Devices: cpu, cuda
// Source: closed form "brings 16 numbers back that have all codes of four bits, in their places"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { codedRows } from '../../reference/codes.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { type RowCodes, rowCodeFields, rowCodes } from '../../support/row-codes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf =
  (...given: RowCodes) =>
  (on: Device) => {
    const { numbers, codes, ranges, bits } = rowCodeFields(on, given);
    return { x: numbers, codes, ranges, bits };
  };

describe.each(devices)('quantize_rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(rowCodes)('of %i rows of %i to %i bits in %s', (...given) =>
    expectLikeReference('quantizeRows', device, fieldsOf(...given), { ulps: 0.5 }),
  );

  it.each([8, 4] as const)('has the codes of the formula by rows, %i bits, and back half a step off', async (bits) => {
    const fields = fieldsOf(9, 13, bits, 'f64')(device);
    ops.quantizeRows(device, fields);
    const expected = codedRows(await valuesOf(fields.x), 13, bits);
    expect([...(await fields.codes.read())]).toEqual(expected.codes);
    expect([...(await valuesOf(fields.ranges))]).toEqual(expected.ranges);
    const out = Tensor.full(device, [9, 13], NaN, { dtype: 'f64' });
    ops.dequantizeRows(device, { codes: fields.codes, ranges: fields.ranges, out, bits });
    const [x, back] = [await valuesOf(fields.x), await valuesOf(out)];
    for (const [i, value] of back.entries()) {
      expect(value).toBeCloseTo(expected.back[i]!, 13);
      const [low, high] = expected.ranges.slice(2 * Math.floor(i / 13));
      expect(Math.abs(value - x[i]!)).toBeLessThanOrEqual((high! - low!) / (2 ** bits - 1) / 2 + 1e-15);
    }
  });

  it('brings 16 numbers back that have all codes of four bits, in their places', async () => {
    const x = tensorOf(device, Array.from({ length: 16 }, (_, i) => (7 * i) % 16), [1, 16], 'f32'); // biome-ignore format: one line
    const [codes, ranges] = [Tensor.zeros(device, [1, 8], { dtype: 'u8' }), Tensor.zeros(device, [1, 2])];
    ops.quantizeRows(device, { x, codes, ranges, bits: 4 });
    expect([...(await codes.read())].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')).toBe(
      '07 e5 c3 a1 8f 6d 4b 29',
    );
    const out = Tensor.full(device, [1, 16], NaN);
    ops.dequantizeRows(device, { codes, ranges, out, bits: 4 });
    expect([...(await out.read())]).toEqual([...(await x.read())]);
  });

  it('gives equal elements the code 0, and rows that are not finite the range NaN', async () => {
    for (const [dtype, most] of [
      ['f32', 3e38],
      ['f64', 1.7e308],
    ] as const) {
      // biome-ignore format: one line
      const x = tensorOf(device, [5, 5, NaN, 1, -Infinity, 1, most, -most, 0, 0], [5, 2], dtype);
      const [codes, ranges] = [
        Tensor.full(device, [5, 2], 9, { dtype: 'u8' }),
        Tensor.zeros(device, [5, 2], { dtype }),
      ];
      ops.quantizeRows(device, { x, codes, ranges });
      expect([...(await codes.read())]).toEqual([0, 0, 0, 0, 0, 0, 255, 0, 0, 0]);
      const out = Tensor.full(device, [5, 2], 1, { dtype });
      ops.dequantizeRows(device, { codes, ranges, out });
      const back = [...(await valuesOf(out))];
      expect(back.slice(0, 6)).toEqual([5, 5, NaN, NaN, NaN, NaN]);
      for (const [i, sign] of [1, -1].entries()) expect(back[6 + i]! / most).toBeCloseTo(sign, 6);
      expect(back.slice(8)).toEqual([0, 0]);
    }
  });

  it('leaves all under a guard', async () => {
    const fields = fieldsOf(2, 3, 8, 'f32')(device);
    const before = [await fields.codes.read(), await fields.ranges.read()];
    ops.quantizeRows(device, { ...fields, guard: tensorOf(device, [1], [1], 'f64') });
    expect([await fields.codes.read(), await fields.ranges.read()]).toEqual(before);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.quantizeRows(device, { ...fieldsOf(2, 3, 8, 'f32')(device), ...more })).code;
    expect(code({ bits: 2 })).toBe('ERR_ARGUMENT');
    expect(code({ bits: 4 })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, []) })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [2, 3], { dtype: 'f16' }) })).toBe('ERR_DTYPE');
    expect(code({ codes: Tensor.zeros(device, [2, 3]) })).toBe('ERR_DTYPE');
    expect(code({ ranges: Tensor.zeros(device, [2, 2], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ ranges: Tensor.zeros(device, [2]) })).toBe('ERR_SHAPE');
    expect(code({ guard: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
  });
});
