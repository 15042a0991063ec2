import { called } from '../core/callbacks.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { readOptions } from '../core/schema.ts';
import { Suspects } from '../core/suspects.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { GuardedSteps } from '../files/guarded-steps.ts';
import { keepSteps, StatefulSteps } from '../files/stateful-steps.ts';
import { type BlockCurvature, HessianCurvature, SolutionCurvature } from './block-curvature.ts';
import { type BlockOracles, checkBlockOracles } from './block-oracles.ts';
import { BlockRows, type RowFactors, track } from './block-rows.ts';
import { BlockSchedule } from './block-schedule.ts';
import { wrongBlockState } from './block-state.ts';
import { checkVariant, type MultiBlockBilevelOptions, schema } from './multi-block-options.ts';

const where = 'MultiBlockBilevel';

/** The result of {@link MultiBlockBilevel.step}. */
export interface MultiBlockStep {
  /** Length of the tracked hypergradient, f64 `[1]`: the method's own tensor, of the last step. */
  readonly zNorm: Tensor<'f64'>;
  /** The blocks that the step has taken, all different. */
  readonly sampled: Int32Array;
}

/**
 * Steps for problems of two levels with many lower ones, of which each step takes some: each block tracks its lower
 * gradient, and its Hessian or the solution of its linear system, by differences between two points at the same
 * samples, so that what is old stays of use (MSVR); so does the hypergradient (STORM). Blocks are shuffled in each
 * epoch. A step is queued, and waits for the oracles only; with lazy updates it costs what it samples, however many
 * blocks there are.
 *
 * Numbers that are not finite move nothing: the step after the device has told of them throws, with the function and
 * the number of the step that failed, and steps go on from before it. x and y are the caller's tensors, which steps
 * change in place.
 *
 * State: y once and, of `'v1'`, the Hessians twice, of `'v2'`, y twice more; x twice; `lr` is stored with it.
 *
 * Source: BSVRB, "Blockwise Stochastic Variance-Reduced Methods with Parallel Speedup for Multi-Block Bilevel
 * Optimization" (ICML 2023). The authors' program has the wrong sign in a Hessian, takes one element of a product for
 * all, and leaves 1 − α out of γ; this follows the derivation.
 *
 * @example
 * const rates = { alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1 };
 * const method = new MultiBlockBilevel(blocks, { variant: 'v2', blocksPerStep: 4, ...rates, seed: 1 });
 * for (let t = 0; t < 1000; ++t) await method.step();
 */
export class MultiBlockBilevel extends StatefulSteps {
  /** η of the next steps; saved and loaded. */
  lr: number;
  readonly #blocks: BlockOracles;
  readonly #options: { alpha: number; beta: number; lowerLr: number; isLazy: boolean };
  readonly #gamma: number;
  readonly #device: Device;
  readonly #schedule: BlockSchedule;
  readonly #curvature: BlockCurvature;
  /** The step at which each block was taken last, or −1. */
  readonly #last: BlockRows;
  readonly #y: BlockRows;
  readonly #gradient: BlockRows;
  readonly #nextY: Tensor | undefined;
  readonly #z: Tensor;
  readonly #xBefore: Tensor;
  readonly #ofX: readonly [oldX: Tensor, nextX: Tensor, nextZ: Tensor];
  /** Results of the oracles, now and before. */
  readonly #lower: readonly [Tensor, Tensor];
  readonly #upper: readonly [Tensor, Tensor];
  readonly #jacobian: readonly [Tensor, Tensor];
  readonly #upperX: readonly [Tensor, Tensor];
  readonly #yBefore: Tensor;
  readonly #scratch: Tensor;
  readonly #index: Tensor;
  readonly #places: Tensor;
  readonly #ones: Tensor;
  readonly #numbers: readonly Tensor[];
  readonly #factors: RowFactors & { readonly delay: Tensor };
  readonly #zNorm: Tensor<'f64'>;
  readonly #suspects: Suspects;
  readonly #steps: GuardedSteps<{ lr: number }>;

