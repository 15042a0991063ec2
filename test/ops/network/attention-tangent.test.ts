// Devices: cpu, cuda
// Source: formula "times a direction of the result is the gradient times the tangents"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { attentionOperands, attentionResults, attentionShapes, likeOperands } from '../../support/attention.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

function withTangents(operands: ReturnType<typeof attentionOperands>) {
  const { device, dtype, shape } = operands.out;
  return {
    ...operands,
    ...likeOperands(operands, 'tangent', (x, i) => tensorOf(device, normal(x.size, 5 + i), x.shape, dtype)),
    outTangent: Tensor.full(device, shape, NaN, { dtype }),
  };
}

describe.each(devices)('attentionTangent on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([16, 136])('takes each tensor at a place of its own, in f16, of heads of %i elements', async (size) => {
    for (const shape of [
      { batch: 1, queries: 33, heads: 1, size },
      { batch: 1, queries: 3, keys: 33, heads: 1, size },
    ]) {
      const results = await attentionResults(shape, 'f16');
      const result = async (fields: ReturnType<typeof withTangents>) => {
        ops.attentionTangent(device, fields);
        return await valuesOf(fields.outTangent);
      };
      const expected = await result(withTangents(results(device)));
      for (const name of ['qkv', 'q', 'kv', 'tangentQkv', 'tangentQ', 'tangentKv', 'out', 'outTangent'] as const) {
        const fields = withTangents(results(device));
        const x: Tensor | undefined = { qkv: undefined, q: undefined, kv: undefined, ...fields }[name];
        if (!x) continue;
        const moved = new Tensor(device, [x.size + 1], 'f16').rows(1).reshape(x.shape);
        moved.write(await x.read());
        const got = await result({ ...fields, [name]: moved });
        got.forEach((value, i) => {
          expect(Math.abs(value - expected[i]!)).toBeLessThan(0.01);
        });
      }
    }
  });

  describe.each(Object.entries(attentionShapes))('of %s', (_, shape) => {
    it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
      const results = await attentionResults(shape, dtype);
      await expectLikeReference('attentionTangent', device, (on) => withTangents(results(on)), {
        ulps: dtype === 'f64' ? 64 : 32,
        of: 'largest',
      });
    });

    it('times a direction of the result is the gradient times the tangents', async () => {
      const operands = attentionOperands(device, shape, 'f64');
      const fields = withTangents(operands);
      ops.attention(device, operands);
      ops.attentionTangent(device, fields);
      const grad = tensorOf(device, normal(fields.out.size, 9), fields.out.shape, 'f64');
      const gradients = likeOperands(fields, 'grad', (x) => Tensor.zeros(device, x.shape, { dtype: 'f64' }));
      ops.attentionBackward(device, { ...operands, grad, ...gradients });
      const inner = async (x: Tensor, y: Tensor) => {
        const [a, b] = [await valuesOf(x), await valuesOf(y)];
        return a.reduce((sum, v, i) => sum + v * b[i]!, 0);
      };
      let right = 0;
      for (const name of ['Qkv', 'Q', 'Kv'] as const) {
        const [gradient, tangent] = [gradients[`grad${name}`], fields[`tangent${name}`]];
        if (gradient) right += await inner(gradient, tangent!);
      }
      expect(await inner(fields.outTangent, grad)).toBeCloseTo(right, 10);
    });
  });
});

