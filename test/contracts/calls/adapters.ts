import { FedSvdServer, LoLDULinear, LoraLinear, SpLoraLinear, saveAdapter } from '../../../lib/adapters/index.ts';
import { Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import type { Call, Scene } from '../call.ts';

const matrix = ({ device }: Scene, rows: number, columns: number, seed: number) =>
  Tensor.from(device, Float32Array.from(normal(rows * columns, seed)), [rows, columns]);
const a = (on: Scene) => matrix(on, 2, 4, 1);
const b = (on: Scene) => matrix(on, 3, 2, 2);
const server = (on: Scene) => new FedSvdServer([{ a: a(on), b: b(on) }]);
const lora = (on: Scene) => {
  const layer = LoraLinear.fromWeight(matrix(on, 3, 4, 1), { rank: 2, seed: 1 });
  layer.b.write(new Float32Array(6).fill(1));
  return layer;
};
const loldu = (on: Scene) => LoLDULinear.fromWeight(matrix(on, 3, 4, 1), { rank: 2 });
const spLora = (on: Scene) => SpLoraLinear.fromWeight(matrix(on, 3, 4, 1), { rank: 2, seed: 1 });
const linear = (on: Scene) => ({ layer: { weight: matrix(on, 3, 4, 1) } });

export const calls: Record<string, Call> = {
  refactorLora: { args: (on) => [a(on), b(on)] },
  FedSvdServer: { args: (on) => [[{ a: a(on), b: b(on) }]], options: () => ({ period: 2 }) },
  'FedSvdServer.aggregate': {
    of: server,
    args: (on) => [[{ updates: [b(on)], weight: 1 }]],
    says: 'FedSvdServer.aggregate',
  },
  'LoraLinear.fromWeight': {
    args: (on) => [matrix(on, 3, 4, 1)],
    options: ({ device }) => ({ rank: 2, seed: 1, bias: Tensor.zeros(device, [3]) }),
    refused: [{ rank: 4 }],
  },
  'LoraLinear.apply': { of: lora, args: (on) => [matrix(on, 5, 4, 2)], takes: ['any rank'] },
  'LoLDULinear.fromWeight': {
    args: (on) => [matrix(on, 3, 4, 1)],
    options: ({ device }) => ({ rank: 2, bias: Tensor.zeros(device, [3]) }),
    refused: [{ rank: 4 }, { seed: 1 }],
  },
  'LoLDULinear.apply': { of: loldu, args: (on) => [matrix(on, 5, 4, 2)], takes: ['any rank'] },
  'LoLDULinear.gradZ': { of: loldu, args: (on) => [matrix(on, 5, 4, 2), matrix(on, 5, 3, 3)] },
  'SpLoraLinear.fromWeight': {
    args: (on) => [matrix(on, 3, 4, 1)],
    options: ({ device }) => ({ rank: 2, seed: 1, bias: Tensor.zeros(device, [3]) }),
    refused: [{ rank: 4 }],
  },
  'SpLoraLinear.apply': { of: spLora, args: (on) => [matrix(on, 5, 4, 2)], takes: ['any rank'] },
  'SpLoraLinear.prune': { of: spLora, options: () => ({ keepOut: [0, 2] }), refused: [{ keepOut: [3] }] },
  loraAttentionGrad: {
    args: (on) => [
      {
        ...{ x: matrix(on, 5, 3, 1), wq: matrix(on, 2, 3, 2), wk: matrix(on, 2, 3, 3), wv: matrix(on, 4, 3, 4) },
        ...{ y: matrix(on, 5, 4, 5), a: matrix(on, 1, 3, 6), b: matrix(on, 2, 1, 7), scale: 1 },
      },
    ],
    options: () => ({ mode: 'exact' }),
  },
  saveAdapter: { args: (on) => [on.folder.file('adapter'), { layer: lora(on) }], options: () => ({}) },
  loadAdapter: {
    args: async (on) => {
      await saveAdapter(on.folder.file('adapter'), { layer: lora(on) });
      return [on.folder.file('adapter'), linear(on)];
    },
    options: () => ({}),
    takes: ['any device', 'any rank', 'any dtype'],
  },
  dpClipAndNoise: {
    args: (on) => [matrix(on, 3, 4, 1)],
    options: () => ({ clip: 1, noiseMultiplier: 1, seed: 1 }),
  },
};
