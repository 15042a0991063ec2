// Devices: cpu, cuda
// Source: closed form "is the value itself where there is one key, and the mean of values where keys are equal"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { attentionOperands, attentionShapes } from '../../support/attention.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('attention on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(Object.entries(attentionShapes))('of %s', (_, shape) => {
    it.each(floatingDtypes)('agrees with the reference in %s', (dtype) =>
      expectLikeReference('attention', device, (on) => attentionOperands(on, shape, dtype), {
        out: { ulps: 16, of: 'largest' },
        logSums: { ulps: 8, of: 'largest' },
      }),
    );
  });

  it('agrees with the reference on skewed scores, of which one outweighs all others', () =>
    expectLikeReference(
      'attention',
      device,
      (on) => attentionOperands(on, { batch: 1, queries: 70, heads: 1, size: 8 }, 'f64', 12),
      {
        ulps: 1024,
        of: 'largest',
      },
    ));

  it('is the value itself where there is one key, and the mean of values where keys are equal', async () => {
    const kv = tensorOf(device, Array.from({ length: 65 }, (_, j) => [3, -1, j, 2 * j]).flat(), [1, 65, 4], 'f64');
    const q = tensorOf(device, normal(130, 3), [1, 65, 2], 'f64');
    const out = Tensor.zeros(device, [1, 65, 2], { dtype: 'f64' });
    const logSums = Tensor.zeros(device, [1, 1, 65], { dtype: 'f64' });
    ops.attention(device, { q, kv, out, logSums, scale: 0.25 });
    const values = await valuesOf(q);
    // Query i sees keys 0 to i.
    const means = Array.from({ length: 65 }, (_, i) => [i / 2, i]).flat();
    expectClose(await valuesOf(out), means, { dtype: 'f64', ulps: 8 });
    const sums = Array.from({ length: 65 }, (_, i) => (3 * values[2 * i]! - values[2 * i + 1]!) / 4 + Math.log(i + 1));
    expectClose(await valuesOf(logSums), sums, { dtype: 'f64', ulps: 8, magnitude: 4 });
  });

  it('gives 0 and −∞ to queries that see no key, whatever lies behind the keys that count', async () => {
    const qkv = tensorOf(device, normal(2 * 3 * 6, 4), [2, 3, 6]);
    const wrong = await valuesOf(qkv);
    for (let at = 18; at < 36; at++) if (at % 6 > 1) wrong[at] = at % 2 ? NaN : Infinity;
    for (let at = 8; at < 18; at++) if (at % 6 > 1) wrong[at] = NaN;
    const lengths = tensorOf(device, [1, 0], [2], 'i32');
    const run = (x: Tensor) => {
      const out = Tensor.full(device, [2, 3, 2], NaN);
      const logSums = Tensor.full(device, [2, 1, 3], NaN);
      ops.attention(device, { qkv: x, lengths, out, logSums });
      return { out, logSums };
    };
    const [good, bad] = [run(qkv), run(tensorOf(device, wrong, [2, 3, 6]))];
    expect(await bad.out.read()).toEqual(await good.out.read());
    expect(await bad.logSums.read()).toEqual(await good.logSums.read());
    expect((await good.out.read()).slice(6)).toEqual(new Float32Array(6));
    expect((await good.logSums.read()).slice(3)).toEqual(new Float32Array(3).fill(-Infinity));
    const v = await valuesOf(qkv);
    expect((await valuesOf(good.out)).slice(0, 6)).toEqual(Float64Array.of(v[4]!, v[5]!, v[4]!, v[5]!, v[4]!, v[5]!));
  });

  it('is NaN where a NaN or an infinite key is seen, and finite where large scores are', async () => {
    const results = [];
    for (const key of [NaN, Infinity, 1e30]) {
      const qkv = tensorOf(device, [1, key, 5, 1, key, 5], [1, 2, 3]);
      const out = Tensor.zeros(device, [1, 2, 1]);
      ops.attention(device, { qkv, out, logSums: Tensor.zeros(device, [1, 1, 2]) });
      results.push([...(await out.read())]);
    }
    expect(results).toEqual([
      [NaN, NaN],
      [NaN, NaN],
      [5, 5],
    ]);
  });

  it('gives a key whose score is −∞ no weight beside others', async () => {
    const qkv = tensorOf(device, [1, -Infinity, 5, 1, 1, 7], [1, 2, 3]);
    const out = Tensor.zeros(device, [1, 2, 1]);
    ops.attention(device, { qkv, out, logSums: Tensor.zeros(device, [1, 1, 2]), mask: 'causal' });
    expect(await out.read()).toEqual(Float32Array.of(NaN, 7));
  });
});

