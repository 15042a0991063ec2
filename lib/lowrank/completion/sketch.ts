import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { RandomStream } from '../../core/random.ts';
import type { Task } from '../../core/task.ts';
import { given, Tensor } from '../../core/tensor.ts';
import type { Steps } from '../../core/turns.ts';
import * as vectors from '../../core/vectors.ts';
import type { SparseLines } from './data.ts';
import { byLength } from './lines.ts';
import { tensorOf } from './numbers.ts';
import type { Regress, Regression } from './regression.ts';

/** Rows of a sketch for each column of the factor. */
const rowsPerColumn = 4;
/** Share of the mean diagonal that keeps the triangle of a sketch from having a zero there. */
const leastShare = { f32: 1e-7, f64: 1e-14 } as const;
/** Share of the mean diagonal that lines with fewer entries than columns get, as of `fitRows`. */
const raised = 1e-6;
/** Elements of sketches that are there at once, and of rows of the factor that go into them. */
const mostElements = 1 << 22;
/** Added to what is divided by, so that a line that is done stays where it is. */
const tiny = 1e-300;
const streamOfSigns = 2;
const pause = 1 << 14;

/** Sizes of the sketches of one side: rows of one, with those of the ridge, and the number that are made at once. */
interface Shape {
  readonly rows: number;
  readonly high: number;
  readonly group: number;
}
const shapeOf = (width: number): Shape => {
  const rows = rowsPerColumn * width;
  const high = rows + width;
  return { rows, high, group: Math.max(1, Math.floor(mostElements / (high * width))) };
};

/** The row of the sketches of a group that each entry's row of the factor is added to: a line's rows in turn. */
function* slotsOf(places: Int32Array, { rows, high, group }: Shape): Steps<Int32Array> {
  const out = new Int32Array(places.at(-1)!);
  for (let line = 0; line + 1 < places.length; ++line)
    for (let e = places[line]!; e < places[line + 1]!; ++e) {
      out[e] = (line % group) * high + ((e - places[line]!) % rows);
      if (e % pause === 0) yield;
    }
  return out;
}

/**
 * Regressions by conjugate gradients, preconditioned by R of a sketch of each line's rows of x: each row with a random
 * sign added to one of four rows a column. All lines go their way together until each has the gradient asked for.
 */
export class Sketch {
  readonly #task: Task<never>;
  readonly #ridge: number;
  readonly #tol: number;
  readonly #random: RandomStream;
  readonly #owned: Owned<Tensor>;
  readonly #slots = new Map<SparseLines, Tensor>();
  /** Steps of conjugate gradients so far. */
  steps = 0;

  constructor(task: Task<never>, owned: Owned<Tensor>, own: { ridge: number; tol: number; seed: number }) {
    this.#task = task;
    this.#owned = owned;
    this.#ridge = own.ridge;
    this.#tol = own.tol;
    this.#random = new RandomStream(own.seed, { stream: streamOfSigns });
  }

