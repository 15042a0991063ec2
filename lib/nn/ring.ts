// Keys and values of generation, which stay on the device between calls.
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { count, readOptions, required, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import type { ArenaCall } from './tape/arena.ts';
import type { TapeFrame } from './tape/frame.ts';

/** Options of a {@link Ring}. */
export interface RingOptions {
  /** Sequences side by side: at least 1. It has no default. */
  streams: number;
  /** Of the keys of a place: kvHeads times the size of a head. It has no default. */
  width: number;
  /** Places that are kept of each stream: at least 1. It has no default. */
  length: number;
  /** Attentions of the model: at least 1. It has no default. */
  layers: number;
  /** Of keys and values, as of what the model computes. Default: f32. */
  dtype?: 'f32' | 'f64' | 'f16' | 'bf16' | undefined;
}

const needed = required(count(1));
const schema: Schema<{ [K in keyof RingOptions]-?: Exclude<RingOptions[K], undefined> }> = {
  streams: needed,
  width: needed,
  length: needed,
  layers: needed,
  dtype: word(check.floating, 'f32'),
};

/** Of one attention, as the operation takes them for so many heads. */
interface Cache {
  kvHeads: number;
  keys: Tensor;
  values: Tensor;
}

/**
 * Keys and values of the last `length` places of many streams, for generation: {@link attention} with a ring takes
 * places that follow those before, whose queries see themselves and the length − 1 places before them. Its memory does
 * not grow. A call goes once through all layers; after the last of them the streams have moved on.
 *
 * @example
 * using ring = new nn.Ring(device, { streams: 2, width: 128, length: 64, layers: 4 });
 * const y = nn.attention(layer, x, { heads: 4, ring }); // x [2, places, 128]
 */
export class Ring {
  /** The device that holds keys and values. */
  readonly device: Device;
  /** Sequences side by side. */
  readonly streams: number;
  /** Of the keys of a place. */
  readonly width: number;
  /** Places that are kept of each stream. */
  readonly length: number;
  /** Attentions of the model. */
  readonly layers: number;
  readonly #owned: Owned<Tensor>;
  readonly #positions: Tensor;
  readonly #caches: Cache[];
  /** The number of places that each stream has had. */
  readonly #counts: number[];
  /** {@link Ring.places} of more than one. */
  #places: Tensor | undefined;
  /** The layer that comes next, and the call of the last attention. */
  #layer = 0;
  #call: ArenaCall | undefined;
  #disposed = false;

  /** @throws ERR_ARGUMENT for what is no device or option; ERR_MEMORY; ERR_DISPOSED for a closed device */
  constructor(device: Device, options: RingOptions) {
    check.device('nn.Ring', 'device', device);
    const { streams, width, length, layers, dtype } = readOptions('nn.Ring', options, schema);
    this.device = device;
    this.streams = streams;
    this.width = width;
    this.length = length;
    this.layers = layers;
    using owned = new Owned<Tensor>();
    const shape = [streams, 1, width, length];
    const cache = () => owned.add(new Tensor(device, shape, dtype));
    this.#positions = owned.add(Tensor.zeros(device, [streams], { dtype: 'i32' }));
    this.#caches = Array.from({ length: layers }, () => ({ kvHeads: 0, keys: cache(), values: cache() }));
    this.#counts = Array.from({ length: streams }, () => 0);
    this.#owned = owned.move();
  }

  /** True once {@link Ring.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** i32`[streams]`: the number of places that each stream has had, which is the place of its next one. */
  get positions(): Tensor {
    return this.#positions;
  }

  /**
   * The places that come next, i32`[streams, count]`, for a table of positions. Of one place it is a view of
   * {@link Ring.positions}, which moves on with the streams; of more it holds until the next call of this method.
   * @throws ERR_ARGUMENT unless `count` is at least 1; ERR_DISPOSED
   */
  places(count: number): Tensor {
    check.alive('nn.Ring', 'ring', this);
    if (!Number.isSafeInteger(count) || count < 1)
      throw refusal('nn.Ring.places', 'count', 'be a whole number from 1 on', shown(count));
    const known = this.#places;
    if (count === 1 && known?.shape[1] === 1 && !known.disposed) return known;
    if (known) this.#owned.drop(known);
    const numbers = () => this.#counts.flatMap((first) => Array.from({ length: count }, (_, i) => first + i));
    const shape = [this.streams, count];
    const made =
      count === 1 ? this.#positions.reshape(shape) : Tensor.from(this.device, Int32Array.from(numbers()), shape);
    this.#places = this.#owned.add(made);
    return made;
  }

  /**
   * One stream begins anew, or all do. After a call that threw all must.
   * @throws ERR_ARGUMENT for what is no stream; ERR_DISPOSED
   */
  reset(stream?: number): void {
    check.alive('nn.Ring', 'ring', this);
    if (stream === undefined) {
      ops.fill(this.device, { x: [this.#positions], value: 0 });
      this.#counts.fill(0);
      this.#layer = 0;
      this.#call = undefined;
      return;
    }
    if (!Number.isInteger(stream) || stream < 0 || stream >= this.streams)
      throw refusal('nn.Ring.reset', 'stream', `be one of ${this.streams}, from 0 on`, shown(stream));
    using own = this.#positions.rows(stream, stream + 1);
    ops.fill(this.device, { x: [own], value: 0 });
    this.#counts[stream] = 0;
  }

  /** @internal Attention of the next layer: queries, keys and values `[streams, places, …]` of all heads. */
  attend(f: TapeFrame, qkv: Tensor, heads: number, kvHeads: number, out: Tensor): void {
    check.alive('nn.attention', 'ring', this);
    const call = f.tape.arena.current;
    this.#checkCall(call);
    const { length } = this;
    const [streams, places] = qkv.shape as [number, number, number];
    const { keys, values } = this.#cache(this.#layer, kvHeads);
    const isLast = this.#layer + 1 === this.layers;
    const next = isLast ? this.#positions : undefined;
    const cached = { qkv, positions: this.#positions, keys, values, heads, kvHeads, next };
    // Places of streams that begin see each other alone: tiles of them are faster.
    const begins = places > 1 && places <= length && this.#counts.every((n) => n === 0);
    if (begins) {
      const logSums = f.scratch([streams, heads, places], qkv.dtype === 'f64' ? 'f64' : 'f32');
      f.ops.attention({ qkv, out, logSums, heads, kvHeads });
    }
    f.ops.cachedAttention(begins ? cached : { ...cached, out });
    this.#call = call;
    this.#layer = isLast ? 0 : this.#layer + 1;
    if (isLast) for (let i = 0; i < streams; ++i) this.#counts[i]! += places;
  }

  /** @throws ERR_STATE where the last call ended halfway or threw, or this one is through all layers */
  #checkCall(call: ArenaCall): void {
    const isSame = this.#call === call;
    const refused = (must: string, got: string) => refusal('nn.attention', 'ring', must, got, 'ERR_STATE');
    if (this.#layer > 0 && !isSame)
      throw refused('be reset after a call that ended halfway', `layer ${this.#layer} of ${this.layers}`);
    if (this.#call?.hasThrown)
      throw refused('be reset after a call that threw', `layer ${this.layers} of ${this.layers}`);
    if (this.#layer === 0 && isSame) throw refused('have a layer for each attention of a call', String(this.layers));
  }

  /** A layer's keys and values for so many heads. @throws ERR_STATE where places lie there for another number */
  #cache(layer: number, kvHeads: number): Cache {
    const cache = this.#caches[layer]!;
    if (cache.kvHeads === kvHeads) return cache;
    const { streams, width, length } = this;
    if (width % kvHeads !== 0)
      throw refusal('nn.attention', "ring's width", `be that of ${kvHeads} heads`, String(width), 'ERR_SHAPE');
    if (this.#counts.some((places) => places > 0))
      throw refusal('nn.attention', 'kvHeads', `be ${cache.kvHeads} until the ring is reset`, kvHeads, 'ERR_STATE');
    const size = width / kvHeads;
    const made = {
      kvHeads,
      keys: this.#owned.add(cache.keys.reshape([streams, kvHeads, size, length])),
      values: this.#owned.add(cache.values.reshape([streams, kvHeads, length, size])),
    };
    this.#owned.drop(cache.keys);
    this.#owned.drop(cache.values);
    this.#caches[layer] = made;
    return made;
  }

  /** Gives keys and values back. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
  }

  /** Disposes: `using ring = new nn.Ring(device, options)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
