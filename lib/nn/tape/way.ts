import { OrthokitError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { DeviceOps } from './device-ops.ts';
import type { TapeOptions } from './frame.ts';
import type { AgainRule, Entry, LossRule, LossWay, Rule, Way } from './rule.ts';
import { checkSamples, type PerSample, refusedAgain, refusedSamples } from './sample-checks.ts';
import { productsOf, type SampleSums, type WriteProducts } from './sample-sums.ts';
import { Shares } from './shares.ts';
import { type Arg, isTracked, type Result, type Share } from './value.ts';

type Input = Arg | undefined;
type Write = (out: Tensor, beta: 0 | 1) => void;
type WriteAll = (outs: readonly (Tensor | undefined)[], betas: readonly (0 | 1)[]) => void;

export class Backward implements Way, LossWay {
  readonly #arena: Arena;
  readonly #ops: DeviceOps;
  readonly #shares: Shares;
  readonly samples: number | undefined;
  readonly #sums: SampleSums | undefined;
  /** The gradient that came in; none in a loss. */
  #current: Share | undefined;
  /** The gradient of a loss, where a function that is none has made it. */
  #factor: Tensor | undefined;

  constructor(arena: Arena, { samples, sums }: Pick<TapeOptions, 'samples' | 'sums'>) {
    this.#arena = arena;
    this.#sums = sums;
    this.#ops = arena.ops;
    this.#shares = new Shares(arena);
    this.samples = samples;
  }

  /** The way back of one function. */
  run({ out, rule, isLoss }: Entry): void {
    const gradient = out.gradient!;
    if ((rule as Partial<AgainRule>).again !== undefined) (rule as AgainRule).again(gradient);
    else if (isLoss) this.#loss(rule as LossRule, gradient);
    else {
      this.#current = this.#shares.share(out);
      (rule as Rule).backward(this.#current.tensor, this);
      this.#shares.release(this.#current);
      this.#current = undefined;
    }
    out.gradient = undefined;
  }

  #loss(rule: LossRule, gradient: Share | number): void {
    const samples = this.samples;
    const share = typeof gradient === 'number' ? undefined : gradient;
    if (samples !== undefined && (share || !rule.over))
      throw new OrthokitError('ERR_UNSUPPORTED', `perSample must meet a sum or a mean over samples, got another loss`);
    this.#factor = share?.tensor;
    rule.backward((share ? 1 : (gradient as number)) * (rule.over === 'mean' ? (samples ?? 1) : 1), this);
    this.#factor = undefined;
    if (share) this.#shares.release(share);
  }

  scale(loss: Arg, scale: number): void {
    if (!isTracked(loss)) return;
    if (this.#factor || typeof loss.gradient === 'object')
      this.set(loss, (out) => this.#ops.fill({ x: [out], value: scale }));
    else loss.gradient = (loss.gradient ?? 0) + scale;
  }

  add(
    x: Input,
    write: Write,
    perSample?: PerSample,
    over = false,
    products?: (samples: number) => WriteProducts,
    last = false,
  ): void {
    if (!isTracked(x)) return;
    const { samples } = this;
    if (!x.leaf || samples === undefined) {
      this.#write(x, write, true, over, last);
      return;
    }
    if (!perSample && !(this.#sums && products)) throw refusedSamples(x);
    checkSamples(this.#current!.tensor, samples);
    if (!this.#sums) this.#write(x, (out) => perSample!(out, samples), false, false);
    else this.#addProducts(x, write, products?.(samples) ?? productsOf(this.#arena, perSample!, samples));
  }

  /** The gradient as of one sample, and products of those of the samples. */
  #addProducts(x: Result, write: Write, products: WriteProducts): void {
    if (x.gradient !== undefined) throw refusedAgain(x);
    this.#write(x, write, false, false);
    this.#sums!.add(this.#arena, this.#shares.share(x).tensor, products);
  }

  set(x: Input, write: (out: Tensor) => void, over = false): void {
    if (this.#needs(x)) this.#write(x, write, false, over);
  }

  #write(x: Result, write: Write, adds: boolean, over: boolean, last = false): void {
    const current = this.#current;
    if (over && !x.leaf && current?.owners === 1 && !(adds && x.gradient !== undefined)) {
      write(current.tensor, 0);
      this.pass(x, current.tensor);
      return;
    }
    const { out, beta, end } = this.#shares.begin(x, adds, last);
    write(out, beta);
    const factor = this.#factor;
    if (factor) this.#ops.linearCombination({ out: [out], terms: [out], coefficients: [factor] });
    end();
  }

  setAll(xs: readonly Input[], write: (outs: readonly (Tensor | undefined)[]) => void): void {
    this.#writeAll(xs, write, false);
  }

  addAll(xs: readonly Input[], write: WriteAll): void {
    this.#writeAll(xs, write, true);
  }

  #writeAll(xs: readonly Input[], write: WriteAll, adds: boolean): void {
    // An input that stands twice in the list adds at its first place, and has a buffer of its own at the other.
    const targets = xs.map((x, i) => (this.#needs(x) ? this.#shares.begin(x, adds && xs.indexOf(x) === i) : undefined));
    if (targets.every((target) => !target)) return;
    write(
      targets.map((target) => target?.out),
      targets.map((target) => target?.beta ?? 0),
    );
    for (const target of targets) target?.end();
  }

  pass(x: Input, grad: Tensor): void {
    if (!this.#needs(x)) return;
    const current = this.#current;
    if (x.gradient === undefined && !x.leaf && grad === current?.tensor) {
      current.owners += 1;
      x.gradient = current;
    } else if (x.gradient !== undefined) this.#shares.sum(x, grad);
    else this.#ops.copy({ x: [grad], out: [this.#shares.begin(x, false).out] });
  }

  #needs(x: Input): x is Result {
    if (!isTracked(x)) return false;
    if (x.leaf && this.samples !== undefined) throw refusedSamples(x);
    return true;
  }
}
