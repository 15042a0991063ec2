// Devices: cpu, cuda
// Source: closed form "steps of vectors whose lengths are whole"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

/** Bounds relative to the largest element; a length of f32 vectors is right to some units of f32. */
const boundsOf = (dtype: 'f32' | 'f64') => {
  const length = { ulps: dtype === 'f32' ? 2 ** 33 : 256 };
  const all = { ulps: 32, of: 'largest' } as const;
  return { out: all, sum: all, length, outLength: length, termLengths: length };
};

describe.each(devices)('stepAlong on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const sizes = [1, 0, 33, 4097, 16390];
  const f64 = (on: Device, size: number) => Tensor.full(on, [size], NaN, { dtype: 'f64' });

  it.each([
    ['f32', 'plain'],
    ['f64', 'plain'],
    ['f64', 'unit'],
    ['f32', 'unit'],
    ['f64', 'within'],
    ['f32', 'within'],
  ] as const)('moves in %s, %s, with all lengths', async (dtype, by) => {
    for (const amount of [0.25, 1e4])
      await expectLikeReference(
        'stepAlong',
        device,
        (on) => {
          const list = (seed: number) => sizes.map((size, i) => tensorOf(on, normal(size, seed + i), [size], dtype));
          const empty = () => sizes.map((size) => Tensor.full(on, [size], NaN, { dtype }));
          const factor = tensorOf(on, [0.5], [1], 'f64');
          return {
            ...{ out: empty(), base: list(1), sum: empty(), terms: [...list(10), ...list(20), ...list(30)] },
            coefficients: [0.5, [3, factor], -1] as const,
            ...{ length: f64(on, 1), outLength: f64(on, 1), termLengths: f64(on, 2), amount, by },
          };
        },
        boundsOf(dtype),
      );
  });

  it.each(['f32', 'f64'] as const)('adds in %s, of one to eight terms', async (dtype) => {
    for (let count = 1; count <= 8; ++count)
      await expectLikeReference(
        'stepAlong',
        device,
        (on) => ({
          out: [Tensor.full(on, [600], NaN, { dtype })],
          terms: Array.from({ length: count }, (_, j) => tensorOf(on, normal(600, j), [600], dtype)),
          coefficients: Array.from({ length: count }, (_, j) => j - 1.5),
          ...{ length: f64(on, 1), outLength: f64(on, 1), termLengths: f64(on, count) },
        }),
        boundsOf(dtype),
      );
  });

  it('steps of vectors whose lengths are whole', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      const at = (...values: number[]) => tensorOf(device, values, [values.length], dtype);
      const read = async (x: Tensor) => [...(await valuesOf(x))];
      const step = async (by: 'plain' | 'unit' | 'within', amount: number, u = [3, 4]) => {
        const [out, sum] = [at(0, 0), at(0, 0)];
        ops.stepAlong(device, { out: [out], base: [at(1, 1)], sum: [sum], terms: [at(...u)], coefficients: [1], amount, by }); // biome-ignore format: one line
        expect(await read(sum)).toEqual(u);
        return read(out);
      };
      expect(await step('plain', 2)).toEqual([7, 9]);
      expect(await step('unit', -5)).toEqual([-2, -3]);
      expect(await step('unit', 5, [0, 0])).toEqual([1, 1]);
      expect(await step('within', 2.5)).toEqual([2.5, 3]);
      expect(await step('within', 5)).toEqual([4, 5]);
      expect(await step('within', 1e30)).toEqual([4, 5]);
      expect(await step('within', 0, [0, 0])).toEqual([1, 1]);
      expect(await step('unit', 1, [NaN, 0])).toEqual([NaN, NaN]);
    }
  });

  it('in place: the sum and the result may be terms', async () => {
    const at = (...values: number[]) => tensorOf(device, values, [values.length]);
    const [y, center, part] = [at(2, 2), at(2, 2), at(-6, -8)];
    const [length, termLengths] = [f64(device, 1), f64(device, 1)];
    const terms = [y, center, part];
    ops.stepAlong(device, { out: [y], base: [center], sum: [part], terms, coefficients: [1, -1, -1], amount: 5, by: 'within', length, termLengths }); // biome-ignore format: one line
    expect([...(await valuesOf(y))]).toEqual([5, 6]);
    expect([...(await valuesOf(part))]).toEqual([6, 8]);
    expect([...(await length.read()), ...(await termLengths.read())]).toEqual([10, 10]);
  });

  it('in place, by a given factor: what is written is read before', async () => {
    const at = (...values: number[]) => tensorOf(device, values, [values.length]);
    for (const place of ['base', 'first', 'none'] as const) {
      const [base, first, last] = [at(1, 2), at(3, 4), at(5, 7)];
      const out = { base, first, none: at(0, 0) }[place];
      const [length, outLength, termLengths] = [f64(device, 1), f64(device, 1), f64(device, 2)];
      ops.stepAlong(device, { out: [out], base: [base], sum: [last], terms: [first, last], coefficients: [-2, 1], amount: 2, length, outLength, termLengths }); // biome-ignore format: one line
      expect([...(await valuesOf(last))]).toEqual([-1, -1]);
      expect([...(await valuesOf(out))]).toEqual([-1, 0]);
      expect((await length.read())[0]).toBeCloseTo(Math.SQRT2, 6);
      expect([...(await outLength.read())]).toEqual([1]);
      expect((await termLengths.read())[0]).toBe(5);
    }
  });

  it.each(onlyCpu)('moves vectors that are larger than caches, on %s', async () => {
    const size = 2_200_003;
    const numbers = (from: number) => Float32Array.from({ length: size }, (_, i) => ((i + from) % 97) - 48);
    const [base, first, last] = [numbers(0), numbers(31), numbers(77)];
    const [sum, out] = [Tensor.zeros(device, [size]), Tensor.zeros(device, [size])];
    const given = [base, first, last].map((values) => Tensor.from(device, values, [size])) as [Tensor, Tensor, Tensor];
    const outLength = f64(device, 1);
    ops.stepAlong(device, { out: [out], base: [given[0]], sum: [sum], terms: given.slice(1), coefficients: [1, -2], amount: 0.5, outLength }); // biome-ignore format: one line
    const u = first.map((value, i) => value - 2 * last[i]!);
    const moved = base.map((value, i) => value + u[i]! / 2);
    expect(Buffer.compare(Buffer.from((await sum.read()).buffer), Buffer.from(u.buffer))).toBe(0);
    expect(Buffer.compare(Buffer.from((await out.read()).buffer), Buffer.from(moved.buffer))).toBe(0);
    const squares = moved.reduce((total, value) => total + value * value, 0);
    expect((await outLength.read())[0]! / Math.sqrt(squares)).toBeCloseTo(1, 6);
  });

  it.each([1e-300, 1e-160, 1e155, 1e300])('f64 of size %d, whose squares leave the range of f64', async (scale) => {
    const sum = tensorOf(device, [3 * scale, 0], [2], 'f64');
    const other = tensorOf(device, [0, 4 * scale], [2], 'f64');
    const out = f64(device, 2);
    const [length, termLengths] = [f64(device, 1), f64(device, 2)];
    ops.stepAlong(device, { out: [out], base: [Tensor.zeros(device, [2], { dtype: 'f64' })], sum: [f64(device, 2)], terms: [sum, other], coefficients: [1, 1], by: 'unit', length, termLengths }); // biome-ignore format: one line
    expect((await length.read())[0]! / (5 * scale)).toBeCloseTo(1, 13);
    for (const [i, value] of (await termLengths.read()).entries()) expect(value / ((3 + i) * scale)).toBeCloseTo(1, 13);
    for (const [i, value] of (await out.read()).entries()) expect(value).toBeCloseTo([0.6, 0.8][i]!, 13);
  });

  it('subnormal lengths, whose inverse is beyond all numbers, make no NaN', async () => {
    for (const [dtype, least] of [
      ['f32', 1e-45],
      ['f64', 1e-309],
    ] as const)
      for (const by of ['unit', 'within'] as const)
        for (const amount of by === 'unit' ? [-5, 0.1, 0] : [0.1, 0]) {
          const at = (...values: number[]) => tensorOf(device, values, [values.length], dtype);
          const out = at(0, 0);
          ops.stepAlong(device, { out: [out], base: [at(0, 1)], sum: [at(0, 0)], terms: [at(least, 0)], coefficients: [1], amount, by }); // biome-ignore format: one line
          const [first, second] = await valuesOf(out);
          expect(Math.abs(first!), `${dtype} ${by} ${amount}`).toBeLessThanOrEqual(Math.abs(amount));
          expect(second).toBe(1);
        }
  });

  it('refuses what does not fit', () => {
    const x = (shape = [2], dtype: 'f32' | 'f64' | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    const good = { out: [x()], base: [x()], sum: [x()], terms: [x()], coefficients: [1] };
    const thrown = (fields: object) => thrownBy(() => ops.stepAlong(device, { ...good, ...fields }));
    const code = (fields: object) => thrown(fields).code;
    for (const fields of [{ coefficients: [] }, { coefficients: [1, 1] }, { base: [] }, { sum: [] }, { base: [x(), x()] }, { amount: Infinity }, { amount: -1, by: 'within' }]) // biome-ignore format: one line
      expect(code(fields)).toBe('ERR_ARGUMENT');
    expect(thrown({ sum: good.base }).message).toBe('stepAlong: sum must not be base, got the same memory');
    expect(thrown({ base: [], sum: [], by: 'unit' }).message).toBe(
      'stepAlong: base must be given where by is not plain, got none',
    );
    for (const name of ['base', 'sum', 'terms']) {
      expect(code({ [name]: [x([3])] })).toBe('ERR_SHAPE');
      expect(code({ [name]: [x([2], 'f64')] })).toBe('ERR_DTYPE');
    }
    expect(code({ out: [x([2], 'i32')] })).toBe('ERR_DTYPE');
    for (const name of ['length', 'outLength', 'termLengths']) {
      expect(code({ [name]: x([1]) })).toBe('ERR_DTYPE');
      expect(code({ [name]: x([2], 'f64') })).toBe('ERR_SHAPE');
    }
    expect(code({ coefficients: [[1, x([2])]] })).toBe('ERR_SHAPE');
  });
});
