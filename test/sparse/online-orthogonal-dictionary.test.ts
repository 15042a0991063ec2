// Devices: cpu, cuda
// Values: of a prototype in NumPy: the largest atom error below 1e-2 after 500 batches of 10 and 2000 of 20 elements
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Device, loadTensors, OnlineOrthogonalDictionary, Tensor } from '../../lib/index.ts';
import { svd } from '../../lib/linalg/index.ts';
import { Folder } from '../files/folder.ts';
import { normal, uniform } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { orthonormalColumns } from '../support/low-rank.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

/** Batches of sums of few columns of an orthogonal matrix: each column in three of ten signals, by normal numbers. */
function stream(n: number, seed: number) {
  const truth = orthonormalColumns(n, n, seed);
  const next = uniform(seed + 1);
  let round = 0;
  const batch = (b: number): Float64Array => {
    const numbers = normal(b * n, seed + 2 + round++);
    const out = new Float64Array(b * n);
    for (let s = 0; s < b; ++s)
      for (let atom = 0; atom < n; ++atom) {
        if (next() >= 0.3) continue;
        for (let i = 0; i < n; ++i) out[s * n + i]! += numbers[s * n + atom]! * truth[i * n + atom]!;
      }
    return out;
  };
  /** The largest of 1 − |correlation|² over the atoms. */
  const worst = (atoms: Float64Array): number => {
    let most = 0;
    for (let a = 0; a < n; ++a) {
      let best = 0;
      for (let t = 0; t < n; ++t) {
        let along = 0;
        for (let i = 0; i < n; ++i) along += atoms[a * n + i]! * truth[i * n + t]!;
        best = Math.max(best, along * along);
      }
      most = Math.max(most, 1 - best);
    }
    return most;
  };
  return { batch, worst };
}

const defect = (atoms: Float64Array, n: number): number => {
  let most = 0;
  for (let a = 0; a < n; ++a)
    for (let b = 0; b < n; ++b) {
      let along = a === b ? -1 : 0;
      for (let i = 0; i < n; ++i) along += atoms[a * n + i]! * atoms[b * n + i]!;
      most = Math.max(most, Math.abs(along));
    }
  return most;
};

type Run = [atoms: number, batches: number, power: 3 | 4, seed: number];

