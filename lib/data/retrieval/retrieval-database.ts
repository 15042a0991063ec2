import { abortable } from '../../core/abortable.ts';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import { checkAttached } from '../../core/host-data.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { flag, kind, readOptions, type Schema, type Watchers, watchers, word } from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import type { Steps } from '../../core/turns.ts';
import { checkPath, type Progress, type TransferOptions } from '../../files/transfer.ts';
import { bytesOf, emptyParts, encode, type RowDtype, take } from '../rows/form.ts';
import { copyIds, type GivenIds, idLimit, idsAt, idsFrom, orderOf, othersThan, placeOf, readIds } from '../rows/ids.ts';
import { type Metric, metrics, mostColumns, RowFile, rowDtypes, rowsAtOnce, writeRows } from '../rows/row-file.ts';
import { Segment, type SegmentForm, unfitRow } from '../rows/segment.ts';
import { Snapshot } from '../rows/snapshot.ts';

/** Options of {@link RetrievalDatabase}. */
export interface RetrievalDatabaseOptions {
  /**
   * The measure of how near a row is to a query: the `cosine` of their angle, their `dot` product, or the squared
   * distance `l2`, of which the least comes first. Default: `cosine`.
   */
  metric?: 'cosine' | 'dot' | 'l2' | undefined;
  /**
   * The form in which rows are kept: in 4 bytes a number (`f32`), in 2 (`f16`), or as codes of 8 bits that are
   * searched, with codes of 8 bits of what they leave (`i8`): 2 bytes a number and 16 a row, of which a search reads
   * half. Default: `f32`.
   */
  dtype?: 'f32' | 'f16' | 'i8' | undefined;
}

/** Options of {@link RetrievalDatabase.open}. */
export interface OpenDatabaseOptions {
  /**
   * True: rows stay on the device once they have been read. False: each search reads the file anew, in parts of 32 MB,
   * so that memory stays bounded whatever the file's size. Default: true.
   */
  keep?: boolean | undefined;
  /** Ends the call with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** Rows that a search has found. */
export interface SearchResult {
  /** `[queries · k]`: the ids of each query's rows, the nearest first; of equal scores the lower id first. */
  readonly ids: Int32Array;
  /** `[queries · k]`: their cosines, products or squared distances. */
  readonly scores: Float32Array;
}

const schema: Schema<{ metric: Metric; dtype: RowDtype }> = {
  metric: word(metrics, 'cosine'),
  dtype: word(rowDtypes, 'f32'),
};
const openSchema: Schema<{ keep: boolean } & Pick<Watchers<never>, 'signal'>> = {
  keep: flag(true),
  signal: watchers<never>().signal,
};
const searchSchema: Schema<Pick<Watchers<never>, 'signal'>> = {
  signal: kind((x) => x instanceof AbortSignal, 'an AbortSignal'),
};
/** Rows of one part of a file that is written, at most, however short they are. */
const mostRowsAtOnce = 2 ** 16;
/** Bytes of rows that are joined into one tensor when some are added. */
const mostJoined = 2 ** 30;
/** Ids that are looked up between two moments at which others may have a turn. */
const lookedUp = 2 ** 12;

/**
 * Rows of numbers under ids, and an exact search of those nearest to a query: embeddings of images, words or documents.
 *
 * A search gives what a comparison with every row in f64 gives, ties by the lower id, whatever the number of threads:
 * rows are scored in f32 first, and those that rounding may have misplaced once more in f64. For `f16` and `i8` this
 * holds for the rows as they are kept.
 *
 * Calls may overlap: each works on the rows that there are when its turn comes, after all changes asked for before it.
 * If a call fails or is aborted, the rows are as before.
 *
 * @example
 * const db = new RetrievalDatabase(device, 512, { metric: 'cosine' });
 * await db.add(embeddings);
 * const { ids, scores } = await db.search(queries, 4);
 */
export class RetrievalDatabase {
  /** The device that holds the rows. */
  readonly device: Device;
  /** Numbers of a row. */
  readonly dim: number;
  /** The metric, as given. */
  readonly metric: 'cosine' | 'dot' | 'l2';
  /** The dtype, as given. */
  readonly dtype: 'f32' | 'f16' | 'i8';
  readonly #form: SegmentForm;
  #segments: readonly Segment[] = [];
  #next = 0;
  /** Settles when all changes asked for so far are made. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /**
   * @param dim Numbers of a row: whole, from 1 to 2²⁴.
   * @throws ERR_ARGUMENT
   */
  constructor(device: Device, dim: number, options: RetrievalDatabaseOptions = {}) {
    const where = 'RetrievalDatabase';
    check.device(where, 'device', device);
    if (!Number.isInteger(dim) || dim < 1 || dim > mostColumns)
      throw refusal(where, 'dim', `be a whole number from 1 to ${mostColumns}`, shown(dim));
    const { metric, dtype } = readOptions(where, options, schema);
    this.device = device;
    this.dim = dim;
    this.metric = metric;
    this.dtype = dtype;
    this.#form = { device, dim, dtype, refusesZero: metric === 'cosine' };
  }

