// Devices: cpu
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { onlyCpu } from '../support/devices.ts';

const script = path.join(import.meta.dirname, '..', '..', 'examples', 'digits', 'train-adaptive.mjs');
const train = (...options: string[]) => spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });

describe.each(onlyCpu)('batches of digits that grow', () => {
  it('take fewer steps than small ones, and learn', { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = train('--epochs', '1');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [growing, small, large] = ['growing', 'small', 'large'].map((name) => {
      const [, ...cells] = new RegExp(`^${name} +(\\d+) +(\\d+) +([\\d.]+) %$`, 'm').exec(stdout)!;
      return cells.map(Number) as [number, number, number];
    });
    expect([small![0], large![0]]).toEqual([500, 8]);
    expect(growing![0]).toBeLessThan(small![0]);
    expect(growing![1]).toBeGreaterThan(16);
    // A guess is right in 10 %.
    expect(growing![2]).toBeGreaterThan(70);
  });

  it('refuses an eta that is none', () => {
    const { status, stderr } = train('--eta', '0');
    expect(status).toBe(2);
    expect(stderr).toContain('got 4 and 0');
  });
});
