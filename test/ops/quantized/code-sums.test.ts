// Devices: cpu, cuda
// Source: closed form "counts codes, and those outside"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { codedMatrix } from '../../support/coded.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf = (rows: number, columns: number, bits: number, dtype: 'f32' | 'f64', beta: number) => (on: Device) => {
  const { codes, rowBooks } = codedMatrix(on, rows, columns, bits);
  return {
    ...{ codes, rowBooks, bits, columns, beta },
    x: tensorOf(on, normal(rows * columns, 5), [rows, columns]),
    sums: Tensor.full(on, [2, 2 ** bits], 3, { dtype }),
  };
};

describe.each(devices)('code_sums on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 1, 1, 'f32', 0],
    [5, 300, 4, 'f32', 2],
    [31, 130, 3, 'f64', 0],
    [3, 257, 8, 'f32', 1],
  ] as const)('of %i rows of %i, %i bits, %s, beta %f', (rows, columns, bits, dtype, beta) =>
    expectLikeReference('codeSums', device, fieldsOf(rows, columns, bits, dtype, beta), { ulps: 64, of: 'largest' }),
  );

  it('counts codes, and those outside', async () => {
    const { codes, rowBooks, codeRows } = codedMatrix(device, 4, 50, 3);
    const sums = Tensor.full(device, [1, 5], NaN, { dtype: 'f64' });
    const outside = Tensor.zeros(device, [1], { dtype: 'f64' });
    ops.codeSums(device, { codes, rowBooks, sums, outside, bits: 3, columns: 50 });
    const first = [...codeRows[0]!, ...codeRows[2]!];
    expect([...(await valuesOf(sums))]).toEqual([0, 1, 2, 3, 4].map((k) => first.filter((code) => code === k).length));
    expect([...(await valuesOf(outside))]).toEqual([100 + first.filter((code) => code > 4).length]);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.codeSums(device, { ...fieldsOf(2, 16, 4, 'f32', 0)(device), ...more })).code;
    expect(code({ columns: -1 })).toBe('ERR_ARGUMENT');
    expect(code({ columns: 400 })).toBe('ERR_SHAPE');
    expect(code({ sums: Tensor.zeros(device, [2, 16], { dtype: 'i32' }) })).toBe('ERR_DTYPE');
    expect(code({ sums: Tensor.zeros(device, [2, 17]) })).toBe('ERR_SHAPE');
    expect(code({ sums: Tensor.zeros(device, [0, 16]) })).toBe('ERR_SHAPE');
    expect(code({ bits: 0 })).toBe('ERR_ARGUMENT');
    expect(code({ x: Tensor.zeros(device, [2, 16], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ x: Tensor.zeros(device, [2, 17]) })).toBe('ERR_SHAPE');
    expect(code({ outside: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
  });
});
