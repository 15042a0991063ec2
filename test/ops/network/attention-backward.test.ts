// Devices: cpu, cuda
// Source: formula "agrees with central differences of attention"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { type Floating, floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference, referenceDevice } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

interface Shape {
  batch: number;
  queries: number;
  keys?: number;
  heads: number;
  kvHeads?: number;
  size: number;
  lengths?: readonly number[];
  mask?: 'causal' | 'none';
  beta?: number;
}

/** Operands, and what attention gives of them: packed where queries and keys are as many. */
function operandsOf(on: Device, s: Shape, dtype: Floating) {
  const { batch, queries, heads, size, mask } = s;
  const kvHeads = s.kvHeads ?? heads;
  const draw = (seed: number, shape: number[]) => tensorOf(on, normal(sizeOf(shape), seed), shape, dtype);
  const operands =
    s.keys === undefined
      ? { qkv: draw(1, [batch, queries, (heads + 2 * kvHeads) * size]) }
      : { q: draw(1, [batch, queries, heads * size]), kv: draw(2, [batch, s.keys, 2 * kvHeads * size]) };
  const all = {
    ...operands,
    lengths: s.lengths && tensorOf(on, s.lengths, [batch], 'i32'),
    out: Tensor.zeros(on, [batch, queries, heads * size], { dtype }),
    logSums: Tensor.zeros(on, [batch, heads, queries], { dtype: dtype === 'f64' ? 'f64' : 'f32' }),
    heads,
    kvHeads,
    mask,
  };
  ops.attention(on, all);
  return all;
}

/** The same with gradients. */
function fieldsOf(on: Device, s: Shape, dtype: Floating) {
  const all = operandsOf(on, s, dtype);
  const draw = (seed: number, shape: readonly number[]) => tensorOf(on, normal(sizeOf(shape), seed), shape, dtype);
  const like = (x: Tensor) => (s.beta ? draw(3, x.shape) : Tensor.full(on, x.shape, NaN, { dtype }));
  const gradients = 'qkv' in all ? { gradQkv: like(all.qkv!) } : { gradQ: like(all.q!), gradKv: like(all.kv!) };
  return { ...all, ...gradients, grad: draw(4, all.out.shape), beta: s.beta };
}

const shapes: Record<string, Shape> = {
  'one query, one key, one element': { batch: 1, queries: 1, heads: 1, size: 1 },
  'a tile and a place': { batch: 2, queries: 65, heads: 2, size: 16, beta: 1 },
  'heads of an odd size': { batch: 1, queries: 33, heads: 3, size: 7 },
  'long heads': { batch: 1, queries: 20, heads: 1, size: 129 },
  'all keys': { batch: 1, queries: 70, heads: 2, size: 8, mask: 'none', beta: 1 },
  'keys that count': { batch: 4, queries: 67, heads: 1, size: 4, lengths: [0, 1, 65, 100], beta: 1 },
  'keys that count, all seen': { batch: 3, queries: 66, heads: 2, size: 4, lengths: [64, -3, 5], mask: 'none' },
  'grouped heads': { batch: 2, queries: 18, heads: 6, kvHeads: 2, size: 5 },
  'the last queries of many keys': { batch: 2, queries: 3, keys: 130, heads: 2, size: 8, beta: 1 },
  'more queries than keys': { batch: 1, queries: 80, keys: 9, heads: 2, size: 8 },
  'more queries than keys, all seen': { batch: 1, queries: 5, keys: 2, heads: 1, size: 3, mask: 'none' },
  'no keys': { batch: 2, queries: 3, keys: 0, heads: 1, size: 2 },
};

