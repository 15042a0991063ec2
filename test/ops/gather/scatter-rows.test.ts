// Devices: cpu, cuda
// Source: property "is the transpose of gatherRows"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { dtypes, floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** Rows of a table of `rows`, with some before and behind it, and many more than once. */
function indicesOf(count: number, rows: number): number[] {
  const next = uniform(count + rows);
  return Array.from({ length: count }, () => Math.floor(next() * (rows + 2)) - 1);
}
const shapes = [
  [0, 5, 3],
  [5, 0, 3],
  [5, 4, 0],
  [1, 1, 1],
  [33, 31, 1],
  [31, 597, 43],
  [4097, 33, 5],
  [7, 3, 1025],
] as const;

describe.each(devices)('scatterRows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const fields = (on: Device, dtype: Dtype, [count, rows, size]: (typeof shapes)[number]) => ({
    out: tensorOf(on, normal(rows * size, 1, 100), [rows, size], dtype),
    index: tensorOf(on, indicesOf(count, rows), [count], 'i32'),
    x: tensorOf(on, normal(count * size, 2, 100), [count, size], dtype),
  });
  it.each(dtypes)('sets rows of %s', async (dtype) => {
    for (const shape of shapes)
      await expectLikeReference('scatterRows', device, (on) => ({ ...fields(on, dtype, shape), mode: 'set' }), {
        ulps: 0,
      });
  });
  // In f64 and in the same order as the reference, and rounded once.
  it.each(floatingDtypes)('adds rows of %s', async (dtype) => {
    for (const shape of shapes)
      await expectLikeReference('scatterRows', device, (on) => fields(on, dtype, shape), { ulps: 0 });
  });

  it('sets and adds few of many rows, some of them more than once, and some that are none', async () => {
    const [rows, size] = [1000, 3];
    const given = [7, 999, 7, -1, 0, 999, 1000, 7, 500, 2 ** 31 - 1];
    for (const mode of ['set', 'add'] as const)
      await expectLikeReference('scatterRows', device, (on) => ({
        out: tensorOf(on, normal(rows * size, 1, 100), [rows, size], 'f32'),
        index: tensorOf(on, given, [given.length], 'i32'),
        x: tensorOf(on, normal(given.length * size, 2, 100), [given.length, size], 'f32'),
        mode,
      }), { ulps: 0 }); // biome-ignore format: one line
  });

  it('takes a single row', async () => {
    const [added, set] = [tensorOf(device, [1, 2, 3, 4], [2, 2]), tensorOf(device, [1, 2, 3, 4], [2, 2])];
    const [index, x] = [tensorOf(device, [1], [1], 'i32'), tensorOf(device, [10, 20], [1, 2])];
    ops.scatterRows(device, { out: added, index, x });
    ops.scatterRows(device, { out: set, index, x, mode: 'set' });
    expect(await added.read()).toEqual(new Float32Array([1, 2, 13, 24]));
    expect(await set.read()).toEqual(new Float32Array([1, 2, 10, 20]));
  });

  it('keeps what f32 sums would lose', async () => {
    const out = tensorOf(device, [2 ** 30]);
    const index = tensorOf(device, [0, 0, 0], [3], 'i32');
    ops.scatterRows(device, { out, index, x: tensorOf(device, [1, 1, -(2 ** 30)]) });
    expect(await out.read()).toEqual(new Float32Array([2]));
  });

  it('writes nothing for an index outside, and keeps NaN, infinities and -0', async () => {
    const index = tensorOf(device, [-1, 2, 2 ** 31 - 1, -(2 ** 31), 0, 1], [6], 'i32');
    const x = tensorOf(device, [9, 9, 9, 9, NaN, Infinity]);
    const [added, set] = [tensorOf(device, [1, -Infinity]), tensorOf(device, [1, 2])];
    ops.scatterRows(device, { out: added, index, x });
    expect(await added.read()).toEqual(new Float32Array([NaN, NaN]));
    ops.scatterRows(device, { out: set, index, x, mode: 'set' });
    expect(await set.read()).toEqual(new Float32Array([NaN, Infinity]));
  });

  it('is the transpose of gatherRows', async () => {
    const index = tensorOf(device, indicesOf(97, 13), [97], 'i32');
    const [x, y] = [
      tensorOf(device, normal(13 * 3, 1), [13, 3], 'f64'),
      tensorOf(device, normal(97 * 3, 2), [97, 3], 'f64'),
    ];
    const gathered = Tensor.zeros(device, [97, 3], { dtype: 'f64' });
    const scattered = Tensor.zeros(device, [13, 3], { dtype: 'f64' });
    ops.gatherRows(device, { x, index, out: gathered });
    ops.scatterRows(device, { out: scattered, index, x: y });
    const dot = (a: Float64Array, b: Float64Array) =>
      a.reduce((sum, v, i) => sum + (Number.isNaN(v) ? 0 : v * b[i]!), 0);
    const [left, right] = [
      dot(await valuesOf(gathered), await valuesOf(y)),
      dot(await valuesOf(x), await valuesOf(scattered)),
    ];
    expect(left).toBeCloseTo(right, 10);
  });
});

