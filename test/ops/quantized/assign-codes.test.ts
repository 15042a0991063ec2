// Devices: cpu, cuda
// Source: property "packs the place of the nearest number"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { codedMatrix, packed, widthOf } from '../../support/coded.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf = (rows: number, columns: number, bits: number, numbers: number) => (on: Device) => ({
  x: tensorOf(on, normal(rows * columns, 5), [rows, columns]),
  codebooks: tensorOf(on, normal(2 * numbers, 6), [2, numbers]),
  rowBooks: Tensor.from(
    on,
    Uint8Array.from({ length: 2 * rows }, (_, i) => (i % 4 === 0 ? 1 : 0)),
    [rows, 2],
  ),
  codes: Tensor.full(on, [rows, widthOf(columns, bits)], 9, { dtype: 'u8' }),
  bits,
});

describe.each(devices)('assign_codes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 1, 1, 2],
    [5, 31, 2, 3],
    [3, 129, 3, 8],
    [7, 300, 4, 16],
    [2, 140, 5, 32],
    [2, 257, 6, 33],
    [2, 200, 7, 128],
    [2, 257, 8, 256],
    [3, 300, 8, 10],
    [2, 150, 6, 16],
    [2, 150, 7, 17],
    [0, 16, 4, 16],
  ])('of %i rows of %i, %i bits, %i numbers', (...given) =>
    expectLikeReference('assignCodes', device, fieldsOf(...given), { ulps: 0.5 }),
  );

  it('packs the place of the nearest number', async () => {
    const fields = fieldsOf(4, 150, 3, 7)(device);
    ops.assignCodes(device, fields);
    const [x, books] = [await valuesOf(fields.x), await valuesOf(fields.codebooks)];
    const rows = Array.from({ length: 4 }, (_, i) =>
      Array.from(x.subarray(150 * i, 150 * (i + 1)), (value) => {
        const book = [...books].slice(i % 2 === 0 ? 7 : 0, i % 2 === 0 ? 14 : 7);
        const distances = book.map((c) => Math.abs(value - c));
        return distances.indexOf(Math.min(...distances));
      }),
    );
    expect([...(await fields.codes.read())]).toEqual([...packed(rows, 3)]);
  });

  it('takes the smaller number half way, the first of equal ones, and 0 without a codebook', async () => {
    const x = tensorOf(device, [0, 0.5, 1, 1.5, 2, NaN, 0, 0, 0, 0, 0, 9], [2, 6]);
    const codebooks = tensorOf(device, [1, 0, 2, 1], [1, 4]);
    const rowBooks = Tensor.from(device, Uint8Array.of(0, 0, 1, 0), [2, 2]);
    const codes = Tensor.full(device, [2, 16], 9, { dtype: 'u8' });
    ops.assignCodes(device, { x, codebooks, rowBooks, codes, bits: 2 });
    expect([...(await codes.read())]).toEqual([...packed([[1, 1, 0, 0, 2, 1], [0, 0, 0, 0, 0, 0]], 2)]); // biome-ignore format: one line
  });

  it('refuses what does not fit', () => {
    const good = () => ({ ...fieldsOf(2, 16, 4, 16)(device) });
    const code = (more: object) => thrownBy(() => ops.assignCodes(device, { ...good(), ...more })).code;
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'u8' = 'f32') => Tensor.zeros(device, shape, { dtype });
    expect(code({ bits: 0 })).toBe('ERR_ARGUMENT');
    expect(code({ bits: 9 })).toBe('ERR_ARGUMENT');
    expect(code({ x: zeros([2, 16], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ x: zeros([32]) })).toBe('ERR_SHAPE');
    expect(code({ codes: zeros([2, 16]) })).toBe('ERR_DTYPE');
    expect(code({ codes: zeros([32], 'u8') })).toBe('ERR_SHAPE');
    expect(code({ codes: zeros([2, 15], 'u8') })).toBe('ERR_SHAPE');
    expect(code({ codes: zeros([3, 16], 'u8') })).toBe('ERR_SHAPE');
    expect(code({ codebooks: zeros([1, 16], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ codebooks: zeros([16]) })).toBe('ERR_SHAPE');
    expect(code({ codebooks: zeros([1, 17]) })).toBe('ERR_SHAPE');
    expect(code({ rowBooks: zeros([2, 2]) })).toBe('ERR_DTYPE');
    expect(code({ rowBooks: zeros([3], 'u8') })).toBe('ERR_SHAPE');
  });

  it('brings codes of decoded numbers back', async () => {
    const { codes, codebooks, rowBooks, plain } = codedMatrix(device, 3, 300, 4);
    const again = Tensor.zeros(device, codes.shape, { dtype: 'u8' });
    ops.assignCodes(device, { x: tensorOf(device, plain.flat(), [3, 300]), codebooks, rowBooks, codes: again });
    expect([...(await again.read())]).toEqual([...(await codes.read())]);
  });
});
