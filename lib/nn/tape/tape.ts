// The functions of a call are written on a tape, which is walked back for gradients and forth for tangents.
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { TapeFrame } from './frame.ts';
import type { Place, Session, TapeOptions } from './session.ts';
import { type Arg, isTracked, Result, type Share, tangentOf } from './value.ts';
import { Backward, type Way } from './way.ts';

/** A function's result, and how to come back from it. */
export interface Rule {
  /** A buffer of the frame. */
  readonly out: Tensor;
  /** Arguments that gradients go to; others are left out. */
  readonly inputs: readonly (Arg | undefined)[];
  /** Hands the gradient of the result on to the inputs. */
  backward(grad: Tensor, to: Way): void;
  /** out = the derivative of the result along `d(x)`, the tangent of each input; undefined where it is 0. */
  tangent?(d: (x: Arg | undefined) => Tensor | undefined, out: Tensor): void;
  /** Of a loss of its first input alone: out = its second derivative, times v. */
  curvature?(v: Tensor, out: Tensor): void;
}

/** The same of a loss, f64[1], whose gradient is a number that is known before any work runs. */
export interface LossRule extends Omit<Rule, 'backward' | 'curvature'> {
  backward(scale: number, to: LossWay): void;
  /** Hands on its second derivative by all inputs, times their tangents. */
  curvature?(d: (x: Arg | undefined) => Tensor | undefined, to: LossWay): void;
}
/** Losses hand on to other losses, too. */
export interface LossWay extends Way {
  scale(loss: Arg, scale: number): void;
}

export interface Entry {
  readonly name: string;
  readonly frame: TapeFrame;
  readonly out: Result;
  readonly rule: Rule | LossRule;
  readonly isLoss: boolean;
}

class LossBackward extends Backward implements LossWay {
  scale(loss: Arg, scale: number): void {
    if (isTracked(loss)) loss.gradient = ((loss.gradient as number | undefined) ?? 0) + scale;
  }
}

export class Tape implements Session {
  readonly arena: Arena;
  readonly options: TapeOptions;
  readonly entries: Entry[] = [];
  /** Results that have no way back, where somebody counts them. */
  untracked: Tensor[] | undefined;
  random: Place | undefined;
  readonly #rounded = new Map<Tensor, Tensor>();

  constructor(arena: Arena, options: TapeOptions) {
    this.arena = arena;
    this.options = options;
    this.random = options.random;
  }

  /** A place in the sequence for so many numbers; none in a call without a seed. */
  draw(count: number): Place | undefined {
    const at = this.random;
    if (at) this.random = { ...at, offset: at.offset + count };
    return at;
  }

  /** A parameter in the dtype of products, rounded once a call. */
  rounded(tensor: Tensor, dtype: 'bf16' | 'f16'): Tensor {
    let cast = this.#rounded.get(tensor);
    if (!cast) {
      cast = this.arena.take(tensor.shape, dtype);
      this.#rounded.set(tensor, cast);
      ops.cast(this.arena.device, { out: [cast], x: [tensor] });
    }
    return cast;
  }

  record(name: string, frame: TapeFrame, rule: Rule | LossRule, isLoss: boolean): Result {
    frame.clean();
    const { out, inputs } = rule;
    const result = new Result(out, this.options.isRecording && inputs.some(isTracked));
    if (result.isTracked) this.entries.push({ name, frame, out: result, rule, isLoss });
    else {
      for (const tensor of frame.kept) if (tensor !== out) this.arena.give(tensor);
      this.untracked?.push(out);
    }
    return result;
  }

  /** From the end to the beginning: gradients come from where they are set. Buffers go back at their last use. */
  backward(root?: Result): void {
    const to = new LossBackward(this.arena);
    for (let i = this.entries.length - 1; i >= 0; --i) {
      const { out, frame, rule, isLoss } = this.entries[i]!;
      const { gradient } = out;
      if (gradient !== undefined) {
        if (isLoss) (rule as LossRule).backward(gradient as number, to);
        else {
          const share = typeof gradient === 'number' ? this.#filled(out, gradient) : gradient;
          to.begin(share);
          (rule as Rule).backward(share.tensor, to);
          to.release(share);
        }
        frame.clean();
        out.gradient = undefined;
      }
      for (const tensor of frame.kept) if (tensor !== root?.tensor) this.arena.give(tensor);
    }
    this.entries.length = 0;
  }

  /** A loss by a function of the caller's own takes its gradient as a tensor. */
  #filled(out: Result, value: number): Share {
    const tensor = this.arena.take(out.shape, out.dtype);
    ops.fill(this.arena.device, { x: [tensor], value });
    return { tensor, owners: 1, isKept: false };
  }

  /** From the beginning to `end`, with tangents. */
  forth(end?: Result): void {
    for (const { name, out, frame, rule } of this.entries) {
      if (out === end) return;
      if (!rule.inputs.some(tangentOf)) continue;
      if (!rule.tangent)
        throw new OrthokitError('ERR_UNSUPPORTED', `nn.${name}: has no tangent, so that it has no place in jvp`);
      const tangent = frame.buffer(out.shape, out.dtype);
      rule.tangent(tangentOf, tangent);
      out.tangent = tangent;
      frame.clean();
    }
  }
}

let current: Tape | undefined;

/** The tape of the call that runs. */
export function runningTape(name: string): Tape {
  if (current) return current;
  throw new OrthokitError(
    'ERR_STATE',
    `nn.${name}: must be called inside nn.forward, nn.valueAndGrad or another call of orthokit/nn, got none`,
  );
}

/** Calls are synchronous, so that one place holds the tape of the innermost. */
export function runOn<R>(tape: Tape, call: () => R): R {
  const before = current;
  current = tape;
  try {
    const result = call();
    if (typeof (result as { then?: unknown } | undefined)?.then === 'function')
      throw refusal('nn', 'the function', 'be synchronous', shown(result));
    return result;
  } finally {
    current = before;
  }
}
