import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { Leaf, type Sizes } from './leaf.ts';
import { atOnce } from './linear.ts';
import type { Place, Reach, StreamDtype, Waiting } from './reach.ts';
import { byStream, byTime } from './whole.ts';

/** Adds a row of a table, which begins anew behind its last one. */
export class Positional extends Leaf {
  readonly name = 'positional';
  readonly reach: Reach = atOnce;
  readonly settings: Readonly<Record<string, unknown>>;
  override readonly place: Place;
  override readonly inner: number;
  readonly #table: Tensor;
  /** The input at which each stream began, modulo the table; none while all began at 0. */
  #begun: number[] | undefined;

  /** @param table `[places, channels]` */
  constructor(table: Tensor) {
    super();
    this.settings = { places: table.shape[0], channels: table.shape[1] };
    this.inner = table.shape[1]!;
    this.place = { device: table.device, dtype: table.dtype as StreamDtype };
    this.#table = this.weights.add(table.copy());
  }

  protected channelsOf(where: string, given: number): number {
    if (given !== this.inner) throw refusal(where, 'x', `have ${this.inner} channels`, given, 'ERR_SHAPE');
    return given;
  }
  statePlaces(_sizes: Sizes): Readonly<Record<string, never>> {
    return {};
  }
  protected take(x: Tensor, index: number): Tensor {
    const places = this.#table.shape[0]!;
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(x.device, x.shape, x.dtype));
    if (this.#begun) {
      const rows = Int32Array.from(this.#begun, (begun) => ((index % places) + places - begun) % places);
      using chosen = Tensor.from(x.device, rows, [rows.length]);
      ops.gatherRows(x.device, { x: this.#table, index: chosen, out });
      vectors.axpy(x.device, 1, x, out);
    } else {
      using row = this.#table.rows(index % places, (index % places) + 1);
      using bias = row.reshape([x.shape[1]!]);
      ops.addBias(x.device, { x, bias, out });
    }
    return owned.release(out);
  }
  forward(x: Tensor): Tensor {
    const [streams, channels, time] = x.shape as [number, number, number];
    const places = this.#table.shape[0]!;
    using sequence = byTime(x);
    using rows = sequence.reshape([time * streams, channels]);
    const numbers = Int32Array.from({ length: time * streams }, (_, i) => Math.floor(i / streams) % places);
    using index = Tensor.from(x.device, numbers, [time * streams]);
    using all = new Tensor(x.device, rows.shape, x.dtype);
    ops.gatherRows(x.device, { x: this.#table, index, out: all });
    vectors.axpy(x.device, 1, rows, all);
    using out = all.reshape([time, streams, channels]);
    return byStream(out);
  }

  protected override rewound(): void {
    this.#begun = undefined;
  }
  protected override restarted(streams: readonly number[], count: number): void {
    this.#begin(streams, count);
  }
  protected override waits(waiting: Waiting, index: number): void {
    this.#begin(waiting, index + 1);
  }
  #begin(streams: Iterable<number>, at: number): void {
    this.#begun ??= new Array<number>(this.sizes!.streams).fill(0);
    for (const stream of streams) this.#begun[stream] = at % this.#table.shape[0]!;
  }
  protected override more(): readonly number[] | undefined {
    return this.#begun && [...this.#begun];
  }
  protected override restoreMore(more: unknown): void {
    this.#begun = more as number[] | undefined;
  }
  override readonly integerNames: readonly string[] = ['ages', 'begun'];
  override integers(): Readonly<Record<string, Int32Array>> {
    return {
      ...super.integers(),
      begun: Int32Array.from(this.#begun ?? new Array<number>(this.sizes!.streams).fill(0)),
    };
  }
  override setIntegers(integers: Readonly<Record<string, ArrayLike<number>>>): void {
    super.setIntegers(integers);
    const places = this.#table.shape[0]!;
    const all = Array.from(integers['begun']!, (at) => ((at % places) + places) % places);
    this.#begun = all.some((at) => at > 0) ? all : undefined;
  }
}
