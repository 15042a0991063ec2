import { refusal } from '../../core/errors.ts';
import { hostArray } from '../../core/host-data.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Steps } from '../../core/turns.ts';
import * as vectors from '../../core/vectors.ts';
import { columnsOf, decode, type Parts } from './form.ts';
import { idsAt, orderOf, placeFrom } from './ids.ts';
import type { Metric } from './row-file.ts';
import type { Segment, SegmentForm } from './segment.ts';

/** Rows that were found. */
export interface Found {
  /** `[queries · k]`, the nearest of each query first; of equal scores the lower id first. */
  readonly ids: Int32Array;
  /** Their scores. */
  readonly scores: Float32Array;
}

/** Rows of one segment by ids: their places there, ascending, and those of their ids among all that were asked for. */
export interface Located {
  readonly segment: Segment;
  readonly own: Int32Array;
  readonly places: Int32Array;
}

/** Queries of one operation: memory beside the rows is for so many at a time. */
const queriesAtOnce = 1024;

/** The rows of a database at one time, for as long as somebody works with them. */
export class Snapshot {
  readonly form: SegmentForm;
  readonly metric: Metric;
  readonly segments: readonly Segment[];

  constructor(form: SegmentForm, metric: Metric, segments: readonly Segment[]) {
    this.form = form;
    this.metric = metric;
    this.segments = segments.map((segment) => segment.hold());
  }

  [Symbol.dispose](): void {
    for (const segment of this.segments) segment.release();
  }

  get size(): number {
    return this.segments.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The k nearest rows of each query, `[q, dim]` in f32.
   * @throws ERR_ARGUMENT for queries that are not finite; ERR_MEMORY, ERR_UNSUPPORTED for more results than there is
   * room for
   */
  async find(op: string, task: Task<never>, queries: Tensor<'f32'>, k: number): Promise<Found> {
    if (k > this.size) throw refusal(op, 'k', `be at most ${this.size}, the number of rows`, k);
    await this.checkQueries(op, task, queries);
    const count = queries.shape[0]!;
    const nearest = new Nearest(op, count, k, this.metric === 'l2');
    for (let from = 0; from < count; from += queriesAtOnce) {
      using some = queries.rows(from, Math.min(count, from + queriesAtOnce));
      await this.#findSome(op, task, some, from, nearest);
    }
    return nearest.found();
  }

  /** @throws ERR_ARGUMENT for queries that are not finite, and for those of zeros under cosine */
  async checkQueries(op: string, task: Task<never>, queries: Tensor<'f32'>): Promise<void> {
    using squares = vectors.rowSquares(task.queue, queries);
    const [found] = await task.readAll(squares);
    const bad = found.findIndex((square) => !Number.isFinite(square));
    if (bad >= 0) throw refusal(op, `queries[${bad}]`, 'be finite', 'NaN or infinity');
    const zero = this.metric === 'cosine' ? found.indexOf(0) : -1;
    if (zero >= 0) throw refusal(op, `queries[${zero}]`, 'not be zero, which has no cosine', 'zeros');
  }

  async #findSome(
    op: string,
    task: Task<never>,
    queries: Tensor<'f32'>,
    from: number,
    nearest: Nearest,
  ): Promise<void> {
    const { device } = this.form;
    let waiting: { ids: Int32Array; gone: number; index: Tensor<'i32'>; scores: Tensor<'f64'> }[] = [];
    using owned = new Owned<Tensor>();
    const settle = async (): Promise<void> => {
      const read = await task.wait(
        Promise.all(waiting.map(({ index, scores }) => Promise.all([index.read(), scores.read()]))),
      );
      for (const [i, [index, scores]] of read.entries()) {
        const { ids, gone } = waiting[i]!;
        const width = Math.min(nearest.k, ids.length - gone);
        const columns = Math.min(nearest.k + gone, ids.length);
        if (columns > width) await task.run(passOver(ids, index, scores, columns, width));
        const size = queries.shape[0]! * width;
        await task.run(nearest.merge(from, ids, index.subarray(0, size), scores.subarray(0, size), width));
      }
      for (const { index, scores } of waiting) for (const tensor of [index, scores]) owned.drop(tensor);
      waiting = [];
    };
    for (const segment of this.segments) {
      const { isPassing } = segment;
      using passing = new Owned<Tensor>();
      const { parts, ids, gone } = await segment.searched(op, task, passing);
      const { rows, ranges, residuals, residualRanges } = parts;
      const shape = [queries.shape[0]!, Math.min(nearest.k + gone, ids.length)];
      const index = owned.add(new Tensor(device, shape, 'i32'));
      const scores = owned.add(new Tensor(device, shape, 'f64'));
      const codes = ranges ? { ranges, residuals: residuals!, residualRanges: residualRanges! } : {};
      ops.nearestRows(task.queue, { queries, rows: rows!, ...codes, index, scores, metric: this.metric });
      waiting.push({ ids, gone, index, scores });
      if (isPassing) await settle();
    }
    await settle();
  }

