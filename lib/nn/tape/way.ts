import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { AgainRule, Entry, LossRule, LossWay, Rule, Way } from './rule.ts';
import { Shares } from './shares.ts';
import { type Arg, isTracked, type Result, type Share } from './value.ts';

type Input = Arg | undefined;

export class Backward implements Way, LossWay {
  readonly #arena: Arena;
  readonly #shares: Shares;
  readonly samples: number | undefined;
  /** The gradient that came in; none in a loss. */
  #current: Share | undefined;
  /** The gradient of a loss, where a function that is none has made it. */
  #factor: Tensor | undefined;

  constructor(arena: Arena, samples: number | undefined) {
    this.#arena = arena;
    this.#shares = new Shares(arena);
    this.samples = samples;
  }

  /** The way back of one function. */
  run({ out, rule, isLoss }: Entry): void {
    const gradient = out.gradient!;
    if ('again' in rule) (rule as AgainRule).again(gradient);
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
      this.set(loss, (out) => ops.fill(this.#arena.device, { x: [out], value: scale }));
    else loss.gradient = (loss.gradient ?? 0) + scale;
  }

  add(
    x: Input,
    write: (out: Tensor, beta: 0 | 1) => void,
    perSample?: (out: Tensor, samples: number) => void,
    over = false,
  ): void {
    if (!isTracked(x)) return;
    const [samples, current] = [this.samples, this.#current];
    if (!x.leaf || samples === undefined) {
      if (x.gradient !== undefined) write(this.#shares.own(x), 1);
      else if (over && !x.leaf && current?.owners === 1) {
        write(current.tensor, 0);
        this.pass(x, current.tensor);
      } else write(this.#shares.fresh(x).tensor, 0);
      return;
    }
    if (!perSample) throw refusedSamples(x);
    checkSamples(this.#current!.tensor, samples);
    this.#shares.written(x, (out) => perSample(out, samples));
  }

  set(x: Input, write: (out: Tensor) => void, over = false): void {
    const [factor, current] = [this.#factor, this.#current];
    if (!this.#needs(x)) return;
    if (over && !x.leaf && current?.owners === 1) {
      write(current.tensor);
      this.pass(x, current.tensor);
    } else
      this.#shares.written(x, (out) => {
        write(out);
        if (factor) ops.linearCombination(this.#arena.device, { out: [out], terms: [out], coefficients: [factor] });
      });
  }

  setAll(xs: readonly Input[], write: (outs: readonly (Tensor | undefined)[]) => void): void {
    this.#writeAll(xs, false, write);
  }

  addAll(
    xs: readonly Input[],
    write: (outs: readonly (Tensor | undefined)[], betas: readonly (0 | 1)[]) => void,
  ): void {
    this.#writeAll(xs, true, write);
  }

  #writeAll(
    xs: readonly Input[],
    adds: boolean,
    write: (outs: readonly (Tensor | undefined)[], betas: readonly (0 | 1)[]) => void,
  ): void {
    const outs: (Tensor | undefined)[] = xs.map(() => undefined);
    const betas: (0 | 1)[] = xs.map(() => 0);
    /** Each output is there until those after it are written. */
    const from = (i: number): void => {
      const x = xs[i];
      if (i < xs.length && !this.#needs(x)) from(i + 1);
      else if (i === xs.length) {
        if (outs.some((out) => out)) write(outs, betas);
      } else if (adds && (x as Result).gradient !== undefined && xs.indexOf(x) === i) {
        betas[i] = 1;
        outs[i] = this.#shares.own(x as Result);
        from(i + 1);
      } else
        this.#shares.written(x as Result, (out) => {
          outs[i] = out;
          from(i + 1);
        });
    };
    from(0);
  }

  pass(x: Input, grad: Tensor): void {
    if (!this.#needs(x)) return;
    const current = this.#current;
    if (x.gradient === undefined && !x.leaf && grad === current?.tensor) {
      current.owners += 1;
      x.gradient = current;
    } else if (x.gradient !== undefined) this.#shares.sum(x, grad);
    else ops.copy(this.#arena.device, { x: [grad], out: [this.#shares.fresh(x).tensor] });
  }

  #needs(x: Input): x is Result {
    if (!isTracked(x)) return false;
    if (x.leaf && this.samples !== undefined) throw refusedSamples(x);
    return true;
  }
}

const refusedSamples = (x: Result): OrthokitError =>
  refusal(
    'nn.valueAndGrad',
    'perSample',
    `meet functions that have it, and that of ${x.leaf?.path} has not`,
    'perSample',
    'ERR_UNSUPPORTED',
  );

/** @throws ERR_SHAPE unless the first axis holds as many rows of each sample */
export function checkSamples({ shape }: Arg, samples: number): void {
  if ((shape[0] ?? 1) % samples !== 0)
    throw refusal('perSample', 'rows', `be as many for each of ${samples} samples`, shape[0] ?? 1, 'ERR_SHAPE');
}
