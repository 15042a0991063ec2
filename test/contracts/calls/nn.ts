import { type Device, Tensor } from '../../../lib/index.ts';
import * as nn from '../../../lib/nn/index.ts';
import type { Call, Scene } from '../call.ts';

const x = ({ device }: Scene) => Tensor.from(device, Float64Array.of(1, -2, 3, 4, -5, 6), [2, 3]);
const row = ({ device }: Scene) => Tensor.from(device, Float64Array.of(1, 2, 3), [3]);
const labels = ({ device }: Scene) => Tensor.from(device, Int32Array.of(1, 0), [2]);
const model = (on: Scene) => ({ layer: { w: x(on) } });
const total = (m: nn.Traced<ReturnType<typeof model>>): nn.Value => nn.sum(m.layer.w);

const kernel = ({ device }: Scene) => Tensor.full(device, [5, 2, 2, 1], 0.5);

/** A regularizer, and gradients of its kernel: the same for a device. */
const regularizers = new WeakMap<Device, { regularizer: nn.ConvOrthRegularizer; grads: nn.PerParameter }>();
function regularized(on: Scene) {
  const known = regularizers.get(on.device);
  if (known) return known;
  const conv = kernel(on);
  const made = { regularizer: new nn.ConvOrthRegularizer({ conv }), grads: new Map([[conv, conv.copy()]]) };
  regularizers.set(on.device, made);
  return made;
}

/** A function of networks inside a call, which is where it has its meaning. */
function inside(device: Device, fn: (...args: never[]) => nn.Value) {
  return (...args: never[]): void => {
    using w = Tensor.zeros(device, [1], { dtype: 'f64' });
    using call = nn.forward(() => fn(...args));
    call({ w });
  };
}
const ringOptions = { streams: 2, width: 3, length: 4, layers: 1 };
const ring = ({ device }: Scene) => new nn.Ring(device, ringOptions);
const takesAny = ['any dtype', 'any rank'] as const;

const functions: Readonly<Record<string, unknown>> = { ...nn };
const within = (name: string, args: NonNullable<Call['args']>, more: Partial<Call> = {}): Call => ({
  of: ({ device }) => ({ [name]: inside(device, functions[name] as never) }),
  args,
  takes: ['any rank'],
  ...more,
});

