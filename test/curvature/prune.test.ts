// Devices: cpu, cuda
// Values: linear regression of correlated features of which half hardly matter, pruned by half: the claim of the issue
// against pruning by size. Where all matter, or features are less correlated, it is not always so.
import { afterAll, describe, expect, it } from 'vitest';
import { MFacStatic, obsPrune } from '../../lib/curvature/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { dot, rowsOf, solverOf } from './dense.ts';

describe.each(devices)('one-shot pruning on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const [d, samples, used] = [100, 400, 200];

  /** Features that are correlated with their neighbours, targets with noise, and the least squares. */
  function problem(seed: number) {
    const x = rowsOf(normal(samples * d, seed), d);
    for (const row of x) for (let j = 1; j < d; ++j) row[j] = 0.9 * row[j - 1]! + Math.sqrt(1 - 0.81) * row[j]!;
    const truth = normal(d, seed + 100).map((value, i) => (i % 2 === 0 ? 0.1 * value : value));
    const noise = normal(samples, seed + 200, 0.1);
    const y = x.map((row, i) => dot(row, truth) + noise[i]!);
    const square = Array.from({ length: d }, () => new Float64Array(d));
    const side = new Float64Array(d);
    for (const [i, row] of x.entries())
      for (let a = 0; a < d; ++a) {
        side[a]! += row[a]! * y[i]!;
        for (let b = 0; b < d; ++b) square[a]![b]! += row[a]! * row[b]!;
      }
    const w = solverOf(square)(side);
    const loss = (at: Float64Array) => x.reduce((sum, row, i) => sum + (dot(row, at) - y[i]!) ** 2 / samples, 0);
    /** Gradients of half the squared error of some samples. */
    const gradients = (at: Float64Array) =>
      Float64Array.from(x.slice(0, used).flatMap((row, i) => [...row.map((value) => (dot(row, at) - y[i]!) * value)]));
    return { w, loss, gradients };
  }

  it.each(kind === 'cuda' ? [1] : [1, 2, 3, 4])(
    'in rounds with gradients anew it is better than by size: seed %i',
    async (seed) => {
      const { w, loss, gradients } = problem(seed);
      const order = [...w.keys()].sort((a, b) => Math.abs(w[a]!) - Math.abs(w[b]!));
      const bySize = w.slice();
      for (const i of order.slice(0, d / 2)) bySize[i] = 0;
      let weights: Tensor = Tensor.from(device, w, [d]);
      const rounds = 16;
      for (let round = 1; round <= rounds; ++round) {
        const at = (await weights.read()) as Float64Array;
        const g = Tensor.from(device, gradients(at), [used, d]);
        using fixed = await MFacStatic.fromGradients(g, { damp: 1e-3 });
        ({ weights } = await obsPrune(weights, fixed, { drop: Math.round((d / 2) * (round / rounds)) }));
      }
      const pruned = (await weights.read()) as Float64Array;
      expect(pruned.filter((value) => value === 0)).toHaveLength(d / 2);
      expect(loss(w)).toBeLessThan(loss(pruned));
      expect(loss(pruned)).toBeLessThan(0.5 * loss(bySize));
    },
  );
});
