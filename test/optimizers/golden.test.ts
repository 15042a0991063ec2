// Devices: cpu
// Checkpoints of every format version that was ever released load, and go on to the recorded weights.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AdamW, Device, Tensor } from '../../lib/index.ts';

const folder = path.join(import.meta.dirname, '..', 'golden');
const names = readdirSync(folder).flatMap((file) => /^(adamw-v\d+)\.safetensors$/.exec(file)?.[1] ?? []);

it('finds the files', () => expect(names).toContain('adamw-v1'));

interface Golden {
  shapes: number[][];
  weights: number[][];
  steps: { grads: number[][]; weights: number[][] }[];
}

describe.each(names)('R6: checkpoint %s', { tags: ['R6'] }, (name) => {
  const golden: Golden = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8'));

  /** AdamW from its definition, from the state in the file: the record must be right, not only repeatable. */
  function reference(momenta: number[], roots: number[], steps: number, i: number): number[][] {
    const cautious = i === 1;
    const [lr, decay, [beta1, beta2]] = cautious ? [0.02, 0.01, [0.8, 0.9]] : [0.015, 0.1, [0.9, 0.999]];
    let w = [...golden.weights[i]!];
    let m = [...momenta];
    let v = roots.map((x) => x * x);
    return golden.steps.map(({ grads }, at) => {
      const g = grads[i]!;
      const t = steps + at + 1;
      m = m.map((x, k) => beta1! * x + (1 - beta1!) * g[k]!);
      v = v.map((x, k) => beta2! * x + (1 - beta2!) * g[k]! ** 2);
      w = w.map((x, k) => {
        const u = m[k]! / (1 - beta1! ** t) / (Math.sqrt(v[k]!) / Math.sqrt(1 - beta2! ** t) + 1e-6);
        const kept = cautious && x * u < 0 ? x : x * (1 - lr! * decay!);
        return kept - lr! * u;
      });
      return [...w];
    });
  }

  it('loads and continues', async () => {
    const device = Device.open('cpu');
    const weights = golden.weights.map((data, i) => Tensor.from(device, Float64Array.from(data), golden.shapes[i]!));
    const optimizer = new AdamW(
      [
        { name: 'matrices', params: weights.slice(0, 1) },
        { name: 'vectors', params: weights.slice(1) },
      ],
      { nonFinite: 'skip' },
    );
    const { metadata } = await optimizer.load(path.join(folder, `${name}.safetensors`));
    expect(metadata).toEqual({ note: 'golden' });
    expect(optimizer.groups).toMatchObject([
      { lr: 0.015, weightDecay: 0.1, betas: [0.9, 0.999], weightDecayMode: 'decoupled', eps: 1e-6 },
      { lr: 0.02, weightDecay: 0.01, betas: [0.8, 0.9], weightDecayMode: 'cautious', eps: 1e-6 },
    ]);
    expect(await optimizer.report()).toMatchObject({ step: 4, skipped: 0 });
    const { tensors } = optimizer.part();
    const expected = await Promise.all(
      ['matrices', 'vectors'].map(async (group, i) => {
        const [m, r, steps] = await Promise.all(
          ['momenta', 'roots', 'steps'].map(async (slot) => Array.from(await tensors[`${group}.0.${slot}`]!.read())),
        );
        return reference(m!, r!, steps![0]!, i);
      }),
    );
    for (const [at, step] of golden.steps.entries()) {
      optimizer.step(step.grads.map((data, i) => Tensor.from(device, Float64Array.from(data), golden.shapes[i]!)));
      for (const [i, weight] of weights.entries())
        for (const [k, x] of (await weight.read()).entries()) {
          // Instruction sets may fuse a multiply and an add: a few units in the last place.
          expect(Math.abs(x - step.weights[i]![k]!)).toBeLessThan(1e-15);
          expect(x).toBeCloseTo(expected[i]![at]![k]!, 13);
        }
    }
    await device.close();
  });
});