describe.each(devices)('OnlineOrthogonalDictionary on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const onCpu: Run[] = [[10, 500, 3, 1], [10, 500, 3, 2], [10, 500, 3, 3], [20, 2000, 3, 1], [20, 2000, 3, 2], [20, 2000, 3, 3], [20, 500, 4, 2]]; // biome-ignore format: one line
  const runs: Run[] = kind === 'cpu' ? onCpu : [[6, 60, 3, 1]];
  it.each(runs)(
    'finds %i atoms in %i batches, by power %i, seed %i; the gap falls',
    async (n, batches, power, seed) => {
      const { batch, worst } = stream(n, seed);
      using dictionary = new OnlineOrthogonalDictionary(device, n, { power, seed, dtype: 'f64' });
      const gaps: number[] = [];
      for (let i = 0; i < batches; ++i) {
        using y = tensorOf(device, batch(64), [64, n], 'f64');
        const { gap, status } = await dictionary.update(y);
        expect(status).toBe('ok');
        gaps.push(gap);
      }
      const atoms = await valuesOf(await dictionary.atoms());
      expect(defect(atoms, n)).toBeLessThan(1e-6);
      expect(Math.min(...gaps)).toBeGreaterThan(-1e-9);
      if (kind !== 'cpu') return;
      expect(worst(atoms)).toBeLessThan(1e-2);
      const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
      // By the rule in NumPy it falls to a third to a 28th in 500 batches, and to a 14th to a 39th in 2000.
      expect(mean(gaps.slice(-100))).toBeLessThan(mean(gaps.slice(0, 100)) / (batches > 500 ? 10 : 3));
    },
  );

  it('keeps atoms and gradient where the gradient is 0, or not finite', async () => {
    using dictionary = new OnlineOrthogonalDictionary(device, 3, { seed: 1 });
    const before = await valuesOf(await dictionary.atoms());
    using zeros = Tensor.zeros(device, [2, 3]);
    expect(await dictionary.update(zeros)).toEqual({ gap: 0, status: 'zero-gradient' });
    using bad = tensorOf(device, [1, NaN, 2], [1, 3]);
    expect(await dictionary.update(bad)).toEqual({ gap: NaN, status: 'nonfinite' });
    expect(await valuesOf(await dictionary.atoms())).toEqual(before);
    expect(dictionary.updates).toBe(2);
    using good = tensorOf(device, [1, 0, 2], [1, 3]);
    expect(await dictionary.update(good)).toMatchObject({ status: 'ok' });
  });

  it('has orthonormal atoms of fewer signals than elements, and where an element is always 0', async () => {
    const n = 8;
    for (const b of [1, 3, 40]) {
      using dictionary = new OnlineOrthogonalDictionary(device, n, { seed: 1, dtype: 'f64' });
      using y = tensorOf(device, normal(b * n, 3).map((x, i) => (i % n === 2 ? 0 : x)), [b, n], 'f64'); // biome-ignore format: one line
      await dictionary.update(y);
      using atoms = await dictionary.atoms();
      expect(defect(await valuesOf(atoms), n)).toBeLessThan(1e-12);
      using code = await dictionary.encode(y, { count: n });
      expect(Math.max(...(await valuesOf(code.residuals)))).toBeLessThan(1e-12);
    }
  });

  it('refuses to code NaN and infinity', async () => {
    using dictionary = new OnlineOrthogonalDictionary(device, 3, { seed: 1 });
    for (const bad of [NaN, Infinity, -Infinity])
      for (const options of [{ count: 2 }, { threshold: 0.5 }]) {
        using y = tensorOf(device, [1, 2, 3, 4, bad, 6], [2, 3]);
        await expect(dictionary.encode(y, options)).rejects.toMatchObject({
          code: 'ERR_ARGUMENT',
          message:
            'OnlineOrthogonalDictionary.encode: y must be finite, with finite products with the atoms, got NaN or infinity',
        });
      }
  });

  it('codes signals by their largest products, or by those above a threshold', async () => {
    const n = 4;
    using dictionary = new OnlineOrthogonalDictionary(device, n, { seed: 2, dtype: 'f64' });
    const atoms = await valuesOf(await dictionary.atoms());
    // 3 a₁ − 2 a₃ + a₀, and nothing.
    const y = Float64Array.from({ length: 2 * n }, (_, i) =>
      i < n ? 3 * atoms[n + i]! - 2 * atoms[3 * n + i]! + atoms[i]! : 0,
    );
    using signals = tensorOf(device, y, [2, n], 'f64');
    using two = await dictionary.encode(signals, { count: 2 });
    expect(Array.from(await two.indices.read())).toEqual([1, 3, -1, -1]);
    const near = async (x: Tensor, expected: readonly number[]): Promise<void> => {
      for (const [i, value] of (await valuesOf(x)).entries()) expect(value).toBeCloseTo(expected[i]!, 6);
    };
    await near(two.coefficients, [3, -2, 0, 0]);
    await near(two.residuals, [1, 0]);
    expect(Array.from(await two.counts.read())).toEqual([2, 0]);
    using above = await dictionary.encode(signals, { threshold: 0.5 });
    expect(above.indices.shape).toEqual([2, 3]);
    expect(Array.from(await above.indices.read())).toEqual([1, 3, 0, -1, -1, -1]);
    await near(above.coefficients, [3, -2, 1, 0, 0, 0]);
    expect(Array.from(await above.counts.read())).toEqual([3, 0]);
    using none = await dictionary.encode(signals, { threshold: 10 });
    expect(Array.from(await none.indices.read())).toEqual([-1, -1]);
  });
});

describe.each(onlyCpu)('OnlineOrthogonalDictionary', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  it('stays in the ball of spectral norm 1', async () => {
    const n = 8;
    const { batch } = stream(n, 5);
    using folder = new Folder();
    using dictionary = new OnlineOrthogonalDictionary(device, n);
    for (let i = 0; i < 30; ++i) {
      using y = tensorOf(device, batch(16), [16, n]);
      await dictionary.update(y);
      await dictionary.save(folder.file('state'));
      const { atoms } = (await loadTensors(folder.file('state'), device)) as { atoms: Tensor };
      const { s } = await svd(atoms);
      expect((await valuesOf(s))[0]).toBeLessThan(1 + 1e-5);
    }
  });

  it('reads nothing in a loop', async () => {
    using dictionary = new OnlineOrthogonalDictionary(device, 6);
    using y = Tensor.randn(device, [5, 6], { seed: 1 });
    const read = vi.spyOn(Tensor.prototype, 'read');
    const updates = Array.from({ length: 20 }, () => dictionary.update(y));
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
    expect(dictionary.updates).toBe(20);
    using other = new OnlineOrthogonalDictionary(device, 6);
    for (const update of updates) expect(await update).toEqual(await other.update(y));
  });

  it('refuses what does not fit', async () => {
    expect(() => new OnlineOrthogonalDictionary(device, 0)).toThrow(
      'OnlineOrthogonalDictionary: n must be a whole number from 1 on, got 0',
    );
    expect(() => new OnlineOrthogonalDictionary(device, 2, { power: 5 as never })).toThrow('power must be');
    using dictionary = new OnlineOrthogonalDictionary(device, 3);
    using none = Tensor.zeros(device, [0, 3]);
    await expect(dictionary.update(none)).rejects.toThrow(
      'OnlineOrthogonalDictionary.update: y must have at least one row, got [0,3]',
    );
    using wide = Tensor.zeros(device, [2, 4]);
    await expect(dictionary.update(wide)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    using y = Tensor.zeros(device, [2, 3]);
    for (const options of [{}, { count: 1, threshold: 1 }, { count: 4 }])
      await expect(dictionary.encode(y, options)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
