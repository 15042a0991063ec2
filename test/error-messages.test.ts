// Devices: cpu
// Messages name what a person needs to mend the call: both shapes, the words there are, the value as it was written.
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, Device, Lion, ops, sinkhorn, Tensor } from '../lib/index.ts';
import { thrownBy } from './support/tensors.ts';

const device = Device.open('cpu');
afterAll(() => device.close());
const f32 = (...shape: number[]) => Tensor.zeros(device, shape);
const gemm = (fields: object) => () => ops.gemm(device, { a: f32(2, 3), b: f32(3, 4), c: f32(2, 4), ...fields });
const wrong = (value: unknown) => value as never;

describe('an operation that is refused', () => {
  it.each([
    [
      'b of other rows than a has columns',
      gemm({ b: f32(4, 5), c: f32(2, 5) }),
      "gemm: b does not fit a, got f32[4, 5] for a f32[2, 3], transA 'none', transB 'none'",
    ],
    [
      'a that would fit as it is',
      gemm({ transA: 'transposed' }),
      "gemm: a does not fit c, got f32[2, 3] for c f32[2, 4], transA 'transposed', transB 'none'",
    ],
    ['a word that is none', gemm({ transB: true }), "gemm: transB must be one of 'none', 'transposed', got true"],
    [
      'another word',
      gemm({ transB: 'transpose' }),
      "gemm: transB must be one of 'none', 'transposed', got 'transpose'",
    ],
    ['a number in quotes', gemm({ alpha: '2' }), "gemm: alpha must be a number, got '2'"],
    ['a field with a small letter', gemm({ transb: 'none' }), 'gemm: transb is not a field, did you mean transB?'],
    ['letters exchanged', gemm({ alhpa: 1 }), 'gemm: alhpa is not a field, did you mean alpha?'],
    ['a field like no other', gemm({ colour: 1 }), 'gemm: colour is not a field'],
    [
      'a name of two words, and three shapes',
      () =>
        ops.combineRows(
          device,
          wrong({ indices: f32(3, 2).cast('i32'), coefficients: f32(3, 2), x: f32(9, 4), out: f32(3, 5) }),
        ),
      'combineRows: out must have as many rows as coefficients, as long as those of x, got f32[3, 5] for coefficients f32[3, 2] and x f32[9, 4]',
    ],
    [
      'a length that another shape settles',
      () => ops.addBias(device, { x: f32(2, 3), bias: f32(2), out: f32(2, 3) }),
      'addBias: bias must have the last axes of x, got f32[2] for x f32[2, 3]',
    ],
    [
      'symmetricProduct',
      () => ops.symmetricProduct(device, { a: f32(2, 3), c: f32(3, 3) }),
      "symmetricProduct: c does not fit a, got f32[3, 3] for a f32[2, 3], trans 'none'",
    ],
    ['no tensor', gemm({ a: [1] }), 'gemm: a must be a Tensor, got a list'],
    ['a long text', gemm({ a: 'x'.repeat(1e6) }), `gemm: a must be a Tensor, got '${'x'.repeat(103)}…'`],
  ])('for %s', (_, call, message) => {
    expect(thrownBy(call)).toMatchObject({ message });
  });
});

describe('an option that is refused', () => {
  const w = f32(2, 2);
  it.each([
    [
      'a number in quotes',
      () => new AdamW([w], wrong({ lr: '0.1' })),
      "AdamW group 0: lr must be finite and not negative, got '0.1'",
    ],
    [
      'a name that is nearly one',
      () => new AdamW([w], wrong({ weightdecay: 0 })),
      'AdamW: weightdecay is not an option, did you mean weightDecay?',
    ],
    [
      'a word that is none',
      () => new AdamW([w], wrong({ nonFinite: 'stop' })),
      "AdamW: nonFinite must be one of 'propagate', 'skip', 'throw', got 'stop'",
    ],
    ['no options', () => new Lion([w], wrong(3)), 'Lion: options must be an object, got 3'],
    [
      'rows in a list',
      () =>
        Tensor.from(
          device,
          wrong([
            [1, 2],
            [3, 4],
          ]),
          [2, 2],
        ),
      'Tensor.from: data must be a flat list of numbers, row after row, got a list at 0',
    ],
    ['too few numbers', () => Tensor.from(device, [1, 2], [2, 2]), 'Tensor.from: data must have 4 elements, got 2'],
    [
      'a value that is text',
      () => Tensor.full(device, [2], wrong('1')),
      "Tensor.full: value must be a number, got '1'",
    ],
    [
      'a dtype that is none',
      () => new Tensor(device, [2], wrong('float')),
      "Tensor: dtype must be f32, f64, f16, bf16, i32 or u8, got 'float'",
    ],
    [
      'a device that is none',
      () => Device.unavailable(wrong('gpu')),
      "Device.unavailable: kind must be cpu or cuda, got 'gpu'",
    ],
  ])('for %s', (_, call, message) => {
    expect(thrownBy(call)).toMatchObject({ message });
  });

  it.each([
    ['a number in quotes', { eps: '0.1' }, "sinkhorn: eps must be a positive number, got '0.1'"],
    ['a name that is nearly one', { maxSweep: 5 }, 'sinkhorn: maxSweep is not an option, did you mean maxSweeps?'],
    ['a name like no other', { colour: 1 }, 'sinkhorn: colour is not an option, there are a, anneal, b, eps, '],
  ])('by sinkhorn for %s', async (_, options, message) => {
    await expect(sinkhorn(w, wrong(options))).rejects.toThrow(message);
  });
});
