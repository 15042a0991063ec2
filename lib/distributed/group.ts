import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { native } from '../core/native.ts';
import { isListOf } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { Places } from '../core/places.ts';
import { readOptions, type Schema, whole } from '../core/schema.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import { bucketsOf, type Parcel, Shelf } from './buckets.ts';
import { carryOnDevice, DeviceShelf } from './device-moving.ts';
import { failureOf, written } from './failure.ts';
import { type CallOptions, partly, type ReduceOptions, reduced, type SumOptions, tagged } from './group-options.ts';
import { alone, carry, type Moving, sizesOf } from './moving.ts';
import { within } from './within.ts';

/** The bytes that a group has moved so far, on this rank. */
export interface Traffic {
  /** Calls that are done. */
  readonly calls: number;
  /** Bytes of the tensors of these calls on this rank. */
  readonly payload: number;
  /**
   * Bytes of other ranks that came here, as the calls ask for: what an engine sends besides, or by another way, is not
   * seen. With `deterministic: false` the least that any all-reduce needs is counted, 2 (n − 1) / n of the bytes.
   * Announcements of calls, some hundred bytes a rank, are not counted.
   */
  readonly received: number;
}

interface Call {
  readonly op: string;
  readonly tag: string;
  readonly what: string;
  readonly shapes: readonly unknown[];
  readonly weight: number;
  /** It waits for the others without limit, as long as they live. */
  readonly isPatient?: boolean;
}

/**
 * The processes of a run, seen from one of them: {@link connect}. All ranks make the same calls in the same order. A
 * call is announced to all before its data moves: ranks that come with another tag, list, size or dtype, and ranks that
 * do not come within the timeout, are an error on every rank, with their names. Calls of one group run one after the
 * other; what is given to one belongs to it until it is done. Nothing of it runs on the event loop.
 *
 * An error that nothing catches ends all ranks: it travels to the others, whose calls are rejected with an error that
 * has it as its `cause`; a rank that waits for no call throws that error itself. After a lost rank and after a timeout
 * nothing can be done with the group any more: the run begins again from its checkpoint.
 */
export class Group {
  /** The rank of this process, from 0. */
  readonly rank: number;
  /** The number of ranks. */
  readonly size: number;
  /** The library that moves data, and its version; `'none'` for a process by itself. */
  readonly engine: string;
  /** Aborted, with the error as its reason, when the run has failed on another rank. */
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #bucketBytes: number;
  readonly #timeout: number;
  readonly #shelf = new Shelf();
  readonly #deviceShelf = new DeviceShelf();
  /** The device of CUDA whose tensors the engine moves by itself; −1: none. */
  readonly #device: number;
  readonly #isAlone: boolean;
  #turn: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #calls = 0;
  #done = 0;
  #payload = 0;
  #failure: OrthokitError | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #error: unknown;
  #clock: NodeJS.Timeout | undefined;

