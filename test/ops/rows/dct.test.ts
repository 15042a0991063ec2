// Devices: cpu, cuda
// Source: values "has SciPy's values, in place too"
// Source: closed form "makes cosines of unit vectors, and of them unit vectors again"
// Source: property "keeps the norm, and each transform undoes the other"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

// Lengths with each factor that has passes of its own, primes, and both sides of a panel of rows.
const shapes = [
  [3, 1],
  [17, 2],
  [16, 3],
  [5, 36],
  [33, 50],
  [2, 97],
  [3, 105],
  [2, 128],
];
// scipy.fft.dct(x, type, norm='ortho') of SciPy 1.15.3, to nine digits.
const scipy = [
  {
    x: [1, -2, 3, 0.5, 4],
    dct2: [2.90688837, -2.73387295, 0.95412903, 0.38850828, 3.64206504],
    dct3: [1.74684555, -3.23002057, 1.07966913, -1.14152748, 3.78110134],
  },
  {
    x: [1, -2, 3, 0.5, 4, -1],
    dct2: [2.2453656, -0.96056156, -1.75, 2.2453656, -0.14433757, 4.14254207],
    dct3: [2.00228866, -2.51352522, -0.99771134, 1.123609, -1.28878035, 4.123609],
  },
];
const kinds = ['dct2', 'dct3'] as const;

describe.each(devices)('dct on %s', (device_) => {
  const device = Device.open(device_);
  afterAll(() => device.close());

  describe.each(kinds)('%s', (kind) => {
    // Four roundings of the largest element for passes of small factors; a prime factor is a sum of so many products, here
    // and in the reference, whose roundings grow by its root.
    it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
      for (const [rows, columns] of shapes as [number, number][])
        await expectLikeReference(
          'dct',
          device,
          (on) => ({
            x: tensorOf(on, normal(rows * columns, columns), [rows, columns], dtype),
            out: Tensor.full(on, [rows, columns], NaN, { dtype }),
            kind,
          }),
          { ulps: 4 + Math.sqrt(columns) / 4, of: 'largest' },
        );
    });

    it("has SciPy's values, in place too", async () => {
      for (const { x, ...expected } of scipy) {
        const row = tensorOf(device, x, [x.length], 'f64');
        ops.dct(device, { x: row, out: row, kind });
        for (const [i, value] of (await valuesOf(row)).entries()) expect(value).toBeCloseTo(expected[kind][i]!, 7);
      }
    });
  });

  it('makes cosines of unit vectors, and of them unit vectors again', async () => {
    const n = 12;
    const unit = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    const cosines = Float64Array.from({ length: n * n }, (_, at) => {
      const [j, i] = [Math.floor(at / n), at % n];
      return Math.sqrt((i === 0 ? 1 : 2) / n) * Math.cos((Math.PI * i * (2 * j + 1)) / (2 * n));
    });
    const x = tensorOf(device, unit, [n, n], 'f64');
    ops.dct(device, { x, out: x });
    for (const [at, value] of (await valuesOf(x)).entries()) expect(value).toBeCloseTo(cosines[at]!, 14);
    ops.dct(device, { x, out: x, kind: 'dct3' });
    for (const [at, value] of (await valuesOf(x)).entries()) expect(value).toBeCloseTo(unit[at]!, 14);
  });

  it('keeps the norm, and each transform undoes the other', async () => {
    const rows = normal(3 * 90, 7);
    for (const scale of [1e-30, 1, 1e30])
      for (const kind of kinds) {
        const data = rows.map((value) => value * scale);
        const x = tensorOf(device, data, [3, 90], 'f64');
        ops.dct(device, { x, out: x, kind });
        const norm = Math.hypot(...(await valuesOf(x)));
        expect(norm / Math.hypot(...data)).toBeCloseTo(1, 13);
        ops.dct(device, { x, out: x, kind: kind === 'dct2' ? 'dct3' : 'dct2' });
        expectClose(
          await valuesOf(x),
          Float64Array.from(data, (value) => value),
          {
            dtype: 'f64',
            ulps: 1,
            magnitude: norm,
          },
        );
      }
  });

  it('keeps NaN and infinity to their rows, and zeros exact', async () => {
    const x = tensorOf(device, [1, 1, 1, 1, NaN, 0, 0, 0, Infinity, 0, 0, 0, 0, 0, 0, 0], [4, 4]);
    ops.dct(device, { x, out: x });
    const values = await valuesOf(x);
    expect([...values.slice(0, 4), ...values.slice(12)].map(Math.abs)).toEqual([2, 0, 0, 0, 0, 0, 0, 0]);
    expect(values.slice(4, 12).some(Number.isFinite)).toBe(false);
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 3]), out: Tensor.zeros(device, [2, 3]) });
describe.each(onlyCpu)('dct', () => {
  refusesWrongFields('dct', valid);
  refuses('dct', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'dct: x must have an axis, got f32[]'],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'dct: x must be floating, got i32[2, 3]'],
      [{ out: f64 }, 'ERR_DTYPE', "dct: out must have x's dtype, got f64[2, 3]"],
      [
        { out: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        "dct: out must have x's shape, got f32[3, 2] for x f32[2, 3]",
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(200 * 43, 1), [200, 43]);
      ops.dct(device, { x, out: x });
      return [x];
    }));
});
