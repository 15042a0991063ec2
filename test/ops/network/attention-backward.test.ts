// Devices: cpu, cuda
// Source: formula "agrees with central differences of attention"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { attentionOperands, attentionResults, attentionShapes, likeOperands } from '../../support/attention.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** With gradients: of NaN, or of numbers that are added to. */
function withGradients(operands: ReturnType<typeof attentionOperands>, beta: 0 | 1) {
  const { device, dtype, shape } = operands.out;
  const draw = (seed: number, of: readonly number[]) => tensorOf(device, normal(sizeOf(of), seed), of, dtype);
  return {
    ...operands,
    ...likeOperands(operands, 'grad', (x, i) =>
      beta ? draw(5 + i, x.shape) : Tensor.full(device, x.shape, NaN, { dtype }),
    ),
    grad: draw(4, shape),
    beta,
  };
}

describe.each(devices)('attentionBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(Object.entries(attentionShapes))('of %s', (_, shape) => {
    it.each(floatingDtypes)('agrees with the reference in %s, also beside what is there', async (dtype) => {
      const results = await attentionResults(shape, dtype);
      for (const beta of [0, 1] as const)
        await expectLikeReference('attentionBackward', device, (on) => withGradients(results(on), beta), {
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
        const operands = attentionOperands(device, shape, 'f32');
        const fields = withGradients(operands, 0);
        ops.attention(device, operands);
        ops.attentionBackward(device, fields);
        return [fields.gradQkv, fields.gradQ, fields.gradKv].filter((x) => x !== undefined);
      }),
    ));
});
