// Devices: cpu, cuda
// Source: values "has the bytes of the example of the page on packed codes"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { bytesOfRow } from '../../support/packed-codes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refusesWrongFields } from '../../support/refusals.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf =
  (rows: number, columns: number, groups: number, bits: number, dtype: (typeof floatingDtypes)[number] = 'f32') =>
  (on: Device) => ({
    x: tensorOf(on, normal(rows * columns, 5), [rows, columns], dtype),
    codes: Tensor.full(on, [rows, bytesOfRow(columns, bits)], 77, { dtype: 'u8' }),
    scales: Tensor.full(on, [rows, groups], NaN),
    bits,
  });

describe.each(devices)('quantize_groups on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([2, 3, 4, 8])('has the codes and scales of the reference, %i bits', async (bits) => {
    for (const [rows, columns, groups] of [
      [1, 128, 1],
      [7, 192, 6],
      [3, 43, 1],
      [5, 600, 30],
      [2, 31, 31],
      [0, 64, 1],
      [33, 1040, 5],
    ] as const)
      await expectLikeReference('quantizeGroups', device, fieldsOf(rows, columns, groups, bits), {
        scales: { ulps: 0.5 },
      });
  });

  it.each(floatingDtypes)('takes %s', (dtype) =>
    expectLikeReference('quantizeGroups', device, fieldsOf(5, 160, 5, 4, dtype), { scales: { ulps: 0.5 } }),
  );

  it('has the bytes of the example of the page on packed codes', async () => {
    for (const [bits, numbers, bytes] of [
      [4, [1, -1, 7, -7, 0, 2, -8, 3], [[0, 'f1972038']]],
      [3, [1, -1, 3, -3, 0, 2, -4, 3], [[0, 'f90a'], [32, '71']]], // biome-ignore format: a place and bytes
    ] as const) {
      // The least code comes from no number: it is written, and read.
      const w = new Float32Array(128);
      for (const [h, number] of numbers.entries()) w[16 * h] = Math.max(number, -(2 ** (bits - 1) - 1));
      const row = bytesOfRow(128, bits);
      const [codes, scales] = [Tensor.zeros(device, [1, row], { dtype: 'u8' }), Tensor.zeros(device, [1, 1])];
      ops.quantizeGroups(device, { x: Tensor.from(device, w, [1, 128]), codes, scales, bits });
      expect(await valuesOf(scales)).toEqual(Float64Array.of(1));
      const expected = new Uint8Array(row);
      for (const [at, text] of bytes) expected.set(Buffer.from(text, 'hex'), at);
      const least = new Float32Array(128);
      const out = Tensor.zeros(device, [1, 128]);
      for (const [h, number] of numbers.entries()) least[16 * h] = number;
      ops.dequantizeGroups(device, { codes: Tensor.from(device, expected, [1, row]), scales, out, bits });
      expect(await out.read()).toEqual(least);
      ops.dequantizeGroups(device, { codes, scales, out, bits });
      expect((await out.read()).map((value) => value + 0)).toEqual(w.map((value) => value + 0));
    }
  });

  it('has groups that hold nothing, one value, denormal and the largest numbers, NaN and infinity', async () => {
    const most = 3.4e38;
    const groups = [[0, 0], [3, 3], [1e-45, -1e-45], [most, -most], [NaN, 1], [1, -Infinity], [2, 1]]; // biome-ignore format: one line
    const x = Tensor.from(device, Float32Array.from(groups.flat()), [1, 14]);
    const [codes, scales] = [Tensor.zeros(device, [1, 16], { dtype: 'u8' }), Tensor.zeros(device, [1, 7])];
    ops.quantizeGroups(device, { x, codes, scales, bits: 8 });
    const given = await valuesOf(scales);
    expect([given[0], given[2], given[4], given[5]]).toEqual([0, 0, NaN, NaN]);
    const out = Tensor.zeros(device, [1, 14]);
    ops.dequantizeGroups(device, { codes, scales, out, bits: 8 });
    const back = [...(await valuesOf(out))];
    expect(back.slice(0, 6).map((value) => value + 0)).toEqual([0, 0, Math.fround(3), Math.fround(3), 0, 0]);
    expect(back.slice(8, 12)).toEqual([NaN, NaN, NaN, NaN]);
    expect(back[6]! / most).toBeCloseTo(1, 5);
    expect(back[12]).toBeCloseTo(2, 6);
    // Beyond f32 there is no scale.
    const large = Tensor.from(device, Float64Array.of(1e300, 1), [1, 2]);
    const [own, scale] = [Tensor.zeros(device, [1, 16], { dtype: 'u8' }), Tensor.zeros(device, [1, 1])];
    ops.quantizeGroups(device, { x: large, codes: own, scales: scale, bits: 4 });
    expect(await valuesOf(scale)).toEqual(Float64Array.of(NaN));
    expect((await own.read()).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.quantizeGroups(device, { ...fieldsOf(2, 64, 2, 4)(device), ...more })).code;
    expect(code({ bits: 5 })).toBe('ERR_ARGUMENT');
    expect(code({ bits: 8 })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [128]) })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [2, 64], { dtype: 'i32' }) })).toBe('ERR_DTYPE');
    expect(code({ codes: Tensor.zeros(device, [2, 32]) })).toBe('ERR_DTYPE');
    expect(code({ codes: Tensor.zeros(device, [3, 32], { dtype: 'u8' }) })).toBe('ERR_SHAPE');
    expect(code({ scales: Tensor.zeros(device, [2, 2], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ scales: Tensor.zeros(device, [3, 2]) })).toBe('ERR_SHAPE');
    expect(code({ scales: Tensor.zeros(device, [2, 3]) })).toBe('ERR_SHAPE');
    expect(code({ scales: Tensor.zeros(device, [2, 0]) })).toBe('ERR_SHAPE');
  });
});

describe.each(onlyCpu)('quantize_groups', () => {
  refusesWrongFields('quantizeGroups', fieldsOf(2, 64, 2, 4));
});