  /**
   * @throws ERR_ARGUMENT for what is no problem, for options out of range, and for an α of 1 that γ cannot be computed
   * for; ERR_UNSUPPORTED for one without `lowerHessian` or `lowerHessianYY`; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
   * ERR_DISPOSED for x and y; ERR_MEMORY. A `lowerLr` that `lipschitz` does not allow is warned of
   */
  constructor(blocks: BlockOracles, options: MultiBlockBilevelOptions) {
    super();
    const given = readOptions(where, options, schema);
    const { variant, blocksPerStep: ids, alpha, beta, lr, lowerLr, updates, lipschitz, seed } = given;
    checkBlockOracles(where, blocks, variant === 'v1' ? 'lowerHessian' : 'lowerHessianYY');
    checkVariant(where, given);
    const { count: blockCount, dim, x, y } = blocks;
    if (ids > blockCount) throw refusal(where, 'blocksPerStep', `be at most the number of blocks, ${blockCount}`, ids);
    if (alpha === 1 && ids < blockCount && given.gamma === 'msvr')
      throw refusal(where, 'alpha', 'be below 1 where steps take a part of the blocks', 1);
    const part = ids === blockCount ? 0 : (blockCount - ids) / (ids * (1 - alpha));
    this.#gamma = given.gamma === 'msvr' ? part + 1 - alpha : given.gamma;
    this.lr = lr;
    this.#blocks = blocks;
    this.#options = { alpha, beta, lowerLr, isLazy: updates === 'lazy' };
    this.#schedule = new BlockSchedule(blockCount, ids, seed);
    const { device, dtype } = x;
    this.#device = device;
    using owned = new Owned<Tensor>();
    const make = (shape: readonly number[], of: Tensor['dtype'] = dtype) => owned.add(new Tensor(device, shape, of));
    const pair = (shape: readonly number[]) => [make(shape), make(shape)] as const;
    const zeros = (shape: readonly number[]) => owned.add(Tensor.zeros(device, shape, { dtype: dtype as 'f64' }));
    const sizes = { device, count: blockCount, ids, dim, dtype };
    this.#curvature =
      variant === 'v1'
        ? new HessianCurvature(blocks, { alpha, floor: given.hessianFloor ?? 1e-5 }, sizes, owned)
        : new SolutionCurvature(blocks, { alpha, lr: given.vLr ?? lowerLr, bound: given.vBound ?? Infinity }, sizes, owned); // biome-ignore format: one line
    this.#last = new BlockRows(device, [blockCount], ids, 'f64', owned);
    ops.fill(device, { x: [this.#last.all], value: -1 });
    this.#y = new BlockRows(device, [blockCount, dim], ids, dtype, owned, y);
    this.#gradient = new BlockRows(device, [blockCount, dim], ids, dtype, owned);
    this.#nextY = updates === 'all' ? make([blockCount, dim]) : undefined;
    [this.#z, this.#xBefore] = [zeros(x.shape), zeros(x.shape)];
    this.#ofX = [make(x.shape), make(x.shape), make(x.shape)];
    [this.#lower, this.#upper] = [pair([ids, dim]), pair([ids, dim])];
    [this.#jacobian, this.#upperX] = [pair(x.shape), [zeros(x.shape), zeros(x.shape)]];
    [this.#yBefore, this.#scratch] = [make([ids, dim]), make([ids, dim])];
    [this.#index, this.#places, this.#ones] = [make([ids], 'i32'), make([ids], 'i32'), make([ids], 'f64')];
    ops.fill(device, { x: [this.#ones], value: 1 });
    this.#numbers = Array.from({ length: 5 }, () => make([ids], 'f64'));
    const factor = () => make([ids]);
    this.#factors = { seen: factor(), isNew: factor(), now: factor(), before: factor(), delay: factor() };
    this.#zNorm = owned.add(Tensor.zeros(device, [1], { dtype: 'f64' }));
    const names = ['lowerGradientY', 'upperGradientY', this.#curvature.oracle, 'upperGradientX', 'lowerJacobianXY'];
    this.#suspects = new Suspects(
      device,
      names.flatMap((name) => [`blocks.${name}`, `blocks.${name}`]),
      owned,
    );
    const { lr: _, lipschitz: __, ...settings } = given;
    this.#steps = new GuardedSteps(device, {
      of: where,
      // JSON has neither infinity nor undefined.
      settings: { ...settings, vLr: given.vLr ?? null, hessianFloor: given.hessianFloor ?? null, vBound: given.vBound === Infinity ? null : (given.vBound ?? null), count: blockCount, dim }, // biome-ignore format: one line
      owned,
      tensors: {
        z: this.#z,
        xBefore: this.#xBefore,
        last: this.#last.all,
        gradient: this.#gradient.all,
        kept: this.#curvature.rowsBefore.kept,
        ...Object.fromEntries(this.#curvature.tables.map(([name, { all }]) => [name, all])),
      },
      beside: { 'blocks.x': x, 'blocks.y': y },
      demand: 'the functions must give finite numbers',
      culprit: () => this.#suspects.culprit(),
      wrongData: (data, { steps }) => wrongBlockState(data, steps),
      numbers: {
        schema: { lr: schema.lr },
        read: () => ({ lr: this.lr }),
        restore: (numbers) => {
          this.lr = numbers.lr;
          this.#suspects.clear();
        },
      },
    });
    keepSteps(this, this.#steps);
    if (lipschitz !== undefined && lowerLr * (1 + this.#gamma) * lipschitz > 1)
      process.emitWarning(
        `${where}: lowerLr should be at most 1 / ((1 + gamma) lipschitz), ${1 / ((1 + this.#gamma) * lipschitz)}, got ${lowerLr}`,
        { type: 'OrthokitWarning', code: 'ORTHOKIT_MULTI_BLOCK_RATE' },
      );
  }

  /** γ of the trackers. */
  get gamma(): number {
    return this.#gamma;
  }

  /**
   * One step; it resolves when all is queued.
   *
   * @throws ERR_ARGUMENT for an `lr` that is none, for what the functions throw, with the step, and for a step before
   * this one in which one gave NaN or infinity; ERR_DISPOSED, also if they dispose of what they are given; ERR_STATE
   * while another call runs. Nothing has moved then
   */
  step(): Promise<MultiBlockStep> {
    return this.#steps.run('step', async (place) => {
      const problem = schema.lr.wrong(this.lr);
      if (problem) throw refusal(place, 'lr', problem.replace(/^must /, ''), shown(this.lr));
      const { steps } = this.#steps;
      const device = this.#device;
      const [curvature, factors] = [this.#curvature, this.#factors];
      const sampled = this.#schedule.at(steps);
      const rows = [this.#last, this.#y, this.#gradient, ...curvature.tables.map(([, table]) => table)];
      this.#index.write(sampled);
      const places = this.#schedule.placesBefore(steps);
      for (let i = 0; i < places.length; ++i) places[i] = places[i]! < 0 ? i : places[i]! + sampled.length;
      this.#places.write(places);
      for (const table of rows) table.gather(this.#index);
      this.#weigh(steps);
      if (steps === 0) vectors.copy(device, this.#blocks.x, this.#xBefore);
      this.#advanceY();

      const ask = (
        name: keyof BlockOracles,
        lent: readonly Tensor[],
        run: (ids: Int32Array, sample: number) => void | Promise<void>,
      ): Promise<void> | undefined => {
        const words = `${place}: blocks.${name} of step ${steps + 1}`;
        const { x, y } = this.#blocks;
        const wait = called(words, [x, y, ...lent], () => run(sampled.slice(), steps));
        if (wait) return wait.then(() => this.#steps.checkAlive(place));
        this.#steps.checkAlive(place);
        return undefined;
      };
      const [now, before] = await this.#gradients(ask);
      track(device, this.#gradient, ...this.#lower, factors, this.#options.alpha);
      const solutions = await curvature.solve({ now, before, factors, places: this.#places, ask });
      await this.#hypergradients([now, before], solutions, ask);
      this.#finish(rows);
      return { zNorm: this.#zNorm, sampled };
    });
  }

  /**
   * y of the present step, a new tensor `[count, dim]`: with lazy updates, each block moved by what it has missed; y
   * itself stays. It waits for the device.
   *
   * @throws ERR_ARGUMENT for a step that gave NaN or infinity; ERR_DISPOSED, ERR_MEMORY; ERR_STATE while another call
   * runs
   */
  presentY(): Promise<Tensor> {
    return this.#steps.run('presentY', async (place) => {
      await this.#steps.settle(place);
      using owned = new Owned<Tensor>();
      const [device, { x, y }] = [this.#device, this.#blocks];
      const [out] = vectors.like(y, owned) as [Tensor];
      vectors.copy(device, y, out);
      if (this.#options.isLazy) {
        const [delay, ones] = vectors.like([this.#last.all, this.#last.all], owned) as [Tensor, Tensor];
        const scale = owned.add(new Tensor(device, delay.shape, x.dtype));
        ops.fill(device, { x: [ones], value: 1 });
        const { lowerLr } = this.#options;
        // Blocks that were never taken have no gradient.
        vectors.combine(device, delay, [-lowerLr * this.#steps.steps, ones], [lowerLr, this.#last.all]);
        ops.cast(device, { x: [delay], out: [scale] });
        ops.scaleAxis(device, { x: this.#gradient.all, scale, out, axis: 0, beta: 1 });
      }
      return owned.release(out);
    });
  }

  /** Factors of the sampled blocks, from when they were taken last. */
  #weigh(step: number): void {
    const device = this.#device;
    const { alpha, lowerLr } = this.#options;
    const [last, ones] = [this.#last.rows, this.#ones];
    const [seen, isNew, now, before, delay] = this.#numbers as [Tensor, Tensor, Tensor, Tensor, Tensor];
    vectors.combine(device, seen, [1, last], [1, ones]);
    ops.map(device, { x: [seen], out: [seen], function: 'clamp', parameters: [0, 1] });
    vectors.combine(device, isNew, [1, ones], [-1, seen]);
    vectors.combine(device, now, [1, ones], [alpha + this.#gamma - 1, seen]);
    vectors.combine(device, before, [-this.#gamma, seen]);
    vectors.combine(device, delay, [-lowerLr * step, ones], [lowerLr, last]);
    const to = this.#factors;
    ops.cast(device, { x: this.#numbers, out: [to.seen, to.isNew, to.now, to.before, to.delay] });
    ops.fill(device, { x: [this.#last.next], value: step });
  }

  /** The sampled rows of y of the present step, and of the one before. */
  #advanceY(): void {
    const device = this.#device;
    const [{ rows: gradient }, { rows, next }] = [this.#gradient, this.#y];
    vectors.copy(device, rows, next);
    if (this.#options.isLazy) ops.scaleAxis(device, { x: gradient, scale: this.#factors.delay, out: next, axis: 0, beta: 1 }); // biome-ignore format: one line
    vectors.combine(device, this.#yBefore, [1, next], [this.#options.lowerLr, gradient]);
  }

  async #gradients(ask: Parameters<BlockCurvature['solve']>[0]['ask']) {
    const blocks = this.#blocks;
    const points = [
      { x: blocks.x, y: this.#y.next, upper: this.#upper[0] },
      { x: this.#xBefore, y: this.#yBefore, upper: this.#upper[1] },
    ] as const;
    for (const [i, { x, y, upper }] of points.entries()) {
      const lower = this.#lower[i]!;
      let wait = ask('lowerGradientY', [x, y, lower], (ids, sample) => blocks.lowerGradientY(ids, x, y, lower, sample));
      if (wait) await wait;
      wait = ask('upperGradientY', [x, y, upper], (ids, sample) => blocks.upperGradientY(ids, x, y, upper, sample));
      if (wait) await wait;
    }
    return points;
  }

  /** The next z and x. */
  async #hypergradients(
    points: readonly { readonly x: Tensor; readonly y: Tensor }[],
    solutions: readonly Tensor[],
    ask: Parameters<BlockCurvature['solve']>[0]['ask'],
  ): Promise<void> {
    const [blocks, device] = [this.#blocks, this.#device];
    for (const [i, { x, y }] of points.entries()) {
      const [r, jacobian, upperX] = [solutions[i]!, this.#jacobian[i]!, this.#upperX[i]!];
      let wait: Promise<void> | undefined;
      if (blocks.upperGradientX)
        wait = ask('upperGradientX', [x, y, upperX], (ids, sample) =>
          blocks.upperGradientX!(ids, x, y, upperX, sample),
        );
      if (wait) await wait;
      wait = ask('lowerJacobianXY', [x, y, r, jacobian], (ids, sample) =>
        blocks.lowerJacobianXY(ids, x, y, r, jacobian, sample),
      );
      if (wait) await wait;
    }
    const { beta } = this.#options;
    const [oldX, nextX, nextZ] = this.#ofX;
    const share = 1 / this.#index.size;
    const [[now, before], [upperNow, upperBefore]] = [this.#jacobian, this.#upperX];
    vectors.combine(device, nextZ, [share, upperNow], [-share, now]);
    if (this.#steps.steps > 0)
      vectors.combine(device, nextZ, [1, nextZ], [1 - beta, this.#z], [-(1 - beta) * share, upperBefore], [(1 - beta) * share, before]); // biome-ignore format: one line
    vectors.combine(device, nextX, [1, blocks.x], [-this.lr, nextZ]);
    vectors.copy(device, blocks.x, oldX);
    ops.norms(device, { x: [nextZ], out: this.#zNorm });
  }

  /** All that is new becomes the state, if it is finite. */
  #finish(tables: readonly BlockRows[]): void {
    const device = this.#device;
    const [curvature, { x, y }] = [this.#curvature, this.#blocks];
    const [oldX, nextX, nextZ] = this.#ofX;
    const given = [this.#lower, this.#upper, curvature.given, this.#upperX, this.#jacobian];
    this.#suspects.lookAtAll(given.flat());
    const { sizes, told } = this.#suspects;
    const state = [x, this.#xBefore, this.#z, curvature.rowsBefore.kept, ...tables.map(({ rows }) => rows)];
    // Copied before its rows change.
    const used = curvature.rowsBefore.before;
    vectors.copy(device, curvature.used, used);
    const next = [nextX, oldX, nextZ, used, ...tables.map((table) => table.next)];
    const nextY = this.#nextY;
    if (nextY) {
      const { lowerLr } = this.#options;
      vectors.combine(device, nextY, [1, y], [-lowerLr, this.#gradient.all]);
      vectors.combine(device, this.#scratch, [1, this.#y.next], [-lowerLr, this.#gradient.next]);
      ops.scatterRows(device, { out: nextY, index: this.#index, x: this.#scratch, mode: 'set' });
      state.push(y);
      next.push(nextY);
    }
    this.#steps.end({ state, x: next, watched: next, sizes, told });
    for (const table of tables) if (!(nextY && table === this.#y)) table.scatter(this.#index);
  }
}
