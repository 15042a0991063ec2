// Devices: cpu, cuda
// Source: property "reads no padding"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { bytesOfRow } from '../../support/packed-codes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refusesWrongFields } from '../../support/refusals.ts';
import { tensorOf, thrownBy } from '../../support/tensors.ts';

const fieldsOf =
  (rows: number, columns: number, groups: number, bits: number, dtype: (typeof floatingDtypes)[number] = 'f32') =>
  (on: Device) => {
    const width = bytesOfRow(columns, bits);
    return {
      codes: Tensor.from(
        on,
        Uint8Array.from({ length: rows * width }, (_, i) => (i * 167 + 13) % 256),
        [rows, width],
      ),
      scales: tensorOf(on, normal(rows * groups, 6), [rows, groups]),
      out: Tensor.full(on, [rows, columns], NaN, { dtype }),
      bits,
    };
  };

describe.each(devices)('dequantize_groups on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([2, 3, 4, 8])('has the numbers of the reference, %i bits', async (bits) => {
    for (const [rows, columns, groups] of [
      [1, 128, 1],
      [7, 192, 6],
      [3, 43, 1],
      [5, 600, 30],
      [2, 31, 31],
      [0, 64, 1],
    ] as const)
      await expectLikeReference('dequantizeGroups', device, fieldsOf(rows, columns, groups, bits), { ulps: 0.5 });
  });

  it.each(floatingDtypes)('gives %s', (dtype) =>
    // A product in f32 is rounded before its dtype's.
    expectLikeReference('dequantizeGroups', device, fieldsOf(5, 160, 5, 8, dtype), {
      ulps: dtype === 'f64' ? 2 ** 29 : 1,
    }),
  );

  it('reads no padding', async () => {
    const fields = fieldsOf(2, 40, 2, 3)(device);
    const codes = await fields.codes.read();
    ops.dequantizeGroups(device, fields);
    const before = await fields.out.read();
    // Elements 40 to 47 are codes 2 of lanes 8 to 15: bits 6, 7 and 8 of lanes of 2 bytes. Bits behind are nobody's.
    for (let row = 0; row < 2; ++row)
      for (let lane = 0; lane < 16; ++lane) {
        const at = row * 32 + 2 * lane;
        if (lane >= 8) codes[at]! ^= 0xc0;
        codes[at + 1]! ^= lane >= 8 ? 0xff : 0xfe;
      }
    fields.codes.write(codes);
    ops.dequantizeGroups(device, fields);
    expect(await fields.out.read()).toEqual(before);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.dequantizeGroups(device, { ...fieldsOf(2, 64, 2, 4)(device), ...more })).code;
    expect(code({ bits: 1 })).toBe('ERR_ARGUMENT');
    expect(code({ out: Tensor.zeros(device, [128]) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [2, 64], { dtype: 'i32' }) })).toBe('ERR_DTYPE');
    expect(code({ codes: Tensor.zeros(device, [2, 31], { dtype: 'u8' }) })).toBe('ERR_SHAPE');
    expect(code({ scales: Tensor.zeros(device, [2, 3]) })).toBe('ERR_SHAPE');
  });
});

describe.each(onlyCpu)('dequantize_groups', () => {
  refusesWrongFields('dequantizeGroups', fieldsOf(2, 64, 2, 4));
});
