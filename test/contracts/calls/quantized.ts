import { Tensor } from '../../../lib/index.ts';
import { QuantLinear, QZO, ZoodipOptimizer } from '../../../lib/quantized/index.ts';
import { normal } from '../../support/data.ts';
import type { Call, Scene } from '../call.ts';

const matrix = ({ device }: Scene, rows: number, columns: number, seed: number) =>
  Tensor.from(device, Float32Array.from(normal(rows * columns, seed)), [rows, columns]);
const layer = (on: Scene) => QuantLinear.quantize(matrix(on, 3, 64, 1), { group: 32 });
const kept = new WeakMap<object, Tensor>();
const qzo = (on: Scene, start?: Tensor) => {
  const scales = start ?? Tensor.full(on.device, [4, 2], 1);
  const one = new QZO([scales], { lr: 0.1 });
  kept.set(one, scales);
  return one;
};
const zoodip = (on: Scene, start?: Tensor) => {
  const x = start ?? Tensor.full(on.device, [6], 1);
  const one = new ZoodipOptimizer(x, { history: 3 });
  kept.set(one, x);
  return one;
};
const lossOf = async (x: Tensor) => [...(await x.read())].reduce((sum: number, value) => sum + Number(value) ** 2, 0);
const beside = (one: object) => [kept.get(one)!];

export const calls: Record<string, Call> = {
  'QuantLinear.quantize': {
    args: (on) => [matrix(on, 3, 64, 1)],
    options: ({ device }) => ({ bits: 4, group: 32, bias: Tensor.zeros(device, [3]) }),
    refused: [{ bits: 5 }],
  },
  'QuantLinear.from': {
    options: (on) => {
      const { codes, scales } = layer(on);
      return { codes, scales, inputs: 64, bits: 4, bias: Tensor.zeros(on.device, [3]) };
    },
  },
  'QuantLinear.apply': {
    of: layer,
    args: (on) => [matrix(on, 5, 64, 2)],
    options: ({ device }) => ({ scales: Tensor.full(device, [3, 2], 1) }),
    takes: ['any rank'],
  },
  QZO: {
    args: ({ device }) => [[Tensor.full(device, [4, 2], 1)]],
    options: ({ device }) => ({ lr: 0.1, extra: [Tensor.zeros(device, [3])] }),
    refused: [{ clip: 0 }],
    takes: ['any rank'],
  },
  'QZO.step': { of: (on) => qzo(on), args: () => [([scales]: readonly Tensor[]) => lossOf(scales!), 1] },
  'QZO.save': {
    of: (on) => qzo(on),
    args: (on) => [on.folder.file('qzo')],
    options: () => ({}),
    state: {
      advance: async (one: QZO) => {
        await one.step(([scales]) => lossOf(scales!));
      },
      again: async (one: never, on) => qzo(on, await copyOf(one, on)),
      beside,
    },
  },
  'QZO.load': {
    of: (on) => qzo(on),
    args: async (on) => {
      await qzo(on).save(on.folder.file('qzo'));
      return [on.folder.file('qzo')];
    },
    options: () => ({}),
  },
  ZoodipOptimizer: {
    args: ({ device }) => [Tensor.full(device, [6], 1)],
    options: () => ({ history: 3 }),
    takes: ['any rank'],
  },
  'ZoodipOptimizer.step': { of: (on) => zoodip(on), args: () => [lossOf, 1] },
  'ZoodipOptimizer.save': {
    of: (on) => zoodip(on),
    args: (on) => [on.folder.file('zoodip')],
    options: () => ({}),
    state: {
      advance: async (one: ZoodipOptimizer) => {
        await one.step(lossOf);
      },
      again: async (one: never, on) => zoodip(on, await copyOf(one, on)),
      beside,
    },
  },
  'ZoodipOptimizer.load': {
    of: (on) => zoodip(on),
    args: async (on) => {
      await zoodip(on).save(on.folder.file('zoodip'));
      return [on.folder.file('zoodip')];
    },
    options: () => ({}),
  },
  partialUniformTimesteps: { args: () => [8], options: () => ({ seed: 1 }), refused: [{ low: 900 }, { high: 500 }] },
};

/** The caller's own tensors, as they are now. */
const copyOf = async (one: object, { device }: Scene): Promise<Tensor> => {
  const tensor = kept.get(one)!;
  return Tensor.from(device, (await tensor.read()) as Float32Array, tensor.shape);
};
