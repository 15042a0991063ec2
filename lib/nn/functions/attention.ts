import { OrthokitError, refusal, shown } from '../../core/errors.ts';
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
import { scope } from '../calls/scope.ts';
import type { Applied } from '../model/replace-layers.ts';
import { Ring } from '../ring/ring.ts';
import { type Arg, defineOwn, isArg, layerOf, ruleOf, tensorOf, type Value } from '../tape/define.ts';
import { runningTape } from '../tape/running.ts';
import { type Linear, linear, linearWith } from './linear.ts';
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
  /** The number of heads, at least 1. It has no default. */
  heads: number;
  /** Heads of keys and values; each serves heads / kvHeads neighbours. Default: as many as heads. */
  kvHeads?: number | undefined;
  /** True: a place sees itself and those before it. Default: true. */
  causal?: boolean | undefined;
  /** Turns queries and keys by their places first, as {@link rope} does. Default: no turn. */
  rope?: Pick<RopeOptions, 'base' | 'layout'> | undefined;
  /** i32`[B]`: so many places of each sequence count as keys. Default: all. */
  lengths?: Tensor | undefined;
  /**
   * Keys and values of places before: x follows them, and they stay for the next call. For `forward` only, causal, and
   * without lengths. Default: none.
   */
  ring?: Ring | undefined;
  /** Is added to the result, `[B, T, width]`, as that of {@link linear}. Default: none. */
  addend?: Arg | undefined;
}

const schema: Schema<
  Resolved<Omit<AttentionOptions, 'rope'>, 'kvHeads' | 'lengths' | 'ring' | 'addend'> & { rope: Angles | undefined }
> = {
  heads: required(count(1)),
  kvHeads: optional(count(1)),
  causal: flag(true),
  lengths: kind(isTensor, 'a tensor'),
  ring: kind((x) => x instanceof Ring, 'an nn.Ring'),
  addend: kind(isArg, 'a tensor or a value'),
  rope: optional(nested(angles)),
};

/** The sizes of queries, keys and values side by side, and the shape of what they give. */
function shapeOf({ shape }: Arg, heads: number, kvHeads: number): [batch: number, places: number, width: number] {
  if (shape.length !== 3) throw refusal('attention', 'qkv', 'be [batch, places, width]', `[${shape}]`, 'ERR_SHAPE');
  const [batch, places, width] = shape as [number, number, number];
  return [batch, places, heads * Math.floor(width / (heads + 2 * kvHeads))];
}

const own = defineOwn(
  'attention',
  (f, x: Arg, heads: number, kvHeads: number, mask: 'causal' | 'none', lengths: Tensor | undefined) => {
    const shape = shapeOf(x, heads, kvHeads);
    const [batch, places] = shape;
    const out = f.buffer(shape, x.dtype);
    const logSums = f.buffer([batch, heads, places], x.dtype === 'f64' ? 'f64' : 'f32');
    const qkv = tensorOf(x);
    f.ops.attention({ qkv, lengths, out, logSums, heads, kvHeads, mask });
    return ruleOf(f, out, {
      x,
      back: (grad, gradQkv, beta) =>
        f.ops.attentionBackward({ qkv, lengths, out, logSums, grad, gradQkv, heads, kvHeads, mask, beta }),
      along: (tangentQkv, outTangent) =>
        f.ops.attentionTangent({ qkv, lengths, out, logSums, tangentQkv, outTangent, heads, kvHeads, mask }),
      adds: 'back',
    });
  },
);

const cached = defineOwn('attention', (f, x: Arg, heads: number, kvHeads: number, ring: Ring) => {
  if (f.tape.options.isRecording)
    throw new OrthokitError('ERR_UNSUPPORTED', 'nn.attention: a ring must stand in nn.forward, got a gradient');
  const out = f.buffer(shapeOf(x, heads, kvHeads), x.dtype);
  ring.attend(f, tensorOf(x), heads, kvHeads, out);
  return ruleOf(f, out);
});

type Settled = ReturnType<typeof settled>;
function settled(options: AttentionOptions) {
  const { heads, kvHeads = heads, ...others } = readOptions('nn.attention', options, schema);
  return { heads, kvHeads, ...others };
}

const between = scope(
  (layer: Attention, x: Arg, { heads, kvHeads, causal, lengths, rope, ring, addend }: Settled): Value => {
    const qkv = linear(layer.qkv, x);
    const turns = heads + kvHeads;
    const turned = rope ? turnHeads(qkv, turns + kvHeads, turns, rope.base, rope.layout, ring?.positions) : qkv;
    const attended = ring
      ? cached(turned, heads, kvHeads, ring)
      : own(turned, heads, kvHeads, causal ? 'causal' : 'none', lengths);
    return linearWith(layer.out, attended, addend);
  },
);

/**
 * Attention of many heads over x `[B, T, width]` (Vaswani et al. 2017): softmax(q kᵀ / √size) v, between two linear
 * layers. Memory grows with T alone. A place that sees none that counts gives 0 to the second layer, and gets none from
 * its gradient.
 * @throws ERR_ARGUMENT for what is no option, where kvHeads does not divide heads, and for a ring that is not causal or
 * has lengths; ERR_STATE for a ring after a call that threw, of fewer layers than the model, or with places of other
 * kvHeads; ERR_UNSUPPORTED for a ring in a gradient; ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED
 */
export function attention(layer: Attention, x: Arg, options: AttentionOptions): Value {
  runningTape('attention');
  const given = settled(options);
  const { causal, lengths, ring } = given;
  if (ring && !causal) throw refusal('nn.attention', 'causal', 'be true where there is a ring', 'false');
  if (ring && lengths) throw refusal('nn.attention', 'lengths', 'be left out where there is a ring', shown(lengths));
  return between(layerOf('nn.attention', layer), x, given);
}
