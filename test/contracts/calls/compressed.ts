import { Tensor } from '../../../lib/index.ts';
import { CodebookLinear, compressModel } from '../../../lib/quantized/index.ts';
import { matrix, writeParts } from '../../merging/folders.ts';
import type { Call, Scene } from '../call.ts';

const weight = ({ device }: Scene) => Tensor.from(device, matrix(4, 33, 1).flat(), [4, 33]);
const layer = (on: Scene) => CodebookLinear.compress(weight(on), { codes: 4, groups: 2 });
const model = ({ folder }: Scene) =>
  writeParts(folder.file('base'), {
    tensors: { 'a.weight': matrix(4, 64, 1), 'b.weight': matrix(6, 96, 2), 'a.bias': matrix(1, 4, 3) },
    shards: 2,
  });

export const calls: Record<string, Call> = {
  'CodebookLinear.compress': {
    args: (on) => [weight(on)],
    options: ({ device }) => ({ codes: 4, groups: 2, seed: 1, bias: Tensor.zeros(device, [4]) }),
    refused: [{ groups: 5 }],
  },
  'CodebookLinear.from': {
    options: async (on: Scene) => {
      const { codes, codebooks, rowBooks, inputs, bits } = await layer(on);
      return { codes, codebooks, rowBooks, inputs, bits, bias: Tensor.zeros(on.device, [4]) };
    },
  },
  'CodebookLinear.apply': { of: layer, args: ({ device }) => [Tensor.zeros(device, [2, 33])], takes: ['any rank'] },
  'CodebookLinear.refine': {
    of: layer,
    args: ({ device }) => [Tensor.from(device, matrix(5, 33, 7).flat(), [5, 33])],
    options: (on) => ({ steps: 3, weight: weight(on) }),
    refused: [{ mapping: 'frozen', lr: 0.1 }],
  },
  compressModel: {
    options: (on) => ({
      ...{ base: model(on), out: on.folder.file('out'), method: 'codebook', bits: 2 },
      ...{ groups: 2, device: on.device },
    }),
    refused: [{ group: 32 }, { steps: 3 }, { method: 'group', groups: undefined, bits: 5 }, { method: 'group' }],
    another: { bits: 3 },
  },
  loadCompressed: {
    args: async (on) => {
      const out = on.folder.file('made');
      await compressModel({ base: model(on), out, method: 'group', bits: 4, device: on.device });
      return [out, on.device];
    },
    options: () => ({}),
  },
};
