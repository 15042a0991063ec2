import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { Leaf, type Sizes, type StatePlace } from './leaf.ts';
import type { Reach } from './reach.ts';
import { byTime, rearranged } from './whole.ts';
import { zeroRows } from './zeroed.ts';

/** The window of an attention. */
export interface Window {
  readonly heads: number;
  readonly length: number;
  readonly mode: 'single' | 'retroactive';
  readonly refreshEvery: number | undefined;
  readonly exact: boolean;
}

/** Elements of a head that the operations take. */
const mostOfHead = 256;
/** Places after which their count begins anew: it has 32 bits on the device. */
const placesLimit = 2 ** 30;

/** Attention among the last places of each stream, of the newest or of all of them. */
export class Attention extends Leaf {
  readonly name = 'attention';
  readonly reach: Reach;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly #window: Window;
  readonly #limit: number;
  /** Keys and values of the step that runs, whose queries are its input. */
  #given: readonly [Tensor, Tensor] | undefined;
  /** i32 `[streams]`: places that each stream has had, or so many fewer that nothing changes. */
  #positions: Tensor | undefined;
  /** The input at which the count of each stream begins; none while all begin at 0. */
  #begun: number[] | undefined;
  /** The input at which the counts were last made small. */
  #counted = 0;
  #state: Readonly<Record<string, Tensor>> = {};
  /** Queries, keys and values side by side. */
  #packed: { readonly parts: Tensor; readonly qkv: Tensor } | undefined;

  constructor(window: Window, limit: number = placesLimit) {
    super();
    const { length } = window;
    this.#window = window;
    this.#limit = limit;
    this.reach = { receptiveField: length, padding: 0, stride: 1, delay: length - 1 };
    this.settings = { ...window, refreshEvery: window.refreshEvery ?? 0 };
  }

