// Devices: cpu, cuda
// Projection onto a box whose bounds are tensors.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Tensor } from '../../lib/index.ts';
import { project } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { arrayOf } from '../support/dtypes.ts';
import { referenceDevice } from '../support/reference.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

describe.each(devices)('project.box by tensors on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const vector = (values: ArrayLike<number>, dtype: 'f32' | 'f64' = 'f64'): Tensor =>
    tensorOf(device, values, [values.length], dtype);
  const read = async (x: Tensor): Promise<number[]> => [...(await valuesOf(x))];

  it.each(['f64', 'f32'] as const)('keeps the bits of what lies between, as the reference does, %s', async (dtype) => {
    const random = (shape: readonly number[], seed: number) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return Float64Array.from(arrayOf(normal(size, seed), dtype));
    };
    for (const on of [device, referenceDevice()])
      for (const shape of [[7], [1, 1], [3, 5, 4], [600, 70], [0, 3]]) {
        const [x, one, other] = [random(shape, 1), random(shape, 2), random(shape, 3)];
        const low = one.map((value, i) => Math.min(value, other[i]!));
        const high = one.map((value, i) => Math.max(value, other[i]!));
        using point = tensorOf(on, x, shape, dtype);
        using lower = tensorOf(on, low, shape, dtype);
        using upper = tensorOf(on, high, shape, dtype);
        const { live } = await settledMemory(on);
        project.box(point, lower, upper);
        expect(on.info.memory.live).toBe(live);
        expect(await read(point)).toEqual([...x.map((value, i) => Math.min(Math.max(value, low[i]!), high[i]!))]);
        expect(await read(lower)).toEqual([...low]);
        expect(await read(upper)).toEqual([...high]);
      }
  });

  it('takes a number on one side, and infinity on either', async () => {
    const [x, y, z] = [-5, 0.5, 5].map((value) => vector([value, value, value])) as [Tensor, Tensor, Tensor];
    project.box(x, vector([-1, -Infinity, -7]), 0);
    expect(await read(x)).toEqual([-1, -5, -5]);
    project.box(y, -1, vector([0, Infinity, 0.25]));
    expect(await read(y)).toEqual([0, 0.5, 0.25]);
    project.box(z, vector([-Infinity, 6, 1]), vector([Infinity, Infinity, 1]));
    expect(await read(z)).toEqual([5, 6, 1]);
  });

  it('gives NaN for NaN, and upper where lower is above it', async () => {
    const x = vector([NaN, 1, 1, 1]);
    project.box(x, vector([0, NaN, 0, 3]), vector([2, 2, NaN, 2]));
    expect(await read(x)).toEqual([NaN, NaN, NaN, 2]);
  });

  it('refuses bounds that do not fit', () => {
    const x = vector([1, 2]);
    const cases: [() => void, string, string][] = [
      [() => project.box(x, vector([1]), 2), 'ERR_SHAPE', 'project.box: lower must have shape [2], got [1]'],
      [() => project.box(x, 0, vector([1, 2], 'f32')), 'ERR_DTYPE', 'project.box: upper must be f64, got f32'],
      [() => project.box(x, vector([1, 2]), NaN), 'ERR_ARGUMENT', 'project.box: upper must be a number or a tensor, got NaN'],
      [() => project.box(x, [1, 2] as never, 2), 'ERR_ARGUMENT', 'project.box: lower must be a number or a tensor, got a list'],
    ]; // biome-ignore format: a line each
    for (const [call, code, message] of cases) expect(thrownBy(call)).toEqual({ code, message });
  });
});
