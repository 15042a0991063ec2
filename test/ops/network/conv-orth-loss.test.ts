// Devices: cpu, cuda
// Axes: products
// Source: golden conv-orth.json
// Source: closed form "of kernels whose only tap is an orthogonal matrix is 0, and so is its gradient"
// Source: property "does not change where outputs are turned"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { kernelOf, problems } from '../../support/conv-orth.ts';
import { drawn, ulpsOf } from '../../support/convolutions.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { type Floating, floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** Outputs, side, channels and stride: one element, kernels that never meet, more outputs than inputs and fewer. */
const cases: readonly (readonly [outputs: number, side: number, channels: number, stride: number])[] = [
  [1, 1, 1, 1],
  [1, 3, 1, 1],
  [2, 1, 33, 2],
  [7, 2, 3, 3],
  [33, 3, 5, 2],
  [5, 4, 3, 1],
  [3, 7, 2, 3],
];
type Sizes = (typeof cases)[number];

const fieldsOf = ([outputs, side, channels, stride]: Sizes, dtype: Floating) => {
  const shape = [outputs, side, side, channels];
  return (on: Device) => ({
    kernel: drawn(on, shape, 1, dtype),
    loss: Tensor.full(on, [1], NaN, { dtype: 'f64' }),
    gradKernel: Tensor.full(on, shape, NaN, { dtype }),
    stride,
  });
};
/** The loss is f64 of what is summed in f32. */
const boundsOf = ([outputs, side, channels]: Sizes, dtype: Floating) => ({
  loss: { ulps: dtype === 'f64' ? 64 : 64 * 2 ** 29, of: 'largest' } as const,
  gradKernel: { ulps: 4 * ulpsOf(side ** 2 * Math.max(channels, 4 * outputs), dtype), of: 'largest' } as const,
});

describe.each(devices)('convOrthLoss on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(cases)('%i kernels of %i² × %i, stride %i', async (...sizes) => {
      await expectLikeReference('convOrthLoss', device, fieldsOf(sizes, dtype), boundsOf(sizes, dtype));
    });
  });

  it.each(floatingDtypes)('adds to a gradient and weighs it, or makes none, in %s', async (dtype) => {
    const sizes = [7, 3, 4, 2] as const;
    const fields = fieldsOf(sizes, dtype);
    const added = (on: Device) => ({ ...fields(on), gradKernel: drawn(on, [7, 3, 3, 4], 2, dtype), weight: -0.5 });
    const alone = (on: Device) => ({ ...fields(on), gradKernel: undefined });
    for (const made of [fields, (on: Device) => ({ ...added(on), beta: 1 }), alone])
      await expectLikeReference('convOrthLoss', device, made, boundsOf(sizes, dtype));
  });

  it.each(problems)('has the value and the gradient of $shape, stride $stride', async (problem) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const kernel = kernelOf(device, problem, dtype);
      const gradKernel = Tensor.zeros(device, kernel.shape, { dtype });
      const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
      ops.convOrthLoss(device, { kernel, loss, gradKernel, stride: problem.stride });
      const [value] = await loss.read();
      expect(Math.abs(value! / problem.loss - 1)).toBeLessThan(dtype === 'f64' ? 1e-13 : 3e-6);
      const magnitude = largest(problem.gradient);
      expectClose(await valuesOf(gradKernel), problem.gradient, { dtype, ulps: 32, magnitude });
    }
  });

  it('of kernels whose only tap is an orthogonal matrix is 0, and so is its gradient', async () => {
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    for (const [side, tap] of [
      [1, 0],
      [3, 4],
      [2, 3],
    ] as const)
      for (const stride of [1, 2]) {
        const data = new Float64Array(2 * side ** 2 * 2);
        for (const [i, x] of [c, s, -s, c].entries()) data[((i >> 1) * side ** 2 + tap) * 2 + (i & 1)] = x;
        const kernel = tensorOf(device, data, [2, side, side, 2], 'f64');
        const gradKernel = Tensor.full(device, kernel.shape, NaN, { dtype: 'f64' });
        const loss = Tensor.full(device, [1], NaN, { dtype: 'f64' });
        ops.convOrthLoss(device, { kernel, loss, gradKernel, stride });
        expect((await loss.read())[0]).toBeCloseTo(0, 30);
        for (const x of await gradKernel.read()) expect(x).toBeCloseTo(0, 14);
      }
  });

  it('does not change where outputs are turned', async () => {
    const kernel = drawn(device, [2, 3, 3, 5], 1, 'f64');
    const [x, y] = [(await valuesOf(kernel)).slice(0, 45), (await valuesOf(kernel)).slice(45)];
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    const turned = [...x.map((v, i) => c * v + s * y[i]!), ...x.map((v, i) => c * y[i]! - s * v)];
    const losses = [kernel, tensorOf(device, turned, kernel.shape, 'f64')].map((one) => {
      const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
      ops.convOrthLoss(device, { kernel: one, loss });
      return loss;
    });
    const [before, after] = [await losses[0]!.read(), await losses[1]!.read()];
    expect(Math.abs(after[0]! / before[0]! - 1)).toBeLessThan(1e-13);
  });

  it.each([NaN, Infinity])('a kernel with %d has no finite loss', async (value) => {
    for (const at of [0, 7]) {
      const data = normal(2 * 9 * 3, 1);
      data[at] = value;
      const kernel = tensorOf(device, data, [2, 3, 3, 3]);
      const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
      const gradKernel = Tensor.zeros(device, kernel.shape);
      ops.convOrthLoss(device, { kernel, loss, gradKernel });
      expect(Number.isFinite((await loss.read())[0])).toBe(false);
    }
  });
});

