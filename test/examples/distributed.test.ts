// Devices: cpu
// In one process; in several: test/distributed/check.mjs.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { onlyCpu } from '../support/devices.ts';

const script = path.join(import.meta.dirname, '..', '..', 'examples', 'distributed', 'train.mjs');
const train = (...options: string[]) => spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });

describe.each(onlyCpu)('the network of digits for several processes', () => {
  it('learns in one process, too', { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = train('--epochs', '1');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^1 process \(none\)/);
    const [, percent] = /^([\d.]+) % of 2000 digits that it has not seen are classified rightly\.$/m.exec(stdout)!;
    // A guess is right in 10 %.
    expect(Number(percent)).toBeGreaterThan(75);
  });

  it('refuses no epochs', () => {
    const { status, stderr } = train('--epochs', '0');
    expect([status, stderr]).toEqual([2, expect.stringContaining('got 0')]);
  });
});
