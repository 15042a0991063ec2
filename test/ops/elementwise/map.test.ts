// Devices: cpu, cuda
// Source: closed form "%s of 0, -0, inf and -inf"
// Source: closed form "takes its parameters"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { map as reference } from '../../reference/map.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { rounded } from '../../support/dtypes.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

type Word = NonNullable<Parameters<typeof ops.map>[1]['function']>;
const parameters: Partial<Record<Word, number[]>> = { soft_threshold: [0.75], clamp: [-0.5, 1.25], power: [1.7] };
const words = Object.keys(reference) as Word[];
// In f32, by the op's docstring, in ulp.
const bounds: Partial<Record<Word, number>> = {
  exp: 1.1,
  log: 0.9,
  tanh: 2.6,
  sigmoid: 2.6,
  softplus_derivative: 2.6,
  softplus: 2.8,
  softplus_second_derivative: 4.5,
  gelu: 6.5,
  silu: 3,
};
const exact: readonly Word[] = ['abs', 'sign', 'sqrt', 'relu', 'clamp'];
const positive: readonly Word[] = ['sqrt', 'log', 'power'];

describe.each(devices)('map on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const mapped = async (
    word: Word,
    values: ArrayLike<number>,
    dtype: 'f32' | 'f64' = 'f64',
    given = parameters[word],
  ) => {
    const x = tensorOf(device, values, [values.length], dtype);
    ops.map(device, { out: [x], x: [x], function: word, parameters: given });
    return valuesOf(x);
  };

  describe.each(words)('%s', (word) => {
    const [a, b] = parameters[word] ?? [];
    it.each(['f32', 'f64'] as const)('agrees with the reference on a list, in place too, %s', async (dtype) => {
      // From the smallest to far beyond 1.
      const data = (n: number) => normal(n, n + 1).map((v, i) => v * [1, 5, 1e-3, 1e-8][i % 4]!);
      const x = awkward.map((n) =>
        tensorOf(device, positive.includes(word) ? data(n).map(Math.abs) : data(n), [n], dtype),
      );
      const out = awkward.map((n) => Tensor.full(device, [n], NaN, { dtype }));
      const before = await Promise.all(x.map((tensor) => tensor.read()));
      ops.map(device, { out, x, function: word, parameters: parameters[word] });
      for (const [i, tensor] of out.entries()) {
        expect(sameBits(await x[i]!.read(), before[i]!)).toBe(true);
        const values = await valuesOf(x[i]!);
        const expected = values.map((v) => reference[word]!(v, a!, b!));
        // For gelu, what the reference's exponential grows.
        const f32 = bounds[word] ?? 0.51;
        const ulps = exact.includes(word) ? 0.5 : dtype === 'f32' ? f32 : word === 'gelu' ? 8 : 5;
        const magnitude = expected.map((y, k) =>
          word === 'gelu' && dtype === 'f64' ? Math.abs(y) * (1 + values[k]! ** 2) : 0,
        );
        expectClose(await valuesOf(tensor), expected, { dtype, ulps, magnitude });
      }
      ops.map(device, { out: x, x, function: word, parameters: parameters[word] });
      for (const [i, tensor] of x.entries()) expect(sameBits(await tensor.read(), await out[i]!.read())).toBe(true);
    });

    // f32 and then 16 bits: half a unit of these, and what is left of an error in f32 where it decides.
    it.each(['f16', 'bf16'] as const)('rounds what f32 gives to %s, in place too', async (dtype) => {
      const data = (n: number) => normal(n, n + 1).map((v, i) => v * [1, 5, 1e-3, 1e-8][i % 4]!);
      const x = awkward.map((n) =>
        tensorOf(device, positive.includes(word) ? data(n).map(Math.abs) : data(n), [n], dtype),
      );
      const wide = x.map((tensor) => tensor.cast('f32'));
      const out = x.map((tensor) => Tensor.full(device, tensor.shape, NaN, { dtype }));
      ops.map(device, { out, x, function: word, parameters: parameters[word] });
      ops.map(device, { out: wide, x: wide, function: word, parameters: parameters[word] });
      for (const [i, tensor] of out.entries()) {
        const exact = (await valuesOf(x[i]!)).map((v) => reference[word]!(v, a!, b!));
        // Beyond the range of the dtype they are infinite.
        const expected = exact.map((y) => (Number.isFinite(rounded(y, dtype)) ? y : rounded(y, dtype)));
        expectClose(await valuesOf(tensor), expected, { dtype, ulps: 0.51 });
        expect(sameBits(await tensor.read(), await wide[i]!.cast(dtype).read())).toBe(true);
      }
      ops.map(device, { out: x, x, function: word, parameters: parameters[word] });
      for (const [i, tensor] of x.entries()) expect(sameBits(await tensor.read(), await out[i]!.read())).toBe(true);
    });

    if (word in bounds)
      it('is as near in f32 as stated, from one end of its numbers to the other', async () => {
        const bits = Uint32Array.from({ length: 400_000 }, (_, i) => i * 10_737);
        const x = new Float32Array(bits.buffer).filter((v) => Math.abs(v) >= 2 ** -126 && (word !== 'log' || v > 0));
        const y = await mapped(word, x, 'f32');
        const expected = Float64Array.from(x, (v) => reference[word]!(v, NaN, NaN));
        const normal = expected.map((v) => Number(Math.abs(v) >= 2 ** -126 && Math.abs(v) < 2 ** 127.99));
        const among = (values: Float64Array) => values.filter((_, i) => normal[i]);
        expectClose(among(y), among(expected), { dtype: 'f32', ulps: bounds[word]! });
      });

    it('lets NaN pass', async () => {
      expect(await mapped(word, [NaN, NaN, NaN])).toEqual(new Float64Array([NaN, NaN, NaN]));
    });
  });

  it.each<[Word, number[]]>([
    ['abs', [0, 0, Infinity, Infinity]],
    ['sign', [0, -0, 1, -1]],
    ['sqrt', [0, -0, Infinity, NaN]],
    ['exp', [1, 1, Infinity, 0]],
    ['log', [-Infinity, -Infinity, Infinity, NaN]],
    ['tanh', [0, -0, 1, -1]],
    ['sigmoid', [0.5, 0.5, 1, 0]],
    ['softplus', [Math.LN2, Math.LN2, Infinity, 0]],
    ['softplus_derivative', [0.5, 0.5, 1, 0]],
    ['softplus_second_derivative', [0.25, 0.25, 0, 0]],
    ['relu', [0, 0, Infinity, 0]],
    ['gelu', [0, -0, Infinity, -0]],
    ['soft_threshold', [0, 0, Infinity, -Infinity]],
    ['clamp', [0, -0, 1.25, -0.5]],
    ['power', [0, 0, Infinity, Infinity]],
    ['silu', [0, -0, Infinity, -0]],
  ])('%s of 0, -0, inf and -inf', async (word, expected) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const rounded = await valuesOf(tensorOf(device, expected, [4], dtype));
      expect(await mapped(word, [0, -0, Infinity, -Infinity], dtype)).toEqual(rounded);
    }
  });

  it('goes to the ends of f64', async () => {
    const tiny = 5e-324;
    const near = async (word: Word, values: number[], ulps: number) =>
      expectClose(
        await mapped(word, values),
        values.map((v) => reference[word]!(v, NaN, NaN)),
        { dtype: 'f64', ulps },
      );
    await near('exp', [709.78, 709.79, 800, -708.5, -744.9, -745.2, -1e300, 1e-300], 4);
    await near('log', [tiny, 3e-310, 2.3e-308, 1.7e308, 1, 1 + 2 ** -52, 1 - 2 ** -53, 0.75, 1.5, -1e-300], 4);
    await near('tanh', [1e-300, tiny, -1e-9, 0.17, 0.35, 19, 22, 400, 1e308], 4);
    await near('softplus', [-700, -744, -1e308, -40, 36, 800, 1e308], 4);
    await near('sigmoid', [-700, -37, 37, 1e308, -1e308], 4);
  });

  it('takes its parameters', async () => {
    expect([...(await mapped('soft_threshold', [-3, -1, 0, 1, 2.5], 'f32', [1]))]).toEqual([-2, 0, 0, 0, 1.5]);
    expect([...(await mapped('clamp', [-3, 0.5, 4], 'f32', [-Infinity, 1]))]).toEqual([-3, 0.5, 1]);
    expect([...(await mapped('clamp', [-3, 0.5, 4], 'f32', [2, 2]))]).toEqual([2, 2, 2]);
    expect([...(await mapped('power', [-3, 2, 0], 'f32', [2]))]).toEqual([9, 4, 0]);
    expect([...(await mapped('power', [NaN, Infinity, 0], 'f32', [0]))]).toEqual([1, 1, 1]);
    expect([...(await mapped('power', [-3, 2, 0], 'f32', [0.5]))]).toEqual([NaN, Math.fround(Math.SQRT2), 0]);
  });
});

