// Devices: cpu
// npm run experiment -- atoms: its parts, a tiny run, and the page of runs that are made up.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { draw, judge, pageOf } from '../../scripts/experiments/atoms/page.mjs';
import { cosines, counts, dim, flat, patchesOf, side, sparsity } from '../../scripts/experiments/atoms/patches.mjs';
import { run, shownOf } from '../../scripts/experiments/atoms/run.mjs';
import { quickly } from './quick.ts';

const row = (x: ArrayLike<number>, i: number): number[] => Array.from(x).slice(i * dim, (i + 1) * dim);
const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);

describe('the experiment of atoms', () => {
  it('has orthonormal cosines, the constant first', () => {
    const basis = cosines();
    const rows = Array.from({ length: dim }, (_, i) => row(basis, i));
    const errors = rows.flatMap((x, i) => rows.map((y, j) => Math.abs(dot(x, y) - Number(i === j))));
    expect(Math.max(...errors)).toBeLessThan(1e-6);
    for (const x of row(basis, 0)) expect(x).toBeCloseTo(1 / side, 6);
  });

  it('takes patches without their mean that are not flat, by a seed', () => {
    const options = { width: 128, count: 20, seed: 3 };
    const patches = patchesOf(['alps', 'boats'], options);
    expect(patches.length).toBe(2 * 20 * dim);
    for (let i = 0; i < 40; ++i) {
      const patch = row(patches, i);
      expect(Math.abs(patch.reduce((sum, x) => sum + x, 0))).toBeLessThan(1e-5);
      expect(Math.hypot(...patch)).toBeGreaterThanOrEqual(flat);
    }
    expect(patchesOf(['alps', 'boats'], options)).toEqual(patches);
  });

  it('counts how sparse patches are by a basis', () => {
    const unit = Float64Array.from({ length: dim * dim }, (_, i) => Number(i % (dim + 1) === 0));
    // Of squares 9, 4 and 1, and of one square alone.
    const patches = new Float64Array(2 * dim);
    patches.set([1, -3, 2]);
    patches[dim + 5] = 2;
    const { left, needed } = sparsity(unit, patches);
    const rest = [5, 1, 0, 0, 0];
    for (const [i] of counts.entries()) expect(left[i]).toBeCloseTo(rest[i]! / 18, 12);
    expect(needed).toBe((3 + 1) / 2);
    // By cosines, one of them is one coefficient, and a single pixel needs all.
    const waves = Float64Array.from(cosines());
    expect(sparsity(waves, row(waves, 9)).needed).toBe(1);
    expect(sparsity(waves, row(unit, 0)).needed).toBeGreaterThan(16);
  });

  it('orders atoms by the energy that they carry', () => {
    const unit = Float64Array.from({ length: dim * dim }, (_, i) => Number(i % (dim + 1) === 0));
    const patch = new Float32Array(dim);
    patch.set([1, -3, 2]);
    expect(shownOf(unit, patch).slice(0, 3).map((atom) => atom.indexOf(127))).toEqual([1, 2, 0]);
  }); // biome-ignore format: short

  it('learns: the gap falls, and all figures are shares', async () => {
    const { gaps, unseen, seen } = await quickly(() => run({ size: 'quick', kept: 'boats', seed: 1 }));
    expect(gaps[1]).toBeLessThan(gaps[0]!);
    for (const found of [unseen, seen])
      for (const { left, needed } of Object.values(found as Record<string, ReturnType<typeof sparsity>>)) {
        expect(left).toEqual([...left].sort((a, b) => b - a));
        expect(left.every((x) => x > 0 && x < 1)).toBe(true);
        expect(needed).toBeGreaterThan(1);
      }
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const lefts = (by4: number, by8: number) => ({ left: [0.5, 0.4, by4, by8, 0.1], needed: 30 });
    const made = (kept: string, atoms: [number, number]) => ({
      ...{ kept, gaps: [1e-3, 1e-4] },
      seen: { cosines: lefts(0.3, 0.2), components: lefts(0.3, 0.2), atoms: lefts(0.29, 0.19) },
      unseen: { cosines: lefts(0.3, 0.2), components: lefts(0.25, 0.15), atoms: lefts(...atoms) },
    });
    expect(judge([made('boats', [0.28, 0.19])])).toEqual({ seen: 'seen', unseen: 'seen', components: 'refuted' });
    expect(judge([made('boats', [0.28, 0.21])]).unseen).toBe('not seen at this size');
    expect(judge([made('boats', [0.28, 0.19]), made('alps', [0.31, 0.21])]).unseen).toBe('in 1 of 2 cases only');
    const page = pageOf([made('boats', [0.28, 0.19]), made('boats', [0.26, 0.17])], 'runs took 2 s');
    for (const text of ['| boats | learnt atoms | 50.0 % | 40.0 % | 27.0 % | 18.0 % |', '1.0e-3', '*refuted*'])
      expect(page).toContain(text);
  });

  it('draws atoms and cosines in a small picture', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
    const shown = Array.from({ length: dim }, (_, k) =>
      Array.from({ length: dim }, (_, i) => ((7 * i + k) % 255) - 127),
    );
    const [file] = draw([{ shown }], folder);
    expect(statSync(file!).size).toBeLessThan(30e3);
    rmSync(folder, { recursive: true });
  });
});