const own: Record<string, Call> = {
  valueAndGrad: { args: () => [total], options: () => ({ seed: 1 }) },
  forward: { args: () => [total], options: () => ({ seed: 1 }) },
  jvp: { args: () => [total], options: () => ({ seed: 1 }) },
  gaussNewton: { args: () => [total], options: () => ({ seed: 1 }) },
  hvp: { args: () => [total], options: () => ({ seed: 1 }) },
  recompute: { args: () => [nn.relu] },
  scope: { args: () => [nn.relu] },
  detach: within('detach', (on) => [x(on)], { takes: takesAny }),
  add: within('add', (on) => [x(on), x(on)]),
  subtract: within('subtract', (on) => [x(on), x(on)]),
  multiply: within('multiply', (on) => [x(on), x(on)]),
  addRows: within('addRows', (on) => [x(on), row(on)]),
  concat: within('concat', (on) => [[x(on), x(on)], 0], { takes: takesAny }),
  slice: within('slice', (on) => [x(on), 0, 1, 2], { takes: takesAny }),
  cast: within('cast', (on) => [x(on), 'f32'], { takes: takesAny }),
  reshape: within('reshape', (on) => [x(on), [3, 2]], { takes: takesAny }),
  map: within('map', (on) => [x(on), 'tanh']),
  relu: within('relu', (on) => [x(on)]),
  gelu: within('gelu', (on) => [x(on)], { options: () => ({ form: 'tanh' }) }),
  softmax: within('softmax', (on) => [x(on)]),
  layerNorm: within('layerNorm', (on) => [{ weight: row(on), bias: row(on) }, x(on)], {
    options: () => ({ eps: 0.1 }),
  }),
  rmsNorm: within('rmsNorm', (on) => [{ weight: row(on) }, x(on)], { options: () => ({ eps: 0.1 }) }),
  attention: within(
    'attention',
    ({ device }) => {
      const layer = (shape: number[]) => ({ weight: Tensor.full(device, shape, 0.5) });
      return [{ qkv: layer([6, 3]), out: layer([3, 2]) }, Tensor.full(device, [1, 2, 3], 2)];
    },
    { options: () => ({ heads: 2, kvHeads: 2 }), says: 'nn.attention|nn.linear' },
  ),
  batchNorm: within(
    'batchNorm',
    (on) => [{ weight: row(on), bias: row(on), mean: row(on), variance: row(on) }, x(on)],
    { options: () => ({ eps: 0.1, momentum: 0.2 }) },
  ),
  conv2d: within(
    'conv2d',
    ({ device }) => [
      { weight: Tensor.from(device, Float64Array.of(1, 2), [2, 1, 1, 1]) },
      Tensor.from(device, Float64Array.of(1, 2, 3, 4), [1, 2, 2, 1]),
    ],
    { options: () => ({ stride: 1 }) },
  ),
  pool2d: within('pool2d', (on) => [Tensor.from(on.device, Float64Array.of(1, 2, 3, 4), [1, 2, 2, 1])], {
    options: () => ({ kind: 'max', size: 2, stride: 1 }),
  }),
  embedding: within('embedding', (on) => [{ weight: x(on) }, labels(on)], { takes: takesAny }),
  dropout: within('dropout', (on) => [x(on)], { options: () => ({ rate: 0.5 }), takes: takesAny }),
  linear: within('linear', (on) => [{ weight: x(on) }, x(on)], { options: () => ({ addend: undefined }) }),
  matmul: within('matmul', (on) => [x(on), x(on)], { options: () => ({ transB: 'transposed' }) }),
  crossEntropy: within('crossEntropy', (on) => [x(on), labels(on)], { options: () => ({ smoothing: 0.1 }) }),
  rope: within('rope', (on) => [Tensor.zeros(on.device, [2, 4])], { options: () => ({ heads: 2 }) }),
  sample: within('sample', (on) => [x(on)], { options: () => ({ seed: 1, position: 2 }) }),
  squaredError: within('squaredError', (on) => [x(on), x(on)]),
  binaryCrossEntropy: within('binaryCrossEntropy', (on) => [x(on), x(on)]),
  sum: within('sum', (on) => [x(on)]),
  mean: within('mean', (on) => [x(on)]),
  weighted: within('weighted', () => [[[2, 'a loss, which is there inside a call alone']]]),
  defineFunction: { args: () => ['mine', () => undefined] },
  init: { args: ({ device }) => [device], options: () => ({ seed: 1 }) },
  mapTensors: { args: (on) => [model(on), (tensor: Tensor) => tensor.copy()], takes: takesAny },
  buffer: { args: (on) => [x(on)], takes: takesAny },
  join: { args: () => [{ n: 1 }, { m: 2 }] },
  parameters: { args: (on) => [model(on)], takes: takesAny },
  named: { args: (on) => [model(on)], takes: takesAny },
  select: { args: (on) => [model(on), '**'], takes: takesAny },
  describe: { args: (on) => [model(on)], takes: takesAny },
  assign: {
    args: (on) => [model(on), { 'layer.w': Tensor.zeros(on.device, [2, 3]) }],
    options: () => ({ map: (name: string) => name }),
    takes: takesAny,
    changes: [0],
  },
  replaceLayers: { args: (on) => [model(on), 'layer', () => ({})], takes: takesAny },
  batches: {
    options: () => ({ count: 5, size: 2, seed: 1 }),
    refused: [{ size: 6 }, { from: { position: 6 } }],
  },
  bilevel: { args: (on) => [total, total, model(on), model(on)], options: () => ({}), takes: takesAny },
  oracle: { args: (on) => [total, model(on), () => []], options: () => ({}), takes: takesAny },
  cosine: { options: () => ({ peak: 1, warmup: 1, steps: 2 }), refused: [{ steps: 0 }, { floor: 2 }] },
  Arena: { args: ({ device }) => [device] },
  Ring: { args: ({ device }) => [device], options: () => ringOptions },
  'Ring.places': { of: ring, args: () => [2] },
  'Ring.reset': { of: ring, args: () => [1] },
  convOrthLoss: { args: (on) => [kernel(on)], options: () => ({ stride: 1, weight: 2 }) },
  convSingularValues: {
    args: (on) => [kernel(on)],
    options: () => ({ size: 4, stride: 2 }),
    refused: [{ size: 5 }, { size: 1, stride: 1 }],
  },
  ConvOrthRegularizer: {
    args: (on) => [{ conv: kernel(on) }],
    options: () => ({ stride: 1, weight: 2, allowInfeasible: true }),
    refused: [{ stride: 3, allowInfeasible: false }],
  },
  'ConvOrthRegularizer.addTo': {
    of: (on) => regularized(on).regularizer,
    args: (on) => [regularized(on).grads],
  },
};

export const calls: Record<string, Call> = Object.fromEntries(
  Object.entries(own).map(([name, call]) => [name, { says: `nn.${name}`, ...call }]),
);
