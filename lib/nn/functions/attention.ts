import { refusal } from '../../core/errors.ts';
import {
  count,
  flag,
  kind,
  nested,
  optional,
  type Resolved,
  readOptions,
  required,
  type Schema,
} from '../../core/schema.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import type { Applied } from '../model/replace-layers.ts';
import { defineOwn, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';
import { type Linear, linear } from './linear.ts';
import { type Angles, angles, type RopeOptions, turnHeads } from './rope.ts';

/** The linear layers around {@link attention}. */
export interface Attention {
  /** `[(heads + 2 kvHeads) size, width]`: the queries of all heads, then their keys, then their values. */
  qkv: Linear | Applied;
  /** `[width, heads size]`. */
  out: Linear | Applied;
}

/** Options of {@link attention}. */
export interface AttentionOptions {
  /** At least 1. It has no default. */
  heads: number;
  /** Of keys and values; each serves heads / kvHeads neighbours. Default: as many as heads. */
  kvHeads?: number | undefined;
  /** True: a place sees itself and those before it. Default: true. */
  causal?: boolean | undefined;
  /** Turns queries and keys by their places first, as {@link rope} does. Default: no turn. */
  rope?: Pick<RopeOptions, 'base' | 'layout'> | undefined;
  /** i32`[B]`: so many places of each sequence count as keys. Default: all. */
  lengths?: Tensor | undefined;
}

const schema: Schema<Resolved<Omit<AttentionOptions, 'rope'>, 'kvHeads' | 'lengths'> & { rope: Angles | undefined }> = {
  heads: required(count(1)),
  kvHeads: optional(count(1)),
  causal: flag(true),
  lengths: kind(isTensor, 'a tensor'),
  rope: optional(nested(angles)),
};

const own = defineOwn(
  'attention',
  (f, x: Arg, heads: number, kvHeads: number, mask: 'causal' | 'none', lengths: Tensor | undefined) => {
    if (x.shape.length !== 3)
      throw refusal('attention', 'qkv', 'be [batch, places, width]', `[${x.shape}]`, 'ERR_SHAPE');
    const [batch, places, width] = x.shape as [number, number, number];
    const size = Math.floor(width / (heads + 2 * kvHeads));
    const out = f.buffer([batch, places, heads * size], x.dtype);
    const logSums = f.buffer([batch, heads, places], x.dtype === 'f64' ? 'f64' : 'f32');
    const operands = { qkv: tensorOf(x), lengths, out, logSums, heads, kvHeads, mask };
    f.ops.attention(operands);
    return ruleOf(f, out, {
      x,
      back: (grad, gradQkv, beta) => f.ops.attentionBackward({ ...operands, grad, gradQkv, beta }),
      along: (tangentQkv, outTangent) => f.ops.attentionTangent({ ...operands, tangentQkv, outTangent }),
      adds: 'back',
    });
  },
);

/**
 * Attention of many heads over x `[B, T, width]` (Vaswani et al. 2017): softmax(q kᵀ / √size) v, between two linear
 * layers. Memory grows with T alone. A place that sees none that counts gives 0 to the second layer, and gets none from
 * its gradient.
 * @throws ERR_ARGUMENT for what is no option, and where kvHeads does not divide heads; ERR_SHAPE, ERR_DTYPE
 */
export function attention(layer: Attention, x: Arg, options: AttentionOptions): Value {
  const { heads, kvHeads = heads, causal, lengths, rope } = readOptions('nn.attention', options, schema);
  const qkv = linear(layer.qkv, x);
  const turned = rope ? turnHeads(qkv, heads + 2 * kvHeads, heads + kvHeads, rope.base, rope.layout) : qkv;
  return linear(layer.out, own(turned, heads, kvHeads, causal ? 'causal' : 'none', lengths));
}
