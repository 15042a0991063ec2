import type { Device } from '../../core/device.ts';
import { OrthokitError } from '../../core/errors.ts';
import { hostArray } from '../../core/host-data.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { given, type Tensor } from '../../core/tensor.ts';
import type { Steps } from '../../core/turns.ts';
import * as vectors from '../../core/vectors.ts';
import { columnsOf, type Parts, type RowDtype, take } from './form.ts';
import { idsAt, othersThan } from './ids.ts';
import type { RowFile } from './row-file.ts';

/** Rows that may be gone from a segment before the others are copied, and their share of it. */
const [mostGone, mostGoneShare] = [64, 1 / 4];

/** The properties of all segments of a database. */
export interface SegmentForm {
  readonly device: Device;
  readonly dim: number;
  readonly dtype: RowDtype;
  /** True where a row of zeros is none, as under cosine. */
  readonly refusesZero: boolean;
}

/** Some rows of a segment. */
interface View {
  readonly whole: Segment;
  /** The places there of the rows that are no part of it. */
  readonly gone: Int32Array;
  /** The places there of those that are. */
  readonly places: Int32Array;
  /** The ids of all rows there, −1 for those that are gone. */
  readonly ids: Int32Array;
}

/**
 * Rows of a database in the order of their ids, which never change: on the device, or still in a file. Whoever works
 * with a segment holds it; the last one who releases it gives its memory back.
 */
export class Segment {
  readonly form: SegmentForm;
  /** Ascending. */
  readonly ids: Int32Array;
  #owned: Owned<Tensor> | undefined;
  #parts: Parts | undefined;
  readonly #file: RowFile | undefined;
  /** Its first row in the file. */
  readonly #first: number;
  /** The segment that this one is rows of, all but some. */
  #of: View | undefined;
  #isChecked = false;
  #loading: Promise<void> | undefined;
  #holders = 1;

  private constructor(form: SegmentForm, ids: Int32Array, file?: RowFile, first = 0) {
    this.form = form;
    this.ids = ids;
    this.#file = file;
    this.#first = first;
  }

  /** Rows on the device, whose tensors move to the segment. */
  static of(form: SegmentForm, ids: Int32Array, parts: Parts, owned: Owned<Tensor>): Segment {
    const segment = new Segment(form, ids);
    segment.#owned = owned.move();
    segment.#parts = parts;
    return segment;
  }

  /** Rows of a file from one on, which are read when they are asked for. */
  static inFile(form: SegmentForm, ids: Int32Array, file: RowFile, first: number): Segment {
    file.hold();
    return new Segment(form, ids, file, first);
  }