  readonly regress: Regress = async (regression) => {
    using owned = new Owned<Tensor>();
    const ridges = await this.#ridges(regression);
    const factor = await this.#factors(regression, ridges, owned);
    const system = new LineSystems(this.#task.queue, regression, ridges, factor, owned);
    system.begin();
    for (let i = 0; i < 4 * regression.x.shape[1]! + 10; ++i) {
      system.step();
      this.steps += 1;
      if (Math.sqrt((await this.#task.read(system.largest))[0]!) <= this.#tol) break;
      system.turn();
    }
    if (regression.squares) system.squares(regression.squares);
  };

  /** Added to the diagonal of each line's equations. */
  #ridges({ lines, x }: Regression): Promise<Float64Array> {
    const [columns, width] = x.shape as [number, number];
    const ridgeOf = (size: number): number => this.#ridge + (size < width ? (raised * Math.max(1, size)) / columns : 0);
    return this.#task.run(byLength(lines.places, ridgeOf));
  }

  /** L of each line, `[lines, width, width]`, such that L Lᵀ is near its equations. */
  async #factors({ lines, x }: Regression, ridges: Float64Array, owned: Owned<Tensor>): Promise<Tensor> {
    const { device, dtype } = x;
    const { queue } = this.#task;
    const [columns, width] = x.shape as [number, number];
    const shape = shapeOf(width);
    const { high, group } = shape;
    const slots = await this.#slotsOf(lines, shape);
    const factors = owned.add(new Tensor(device, [lines.count, width, width], dtype));
    const signs = owned.add(this.#random.normal(device, [columns], { dtype: dtype as 'f32' | 'f64' }));
    const signed = owned.add(new Tensor(device, x.shape, dtype));
    ops.map(queue, { x: [signs], out: [signs], function: 'sign' });
    ops.scaleAxis(queue, { x, scale: signs, out: signed, axis: 0 });
    const share = leastShare[dtype as 'f32' | 'f64'];
    const roots = await this.#task.run(byLength(lines.places, (size) => (share * Math.max(1, size)) / columns));
    for (let line = 0; line < roots.length; ++line) roots[line] = Math.sqrt(ridges[line]! + roots[line]!);
    const root = owned.add(tensorOf(device, roots, [lines.count, 1], dtype));
    const block = new Float64Array(high * width);
    for (let j = 0; j < width; ++j) block[(shape.rows + j) * width + j] = 1;
    const diagonal = owned.add(tensorOf(device, block, [1, high * width], dtype));
    for (let first = 0; first < lines.count; first += group) {
      const last = Math.min(lines.count, first + group);
      using sketches = new Tensor(device, [last - first, high * width], dtype);
      using own = root.rows(first, last);
      ops.gemm(queue, { a: own, b: diagonal, c: sketches });
      using rows = sketches.reshape([(last - first) * high, width]);
      const end = lines.places[last]!;
      const most = Math.max(1, Math.floor(mostElements / width));
      for (let from = lines.places[first]!; from < end; from += most) {
        const to = Math.min(end, from + most);
        using index = slots.rows(from, to);
        using of = lines.columns.rows(from, to);
        using gathered = new Tensor(device, [to - from, width], dtype);
        ops.gatherRows(queue, { x: signed, index: of, out: gathered });
        ops.scatterRows(queue, { x: gathered, index, out: rows });
      }
      using matrix = sketches.reshape([last - first, high, width]);
      using q = new Tensor(device, [last - first, high, width], dtype);
      using r = new Tensor(device, [last - first, width, width], dtype);
      ops.qr(queue, { matrix, q, r });
      using to = factors.rows(first, last);
      ops.transpose(queue, { x: r, out: to });
    }
    return factors;
  }

  async #slotsOf(lines: SparseLines, shape: Shape): Promise<Tensor> {
    let slots = this.#slots.get(lines);
    if (!slots) {
      const data = await this.#task.run(slotsOf(lines.places, shape));
      slots = this.#owned.add(given(lines.starts.device, data, [data.length], 'i32'));
      this.#slots.set(lines, slots);
    }
    return slots;
  }
}

/** The normal equations of all lines, and conjugate gradients on them, a step at a time. */
class LineSystems {
  /** f64 [1]: the largest |gradient|² of a line, relative to that of 0. */
  readonly largest: Tensor;
  readonly #queue: Device;
  readonly #lines: SparseLines;
  readonly #x: Tensor;
  readonly #out: Tensor;
  readonly #values: Tensor;
  readonly #ridge: Tensor;
  readonly #factor: Tensor;
  readonly #owned: Owned<Tensor>;
  /** The products of the factors at the entries. */
  readonly #products: Tensor;
  readonly #vectors: Record<'r' | 'z' | 'p' | 'q' | 'product', Tensor>;
  readonly #numbers: Record<'rz' | 'next' | 'pq' | 'share' | 'first' | 'now' | 'tiny', Tensor>;
  /** The factor of a step, in the dtype of the lines. */
  readonly #step: Tensor;

  constructor(queue: Device, regression: Regression, ridges: Float64Array, factor: Tensor, owned: Owned<Tensor>) {
    const { lines, x, out } = regression;
    const { device, dtype } = x;
    this.#queue = queue;
    this.#lines = lines;
    this.#x = x;
    this.#out = out;
    this.#factor = factor;
    this.#owned = owned;
    this.#values = this.#targets(regression);
    this.#ridge = owned.add(tensorOf(device, ridges, [lines.count], dtype));
    this.#products = owned.add(new Tensor(device, lines.values.shape, dtype));
    const vector = () => owned.add(new Tensor(device, out.shape, dtype));
    this.#vectors = { r: vector(), z: vector(), p: vector(), q: vector(), product: vector() };
    const number = () => owned.add(Tensor.full(device, [lines.count], tiny, { dtype: 'f64' }));
    this.#numbers = { rz: number(), next: number(), pq: number(), share: number(), first: number(), now: number(), tiny: number() }; // biome-ignore format: one line
    this.#step = owned.add(new Tensor(device, [lines.count], dtype));
    this.largest = owned.add(new Tensor(device, [1], 'f64'));
  }

  begin(): void {
    const { r, z, p } = this.#vectors;
    const { starts, columns } = this.#lines;
    ops.combineEntries(this.#queue, { starts, columns, values: this.#values, x: this.#x, out: r });
    ops.rowReduce(this.#queue, { x: r, out: this.#numbers.first, reduction: 'sum_of_squares' });
    ops.fill(this.#queue, { x: [this.#out], value: 0 });
    this.#precondition();
    vectors.copy(this.#queue, z, p);
    this.#dot(r, z, this.#numbers.rz);
  }

  /** out and its gradient after a step along p. */
  step(): void {
    const { r, p, q } = this.#vectors;
    const { rz, pq, now, share, first } = this.#numbers;
    this.#multiply(p, q);
    this.#dot(p, q, pq);
    this.#divide(rz, pq);
    const scale = this.#step;
    ops.scaleAxis(this.#queue, { x: p, scale, out: this.#out, axis: 0, beta: 1 });
    ops.scaleAxis(this.#queue, { x: q, scale, out: q, axis: 0 });
    vectors.axpy(this.#queue, -1, q, r);
    ops.rowReduce(this.#queue, { x: r, out: now, reduction: 'sum_of_squares' });
    this.#quotient(now, first);
    using row = share.reshape([1, share.size]);
    ops.rowReduce(this.#queue, { x: row, out: this.largest, reduction: 'max' });
  }

  /** The next direction. */
  turn(): void {
    const { r, z, p } = this.#vectors;
    const { rz, next } = this.#numbers;
    this.#precondition();
    this.#dot(r, z, next);
    this.#divide(next, rz);
    ops.scaleAxis(this.#queue, { x: p, scale: this.#step, out: p, axis: 0 });
    vectors.axpy(this.#queue, 1, z, p);
    vectors.copy(this.#queue, next, rz);
  }

  /** out = Σ residual² of each line. */
  squares(out: Tensor): void {
    const { starts, columns, lines } = this.#lines;
    const products = this.#products;
    const { device, dtype } = this.#x;
    ops.entryProducts(this.#queue, { rows: lines!, columns, x: this.#out, y: this.#x, out: products });
    vectors.axpy(this.#queue, -1, this.#values, products);
    vectors.multiply(this.#queue, products, products, products);
    using ones = Tensor.full(device, [this.#x.shape[0]!, 1], 1, { dtype });
    using sums = new Tensor(device, [out.size, 1], dtype);
    ops.combineEntries(this.#queue, { starts, columns, values: products, x: ones, out: sums });
    using flat = sums.reshape([out.size]);
    ops.cast(this.#queue, { x: [flat], out: [out] });
  }

  /** to = (xᵀx + ridge) p, each line with its own rows of x. */
  #multiply(p: Tensor, to: Tensor): void {
    const { starts, columns, lines } = this.#lines;
    ops.entryProducts(this.#queue, { rows: lines!, columns, x: p, y: this.#x, out: this.#products });
    ops.combineEntries(this.#queue, { starts, columns, values: this.#products, x: this.#x, out: to });
    ops.scaleAxis(this.#queue, { x: p, scale: this.#ridge, out: to, axis: 0, beta: 1 });
  }

  #precondition(): void {
    const { r, z } = this.#vectors;
    using rhs = r.reshape([...r.shape, 1]);
    using out = z.reshape([...z.shape, 1]);
    ops.choleskySolve(this.#queue, { factor: this.#factor, rhs, out });
  }

  #dot(a: Tensor, b: Tensor, out: Tensor): void {
    vectors.multiply(this.#queue, a, b, this.#vectors.product);
    ops.rowReduce(this.#queue, { x: this.#vectors.product, out, reduction: 'sum' });
  }

  #quotient(a: Tensor, b: Tensor): void {
    vectors.combine(this.#queue, this.#numbers.share, [1, b], [1, this.#numbers.tiny]);
    vectors.divide(this.#queue, a, this.#numbers.share, this.#numbers.share);
  }

  #divide(a: Tensor, b: Tensor): void {
    this.#quotient(a, b);
    ops.cast(this.#queue, { x: [this.#numbers.share], out: [this.#step] });
  }

  /** The values less their columns' shift. */
  #targets({ lines, shift }: Regression): Tensor {
    if (!shift) return lines.values;
    const out = this.#owned.add(new Tensor(lines.values.device, lines.values.shape, lines.values.dtype));
    ops.gatherRows(this.#queue, { x: shift, index: lines.columns, out });
    vectors.combine(this.#queue, out, [-1, out], [1, lines.values]);
    return out;
  }
}
