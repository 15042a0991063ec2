import * as check from '../../core/check.ts';
import { count, type Resolved, required, type Schema, word } from '../../core/schema.ts';

/** Options of a {@link Ring}. */
export interface RingOptions {
  /** Sequences side by side: at least 1. It has no default. */
  streams: number;
  /** Elements of the keys of a place: kvHeads times the size of a head. It has no default. */
  width: number;
  /** Places that are kept of each stream: at least 1. It has no default. */
  length: number;
  /** Attentions of the model: at least 1. It has no default. */
  layers: number;
  /** The dtype of keys and values, which is that of what the model computes. Default: f32. */
  dtype?: 'f32' | 'f64' | 'f16' | 'bf16' | undefined;
}

const needed = required(count(1));
export const schema: Schema<Resolved<RingOptions>> = {
  streams: needed,
  width: needed,
  length: needed,
  layers: needed,
  dtype: word(check.floating, 'f32'),
};
