// Devices: cpu, cuda
// Source: closed form "of unit vectors are the elements of the signals"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { correlations as reference } from '../../reference/correlations.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const correlate = (device: Device, x: Tensor, atoms: Tensor): Tensor => {
  const out = Tensor.full(device, [x.shape[0]!, atoms.shape[0]!], NaN, { dtype: x.dtype });
  ops.correlations(device, { x, atoms, out });
  return out;
};

describe.each(devices)('correlations on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [0, 3, 5],
      [3, 0, 5],
      [3, 5, 0],
      [1, 1, 1],
      [31, 33, 32],
      [65, 70, 97],
      [5, 597, 43],
      [5, 50, 1031],
    ])('%i signals, %i atoms of %i elements', async (signals, count, length) => {
      const x = tensorOf(device, normal(signals * length, 1), [signals, length], dtype);
      const atoms = tensorOf(device, normal(count * length, 2), [count, length], dtype);
      const expected = reference(await valuesOf(x), await valuesOf(atoms), Math.max(1, length));
      const actual = await valuesOf(correlate(device, x, atoms));
      const whole = length === 0 ? new Float64Array(signals * count) : expected;
      expectClose(actual, whole, { dtype, ulps: 4 + 2 * Math.sqrt(length), magnitude: Math.sqrt(length) });
    });

    it('gives a signal the same bits alone, among few and among many', async () => {
      const [count, length] = [67, 390];
      const atoms = tensorOf(device, normal(count * length, 2), [count, length], dtype);
      const x = normal(70 * length, 1);
      const all = await correlate(device, tensorOf(device, x, [70, length], dtype), atoms).read();
      for (const [first, signals] of [
        [0, 1],
        [69, 1],
        [31, 5],
        [1, 64],
      ] as const) {
        const some = x.slice(first * length, (first + signals) * length);
        const part = await correlate(device, tensorOf(device, some, [signals, length], dtype), atoms).read();
        expect(sameBits(part, all.slice(first * count, (first + signals) * count))).toBe(true);
      }
    });
  });

  it('of unit vectors are the elements of the signals', async () => {
    const [signals, length] = [70, 33];
    const unit = Float64Array.from({ length: length * length }, (_, k) => Number(k % (length + 1) === 0));
    const x = tensorOf(device, normal(signals * length, 1), [signals, length]);
    const out = await correlate(device, x, tensorOf(device, unit, [length, length])).read();
    expect(sameBits(out, await x.read())).toBe(true);
  });

  it('lets NaN and infinity through to their own signals and atoms', async () => {
    const x = tensorOf(device, [1, NaN, 1, 2, Infinity, 1], [3, 2]);
    const out = await correlate(device, x, tensorOf(device, [1, 1, 0, 1], [2, 2])).read();
    expect(Array.from(out)).toEqual([NaN, NaN, 3, 2, Infinity, NaN]);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [5, 3]),
  atoms: Tensor.zeros(device, [4, 3]),
  out: Tensor.zeros(device, [5, 4]),
});
describe.each(onlyCpu)('correlations', () => {
  refusesWrongFields('correlations', valid);
  refuses('correlations', valid, (device) => [
    [
      { atoms: Tensor.zeros(device, [4, 3], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'correlations: x, atoms and out must be all f32 or all f64, got f64[4, 3]',
    ],
    [{ x: Tensor.zeros(device, [15]) }, 'ERR_SHAPE', 'correlations: x, atoms and out must be matrices, got f32[15]'],
    [
      { atoms: Tensor.zeros(device, [4, 2]) },
      'ERR_SHAPE',
      'correlations: atoms must be as long as rows of x, got f32[4, 2] for x f32[5, 3]',
    ],
    [
      { out: Tensor.zeros(device, [4, 5]) },
      'ERR_SHAPE',
      'correlations: out must have a row a signal and a column an atom, got f32[4, 5] for x f32[5, 3] and atoms f32[4, 3]',
    ],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => [
      correlate(
        device,
        tensorOf(device, normal(65 * 400, 1), [65, 400]),
        tensorOf(device, normal(4001 * 400, 2), [4001, 400]),
      ),
    ]));
});
