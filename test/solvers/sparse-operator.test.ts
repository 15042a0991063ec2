// Devices: cpu, cuda
// Values: products with the same matrix, dense, in plain numbers.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { cg, checkAdjoint, type MatrixEntries, sparseOperator } from '../../lib/solvers/index.ts';
import { normal, uniform } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { codeOf } from './problems.ts';

/** Some entries of a matrix in no order, none twice, and all of it. */
function drawn(m: number, n: number, share: number, seed: number) {
  const random = uniform(seed);
  const places = Array.from({ length: m * n }, (_, at) => at)
    .filter(() => random() < share)
    .map((at) => ({ at, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ at }) => at);
  const values = normal(places.length, seed + 1);
  const all = new Float64Array(m * n);
  for (const [e, at] of places.entries()) all[at] = values[e]!;
  const rows = Int32Array.from(places, (at) => Math.floor(at / n));
  return { entries: { rows, cols: Int32Array.from(places, (at) => at % n), values, shape: [m, n] as const }, all };
}

describe.each(devices)('sparseOperator on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 1, 1],
    [7, 5, 0.4],
    [33, 97, 0.1],
    [97, 33, 0.05],
  ] as const)('multiplies as the dense matrix of %i × %i does, both ways', async (m, n, share) => {
    const { entries, all } = drawn(m, n, share, m + n);
    for (const dtype of ['f64', 'f32'] as const)
      for (const k of [undefined, 1, 3]) {
        const values = dtype === 'f64' ? entries.values : Float32Array.from(entries.values);
        using a = await sparseOperator(device, { ...entries, values });
        expect([a.dtype, [...a.shape], a.count]).toEqual([dtype, [m, n], values.length]);
        const width = k ?? 1;
        const shapeOf = (size: number) => (k === undefined ? [size] : [size, k]);
        for (const [from, to, way] of [
          [n, m, 'apply'],
          [m, n, 'adjoint'],
        ] as const) {
          const x = Float32Array.from(normal(from * width, 5));
          using given = Tensor.from(device, [...x], shapeOf(from), { dtype });
          using out = Tensor.full(device, shapeOf(to), NaN, { dtype });
          a[way](given, out);
          const found = await out.read();
          for (let i = 0; i < to; ++i)
            for (let j = 0; j < width; ++j) {
              let sum = 0;
              let size = 1;
              for (let l = 0; l < from; ++l) {
                const term = (way === 'apply' ? all[i * n + l]! : all[l * n + i]!) * x[l * width + j]!;
                sum += term;
                size += Math.abs(term);
              }
              expect(Math.abs(found[i * width + j]! - sum)).toBeLessThan(size * (dtype === 'f64' ? 1e-14 : 1e-6));
            }
        }
        expect(await checkAdjoint(a)).toBeLessThan(dtype === 'f64' ? 1e-14 : 1e-6);
      }
  });

  it('is taken by solvers, and keeps what it was made of', async () => {
    const n = 50;
    const rows: number[] = [];
    const cols: number[] = [];
    const values: number[] = [];
    for (let i = 0; i < n; ++i)
      for (const [j, value] of [[i - 1, -1], [i, 2.5], [i + 1, -1]] as const) // biome-ignore format: one line
        if (j >= 0 && j < n) {
          rows.unshift(i);
          cols.unshift(j);
          values.unshift(value);
        }
    const entries = { rows: Int32Array.from(rows), cols: Int32Array.from(cols), values: Float64Array.from(values) };
    const making = sparseOperator(device, { ...entries, shape: [n, n] });
    for (const list of Object.values(entries)) list.fill(-7);
    using a = await making;
    const b = Tensor.full(device, [n], 1, { dtype: 'f64' });
    const { x, status } = await cg(a, b, { tol: 1e-12, checkSymmetry: true });
    expect(status).toBe('converged');
    const found = await x.read();
    for (let i = 0; i < n; ++i) expect(2.5 * found[i]! - (found[i - 1] ?? 0) - (found[i + 1] ?? 0)).toBeCloseTo(1, 10);
  });

  it('refuses lists that are none, and tensors that do not fit', async () => {
    const good: MatrixEntries = { rows: Int32Array.of(0, 1), cols: Int32Array.of(2, 0), values: Float64Array.of(1, 2), shape: [2, 3] }; // biome-ignore format: one line
    const made = (change: object) => sparseOperator(device, { ...good, ...change });
    await expect(made({ rows: Int32Array.of(1, 1), cols: Int32Array.of(0, 0) })).rejects.toThrow('sparseOperator: entries must have no entry twice, got [1, 0] at 0 and 1'); // biome-ignore format: one line
    await expect(made({ cols: Int32Array.of(3, 0) })).rejects.toThrow('sparseOperator: entries.cols must be from 0 to 2, got 3 for entry 0'); // biome-ignore format: one line
    await expect(made({ values: Float64Array.of(1, NaN) })).rejects.toThrow('sparseOperator: entries.values must be finite, got NaN for entry 1'); // biome-ignore format: one line
    expect(await codeOf(made({ values: [1, 2] }))).toBe('ERR_DTYPE');
    expect(await codeOf(made({ values: Float64Array.of(1) }))).toBe('ERR_SHAPE');
    await expect(sparseOperator(device, good, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough'); // biome-ignore format: one line
    const a = await made({});
    const [x, out] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2], { dtype: 'f64' })];
    for (const wrong of [() => a.apply(out, x), () => a.adjoint(x, out)])
      expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => a.apply(Tensor.zeros(device, [3]), out)).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
    a.dispose();
    expect(a.disposed).toBe(true);
    expect(() => a.apply(x, out)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });
});