  /** The places of the rows of ids, segment by segment. @throws ERR_ARGUMENT for ids that are not there */
  *locate(op: string, ids: Int32Array): Steps<Located[]> {
    const order = yield* orderOf(ids);
    const sorted = order ? yield* idsAt(ids, order) : ids;
    const found: Located[] = [];
    const [own, places] = [new Int32Array(ids.length), new Int32Array(ids.length)];
    let [total, done] = [0, 0];
    for (const segment of this.segments) {
      let count = 0;
      let [i, place] = [0, 0];
      // Both ascend: each is followed to where the other is.
      for (;;) {
        if (++done % 2 ** 14 === 0) yield;
        i = placeFrom(sorted, segment.ids[place]!, i);
        if (i === sorted.length) break;
        place = placeFrom(segment.ids, sorted[i]!, place);
        if (place === segment.size) break;
        if (segment.ids[place] !== sorted[i]) continue;
        own[count] = order ? order[i]! : i;
        places[count] = place;
        count += 1;
        i += 1;
      }
      total += count;
      if (count > 0) found.push({ segment, own: own.slice(0, count), places: places.slice(0, count) });
    }
    if (total === ids.length) return found;
    const isThere = new Uint8Array(ids.length);
    for (const one of found) for (const i of one.own) isThere[i] = 1;
    const missing = isThere.indexOf(0);
    throw refusal(op, `ids[${missing}]`, 'be that of a row', ids[missing]);
  }

  /** The rows of ids as they are kept, or one tensor of them, in the order of the ids; they belong to `owned`. */
  async collect(op: string, task: Task<never>, ids: Int32Array, owned: Owned<Tensor>, only?: string): Promise<Parts> {
    const { device, dtype, dim } = this.form;
    const located = await task.run(this.locate(op, ids));
    const all: Record<string, Tensor> = {};
    for (const [name, part] of Object.entries(columnsOf(dtype, dim)))
      if (!only || name === only) all[name] = owned.add(new Tensor(device, [ids.length, part.columns], part.dtype));
    for (const { segment, own, places } of located) {
      using some = new Owned<Tensor>();
      const parts = await segment.some(op, task, places, some, only);
      const index = some.add(Tensor.from(device, own, [own.length]));
      for (const [name, out] of Object.entries(all))
        ops.scatterRows(device, { out, index, x: parts[name]!, mode: 'set' });
    }
    return all;
  }

  /** The numbers of rows by their ids, `[ids, dim]` in f32. */
  async gather(op: string, task: Task<never>, ids: Int32Array): Promise<Tensor<'f32'>> {
    using owned = new Owned<Tensor>();
    return owned.release(decode(await this.collect(op, task, ids, owned), owned)) as Tensor<'f32'>;
  }

  /** All ids, ascending. */
  *ids(): Steps<Int32Array> {
    const all = new Int32Array(this.size);
    let done = 0;
    for (const { ids } of this.segments) {
      all.set(ids, done);
      done += ids.length;
    }
    const order = yield* orderOf(all);
    return order ? yield* idsAt(all, order) : all;
  }
}

/** Moves the first `width` results of each query that have an id to the front of lists that have `columns` each. */
function* passOver(
  ids: Int32Array,
  index: Int32Array,
  scores: Float64Array,
  columns: number,
  width: number,
): Steps<void> {
  for (let [row, done] = [0, 0]; row * columns < index.length; ++row)
    for (let [column, count] = [0, 0]; count < width; ++column) {
      if (++done % 2 ** 14 === 0) yield;
      const [from, to] = [row * columns + column, row * width + count];
      if (ids[index[from]!]! < 0) continue;
      index[to] = index[from]!;
      scores[to] = scores[from]!;
      count += 1;
    }
}

/** The first rows of each query among those of the segments so far. */
class Nearest {
  readonly k: number;
  readonly ids: Int32Array;
  readonly scores: Float64Array;
  readonly #rounded: Float32Array;
  readonly #leastFirst: boolean;
  readonly #found: Int32Array;

  constructor(op: string, queries: number, k: number, leastFirst: boolean) {
    this.k = k;
    this.ids = hostArray(op, 'i32', queries * k);
    this.#rounded = hostArray(op, 'f32', queries * k);
    this.scores = hostArray(op, 'f64', queries * k);
    this.#leastFirst = leastFirst;
    this.#found = hostArray(op, 'i32', queries);
  }

  /** The result, once all is there. */
  found(): Found {
    this.#rounded.set(this.scores);
    return { ids: this.ids, scores: this.#rounded };
  }

  /** Rows of a segment by their places, for the queries from one on. */
  *merge(first: number, ids: Int32Array, index: Int32Array, scores: Float64Array, width: number): Steps<void> {
    const { k } = this;
    const before = (score: number, id: number, other: number, otherId: number): boolean =>
      score === other ? id < otherId : score < other === this.#leastFirst;
    for (let [row, done] = [0, 0]; row * width < index.length; ++row) {
      const query = first + row;
      const at = query * k;
      const oldIds = this.ids.slice(at, at + this.#found[query]!);
      const oldScores = this.scores.slice(at, at + oldIds.length);
      const total = Math.min(k, oldIds.length + width);
      let [a, b] = [0, 0];
      for (let i = 0; i < total; ++i) {
        if (++done % 2 ** 14 === 0) yield;
        const place = row * width + b;
        const id = b < width ? ids[index[place]!]! : -1;
        const takesNew = a === oldIds.length || (b < width && before(scores[place]!, id, oldScores[a]!, oldIds[a]!));
        this.ids[at + i] = takesNew ? id : oldIds[a]!;
        this.scores[at + i] = takesNew ? scores[place]! : oldScores[a]!;
        if (takesNew) b += 1;
        else a += 1;
      }
      this.#found[query] = total;
    }
  }
}
