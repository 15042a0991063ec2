// Devices: cpu, cuda
// Source: values "gives the published words of counter 0 under key 0"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { philox, random as reference } from '../../reference/random.ts';
import { expectClose } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { type Floating, floatingDtypes, rounded } from '../../support/dtypes.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { valuesOf } from '../../support/tensors.ts';

type Position = { seed?: number; stream?: number; offset?: number };
const largest = 2 ** 53;

describe.each(onlyCpu)('the reference of philox', () => {
  // Random123, tests/kat_vectors, lines "philox4x32 10".
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [new Array(4).fill(0xffffffff), [0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('gives the published words, counter %j', (counter, key, expected) => {
    expect(philox(counter.map(BigInt), key.map(BigInt)).map(Number)).toEqual(expected);
  });
});

describe.each(devices)('random on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  async function words(count: number, at: Position): Promise<number[]> {
    const x = Tensor.zeros(device, [count], { dtype: 'i32' });
    ops.random(device, { x: [x], distribution: 'bits', ...at });
    return Array.from(await x.read(), (word) => word >>> 0);
  }

  it('gives the published words of counter 0 under key 0', async () => {
    expect(await words(4, {})).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  });

  it.each([
    { seed: 1 },
    { seed: 2 ** 32 + 5, stream: 2 ** 40 + 3, offset: 6 },
    { seed: largest, stream: largest, offset: largest - 40 },
    { offset: 2 ** 34 - 5 },
  ])('gives the words of the reference at %j', async (at) => {
    const expected = Array.from({ length: 33 }, (_, i) => reference('bits', 'i32', at, (at.offset ?? 0) + i) >>> 0);
    expect(await words(33, at)).toEqual(expected);
  });

  describe.each(floatingDtypes)('in %s', (dtype: Floating) => {
    it.each([0, 1, 2, 3, 31, 32, 33, 597, 1024, 4097])('agrees with the reference, n = %i', async (n) => {
      for (const distribution of ['uniform', 'normal', 'rademacher'] as const) {
        const at = { seed: n + 7, stream: 3, offset: n % 2 === 0 ? 1 : 2 + (n % 4) };
        const x = Tensor.full(device, [n], NaN, { dtype });
        ops.random(device, { x: [x], distribution, ...at });
        const exact = Array.from({ length: n }, (_, i) => reference(distribution, dtype, at, at.offset + i));
        const expected = exact.map((value) => rounded(value, dtype));
        // The log, the sine and the cosine of two libraries may differ in their last bits, and then, rarely, so does the
        // rounding to a shorter type.
        const ulps = distribution !== 'normal' ? 0 : dtype === 'f64' ? 4 : 1;
        expectClose(await valuesOf(x), expected, { dtype, ulps, magnitude: dtype === 'f64' ? 1 : 0 });
      }
    });

    it.each(['uniform', 'normal', 'rademacher'] as const)(
      'does not depend on how %s numbers are split',
      async (distribution) => {
        const at = { seed: 5, distribution };
        const whole = Tensor.zeros(device, [40001], { dtype });
        ops.random(device, { x: [whole], ...at, offset: 10 });
        const sizes = [0, 1, 4, 1024, 0, 16385, 17, 20000, 2570]; // from even and odd positions
        const parts = sizes.map((n) => Tensor.zeros(device, [n], { dtype }));
        ops.random(device, { x: parts, ...at, offset: 10 });
        const again = sizes.map((n) => Tensor.zeros(device, [n], { dtype }));
        let offset = 10;
        for (const x of again) {
          ops.random(device, { x: [x], ...at, offset });
          offset += x.size;
        }
        expect(offset - 10).toBe(whole.size);
        const expected = await whole.read();
        for (const list of [parts, again]) {
          const arrays = await Promise.all(list.map((x) => x.read()));
          let begin = 0;
          for (const array of arrays) {
            expect(sameBits(array, expected.slice(begin, begin + array.length))).toBe(true);
            begin += array.length;
          }
        }
      },
    );

    it('keeps uniform numbers in [0, 1), and none stands still', async () => {
      const x = Tensor.zeros(device, [100_000], { dtype });
      ops.random(device, { x: [x], seed: 11 });
      const values = await valuesOf(x);
      expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
      expect(new Set(values).size).toBeGreaterThan(dtype === 'bf16' ? 255 : dtype === 'f16' ? 2047 : 99_000);
    });
  });

  // 1e6 numbers: the bounds are five standard deviations of each moment.
  it('has the moments of the uniform and the normal distribution and of signs', async () => {
    const x = Tensor.zeros(device, [1_000_000], { dtype: 'f64' });
    const moment = (values: Float64Array, k: number) =>
      values.reduce((sum, value) => sum + value ** k, 0) / values.length;
    ops.random(device, { x: [x], seed: 1 });
    const flat = await valuesOf(x);
    expect(Math.abs(moment(flat, 1) - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12e6));
    expect(Math.abs(moment(flat, 2) - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45e6));
    ops.random(device, { x: [x], seed: 1, distribution: 'normal' });
    const bell = await valuesOf(x);
    for (const [k, value, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ] as const)
      expect(Math.abs(moment(bell, k) - value)).toBeLessThan(5 * Math.sqrt(variance / 1e6));
    ops.random(device, { x: [x], seed: 1, distribution: 'rademacher' });
    const signs = await valuesOf(x);
    expect(signs.every((sign) => sign === 1 || sign === -1)).toBe(true);
    expect(Math.abs(moment(signs, 1))).toBeLessThan(5 / 1e3);
    // Neighbours come from one pair of uniform numbers and must not know of each other.
    const together = bell.reduce((sum, value, i) => (i % 2 ? sum + value * bell[i - 1]! : sum), 0) / 500_000;
    expect(Math.abs(together)).toBeLessThan(5 * Math.sqrt(1 / 500_000));
  });
});

