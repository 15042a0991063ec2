// Devices: cpu, cuda
// Source: property "holds back from the first bad step on, and brings back what was changed in place"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('endStep on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[Dtype, 'f32' | 'f64', number]>([
    ['f32', 'f32', 0],
    ['bf16', 'f32', 0],
    ['f16', 'f64', 1],
    ['f64', 'f64', 0],
    ['f32', 'f64', 2],
    ['f32', 'f32', Number.NaN],
  ])('state in %s, of %s, %d steps held back before', async (dtype, from, held) => {
    const sizes = [1, 0, 33, 4097, 16390];
    for (const last of [1, Number.NaN, Number.NEGATIVE_INFINITY])
      await expectLikeReference(
        'endStep',
        device,
        (on) => ({
          state: sizes.map((size, i) => tensorOf(on, normal(size, i + 10), [size], dtype)),
          x: sizes.map((size, i) => tensorOf(on, normal(size, i), [size], from)),
          former: sizes.slice(0, 4).map((size) => Tensor.full(on, [size], 7, { dtype })),
          watched: [tensorOf(on, [0, 1, last], [3], 'f32'), Tensor.zeros(on, [40_000])],
          kept: sizes.map((size, i) => tensorOf(on, normal(size, i + 20), [size], dtype)),
          before: sizes.map((size, i) => tensorOf(on, normal(size, i + 30), [size], from)),
          told: tensorOf(on, [8, 9], [2], 'f64'),
          sizes: tensorOf(on, [3, 4], [2], 'f64'),
          record: tensorOf(on, [held, 5], [2], 'f64'),
          step: 6,
        }),
        { ulps: 0.5 },
      );
  });

  it('holds back from the first bad step on, and brings back what was changed in place', async () => {
    const at = (values: number[]) => tensorOf(device, values, [values.length], 'f64');
    const [state, former, kept, told, record] = [at([1]), at([0]), at([0]), at([0, 0]), at([0, 0])];
    const step = async (number: number, x: number, sizes: number[]) => {
      const before = at([number]);
      kept.write(Float64Array.of(100));
      ops.endStep(device, { state: [state], x: [at([x])], former: [former], kept: [kept], before: [before], told, sizes: at(sizes), record, step: number }); // biome-ignore format: one line
      return Promise.all([state, former, kept, told, record].map(async (one) => [...(await valuesOf(one))]));
    };
    expect(await step(1, 2, [5, 6])).toEqual([[2], [1], [100], [5, 6], [0, 1]]);
    expect(await step(2, 3, [7, Infinity])).toEqual([[2], [1], [2], [7, Infinity], [1, 1]]);
    expect(await step(3, 4, [1, 1])).toEqual([[2], [1], [3], [7, Infinity], [1, 1]]);
  });

  it('refuses what does not fit', () => {
    const zeros = (size: number, dtype: Dtype = 'f32') => Tensor.zeros(device, [size], { dtype });
    const good = { state: [zeros(2)], x: [zeros(2)], record: zeros(2, 'f64') };
    const code = (fields: object) => thrownBy(() => ops.endStep(device, { ...good, ...fields })).code;
    expect(code({ x: [] })).toBe('ERR_ARGUMENT');
    expect(code({ kept: [zeros(1)] })).toBe('ERR_ARGUMENT');
    expect(code({ former: [zeros(2), zeros(2)] })).toBe('ERR_ARGUMENT');
    expect(code({ x: [zeros(3)] })).toBe('ERR_SHAPE');
    expect(code({ former: [zeros(3)] })).toBe('ERR_SHAPE');
    expect(code({ kept: [zeros(3)], before: [zeros(2)] })).toBe('ERR_SHAPE');
    expect(code({ state: [zeros(2, 'i32')] })).toBe('ERR_DTYPE');
    expect(code({ watched: [zeros(2, 'i32')] })).toBe('ERR_DTYPE');
    expect(code({ record: zeros(2) })).toBe('ERR_DTYPE');
    expect(code({ record: zeros(3, 'f64') })).toBe('ERR_SHAPE');
    expect(code({ sizes: zeros(2) })).toBe('ERR_DTYPE');
    expect(code({ told: zeros(2), sizes: zeros(2, 'f64') })).toBe('ERR_DTYPE');
    expect(code({ told: zeros(2, 'f64') })).toBe('ERR_SHAPE');
  });
});
