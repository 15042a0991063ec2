// Devices: cpu
// Checkpoints of every class load, and go on to the recorded weights, which the formulas of test/reference give as well.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { adagrad } from '../reference/adagrad.ts';
import { adagradNorm } from '../reference/adagrad-norm.ts';
import { auon } from '../reference/auon.ts';
import { conda } from '../reference/conda.ts';
import { dctAdamw } from '../reference/dct-adamw.ts';
import { diffGrad } from '../reference/diff-grad.ts';
import { dion } from '../reference/dion.ts';
import { dion2 } from '../reference/dion2.ts';
import { type EgOptions, eg } from '../reference/eg.ts';
import { hybridAuon } from '../reference/hybrid-auon.ts';
import { lion } from '../reference/lion.ts';
import { muon } from '../reference/muon.ts';
import { coefficientSets } from '../reference/newton-schulz.ts';
import { norDion2 } from '../reference/nor-dion2.ts';
import { norMuon } from '../reference/nor-muon.ts';
import { sgd } from '../reference/sgd.ts';
import { trion } from '../reference/trion.ts';
import { each, type ListReference } from '../support/steps.ts';
import { classes } from './classes.ts';

const references: Record<string, ListReference> = {
  SGD: each(sgd),
  AdaGrad: each(adagrad),
  AdaGradNorm: (list, states, step, options) =>
    adagradNorm(
      list,
      states.map((own) => own['squares']!),
      step,
      options,
    ),
  Lion: each(lion),
  DiffGrad: each(diffGrad),
  EG: each((p, states: { step: number }, { weightDecay, ...options }: EgOptions & { weightDecay: number }) =>
    eg(p, states, { ...options, weightDecayMode: 'decoupled', shrink: weightDecay }),
  ),
  Muon: each(muon),
  Dion: each(dion),
  Dion2: each(dion2),
  NorDion2: each((p, state: never, { eps, nsEps, ...options }: { lr: number; eps: number; nsEps: number }) =>
    norDion2(p, state, { ...options, eps: nsEps, rowEps: eps }),
  ),
  NorMuon: each((p, state: never, { eps, nsEps, ...options }: { lr: number; eps: number; nsEps: number }) =>
    norMuon(p, state, { ...options, eps: nsEps, rowEps: eps }),
  ),
  Trion: each(trion),
  DCTAdamW: each(dctAdamw),
  Conda: each(conda),
  AuON: each(auon),
  HybridAuON: each(hybridAuon),
};

interface Golden {
  class: string;
  fixed: object;
  scalars: Record<string, unknown>;
  shapes: number[][];
  weights: number[][];
  steps: { grads: number[][]; weights: number[][] }[];
}

const folder = path.join(import.meta.dirname, '..', 'golden');
const files = readdirSync(folder).flatMap((file) => /^((?!adamw)[a-z0-9]+-v\d+)\.safetensors$/.exec(file)?.[1] ?? []);
const goldenOf = (file: string): Golden => JSON.parse(readFileSync(path.join(folder, `${file}.json`), 'utf8'));

it('there is a file of format version 1 for every class', () => {
  const found = files.filter((file) => file.endsWith('-v1')).map((file) => goldenOf(file).class);
  expect([...found, 'AdamW'].sort()).toEqual(classes.map(([name]) => name).sort());
});

/** Options as the references name them. */
function named({ betas, coefficients, nsSteps, ...rest }: Record<string, unknown>): { lr: number } {
  const options: Record<string, unknown> = { ...rest, weightDecayMode: rest['weightDecayMode'] };
  if (Array.isArray(betas)) [options['beta1'], options['beta2']] = betas;
  if (typeof rest['nesterov'] === 'boolean') options['nesterov'] = rest['nesterov'] ? 'on' : 'off';
  if (coefficients === 'jordan') options['coefficients'] = coefficientSets.jordan.slice(0, 3 * (nsSteps as number));
  return options as { lr: number };
}

describe.each(files)('R6: checkpoint %s', { tags: ['R6'] }, (file) => {
  it('loads and continues', async () => {
    const golden = goldenOf(file);
    const device = Device.open('cpu');
    const [, Class] = classes.find(([name]) => name === golden.class)!;
    const weights = golden.weights.map((data, i) => Tensor.from(device, Float64Array.from(data), golden.shapes[i]!));
    // Options that make the state, and nothing else: the file brings the scalars.
    const state = golden.class === 'SGD' ? { momentum: 0.5 } : {};
    const optimizer = new Class([{ name: 'all', params: weights }], { ...golden.fixed, ...state });
    await optimizer.load(path.join(folder, `${file}.safetensors`));
    expect(optimizer.groups[0]).toMatchObject({ ...golden.scalars, ...golden.fixed });

    const { tensors } = optimizer.part();
    const slots = Object.entries(tensors).map(([key, tensor]) => ({ at: key.split('.'), tensor }));
    const states = await Promise.all(
      weights.map(async (_, i) =>
        Object.fromEntries(
          await Promise.all(
            slots
              .filter(({ at }) => at[1] === `${i}`)
              .map(async ({ at, tensor }) => [at[2]!, Float64Array.from(await tensor.read())] as const),
          ),
        ),
      ),
    );
    const list = golden.weights.map((data, i) => ({
      shape: golden.shapes[i]!,
      weights: Float64Array.from(data),
      grads: new Float64Array(),
    }));
    const options = named({ ...optimizer.groups[0]! });
    for (const [at, step] of golden.steps.entries()) {
      optimizer.step(step.grads.map((data, i) => Tensor.from(device, Float64Array.from(data), golden.shapes[i]!)));
      for (const [i, p] of list.entries()) p.grads = Float64Array.from(step.grads[i]!);
      references[golden.class]!(list, states, 4 + at + 1, options as never);
      for (const [i, weight] of weights.entries())
        for (const [k, x] of (await weight.read()).entries()) {
          // Instruction sets may fuse a multiply and an add: some units in the last place.
          expect(Math.abs(x - step.weights[i]![k]!)).toBeLessThan(1e-14);
          expect(Math.abs(x - list[i]!.weights[k]!)).toBeLessThan(1e-13);
        }
    }
    expect((await optimizer.report()).step).toBe(4 + golden.steps.length);
    await device.close();
  });
});