  /**
   * The database of a file that {@link RetrievalDatabase.save} wrote. Only its ids are read: rows follow when they are
   * asked for, from the file as it is now, whatever takes its place. The file stays open until `dispose`.
   * @throws ERR_STATE for a file without a database; ERR_FORMAT for one that is not what it says, such as one cut
   * short; ERR_IO with the system's error as `cause`; ERR_ARGUMENT; the signal's reason when aborted. Rows that are not
   * finite are ERR_FORMAT of the first call that reads them
   */
  static async open(device: Device, path: string, options: OpenDatabaseOptions = {}): Promise<RetrievalDatabase> {
    const op = 'RetrievalDatabase.open';
    check.device(op, 'device', device);
    checkPath(op, path);
    const { keep, signal } = readOptions(op, options, openSchema);
    const { file, head, ids } = await RowFile.open(op, path, keep, signal);
    const { dim, metric, dtype } = head;
    const database = new RetrievalDatabase(device, dim, { metric, dtype });
    const step = rowsAtOnce(bytesOf(dtype, dim));
    const segments: Segment[] = [];
    for (let from = 0; from < ids.length; from += step)
      segments.push(Segment.inFile(database.#form, ids.subarray(from, from + step), file, from));
    file.release();
    database.#segments = segments;
    database.#next = head.next;
    return database;
  }

  /** Rows that there are now, without changes under way. */
  get size(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, 0);
  }

  /** Bytes of rows on the device now. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** True once {@link RetrievalDatabase.dispose} has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Adds rows. They are copied before the call returns its promise.
   *
   * @param rows `[n, dim]`, floating, rounded to the database's dtype; or as many numbers.
   * @param ids Whole numbers from 0 to 2³¹ − 1, all different and new. Default: those after the largest so far.
   * @returns the ids of the rows
   * @throws ERR_ARGUMENT for ids that are there already or stand twice, for rows that are not finite in the database's
   * dtype, for rows of zeros under cosine, and for arrays whose memory was transferred;
   * ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  async add(rows: Tensor | Float32Array, ids?: Int32Array | BigInt64Array | readonly number[]): Promise<Int32Array> {
    const op = 'RetrievalDatabase.add';
    this.#checkAlive(op);
    const given = ids === undefined ? undefined : copyIds(op, ids);
    const owned = new Owned<Tensor>();
    try {
      const x = owned.add(this.#copy(op, 'rows', rows));
      const count = x.shape[0]!;
      if (given && given.length !== count)
        throw refusal(op, 'ids', `be ${count}, one a row`, given.length, 'ERR_SHAPE');
      return await this.#inTurn(undefined, () => this.#add(op, x, given, owned));
    } finally {
      owned.dispose();
    }
  }

  async #add(op: string, x: Tensor<'f32'>, given: GivenIds | undefined, owned: Owned<Tensor>): Promise<Int32Array> {
    this.#checkAlive(op);
    const count = x.shape[0]!;
    if (!given && this.#next + count > idLimit)
      throw refusal(op, 'ids', `be given where the next is ${this.#next}`, `none for ${count} rows`);
    using task = new Task<never>(this.device);
    const { ids, order } = given
      ? await task.run(readIds(op, given))
      : { ids: await task.run(idsFrom(this.#next, count)), order: undefined };
    if (count === 0) return ids;
    if (given) await task.run(this.#checkNew(op, ids));
    const bad = await unfitRow(task, this.#form, { rows: x });
    if (bad) throw refusal(op, `rows[${bad.row}]`, bad.must, 'another row');
    const sorted = order ? (take({ rows: x }, order, owned).rows as Tensor<'f32'>) : x;
    using parts = new Owned<Tensor>();
    const encoded = encode(sorted, this.dtype, owned, parts);
    if (this.dtype === 'f16') {
      const lost = await unfitRow(task, this.#form, encoded);
      if (lost) throw refusal(op, `rows[${order ? order[lost.row] : lost.row}]`, `${lost.must} in f16`, 'another row');
    }
    // The caller may do with its array what it likes.
    const ascending = order ? await task.run(idsAt(ids, order)) : ids.slice();
    this.#checkAlive(op);
    const made = [Segment.of(this.#form, ascending, encoded, parts)];
    try {
      this.#replace(await this.#joined(op, task, [...this.#segments, ...made], made), made);
    } catch (error) {
      for (const segment of made) segment.release();
      throw error;
    }
    this.#next = Math.max(this.#next, ascending.at(-1)! + 1);
    return ids;
  }

  /**
   * Removes rows. Of few rows the memory stays where it is until more of their neighbours go: the others are copied
   * once for some dozens of them.
   * @throws ERR_ARGUMENT for ids that are not there or stand twice; ERR_DISPOSED, ERR_MEMORY; ERR_IO and ERR_FORMAT
   * where rows are still in a file
   */
  async remove(ids: Int32Array | BigInt64Array | readonly number[]): Promise<void> {
    const op = 'RetrievalDatabase.remove';
    this.#checkAlive(op);
    const given = copyIds(op, ids);
    await this.#inTurn(undefined, () => this.#remove(op, given));
  }

  async #remove(op: string, given: GivenIds): Promise<void> {
    this.#checkAlive(op);
    using task = new Task<never>(this.device);
    using now = this.#snapshot();
    const { ids } = await task.run(readIds(op, given));
    if (ids.length === 0) return;
    const located = await task.run(now.locate(op, ids));
    const gone = new Map(located.map(({ segment, places }) => [segment, places]));
    const rest: Segment[] = [];
    const made: Segment[] = [];
    try {
      for (const segment of now.segments) {
        const places = gone.get(segment);
        if (!places) rest.push(segment);
        if (!places || places.length === segment.size) continue;
        const view = await task.run(Segment.without(segment, places));
        if (view) {
          made.push(view);
          rest.push(view);
          continue;
        }
        using owned = new Owned<Tensor>();
        using passing = new Owned<Tensor>();
        const kept = othersThan(places, segment.size);
        const parts = take(await segment.rows(op, task, passing), kept, owned);
        const left = Segment.of(this.#form, await task.run(idsAt(segment.ids, kept)), parts, owned);
        made.push(left);
        rest.push(left);
      }
      this.#checkAlive(op);
    } catch (error) {
      for (const segment of made) segment.release();
      throw error;
    }
    this.#replace(rest, made);
  }

  /**
   * The k rows that are nearest to each query.
   *
   * @param queries `[q, dim]`, floating, used in f32; or as many numbers. They are copied before the call returns its
   * promise.
   * @param k Whole, from 1 to the number of rows.
   * @throws ERR_ARGUMENT for a k above the number of rows, for queries that are not finite, and for those of zeros
   * under cosine; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY, ERR_UNSUPPORTED for more results than
   * there is room for; ERR_IO and ERR_FORMAT where rows are still in a file; the signal's reason when aborted
   */
  async search(
    queries: Tensor | Float32Array,
    k: number,
    options: Pick<TaskOptions<never>, 'signal'> = {},
  ): Promise<SearchResult> {
    const op = 'RetrievalDatabase.search';
    this.#checkAlive(op);
    if (!Number.isSafeInteger(k) || k < 1) throw refusal(op, 'k', 'be a whole number from 1 on', shown(k));
    const { signal } = readOptions(op, options, searchSchema);
    signal?.throwIfAborted();
    const x = this.#copy(op, 'queries', queries);
    try {
      using now = await this.hold(op, signal);
      using task = new Task<never>(this.device, { signal });
      const found = await now.find(op, task, x, k);
      this.#checkAlive(op);
      return found;
    } finally {
      x.dispose();
    }
  }

  /**
   * Rows by their ids, each as often as its id stands there: a new tensor `[ids, dim]` in f32, of what is kept.
   * @throws ERR_ARGUMENT for ids that are not there; ERR_DISPOSED, ERR_MEMORY; ERR_IO and ERR_FORMAT where rows are
   * still in a file
   */
  async gather(ids: Int32Array): Promise<Tensor<'f32'>> {
    const op = 'RetrievalDatabase.gather';
    this.#checkAlive(op);
    if (!(ids instanceof Int32Array)) throw refusal(op, 'ids', 'be an Int32Array', shown(ids));
    checkAttached(op, 'ids', ids);
    const own = ids.slice();
    using now = await this.hold(op, undefined);
    using task = new Task<never>(this.device);
    const rows = await now.gather(op, task, own);
    if (this.#disposed) rows.dispose();
    this.#checkAlive(op);
    return rows;
  }

  /**
   * Stores rows and ids in a safetensors file that replaces `path` at once and whole: whatever fails or is killed on
   * the way, `path` holds the old file or the new one. Rows go through memory in parts of 32 MB and 65,536 rows at
   * most. The database may change meanwhile: the file holds the rows that there were when all changes asked for before
   * had been made.
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_MEMORY; ERR_IO with the system's error as `cause`; the signal's reason when
   * aborted
   */
  async save(path: string, options: TransferOptions = {}): Promise<void> {
    const op = 'RetrievalDatabase.save';
    this.#checkAlive(op);
    checkPath(op, path);
    const { signal, onProgress } = readOptions(op, options, watchers<Progress>());
    signal?.throwIfAborted();
    const before = this.#last;
    await abortable(before, signal);
    this.#checkAlive(op);
    using now = this.#snapshot();
    const next = this.#next;
    using task = new Task<never>(this.device, { signal });
    const { dim, metric, dtype } = this;
    const ids = await task.run(now.ids());
    const step = Math.min(mostRowsAtOnce, rowsAtOnce(bytesOf(dtype, dim)));
    const spans = async function* (name: string): AsyncGenerator<ArrayBufferView, void> {
      for (let from = 0; from < ids.length; from += step) {
        using owned = new Owned<Tensor>();
        const parts = await now.collect(op, task, ids.subarray(from, from + step), owned, name);
        const [data] = await task.readAll(parts[name]!);
        yield data;
      }
    };
    await writeRows(op, path, { dim, metric, dtype, next }, ids, spans, { signal, onProgress });
  }

  /** Gives the rows back. Calls that run end with `ERR_DISPOSED`; a save that has begun ends well. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const segment of this.#segments) segment.release();
    this.#segments = [];
  }

  /** Disposes: `using db = new RetrievalDatabase(device, 512)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal The rows after all changes asked for so far. */
  async hold(op: string, signal: AbortSignal | undefined): Promise<Snapshot> {
    await abortable(this.#last, signal);
    this.#checkAlive(op);
    return this.#snapshot();
  }

  /** @internal Numbers of a caller as a matrix in f32. @throws ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_ARGUMENT */
  copyOf(op: string, name: string, x: Tensor | Float32Array): Tensor<'f32'> {
    this.#checkAlive(op);
    return this.#copy(op, name, x);
  }

  #snapshot(): Snapshot {
    return new Snapshot(this.#form, this.metric, this.#segments);
  }

  #copy(op: string, name: string, x: unknown): Tensor<'f32'> {
    if (x instanceof Float32Array) {
      checkAttached(op, name, x);
      if (x.length % this.dim !== 0)
        throw refusal(op, name, `have ${this.dim} numbers a row`, `${x.length} numbers`, 'ERR_SHAPE');
      return Tensor.from(this.device, x, [x.length / this.dim, this.dim]);
    }
    if (!isTensor(x)) throw refusal(op, name, 'be a Tensor or a Float32Array', shown(x));
    check.tensor(op, name, x, { shape: [undefined, this.dim], dtypes: check.floating, device: this.device });
    return x.dtype === 'f32' ? (x.copy() as Tensor<'f32'>) : x.cast('f32');
  }

  #checkAlive(op: string): void {
    check.alive(op, 'the database', this);
  }

  /** @throws ERR_ARGUMENT for ids that are there already */
  *#checkNew(op: string, ids: Int32Array): Steps<void> {
    for (let i = 0; i < ids.length; ++i) {
      if (i % lookedUp === 0) yield;
      const id = ids[i]!;
      if (this.#segments.some((segment) => placeOf(segment.ids, id) >= 0))
        throw refusal(op, `ids[${i}]`, 'be new', `${id}, which is there already`);
    }
  }

  /** Makes a change once all those asked for before are made. */
  #inTurn<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const turn = abortable(before, signal).then(work);
    // Without their values, which would be kept for as long as the database is.
    this.#last = Promise.allSettled([before, turn]).then(() => undefined);
    return turn;
  }

