// Devices: cpu, cuda
// R5: what was saved in one process goes on in another to the same bits.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AnyOptimizer,
  type CombinedOptimizer,
  combine,
  Device,
  Optimizer,
  saveTensors,
  type Tensor,
} from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import {
  bits,
  classes,
  fullState,
  gradsOf,
  shapesFor,
  stateBits,
  stateSettings,
  weightsOf,
} from '../optimizers/classes.ts';
import { devices, kind } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { compileLibrary, runScript } from '../support/library.ts';

const points = 21;
// Each of these seeds is another step to save at; all 21 of them are all the steps.
// The emulator takes far longer: few cases there, in the suite of few steps.
const resumes = goal('R5', kind === 'cpu' ? { ci: 3, deep: points } : { ci: 1, deep: 5 });
const saveStep = (seed: number): number => (((seed * 8) % points) + points) % points;
const stepsAfter = 3;

const early = kind === 'cuda' && !resumes.deep ? 3 : undefined;
const device = Device.open(kind, kind === 'cpu' ? { threads: 2 } : {});
const code = new Folder();
beforeAll(() => {
  compileLibrary(code.path);
  writeFileSync(
    code.file('resume.js'),
    `import * as library from './lib/index.js';
    import { readFileSync } from 'node:fs';
    const { combine, Device, loadTensors } = library;
    const device = Device.open('${kind}', ${kind === 'cpu' ? '{ threads: 1 }' : '{}'});
    const hex = async (tensor) => Buffer.from((await tensor.read()).buffer).toString('hex');
    const results = {};
    for (const { key, parts, options, weightFile, stateFile, gradFile } of JSON.parse(readFileSync(process.argv[2]))) {
      const weights = Object.values(await loadTensors(weightFile, device));
      const grads = Object.values(await loadTensors(gradFile, device));
      const { nonFinite, ...own } = options;
      const made = parts.map(({ className, from, to, more }) => {
        return { optimizer: library[className], params: weights.slice(from, to), ...own, ...more, lr: 0.5 };
      });
      const [{ optimizer: Class, params, ...rest }] = made;
      const optimizer = made.length > 1 ? combine(made, { nonFinite }) : new Class(params, { ...rest, nonFinite });
      if (stateFile) await optimizer.load(stateFile);
      else for (const group of optimizer.groups) group.lr = options.lr;
      for (let at = 0; at < grads.length; at += weights.length) optimizer.step(grads.slice(at, at + weights.length));
      const state = {};
      for (const [i, part] of (optimizer.parts ?? [optimizer]).entries())
        for (const [name, tensor] of Object.entries(part.part().tensors)) state[i + ' ' + name] = await hex(tensor);
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

interface Part {
  className: string;
  from: number;
  to: number;
  more: object;
}

/** One optimizer, or a combination of several, of which each has its share of the weights. */
function optimizerOf(parts: Part[], weights: Tensor[], { nonFinite, ...own }: { nonFinite: 'skip' }): AnyOptimizer {
  const made = parts.map(({ className, from, to, more }) => {
    const Class = classes.find(([name]) => name === className)![1];
    return { optimizer: Class, params: weights.slice(from, to), ...own, ...more };
  });
  const [{ optimizer: Class, params, ...options }] = made as [(typeof made)[number]];
  return made.length > 1 ? combine(made as never, { nonFinite }) : new Class(params, { ...options, nonFinite });
}

async function stateOf(optimizer: AnyOptimizer): Promise<Record<string, string>> {
  const parts = optimizer instanceof Optimizer ? [optimizer] : (optimizer as CombinedOptimizer).parts;
  const all = await Promise.all(parts.map(stateBits));
  return Object.fromEntries(
    all.flatMap((own, i) => Object.entries(own).map(([name, data]) => [`${i} ${name}`, data] as const)),
  );
}

const named = (tensors: readonly Tensor[]): Record<string, Tensor> =>
  Object.fromEntries(tensors.map((tensor, i) => [`t${`${i}`.padStart(3, '0')}`, tensor]));

describe.each(devices)('R5: every optimizer and all combined, with every kind of state, on %s', resumes.tagged, () => {
  it(
    'goes on in a new process to the bits of the one that went on, which a cold start misses',
    async () => {
      await resumes.each(async (seed) => {
        using folder = new Folder();
        const saveAt = early ?? saveStep(seed);
        const cases: object[] = [];
        const expected: Record<string, Result> = {};
        for (const [name, members] of [
          ...classes.map((own) => [own[0], [own]] as const),
          ['combine', classes] as const,
        ])
          for (const [setting, own, dtype] of stateSettings) {
            const key = `${name}, ${setting}, saved before step ${saveAt}`;
            const options = { lr: 0.02, weightDecay: 0.01, nonFinite: 'skip', ...own } as const;
            const each = members.map(([, Class]) => shapesFor(device, Class));
            const shapes = each.flat();
            const weights = weightsOf(device, shapes, dtype);
            let from = 0;
            const parts = members.map(([className], i) => {
              const to = from + each[i]!.length;
              const part = { className, from, to, more: fullState[className] ?? {} };
              from = to;
              return part;
            });
            const optimizer = optimizerOf(parts, weights, options);
            for (let at = 0; at < saveAt; ++at) optimizer.step(gradsOf(device, shapes, at));
            const [weightFile, stateFile, gradFile] = ['w', 's', 'g'].map((kind) =>
              folder.file(`${kind}${cases.length}`),
            ) as [string, string, string];
            const grads = Array.from({ length: stepsAfter }, (_, i) => gradsOf(device, shapes, saveAt + i));
            await saveTensors(weightFile, named(weights));
            await saveTensors(gradFile, named(grads.flat()));
            await optimizer.save(stateFile);
            cases.push({ key, parts, options, weightFile, stateFile, gradFile });
            cases.push({ key: `cold ${key}`, parts, options, weightFile, gradFile });
            for (const given of grads) optimizer.step(given);
            expected[key] = { weights: await bits(weights), state: await stateOf(optimizer) };
            optimizer.dispose();
          }
        writeFileSync(folder.file('cases'), JSON.stringify(cases));
        const results: Record<string, Result> = JSON.parse(runScript(code.file('resume.js'), folder.file('cases')));
        expect(Object.keys(results)).toHaveLength(2 * (classes.length + 1) * stateSettings.length);
        for (const [key, result] of Object.entries(expected)) {
          expect(results[key], key).toEqual(result);
          if (saveAt > 0) expect(results[`cold ${key}`]?.state, key).not.toEqual(result.state);
        }
      });
    },
    resumes.limit(180_000),
  );
});