  /** @internal */
  constructor({ engine, timeout, bucketBytes }: { engine: string; timeout: number; bucketBytes: number }) {
    this.engine = engine;
    this.signal = this.#abort.signal;
    this.#bucketBytes = bucketBytes;
    this.#timeout = timeout;
    this.#isAlone = engine === 'none';
    const { rank, size, device } = this.#isAlone ? { rank: 0, size: 1, device: -1 } : native.group.world();
    this.rank = rank;
    this.size = size;
    this.#device = device;
    if (!this.#isAlone) this.#listen();
  }

  /**
   * Tensors become the sum or the mean of those of all ranks, in place.
   * @param tensors f32, f64, f16 or bf16, of one device, of the same shapes on every rank
   * @throws ERR_ARGUMENT also where ranks do not agree; ERR_DEVICE, over NCCL also for a card that is not this rank's;
   * ERR_DTYPE, ERR_DISPOSED, ERR_MEMORY; ERR_BACKEND for a rank that is lost, late or failed
   */
  async allReduce(tensors: readonly Tensor[], options: ReduceOptions = {}): Promise<void> {
    const op = 'Group.allReduce';
    const { tag, op: kind, weight, deterministic } = readOptions(op, options, reduced);
    this.#checkWeight(op, kind, options);
    checkTensors(op, tensors, check.floating);
    const parcels = tensors.map((tensor): Parcel[] => [{ tensor, rank: 0, goes: true, into: tensor }]);
    const what = `all-reduce (${kind}${deterministic ? '' : ', not deterministic'})`;
    const moving: Moving = { kind: 'sum', isMean: kind === 'mean', isOrdered: deterministic };
    await this.#move(op, tag, what, tensors, parcels, weight, moving, tensors);
  }

  /**
   * Gives rank r rows r·m to (r + 1)·m of the sum or the mean of each tensor `[n·m, …]` over all n ranks, added in the
   * order of ranks in f64 and rounded once: new tensors `[m, …]`.
   * @throws ERR_SHAPE for a first axis that ranks do not divide; otherwise as {@link Group.allReduce}
   */
  async reduceScatter(tensors: readonly Tensor[], options: SumOptions = {}): Promise<Tensor[]> {
    const op = 'Group.reduceScatter';
    const { tag, op: kind, weight } = readOptions(op, options, partly);
    this.#checkWeight(op, kind, options);
    checkTensors(op, tensors, check.floating);
    const { size, rank } = this;
    for (const [i, { shape }] of tensors.entries())
      if (shape.length === 0 || shape[0]! % size !== 0)
        throw refusal(op, `tensors[${i}]`, `have rows that ${size} ranks divide`, `[${shape}]`, 'ERR_SHAPE');
    using owned = new Owned<Tensor>();
    using views = new Owned<Tensor>();
    const results: Tensor[] = [];
    const parcels = tensors.map((tensor) => {
      const rows = tensor.shape[0]! / size;
      const result = owned.add(new Tensor(tensor.device, [rows, ...tensor.shape.slice(1)], tensor.dtype));
      results.push(result);
      return this.#ranks((r) => {
        const view = views.add(tensor.rows(r * rows, (r + 1) * rows));
        return { tensor: view, rank: r, goes: true, into: r === rank ? result : undefined };
      });
    });
    const moving: Moving = { kind: 'part', isMean: kind === 'mean' };
    await this.#move(op, tag, `reduce-scatter (${kind})`, tensors, parcels, weight, moving, tensors);
    owned.move();
    return results;
  }

  /**
   * The tensors of all ranks: of each `[m, …]` a new one `[n·m, …]`, with n ranks, whose rows are those of rank 0, of
   * rank 1, and so on; of one without axes `[n]`.
   * @param tensors of any dtype, of one device, of the same shapes on every rank
   * @throws ERR_ARGUMENT, ERR_BACKEND, ERR_DISPOSED; as {@link Group.allReduce}
   */
  async allGather(tensors: readonly Tensor[], options: CallOptions = {}): Promise<Tensor[]> {
    const op = 'Group.allGather';
    const { tag } = readOptions(op, options, tagged('all-gather'));
    checkTensors(op, tensors);
    const { size, rank } = this;
    using owned = new Owned<Tensor>();
    using views = new Owned<Tensor>();
    const results: Tensor[] = [];
    const parcels = tensors.map((tensor) => {
      const [rows = 1, ...rest] = tensor.shape;
      const result = owned.add(new Tensor(tensor.device, [size * rows, ...rest], tensor.dtype));
      results.push(result);
      return this.#ranks((r) => {
        const into = views.add(result.rows(r * rows, (r + 1) * rows));
        return { tensor: r === rank ? tensor : into, rank: r, goes: r === rank, into };
      });
    });
    await this.#move(op, tag, 'all-gather', tensors, parcels, 1, { kind: 'gather' }, tensors);
    owned.move();
    return results;
  }

  /**
   * Tensors become those of rank `root`, in place.
   * @param tensors of any dtype, of one device, of the same shapes on every rank
   * @throws ERR_ARGUMENT, ERR_BACKEND, ERR_DISPOSED; as {@link Group.allReduce}
   */
  async broadcast(
    tensors: readonly Tensor[],
    options: CallOptions & { root?: number | undefined } = {},
  ): Promise<void> {
    const op = 'Group.broadcast';
    const schema = { ...tagged('broadcast'), root: whole(0, 0, this.size - 1) };
    const { tag, root } = readOptions(op, options, schema as Schema<{ tag: string; root: number }>);
    checkTensors(op, tensors);
    const isRoot = root === this.rank;
    const parcels = tensors.map((tensor): Parcel[] => [
      { tensor, rank: 0, goes: isRoot, into: isRoot ? undefined : tensor },
    ]);
    await this.#move(op, tag, `broadcast of rank ${root}`, tensors, parcels, 1, { kind: 'broadcast', root }, tensors);
  }

  /**
   * Each tensor becomes that of its owner, in place.
   * @param tensors of any dtype, of one device, of the same shapes on every rank
   * @param owners The rank that each tensor comes from; the same list on every rank.
   * @throws ERR_ARGUMENT, ERR_BACKEND, ERR_DISPOSED; as {@link Group.allReduce}
   */
  async share(tensors: readonly Tensor[], owners: readonly number[], options: CallOptions = {}): Promise<void> {
    const op = 'Group.share';
    const { tag } = readOptions(op, options, tagged('share'));
    checkTensors(op, tensors);
    const isRank = (x: unknown): x is number => Number.isInteger(x) && (x as number) >= 0 && (x as number) < this.size;
    if (!isListOf(owners, isRank) || owners.length !== tensors.length)
      throw refusal(op, 'owners', `be a rank below ${this.size} for each of ${tensors.length} tensors`, shown(owners));
    const parcels = tensors.map((tensor, i): Parcel[] => {
      const isOwner = owners[i] === this.rank;
      return [{ tensor, rank: owners[i]!, goes: isOwner, into: isOwner ? undefined : tensor }];
    });
    await this.#move(op, tag, 'share', tensors, parcels, 1, { kind: 'gather' }, [...tensors, owners]);
  }

  /**
   * A number of every rank, in the order of ranks: for counts and losses, and for what all ranks must know before they
   * go on, such as that one of them was asked to stop. It travels with the announcement of the call.
   * @throws ERR_ARGUMENT, ERR_BACKEND, ERR_DISPOSED; as {@link Group.allReduce}
   */
  async numbers(value: number, options: CallOptions = {}): Promise<Float64Array> {
    const op = 'Group.numbers';
    const { tag } = readOptions(op, options, tagged('numbers'));
    if (typeof value !== 'number') throw refusal(op, 'value', 'be a number', shown(value));
    return this.#call({ op, tag, what: 'numbers', shapes: [], weight: value }, async (values) => values);
  }

  /**
   * Resolves once all ranks have come to it.
   * @throws ERR_ARGUMENT, ERR_BACKEND, ERR_DISPOSED; as {@link Group.allReduce}
   */
  async barrier(options: CallOptions = {}): Promise<void> {
    const op = 'Group.barrier';
    const { tag } = readOptions(op, options, tagged('barrier'));
    await this.#call({ op, tag, what: 'barrier', shapes: [], weight: 1 }, async () => {});
  }

  /** The calls and bytes so far. */
  get traffic(): Traffic {
    const received = this.#isAlone ? 0 : native.group.traffic().received;
    return Object.freeze({ calls: this.#done, payload: this.#payload, received });
  }

  /** True once {@link Group.close} was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * Ends the group: all ranks come to it together. A process that has nothing left to do comes to it by itself, and
   * then waits for the others without limit, as long as they live. One that ends otherwise, by an error, `process.exit`
   * or a signal, has failed, and the others are told so.
   * @throws ERR_ARGUMENT, ERR_BACKEND, ERR_DISPOSED; as {@link Group.allReduce}
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(false);
    return this.#closing;
  }

  async #close(isPatient: boolean): Promise<void> {
    const op = 'Group.close';
    const call: Call = { op, tag: 'close', what: 'close', shapes: [], weight: 1, isPatient };
    if (!this.#isAlone) await this.#call(call, () => this.#finalize(op));
    this.#isClosed = true;
    this.#deafen();
  }

  /** The end of the engine, which waits for all ranks by itself. */
  async #finalize(op: string): Promise<void> {
    try {
      await within(this.#timeout, native.group.close(), () => {
        const text = `all ranks came, but ${this.engine} has not ended after ${this.#timeout} s: one was lost meanwhile`;
        return new OrthokitError('ERR_BACKEND', `${op}: ${text}`);
      });
    } catch (error) {
      // Nothing can be said to the others any more.
      this.#deafen();
      if (error instanceof OrthokitError) this.#fail(error);
      throw error;
    }
  }

  #ranks(make: (rank: number) => Parcel): Parcel[] {
    return Array.from({ length: this.size }, (_, rank) => make(rank));
  }

  /** True where the engine moves these tensors from device to device. */
  #isDirect(op: string, [tensor]: readonly Tensor[]): boolean {
    if (tensor?.device.kind !== 'cuda' || this.#device < 0) return false;
    const { index } = tensor.device;
    if (index === this.#device) return true;
    const must = `be of the device of this rank, cuda:${this.#device} (ORTHOKIT_LOCAL_RANK)`;
    throw refusal(op, 'tensors', must, `some of cuda:${index}`, 'ERR_DEVICE');
  }

  #checkWeight(op: string, kind: 'sum' | 'mean', { weight }: SumOptions): void {
    if (weight !== undefined && kind === 'sum')
      throw refusal(op, 'weight', "come with op 'mean'", "one beside op 'sum'");
  }

  #move(
    op: string,
    tag: string,
    name: string,
    tensors: readonly Tensor[],
    parcels: readonly (readonly Parcel[])[],
    weight: number,
    moving: Moving,
    about: readonly unknown[],
  ): Promise<void> {
    const shapes = about.map((x) => (isTensor(x) ? [x.dtype, ...x.shape] : x));
    const what = `${name} of ${tensors.length} tensors, ${sizesOf(tensors)}`;
    // Tensors that do not fit are refused before the others hear of the call.
    const buckets = this.#isAlone ? [] : bucketsOf(op, parcels, this.size, this.#bucketBytes);
    const isDirect = this.#isDirect(op, tensors);
    const device = buckets[0]?.parcels[0]?.tensor.device;
    return this.#call({ op, tag, what, shapes, weight }, async (weights) => {
      const each = moving.isMean ? weights : weights.map(() => 1);
      if (this.#isAlone) alone(parcels, moving, weight);
      else if (device && isDirect) await carryOnDevice(this.#deviceShelf, device, this.rank, buckets, moving, each);
      else if (device) await carry(op, this.#shelf, device, this.size, buckets, moving, each);
      for (const { byteLength } of tensors) this.#payload += byteLength;
    });
  }

  /** Makes a call when those before it are done: all ranks agree on it, then its work is done. */
  #call<T>(
    { op, tag, what, shapes, weight, isPatient = false }: Call,
    work: (weights: Float64Array) => Promise<T>,
  ): Promise<T> {
    if (this.#isClosed || (this.#closing && tag !== 'close'))
      throw new OrthokitError('ERR_DISPOSED', `${op}: the group is closed`);
    const number = ++this.#calls;
    const digest = createHash('sha256').update(JSON.stringify(shapes)).digest('hex').slice(0, 40);
    const make = async (): Promise<T> => {
      this.#pending += 1;
      try {
        const weights = new Float64Array(this.size).fill(weight);
        if (this.#failure) throw this.#failure;
        if (!this.#isAlone) await native.group.agree(number, tag, what, digest, weight, weights, isPatient);
        try {
          const result = await work(weights);
          this.#done += 1;
          return result;
        } catch (error) {
          // The others are in the midst of it.
          if (!this.#isAlone && !this.#failure && !native.group.failure()) native.group.fail(written(error));
          throw error;
        }
      } catch (error) {
        throw this.#explained(op, error);
      } finally {
        this.#pending -= 1;
      }
    };
    const turn = this.#turn.then(make);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** The error of a call, by the name of the call; where the run has failed, with what ended it. */
  #explained(op: string, error: unknown): unknown {
    const failure = this.#isAlone ? undefined : native.group.failure();
    if (failure) {
      const own = failureOf(op, failure);
      this.#fail(own);
      return own;
    }
    if (error instanceof OrthokitError && !error.message.startsWith('Group.'))
      return new OrthokitError(error.code, `${op}: ${error.message}`, { cause: error.cause });
    return error;
  }

  #fail(failure: OrthokitError): void {
    this.#failure ??= failure;
    this.#abort.abort(this.#failure);
  }

  /** Hears of failures elsewhere, and tells of one here. */
  #listen(): void {
    this.#clock = setInterval(() => {
      const failure = native.group.failure();
      if (!failure || this.#failure) return;
      // A call that waits is rejected with it.
      if (this.#pending > 0) return;
      this.#fail(failureOf('Group', failure));
      throw this.#failure;
    }, 50).unref();
    process.on('uncaughtExceptionMonitor', this.#onError);
    process.on('beforeExit', this.#onIdle);
    process.on('exit', this.#onExit);
  }

  #deafen(): void {
    clearInterval(this.#clock);
    process.off('uncaughtExceptionMonitor', this.#onError);
    process.off('beforeExit', this.#onIdle);
    process.off('exit', this.#onExit);
  }

  readonly #onError = (error: unknown): void => {
    // Somebody takes care of it; if by an end of the process, the others are told of it then.
    if (process.listenerCount('uncaughtException') > 0) {
      this.#error = error;
      return;
    }
    // Said at once, and by all before the first ends: the launcher may then end the others before Node.js has said it.
    if (native.group.failure()) {
      say(`rank ${this.rank} ends: ${error instanceof Error ? error.message : inspect(error)}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    } else {
      say(`rank ${this.rank} failed: ${inspect(error)}`);
      native.group.fail(written(error));
    }
  };

  readonly #onIdle = (): void => {
    if (!this.#failure) this.#closing ??= this.#close(true);
  };

  readonly #onExit = (code: number): void => {
    if (this.#isClosed || native.group.failure()) return;
    native.group.fail(written(this.#error ?? new Error(`process.exit(${code}) before the group was closed`)));
  };
}

function say(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Node.js says it once more.
  }
}

/** A list of tensors of one device, no two of which share bytes. */
function checkTensors(op: string, tensors: readonly Tensor[], dtypes?: readonly Dtype[]): void {
  if (!isListOf(tensors, isTensor)) throw refusal(op, 'tensors', 'be a list of Tensors', shown(tensors));
  const places = new Places();
  for (const [i, tensor] of tensors.entries()) {
    check.tensor(op, `tensors[${i}]`, tensor, { device: tensors[0]!.device, ...(dtypes && { dtypes }) });
    if (!places.add(tensor)) throw refusal(op, 'tensors', 'share no bytes', `some again at ${i}`);
  }
}
