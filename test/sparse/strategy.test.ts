// Devices: cpu
// Which form of a pursuit is expected to be faster, where there can be no doubt, and what memory allows.
import { describe, expect, it } from 'vitest';
import type { Dictionary } from '../../lib/sparse/dictionary.ts';
import { rates, sizes } from '../../lib/sparse/rates.ts';
import { strategyOf } from '../../lib/sparse/strategy.ts';

interface Given {
  kind?: 'cpu' | 'cuda';
  dtype?: 'f32' | 'f64';
  memoryLimit?: number;
  hasGram?: boolean;
}

/** The facts about a dictionary that a strategy depends on. */
function dictionaryOf(size: number, length: number, given: Given = {}): Dictionary {
  const { kind = 'cpu', dtype = 'f32', memoryLimit = 2 ** 40, hasGram = false } = given;
  const gramBytes = size ** 2 * (dtype === 'f64' ? 8 : 4);
  const mostRows = Math.min(size, Math.floor((0.75 * memoryLimit * size) / gramBytes));
  const dictionary = { device: { kind }, dtype, size, length, gramBytes, hasGram, memoryLimit, mostRows };
  return dictionary as unknown as Dictionary;
}

it('has a rate for every size that it was measured at', () => {
  for (const { gram, gemm, product, correlations, combination } of Object.values(rates)) {
    for (const table of [gram, gemm]) {
      expect(table.length).toBe(sizes.n.length);
      for (const byD of table) {
        expect(byD.length).toBe(sizes.d.length);
        for (const byK of byD) expect(byK.length).toBe(sizes.k.length);
      }
    }
    expect(product.map((byD) => byD.length)).toEqual(sizes.n.map(() => sizes.d.length));
    expect([correlations.length, combination.length]).toEqual([sizes.d.length, sizes.k.length]);
    const all = [gram, gemm, product, correlations, combination].flat(3) as number[];
    expect(Math.min(...all)).toBeGreaterThan(0);
  }
});

describe.each(['cpu', 'cuda'] as const)('on %s', (kind) => {
  it('takes products for a few signals, and the Gram matrix for many', () => {
    const dictionary = dictionaryOf(8000, 4096, { kind });
    expect(strategyOf(dictionary, 1, 8, 'auto').form).toBe('gemm');
    expect(strategyOf(dictionary, 100_000, 32, 'auto').form).toBe('gram');
  });

  it('takes the Gram matrix that is there', () => {
    expect(strategyOf(dictionaryOf(8000, 4096, { kind, hasGram: true }), 1, 32, 'auto').form).toBe('gram');
  });

  it('takes rows where the matrix does not fit and they come again, and products where nothing fits', () => {
    const rows = dictionaryOf(20_000, 4096, { kind, memoryLimit: 1.2e9 });
    expect(strategyOf(rows, 100_000, 64, 'auto').form).toBe('rows');
    expect(strategyOf(rows, 100_000, 64, 'gemm').form).toBe('gemm');
    expect(strategyOf(dictionaryOf(20_000, 4096, { kind, memoryLimit: 1e6 }), 100_000, 64, 'auto').form).toBe('gemm');
  });

  it.each(['f32', 'f64'] as const)('keeps batches within the limit, and at least one signal, %s', (dtype) => {
    const width = dtype === 'f64' ? 8 : 4;
    for (const memoryLimit of [1, 1e6, 3e7, 3e8, 3e9])
      for (const algorithm of ['auto', 'gemm'] as const) {
        const dictionary = dictionaryOf(5000, 100, { kind, dtype, memoryLimit });
        const { form, batchSize } = strategyOf(dictionary, 1e6, 16, algorithm);
        expect(batchSize).toBeGreaterThanOrEqual(1);
        if (batchSize === 1) continue;
        const kept = { gram: dictionary.gramBytes, rows: dictionary.mostRows * width * 5000, gemm: 0 }[form];
        expect(kept + batchSize * width * 5000).toBeLessThanOrEqual(memoryLimit);
        if (form === 'rows') expect(batchSize * 16).toBeLessThanOrEqual(dictionary.mostRows);
      }
  });
});
