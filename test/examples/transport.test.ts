// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDigits, pixels } from '../../examples/digits/data.mjs';
import { inkOf, morph } from '../../examples/transport/morph.mjs';
import { Device } from '../../lib/index.ts';

const run = (name: string, ...args: string[]) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const script = path.join(import.meta.dirname, '..', '..', 'examples', 'transport', `${name}.mjs`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args, '--images', folder], {
    encoding: 'utf8',
  });
  // An example may show a method that does not get there.
  const errors = stderr.replace(/^\(node:\d+\) \[ORTHOKIT_NOT_CONVERGED\] .*\n.*\n\(Use .*\n/, '');
  expect({ status, errors }).toEqual({ status: 0, errors: '' });
  const picture = readFileSync(path.join(folder, `${name}.png`));
  expect(picture.subarray(1, 4).toString()).toBe('PNG');
  return stdout;
};

describe('morph', () => {
  const { train } = loadDigits();
  const imageOf = (k: number) => train.images.subarray(k * pixels, (k + 1) * pixels);
  const totalOf = (x: Float32Array) => x.reduce((a, b) => a + b, 0);

  it('begins and ends with the pictures, and loses no ink between', async () => {
    await using device = Device.open('cpu');
    const [from, to] = [imageOf(0), imageOf(7999)];
    const { pictures, cost } = await morph(device, from, to);
    expect(cost).toBeGreaterThan(0);
    // Light pixels count as paper.
    for (const [picture, image] of [
      [pictures[0]!, from],
      [pictures.at(-1)!, to],
    ] as const)
      for (const [k, value] of picture.entries()) expect(value).toBeCloseTo(image[k]! > 0.05 ? image[k]! : 0, 2);
    const [start, end] = [inkOf(from).total, inkOf(to).total];
    for (const [k, picture] of pictures.entries()) {
      const t = k / (pictures.length - 1);
      expect(totalOf(picture) / ((1 - t) * start + t * end)).toBeCloseTo(1, 3);
    }
  });

  it('node examples/transport/morph.mjs draws them', () => {
    expect(run('morph')).toMatch(/^1 to 7: converged, .*\n3 to 8: converged, .*\n0 to 6: converged, /);
  }, 60_000);
});

it('node examples/transport/prototypes.mjs learns where plain sweeps do not get there', () => {
  const lines = run('prototypes', '--steps', '10').split('\n');
  const steps = lines.filter((line) => line.startsWith('step'));
  expect(steps.map((line) => /^step (\d+):/.exec(line)![1])).toEqual(['1', '10']);
  const losses = steps.map((line) => Number(/loss ([\d.]+);/.exec(line)![1]));
  expect(losses[1]!).toBeLessThan(0.75 * losses[0]!);
  for (const line of steps) {
    expect(line).toContain('Newton converged');
    expect(Number(/sweeps: error (\S+)$/.exec(line)![1])).toBeGreaterThan(1e-3);
  }
  expect(Number(/([\d.]+) % of tested digits/.exec(lines.join('\n'))![1])).toBeGreaterThan(50);
}, 120_000);

it('node examples/transport/plans.mjs draws plans that grow sparse as eps falls', () => {
  const lines = run('plans').split('\n').slice(0, 3);
  for (const line of lines) expect(line).toContain(': converged, ');
  const pairs = lines.map((line) => Number(/(\d+) pairs/.exec(line)![1]));
  const costs = lines.map((line) => Number(/cost ([\d.]+)/.exec(line)![1]));
  expect(pairs[0]).toBe(14 * 14);
  for (const k of [1, 2]) {
    expect(pairs[k]!).toBeLessThan(pairs[k - 1]!);
    expect(costs[k]!).toBeLessThan(costs[k - 1]!);
  }
});
