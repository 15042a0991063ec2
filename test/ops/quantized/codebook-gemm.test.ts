// Devices: cpu, cuda
// Source: property "is the product with the decoded matrix"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { codedMatrix, fieldsOfCoded } from '../../support/coded.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Given = [batch: number, rows: number, columns: number, bits: number, turned?: boolean, beta?: number];
const fieldsOf =
  (...[batch, rows, columns, bits, turned = false, beta = 0]: Given) =>
  (on: Device) => ({
    ...fieldsOfCoded(on, rows, columns, bits),
    x: tensorOf(on, normal(batch * (turned ? rows : columns), 5), [batch, turned ? rows : columns]),
    bias: tensorOf(on, normal(turned ? columns : rows, 6)),
    out: Tensor.full(on, [batch, turned ? columns : rows], beta === 0 ? NaN : 2),
    ...(turned && { weight: 'transposed' as const }),
    beta,
  });

describe.each(devices)('codebook_gemm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<Given>([
    [1, 1, 1, 1],
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((bits): Given => [1, 7, 300, bits]),
    [3, 33, 129, 4, false, 0.5],
    [5, 70, 300, 3],
    [33, 65, 140, 4, false, -1],
    [4, 31, 600, 8],
    [1, 5, 300, 4, true],
    [9, 130, 77, 2, true, 2],
    [0, 5, 16, 4],
  ])('of %i inputs and %i rows of %i, %i bits, transposed %s, beta %f', (...given) =>
    expectLikeReference('codebookGemm', device, fieldsOf(...given), { ulps: 64, of: 'largest' }),
  );

  it('is the product with the decoded matrix', async () => {
    for (const batch of [1, 3, 20]) {
      const { plain, ...fields } = codedMatrix(device, 9, 200, 4);
      const { codes, codebooks, rowBooks, bits } = fields;
      const x = normal(batch * 200, 3);
      const out = Tensor.zeros(device, [batch, 9]);
      ops.codebookGemm(device, { x: tensorOf(device, x, [batch, 200]), codes, codebooks, rowBooks, out, bits });
      const values = await valuesOf(out);
      for (let b = 0; b < batch; ++b)
        for (const [o, row] of plain.entries()) {
          const sum = row.reduce((total, w, k) => total + w * Math.fround(x[b * 200 + k]!), 0);
          expect(Math.abs(values[b * 9 + o]! - sum)).toBeLessThan(1e-4);
        }
    }
  });

  it('gives NaN for codes that are not there, and leaves other columns', async () => {
    const { codes, codebooks, rowBooks } = codedMatrix(device, 2, 40, 3);
    const first = codebooks.rows(0, 1);
    for (const batch of [1, 20]) {
      const out = Tensor.zeros(device, [batch, 2]);
      const x = Tensor.full(device, [batch, 40], 1);
      ops.codebookGemm(device, { x, codes, codebooks: first, rowBooks, out, bits: 3 });
      const values = [...(await valuesOf(out))];
      expect(values.map(Number.isNaN)).toEqual(values.map((_, i) => i % 2 === 1));
    }
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.codebookGemm(device, { ...fieldsOf(2, 3, 16, 4)(device), ...more })).code;
    const zeros = (shape: number[], dtype: 'f32' | 'f64' = 'f32') => Tensor.zeros(device, shape, { dtype });
    expect(code({ x: zeros([2, 16], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ out: zeros([2, 3], 'f64') })).toBe('ERR_DTYPE');
    expect(code({ x: zeros([16]) })).toBe('ERR_SHAPE');
    expect(code({ x: zeros([2, 200]) })).toBe('ERR_SHAPE');
    expect(code({ out: zeros([3, 3]) })).toBe('ERR_SHAPE');
    expect(code({ out: zeros([2, 4]) })).toBe('ERR_SHAPE');
    expect(code({ bias: zeros([4]) })).toBe('ERR_SHAPE');
    expect(code({ bits: 9 })).toBe('ERR_ARGUMENT');
  });
});

describe.each(onlyCpu)('codebook_gemm on %s', () => {
  it('has the same bits for any number of threads', async () => {
    for (const given of [
      [1, 200, 300, 4],
      [40, 200, 300, 3],
      [40, 200, 300, 4, true],
    ] as Given[]) {
      // biome-ignore format: one line
      const results: string[] = [];
      for (const threads of [1, 3]) {
        const device = Device.open('cpu', { threads });
        const fields = fieldsOf(...given)(device);
        ops.codebookGemm(device, fields);
        results.push(Buffer.from((await fields.out.read()).buffer).toString('base64'));
        await device.close();
      }
      expect(results[1]).toBe(results[0]);
    }
  });
});
