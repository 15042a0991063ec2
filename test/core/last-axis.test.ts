// Devices: cpu, cuda
// Operations of rows take tensors of any rank: the last axis is the row, and what they do has the bits of the matrix.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../lib/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';

type Shape = readonly number[];
/** Shapes by the axes before the row: [2, 3] as they are, [6] in a line. */
type Shapes = (axes: Shape) => Readonly<Record<string, Shape>>;
interface Case {
  readonly op: keyof typeof ops;
  readonly inputs: Shapes;
  readonly outputs: Shapes;
  readonly integers?: Readonly<Record<string, number>>;
  readonly results?: Readonly<Record<string, Dtype>>;
  readonly options?: object;
}

const n = 7;
const cases: readonly Case[] = [
  { op: 'rowSoftmax', inputs: (a) => ({ x: [...a, n] }), outputs: (a) => ({ out: [...a, n] }) },
  {
    op: 'rowSoftmaxBackward',
    inputs: (a) => ({ grad: [...a, n], y: [...a, n] }),
    outputs: (a) => ({ out: [...a, n] }),
  },
  { op: 'rowLogsumexp', inputs: (a) => ({ x: [...a, n] }), outputs: (a) => ({ out: a }) },
  { op: 'rowLogsumexpBackward', inputs: (a) => ({ grad: a, x: [...a, n] }), outputs: (a) => ({ out: [...a, n] }) },
  { op: 'projectRows', inputs: (a) => ({ x: [...a, n] }), outputs: (a) => ({ out: [...a, n] }) },
  { op: 'rowReduce', inputs: (a) => ({ x: [...a, n] }), outputs: (a) => ({ out: a }) },
  {
    op: 'layerNorm',
    inputs: (a) => ({ x: [...a, n], weight: [n], bias: [n] }),
    outputs: (a) => ({ out: [...a, n] }),
  },
  {
    op: 'layerNormBackward',
    inputs: (a) => ({ grad: [...a, n], x: [...a, n], weight: [n] }),
    outputs: (a) => ({ gradX: [...a, n], gradWeight: [n], gradBias: [n] }),
  },
  {
    op: 'softmaxCrossEntropy',
    inputs: (a) => ({ logits: [...a, n], labels: a }),
    outputs: () => ({ loss: [1], correct: [1] }),
    integers: { labels: n },
    results: { loss: 'f64', correct: 'i32' },
  },
  {
    op: 'softmaxCrossEntropyBackward',
    inputs: (a) => ({ logits: [...a, n], labels: a }),
    outputs: (a) => ({ grad: [...a, n] }),
    integers: { labels: n },
  },
  { op: 'addBias', inputs: (a) => ({ x: [...a, n], bias: [n] }), outputs: (a) => ({ out: [...a, n] }) },
  { op: 'columnSum', inputs: (a) => ({ x: [...a, n] }), outputs: () => ({ out: [n] }) },
  {
    op: 'gatherRows',
    inputs: (a) => ({ x: [5, n], index: a }),
    outputs: (a) => ({ out: [...a, n] }),
    integers: { index: 5 },
  },
  {
    op: 'scatterRows',
    inputs: (a) => ({ index: a, x: [...a, n] }),
    outputs: () => ({ out: [5, n] }),
    integers: { index: 5 },
  },
];

describe.each(devices)('operations of rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const run = async ({ op, inputs, outputs, integers, results, options }: Case, axes: Shape) => {
    const fields: Record<string, Tensor> = {};
    for (const [i, [name, shape]] of Object.entries(inputs(axes)).entries()) {
      const below = integers?.[name];
      const values = normal(sizeOf(shape), i + 1);
      fields[name] =
        below === undefined
          ? Tensor.from(device, Float32Array.from(values), shape)
          : Tensor.from(
              device,
              Int32Array.from(values, (x) => Math.abs(Math.floor(x * 100)) % below),
              shape,
            );
    }
    const outs = Object.entries(outputs(axes)).map(
      ([name, shape]) => [name, Tensor.full(device, shape, 1, { dtype: results?.[name] ?? 'f32' })] as const,
    );
    const call = ops[op] as unknown as (on: Device, all: object) => void;
    call(device, { ...fields, ...Object.fromEntries(outs), ...options });
    return Promise.all(outs.map(([, tensor]) => tensor.read()));
  };

  it.each(cases.map((one) => [one.op, one] as const))('%s takes any rank', async (_, one) => {
    expect(await run(one, [2, 3])).toEqual(await run(one, [6]));
    expect(await run(one, [2, 1, 3])).toEqual(await run(one, [6]));
  });

  it.each(cases.map((one) => [one.op, one] as const))('%s takes one row without other axes', async (_, one) => {
    const [row, matrix] = [await run(one, []), await run(one, [1])];
    expect(row).toEqual(matrix);
  });

  it('addBias and columnSum take rows of several axes', async () => {
    const x = Tensor.from(device, Float32Array.from(normal(2 * 3 * n, 1)), [2, 3, n]);
    const bias = Tensor.from(device, Float32Array.from(normal(3 * n, 2)), [3, n]);
    const [sum, flat] = [Tensor.zeros(device, [2, 3, n]), Tensor.zeros(device, [2, 3 * n])];
    ops.addBias(device, { x, bias, out: sum });
    ops.addBias(device, { x: x.reshape([2, 3 * n]), bias: bias.reshape([3 * n]), out: flat });
    expect(await sum.read()).toEqual(await flat.read());
    const [total, line] = [Tensor.zeros(device, [3, n]), Tensor.zeros(device, [3 * n])];
    ops.columnSum(device, { x, out: total });
    ops.columnSum(device, { x: x.reshape([2, 3 * n]), out: line });
    expect(await total.read()).toEqual(await line.read());
  });

  it('columnReduce takes each matrix of a batch', async () => {
    const x = Tensor.from(device, Float32Array.from(normal(2 * 3 * 5 * n, 1)), [2, 3, 5, n]);
    const out = Tensor.full(device, [2, 3, n], NaN);
    for (const reduction of ['sum', 'mean', 'max', 'sum_of_squares', 'norm'] as const) {
      ops.columnReduce(device, { x, out, reduction });
      const all = await out.read();
      for (let b = 0; b < 6; ++b) {
        const alone = Tensor.full(device, [n], NaN);
        ops.columnReduce(device, {
          x: x
            .reshape([6, 5, n])
            .rows(b, b + 1)
            .reshape([5, n]),
          out: alone,
          reduction,
        });
        expect(all.subarray(b * n, (b + 1) * n)).toEqual(await alone.read());
      }
    }
  });
});
