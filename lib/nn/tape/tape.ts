// The functions of a call are written on a tape, which is walked back for gradients and forth for tangents.
import { OrthokitError, refusal } from '../../core/errors.ts';
import { placeOf, type Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import { innerOptions, type Place, type Session, type TapeFrame, type TapeOptions } from './frame.ts';
import { located } from './located.ts';
import { moveAll } from './moving.ts';
import type { Entry } from './rule.ts';
import { isResult, Result } from './value.ts';
import { Backward } from './way.ts';

/** The one of some buffers that a tensor is, or lies in. */
function bufferOf(tensor: Tensor, buffers: Iterable<Tensor>): Tensor | undefined {
  const { block } = placeOf(tensor);
  for (const one of buffers) if (placeOf(one).block === block) return one;
  return undefined;
}

export class Tape implements Session {
  readonly arena: Arena;
  readonly options: TapeOptions;
  readonly entries: Entry[] = [];
  /** Values of the tapes around this one that gradients go to. */
  readonly met: Set<Result> = new Set();
  random: Place | undefined;
  /** Results that have no way back. */
  readonly #untracked = new Set<Tensor>();
  #hasEnded = false;
  /** True: what is written here has a way back. */
  readonly isRecording: boolean;
  readonly isPlain: boolean;
  readonly #outer: Tape | undefined;
  readonly #call: number;

  constructor(arena: Arena, options: TapeOptions, isRecording: boolean = options.isRecording, outer?: Tape) {
    this.arena = arena;
    this.options = options;
    this.random = options.random;
    this.isRecording = isRecording;
    this.isPlain = !isRecording && (outer === undefined || outer.isPlain);
    this.#outer = outer;
    this.#call = arena.calls;
  }

  /** A tape for a part of the call: one that records repeats what has run. */
  inner(isRecording: boolean, random: Place | undefined): Tape {
    return new Tape(this.arena, innerOptions(this.options, isRecording, random), isRecording, this);
  }

  /** True for a value of this tape, or of one around it. */
  holds({ tape }: Result): boolean {
    let around: Tape | undefined = this;
    while (around && around !== tape) around = around.#outer;
    return around !== undefined;
  }

  draw(count: number): Place | undefined {
    const at = this.random;
    if (at) this.random = { seed: at.seed, stream: at.stream, offset: at.offset + count };
    return at;
  }

  pin(tensor: Tensor): void {
    if (this.#hasEnded || this.arena.calls !== this.#call)
      throw new OrthokitError(
        'ERR_STATE',
        'nn: tensor of a value must be asked for inside the call that made it, got a value of a call, or a scope, that has ended',
      );
    this.arena.pin(bufferOf(tensor, this.#untracked) ?? tensor);
  }

  record(name: string, frame: TapeFrame, rule: Entry['rule'], isLoss: boolean): Result {
    frame.clean();
    const { out } = rule;
    let isTracked = false;
    if (!this.isPlain)
      for (const x of rule.inputs) {
        if (!(isResult(x) && x.isTracked)) continue;
        isTracked = this.isRecording;
        if (x.tape !== this) this.met.add(x);
      }
    const result = new Result(this, out, isTracked);
    if (result.isTracked) {
      if (rule.isFree) result.home = frame.kept;
      this.entries.push({ name, frame, out: result, rule, isLoss });
    } else {
      // A result may be a tensor of somebody else's, or lie in one.
      const own = bufferOf(out, frame.kept);
      for (const tensor of frame.kept) if (tensor !== own) this.arena.give(tensor);
      if (own) this.#untracked.add(own);
    }
    return result;
  }

  /** The end of a tape for a part of the call: results without a way back are no longer needed, but for one. */
  release(but?: Tensor): void {
    this.#hasEnded = true;
    const kept = but && bufferOf(but, this.#untracked);
    for (const tensor of this.#untracked) if (tensor !== kept) this.arena.give(tensor);
    this.#untracked.clear();
  }

  /** The result of a tape for a part of the call, as one of this tape that outlives it. */
  adopt(result: Result, inner: Tape): Result {
    if (result.tape !== inner) {
      if (this.holds(result)) return result;
      throw refusal(
        'nn.scope',
        'a value',
        'be of the function or of what is around it',
        'one of a scope that has ended',
      );
    }
    const own = bufferOf(result.data, inner.#untracked);
    if (own && inner.#untracked.delete(own)) this.#untracked.add(own);
    return new Result(this, result.data, false);
  }

  /** Goes on behind a tape for a part of the call, whose other results are no longer needed. */
  follow(inner: Tape): void {
    this.random = inner.random;
    for (const x of inner.met) if (x.tape !== this) this.met.add(x);
    inner.release();
  }

  /** Walks from the end to the beginning: gradients come from where they are set. Buffers go back at their last use. */
  backward(): void {
    const to = new Backward(this.arena, this.options);
    for (let i = this.entries.length - 1; i >= 0; --i) {
      const entry = this.entries[i]!;
      if (entry.out.gradient !== undefined) {
        try {
          to.run(entry);
        } catch (error) {
          throw located(error, entry.name, entry.rule.inputs);
        }
        entry.frame.clean();
      }
      for (const tensor of entry.frame.kept) this.arena.give(tensor);
    }
    this.entries.length = 0;
  }

  /** Walks from the beginning to the end, with tangents. */
  forth(): void {
    moveAll(this.entries);
  }
}
