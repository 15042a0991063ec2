// Devices: cpu, cuda
// Source: property "leaves what is of use, and what has no numbers, %s"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Shape = [batch: number, rows: number, columns: number];
const steps = [1.5, -0.5, 0, 1.875, -1.25, 0.375];

/** Matrices of norm 1, and results of which every other one is of no use. */
const fieldsOf = (shape: Shape, dtype: 'f32' | 'f64') => (on: Device) => {
  const [batch, rows, columns] = shape;
  const size = rows * columns;
  const x = normal(batch * size, 1).map((v) => v / Math.sqrt(size));
  return {
    x: tensorOf(on, x, shape, dtype),
    out: Tensor.full(on, shape, 7, { dtype }),
    norms: Tensor.from(
      on,
      Float64Array.from({ length: batch }, (_, i) => (i % 2 === 0 ? 1e3 : 0.1)),
      [batch],
    ),
    count: Tensor.from(on, Float64Array.of(5), [1]),
    coefficients: steps,
  };
};

describe.each(devices)('redo_steps on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Shape, 'f32' | 'f64']>([
    [[3, 33, 65], 'f32'],
    [[2, 65, 31], 'f32'],
    [[1, 17, 17], 'f64'],
    [[3, 1, 5], 'f64'],
    [[0, 4, 5], 'f32'],
    [[2, 0, 5], 'f32'],
  ])('of %j in %s', (...given) =>
    expectLikeReference('redoSteps', device, fieldsOf(...given), { ulps: 8, of: 'largest' }),
  );

  it.each(['f32', 'f64', 'f16', 'bf16'] as const)(
    'leaves what is of use, and what has no numbers, %s',
    async (dtype) => {
      const nan = Number.NaN;
      const x = tensorOf(device, [1, 0, 1, 0, nan, 0, 1, 0, Infinity, 0, 1, 0], [6, 1, 2], dtype);
      const out = Tensor.full(device, [6, 1, 2], 7, { dtype });
      const norms = Tensor.from(device, Float64Array.of(1.5, 1.6, 2, nan, 2, Infinity), [6]);
      const count = Tensor.from(device, Float64Array.of(5), [1]);
      ops.redoSteps(device, { x, out, norms, count, coefficients: [0.5, 0, 0] });
      // Two have no finite x; the first has a norm in its limit, 1.5.
      expect([...(await valuesOf(out))]).toEqual([7, 7, 0.5, 0, 7, 7, 0.5, 0, 7, 7, 0.5, 0]);
      expect([...(await count.read())]).toEqual([8]);
      ops.redoSteps(device, { x, out, norms, coefficients: [], limit: 0 });
      expect([...(await valuesOf(out))].slice(0, 4)).toEqual([1, 0, 1, 0]);
    },
  );

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.redoSteps(device, { ...fieldsOf([2, 3, 4], 'f32')(device), ...more })).code;
    expect(code({ x: Tensor.zeros(device, [2, 4, 3]) })).toBe('ERR_SHAPE');
    expect(code({ x: Tensor.zeros(device, [3, 4]), out: Tensor.zeros(device, [3, 4]) })).toBe('ERR_SHAPE');
    expect(code({ out: Tensor.zeros(device, [2, 3, 4], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ norms: Tensor.zeros(device, [3], { dtype: 'f64' }) })).toBe('ERR_SHAPE');
    expect(code({ count: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
    for (const more of [{ coefficients: [1, 2] }, { coefficients: Array(303).fill(1) }, { limit: -1 }])
      expect(code(more)).toBe('ERR_ARGUMENT');
  });
});