  /**
   * A segment without the rows at some places, ascending: their memory stays where it is, and a search passes over
   * them. Nothing where these would be too many.
   */
  static *without(segment: Segment, places: Int32Array): Steps<Segment | undefined> {
    const { whole, gone: before } = segment.#of ?? { whole: segment, gone: new Int32Array() };
    const count = before.length + places.length;
    if (count > mostGone || count > mostGoneShare * whole.size) return undefined;
    const gone = new Int32Array([...before, ...segment.#inWhole(places)]).sort();
    const left = othersThan(gone, whole.size);
    const made = new Segment(segment.form, yield* idsAt(whole.ids, left));
    const ids = whole.ids.slice();
    for (const place of gone) ids[place] = -1;
    made.#of = { whole: whole.hold(), gone, places: left, ids };
    return made;
  }

  /** Places of the segment that this one is rows of. */
  #inWhole(places: Int32Array): Int32Array {
    return this.#of ? places.map((place) => this.#of!.places[place]!) : places;
  }

  get size(): number {
    return this.ids.length;
  }

  /** Bytes on the device. */
  get bytes(): number {
    if (this.#of) return this.#of.whole.bytes;
    return Object.values(this.#parts ?? {}).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  hold(): this {
    this.#holders += 1;
    return this;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#owned?.dispose();
    this.#file?.release();
    this.#of?.whole.release();
  }

  /** Its rows, if they are on the device, and no others with them. */
  get resident(): Parts | undefined {
    return this.#parts;
  }

  /** True if a search must wait before it goes on to the next one: memory is for a few of these at a time. */
  get isPassing(): boolean {
    return this.#of ? this.#of.whole.isPassing : !this.#parts;
  }

  /** All rows for a search, and the id of each: −1 for those that it must pass over, as many as `gone`. */
  async searched(
    op: string,
    task: Task<never>,
    owned: Owned<Tensor>,
  ): Promise<{ readonly parts: Parts; readonly ids: Int32Array; readonly gone: number }> {
    const parts = await (this.#of?.whole ?? this).rows(op, task, owned);
    return { parts, ids: this.#of?.ids ?? this.ids, gone: this.#of?.gone.length ?? 0 };
  }

  /** All rows. Those of a file stay on the device if it keeps them; else they belong to `owned`. */
  async rows(op: string, task: Task<never>, owned: Owned<Tensor>): Promise<Parts> {
    if (this.#of) {
      using passing = new Owned<Tensor>();
      return take(await this.#of.whole.rows(op, task, passing), this.#of.places, owned);
    }
    if (this.#parts) return this.#parts;
    if (!this.#file!.keeps) return await this.#read(op, task, owned);
    this.#loading ??= this.#keep(op, task).finally(() => {
      this.#loading = undefined;
    });
    try {
      await task.wait(this.#loading);
    } catch (error) {
      task.check();
      // Another call has begun to read and was aborted: its failure is not this one's.
      if (!this.#parts) return await this.#read(op, task, owned);
      throw error;
    }
    return this.#parts!;
  }

  /** Some rows by their places, or one tensor of them: a file is read at these alone. */
  async some(op: string, task: Task<never>, places: Int32Array, owned: Owned<Tensor>, only?: string): Promise<Parts> {
    if (this.#of) return this.#of.whole.some(op, task, this.#inWhole(places), owned, only);
    const { device, dim, dtype } = this.form;
    if (this.#parts) return take(only ? { [only]: this.#parts[only]! } : this.#parts, places, owned);
    const taken: Record<string, Tensor> = {};
    for (const [name, { dtype: own, columns }] of Object.entries(columnsOf(dtype, dim))) {
      if (only && name !== only) continue;
      const data = hostArray(op, own, places.length * columns);
      const width = columns * data.BYTES_PER_ELEMENT;
      for (let from = 0; from < places.length; ) {
        let to = from + 1;
        while (to < places.length && places[to] === places[to - 1]! + 1) ++to;
        const bytes = new Uint8Array(data.buffer, from * width, (to - from) * width);
        await this.#file!.read(name, this.#first + places[from]!, bytes, task.signal);
        from = to;
      }
      taken[name] = owned.add(given(device, data, [places.length, columns], own));
    }
    if (!only) await this.#check(op, task, taken, places);
    return taken;
  }

  async #keep(op: string, task: Task<never>): Promise<void> {
    using owned = new Owned<Tensor>();
    this.#parts = await this.#read(op, task, owned);
    // Who held it may have gone meanwhile.
    if (this.#holders > 0) this.#owned = owned.move();
  }

  async #read(op: string, task: Task<never>, owned: Owned<Tensor>): Promise<Parts> {
    const { device, dim, dtype } = this.form;
    const parts: Record<string, Tensor> = {};
    for (const [name, { dtype: own, columns }] of Object.entries(columnsOf(dtype, dim))) {
      const data = hostArray(op, own, this.size * columns);
      await this.#file!.read(name, this.#first, new Uint8Array(data.buffer), task.signal);
      parts[name] = owned.add(given(device, data, [this.size, columns], own));
    }
    if (!this.#isChecked) await this.#check(op, task, parts);
    this.#isChecked = true;
    return parts;
  }

  /** @throws ERR_FORMAT for rows of a file that no database would have taken */
  async #check(op: string, task: Task<never>, parts: Parts, places?: Int32Array): Promise<void> {
    const wrong = await unfitRow(task, this.form, parts);
    if (!wrong) return;
    const id = this.ids[places ? places[wrong.row]! : wrong.row];
    throw new OrthokitError('ERR_FORMAT', `${op}: row ${id} of ${this.#file!.path} must ${wrong.must}, got another`);
  }
}

/** The first row that a database must not hold, or nothing. */
export async function unfitRow(
  task: Task<never>,
  { device, refusesZero }: SegmentForm,
  { rows, ranges, residualRanges }: Parts,
): Promise<{ row: number; must: string } | undefined> {
  // Codes are finite where their ranges are; a row of codes is zero where it is decoded as zeros, which needs these.
  const judged = ranges ? [ranges, residualRanges!] : [rows!];
  for (const x of judged) {
    using squares = vectors.rowSquares(device, x);
    const [found] = await task.readAll(squares);
    const bad = found.findIndex((square) => !Number.isFinite(square));
    if (bad >= 0) return { row: bad, must: 'be finite' };
    const zero = refusesZero && x !== residualRanges ? found.indexOf(0) : -1;
    if (zero >= 0) return { row: zero, must: 'not be zero, which has no cosine' };
  }
  return undefined;
}
