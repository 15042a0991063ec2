import { count, kind, positive, type Resolved, readOptions, required, type Schema, word } from '../../core/schema.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, linearMap, type Value } from '../tape/define.ts';

/** Options of {@link rope}. */
export interface RopeOptions {
  /** Heads that a row is made of: at least 1. It has no default. */
  heads: number;
  /** Pair k of d / 2 of a head turns by base^(−2k / d) a place: positive. Default: 10000. */
  base?: number | undefined;
  /** Pairs of elements: k and k + d / 2 (Hugging Face's), or 2k and 2k + 1 (Meta's). Default: `halves`. */
  layout?: 'halves' | 'interleaved' | undefined;
  /** The place of the first row, or i32 `[sequences]`, that of each. Default: 0. */
  offset?: number | Tensor | undefined;
}

export type Angles = Resolved<Pick<RopeOptions, 'base' | 'layout'>>;
/** @internal How pairs turn. */
export const angles: Schema<Angles> = {
  base: positive(10000),
  layout: word(['halves', 'interleaved'], 'halves'),
};
const schema: Schema<Resolved<RopeOptions, 'offset'>> = {
  heads: required(count(1)),
  ...angles,
  offset: kind((x) => isTensor(x) || Number.isSafeInteger(x), 'a whole number or a tensor'),
};

/** @internal Of the first `turned` heads alone; 0: of all. */
export const turnHeads = defineOwn(
  'rope',
  (f, x: Arg, heads: number, turned: number, base: number, layout: Angles['layout'], offset?: number | Tensor) => {
    const shift = typeof offset === 'number' ? { offset } : { offsets: offset };
    const run = (turn: 'forward' | 'backward') => (v: Tensor, to: Tensor) =>
      f.ops.rope({ x: v, out: to, heads, turned, base, layout, turn, ...shift });
    return linearMap(f, f.buffer(x.shape, x.dtype), x, run('forward'), { back: run('backward'), over: true });
  },
  ['x'],
);

/**
 * Turns pairs of each head by the angles of its place: x `[sequences…, places, heads · d]` (Su et al. 2021).
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export function rope(x: Arg, options: RopeOptions): Value {
  const { heads, base, layout, offset } = readOptions('nn.rope', options, schema);
  return turnHeads(x, heads, 0, base, layout, offset);
}
