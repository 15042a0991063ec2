import { callback } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { count, notNegative, optional, positive, readOptions, required, type Schema, word } from '../core/schema.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type KeptState, loadState, saveState } from '../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
import type { TransferOptions } from '../files/transfer.ts';
import { constantsOf, type DadaoConstants, flowOf, jumpOf, vectorsOfNode } from './dadao-constants.ts';

/** Options of {@link DadaoNode}. */
export interface DadaoNodeOptions {
  /** Numbers of x: whole, from 1 on. It has no default. */
  dim: number;
  /** μ: all functions are μ-strongly convex; positive. It has no default. */
  mu: number;
  /** L: all gradients are L-Lipschitz; from `mu` on. It has no default. */
  lipschitz: number;
  /** χ₁ of the graph at the rate of its communications: `graph.chi1 · graph.totalRate / rate`; positive. No default. */
  chi1Star: number;
  /** The start of x, `[dim]`, f32 or f64; it is copied. Default: zeros. */
  x0?: Tensor | undefined;
  /** The dtype of the vectors. Default: that of `x0`, or `'f32'`. */
  dtype?: 'f32' | 'f64' | undefined;
}

type Given = Omit<DadaoNodeOptions, 'x0' | 'dtype'> & { x0: Tensor | undefined; dtype: 'f32' | 'f64' | undefined };

const schema: Schema<Given> = {
  dim: required(count(1)),
  mu: required(positive(1)),
  lipschitz: required(positive(1)),
  chi1Star: required(positive(1)),
  x0: check.tensorOption,
  dtype: optional(word<'f32' | 'f64'>(['f32', 'f64'], 'f32')),
};

interface Numbers {
  time: number;
}

/** Six vectors, a gradient beside them, and views of both. */
interface Vectors {
  readonly all: Tensor;
  readonly six: Tensor;
  readonly rows: readonly Tensor[];
}

/**
 * One node of DADAO, which minimizes the mean of functions that each node knows one of, by its own gradients and
 * messages of its neighbours, both at random times: gradients once in a unit of time in the mean, messages at the rates
 * of the edges of a {@link DadaoGraph}. Between them the node's six vectors follow a linear equation, which is solved
 * exactly whenever the node is touched. It knows nothing of how messages travel: sockets, workers and a simulation all
 * do.
 *
 * A communication between two nodes at time t: each takes `message(t)`, they exchange them, and each calls `receive`
 * with t and both. One that only one side hears of shifts what the nodes agree on; see the guide for lost and doubled
 * ones.
 *
 * Memory: 14 vectors.
 *
 * Source: DADAO, "Decoupled Accelerated Decentralized Asynchronous Optimization" (ICML 2023).
 *
 * @example
 * const node = new DadaoNode(device, { dim: 2, mu: 1, lipschitz: 10, chi1Star });
 * await node.gradientEvent(0.3, (x, out) => gradientOfMine(x, out));
 */
export class DadaoNode implements Stateful {
  readonly #device: Device;
  readonly #dtype: 'f32' | 'f64';
  readonly #dim: number;
  readonly #settings: { readonly mu: number; readonly lipschitz: number; readonly chi1Star: number };
  readonly #constants: DadaoConstants;
  readonly #owned: Owned<Tensor>;
  /** The state, and where an event is made. */
  #now: Vectors;
  #next: Vectors;
  readonly #flow: Tensor;
  readonly #jump: Tensor;
  readonly #sizes: Tensor<'f64'>;
  #time = 0;
  #last: { duration: number; flow: Float64Array } | undefined;
  #isBusy = false;
  #isDisposed = false;

