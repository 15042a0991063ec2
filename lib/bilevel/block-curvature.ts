// The solution of ∇²_yy gᵢ rᵢ = ∇_y fᵢ for the sampled blocks, in the two ways of BSVRB.
import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import type { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { BlockOracles } from './block-oracles.ts';
import { BlockRows, type RowFactors, RowsBefore, track } from './block-rows.ts';

/** A point of the sampled blocks. */
export interface BlockPoint {
  readonly x: Tensor;
  readonly y: Tensor;
  /** ∇_y fᵢ there. */
  readonly upper: Tensor;
}

/** A step under way. */
export interface BlockStep {
  readonly now: BlockPoint;
  readonly before: BlockPoint;
  readonly factors: RowFactors;
  /** i32 `[ids]`: see {@link RowsBefore}. */
  readonly places: Tensor;
  ask(
    name: keyof BlockOracles,
    lent: readonly Tensor[],
    run: (ids: Int32Array, sample: number) => void | Promise<void>,
  ): Promise<void> | undefined;
}

/** One of the ways. */
export interface BlockCurvature {
  readonly oracle: 'lowerHessian' | 'lowerHessianYY';
  /** The results of the oracle at both points. */
  readonly given: readonly [Tensor, Tensor];
  /** Tables of all blocks. */
  readonly tables: readonly (readonly [name: string, BlockRows])[];
  readonly rowsBefore: RowsBefore;
  /** The r that the step uses now: `rowsBefore.kept` of the next step comes of `used`. */
  readonly used: Tensor;
  /** rᵢ at both points, `[ids, dim]`; and the next rows of the tables. */
  solve(step: BlockStep): Promise<readonly [now: Tensor, before: Tensor]>;
}

/** The sizes of the blocks that a step takes. */
interface Sizes {
  readonly device: Device;
  readonly count: number;
  readonly ids: number;
  readonly dim: number;
  readonly dtype: Tensor['dtype'];
}

/** v1: trackers of the Hessians, with eigenvalues from a floor on, and their inverses. */
export class HessianCurvature implements BlockCurvature {
  readonly oracle = 'lowerHessian';
  readonly given: readonly [Tensor, Tensor];
  readonly tables: readonly (readonly [string, BlockRows])[];
  readonly rowsBefore: RowsBefore;
  readonly used: Tensor;
  readonly #blocks: BlockOracles;
  readonly #alpha: number;
  readonly #floor: number;
  readonly #device: Device;
  readonly #hessian: BlockRows;
  readonly #inverse: BlockRows;
  readonly #scratch: Tensor;
  readonly #vectors: Tensor;
  readonly #turned: Tensor;
  readonly #values: Tensor;
  readonly #ones: Tensor;
  readonly #info: Tensor;
  readonly #r: readonly [Tensor, Tensor];
  /** Views: matrices as rows, eigenvalues as one list, vectors as columns. */
  readonly #turnedRows: Tensor;
  readonly #scaledRows: Tensor;
  readonly #list: Tensor;
  readonly #columns: readonly [Tensor, Tensor];

  constructor(
    blocks: BlockOracles,
    { alpha, floor }: { alpha: number; floor: number },
    { device, count, ids, dim, dtype }: Sizes,
    owned: Owned<Tensor>,
  ) {
    [this.#blocks, this.#alpha, this.#floor, this.#device] = [blocks, alpha, floor, device];
    const make = (shape: readonly number[], of: Tensor['dtype'] = dtype) => owned.add(new Tensor(device, shape, of));
    const square = () => make([ids, dim, dim]);
    const rows = () => new BlockRows(device, [count, dim, dim], ids, dtype, owned);
    [this.#hessian, this.#inverse] = [rows(), rows()];
    this.tables = [['hessian', this.#hessian], ['inverse', this.#inverse]]; // biome-ignore format: one line
    this.given = [square(), square()];
    [this.used, this.#scratch, this.#vectors, this.#turned] = [square(), square(), square(), square()];
    this.#values = make([ids, dim]);
    [this.#ones, this.#info] = [make([ids * dim]), make([ids], 'i32')];
    ops.fill(device, { x: [this.#ones], value: 1 });
    this.#r = [make([ids, dim]), make([ids, dim])];
    this.rowsBefore = new RowsBefore(device, this.used, owned);
    this.#turnedRows = owned.add(this.#turned.reshape([ids * dim, dim]));
    this.#scaledRows = owned.add(this.#scratch.reshape([ids * dim, dim]));
    this.#list = owned.add(this.#values.reshape([ids * dim]));
    const column = (r: Tensor) => owned.add(r.reshape([ids, dim, 1]));
    this.#columns = [column(this.#r[0]), column(this.#r[1])];
  }

  async solve({ now, before, factors, places, ask }: BlockStep): Promise<readonly [Tensor, Tensor]> {
    const device = this.#device;
    for (const [i, { x, y }] of [now, before].entries()) {
      const out = this.given[i]!;
      const wait = ask('lowerHessian', [x, y, out], (ids, sample) =>
        this.#blocks.lowerHessian!(ids, x, y, out, sample),
      );
      if (wait) await wait;
    }
    track(device, this.#hessian, this.given[0], this.given[1], factors, this.#alpha);
    ops.eigh(device, { matrix: this.#hessian.next, values: this.#values, vectors: this.#vectors, info: this.#info });
    ops.transpose(device, { x: this.#vectors, out: this.#turned });
    ops.map(device, { x: [this.#values], out: [this.#values], function: 'clamp', parameters: [this.#floor, Infinity] });
    this.#compose(this.#hessian.next);
    ops.divide(device, { x: [this.#ones], y: [this.#list], out: [this.#list] });
    this.#compose(this.#inverse.next);
    // The inverse of the step before; of a new block, its first one.
    ops.scaleAxis(device, { x: this.#inverse.next, scale: factors.isNew, out: this.used, axis: 0 });
    vectors.axpy(device, 1, this.#inverse.rows, this.used);
    this.rowsBefore.find(this.used, places);
    for (const [i, { upper }] of [now, before].entries()) {
      using column = upper.reshape([...upper.shape, 1]);
      ops.gemm(device, { a: i === 0 ? this.used : this.rowsBefore.before, b: column, c: this.#columns[i]! });
    }
    return this.#r;
  }

  /** out = V diag(values) Vᵀ. */
  #compose(out: Tensor): void {
    ops.scaleAxis(this.#device, { x: this.#turnedRows, scale: this.#list, out: this.#scaledRows, axis: 0 });
    ops.gemm(this.#device, { a: this.#vectors, b: this.#scratch, c: out });
  }
}

/** v2: vᵢ, which follows the solution by steps along a tracker of the residual. */
export class SolutionCurvature implements BlockCurvature {
  readonly oracle = 'lowerHessianYY';
  readonly given: readonly [Tensor, Tensor];
  readonly tables: readonly (readonly [string, BlockRows])[];
  readonly rowsBefore: RowsBefore;
  readonly used: Tensor;
  readonly #blocks: BlockOracles;
  readonly #options: { alpha: number; lr: number; bound: number };
  readonly #device: Device;
  readonly #residual: BlockRows;
  readonly #solution: BlockRows;
  readonly #differences: readonly [Tensor, Tensor];

  constructor(
    blocks: BlockOracles,
    options: { alpha: number; lr: number; bound: number },
    { device, count, ids, dim, dtype }: Sizes,
    owned: Owned<Tensor>,
  ) {
    [this.#blocks, this.#options, this.#device] = [blocks, options, device];
    const rows = () => new BlockRows(device, [count, dim], ids, dtype, owned);
    const make = () => owned.add(new Tensor(device, [ids, dim], dtype));
    [this.#residual, this.#solution] = [rows(), rows()];
    this.tables = [['residual', this.#residual], ['solution', this.#solution]]; // biome-ignore format: one line
    this.given = [make(), make()];
    this.#differences = [make(), make()];
    this.used = this.#solution.rows;
    this.rowsBefore = new RowsBefore(device, this.used, owned);
  }

  async solve({ now, before, factors, places, ask }: BlockStep): Promise<readonly [Tensor, Tensor]> {
    const device = this.#device;
    const { alpha, lr, bound } = this.#options;
    this.rowsBefore.find(this.used, places);
    const both = [this.used, this.rowsBefore.before] as const;
    for (const [i, { x, y, upper }] of [now, before].entries()) {
      const [v, out] = [both[i]!, this.given[i]!];
      const wait = ask('lowerHessianYY', [x, y, v, out], (ids, sample) =>
        this.#blocks.lowerHessianYY!(ids, x, y, v, out, sample),
      );
      if (wait) await wait;
      vectors.combine(device, this.#differences[i]!, [1, out], [-1, upper]);
    }
    track(device, this.#residual, this.#differences[0], this.#differences[1], factors, alpha);
    vectors.combine(device, this.#solution.next, [1, this.used], [-lr, this.#residual.next]);
    if (bound < Infinity)
      ops.projectRows(device, { x: this.#solution.next, out: this.#solution.next, set: 'ball', size: bound });
    return both;
  }
}
