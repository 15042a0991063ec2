// Devices: cpu, cuda
// Source: closed form "counts what has the same bits though its gradient is not 0"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const narrow = ['f16', 'bf16'] as const;

describe.each(devices)('countUnmoved on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(narrow.flatMap((dtype) => floatingDtypes.map((grads) => [dtype, grads] as const)))(
    'agrees with the reference for weights in %s and gradients in %s',
    (dtype, grads) =>
      expectLikeReference(
        'countUnmoved',
        device,
        (on) => {
          // Every third one moves, every fourth has no gradient.
          const of = (change: (x: number, i: number) => number, of: Dtype, seed: number) =>
            awkward.map((size) => tensorOf(on, normal(size, size + seed).map(change), [size], of));
          return {
            x: of((x) => x, dtype, 0),
            before: of((x, i) => (i % 3 === 0 ? x + 1 : x), dtype, 0),
            grads: of((x, i) => (i % 4 === 0 ? 0 : x), grads, 1),
            out: Tensor.full(on, [awkward.length], NaN, { dtype: 'f64' }),
          };
        },
        { ulps: 0 },
      ),
  );

  it('counts what has the same bits though its gradient is not 0', async () => {
    for (const dtype of narrow) {
      const x = tensorOf(device, [1, 1, 2, 0, -0, NaN, Infinity, 3], [8], dtype);
      const before = tensorOf(device, [1, 1, 1, 0, 0, NaN, Infinity, 3], [8], dtype);
      const grads = tensorOf(device, [1e-30, 0, 1, -1, 1, 1, NaN, -0], [8]);
      const out = Tensor.full(device, [2], 7, { dtype: 'f64' });
      const none = Tensor.zeros(device, [0], { dtype });
      ops.countUnmoved(device, { x: [x, none], before: [before, none], grads: [grads, none], out });
      expect(await valuesOf(out)).toEqual(Float64Array.of(4, 0));
    }
  });

  it.each([0, 1])('counts under a guard of 0 alone: %s', async (held) => {
    const x = Tensor.full(device, [5], 1, { dtype: 'bf16' });
    const grads = Tensor.full(device, [5], 1);
    const guard = Tensor.full(device, [1], held, { dtype: 'f64' });
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    ops.countUnmoved(device, { x: [x], before: [x], grads: [grads], out, guard });
    expect(await valuesOf(out)).toEqual(Float64Array.of(held ? NaN : 5));
  });

  it('refuses what does not fit', () => {
    const x = [Tensor.zeros(device, [4], { dtype: 'bf16' })];
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const good = { x, before: x, grads: x, out };
    const thrown = (fields: Partial<Parameters<typeof ops.countUnmoved>[1]>) =>
      thrownBy(() => ops.countUnmoved(device, { ...good, ...fields }));
    expect(thrown({ before: [] }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ x: [Tensor.zeros(device, [4])] }).code).toBe('ERR_DTYPE');
    expect(thrown({ before: [Tensor.zeros(device, [4], { dtype: 'f16' })] }).code).toBe('ERR_DTYPE');
    expect(thrown({ grads: [Tensor.zeros(device, [4], { dtype: 'i32' })] }).code).toBe('ERR_DTYPE');
    expect(thrown({ grads: [Tensor.zeros(device, [2, 2])] })).toMatchObject({
      code: 'ERR_SHAPE',
      message: "countUnmoved: before and grads must have x's shape, got f32[2, 2] for x bf16[4]",
    });
    expect(thrown({ out: Tensor.zeros(device, [2], { dtype: 'f64' }) }).code).toBe('ERR_SHAPE');
    expect(thrown({ guard: Tensor.zeros(device, [1]) }).code).toBe('ERR_DTYPE');
  });
});
