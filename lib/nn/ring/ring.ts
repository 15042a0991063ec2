import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { readOptions } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import type { ArenaCall } from '../tape/arena.ts';
import type { TapeFrame } from '../tape/frame.ts';
import { Cache } from './cache.ts';
import { type RingOptions, schema } from './options.ts';

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
  /** The number of keys' elements at a place. */
  readonly width: number;
  /** Places that are kept of each stream. */
  readonly length: number;
  /** Attentions of the model. */
  readonly layers: number;
  readonly #owned: Owned<Tensor | Cache>;
  readonly #positions: Tensor;
  readonly #caches: readonly Cache[];
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
    using owned = new Owned<Tensor | Cache>();
    this.#positions = owned.add(Tensor.zeros(device, [streams], { dtype: 'i32' }));
    this.#caches = Array.from({ length: layers }, () => owned.add(new Cache(device, this, dtype)));
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
    if (stream !== undefined && (!Number.isInteger(stream) || stream < 0 || stream >= this.streams))
      throw refusal('nn.Ring.reset', 'stream', `be one of ${this.streams}, from 0 on`, shown(stream));
    const [from, end] = stream === undefined ? [0, this.streams] : [stream, stream + 1];
    using some = this.#positions.rows(from, end);
    ops.fill(this.device, { x: [some], value: 0 });
    this.#counts.fill(0, from, end);
    if (stream === undefined) [this.#layer, this.#call] = [0, undefined];
  }

  /** @internal Attention of the next layer: queries, keys and values `[streams, places, …]` of all heads. */
  attend(f: TapeFrame, qkv: Tensor, heads: number, kvHeads: number, out: Tensor): void {
    check.alive('nn.attention', 'ring', this);
    const call = f.tape.arena.current;
    this.#checkCall(call);
    const [streams, places] = qkv.shape as [number, number, number];
    const isEmpty = this.#counts.every((n) => n === 0);
    const { keys, values } = this.#caches[this.#layer]!.arrange(kvHeads, isEmpty);
    const isLast = this.#layer + 1 === this.layers;
    const positions = this.#positions;
    const next = isLast ? positions : undefined;
    // Places of streams that begin see each other alone: tiles of them are faster.
    const begins = isEmpty && places > 1 && places <= this.length;
    if (begins) {
      const logSums = f.scratch([streams, heads, places], qkv.dtype === 'f64' ? 'f64' : 'f32');
      f.ops.attention({ qkv, out, logSums, heads, kvHeads });
    }
    f.ops.cachedAttention({ qkv, positions, keys, values, out: begins ? undefined : out, heads, kvHeads, next });
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
