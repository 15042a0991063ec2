import { Tensor } from '../../../lib/index.ts';
import { ContinualMerger } from '../../../lib/merging/index.ts';
import { matrix, writeParts } from '../../merging/folders.ts';
import type { Call, Scene } from '../call.ts';

const model = ({ device }: Scene, seed: number) => ({
  'a.weight': Tensor.from(device, matrix(4, 3, seed).flat(), [4, 3]),
  'a.bias': Tensor.from(device, matrix(1, 4, seed + 1).flat(), [4]),
});
/** The bases of mergers, which are the caller's. */
const bases = new WeakMap<object, Record<string, Tensor>>();
const mergerOf = (base: Record<string, Tensor>): ContinualMerger => {
  const merger = new ContinualMerger(base, { alpha: 0.25 });
  bases.set(merger, base);
  return merger;
};
const merger = (on: Scene): ContinualMerger => mergerOf(model(on, 1));
const begun = async (on: Scene): Promise<ContinualMerger> => {
  const one = merger(on);
  await one.add(model(on, 3));
  return one;
};
const tensors = (seed: number) => ({ 'a.weight': matrix(4, 3, seed), 'b.weight': matrix(3, 3, seed + 1) });

export const calls: Record<string, Call> = {
  ContinualMerger: { args: (on) => [model(on, 1)], options: () => ({ alpha: 0.25 }), takes: ['any rank'] },
  'ContinualMerger.add': { of: begun, args: (on) => [model(on, 5)], options: () => ({}) },
  'ContinualMerger.save': {
    of: begun,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
    state: {
      advance: async (one: ContinualMerger, step) =>
        void (await one.add(model({ device: one.device } as Scene, 7 * step))),
      again: async (one: ContinualMerger, { device }) => {
        const entries = Object.entries(bases.get(one)!).map(
          async ([name, x]) => [name, Tensor.from(device, await x.read(), x.shape)] as const,
        );
        return mergerOf(Object.fromEntries(await Promise.all(entries)));
      },
      beside: (one: ContinualMerger) => Object.values(bases.get(one)!),
    },
  },
  'ContinualMerger.load': {
    of: begun,
    args: async ({ folder, device }) => {
      const one = await begun({ folder, device });
      await one.save(folder.file('state'));
      return [folder.file('state')];
    },
    options: () => ({}),
  },
  mergeModels: {
    options: ({ folder, device }) => ({
      base: writeParts(folder.file('base'), { tensors: tensors(1), shards: 2 }),
      models: [3, 5].map((seed) => writeParts(folder.file(`model${seed}`), { tensors: tensors(seed) })),
      out: folder.file('out'),
      ...{ method: 'opcm', device },
    }),
    refused: [
      { method: 'average', alpha: 0.5 },
      { scale: 1 },
      { weights: [1, 1] },
      { method: 'average', weights: [1] },
    ],
    another: { alpha: 0.125 },
  },
  projectTaskVector: {
    args: ({ device }) => [1, 2].map((seed) => Tensor.from(device, matrix(4, 3, seed).flat(), [4, 3])),
    options: () => ({ alpha: 0.25 }),
  },
};
