import { Dictionary, omp, Tensor } from '../../../lib/index.ts';
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
  reconstruct: { args: async (on) => [await code(on), atoms(on)] },
  toDense: { args: async (on) => [await code(on)] },
};
