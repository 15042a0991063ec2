// Functions of orthokit/nn, each with parameters of odd sizes: every test of test/nn/functions takes all of them.
import { type Device, type Dtype, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';

type Params = Record<string, nn.Arg>;

export interface Case {
  readonly name: string;
  /** Shapes of the parameters. */
  readonly params: Readonly<Record<string, readonly number[]>>;
  readonly call: (p: Params, index: Tensor, labels: Tensor) => nn.Value;
  /** A loss: its result is the value itself. */
  readonly isLoss?: boolean;
  /** A loss of linear functions, so that the Gauss–Newton matrix is the second derivative. */
  readonly hasCurvature?: boolean;
  /** All parameters are positive. */
  readonly isPositive?: boolean;
  /** Functions that stand outside of jvp. */
  readonly hasNoTangent?: boolean;
  readonly options?: nn.CallOptions;
}

/** Indices below this. */
export const rows = 5;
/** So many of them. */
export const count = 7;
/** Labels of which some do not count. */
export const labels = Int32Array.of(0, -1, 0, 0, -1, -1, 0);

/** x², by a function as users write it. */
const square = nn.defineFunction('square', (frame, x: nn.Arg) => {
  const { device } = frame;
  const input = frame.tensor(x);
  const out = frame.buffer(x.shape, x.dtype);
  const twice = (along: Tensor, to: Tensor) => {
    const slope = frame.scratch(x.shape, x.dtype);
    ops.linearCombination(device, { out: [slope], terms: [input], coefficients: [2] });
    ops.multiply(device, { x: [along], y: [slope], out: [to] });
  };
  ops.multiply(device, { x: [input], y: [input], out: [out] });
  return {
    out,
    inputs: [x],
    backward: (grad, to) => to.set(x, (dx) => twice(grad, dx)),
    tangent: (d, dout) => twice(d(x)!, dout),
  };
});

/** Numbers in [0, 1), the same in each call and dtype: of 7 bits. */
const fractions = nn.defineFunction('fractions', (frame, like: nn.Arg) => {
  const { shape, dtype } = like;
  const out = frame.constant(`${shape} ${dtype}`, (device) => {
    const { size } = frame.tensor(like);
    const values = Float64Array.from({ length: size }, (_, i) => ((37 * i + 5) % 128) / 128);
    return Tensor.from(device, values, shape, { dtype: 'f64' }).cast(dtype);
  });
  return { out, inputs: [], backward: () => {} };
});

const weights = new Map<string, Tensor>();
/** Weights of n classes, made once a device and dtype. */
function weightsOf({ device }: Tensor, n: number, dtype: Dtype): Tensor {
  const key = `${device.kind} ${n} ${dtype}`;
  const known = weights.get(key);
  if (known && !known.disposed && known.device === device) return known;
  const values = Float64Array.from({ length: n }, (_, i) => 0.5 + (i % 3));
  const made = Tensor.from(device, values, [n], { dtype: 'f64' }).cast(dtype);
  weights.set(key, made);
  return made;
}

/** x, whose neighbouring pixels are moved apart: their order is the same for all parameters near these. */
const apart = nn.defineFunction('apart', (frame, x: nn.Arg) => {
  const out = frame.buffer(x.shape, x.dtype);
  const steps = frame.constant(`${x.shape} ${x.dtype}`, (device) => {
    const { size } = frame.tensor(x);
    const channels = x.shape.at(-1)!;
    const values = Float64Array.from({ length: size }, (_, i) => ((Math.floor(i / channels) * 4) % 9) * 10);
    return Tensor.from(device, values, x.shape, { dtype: 'f64' }).cast(x.dtype);
  });
  ops.linearCombination(frame.device, { out: [out], terms: [frame.tensor(x), steps], coefficients: [1, 1] });
  return {
    out,
    inputs: [x],
    backward: (grad, to) => to.pass(x, grad),
    tangent: (d, dout) => ops.copy(frame.device, { x: [d(x)!], out: [dout] }),
  };
});

const moments = new WeakMap<Device, Map<string, Tensor[]>>();
/** With running moments that are made once. */
function normalized(x: nn.Arg, weight: nn.Arg, bias: nn.Arg): nn.Value {
  const { device, dtype, size } = 'tensor' in weight ? weight.tensor : weight;
  const known = moments.get(device) ?? new Map<string, Tensor[]>();
  moments.set(device, known);
  const key = `${dtype} ${size}`;
  if (!known.has(key))
    known.set(
      key,
      [0, 1].map((value) => nn.buffer(Tensor.full(device, [size], value, { dtype: dtype === 'f64' ? dtype : 'f32' }))),
    );
  const [mean, variance] = known.get(key)!;
  return nn.batchNorm({ weight, bias, mean: mean!, variance: variance! }, x, { eps: 0.1 });
}

export const cases = (n: number): readonly Case[] => {
  const x = [3, n];
  const both = { x, y: x };
  return [
    { name: 'add', params: both, call: ({ x, y }) => nn.add(x!, y!) },
    { name: 'add, the same twice', params: { x }, call: ({ x }) => nn.add(x!, x!) },
    { name: 'subtract', params: both, call: ({ x, y }) => nn.subtract(x!, y!) },
    { name: 'subtract, the same twice', params: { x }, call: ({ x }) => nn.subtract(nn.relu(x!), x!) },
    { name: 'multiply', params: both, call: ({ x, y }) => nn.multiply(x!, y!) },
    { name: 'multiply, the same twice', params: { x }, call: ({ x }) => nn.multiply(x!, x!) },
    { name: 'addRows', params: { x: [2, 3, n], r: [3, n] }, call: ({ x, r }) => nn.addRows(x!, r!) },
    { name: 'addRows of vectors', params: { x, r: [n] }, call: ({ x, r }) => nn.addRows(x!, r!) },
    { name: 'gelu', params: { x }, call: ({ x }) => nn.gelu(x!) },
    { name: 'gelu, tanh', params: { x }, call: ({ x }) => nn.gelu(x!, { form: 'tanh' }) },
    ...(['relu', 'tanh', 'sigmoid', 'silu', 'softplus', 'exp'] as const).map((word) => ({
      name: `map ${word}`,
      params: { x },
      call: ({ x }: Params) => nn.map(x!, word),
    })),
    { name: 'map log', params: { x }, call: ({ x }) => nn.map(x!, 'log'), isPositive: true },
    { name: 'softmax', params: { x: [2, 3, n] }, call: ({ x }) => nn.softmax(x!) },
    { name: 'softmax, added', params: { x }, call: ({ x }) => nn.multiply(nn.softmax(x!), nn.gelu(x!)) },
    { name: 'rope', params: { x: [2, 3, 2 * n] }, call: ({ x }) => nn.rope(x!, { heads: 1, offset: 5 }) },
    {
      name: 'rope of neighbours',
      params: { x: [2, 3, 4 * n] },
      call: ({ x }) => nn.rope(x!, { heads: 2, layout: 'interleaved', base: 100 }),
    },
    {
      name: 'layerNorm',
      params: { x: [2, 3, n], weight: [n], bias: [n] },
      call: ({ x, weight, bias }) => nn.layerNorm({ weight: weight!, bias: bias! }, x!),
    },
    {
      name: 'layerNorm without bias',
      params: { x, weight: [n] },
      call: ({ x, weight }) => nn.layerNorm({ weight: weight! }, x!, { eps: 0.1 }),
    },
    {
      name: 'rmsNorm',
      params: { x: [2, 3, n], weight: [n] },
      call: ({ x, weight }) => nn.rmsNorm({ weight: weight! }, x!),
    },
    {
      name: 'rmsNorm of a vector by itself',
      params: { x: [n] },
      call: ({ x }) => nn.rmsNorm({ weight: x! }, x!, { eps: 0.1 }),
    },
    {
      name: 'rmsNorm, the same twice',
      params: { x, weight: [n] },
      call: ({ x, weight }) => {
        const y = nn.rmsNorm({ weight: weight! }, x!, { eps: 0.1 });
        return nn.rmsNorm({ weight: weight! }, nn.add(x!, y), { eps: 0.1 });
      },
    },
    {
      name: 'batchNorm',
      params: { x: [2, 3, n], weight: [n], bias: [n] },
      call: ({ x, weight, bias }) => normalized(x!, weight!, bias!),
    },
    {
      name: 'batchNorm, the same twice',
      params: { x: [n, 2, 3], weight: [3], bias: [3] },
      call: ({ x, weight, bias }) => normalized(nn.add(x!, normalized(x!, weight!, bias!)), weight!, bias!),
    },
    ...(['max', 'average'] as const).map((kind) => ({
      name: `pool2d ${kind}`,
      params: { x: [2, 5, 3, n] },
      call: ({ x }: Params) => {
        const y = apart(x!);
        return nn.add(nn.pool2d(y, { kind, size: 2, stride: 1 }), nn.pool2d(y, { kind, size: 2, stride: 1 }));
      },
    })),
    {
      name: 'pool2d by its size',
      params: { x: [n, 4, 4, 2] },
      call: ({ x }) => nn.pool2d(nn.pool2d(apart(x!), { kind: 'max', size: 2 }), { kind: 'average', size: 2 }),
    },
    {
      name: 'linear',
      params: { x: [2, 3, n], weight: [4, n], bias: [4] },
      call: ({ x, weight, bias }) => nn.linear({ weight: weight!, bias: bias! }, x!),
    },
    {
      name: 'linear with an addend',
      params: { x: [2, 3, n], weight: [4, n], bias: [4], y: [2, 3, 4] },
      call: ({ x, weight, bias, y }) => nn.linear({ weight: weight!, bias: bias! }, x!, { addend: y! }),
    },
    {
      name: 'linear that is added to its input',
      params: { x: [2, 3, n], weight: [n, n], a: [2, n], b: [n, 2] },
      call: ({ x, weight, a, b }) => {
        const y = nn.gelu(x!);
        return nn.linear({ weight: weight!, lora: { a: a!, b: b!, scale: 0.5 } }, y, { addend: y });
      },
    },
    {
      name: 'linear with an adapter',
      params: { x, weight: [4, n], a: [2, n], b: [4, 2] },
      call: ({ x, weight, a, b }) => nn.linear({ weight: weight!, lora: { a: a!, b: b!, scale: 0.5 } }, x!),
    },
    {
      name: 'conv2d',
      params: { x: [3, 4, 5, n], weight: [4, 3, 3, n], bias: [4] },
      call: ({ x, weight, bias }) => nn.conv2d({ weight: weight!, bias: bias! }, x!, { padding: 'same' }),
    },
    {
      name: 'conv2d in groups, at stride 2',
      params: { x: [3, 5, 6, 4], weight: [6, 2, 3, 2] },
      call: ({ x, weight }) => nn.conv2d({ weight: weight! }, x!, { stride: 2, padding: 1, dilation: 2, groups: 2 }),
    },
    {
      name: 'conv2d, of itself',
      params: { x: [3, 3, 3, n] },
      call: ({ x }) => nn.conv2d({ weight: x! }, x!),
    },
    ...(['none', 'transposed'] as const).flatMap((transA) =>
      (['none', 'transposed'] as const).map((transB) => ({
        name: `matmul ${transA} ${transB}`,
        params: {
          a: transA === 'none' ? [2, 3, n] : [2, n, 3],
          b: transB === 'none' ? [2, n, 4] : [2, 4, n],
        },
        call: ({ a, b }: Params) => nn.matmul(a!, b!, { transA, transB, alpha: 0.5 }),
      })),
    ),
    {
      name: 'attention',
      params: { x: [2, 3, n], qkv: [12, n], bias: [12], out: [n, 4] },
      call: ({ x, qkv, bias, out }) =>
        nn.attention({ qkv: { weight: qkv!, bias: bias! }, out: { weight: out! } }, nn.softmax(x!), { heads: 2 }),
    },
    {
      name: 'attention that is added to its input',
      params: { x: [2, 3, 4], qkv: [12, 4], out: [4, 4] },
      call: ({ x, qkv, out }) =>
        nn.attention({ qkv: { weight: qkv! }, out: { weight: out! } }, nn.softmax(x!), { heads: 2, addend: x! }),
    },
    {
      name: 'attention of turned heads',
      params: { x: [2, 3, n], qkv: [16, n], out: [2, 8] },
      call: ({ x, qkv, out }) =>
        nn.attention({ qkv: { weight: qkv! }, out: { weight: out! } }, nn.softmax(x!), {
          heads: 2,
          kvHeads: 1,
          rope: { base: 50, layout: 'interleaved' },
        }),
    },
    {
      name: 'attention of grouped heads to the places that count',
      params: { x: [count, 3, n], qkv: [8, n], out: [3, 4] },
      call: ({ x, qkv, out }, lengths) =>
        nn.attention({ qkv: { weight: qkv! }, out: { weight: out! } }, nn.softmax(x!), {
          heads: 2,
          kvHeads: 1,
          causal: false,
          lengths,
        }),
    },
    {
      name: 'embedding',
      params: { weight: [rows, n] },
      call: ({ weight }, index) => nn.embedding({ weight: weight! }, index),
    },
    ...[0, 1, -1].map((axis) => ({
      name: `concat and slice on axis ${axis}`,
      params: { x: [2, 3, n], y: [2, 3, n] },
      call: ({ x, y }: Params) => {
        const all = nn.concat([x!, y!, nn.relu(x!)], axis);
        const size = all.shape.at(axis)!;
        return nn.concat([nn.slice(all, axis, size - 2, size), all, nn.slice(all, axis, 1, 2)], axis);
      },
    })),
    {
      name: 'slice, the same twice',
      params: { x },
      call: ({ x }) => nn.add(nn.slice(x!, 0, 1, 3), nn.slice(x!, 0, 0, 2)),
    },
    { name: 'reshape', params: { x }, call: ({ x }) => nn.gelu(nn.reshape(x!, [n, 3])) },
    { name: 'cast', params: { x }, call: ({ x }) => nn.cast(nn.cast(x!, 'f64'), x!.dtype) },
    { name: 'defineFunction', params: { x }, call: ({ x }) => nn.add(square(x!), square(nn.gelu(x!))) },
    { name: 'detach', params: both, call: ({ x, y }) => nn.multiply(x!, nn.detach(nn.gelu(y!))) },
    { name: 'dropout', params: { x }, call: ({ x }) => nn.dropout(x!, { rate: 0.4 }), options: { seed: 3 } },
    {
      name: 'recompute',
      params: { x, down: [2, n], up: [n, 2] },
      call: ({ x, down, up }) => {
        const block = nn.recompute((layers: Params, y: nn.Arg) => {
          const narrow = nn.gelu(nn.linear({ weight: layers['down']! }, y));
          return nn.dropout(nn.linear({ weight: layers['up']! }, narrow), { rate: 0.3 });
        });
        return nn.add(x!, block({ down: down!, up: up! }, nn.relu(x!)));
      },
      hasNoTangent: true,
      options: { seed: 3 },
    },
    {
      name: 'crossEntropy',
      params: { x: [count, n] },
      call: ({ x }, index) => nn.crossEntropy(x!, index),
      isLoss: true,
      hasCurvature: true,
    },
    {
      name: 'crossEntropy with rows that do not count',
      params: { x: [count, n] },
      call: ({ x }, _, labels) => nn.crossEntropy(nn.add(x!, x!), labels),
      isLoss: true,
      hasCurvature: true,
    },
    {
      name: 'crossEntropy, smoothed and weighted',
      params: { x: [count, n] },
      call: ({ x }, _, labels) =>
        nn.crossEntropy(nn.add(x!, x!), labels, { over: 3, smoothing: 0.1, weights: weightsOf(labels, n, x!.dtype) }),
      isLoss: true,
      hasCurvature: true,
    },
    {
      name: 'squaredError',
      params: both,
      call: ({ x, y }) => nn.squaredError(x!, y!),
      isLoss: true,
      hasCurvature: true,
    },
    {
      name: 'squaredError of a target and a parameter',
      params: { x: [count] },
      call: ({ x }, _, labels) => nn.squaredError(nn.cast(labels, x!.dtype), x!),
      isLoss: true,
      hasCurvature: true,
    },
    {
      name: 'squaredError of a parameter and its image',
      params: { x },
      call: ({ x }) => nn.squaredError(nn.add(nn.add(x!, x!), x!), x!),
      isLoss: true,
      hasCurvature: true,
    },
    {
      name: 'binaryCrossEntropy',
      params: { x },
      call: ({ x }) => nn.binaryCrossEntropy(x!, fractions(x!).tensor),
      isLoss: true,
      hasCurvature: true,
    },
    { name: 'sum', params: { x }, call: ({ x }) => nn.sum(nn.multiply(x!, x!)), isLoss: true },
    { name: 'mean', params: { x }, call: ({ x }) => nn.mean(nn.multiply(x!, x!)), isLoss: true },
    {
      name: 'weighted',
      params: both,
      call: ({ x, y }) => {
        const first = nn.squaredError(x!, y!);
        return nn.weighted([
          [0.5, first],
          [2, nn.sum(nn.gelu(x!))],
          [-1, first],
        ]);
      },
      isLoss: true,
    },
  ];
};
