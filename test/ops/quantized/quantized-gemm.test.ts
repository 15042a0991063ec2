// Devices: cpu, cuda
// Source: property "multiplies by what dequantizeGroups gives"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { bytesOfRow } from '../../support/packed-codes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refusesWrongFields } from '../../support/refusals.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

interface Case {
  inputs: number;
  rows: number;
  columns: number;
  groups: number;
  bits: number;
  transB?: 'none' | 'transposed';
  beta?: number;
  hasBias?: boolean;
  activations?: 'f32' | 'i8';
}

const fieldsOf =
  ({ inputs, rows, columns, groups, bits, transB = 'transposed', beta = 0, hasBias = false, activations }: Case) =>
  (on: Device) => {
    const width = bytesOfRow(columns, bits);
    const [inner, outer] = transB === 'none' ? [rows, columns] : [columns, rows];
    return {
      a: tensorOf(on, normal(inputs * inner, 1), [inputs, inner]),
      codes: Tensor.from(
        on,
        Uint8Array.from({ length: rows * width }, (_, i) => (i * 167 + 13) % 256),
        [rows, width],
      ),
      scales: tensorOf(on, normal(rows * groups, 2), [rows, groups]),
      c: tensorOf(on, normal(inputs * outer, 3), [inputs, outer]),
      ...(hasBias && { bias: tensorOf(on, normal(outer, 4), [outer]) }),
      ...{ bits, beta, transB },
      ...(activations && { activations }),
    };
  };

describe.each(devices)('quantized_gemm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([2, 3, 4, 8])('multiplies few rows and many, %i bits', async (bits) => {
    for (const inputs of [1, 2, 3, 4, 5, 9, 20, 33])
      for (const [rows, columns, groups] of [
        [13, 256, 8],
        [9, 448, 7],
        [6, 384, 3],
        [5, 96, 2],
        [3, 43, 43],
      ] as const)
        await expectLikeReference('quantizedGemm', device, fieldsOf({ inputs, rows, columns, groups, bits }), {
          ulps: 40,
          of: 'largest',
        });
  });

  it.each([2, 3, 4, 8])('multiplies many rows both ways, groups of any size, %i bits', async (bits) => {
    // Groups of 24, 32, 65, 9, 4 and 2: many of them, those that lie across blocks of codes, and several to a lane.
    for (const transB of ['none', 'transposed'] as const)
      for (const [inputs, rows, columns, groups] of [
        [9, 70, 1152, 48],
        [65, 5, 1632, 51],
        [12, 130, 130, 2],
        [10, 67, 405, 45],
        [66, 9, 396, 99],
        [9, 3, 262, 131],
      ] as const)
        await expectLikeReference('quantizedGemm', device, fieldsOf({ inputs, rows, columns, groups, bits, transB }), {
          ulps: 40,
          of: 'largest',
        });
  });

  it.each(['none', 'transposed'] as const)('adds c and a bias, transB %s', async (transB) => {
    for (const inputs of [1, 4, 21, 600])
      for (const [rows, columns, groups] of [[37, 128, 4], [70, 300, 3]] as const) // biome-ignore format: one line
        for (const beta of [0, -0.5])
          await expectLikeReference(
            'quantizedGemm',
            device,
            fieldsOf({ inputs, rows, columns, groups, bits: 4, transB, beta, hasBias: beta === 0 }),
            { ulps: 40, of: 'largest' },
          );
  });

  it('multiplies by what dequantizeGroups gives', async () => {
    const of = { inputs: 7, rows: 33, columns: 320, groups: 5, bits: 3 } as const;
    for (const transB of ['none', 'transposed'] as const) {
      const fields = fieldsOf({ ...of, transB })(device);
      const w = Tensor.zeros(device, [33, 320]);
      const expected = Tensor.zeros(device, fields.c.shape);
      ops.quantizedGemm(device, fields);
      ops.dequantizeGroups(device, { codes: fields.codes, scales: fields.scales, out: w, bits: 3 });
      ops.gemm(device, { a: fields.a, b: w, c: expected, transB });
      const [ours, theirs] = [await valuesOf(fields.c), await valuesOf(expected)];
      const most = Math.max(...theirs.map(Math.abs));
      for (const [i, value] of theirs.entries()) expect(Math.abs(ours[i]! - value)).toBeLessThan(1e-5 * most);
    }
  });

  it.each([2, 3, 4, 8])('multiplies rows that are rounded to 8 bits, %i bits', async (bits) => {
    for (const inputs of [1, 2, 3, 4, 7, 33])
      for (const [rows, columns, groups] of [
        [13, 256, 8],
        [9, 448, 7],
        [6, 384, 3],
        [5, 512, 2],
        [5, 96, 2],
        [3, 43, 43],
        // A row that several threads round.
        ...(inputs === 1 ? ([[5, 8192, 64]] as const) : []),
      ] as const)
        await expectLikeReference(
          'quantizedGemm',
          device,
          fieldsOf({ inputs, rows, columns, groups, bits, activations: 'i8' }),
          { ulps: 40, of: 'largest' },
        );
  });

  it.each([1, 40])('rounds halves to even, zeros to zeros and what is not finite to NaN, %i rows', async (inputs) => {
    // The codes of a row are 1 at one place, so that a product shows what that place is rounded to.
    const [columns, group] = [256, 64];
    const w = Tensor.from(
      device,
      Float32Array.from({ length: columns * columns }, (_, i) => (i % (columns + 1) === 0 ? 1 : 0)),
      [columns, columns],
    );
    const codes = Tensor.zeros(device, [columns, columns], { dtype: 'u8' });
    const scales = Tensor.zeros(device, [columns, columns / group]);
    ops.quantizeGroups(device, { x: w, codes, scales, bits: 8 });
    ops.fill(device, { x: [scales], value: 1 / 127 });
    const first = async (numbers: readonly number[], at: number) => {
      const x = new Float32Array(inputs * columns);
      x.set(numbers, at);
      const [a, c] = [Tensor.from(device, x, [inputs, columns]), Tensor.zeros(device, [inputs, columns])];
      ops.quantizedGemm(device, { a, codes, scales, c, bits: 8, transB: 'transposed', activations: 'i8' });
      return (await valuesOf(c)).slice(0, columns);
    };
    const y = await first([127, 0.5, 1.5, -2.5, 126.5, 0.49], 64);
    for (const [i, expected] of [127, 0, 2, -2, 126, 0].entries()) expect(y[64 + i]).toBeCloseTo(expected, 4);
    expect(y.filter((value) => value !== 0)).toHaveLength(4);
    const tiny = await first([1e-38, -1e-38], 128);
    expect([tiny[128]! / 1e-38, tiny[129]! / 1e-38]).toEqual([expect.closeTo(1, 4), expect.closeTo(-1, 4)]);
    expect((await first([1e-45], 0)).every((value) => value === 0)).toBe(true);
    expect((await first([1, -Infinity], 192)).every(Number.isNaN)).toBe(true);
    expect((await first([NaN], 0)).every(Number.isNaN)).toBe(true);
  });

  it('reads c for beta alone, and keeps NaN where it was', async () => {
    const fields = fieldsOf({ inputs: 2, rows: 9, columns: 128, groups: 2, bits: 4 })(device);
    ops.fill(device, { x: [fields.c], value: NaN });
    const a = await fields.a.read();
    a[3] = NaN;
    fields.a.write(a);
    ops.quantizedGemm(device, fields);
    const c = await valuesOf(fields.c);
    expect([...c].map(Number.isNaN)).toEqual(Array.from({ length: 18 }, (_, i) => i < 9));
  });

  it('refuses what does not fit', () => {
    const of = { inputs: 2, rows: 8, columns: 64, groups: 2, bits: 4 };
    const code = (more: object) => thrownBy(() => ops.quantizedGemm(device, { ...fieldsOf(of)(device), ...more })).code;
    expect(code({ bits: 6 })).toBe('ERR_ARGUMENT');
    expect(code({ a: Tensor.zeros(device, [2, 64], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ a: Tensor.zeros(device, [64]) })).toBe('ERR_SHAPE');
    expect(code({ a: Tensor.zeros(device, [3, 64]) })).toBe('ERR_SHAPE');
    expect(code({ codes: Tensor.zeros(device, [8, 31], { dtype: 'u8' }) })).toBe('ERR_SHAPE');
    expect(code({ scales: Tensor.zeros(device, [8, 3]) })).toBe('ERR_SHAPE');
    expect(code({ bias: Tensor.zeros(device, [7]) })).toBe('ERR_SHAPE');
    expect(code({ transB: 'none' })).toBe('ERR_SHAPE');
    expect(code({ transB: 'none', activations: 'i8' })).toBe('ERR_ARGUMENT');
  });
});

