// Devices: cpu
// R5: what was saved in one process goes on in another to the same bits.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Device, saveTensors, type Tensor } from '../../lib/index.ts';
import {
  type AnyOptimizer,
  bits,
  classes,
  fullState,
  gradsOf,
  shapesFor,
  stateBits,
  stateSettings,
  weightsOf,
} from '../optimizers/classes.ts';
import { Folder } from '../safetensors/folder.ts';
import { goal } from '../support/goal.ts';
import { compileLibrary, runScript } from '../support/library.ts';

const points = 21;
// Each of these seeds is another step to save at; all 21 of them are all the steps.
const resumes = goal('R5', { ci: 3, deep: points });
const saveStep = (seed: number): number => (((seed * 8) % points) + points) % points;
const stepsAfter = 3;

const device = Device.open('cpu', { threads: 2 });
const code = new Folder();
beforeAll(() => {
  compileLibrary(code.path);
  writeFileSync(
    code.file('resume.js'),
    `import * as library from './lib/index.js';
    import { readFileSync } from 'node:fs';
    const { Device, loadTensors } = library;
    const device = Device.open('cpu', { threads: 1 });
    const hex = async (tensor) => Buffer.from((await tensor.read()).buffer).toString('hex');
    const results = {};
    for (const { key, className, options, weightFile, stateFile, gradFile } of JSON.parse(readFileSync(process.argv[2]))) {
      const weights = Object.values(await loadTensors(weightFile, device));
      const grads = Object.values(await loadTensors(gradFile, device));
      const optimizer = new library[className](weights, { ...options, lr: 0.5 });
      if (stateFile) await optimizer.load(stateFile);
      else optimizer.groups[0].lr = options.lr;
      for (let at = 0; at < grads.length; at += weights.length) optimizer.step(grads.slice(at, at + weights.length));
      const { tensors } = optimizer.part();
      const state = {};
      for (const name of Object.keys(tensors)) state[name] = await hex(tensors[name]);
      results[key] = { weights: await Promise.all(weights.map(hex)), state };
    }
    process.stdout.write(JSON.stringify(results));
    await device.close();`,
  );
});
afterAll(async () => {
  await device.close();
  code[Symbol.dispose]();
});

interface Result {
  weights: string[];
  state: Record<string, string>;
}

const named = (tensors: readonly Tensor[]): Record<string, Tensor> =>
  Object.fromEntries(tensors.map((tensor, i) => [`${i}`.padStart(3, '0'), tensor]));

describe('R5: every optimizer with every kind of state', resumes.tagged, () => {
  it(
    'goes on in a new process to the bits of the one that went on, which a cold start misses',
    async () => {
      await resumes.each(async (seed) => {
        using folder = new Folder();
        const saveAt = saveStep(seed);
        const cases: object[] = [];
        const expected: Record<string, Result> = {};
        for (const [className, Class] of classes)
          for (const [setting, own, dtype] of stateSettings) {
            const key = `${className}, ${setting}, saved before step ${saveAt}`;
            const shapes = shapesFor(device, Class);
            const options = {
              lr: 0.02,
              weightDecay: 0.01,
              nonFinite: 'skip',
              ...fullState[className],
              ...own,
            } as const;
            const weights = weightsOf(device, shapes, dtype);
            const optimizer: AnyOptimizer = new Class(weights, options);
            for (let at = 0; at < saveAt; ++at) optimizer.step(gradsOf(device, shapes, at));
            const [weightFile, stateFile, gradFile] = ['w', 's', 'g'].map((kind) =>
              folder.file(`${kind}${cases.length}`),
            ) as [string, string, string];
            const grads = Array.from({ length: stepsAfter }, (_, i) => gradsOf(device, shapes, saveAt + i));
            await saveTensors(weightFile, named(weights));
            await saveTensors(gradFile, named(grads.flat()));
            await optimizer.save(stateFile);
            cases.push({ key, className, options, weightFile, stateFile, gradFile });
            cases.push({ key: `cold ${key}`, className, options, weightFile, gradFile });
            for (const given of grads) optimizer.step(given);
            expected[key] = { weights: await bits(weights), state: await stateBits(optimizer) };
            optimizer.dispose();
          }
        writeFileSync(folder.file('cases'), JSON.stringify(cases));
        const results: Record<string, Result> = JSON.parse(runScript(code.file('resume.js'), folder.file('cases')));
        expect(Object.keys(results)).toHaveLength(2 * classes.length * stateSettings.length);
        for (const [key, result] of Object.entries(expected)) {
          expect(results[key], key).toEqual(result);
          if (saveAt > 0) expect(results[`cold ${key}`]?.state, key).not.toEqual(result.state);
        }
      });
    },
    resumes.limit(180_000),
  );
});