const valid = (device: Device) => ({
  out: Tensor.zeros(device, [5, 3]),
  index: Tensor.zeros(device, [2], { dtype: 'i32' }),
  x: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('scatterRows', () => {
  it('takes memory for the rows that it is given, however many there are', async () => {
    const rows = 1 << 23;
    await using device = Device.open('cpu', { threads: 1 });
    const out = Tensor.zeros(device, [rows], { dtype: 'u8' });
    const [index, x] = [tensorOf(device, [rows - 1, 3], [2], 'i32'), tensorOf(device, [1, 2], [2], 'u8')];
    await device.synchronize();
    const before = process.memoryUsage.rss();
    ops.scatterRows(device, { out, index, x, mode: 'set' });
    await device.synchronize();
    // A number for each row takes 67 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(33e6);
    const read = await out.read();
    expect([read[rows - 1], read[3], read[0]]).toEqual([1, 2, 0]);
  });

  refusesWrongFields('scatterRows', valid);
  refuses('scatterRows', valid, (device) => {
    const i32 = Tensor.zeros(device, [2], { dtype: 'i32' });
    const shape = 'scatterRows: x must have one row of out an element of index, got';
    return [
      [{ out: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'scatterRows: out must have rows, got f32[]'],
      [
        { out: Tensor.zeros(device, [5, 3], { dtype: 'u8' }) },
        'ERR_DTYPE',
        'scatterRows: out must be floating to add, got u8[5, 3]',
      ],
      [{ index: Tensor.zeros(device, [2]) }, 'ERR_DTYPE', 'scatterRows: index must be i32, got f32[2]'],
      [{ index: i32.reshape([1, 2]) }, 'ERR_SHAPE', `${shape} f32[2, 3] for out f32[5, 3] and index i32[1, 2]`],
      [
        { x: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) },
        'ERR_DTYPE',
        "scatterRows: x must have out's dtype, got f64[2, 3]",
      ],
      [{ x: Tensor.zeros(device, [3, 3]) }, 'ERR_SHAPE', `${shape} f32[3, 3] for out f32[5, 3] and index i32[2]`],
      [{ x: Tensor.zeros(device, [2, 4]) }, 'ERR_SHAPE', `${shape} f32[2, 4] for out f32[5, 3] and index i32[2]`],
      [
        { out: i32, index: i32, x: Tensor.zeros(device, [2], { dtype: 'i32' }), mode: 'set' },
        'ERR_ARGUMENT',
        'scatterRows: out must not share a tensor with index',
      ],
      [{ mode: 'max' }, 'ERR_ARGUMENT', "scatterRows: mode must be one of 'add', 'set', got 'max'"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      return [3333, 150_000].flatMap((rows) => {
        const index = tensorOf(device, indicesOf(4097, rows), [4097], 'i32');
        const x = tensorOf(device, normal(4097 * 17, 1), [4097, 17]);
        return (['add', 'set'] as const).map((mode) => {
          const out = Tensor.zeros(device, [rows, 17]);
          ops.scatterRows(device, { out, index, x, mode });
          return out;
        });
      });
    }));
});
