// Devices: cpu, cuda
// Source: closed form "has the numbers of codes that were packed by words of the layout, %i bits"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { codedMatrix, fieldsOfCoded } from '../../support/coded.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('decode_codes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'has the numbers of codes that were packed by words of the layout, %i bits',
    async (bits) => {
      for (const [rows, columns] of [
        [1, 1],
        [3, 17],
        [5, 300],
      ] as const) {
        const { plain, codes, codebooks, rowBooks } = codedMatrix(device, rows, columns, bits);
        const out = Tensor.zeros(device, [rows, columns]);
        ops.decodeCodes(device, { codes, codebooks, rowBooks, out, bits });
        expect([...(await valuesOf(out))]).toEqual(plain.flat());
      }
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('has the numbers of the reference, %i bits', async (bits) => {
    for (const [rows, columns] of [
      [1, 1],
      [3, 17],
      [5, 300],
    ] as const)
      await expectLikeReference(
        'decodeCodes',
        device,
        (on) => ({ ...fieldsOfCoded(on, rows, columns, bits), out: Tensor.full(on, [rows, columns], NaN) }),
        { ulps: 0.5 },
      );
  });

  it('gives NaN for a code that the codebook has not, and for a codebook that is not there', async () => {
    const { codes, codebooks, rowBooks } = codedMatrix(device, 2, 20, 3);
    const out = Tensor.zeros(device, [2, 20]);
    const few = codebooks.reshape([8, 2]).rows(0, 1);
    ops.decodeCodes(device, { codes, codebooks: few, rowBooks, out, bits: 3 });
    const values = [...(await valuesOf(out))];
    expect(values.slice(0, 20).some(Number.isNaN)).toBe(true);
    expect(values.slice(20).every(Number.isNaN)).toBe(true);
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() =>
        ops.decodeCodes(device, { ...fieldsOfCoded(device, 2, 16, 4), out: Tensor.zeros(device, [2, 16]), ...more }),
      ).code;
    expect(code({ out: Tensor.zeros(device, [2, 16], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ out: Tensor.zeros(device, [32]) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [3, 16]) })).toBe('ERR_SHAPE');
    expect(code({ bits: 9 })).toBe('ERR_ARGUMENT');
  });
});