  /** Puts other segments in the place of those that there are; `made` are held by their maker until then. */
  #replace(segments: readonly Segment[], made: readonly Segment[]): void {
    for (const segment of segments) segment.hold();
    for (const segment of this.#segments) segment.release();
    for (const segment of made) segment.release();
    this.#segments = segments;
  }

  /**
   * The last segments joined as long as one is at most twice the next one's size, so that there are few of them however
   * few rows come at a time. New ones go to `made` as well.
   */
  async #joined(op: string, task: Task<never>, segments: readonly Segment[], made: Segment[]): Promise<Segment[]> {
    const all = [...segments];
    for (;;) {
      const [a, b] = all.slice(-2);
      if (!a || !b || a.size > 2 * b.size || (a.size + b.size) * bytesOf(this.dtype, this.dim) > mostJoined) return all;
      const both = await this.#join(op, task, a, b);
      if (!both) return all;
      made.push(both);
      all.splice(-2, 2, both);
    }
  }

  /** One segment of two, if they are on the device. */
  async #join(op: string, task: Task<never>, a: Segment, b: Segment): Promise<Segment | undefined> {
    const [first, second] = [a.resident, b.resident];
    if (!first || !second) return undefined;
    const ids = new Int32Array(a.size + b.size);
    ids.set(a.ids);
    ids.set(b.ids, a.size);
    const order = await task.run(orderOf(ids));
    const ascending = order ? await task.run(idsAt(ids, order)) : ids;
    this.#checkAlive(op);
    using owned = new Owned<Tensor>();
    const parts = emptyParts(this.device, this.dtype, this.dim, ids.length, owned);
    for (const [name, all] of Object.entries(parts)) {
      using upper = all.rows(0, a.size);
      using lower = all.rows(a.size);
      ops.copy(this.device, { x: [first[name]!, second[name]!], out: [upper, lower] });
    }
    if (!order) return Segment.of(this.#form, ascending, parts, owned);
    using sorted = new Owned<Tensor>();
    return Segment.of(this.#form, ascending, take(parts, order, sorted), sorted);
  }
}
