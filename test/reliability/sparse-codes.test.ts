// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, omp, reconstruct, Tensor } from '../../lib/index.ts';
import { normal, uniform } from '../support/data.ts';
import { choicesOf, denseOmp, rowsOf } from '../support/dense-omp.ts';
import { devices, kind } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { valuesOf } from '../support/tensors.ts';

// The emulator takes a thousand times as long.
const codes = goal('R12', kind === 'cpu' ? { ci: 40, deep: 40_000 } : { ci: 6, deep: 300 });

/** Atoms of a kind that the seed chooses: independent, with a common direction, some twice, some zeros, of all lengths. */
function atomsOf(seed: number, count: number, length: number): Float64Array {
  const atoms = normal(count * length, seed);
  const next = uniform(seed ^ 0x5bd1e995);
  const common = seed % 3 === 1 ? 2 * next() : 0;
  for (let j = 0; j < count; j++) {
    const scale = seed % 2 === 1 ? 4 ** (2 * next() - 1) : 1;
    for (let i = 0; i < length; i++) atoms[j * length + i]! += common;
    for (let i = 0; i < length; i++) atoms[j * length + i]! *= scale;
    if (seed % 5 === 2 && j > 0 && next() < 0.2) {
      const from = Math.floor(next() * j);
      atoms.copyWithin(j * length, from * length, (from + 1) * length);
    }
    if (seed % 7 === 3 && next() < 0.1) atoms.fill(0, j * length, (j + 1) * length);
  }
  return atoms;
}

const sizes = {
  cpu: { perCase: 25, atoms: 400, length: 60 },
  cuda: { perCase: 2, atoms: 60, length: 12 },
};

describe.each(devices)('R12: sparse codes on %s', codes.tagged, () => {
  const { perCase, ...most } = sizes[kind];
  const judged = { choices: 0, waived: 0 };
  const device = Device.open(kind);
  afterAll(() => device.close());

  it(
    'have the residuals that they say, each atom once, and are those of a dense pursuit in f64',
    async () => {
      await codes.each(async (seed) => {
        const next = uniform(seed + 77);
        const [count, length] = [1 + Math.floor(next() ** 2 * most.atoms), 1 + Math.floor(next() * most.length)];
        const k = 1 + Math.floor(next() * Math.min(count, length, 24));
        const dtype = next() < 0.5 ? 'f32' : 'f64';
        const [select, algorithm] = [next() < 0.5 ? 'raw' : 'unit', next() < 0.5 ? 'gram' : 'gemm'] as const;
        const of = (values: Float64Array, rows: number) =>
          Tensor.from(device, dtype === 'f64' ? values : new Float32Array(values), [rows, length]);
        using d = of(atomsOf(seed, count, length), count);
        using y = of(normal(perCase * length, seed + 1), perCase);
        using dictionary = new Dictionary(d);
        const options = { select, algorithm, batchSize: 1 + Math.floor(next() * 30) };
        using code = await omp(dictionary, y, { k, ...options });
        const half = Math.ceil(k / 2);
        using begun = await omp(dictionary, y, { k: half, ...options });
        using approximation = reconstruct(code, dictionary);
        const [atoms, signals, sums] = [d, y, approximation].map(valuesOf);
        const rows = rowsOf(await atoms!, length);
        const [said, indices, counts] = await Promise.all([code.residuals, code.indices, code.counts].map(valuesOf));
        const [firstSaid, firstIndices] = await Promise.all([begun.residuals, begun.indices].map(valuesOf));
        const approximations = rowsOf(await sums!, length);
        const close = dtype === 'f64' ? 1e-9 : 2e-3;
        const epsilon = dtype === 'f64' ? 2 ** -52 : 2 ** -23;
        for (const [b, signal] of rowsOf(await signals!, length).entries()) {
          const chosen = Array.from(indices!.slice(b * k, b * k + counts![b]!));
          expect(Array.from(indices!.slice(b * k + counts![b]!, (b + 1) * k)).every((j) => j === -1)).toBe(true);
          expect(new Set(chosen).size).toBe(chosen.length);
          expect(chosen.every((j) => j >= 0 && j < count && rows[j]!.some((v) => v !== 0))).toBe(true);
          const norm = Math.hypot(...signal);
          const actual = Math.hypot(...signal.map((v, i) => v - approximations[b]![i]!));
          expect(Math.abs(actual - said![b]!)).toBeLessThanOrEqual(close * norm * 0.05);
          // Choices that hang on rounding may differ; what is left may not, beyond what one choice is worth.
          const expected = denseOmp(rows, signal, k, {
            unit: select === 'unit',
            dependent: dtype === 'f64' ? 1e-12 : 1e-6,
            floor: 4 * Math.sqrt(length) * epsilon,
          });
          const same = chosen.findIndex((j, i) => j !== expected.indices[i]);
          const until = same < 0 ? Math.min(chosen.length, expected.indices.length) : same;
          expect(said![b]!).toBeLessThanOrEqual(expected.norms[until]! + close * norm);
          if (same < 0 && chosen.length === expected.indices.length)
            expect(Math.abs(said![b]! - expected.norms.at(-1)!)).toBeLessThan(close * norm);
          // Each atom is what a pursuit chooses after those before it, up to what rounding makes of scores.
          const { choices, norms } = choicesOf(rows, signal, chosen, {
            unit: select === 'unit',
            epsilon,
            // The products of `gemm` are in f64, whatever its atoms are.
            ofGram: algorithm === 'gram' ? epsilon : 2 ** -52,
          });
          for (const [i, { own, best, rounding }] of choices.entries()) {
            judged.choices++;
            if (2 * rounding > best / 16) judged.waived++;
            if (!(own >= best - 2 * rounding))
              throw new Error(`signal ${b}, atom ${i + 1} of ${chosen}: its score is ${own}, and ${best} the largest`);
          }
          expect(Math.abs(said![b]! - norms.at(-1)!)).toBeLessThan(close * norm);
          // Fewer atoms are the first of them, and leave no less.
          const early = Array.from(firstIndices!.slice(b * half, (b + 1) * half)).filter((j) => j !== -1);
          expect(early).toEqual(chosen.slice(0, half));
          expect(firstSaid![b]!).toBeLessThanOrEqual(norm * (1 + close));
          expect(said![b]!).toBeLessThanOrEqual(firstSaid![b]! + 0.05 * close * norm);
        }
      });
      expect(judged.waived).toBeLessThan(0.01 * judged.choices);
    },
    codes.limit(120_000),
  );
});