// Threads are the CPU's.
describe.each(onlyCpu)('quantized_gemm', (kind) => {
  it('has the same bits for any number of threads, and for a row whatever the others are', async () => {
    const results: Float32Array[] = [];
    for (const threads of [1, 3]) {
      await using device = Device.open(kind, { threads });
      for (const [transB, activations] of [['none', 'f32'], ['transposed', 'f32'], ['transposed', 'i8']] as const) // biome-ignore format: one line
        for (const [inputs, columns] of [
          [1, 2048],
          [20, 2048],
          [1, 8192],
        ] as const) {
          const fields = fieldsOf({ inputs, rows: 300, columns, groups: 32, bits: 4, transB, activations })(device);
          ops.quantizedGemm(device, fields);
          results.push((await fields.c.read()) as Float32Array);
        }
    }
    expect(results.slice(9)).toEqual(results.slice(0, 9));
    await using device = Device.open(kind);
    for (const activations of ['f32', 'i8'] as const) {
      const all = fieldsOf({ inputs: 4, rows: 50, columns: 512, groups: 8, bits: 4, activations })(device);
      const one = { ...all, a: all.a.rows(2, 3), c: Tensor.zeros(device, [1, 50]) };
      ops.quantizedGemm(device, all);
      ops.quantizedGemm(device, one);
      expect(await one.c.read()).toEqual(((await all.c.read()) as Float32Array).slice(100, 150));
    }
  });
});

describe.each(onlyCpu)('quantized_gemm', () => {
  refusesWrongFields('quantizedGemm', fieldsOf({ inputs: 2, rows: 8, columns: 64, groups: 2, bits: 4 }));
});
