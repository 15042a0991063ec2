// Devices: cpu
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { onlyCpu } from '../support/devices.ts';

const script = path.join(import.meta.dirname, '..', '..', 'examples', 'orthogonal-convolutions', 'train.mjs');
const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });

describe.each(onlyCpu)('node examples/orthogonal-convolutions/train.mjs', () => {
  it('compares accuracies and singular values with and without L_orth', { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = run('--epochs', '4', '--seeds', '1', '--digits', '2000');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const rows = [...stdout.matchAll(/^(0|0\.001|0\.01|0\.1) {2,}(\d.*)$/gm)].map(([, weight, row]) => {
      const shares = [...row!.matchAll(/(\d+\.\d) \(/g)].map(([, share]) => Number(share));
      const spans = [...row!.matchAll(/(\d\.\d\d)–(\d\.\d\d)/g)].map(([, least, most]) => Number(most) - Number(least));
      return { weight, shares, spans };
    });
    expect(rows.map(({ weight }) => weight)).toEqual(['0', '0.001', '0.01', '0.1']);
    for (const { shares, spans } of rows) {
      expect(shares.length).toBe(4);
      expect(spans.length).toBe(3);
      expect(shares[0]).toBeGreaterThan(80);
    }
    for (const [i, span] of rows[3]!.spans.entries()) expect(span).toBeLessThan(0.7 * rows[0]!.spans[i]!);
  });

  it('refuses numbers that are none', () => {
    expect(run('--epochs', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('--epochs must be') });
  });
});
