// Devices: cpu
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { onlyCpu } from '../support/devices.ts';

const script = path.join(import.meta.dirname, '..', '..', 'examples', 'digits', 'train-cnn.mjs');
const train = (...options: string[]) => spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });

describe.each(onlyCpu)('the convolutional network of digits', () => {
  it('learns digits that it has not seen in one epoch', { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = train('--epochs', '1', '--channels', '8,16,16');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [, percent] = /^([\d.]+) % of digits that it has not seen are classified rightly\.$/m.exec(stdout)!;
    // A guess is right in 10 %.
    expect(Number(percent)).toBeGreaterThan(85);
  });

  it.each([
    ['--epochs', '0'],
    ['--channels', '8,16,x'],
  ])('refuses %s %s', (...options) => {
    const { status, stderr } = train(...options);
    expect(status).toBe(2);
    expect(stderr).toContain(`got ${options[0] === '--epochs' ? '0 and 32,64,128' : `5 and ${options[1]}`}`);
  });
});
