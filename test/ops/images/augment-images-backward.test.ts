// Devices: cpu, cuda
// Source: property "is the adjoint of augmentImages in %s"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { augmentations } from '../../support/augmentations.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('augmentImagesBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
    for (const { x, out, ...rest } of augmentations)
      await expectLikeReference(
        'augmentImagesBackward',
        device,
        (on) => ({
          grad: tensorOf(on, normal(sizeOf(out), 1), out, dtype),
          gradX: Tensor.full(on, x, NaN, { dtype }),
          ...rest,
        }),
        { ulps: 16, of: 'largest' },
      );
  });

  it.each([
    ['f64', 1e-10],
    ['f32', 1e-3],
  ] as const)('is the adjoint of augmentImages in %s', async (dtype, within) => {
    for (const { x, out, ...rest } of augmentations) {
      const [a, b] = [tensorOf(device, normal(sizeOf(x), 1), x, dtype), tensorOf(device, normal(sizeOf(out), 2), out, dtype)]; // biome-ignore format: one line
      const [forth, back] = [Tensor.zeros(device, out, { dtype }), Tensor.zeros(device, x, { dtype })]; // biome-ignore format: one line
      ops.augmentImages(device, { x: a, out: forth, ...rest });
      ops.augmentImagesBackward(device, { grad: b, gradX: back, ...rest });
      const dot = async (p: Tensor, q: Tensor) => {
        const other = await valuesOf(q);
        return (await valuesOf(p)).reduce((sum, v, i) => sum + v * other[i]!, 0);
      };
      expect(Math.abs((await dot(forth, b)) - (await dot(a, back)))).toBeLessThan(within);
    }
  });
});

const valid = (device: Device) => ({ grad: Tensor.zeros(device, [1, 2, 5, 2]), gradX: Tensor.zeros(device, [1, 3, 4, 2]) }); // biome-ignore format: one line
describe.each(onlyCpu)('augmentImagesBackward', () => {
  refusesWrongFields('augmentImagesBackward', valid);
  refuses('augmentImagesBackward', valid, (device) => [
    [{ grad: Tensor.zeros(device, [1, 2, 5, 2], { dtype: 'i32' }) }, 'ERR_DTYPE', 'augmentImagesBackward: grad must be floating, got i32[1, 2, 5, 2]'],
    [{ grad: Tensor.zeros(device, [2, 5, 2]) }, 'ERR_SHAPE', 'augmentImagesBackward: grad must be images [N, H, W, C] with pixels, got f32[2, 5, 2]'],
    [{ gradX: Tensor.zeros(device, [1, 3, 4, 2], { dtype: 'f64' }) }, 'ERR_DTYPE', "augmentImagesBackward: gradX must have grad's dtype, got f64[1, 3, 4, 2]"],
    [{ gradX: Tensor.zeros(device, [1, 3, 4, 1]) }, 'ERR_SHAPE', "augmentImagesBackward: gradX must be as many images of grad's channels, with pixels, got f32[1, 3, 4, 1] for grad f32[1, 2, 5, 2]"],
    [{ crop: [1] }, 'ERR_ARGUMENT', 'augmentImagesBackward: crop must be top, left, height and width, or none, got 1'],
    [{ crop: [0, 0, 4, 1] }, 'ERR_ARGUMENT', 'augmentImagesBackward: crop must lie in the image, by whole numbers, got 4'],
    [{ rollDown: 2 }, 'ERR_ARGUMENT', 'augmentImagesBackward: rollDown must be from 0 to below the rows, got 2'],
    [{ rollRight: 5 }, 'ERR_ARGUMENT', 'augmentImagesBackward: rollRight must be from 0 to below the columns, got 5'],
  ]); // biome-ignore format: a line each
  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const grad = tensorOf(device, normal(4 * 40 * 40 * 3, 1), [4, 40, 40, 3]);
      const gradX = Tensor.zeros(device, grad.shape);
      ops.augmentImagesBackward(device, { grad, gradX, crop: [3, 2, 30, 21], rollDown: 5 });
      return [gradX];
    }));
});
