// Devices: cpu, cuda
// Source: closed form "gives closed forms"
// Source: property "has the angle of a projection to every other point, and its size, however far apart numbers lie"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose, largest } from '../../support/compare.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

// A row is a problem of its own: a few long ones tell as much as many.
const shapes = matrixShapes.map(([rows, columns]) => [columns > 100 ? Math.min(rows, 5) : rows, columns] as const);
const sets = ['simplex', 'l1Ball', 'ball', 'halfspace'] as const;
type Set = (typeof sets)[number];
const word = { simplex: 'simplex', l1Ball: 'l1_ball', ball: 'ball', halfspace: 'halfspace' } as const;

describe.each(devices)('projectRows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const project = (x: Tensor, set: Set, size: number, normal?: Tensor, out: Tensor = x) =>
    ops.projectRows(device, { x, out, set: word[set], size, ...(set === 'halfspace' && { normal: normal! }) });

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(shapes.filter(([rows]) => kind === 'cpu' || rows < 1000))(
      'agrees with the reference on %i rows of %i columns, in place too',
      async (rows, columns) => {
        for (const set of sets) {
          if (columns === 0 && set === 'simplex') continue;
          const isHalf = dtype === 'f16' || dtype === 'bf16';
          for (const size of isHalf || rows > 500 ? [0.01] : [1, 0.01, 20]) {
            const fields = (own: Device) => ({
              x: tensorOf(own, normal(rows * columns, 1, 2), [rows, columns], dtype),
              out: Tensor.full(own, [rows, columns], NaN, { dtype }),
              set: word[set],
              size,
              ...(set === 'halfspace' && { normal: tensorOf(own, normal(columns, 2), [columns], dtype) }),
            });
            const ulps = dtype === 'f64' ? 8 + Math.sqrt(columns) : 1;
            await expectLikeReference('projectRows', device, fields, { ulps, of: 'largest' });
            const { x, out, ...rest } = fields(device);
            ops.projectRows(device, { x, out, ...rest });
            ops.projectRows(device, { x, out: x, ...rest });
            expect(sameBits(await x.read(), await out.read())).toBe(true);
          }
        }
      },
    );
  });

  it('gives closed forms', async () => {
    const cases: [Set, number, number[], number[], number[]?][] = [
      ['simplex', 1, [5], [1]],
      ['simplex', 1, [-5], [1]],
      ['simplex', 0, [3, 4], [0, 0]],
      ['simplex', 1, [0.25, 0.75], [0.25, 0.75]],
      ['simplex', 1e-180, [-1, -2], [1e-180, 0]],
      ['simplex', 1, [2, 0, -1], [1, 0, 0]],
      ['simplex', 1, [0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]],
      ['simplex', 6, [1, 1, 1], [2, 2, 2]],
      ['simplex', 1, [0.5, 0.25, 1e9], [0, 0, 1]],
      ['l1Ball', 1, [3, -2], [1, 0]],
      ['l1Ball', 1, [-2, 2], [-0.5, 0.5]],
      ['l1Ball', 4, [-1, 2, 0.5], [-1, 2, 0.5]],
      ['l1Ball', 0, [-1, 2], [0, 0]],
      ['ball', 1, [3, 4], [0.6, 0.8]],
      ['ball', 5, [3, 4], [3, 4]],
      ['ball', 0, [3, 4], [0, 0]],
      ['ball', 1, [0, 0], [0, 0]],
      ['halfspace', 1, [3, 4], [1, 4], [1, 0]],
      ['halfspace', 0, [1, 1], [0, 0], [2, 2]],
      ['halfspace', 9, [3, 4], [3, 4], [1, 1]],
      ['halfspace', 0, [3, 4], [3, 4], [0, 0]],
      ['halfspace', -1, [3, 4], [NaN, NaN], [0, 0]],
    ];
    for (const [set, size, row, expected, a] of cases) {
      const x = tensorOf(device, row, [1, row.length], 'f64');
      project(x, set, size, a && tensorOf(device, a, [a.length], 'f64'));
      expectClose(await valuesOf(x), expected, { dtype: 'f64', ulps: 2 });
    }
  });

  it('keeps the bits of what is in the set already', async () => {
    const numbers = normal(33 * 31, 4);
    for (const dtype of floatingDtypes) {
      const x = tensorOf(device, numbers, [33, 31], dtype);
      const a = tensorOf(device, normal(31, 5), [31], dtype);
      for (const set of ['l1Ball', 'ball', 'halfspace'] as const) {
        const out = Tensor.full(device, [33, 31], NaN, { dtype });
        project(x, set, 1e4, a, out);
        expect(sameBits(await out.read(), await x.read())).toBe(true);
      }
    }
  });

  it('has the angle of a projection to every other point, and its size, however far apart numbers lie', async () => {
    const random = uniform(8);
    for (let round = 0; round < 20; ++round) {
      const columns = 1 + Math.floor(random() * 60);
      const row = Float64Array.from({ length: columns }, () => (random() - 0.4) * 10 ** (16 * random() - 8));
      const x = tensorOf(device, row, [1, columns], 'f64');
      project(x, 'simplex', 1);
      const y = await valuesOf(x);
      const total = y.reduce((a, b) => a + b, 0);
      const scale = Math.max(1, largest(row));
      expect(Math.min(...y)).toBeGreaterThanOrEqual(0);
      expect(Math.abs(total - 1)).toBeLessThan(1e-14 * Math.sqrt(columns) + 2 ** -52 * columns);
      // (x − y)·(e − y) ≤ 0 for each corner e of the simplex.
      const slope = row.map((value, j) => value - y[j]!);
      const own = slope.reduce((sum, value, j) => sum + value * y[j]!, 0);
      for (const value of slope) expect(value - own).toBeLessThan(1e-13 * scale * columns);
    }
  });

  it('squares nothing beyond the range of numbers, and keeps NaN and infinity to their rows', async () => {
    for (const scale of [1e-300, 1e300]) {
      const x = tensorOf(device, [3 * scale, 4 * scale], [1, 2], 'f64');
      project(x, 'ball', scale);
      expectClose(await valuesOf(x), [0.6 * scale, 0.8 * scale], { dtype: 'f64', ulps: 4 });
      const z = tensorOf(device, [3, 4], [1, 2], 'f64');
      project(z, 'halfspace', scale, tensorOf(device, [scale, 0], [2], 'f64'));
      expectClose(await valuesOf(z), [1, 4], { dtype: 'f64', ulps: 4 });
    }
    for (const set of sets) {
      const x = tensorOf(device, [1, NaN, Infinity, 0, 0, -Infinity, 0, 0], [4, 2]);
      project(x, set, 1, tensorOf(device, [1, 1], [2]));
      const values = await valuesOf(x);
      expect([...values.slice(0, 6)]).toEqual(new Array(6).fill(NaN));
      expect([...values.slice(6)]).toEqual(set === 'simplex' ? [0.5, 0.5] : [0, 0]);
    }
  });

  it('takes sizes far beyond the numbers of a row, and numbers that fall by powers', async () => {
    const row = Float64Array.from({ length: 300 }, (_, i) => -(1.9 ** i));
    for (const size of [1, 1e40, 1e180]) {
      const fields = (own: Device) => ({
        x: tensorOf(own, row, [1, 300], 'f64'),
        out: Tensor.zeros(own, [1, 300], { dtype: 'f64' }),
        size,
      });
      await expectLikeReference('projectRows', device, fields, { ulps: 40, of: 'largest' });
    }
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  normal: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [2, 3]),
  set: 'halfspace',
});
describe.each(onlyCpu)('projectRows', () => {
  refusesWrongFields('projectRows', valid, ['normal']);
  refuses('projectRows', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const set = { set: 'ball', normal: undefined };
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'projectRows: x must have an axis, got f32[]'],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'projectRows: x must be floating, got i32[2, 3]'],
      [{ out: f64 }, 'ERR_DTYPE', "projectRows: out must have x's dtype, got f64[2, 3]"],
      [{ out: Tensor.zeros(device, [3, 2]) }, 'ERR_SHAPE', "projectRows: out must have x's shape, got f32[3, 2] for x f32[2, 3]"],
      [{ normal: Tensor.zeros(device, [2]) }, 'ERR_SHAPE', 'projectRows: normal must have one element a column of x, got f32[2] for x f32[2, 3]'],
      [{ normal: Tensor.zeros(device, [3], { dtype: 'f64' }) }, 'ERR_DTYPE', "projectRows: normal must have x's dtype, got f64[3]"],
      [{ normal: undefined }, 'ERR_ARGUMENT', 'projectRows: normal is missing for a halfspace'],
      [{ set: 'ball' }, 'ERR_ARGUMENT', 'projectRows: normal must be given for a halfspace alone, got f32[3]'],
      [{ size: Infinity }, 'ERR_ARGUMENT', 'projectRows: size must be finite, got inf'],
      [{ ...set, size: -1 }, 'ERR_ARGUMENT', 'projectRows: size must be finite and not negative, got -1'],
      [{ ...set, size: NaN }, 'ERR_ARGUMENT', 'projectRows: size must be finite and not negative, got nan'],
      [{ ...set, set: 'simplex', x: Tensor.zeros(device, [2, 0]), out: Tensor.zeros(device, [2, 0]) }, 'ERR_SHAPE', 'projectRows: x must have columns where the simplex does, got f32[2, 0]'],
    ]; // biome-ignore format: a line each
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.projectRows(device, { x, out: x });
      return [x];
    }));
});