const valid = (device: Device) => ({ x: [Tensor.zeros(device, [3])] });
describe.each(onlyCpu)('random', () => {
  refusesWrongFields('random', valid);
  refuses('random', valid, (device) => {
    const i32 = Tensor.zeros(device, [3], { dtype: 'i32' });
    const [f32, f64] = [Tensor.zeros(device, [3]), Tensor.zeros(device, [3], { dtype: 'f64' })];
    return [
      [{ x: [i32] }, 'ERR_DTYPE', 'random: x must be floating, got i32[3]'],
      [{ distribution: 'bits' }, 'ERR_DTYPE', 'random: x must be i32 for bits, got f32[3]'],
      [{ x: [f32, f64] }, 'ERR_DTYPE', 'random: x must be of one dtype, got f64[3]'],
      [{ x: [f32, f32] }, 'ERR_ARGUMENT', 'random: x holds a tensor that is already an output'],
      [{ seed: -1 }, 'ERR_ARGUMENT', 'random: seed must not be negative, got -1'],
      [{ offset: -1 }, 'ERR_ARGUMENT', 'random: offset must not be negative, got -1'],
      [{ stream: -1 }, 'ERR_ARGUMENT', 'random: stream must not be negative, got -1'],
      [{ seed: 0.5 }, 'ERR_ARGUMENT', 'random: seed must be an integer, got 0.5'],
      [{ seed: 2 ** 54 }, 'ERR_ARGUMENT', 'random: seed must be an integer, got 18014398509481984'],
      [
        { distribution: 'cauchy' },
        'ERR_ARGUMENT',
        "random: distribution must be one of 'uniform', 'normal', 'bits', 'rademacher', got 'cauchy'",
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [x, y] = [Tensor.zeros(device, [40001]), Tensor.zeros(device, [40001])];
      ops.random(device, { x: [x, y], seed: 3, distribution: 'normal' });
      return [x, y];
    }));
});
