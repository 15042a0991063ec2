// Devices: cpu
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

it('node examples/streaming/watch.mjs finds each step up within the receptive field', () => {
  const script = path.join(import.meta.dirname, '..', '..', 'examples', 'streaming', 'watch.mjs');
  const text = execFileSync(process.execPath, [script], { encoding: 'utf8' });
  const found = [...text.matchAll(/^sensor (\d) has stepped up before input (\d+)$/gm)];
  expect(found.map(([, sensor]) => Number(sensor))).toEqual([0, 1, 2, 3]);
  for (const [, sensor, input] of found) {
    expect(Number(input)).toBeGreaterThanOrEqual(20 + 5 * Number(sensor));
    expect(Number(input)).toBeLessThan(30 + 5 * Number(sensor));
  }
});