  protected channelsOf(where: string, given: number): number {
    const { heads } = this.#window;
    if (given % heads !== 0) throw refusal(where, 'q', `have channels for ${heads} heads`, given, 'ERR_SHAPE');
    if (given / heads > mostOfHead)
      throw refusal(where, 'q', `have at most ${mostOfHead} channels a head`, given / heads, 'ERR_SHAPE');
    return given;
  }
  statePlaces({ streams, channels, dtype }: Sizes): Readonly<Record<string, StatePlace>> {
    const { heads, length, mode } = this.#window;
    const size = channels / heads;
    const rows = { shape: [streams, heads, length, size], dtype };
    if (mode === 'single') return { keys: { shape: [streams, heads, size, length], dtype }, values: rows };
    const sums = { shape: [streams, heads, length, size + 4], dtype };
    return { queries: rows, keys: rows, values: rows, sums };
  }
  protected override opened(
    state: Readonly<Record<string, Tensor>>,
    views: Owned<Tensor>,
    { streams, channels, dtype }: Sizes,
  ): void {
    const { device } = state['keys']!;
    this.#state = state;
    this.#positions = views.add(Tensor.zeros(device, [streams], { dtype: 'i32' }));
    if (this.#window.mode === 'retroactive') return;
    const parts = views.add(new Tensor(device, [streams, 3, channels], dtype));
    this.#packed = { parts, qkv: views.add(parts.reshape([streams, 1, 3 * channels])) };
  }

  /** The next place of each stream, all `[streams, channels]`. */
  give(k: Tensor, v: Tensor): void {
    this.#given = [k, v];
  }

  protected take(q: Tensor, index: number, isReady: boolean): Tensor | undefined {
    const [k, v] = this.#given!;
    this.#given = undefined;
    if (index - this.#counted >= this.#limit) this.#countAnew(index);
    return this.#window.mode === 'single' ? this.#last(q, k, v, isReady) : this.#all(q, k, v, index, isReady);
  }
  #last(q: Tensor, k: Tensor, v: Tensor, isReady: boolean): Tensor | undefined {
    const { device } = q;
    const { heads } = this.#window;
    const { parts, qkv } = this.#packed!;
    const [keys, values] = [this.#state['keys']!, this.#state['values']!];
    const positions = this.#positions!;
    for (const [slot, x] of [q, k, v].entries()) ops.ringWrite(device, { ring: parts, x, slot });
    using owned = new Owned<Tensor>();
    const result = isReady ? owned.add(new Tensor(device, q.shape, q.dtype)) : undefined;
    const out = result && owned.add(result.reshape([q.shape[0]!, 1, q.shape[1]!]));
    ops.cachedAttention(device, { qkv, positions, keys, values, out, heads, next: positions });
    return result && owned.release(result);
  }
  #all(q: Tensor, k: Tensor, v: Tensor, index: number, isReady: boolean): Tensor | undefined {
    const { device } = q;
    const { heads, length, refreshEvery, exact } = this.#window;
    const [queries, keys] = [this.#state['queries']!, this.#state['keys']!];
    const [values, sums] = [this.#state['values']!, this.#state['sums']!];
    const positions = this.#positions!;
    const isFresh = exact || (refreshEvery !== undefined && (index + 1) % refreshEvery === 0);
    using owned = new Owned<Tensor>();
    const out = isReady ? owned.add(new Tensor(device, [...q.shape, length], q.dtype)) : undefined;
    const refresh = isFresh ? 1 : 0;
    ops.retroactiveAttention(device, { q, k, v, positions, queries, keys, values, sums, out, heads, refresh, next: positions }); // biome-ignore format: one line
    return out && owned.release(out);
  }

  forward(): never {
    throw new Error('attention takes three sequences');
  }
  /** The result for whole windows, `[streams, channels, length]` each. */
  forwardOf(q: Tensor, k: Tensor, v: Tensor): Tensor {
    const { device, dtype } = q;
    const { heads, mode } = this.#window;
    const [streams, channels, time] = q.shape as [number, number, number];
    using owned = new Owned<Tensor>();
    const pairs = owned.add(new Tensor(device, [streams * time, 2, channels], dtype));
    for (const [slot, x] of [k, v].entries()) {
      const rows = owned.add(rearranged(x, [0, 2, 1], [streams * time, channels]));
      ops.ringWrite(device, { ring: pairs, x: rows, slot });
    }
    const places = mode === 'single' ? 1 : time;
    const queries = owned.add(
      mode === 'single'
        ? owned.add(owned.add(byTime(q)).rows(time - 1, time)).reshape([streams, 1, channels])
        : rearranged(q, [0, 2, 1]),
    );
    const kv = owned.add(pairs.reshape([streams, time, 2 * channels]));
    const out = owned.add(new Tensor(device, [streams, places, channels], dtype));
    const logSums = owned.add(new Tensor(device, [streams, heads, places], dtype));
    ops.attention(device, { q: queries, kv, out, logSums, heads, mask: 'none' });
    return rearranged(out, [0, 2, 1]);
  }

  #places(): number[] {
    const count = this.sizes?.streams ?? 0;
    return Array.from({ length: count }, (_, i) => this.inputs - (this.#begun?.[i] ?? 0));
  }
  /** Counts that mean the same, as small as can be. */
  #countAnew(index: number): void {
    const { length } = this.#window;
    const streams = this.sizes!.streams;
    const counts = Array.from({ length: streams }, (_, i) => index - (this.#begun?.[i] ?? 0));
    this.#begin(
      counts.map((count) => (count < length ? count : length + (count % length))),
      index,
    );
  }
  #begin(places: readonly number[], inputs: number): void {
    this.#begun = places.map((place) => inputs - place);
    this.#counted = inputs;
    this.#positions!.write(Int32Array.from(places));
  }
  protected override rewound(): void {
    this.#begun = undefined;
    this.#counted = 0;
    if (this.#positions && !this.#positions.disposed)
      ops.fill(this.#positions.device, { x: [this.#positions], value: 0 });
  }
  protected override restarted(streams: readonly number[], count: number): void {
    this.#begun ??= new Array<number>(this.sizes!.streams).fill(0);
    for (const stream of streams) this.#begun[stream] = count;
    zeroRows([this.#positions!], streams);
  }
  protected override more(): unknown {
    return { begun: this.#begun && [...this.#begun], counted: this.#counted };
  }
  protected override restoreMore(more: unknown): void {
    const { begun, counted } = more as { begun: number[] | undefined; counted: number };
    [this.#begun, this.#counted] = [begun, counted];
    this.#positions!.write(Int32Array.from(this.#places()));
  }
  override readonly integerNames: readonly string[] = ['positions'];
  override integers(): Readonly<Record<string, Int32Array>> {
    const { length } = this.#window;
    const small = (place: number) => (place < length ? place : length + (place % length));
    return { positions: Int32Array.from(this.#places(), small) };
  }
  override setIntegers({ positions }: Readonly<Record<string, ArrayLike<number>>>): void {
    const { length } = this.#window;
    const small = (place: number) => (place < length ? Math.max(place, 0) : length + (place % length));
    const places = Array.from(positions!, small);
    this.#begin(places, this.inputs);
    // Young are those that have had fewer places than the oldest could have.
    super.setIntegers({ ages: places.map((place) => (place < this.inputs ? place : -1)) });
  }
}
