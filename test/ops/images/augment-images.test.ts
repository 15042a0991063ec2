// Devices: cpu, cuda
// Source: formula "is the bilinear resizing of PyTorch, turned and rolled"
// Source: closed form "keeps the bits of the whole image, and rolls and turns it"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { augmentations } from '../../support/augmentations.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('augmentImages on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
    for (const { x, out, ...rest } of augmentations)
      await expectLikeReference(
        'augmentImages',
        device,
        (on) => ({
          x: tensorOf(on, normal(sizeOf(x), 1), x, dtype),
          out: Tensor.full(on, out, NaN, { dtype }),
          ...rest,
        }),
        { ulps: 4, of: 'largest' },
      );
  });

  it('is the bilinear resizing of PyTorch, turned and rolled', async () => {
    // interpolate([[0, 10, 20]], 6 columns) is 0, 2.5, 7.5, 12.5, 17.5, 20.
    const x = tensorOf(device, [9, 0, 10, 20, 9], [1, 1, 5, 1]);
    const out = Tensor.zeros(device, [1, 1, 6, 1]);
    ops.augmentImages(device, { x, out, crop: [0, 1, 1, 3] });
    expect([...(await out.read())]).toEqual([0, 2.5, 7.5, 12.5, 17.5, 20]);
    ops.augmentImages(device, { x, out, crop: [0, 1, 1, 3], flip: 'horizontal', rollRight: 1 });
    expect([...(await out.read())]).toEqual([0, 20, 17.5, 12.5, 7.5, 2.5]);
    const down = Tensor.zeros(device, [1, 2, 1, 1]);
    ops.augmentImages(device, { x: tensorOf(device, [0, 1, 2, 3], [1, 4, 1, 1]), out: down, rollDown: 1 });
    expect([...(await down.read())]).toEqual([2.5, 0.5]);
  });

  it('keeps the bits of the whole image, and rolls and turns it', async () => {
    const x = tensorOf(device, [Infinity, 2, 3, 4, 5, NaN], [1, 2, 3, 1]);
    const out = Tensor.zeros(device, x.shape);
    ops.augmentImages(device, { x, out });
    expect(sameBits(await out.read(), await x.read())).toBe(true);
    ops.augmentImages(device, { x, out, flip: 'horizontal', rollDown: 1, rollRight: 1 });
    expect([...(await valuesOf(out))]).toEqual([4, NaN, 5, Infinity, 3, 2]);
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [1, 3, 4, 2]), out: Tensor.zeros(device, [1, 2, 5, 2]) });
describe.each(onlyCpu)('augmentImages', () => {
  refusesWrongFields('augmentImages', valid);
  refuses('augmentImages', valid, (device) => [
    [{ x: Tensor.zeros(device, [1, 3, 4, 2], { dtype: 'i32' }) }, 'ERR_DTYPE', 'augmentImages: x must be floating, got i32[1, 3, 4, 2]'],
    [{ x: Tensor.zeros(device, [3, 4, 2]) }, 'ERR_SHAPE', 'augmentImages: x must be images [N, H, W, C] with pixels, got f32[3, 4, 2]'],
    [{ out: Tensor.zeros(device, [1, 2, 5, 2], { dtype: 'f64' }) }, 'ERR_DTYPE', "augmentImages: out must have x's dtype, got f64[1, 2, 5, 2]"],
    [{ out: Tensor.zeros(device, [1, 2, 5, 1]) }, 'ERR_SHAPE', "augmentImages: out must be as many images of x's channels, with pixels, got f32[1, 2, 5, 1] for x f32[1, 3, 4, 2]"],
    [{ crop: [1, 1] }, 'ERR_ARGUMENT', 'augmentImages: crop must be top, left, height and width, or none, got 2'],
    [{ crop: [0, 0, 4, 1] }, 'ERR_ARGUMENT', 'augmentImages: crop must lie in the image, by whole numbers, got 4'],
    [{ crop: [0, 0.5, 1, 1] }, 'ERR_ARGUMENT', 'augmentImages: crop must lie in the image, by whole numbers, got 0.5'],
    [{ crop: [0, 0, 0, 1] }, 'ERR_ARGUMENT', 'augmentImages: crop must lie in the image, by whole numbers, got 0'],
    [{ rollDown: 2 }, 'ERR_ARGUMENT', 'augmentImages: rollDown must be from 0 to below the rows, got 2'],
    [{ rollRight: -1 }, 'ERR_ARGUMENT', 'augmentImages: rollRight must be from 0 to below the columns, got -1'],
  ]); // biome-ignore format: a line each
  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(4 * 40 * 40 * 3, 1), [4, 40, 40, 3]);
      const out = Tensor.zeros(device, x.shape);
      ops.augmentImages(device, { x, out, crop: [3, 2, 30, 21], rollDown: 5 });
      return [out];
    }));
});
