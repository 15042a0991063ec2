// Devices: cpu, cuda
// Ways back of networks set their result, or add it to what is there; tensors of 16 bits have the result in f32, rounded.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { expectLikeReference } from '../support/reference.ts';
import { sameBits } from '../support/same-bits.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

type Fields = Record<string, unknown>;
interface Case {
  readonly op: keyof typeof ops;
  readonly inputs: (make: (seed: number, shape: readonly number[]) => Tensor, device: Device) => Fields;
  /** Shapes of results, and the field that says whether each is added. */
  readonly results: Readonly<Record<string, readonly [shape: readonly number[], beta: string]>>;
}

const [rows, columns] = [31, 43];
const shape = [rows, columns];
const labels = (device: Device) =>
  tensorOf(
    device,
    Array.from({ length: rows }, (_, i) => (i % 7) - 1),
    [rows],
    'i32',
  );
const cases: readonly Case[] = [
  {
    op: 'reluBackward',
    inputs: (make) => ({ grad: make(1, shape), x: make(2, shape) }),
    results: { out: [shape, 'beta'] },
  },
  {
    op: 'geluBackward',
    inputs: (make) => ({ grad: make(1, shape), x: make(2, shape) }),
    results: { out: [shape, 'beta'] },
  },
  {
    op: 'geluBackward',
    inputs: (make) => ({ grad: make(1, shape), x: make(2, shape), form: 'tanh' }),
    results: { out: [shape, 'beta'] },
  },
  {
    op: 'rowSoftmaxBackward',
    inputs: (make) => ({ grad: make(1, shape), y: make(2, shape) }),
    results: { out: [shape, 'beta'] },
  },
  {
    op: 'layerNormBackward',
    inputs: (make) => ({ grad: make(1, shape), x: make(2, shape), weight: make(3, [columns]) }),
    results: {
      gradX: [shape, 'betaX'],
      gradWeight: [[columns], 'betaWeight'],
      gradBias: [[columns], 'betaBias'],
    },
  },
  {
    op: 'softmaxCrossEntropyBackward',
    inputs: (make, device) => ({ logits: make(1, shape), labels: labels(device) }),
    results: { grad: [shape, 'beta'] },
  },
  {
    op: 'softmaxCrossEntropyBackward',
    inputs: (make, device) => ({ logits: make(1, shape), labels: labels(device), direction: make(2, shape) }),
    results: { grad: [shape, 'beta'] },
  },
  {
    op: 'scatterRows',
    inputs: (make, device) => ({ index: labels(device), x: make(1, shape) }),
    results: { out: [[9, columns], 'beta'] },
  },
];
const named = cases.map((one, i) => [`${one.op} (${i})`, one] as const);
const run = (device: Device, op: keyof typeof ops, fields: Fields) =>
  (ops[op] as unknown as (on: Device, all: Fields) => void)(device, fields);

describe.each(devices)('results that are added on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const fieldsOf = (one: Case, on: Device, dtype: Dtype, beta: 0 | 1) => {
    const make = (seed: number, own: readonly number[]) =>
      tensorOf(
        on,
        normal(
          own.reduce((a, b) => a * b, 1),
          seed,
        ),
        own,
        dtype as 'f32',
      );
    const fields: Fields = one.inputs(make, on);
    for (const [i, [name, [own, field]]] of Object.entries(one.results).entries()) {
      fields[name] = beta === 0 ? Tensor.full(on, own, NaN, { dtype }) : make(10 + i, own);
      fields[field] = beta;
    }
    return fields;
  };

  it.each(named)('%s: the result, rounded, plus what was there', async (_, one) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const [set, added, before] = [0, 1, 1].map((beta) => fieldsOf(one, device, dtype, beta as 0 | 1));
      run(device, one.op, set!);
      run(device, one.op, added!);
      for (const name of Object.keys(one.results)) {
        const [result, old] = [set![name] as Tensor, before![name] as Tensor];
        // Rows that are scattered are added to out's own in f64, and rounded once; the gradient of a loss that is set may
        // keep its exponentials in its result.
        if (one.op === 'scatterRows' || one.op === 'softmaxCrossEntropyBackward') continue;
        const sum = Tensor.zeros(device, result.shape, { dtype });
        ops.linearCombination(device, { out: [sum], terms: [result, old], coefficients: [1, 1] });
        expect(sameBits(await (added![name] as Tensor).read(), await sum.read()), name).toBe(true);
      }
    }
  });

  it.each(named)('%s: agrees with the reference in every dtype', async (_, one) => {
    for (const dtype of ['f32', 'f64', 'f16', 'bf16'] as const)
      for (const beta of [0, 1] as const)
        await expectLikeReference(one.op, device, (on) => fieldsOf(one, on, dtype, beta) as never, {
          ulps: dtype === 'f64' ? 64 : 8,
          of: 'largest',
        } as never);
  });

  it('scatterRows sets all other rows to 0 where beta is 0', async () => {
    const out = Tensor.full(device, [4, 2], NaN);
    const index = tensorOf(device, [2, -1, 2], [3], 'i32');
    ops.scatterRows(device, { out, index, x: tensorOf(device, [1, 2, 3, 4, 5, 6], [3, 2]), beta: 0 });
    expect([...(await valuesOf(out))]).toEqual([0, 0, 0, 0, 6, 8, 0, 0]);
    ops.scatterRows(device, { out, index: tensorOf(device, [], [0], 'i32'), x: Tensor.zeros(device, [0, 2]), beta: 0 });
    expect([...(await valuesOf(out))]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe.each(onlyCpu)('results that are added', () => {
  it.each(named)('%s: refuses another beta', async (_, one) => {
    const device = Device.open('cpu');
    const make = (_: number, own: readonly number[]) => Tensor.zeros(device, own);
    for (const [, field] of Object.values(one.results)) {
      const fields = one.inputs(make, device);
      for (const [name, [own]] of Object.entries(one.results)) fields[name] = Tensor.zeros(device, own);
      expect(thrownBy(() => run(device, one.op, { ...fields, [field]: 0.5 }))).toEqual({
        code: 'ERR_ARGUMENT',
        message: `${one.op}: ${field} must be 0 or 1, got 0.5`,
      });
    }
    const scattered = { out: Tensor.zeros(device, [4, 2]), index: labels(device), x: Tensor.zeros(device, [rows, 2]) };
    expect(thrownBy(() => ops.scatterRows(device, { ...scattered, mode: 'set', beta: 0 }))).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'scatterRows: beta must be 1 where rows are set, got 0',
    });
    await device.close();
  });
});