const valid = (device: Device) => ({
  qkv: Tensor.zeros(device, [2, 3, 20]),
  lengths: Tensor.zeros(device, [2], { dtype: 'i32' }),
  out: Tensor.zeros(device, [2, 3, 10]),
  logSums: Tensor.zeros(device, [2, 2, 3]),
  heads: 2,
  kvHeads: 1,
});
const separate = (device: Device) => ({
  q: Tensor.zeros(device, [2, 3, 10]),
  kv: Tensor.zeros(device, [2, 4, 10]),
  out: Tensor.zeros(device, [2, 3, 10]),
  logSums: Tensor.zeros(device, [2, 2, 3]),
  heads: 2,
  kvHeads: 1,
});
describe.each(onlyCpu)('attention', () => {
  describe('of a packed tensor', () => {
    refusesWrongFields('attention', (device) => ({ ...valid(device), lengths: undefined }), ['qkv']);
    refuses('attention', valid, (device) => {
      const f64 = Tensor.zeros(device, [2, 3, 20], { dtype: 'f64' });
      const flat = Tensor.zeros(device, [6, 20]);
      const some = Tensor.zeros(device, [2, 3, 10]);
      return [
        [{ qkv: undefined }, 'ERR_ARGUMENT', 'attention: qkv is missing, or q and kv are'],
        [{ q: some }, 'ERR_ARGUMENT', 'attention: q must be left out where qkv is given, got f32[2, 3, 10]'],
        [{ kv: some }, 'ERR_ARGUMENT', 'attention: kv must be left out where qkv is given, got f32[2, 3, 10]'],
        [{ heads: 0 }, 'ERR_ARGUMENT', 'attention: heads must be at least 1, got 0'],
        [{ kvHeads: -1 }, 'ERR_ARGUMENT', 'attention: kvHeads must be at least 0, got -1'],
        [{ heads: 3, kvHeads: 2 }, 'ERR_ARGUMENT', 'attention: kvHeads must divide heads, got 2'],
        [{ scale: Infinity }, 'ERR_ARGUMENT', 'attention: scale must be finite, got inf'],
        [{ mask: 'all' }, 'ERR_ARGUMENT', "attention: mask must be one of 'causal', 'none', got 'all'"],
        [{ qkv: f64.cast('i32') }, 'ERR_DTYPE', 'attention: qkv must be floating, got i32[2, 3, 20]'],
        [
          { qkv: flat },
          'ERR_SHAPE',
          'attention: qkv must be [batch, places, (heads + 2 kvHeads) size], got f32[6, 20]',
        ],
        [
          { heads: 3, kvHeads: 3 },
          'ERR_SHAPE',
          'attention: qkv must be [batch, places, (heads + 2 kvHeads) size], got f32[2, 3, 20]',
        ],
        [
          { qkv: Tensor.zeros(device, [1, 1, 1028]) },
          'ERR_SHAPE',
          'attention: qkv must have heads of at most 256 elements, got f32[1, 1, 1028]',
        ],
        [{ lengths: Tensor.zeros(device, [2]) }, 'ERR_DTYPE', 'attention: lengths must be i32, got f32[2]'],
        [
          { lengths: Tensor.zeros(device, [3], { dtype: 'i32' }) },
          'ERR_SHAPE',
          'attention: lengths must have one element a sequence, got i32[3]',
        ],
        [{ qkv: f64 }, 'ERR_DTYPE', 'attention: out must have the dtype of the queries, got f32[2, 3, 10]'],
        [{ out: flat }, 'ERR_SHAPE', 'attention: out must be [batch, places, heads size], got f32[6, 20]'],
        [
          { logSums: Tensor.zeros(device, [2, 2, 3], { dtype: 'f64' }) },
          'ERR_DTYPE',
          'attention: logSums must be f64 where the operands are, else f32, got f64[2, 2, 3]',
        ],
        [
          { logSums: Tensor.zeros(device, [2, 3, 2]) },
          'ERR_SHAPE',
          'attention: logSums must be [batch, heads, places], got f32[2, 3, 2]',
        ],
      ];
    });
  });

  describe('of two tensors', () => {
    refuses('attention', separate, (device) => [
      [{ kv: undefined }, 'ERR_ARGUMENT', 'attention: qkv is missing, or q and kv are'],
      [
        { q: Tensor.zeros(device, [2, 3, 10], { dtype: 'u8' }) },
        'ERR_DTYPE',
        'attention: q must be floating, got u8[2, 3, 10]',
      ],
      [
        { kv: Tensor.zeros(device, [2, 4, 10], { dtype: 'f64' }) },
        'ERR_DTYPE',
        "attention: kv must have q's dtype, got f64[2, 4, 10]",
      ],
      [
        { q: Tensor.zeros(device, [2, 30]) },
        'ERR_SHAPE',
        'attention: q must be [batch, places, heads size], got f32[2, 30]',
      ],
      [
        { q: Tensor.zeros(device, [2, 3, 514]) },
        'ERR_SHAPE',
        'attention: q must have heads of at most 256 elements, got f32[2, 3, 514]',
      ],
      [
        { kv: Tensor.zeros(device, [2, 4, 20]) },
        'ERR_SHAPE',
        'attention: kv must be [batch, places, 2 kvHeads size], got f32[2, 4, 20] for q f32[2, 3, 10]',
      ],
    ]);
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      [
        { batch: 3, queries: 130, heads: 3, size: 24 },
        { batch: 1, queries: 400, heads: 1, size: 8 },
      ].map((shape) => {
        const fields = attentionOperands(device, shape, 'f32');
        ops.attention(device, fields);
        return fields.out;
      }),
    ));
});
