// Devices: cpu, cuda
// Source: formula "agrees with Math.fround on f32"
// Source: property "every %s to f32 and back"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { cast } from '../../reference/cast.ts';
import { expectSame } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { arrayOf, decoded, dtypes, encoded, numbersOf, rounded } from '../../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

// Signs, zeros, ties in f32, f16 and bf16, edges of every range, subnormal numbers of every type, and no numbers.
const special = [
  ...[0, 0.5, 0.999, 1, 1.5, 2.5, 127.5, 254.5, 255, 255.5, 256, 300, 65504, 65519.996, 65520, 65536, 16777217],
  ...[2 ** -14, 2 ** -14 - 2 ** -25, 2 ** -24, 2 ** -25, 2 ** -25 + 2 ** -40, 3 * 2 ** -25, 2 ** -26],
  ...[2 ** -126, 2 ** -127, 2 ** -133, 2 ** -134, 2 ** -134 + 2 ** -149, 2 ** -149, 2 ** -150, 2 ** -1074],
  ...[1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -24, 1 + 3 * 2 ** -24],
  ...[
    2147483647,
    2147483648,
    2147483520,
    4294967296,
    3.4028234663852886e38,
    3.4028235677973366e38,
    1e300,
    Infinity,
    NaN,
  ],
].flatMap((x) => [x, -x]);

// Rounding to f32 first would make a tie of them, and the tie goes the other way.
const roundedTwiceWrong = (dtype: 'f16' | 'bf16') => {
  const half = dtype === 'f16' ? 2 ** -11 : 2 ** -8;
  return [1 + half + 2 ** -40, 1 + 3 * half - 2 ** -40, 3 + 2 * half + 2 ** -36].flatMap((x) => [x, -x]);
};

describe.each(onlyCpu)('the reference', () => {
  it('knows every 16-bit number', () => {
    for (const dtype of ['f16', 'bf16'] as const)
      for (let bits = 0; bits < 0x10000; bits++) {
        const x = decoded(bits, dtype);
        if (!Number.isNaN(x) && (encoded(x, dtype) !== bits || !Object.is(rounded(x, dtype), x)))
          throw new Error(`${dtype} ${bits}`);
      }
  });

  it('agrees with Math.fround on f32', () => {
    for (const x of special) expect(rounded(x, 'f32')).toBe(Math.fround(x));
  });

  it('tells values that are rounded twice from those rounded once', () => {
    for (const dtype of ['f16', 'bf16'] as const)
      for (const x of roundedTwiceWrong(dtype)) expect(rounded(x, dtype)).not.toBe(rounded(Math.fround(x), dtype));
  });
});

describe.each(devices)('cast on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const pairs = dtypes.flatMap((from) => dtypes.map((to): [Dtype, Dtype] => [from, to]));
  it.each(pairs)('%s to %s', async (from, to) => {
    const data = [special, ...awkward.map((size) => normal(size, size, 200))].map((x) => arrayOf(x, from));
    const x = data.map((values) => Tensor.from(device, values, [values.length], { dtype: from }));
    const out = x.map((tensor) => new Tensor(device, tensor.shape, to));
    ops.cast(device, { out, x });
    for (const [i, values] of data.entries()) expectSame(await valuesOf(out[i]!), cast(numbersOf(values, from), to));
  });

  it.each(['f16', 'bf16'] as const)('every %s to f32 and back', async (dtype) => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    const x = Tensor.from(device, bits, [0x10000], { dtype });
    const wide = x.cast('f32');
    expectSame(await valuesOf(wide), numbersOf(bits, dtype));
    const isNan = (b: number) => Number.isNaN(decoded(b, dtype));
    const back = await wide.cast(dtype).read();
    const settled = (all: Uint16Array) => all.map((b) => (isNan(b) ? 0x7fff : b));
    expectSame(settled(back), settled(bits));
  });

  it.each(['f16', 'bf16'] as const)('f64 to %s rounds once, and so do numbers', async (dtype) => {
    const values = roundedTwiceWrong(dtype);
    const expected = Float64Array.from(values, (x) => rounded(x, dtype));
    expect(await valuesOf(tensorOf(device, values, [values.length], 'f64').cast(dtype))).toEqual(expected);
    expect(await valuesOf(Tensor.from(device, values, [values.length], { dtype }))).toEqual(expected);
  });

  it.each(['f16', 'bf16'] as const)('i32 to %s rounds once', async (dtype) => {
    // 24 bits and a one far behind a tie.
    const values = dtype === 'f16' ? [32784, 32785] : [0x40400001, 0x40400000, 0x40c00000, 0x40bfffff, -0x40400001];
    const x = tensorOf(device, values, [values.length], 'i32');
    expect(await valuesOf(x.cast(dtype))).toEqual(cast(values, dtype));
  });

  it('refuses other shapes and numbers of tensors', () => {
    const x = Tensor.zeros(device, [4]);
    const out = new Tensor(device, [2, 2], 'f64');
    expect(thrownBy(() => ops.cast(device, { out: [out], x: [x] }))).toMatchObject({
      code: 'ERR_SHAPE',
      message: "cast: x must have out's shape, got f32[4] for out f64[2, 2]",
    });
    expect(thrownBy(() => ops.cast(device, { out: [out], x: [] })).code).toBe('ERR_ARGUMENT');
  });
});