const valid = (device: Device) => ({
  out: [Tensor.zeros(device, [3])],
  x: [Tensor.zeros(device, [3])],
  function: 'abs',
});
describe.each(onlyCpu)('map', () => {
  refusesWrongFields('map', (device) => {
    const { out, x } = valid(device);
    return { out, x };
  });
  refuses('map', valid, (device) => {
    const [a, b] = [Tensor.zeros(device, [3]), Tensor.zeros(device, [3])];
    const f64 = Tensor.zeros(device, [3], { dtype: 'f64' });
    return [
      [{ x: [] }, 'ERR_ARGUMENT', 'map: x must be as many as out, got 0'],
      [
        { x: [Tensor.zeros(device, [1, 3])] },
        'ERR_SHAPE',
        "map: x must have out's shape, got f32[1, 3] for out f32[3]",
      ],
      [{ x: [f64] }, 'ERR_DTYPE', "map: x must have out's dtype, got f64[3]"],
      [{ out: [f64.cast('i32')] }, 'ERR_DTYPE', 'map: out must be floating, got i32[3]'],
      [{ out: [a, b], x: [b, a] }, 'ERR_ARGUMENT', 'map: out must not share a tensor with x'],
      [{ parameters: [1] }, 'ERR_ARGUMENT', 'map: parameters must be none for this function, got 1'],
      [{ function: 'clamp' }, 'ERR_ARGUMENT', 'map: parameters must be low and high for clamp, got 0'],
      [
        { function: 'clamp', parameters: [2, 1] },
        'ERR_ARGUMENT',
        'map: parameters must hold a low no larger than high, got 2',
      ],
      [
        { function: 'soft_threshold', parameters: [1, 2] },
        'ERR_ARGUMENT',
        'map: parameters must be one number for soft_threshold, got 2',
      ],
      [
        { function: 'soft_threshold', parameters: [-1] },
        'ERR_ARGUMENT',
        'map: parameters must not be negative, got -1',
      ],
      [{ function: 'power' }, 'ERR_ARGUMENT', 'map: parameters must be one number for power, got 0'],
      [
        { function: 'sin' },
        'ERR_ARGUMENT',
        "map: function must be one of 'abs', 'sign', 'sqrt', 'exp', 'log', 'tanh', 'sigmoid', 'softplus', " +
          "'softplus_derivative', 'softplus_second_derivative', 'relu', 'gelu', 'soft_threshold', 'clamp', 'power', 'silu', got 'sin'",
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      words.map((word) => {
        const x = tensorOf(device, normal(40001, 1).map(Math.abs));
        ops.map(device, { out: [x], x: [x], function: word, parameters: parameters[word] });
        return x;
      }),
    ));
});
