import { Dictionary, OnlineOrthogonalDictionary, omp, Tensor } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

const atoms = ({ device }: Scene) => Tensor.from(device, [1, 0, 0, 1, 1, 1], [3, 2]);
const signals = ({ device }: Scene) => Tensor.from(device, [1, 2, 3, 1], [2, 2]);
const code = (on: Scene) => omp(new Dictionary(atoms(on)), signals(on), { k: 1 });

/** A dictionary that has made what it keeps from one call to the next. */
const warm = async (on: Scene): Promise<Dictionary> => {
  const dictionary = new Dictionary(atoms(on));
  (await omp(dictionary, signals(on), { k: 1 })).dispose();
  return dictionary;
};

const online = ({ device }: Scene) => new OnlineOrthogonalDictionary(device, 2, { seed: 1 });

export const calls: Record<string, Call> = {
  SparseCode: { args: ({ device }) => [device, 2, 1, 3, 'f32'] },
  Dictionary: { args: (on) => [atoms(on)], options: () => ({}) },
  omp: {
    args: async (on) => [await warm(on), signals(on)],
    options: () => ({ k: 1 }),
    refused: [{ k: 4 }],
  },
  ompGram: {
    args: ({ device }) => [Tensor.from(device, [2, 1, 1, 2], [2, 2]), Tensor.from(device, [3, 1], [1, 2])],
    options: () => ({ k: 1 }),
    refused: [{ k: 3 }],
  },
  OnlineOrthogonalDictionary: { args: ({ device }) => [device, 2], options: () => ({ seed: 1 }) },
  'OnlineOrthogonalDictionary.update': { of: online, args: (on) => [signals(on)] },
  'OnlineOrthogonalDictionary.encode': {
    of: online,
    args: (on) => [signals(on)],
    options: () => ({ count: 1 }),
    refused: [{ count: 3 }, { count: undefined }, { threshold: 1 }],
  },
  'OnlineOrthogonalDictionary.save': {
    of: online,
    args: ({ folder }) => [folder.file('dictionary')],
    options: () => ({}),
    state: {
      advance: async (one: OnlineOrthogonalDictionary, step: number) => {
        using y = Tensor.randn(one.device, [3, 2], { seed: step });
        await one.update(y);
      },
      again: async (_: OnlineOrthogonalDictionary, on: Scene) => online(on),
      beside: () => [],
    },
  },
  'OnlineOrthogonalDictionary.load': {
    of: async (on) => {
      await online(on).save(on.folder.file('dictionary'));
      return online(on);
    },
    args: ({ folder }) => [folder.file('dictionary')],
    options: () => ({}),
  },
  reconstruct: { args: async (on) => [await code(on), atoms(on)] },
  toDense: { args: async (on) => [await code(on)] },
};
