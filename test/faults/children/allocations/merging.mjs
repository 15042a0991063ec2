// Calls that merge models on a device.
import path from 'node:path';
import { data } from './bits.mjs';
import { checkCalls } from './calls.mjs';

export async function checkMerging({ checker, device, folder, library }) {
  const { ContinualMerger, projectTaskVector } = await import(path.join(folder, 'lib', 'merging', 'index.js'));
  const tensor = (shape, seed) => library.Tensor.from(device, data(shape, seed), shape);
  const modelOf = (seed) => ({ weight: tensor([7, 5], seed), bias: tensor([7, 1], seed + 1) });
  const [base, one, two] = [21, 23, 25].map(modelOf);
  const inputs = [base, one, two].flatMap((model) => Object.values(model));
  await checkCalls(
    { checker, library },
    {
      projectTaskVector: async () => (await projectTaskVector(one.weight, two.weight)).clean,
      'ContinualMerger.add': async () => {
        const merger = new ContinualMerger(base, { linear: (name) => name === 'weight' });
        try {
          for (const model of [one, two]) await merger.add(model);
          return await merger.merged();
        } finally {
          merger.dispose();
        }
      },
    },
    inputs,
  );
  for (const one of inputs) one.dispose();
}