describe.each(devices)('attentionBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(Object.entries(shapes))('of %s', (_, shape) => {
    it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
      const { out, logSums } = operandsOf(referenceDevice(), shape, dtype);
      const given = [await out.read(), await logSums.read()];
      const fields = (on: Device) => {
        const all = fieldsOf(on, shape, dtype);
        [all.out, all.logSums].forEach((x, i) => {
          x.write(given[i]!);
        });
        return all;
      };
      await expectLikeReference('attentionBackward', device, fields, {
        ulps: dtype === 'f64' ? 64 : 32,
        of: 'largest',
      });
    });
  });

  it('agrees with central differences of attention', async () => {
    const [batch, queries, width] = [2, 5, 12];
    const qkv = normal(batch * queries * width, 1);
    const grad = normal(batch * queries * 6, 2);
    const lengths = tensorOf(device, [5, 3], [2], 'i32');
    const run = (values: ArrayLike<number>) => {
      const common = {
        qkv: tensorOf(device, values, [batch, queries, width], 'f64'),
        lengths,
        out: Tensor.zeros(device, [batch, queries, 6], { dtype: 'f64' }),
        logSums: Tensor.zeros(device, [batch, 2, queries], { dtype: 'f64' }),
        heads: 2,
        kvHeads: 1,
      };
      ops.attention(device, common);
      return common;
    };
    const common = run(qkv);
    const gradQkv = Tensor.zeros(device, [batch, queries, width], { dtype: 'f64' });
    ops.attentionBackward(device, { ...common, grad: tensorOf(device, grad, [batch, queries, 6], 'f64'), gradQkv });
    const gradient = await valuesOf(gradQkv);
    for (let i = 0; i < qkv.length; i++) {
      const along = async (step: number) => {
        const out = await valuesOf(run(qkv.with(i, qkv[i]! + step)).out);
        return out.reduce((sum, y, k) => sum + y * grad[k]!, 0);
      };
      expect(gradient[i]).toBeCloseTo(((await along(1e-5)) - (await along(-1e-5))) / 2e-5, 8);
    }
  });

  it('gives 0 to queries that see no key and to keys that nobody sees, whatever their numbers are', async () => {
    const [q, kv] = [tensorOf(device, [NaN, 1, 2], [1, 3, 1]), tensorOf(device, [1, 2, 3, 4], [1, 2, 2])];
    const out = Tensor.zeros(device, [1, 3, 1]);
    const logSums = Tensor.zeros(device, [1, 1, 3]);
    ops.attention(device, { q, kv, out, logSums });
    const [gradQ, gradKv] = [Tensor.full(device, [1, 3, 1], NaN), Tensor.full(device, [1, 2, 2], NaN)];
    const grad = tensorOf(device, [NaN, 1, 1], [1, 3, 1]);
    ops.attentionBackward(device, { grad, q, kv, out, logSums, gradQ, gradKv });
    expect((await gradQ.read())[0]).toBe(0);
    expect((await gradKv.read()).every(Number.isFinite)).toBe(true);
    const lengths = tensorOf(device, [1], [1], 'i32');
    ops.attention(device, { q, kv, lengths, out, logSums });
    ops.attentionBackward(device, { grad, q, kv, lengths, out, logSums, gradKv });
    // One key counts: its weight is 1 for the two queries that see it, so that its score has no slope.
    expect(await gradKv.read()).toEqual(Float32Array.of(0, 2, 0, 0));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3, 10]),
  qkv: Tensor.zeros(device, [2, 3, 20]),
  out: Tensor.zeros(device, [2, 3, 10]),
  logSums: Tensor.zeros(device, [2, 2, 3]),
  gradQkv: Tensor.zeros(device, [2, 3, 20]),
  heads: 2,
  kvHeads: 1,
});
const separate = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3, 10]),
  q: Tensor.zeros(device, [2, 3, 10]),
  kv: Tensor.zeros(device, [2, 4, 10]),
  out: Tensor.zeros(device, [2, 3, 10]),
  logSums: Tensor.zeros(device, [2, 2, 3]),
  gradQ: Tensor.zeros(device, [2, 3, 10]),
  gradKv: Tensor.zeros(device, [2, 4, 10]),
  heads: 2,
  kvHeads: 1,
});
describe.each(onlyCpu)('attentionBackward', () => {
  describe('of a packed tensor', () => {
    refusesWrongFields('attentionBackward', valid, ['qkv', 'gradQkv']);
    refuses('attentionBackward', valid, (device) => {
      const f64 = Tensor.zeros(device, [2, 3, 20], { dtype: 'f64' });
      const some = Tensor.zeros(device, [2, 3, 10]);
      return [
        [{ qkv: undefined, gradQkv: undefined }, 'ERR_ARGUMENT', 'attentionBackward: qkv is missing, or q and kv are'],
        [{ gradQkv: undefined }, 'ERR_ARGUMENT', 'attentionBackward: gradQkv is missing'],
        [
          { gradQ: some },
          'ERR_ARGUMENT',
          'attentionBackward: gradQ must be left out where qkv is given, got f32[2, 3, 10]',
        ],
        [
          { gradKv: some },
          'ERR_ARGUMENT',
          'attentionBackward: gradKv must be left out where qkv is given, got f32[2, 3, 10]',
        ],
        [
          { grad: Tensor.zeros(device, [2, 3, 10], { dtype: 'f64' }) },
          'ERR_DTYPE',
          'attentionBackward: grad must have the dtype of the queries, got f64[2, 3, 10]',
        ],
        [
          { grad: Tensor.zeros(device, [2, 4, 10]) },
          'ERR_SHAPE',
          'attentionBackward: grad must be [batch, places, heads size], got f32[2, 4, 10]',
        ],
        [
          { out: Tensor.zeros(device, [2, 3, 10], { dtype: 'f64' }) },
          'ERR_DTYPE',
          'attentionBackward: out must have the dtype of the queries, got f64[2, 3, 10]',
        ],
        [{ gradQkv: f64 }, 'ERR_DTYPE', "attentionBackward: gradQkv must have qkv's dtype, got f64[2, 3, 20]"],
        [
          { gradQkv: some },
          'ERR_SHAPE',
          "attentionBackward: gradQkv must have qkv's shape, got f32[2, 3, 10] for qkv f32[2, 3, 20]",
        ],
        [{ beta: 2 }, 'ERR_ARGUMENT', 'attentionBackward: beta must be 0 or 1, got 2'],
      ];
    });
  });

  describe('of two tensors', () => {
    refuses('attentionBackward', separate, (device) => {
      const f64 = Tensor.zeros(device, [2, 3, 10], { dtype: 'f64' });
      const wrong = Tensor.zeros(device, [2, 3, 20]);
      return [
        [{ gradQ: undefined, gradKv: undefined }, 'ERR_ARGUMENT', 'attentionBackward: gradQ is missing, or gradKv is'],
        [
          { gradQkv: wrong },
          'ERR_ARGUMENT',
          'attentionBackward: gradQkv must be left out where q is given, got f32[2, 3, 20]',
        ],
        [{ gradQ: f64 }, 'ERR_DTYPE', "attentionBackward: gradQ must have q's dtype, got f64[2, 3, 10]"],
        [{ gradKv: f64 }, 'ERR_DTYPE', "attentionBackward: gradKv must have kv's dtype, got f64[2, 3, 10]"],
        [
          { gradQ: wrong },
          'ERR_SHAPE',
          "attentionBackward: gradQ must have q's shape, got f32[2, 3, 20] for q f32[2, 3, 10]",
        ],
        [
          { gradKv: wrong },
          'ERR_SHAPE',
          "attentionBackward: gradKv must have kv's shape, got f32[2, 3, 20] for kv f32[2, 4, 10]",
        ],
      ];
    });
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      [
        { batch: 3, queries: 130, heads: 3, size: 24 },
        { batch: 2, queries: 70, keys: 150, heads: 4, kvHeads: 2, size: 8 },
      ].flatMap((shape) => {
        const fields = fieldsOf(device, shape, 'f32');
        ops.attentionBackward(device, fields);
        return 'gradQkv' in fields ? [fields.gradQkv] : [fields.gradQ, fields.gradKv];
      }),
    ));
});
