// Devices: cpu, cuda
// Source: property "keeps what belongs to an index with it, in order, in steps that are due alone"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

type Dtype = 'f32' | 'f64' | 'f16' | 'bf16';
/** Indices that are ascending, as a step leaves them, and others in any order, of which a half is old. */
const fieldsOf = (batch: number, count: number, columns: number, dtype: Dtype, steps = 0) => {
  const whole = (on: Device, f: (i: number) => number) =>
    Tensor.from(
      on,
      Int32Array.from({ length: batch * count }, (_, i) => f(i)),
      [batch, count],
    );
  return (on: Device) => ({
    states: [1, 2].map((seed) => tensorOf(on, normal(batch * count * columns, seed), [batch, count, columns], dtype)),
    indices: whole(on, (i) => 2 * (i % count)),
    chosen: whole(on, (i) => (7 * (i % count) + 3) % (2 * count)),
    steps: Tensor.from(on, Int32Array.of(steps), [1]),
  });
};

describe.each(devices)('carry_rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each<[number, number, number, Dtype, number]>([
    [3, 33, 31, 'f32', 0],
    [1, 300, 4, 'f64', 5],
    [2, 5, 33, 'bf16', 1],
    [2, 31, 7, 'f16', 1],
    [1, 1, 1, 'f64', 0],
    [0, 5, 6, 'f32', 0],
    [2, 0, 6, 'f32', 0],
    [2, 3, 0, 'f32', 0],
  ])('of %i times %i rows of %i in %s, behind %i steps', (...given) =>
    expectLikeReference('carryRows', device, fieldsOf(...given), { ulps: 0.5 }),
  );

  it('keeps what belongs to an index with it, in order, in steps that are due alone', async () => {
    const states = [tensorOf(device, [1, 2, 3, 4, 5, 6], [1, 3, 2], 'f64')];
    const indices = Tensor.from(device, Int32Array.of(2, 5, 9), [1, 3]);
    const chosen = Tensor.from(device, Int32Array.of(9, 4, 2), [1, 3]);
    const run = async (steps: number, held: number) => {
      const guard = tensorOf(device, [held], [1], 'f64');
      ops.carryRows(device, { states, indices, chosen, steps: Tensor.from(device, Int32Array.of(steps), [1]), gap: 4, guard }); // biome-ignore format: one line
      return [[...(await indices.read())], [...(await valuesOf(states[0]!))]];
    };
    const before = [[2, 5, 9], [1, 2, 3, 4, 5, 6]]; // biome-ignore format: one line
    for (const steps of [1, 2, 4, 8]) expect(await run(steps, 0)).toEqual(before);
    expect(await run(3, 1)).toEqual(before);
    const after = [[2, 4, 9], [1, 2, 0, 0, 5, 6]]; // biome-ignore format: one line
    expect(await run(3, 0)).toEqual(after);
    expect(await run(0, 0)).toEqual(after);
  });

  it('changes the indices alone where there are no states', async () => {
    const { states, ...fields } = fieldsOf(1, 3, 2, 'f32')(device);
    ops.carryRows(device, fields);
    expect([...(await fields.indices.read())]).toEqual([3, 4, 5]);
    for (const one of states) one.dispose();
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.carryRows(device, { ...fieldsOf(2, 3, 4, 'f32')(device), ...more })).code;
    const zeros = (shape: number[], dtype: Dtype | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    expect(code({ indices: zeros([2, 3]) })).toBe('ERR_DTYPE');
    expect(code({ chosen: zeros([2, 3]) })).toBe('ERR_DTYPE');
    expect(code({ indices: zeros([6], 'i32') })).toBe('ERR_SHAPE');
    expect(code({ chosen: zeros([3, 2], 'i32') })).toBe('ERR_SHAPE');
    expect(code({ states: [zeros([2, 3, 4], 'i32')] })).toBe('ERR_DTYPE');
    expect(code({ states: [zeros([3, 2, 4])] })).toBe('ERR_SHAPE');
    expect(code({ steps: zeros([1]) })).toBe('ERR_DTYPE');
    expect(code({ guard: zeros([1]) })).toBe('ERR_DTYPE');
    expect(code({ gap: 0 })).toBe('ERR_ARGUMENT');
  });
});