  /**
   * @throws ERR_ARGUMENT for what is no device or option, and for L below μ; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for an x0
   * that does not fit; ERR_DISPOSED, ERR_MEMORY
   */
  constructor(device: Device, options: DadaoNodeOptions) {
    const where = 'DadaoNode';
    check.device(where, 'device', device);
    const { dim, mu, lipschitz, chi1Star, x0, dtype: asked } = readOptions(where, options, schema);
    if (lipschitz < mu) throw refusal(where, 'lipschitz', `be at least mu, ${mu}`, lipschitz);
    if (x0) check.tensor(where, 'x0', x0, { shape: [dim], dtypes: asked ? [asked] : check.arithmetic, device });
    this.#device = device;
    this.#dim = dim;
    const dtype = (asked ?? x0?.dtype ?? 'f32') as 'f32' | 'f64';
    this.#dtype = dtype;
    this.#settings = { mu, lipschitz, chi1Star };
    this.#constants = constantsOf(mu, lipschitz, chi1Star);
    using owned = new Owned<Tensor>();
    const make = (): Vectors => {
      const all = owned.add(Tensor.zeros(device, [vectorsOfNode + 1, dim], { dtype }));
      const row = (i: number) => owned.add(owned.add(all.rows(i, i + 1)).reshape([dim]));
      const rows = Array.from({ length: vectorsOfNode + 1 }, (_, i) => row(i));
      return { all, six: owned.add(all.rows(0, vectorsOfNode)), rows };
    };
    [this.#now, this.#next] = [make(), make()];
    this.#flow = owned.add(new Tensor(device, [vectorsOfNode, vectorsOfNode], dtype));
    this.#jump = owned.add(new Tensor(device, [vectorsOfNode, vectorsOfNode + 1], dtype));
    this.#sizes = owned.add(Tensor.zeros(device, [2], { dtype: 'f64' }));
    this.#write(this.#jump, jumpOf(this.#constants).flat());
    if (x0) vectors.copy(device, x0, this.#now.rows[0]!);
    this.#owned = owned.move();
  }

  /** x of the last event, `[dim]`: the node's own tensor, which later events may change. */
  get x(): Tensor {
    return this.#now.rows[0]!;
  }

  /** The time of the last event; 0 at first. */
  get time(): number {
    return this.#time;
  }

  /**
   * A gradient event. The function gets x of that time and writes the gradient of the node's function there.
   *
   * @param t Not before the last event.
   * @throws ERR_ARGUMENT for a time that is none or goes back, for what the function throws, and for NaN and infinity,
   * which messages may have brought into the state already;
   * ERR_DISPOSED, also if it disposes of what it is given; ERR_STATE while another call runs. The node is then as
   * before
   */
  async gradientEvent(t: number, gradient: (x: Tensor, out: Tensor) => void | Promise<void>): Promise<void> {
    const where = 'DadaoNode.gradientEvent';
    this.#check(where, t);
    check.callable(where, 'gradient', gradient);
    this.#isBusy = true;
    try {
      const { rows } = this.#next;
      this.#advance(t);
      const [x, out] = [rows[0]!, rows[vectorsOfNode]!];
      await callback(undefined, `${where}: the gradient at time ${t}`, [x, out], () => gradient(x, out));
      check.alive(where, 'the node', { disposed: this.#isDisposed });
      const sizes = this.#sizes;
      ops.norms(this.#device, { x: [this.#next.six, out], out: sizes });
      const [state, size] = await sizes.read();
      check.alive(where, 'the node', { disposed: this.#isDisposed });
      if (!Number.isFinite(state))
        throw refusal(where, `the state at time ${t}`, 'be finite, and so every message', 'NaN or infinity');
      if (!Number.isFinite(size)) throw refusal(where, `the gradient at time ${t}`, 'be finite', 'NaN or infinity');
      this.#leap(t);
    } finally {
      this.#end();
    }
  }

  /** @internal The same, queued: the lengths of state and gradient go to `sizes`; who calls looks at them later. */
  async queueGradient(
    task: Task<never>,
    name: string,
    t: number,
    sizes: Tensor,
    gradient: (x: Tensor, out: Tensor) => void | Promise<void>,
  ): Promise<void> {
    const where = 'DadaoSimulation.run';
    this.#checkReady(where);
    this.#isBusy = true;
    try {
      const { rows } = this.#next;
      this.#advance(t);
      const [x, out] = [rows[0]!, rows[vectorsOfNode]!];
      await callback(task, name, [x, out], () => gradient(x, out));
      check.alive(where, 'the node', { disposed: this.#isDisposed });
      ops.norms(this.#device, { x: [this.#next.six, out], out: sizes });
      this.#leap(t);
    } finally {
      this.#end();
    }
  }

  /**
   * The message to a neighbour of a communication at time t, y + z at that time: a new tensor `[dim]`. The node stays
   * as it is. Queued.
   *
   * @param t Not before the last event.
   * @throws ERR_ARGUMENT for a time that is none or goes back; ERR_STATE while a gradient event runs; ERR_DISPOSED,
   * ERR_MEMORY
   */
  message(t: number): Tensor {
    this.#check('DadaoNode.message', t);
    const flow = this.#flowTo(t);
    const device = this.#device;
    using row = new Tensor(device, [1, vectorsOfNode], this.#dtype);
    this.#write(
      row,
      Array.from({ length: vectorsOfNode }, (_, j) => flow[12 + j]! + flow[24 + j]!),
    );
    const out = new Tensor(device, [this.#dim], this.#dtype);
    try {
      using c = out.reshape([1, this.#dim]);
      ops.gemm(device, { a: row, b: this.#now.six, c });
      return out;
    } catch (error) {
      out.dispose();
      throw error;
    }
  }

  /**
   * A communication at time t. Queued.
   *
   * @param t Not before the last event.
   * @param mine The node's own message of time t, `[dim]`.
   * @param theirs The neighbour's message of time t, `[dim]`.
   * @throws ERR_ARGUMENT for a time that is none or goes back; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for messages that do
   * not fit; ERR_STATE while a gradient event runs; ERR_DISPOSED. The node is then as before
   */
  receive(t: number, mine: Tensor, theirs: Tensor): void {
    const where = 'DadaoNode.receive';
    this.#check(where, t);
    const [device, dtypes] = [this.#device, [this.#dtype]];
    for (const [name, one] of Object.entries({ mine, theirs }))
      check.tensor(where, name, one, { shape: [this.#dim], dtypes, device });
    this.#advance(t);
    const { beta, betaTilde } = this.#constants;
    const { rows } = this.#next;
    for (const [row, factor] of [[4, beta], [5, betaTilde]] as const) // biome-ignore format: one line
      vectors.combine(device, rows[row]!, [1, rows[row]!], [-factor, mine], [factor, theirs]);
    [this.#now, this.#next] = [this.#next, this.#now];
    this.#time = t;
  }

  /** @internal The six vectors, the state but for the time. */
  get vectors(): Tensor {
    return this.#now.six;
  }

  /** @internal Goes on from vectors of a time. */
  standAt(t: number): void {
    this.#time = t;
  }

  /** @internal Refuses all calls until `release`. */
  hold(where: string): void {
    this.#checkReady(where);
    this.#isBusy = true;
  }

  /** @internal */
  release(): void {
    this.#end();
  }

  /** @internal x at a later time, without an event. */
  xAt(t: number, out: Tensor): void {
    const [kept, exchanged] = this.#flowTo(t) as unknown as [number, number];
    const [x, tilde] = this.#now.rows as [Tensor, Tensor];
    vectors.combine(this.#device, out, [kept, x], [exchanged, tilde]);
  }

  /** Bytes of state on the device; 0 once disposed. */
  get stateBytes(): number {
    return this.#isDisposed ? 0 : this.#now.six.byteLength;
  }

  /**
   * Stores the six vectors and the time in a safetensors file.
   * @throws ERR_ARGUMENT; ERR_STATE while a gradient event runs; ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'DadaoNode.save';
    this.#checkReady(where);
    await saveState(path, where, this.#kept, options);
  }

  /**
   * Brings back what `save` stored; with the same options, events go on bit for bit. The file is checked whole before
   * anything changes.
   * @throws ERR_STATE for a state that does not fit or of other options, and while another call runs, ERR_FORMAT,
   * ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = 'DadaoNode.load';
    this.#checkReady(where);
    this.#isBusy = true;
    try {
      return await loadState(path, where, this.#kept, options, ({ time }) => {
        this.#time = time;
      });
    } finally {
      this.#end();
    }
  }

  /** Gives the memory back, once a call that runs has ended; later use throws `ERR_DISPOSED`. */
  dispose(): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#owned.dispose();
  }

  /** Disposes: `using node = new DadaoNode(device, options)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #kept(): KeptState<Numbers> {
    return {
      of: 'DadaoNode',
      settings: this.#settings,
      tensors: { vectors: this.#now.six },
      numbers: { time: this.#time },
      schema: { time: notNegative(0) },
    };
  }

  /** next = the six vectors at a later time. */
  #advance(t: number): void {
    this.#write(this.#flow, this.#flowTo(t));
    ops.gemm(this.#device, { a: this.#flow, b: this.#now.six, c: this.#next.six });
  }

  /** The end of a gradient event, from the vectors and the gradient in `next`. */
  #leap(t: number): void {
    ops.gemm(this.#device, { a: this.#jump, b: this.#next.all, c: this.#now.six });
    this.#time = t;
  }

  /** The flow from the last event on; a message and its answer ask for the same one. */
  #flowTo(t: number): Float64Array {
    const duration = t - this.#time;
    if (this.#last?.duration !== duration) this.#last = { duration, flow: flowOf(this.#constants, duration) };
    return this.#last.flow;
  }

  #write(tensor: Tensor, numbers: ArrayLike<number>): void {
    tensor.write(this.#dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers));
  }

  #check(where: string, t: number): void {
    this.#checkReady(where);
    if (!(typeof t === 'number' && t < Infinity && t >= this.#time))
      throw refusal(where, 't', `be a time from that of the last event on, ${this.#time}`, shown(t));
  }

  #end(): void {
    this.#isBusy = false;
    if (this.#isDisposed) this.#owned.dispose();
  }

  #checkReady(where: string): void {
    check.alive(where, 'the node', { disposed: this.#isDisposed });
    if (!this.#isBusy) return;
    throw new OrthokitError('ERR_STATE', `${where}: must be called once the last call has ended, got a call in a call`);
  }
}