const zeros = (device: Device, shape: number[]) => Tensor.zeros(device, shape);
const valid = (device: Device) => ({
  qkv: zeros(device, [2, 3, 20]),
  tangentQkv: zeros(device, [2, 3, 20]),
  out: zeros(device, [2, 3, 10]),
  logSums: zeros(device, [2, 2, 3]),
  outTangent: zeros(device, [2, 3, 10]),
  heads: 2,
  kvHeads: 1,
});
const separate = (device: Device) => ({
  q: zeros(device, [2, 3, 10]),
  kv: zeros(device, [2, 4, 10]),
  tangentQ: zeros(device, [2, 3, 10]),
  tangentKv: zeros(device, [2, 4, 10]),
  out: zeros(device, [2, 3, 10]),
  logSums: zeros(device, [2, 2, 3]),
  outTangent: zeros(device, [2, 3, 10]),
  heads: 2,
  kvHeads: 1,
});
describe.each(onlyCpu)('attentionTangent', () => {
  describe('of a packed tensor', () => {
    refusesWrongFields('attentionTangent', valid, ['qkv', 'tangentQkv']);
    refuses('attentionTangent', valid, (device) => {
      const [some, f64] = [zeros(device, [2, 3, 10]), Tensor.zeros(device, [2, 3, 20], { dtype: 'f64' })];
      const wide = Tensor.zeros(device, [2, 3, 10], { dtype: 'f64' });
      return [
        [{ tangentQkv: undefined }, 'ERR_ARGUMENT', 'attentionTangent: tangentQkv is missing'],
        [
          { tangentQ: some },
          'ERR_ARGUMENT',
          'attentionTangent: tangentQ must be left out where qkv is given, got f32[2, 3, 10]',
        ],
        [
          { tangentKv: some },
          'ERR_ARGUMENT',
          'attentionTangent: tangentKv must be left out where qkv is given, got f32[2, 3, 10]',
        ],
        [{ tangentQkv: f64 }, 'ERR_DTYPE', "attentionTangent: tangentQkv must have qkv's dtype, got f64[2, 3, 20]"],
        [
          { tangentQkv: some },
          'ERR_SHAPE',
          "attentionTangent: tangentQkv must have qkv's shape, got f32[2, 3, 10] for qkv f32[2, 3, 20]",
        ],
        [{ out: wide }, 'ERR_DTYPE', 'attentionTangent: out must have the dtype of the queries, got f64[2, 3, 10]'],
        [
          { outTangent: wide },
          'ERR_DTYPE',
          'attentionTangent: outTangent must have the dtype of the queries, got f64[2, 3, 10]',
        ],
        [
          { outTangent: zeros(device, [2, 3, 20]) },
          'ERR_SHAPE',
          'attentionTangent: outTangent must be [batch, places, heads size], got f32[2, 3, 20]',
        ],
      ];
    });
  });

  describe('of two tensors', () => {
    refuses('attentionTangent', separate, (device) => {
      const [wrong, f64] = [zeros(device, [2, 3, 20]), Tensor.zeros(device, [2, 3, 10], { dtype: 'f64' })];
      return [
        [{ tangentQ: undefined }, 'ERR_ARGUMENT', 'attentionTangent: tangentQ is missing, or tangentKv is'],
        [
          { tangentQkv: wrong },
          'ERR_ARGUMENT',
          'attentionTangent: tangentQkv must be left out where q is given, got f32[2, 3, 20]',
        ],
        [{ tangentQ: f64 }, 'ERR_DTYPE', "attentionTangent: tangentQ must have q's dtype, got f64[2, 3, 10]"],
        [{ tangentKv: f64 }, 'ERR_DTYPE', "attentionTangent: tangentKv must have kv's dtype, got f64[2, 3, 10]"],
        [
          { tangentQ: wrong },
          'ERR_SHAPE',
          "attentionTangent: tangentQ must have q's shape, got f32[2, 3, 20] for q f32[2, 3, 10]",
        ],
        [
          { tangentKv: wrong },
          'ERR_SHAPE',
          "attentionTangent: tangentKv must have kv's shape, got f32[2, 3, 20] for kv f32[2, 4, 10]",
        ],
      ];
    });
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      [
        { batch: 3, queries: 130, heads: 3, size: 24 },
        { batch: 1, queries: 400, heads: 1, size: 8 },
      ].map((shape) => {
        const operands = attentionOperands(device, shape, 'f32');
        const fields = withTangents(operands);
        ops.attention(device, operands);
        ops.attentionTangent(device, fields);
        return fields.outTangent;
      }),
    ));
});