const valid = (device: Device) => ({
  kernel: Tensor.zeros(device, [4, 3, 3, 2]),
  loss: Tensor.zeros(device, [1], { dtype: 'f64' }),
  gradKernel: Tensor.zeros(device, [4, 3, 3, 2]),
});
describe.each(onlyCpu)('convOrthLoss', () => {
  refusesWrongFields('convOrthLoss', valid, ['gradKernel']);
  refuses('convOrthLoss', valid, (device) => {
    const op = 'convOrthLoss:';
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const f64 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    const kernel = zeros(4, 3, 3, 2);
    return [
      [{ kernel: kernel.cast('i32') }, 'ERR_DTYPE', `${op} kernel must be floating, got i32[4, 3, 3, 2]`],
      [
        { kernel: zeros(4, 3, 6) },
        'ERR_SHAPE',
        `${op} kernel must be [O, size, size, C] with elements, got f32[4, 3, 6]`,
      ],
      [
        { kernel: zeros(4, 3, 3, 0) },
        'ERR_SHAPE',
        `${op} kernel must be [O, size, size, C] with elements, got f32[4, 3, 3, 0]`,
      ],
      [{ kernel: zeros(4, 3, 2, 2) }, 'ERR_SHAPE', `${op} kernel must be as wide as it is high, got f32[4, 3, 2, 2]`],
      [{ loss: zeros(1) }, 'ERR_DTYPE', `${op} loss must be f64[1], got f32[1]`],
      [{ loss: f64(2) }, 'ERR_SHAPE', `${op} loss must be f64[1], got f64[2]`],
      [{ stride: 0 }, 'ERR_ARGUMENT', `${op} stride must be positive, got 0`],
      [{ weight: NaN }, 'ERR_ARGUMENT', `${op} weight must be finite, got nan`],
      [{ beta: Infinity }, 'ERR_ARGUMENT', `${op} beta must be finite, got inf`],
      [{ gradKernel: f64(4, 3, 3, 2) }, 'ERR_DTYPE', `${op} gradKernel must have kernel's dtype, got f64[4, 3, 3, 2]`],
      [
        { gradKernel: zeros(4, 3, 2, 3) },
        'ERR_SHAPE',
        `${op} gradKernel must have kernel's shape, got f32[4, 3, 2, 3] for kernel f32[4, 3, 3, 2]`,
      ],
      [{ kernel, gradKernel: kernel }, 'ERR_ARGUMENT', `${op} gradKernel must not share a tensor with kernel`],
    ];
  });

  it.each([1, 3])('gives the same bits on any number of threads, kernels of %i²', (side) =>
    expectSameBits((device) => {
      const kernel = drawn(device, [130, side, side, 33], 1, 'f32');
      const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
      const gradKernel = Tensor.zeros(device, kernel.shape);
      ops.convOrthLoss(device, { kernel, loss, gradKernel });
      return [loss, gradKernel];
    }),
  );
});
