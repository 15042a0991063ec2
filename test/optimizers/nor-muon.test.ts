// Devices: cpu, cuda
// Axes: products
// Values: properties of the method, of any program.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type GroupOptions, NorMuon, type NorMuonOptions, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { numbers } from './classes.ts';
import { code } from './each-class.ts';

describe.each(devices)('NorMuon on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const matrix = (rows: number[][]) =>
    Tensor.from(device, Float64Array.from(rows.flat()), [rows.length, rows[0]!.length]);
  /** Rows of what steps at a rate of 1 take off weights of zero. */
  async function update(grads: number[][][], options: object = {}): Promise<number[][]> {
    const [m, n] = [grads[0]!.length, grads[0]![0]!.length];
    const weight = Tensor.zeros(device, [m, n], { dtype: 'f64' });
    const optimizer = new NorMuon([weight], { lr: 1, shapeScale: 'none', ...options });
    for (const grad of grads) optimizer.step([matrix(grad)]);
    const flat = (await numbers(weight)).map((x) => -x);
    return Array.from({ length: m }, (_, i) => flat.slice(i * n, (i + 1) * n));
  }
  const rows = (m: number, n: number, seed: number) => Array.from({ length: m }, (_, i) => [...normal(n, seed + i)]);

  it('gives all rows one norm in its first step, and the whole that of the orthogonal update', async () => {
    const one = await update([rows(9, 4, 1)], { coefficients: 'deepseek-v4' });
    // Singular values are 1: the norm of the whole is √4.
    for (const row of one) expect(Math.hypot(...row)).toBeCloseTo(Math.sqrt(4 / 9), 3);
  });

  it('moves by 0.2 of root mean square as the paper says, whatever the shape', async () => {
    for (const [m, n] of [
      [3, 8],
      [8, 3],
    ] as const) {
      const flat = (await update([rows(m, n, 5)], { variant: 'paper' })).flat();
      expect(Math.hypot(...flat) / Math.sqrt(m * n)).toBeCloseTo(0.2, 12);
    }
  });

  it('remembers rows that were large: they step by less than at first, by beta2', async () => {
    const [grad] = [rows(6, 5, 9)];
    const rescaled = await update([grad, grad], { momentum: 0, beta2: 0 });
    const single = await update([grad], { momentum: 0, beta2: 0 });
    // Without memory both steps are the same.
    for (const [i, row] of rescaled.entries())
      for (const [j, x] of row.entries()) expect(x).toBeCloseTo(2 * single[i]![j]!, 9);
    const other = rows(6, 5, 30);
    const kept = await update([grad, other], { momentum: 0 });
    const forgotten = await update([grad, other], { momentum: 0, beta2: 0 });
    expect(Math.max(...kept.flat().map((x, i) => Math.abs(x - forgotten.flat()[i]!)))).toBeGreaterThan(1e-3);
  });

  it('stays finite where the gradient has rank 1, rows of zeros, or no element that is not', async () => {
    const rank1 = [1, -2, 0, 3].map((a) => [2, 1, -1].map((b) => a * b));
    for (const variant of ['repo', 'paper', 'dion', 'nanogpt'] as const)
      for (const grad of [rank1, rank1.map((row) => row.map(() => 0))])
        for (const scale of [1e-300, 1, 1e300]) {
          const grads = [grad.map((row) => row.map((x) => x * scale))];
          const got = await update([...grads, ...grads], {
            variant,
            eps: 0,
            nsEps: 0,
          });
          expect(got.flat().every(Number.isFinite), `${variant} ${scale}`).toBe(true);
          expect(
            got[2]!.every((x) => x === 0),
            `${variant} ${scale}: a row of zeros`,
          ).toBe(true);
        }
  });

  it('has the defaults of its variants', () => {
    const w = [Tensor.zeros(device, [3, 4])];
    const of = (options: object) => new NorMuon(w, options).groups[0]!;
    const repo = { lr: 0.02, nesterov: true, momentumForm: 'ema', shapeScale: 'original', axis: 'row', beta2: 0.95 };
    expect(of({})).toMatchObject(repo);
    expect(of({ variant: 'paper' })).toMatchObject({ ...repo, lr: 2e-3, nesterov: false, shapeScale: 'none' });
    const dion = { lr: 0.01, nesterov: false, momentumForm: 'heavy-ball', shapeScale: 'spectral' };
    expect(of({ variant: 'dion' })).toMatchObject({ ...repo, ...dion });
    expect(of({ variant: 'nanogpt' })).toMatchObject({ ...repo, lr: 0.023, axis: 'long', beta2: 0.9 });
    expect(of({ variant: 'nanogpt', axis: 'row', lr: 1 })).toMatchObject({ axis: 'row', lr: 1 });
    const group: GroupOptions<NorMuonOptions> = { params: w, variant: 'dion' };
    expect(new NorMuon([group]).groups[0]!.lr).toBe(0.01);
  });

  it('refuses a shape scale beside that of the paper, and moments of one element', () => {
    const make = (shape: number[], options: object) => () => new NorMuon([Tensor.zeros(device, shape)], options);
    expect(make([3, 4], { variant: 'paper', shapeScale: 'max' })).toThrow(code('ERR_ARGUMENT'));
    expect(make([4, 1], {})).toThrow(/have more than one element in what a second moment is of.*\[4,1\]/);
    expect(make([1, 4], { axis: 'long' })).toThrow(code('ERR_SHAPE'));
    expect(make([4, 4], { axis: 'long', heads: 4 })).toThrow(code('ERR_SHAPE'));
    make([1, 4], {})().dispose();
    make([4, 4], { heads: 4 })().dispose();
    expect(make([3, 4], { axis: 'column' })).toThrow(code('ERR_ARGUMENT'));
    expect(make([3, 4], { beta2: 1 })).toThrow(code('ERR_ARGUMENT'));
  });

  it('keeps one second moment a row, or an index of the longer side', () => {
    const lengths = (shape: number[], options: object) => {
      const tensors = new NorMuon([Tensor.zeros(device, shape)], options).part().tensors;
      return Object.entries(tensors).find(([name]) => name.endsWith('secondMoments'))![1].shape;
    };
    expect(lengths([3, 7], {})).toEqual([3]);
    expect(lengths([3, 7], { axis: 'long' })).toEqual([7]);
    expect(lengths([2, 7, 3], { axis: 'long' })).toEqual([14]);
    expect(lengths([4, 3, 2, 2], {})).toEqual([4]);
    expect(lengths([8, 6], { heads: 4, axis: 'long' })).toEqual([24]);
  });
});
