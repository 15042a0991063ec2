// Devices: cpu, cuda
// Source: closed form "keeps what f32 sums would lose"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { columnSum as reference } from '../../reference/column-sum.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('columnSum on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('sums %i rows of %i columns', async (rows, columns) => {
      const x = tensorOf(device, normal(rows * columns, 1), [rows, columns], dtype);
      const values = await valuesOf(x);
      const old = await valuesOf(tensorOf(device, normal(columns, 2), [columns], dtype));
      // f32: one rounding of a sum in f64. f64: the orders of the two sums differ.
      const ulps = dtype === 'f32' ? 0.51 : 4 + Math.sqrt(rows);
      for (const beta of [0, 1, -0.5]) {
        const out = tensorOf(device, beta === 0 ? old.map(() => NaN) : old, [columns], dtype);
        ops.columnSum(device, { x, out, beta });
        const magnitude =
          dtype === 'f32' ? 0 : reference(values.map(Math.abs), rows, old.map(Math.abs), Math.abs(beta));
        expectClose(await valuesOf(out), reference(values, rows, old, beta), { dtype, ulps, magnitude });
      }
    });
  });

  it('keeps what f32 sums would lose', async () => {
    const x = tensorOf(device, [2 ** 30, 1, 1, -(2 ** 30)], [4, 1]);
    const out = Tensor.zeros(device, [1]);
    ops.columnSum(device, { x, out });
    expect(await out.read()).toEqual(new Float32Array([2]));
  });

  it('carries NaN and infinities down their own columns alone', async () => {
    const x = tensorOf(device, [1, NaN, Infinity, 0, 2, 1, -Infinity, Infinity], [2, 4]);
    const out = Tensor.zeros(device, [4]);
    ops.columnSum(device, { x, out });
    expect(await out.read()).toEqual(new Float32Array([3, NaN, NaN, Infinity]));
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 3]), out: Tensor.zeros(device, [3]) });
describe.each(onlyCpu)('columnSum', () => {
  refusesWrongFields('columnSum', valid);
  refuses('columnSum', valid, (device) => {
    const out = Tensor.zeros(device, [1]);
    return [
      [
        { x: Tensor.zeros(device, []) },
        'ERR_SHAPE',
        'columnSum: out must have the last axes of x, got f32[3] for x f32[]',
      ],
      [
        { x: Tensor.zeros(device, [2, 3], { dtype: 'i32' }) },
        'ERR_DTYPE',
        'columnSum: x must be floating, got i32[2, 3]',
      ],
      [
        { out: Tensor.zeros(device, [3], { dtype: 'f64' }) },
        'ERR_DTYPE',
        "columnSum: out must have x's dtype, got f64[3]",
      ],
      [
        { out: Tensor.zeros(device, [2]) },
        'ERR_SHAPE',
        'columnSum: out must have the last axes of x, got f32[2] for x f32[2, 3]',
      ],
      [{ x: out.reshape([1, 1]), out }, 'ERR_ARGUMENT', 'columnSum: out must not share a tensor with x'],
      [{ beta: '1' }, 'ERR_ARGUMENT', "columnSum: beta must be a number, got '1'"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(3000 * 300, 1), [3000, 300], 'f64');
      const out = Tensor.zeros(device, [300], { dtype: 'f64' });
      ops.columnSum(device, { x, out });
      return [out];
    }));
});
