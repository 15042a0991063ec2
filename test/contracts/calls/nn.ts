import { type Device, Tensor } from '../../../lib/index.ts';
import * as nn from '../../../lib/nn/index.ts';
import type { Call, Scene } from '../call.ts';

const x = ({ device }: Scene) => Tensor.from(device, Float64Array.of(1, -2, 3, 4, -5, 6), [2, 3]);
const model = (on: Scene) => ({ layer: { w: x(on) } });
const total = (m: nn.Traced<ReturnType<typeof model>>): nn.Value => nn.sum(m.layer.w);

/** A function of networks inside a call, which is where it has its meaning. */
function inside(device: Device, fn: (...args: never[]) => nn.Value) {
  return (...args: never[]): void => {
    using w = Tensor.zeros(device, [1], { dtype: 'f64' });
    using call = nn.forward(() => fn(...args));
    call({ w });
  };
}
const takesAny = ['any dtype', 'any rank'] as const;

const own: Record<string, Call> = {
  valueAndGrad: { args: () => [total], options: () => ({ seed: 1 }) },
  forward: { args: () => [total], options: () => ({ seed: 1 }) },
  jvp: { args: () => [total], options: () => ({ seed: 1 }) },
  gaussNewton: { args: () => [total], options: () => ({ seed: 1 }) },
  hvp: { args: () => [total], options: () => ({ seed: 1 }) },
  recompute: { args: () => [nn.relu] },
  linear: {
    of: ({ device }) => ({ linear: inside(device, nn.linear as never) }),
    args: (on) => [{ weight: x(on) }, x(on)],
    takes: ['any rank'],
  },
  matmul: {
    of: ({ device }) => ({ matmul: inside(device, nn.matmul as never) }),
    args: (on) => [x(on), x(on)],
    options: () => ({ transB: 'transposed' }),
  },
  init: { args: ({ device }) => [device], options: () => ({ seed: 1 }) },
  mapTensors: { args: (on) => [model(on), (tensor: Tensor) => tensor.copy()], takes: takesAny },
  buffer: { args: (on) => [x(on)], takes: takesAny },
  named: { args: (on) => [model(on)], takes: takesAny },
  select: { args: (on) => [model(on), '**'], takes: takesAny },
  cosine: { options: () => ({ peak: 1, warmup: 1, steps: 2 }), refused: [{ steps: 1 }] },
  Arena: { args: ({ device }) => [device] },
};

export const calls: Record<string, Call> = Object.fromEntries(
  Object.entries(own).map(([name, call]) => [name, { ...call, says: `nn.${name}` }]),
);
