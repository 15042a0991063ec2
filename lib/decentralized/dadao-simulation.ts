import { callback } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import {
  count,
  kind,
  notNegative,
  type Option,
  optional,
  positive,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
} from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type KeptState, loadState, saveState } from '../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
import type { TransferOptions } from '../files/transfer.ts';
import { DadaoGraph } from './dadao-graph.ts';
import { DadaoNode } from './dadao-node.ts';
import { DadaoWatch, type Standing } from './dadao-watch.ts';

/** The function of one node. */
export interface LocalFunction {
  /** Numbers of x, the same for all. */
  readonly dim: number;
  /** The start of x, `[dim]`, f32 or f64; it is copied. */
  readonly x0: Tensor;
  /** out = the gradient of the function at x, both `[dim]`. */
  gradient(x: Tensor, out: Tensor): void | Promise<void>;
}

/** Options of {@link DadaoSimulation}. */
export interface DadaoSimulationOptions {
  /** μ: all functions are μ-strongly convex; positive. It has no default. */
  mu: number;
  /** L: all gradients are L-Lipschitz; from `mu` on. It has no default. */
  lipschitz: number;
  /** Seed of the times of events: whole, from 0 to 2³² − 1. It has no default. */
  seed: number;
  /**
   * Communications of all edges in a unit of time: positive. Default: √(2 χ₁ χ₂) of rates that add up to 1, with the
   * largest χ₁ and the largest χ₂ of the graphs; of one graph, its `minRate`.
   */
  rate?: number | undefined;
}

/** The state that {@link DadaoSimulation.run} tells of at times between events. */
export interface DadaoSample {
  /** The time between events. */
  readonly time: number;
  /** Gradient events so far, of all nodes. */
  readonly gradients: number;
  /** Communications so far. */
  readonly communications: number;
  /** x of each node at that time; the simulation's own tensors, which the next sample changes. */
  readonly x: readonly Tensor[];
}

/** Options of {@link DadaoSimulation.run}. */
export interface DadaoRunOptions {
  /** Told of samples, and waited for. Default: nobody. */
  onSample?: ((sample: DadaoSample) => void | Promise<void>) | undefined;
  /**
   * Time between two samples, the first of which comes after it: positive. Default: a hundredth of the time that is
   * run.
   */
  every?: number | undefined;
  /**
   * Ends the call with its reason. An event that is under way has not been then, and comes again in the next call; a
   * gradient that still runs must write no more. Default: none.
   */
  signal?: AbortSignal | undefined;
}

/** The end of {@link DadaoSimulation.run}. */
export interface DadaoTrace {
  /** The time that has been reached. */
  readonly time: number;
  /** Gradient events so far, of all nodes. */
  readonly gradients: number;
  /** Communications so far. */
  readonly communications: number;
}

const schema: Schema<Omit<DadaoSimulationOptions, 'rate'> & { rate: number | undefined }> = {
  mu: required(positive(1)),
  lipschitz: required(positive(1)),
  seed: required(whole(0, 0, 2 ** 32 - 1)),
  rate: optional(positive(1)),
};

const runSchema: Schema<{
  onSample: DadaoRunOptions['onSample'];
  every: number | undefined;
  signal: AbortSignal | undefined;
}> = {
  onSample: kind((x) => typeof x === 'function', 'a function'),
  every: optional(positive(1)),
  signal: watchers<never>().signal,
};

const times: Option<readonly number[]> = {
  default: [],
  wrong: (x) =>
    Array.isArray(x) && x.every((one) => typeof one === 'number' && one >= 0 && one < Infinity)
      ? undefined
      : 'must be a list of times',
};
const numbersSchema: Schema<Standing> = {
  time: notNegative(0),
  gradients: count(0, 0),
  communications: count(0, 0),
  due: notNegative(0),
  used: count(0, 0),
  times,
};

/** Uniform numbers that are drawn at once. */
const block = 2048;

/**
 * Many nodes of DADAO in one process, with exact random times of events from a seed: the same events, and on the CPU
 * the same bits, each time. Gradients come once a unit of time and node, communications at `rate` over all edges, in
 * the proportions of their own rates. Of several graphs one after the other is used, for 1 / χ₁ of the worst one each.
 *
 * A gradient that fails moves nothing, and the simulation goes on from before it: one that throws is an event that has
 * not been and comes again. One that is not finite is found at the next sample, at the end of a run or after 2,048
 * gradients, whichever comes first; all nodes are then again where they stood when this was looked at last, and the
 * events from there on come again.
 *
 * Memory: 14 vectors a node, and 6 more while it runs.
 *
 * @example
 * const simulation = new DadaoSimulation(graph, functions, { mu: 1, lipschitz: 10, seed: 1 });
 * await simulation.run(250, { onSample: ({ time, x }) => report(time, x) });
 */
export class DadaoSimulation implements Stateful {
  /** The nodes, in the order of the functions. */
  readonly nodes: readonly DadaoNode[];
  /** Communications in a unit of time. */
  readonly rate: number;
  readonly #graphs: readonly DadaoGraph[];
  readonly #sums: readonly Float64Array[];
  readonly #functions: readonly LocalFunction[];
  readonly #seed: number;
  readonly #settings: Readonly<Record<string, unknown>>;
  /** The time for which a graph is used. */
  readonly #turn: number;
  readonly #owned = new Owned<DadaoNode>();
  #time = 0;
  #gradients = 0;
  #communications = 0;
  /** The time of the event that comes next. */
  #due: number | undefined;
  #drawn: Float64Array | undefined;
  #used = 0;
  /** A call runs. */
  #isBusy = false;
  #isDisposed = false;

  /**
   * @throws ERR_ARGUMENT for what is no graph, function or option, and for L below μ; ERR_SHAPE for graphs and
   * functions of different sizes; ERR_DTYPE, ERR_DEVICE for starts that differ in theirs; ERR_DISPOSED, ERR_MEMORY. A
   * rate below `minRate`, of which the theory says nothing, is warned of
   */
  constructor(
    graph: DadaoGraph | readonly DadaoGraph[],
    functions: readonly LocalFunction[],
    options: DadaoSimulationOptions,
  ) {
    const where = 'DadaoSimulation';
    const graphs = Array.isArray(graph) ? (graph as readonly DadaoGraph[]) : [graph as DadaoGraph];
    if (graphs.length === 0) throw refusal(where, 'graph', 'be a DadaoGraph or a list of them', 'none');
    for (const one of graphs) check.instance(where, 'graph', one, DadaoGraph);
    checkFunctions(where, functions, graphs);
    const { mu, lipschitz, seed, rate: asked } = readOptions(where, options, schema);
    // χ₁ and χ₂ where the rates add up to 1, each of the graph that is worst in it.
    const worst = (chi: 'chi1' | 'chi2') => Math.max(...graphs.map((one) => one[chi] * one.totalRate));
    const [chi1, chi2] = [worst('chi1'), worst('chi2')];
    const least = Math.sqrt(2 * chi1 * chi2);
    const rate = asked ?? least;
    this.rate = rate;
    this.#graphs = graphs;
    this.#sums = graphs.map(sumsOf);
    this.#functions = [...functions];
    this.#seed = seed;
    this.#turn = 1 / chi1;
    this.#settings = { nodes: functions.length, mu, lipschitz, seed, rate, graphs: graphs.length, turn: this.#turn };
    using owned = new Owned<DadaoNode>();
    this.nodes = functions.map(({ dim, x0 }) =>
      owned.add(new DadaoNode(x0.device, { dim, mu, lipschitz, chi1Star: chi1 / rate, x0 })),
    );
    this.#owned = owned.move();
    const named = graphs.length === 1 ? 'minRate' : 'that of the largest χ₁ and χ₂ of the graphs';
    if (rate < least)
      process.emitWarning(`${where}: rate should be at least ${named}, ${least}, got ${rate}`, {
        type: 'OrthokitWarning',
        code: 'ORTHOKIT_DADAO_RATE',
      });
  }

  /** The time that has been reached; 0 at first. */
  get time(): number {
    return this.#time;
  }

  /**
   * Runs all events up to a time; another call goes on from there.
   *
   * @param until Not before the time that has been reached.
   * @throws ERR_ARGUMENT for a time that goes back, for what functions throw, and for gradients that are not finite,
   * with the node and the time: their events have not been then, and a call may go on; ERR_DISPOSED; ERR_MEMORY;
   * ERR_STATE while another call runs; the signal's reason when aborted, after which a call may go on, too
   */
  async run(until: number, options: DadaoRunOptions = {}): Promise<DadaoTrace> {
    const where = 'DadaoSimulation.run';
    this.#checkReady(where);
    if (!(typeof until === 'number' && until < Infinity && until >= this.#time))
      throw refusal(where, 'until', `be a time from ${this.#time} on`, shown(until));
    const { onSample, every = (until - this.#time) / 100, signal } = readOptions(where, options, runSchema);
    const { device } = this.#functions[0]!.x0;
    using task = new Task<never>(device, { signal });
    using owned = new Owned<Tensor>();
    const watch = new DadaoWatch(device, this.nodes, owned, {
      standing: () => this.#standing,
      goBack: (to) => this.#goTo(to),
    });
    const x = onSample ? vectors.like(this.#functions.map(({ x0 }) => x0), owned) : []; // biome-ignore format: one line
    this.#isBusy = true;
    try {
      const start = this.#time;
      let samples = 1;
      /** The time of the next sample; what is the end but for rounding is the end. */
      const sampleAt = (): number => {
        const time = start + samples * every;
        return Math.abs(time - until) <= 1e-6 * every ? until : time;
      };
      const tell = async (time: number, told: NonNullable<typeof onSample>): Promise<void> => {
        await watch.look(where);
        this.#checkAlive(where);
        for (const [i, node] of this.nodes.entries()) node.xAt(time, x[i]!);
        await callback(task, `${where}: onSample`, x, () => told({ ...this.#trace(time), x }));
        this.#checkAlive(where);
      };
      for (;;) {
        signal?.throwIfAborted();
        await this.#draw();
        this.#checkAlive(where);
        const due = this.#due!;
        for (let sample = sampleAt(); onSample && sample <= Math.min(due, until) && every > 0; sample = sampleAt()) {
          this.#time = sample;
          samples += 1;
          await tell(sample, onSample);
        }
        if (due > until) break;
        if (watch.isFull) await watch.look(where);
        this.#checkAlive(where);
        await this.#event(due, watch, where, task);
        await device.flow();
        this.#checkAlive(where);
      }
      await watch.look(where);
      this.#checkAlive(where);
      this.#time = until;
      return this.#trace(until);
    } catch (error) {
      // An event before it may have failed unseen, and is then what is told.
      if (!this.#isDisposed) await watch.look(where);
      throw error;
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#owned.dispose();
    }
  }

  /** Bytes of the state of all nodes on the device; 0 once disposed. */
  get stateBytes(): number {
    return this.nodes.reduce((sum, { stateBytes }) => sum + stateBytes, 0);
  }

  /**
   * Stores the vectors of all nodes, their times, and what comes next, in a safetensors file.
   * @throws ERR_ARGUMENT; ERR_STATE while another call runs; ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const where = 'DadaoSimulation.save';
    this.#checkReady(where);
    await saveState(path, where, this.#kept, options);
  }

  /**
   * Brings back what `save` stored; with the same graphs, functions and options, events go on bit for bit. The file is
   * checked whole before anything changes, and meanwhile calls of the nodes are refused, too.
   * @throws ERR_STATE for a state that does not fit or of other options, while another call runs, and while one of a
   * node does; ERR_FORMAT, ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const where = 'DadaoSimulation.load';
    this.#checkReady(where);
    this.#isBusy = true;
    const held: DadaoNode[] = [];
    try {
      for (const node of this.nodes) {
        node.hold(where);
        held.push(node);
      }
      return await loadState(path, where, this.#kept, options, (numbers) => this.#goTo(numbers));
    } finally {
      for (const node of held) node.release();
      this.#isBusy = false;
      if (this.#isDisposed) this.#owned.dispose();
    }
  }

  /** Gives the memory of the nodes back; a call that runs rejects, and gives it back as it ends. */
  dispose(): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#owned.dispose();
  }

  /** Disposes: `using simulation = new DadaoSimulation(graph, functions, options)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkAlive(where: string): void {
    check.alive(where, 'the simulation', { disposed: this.#isDisposed });
  }

  #checkReady(where: string): void {
    this.#checkAlive(where);
    if (!this.#isBusy) return;
    throw new OrthokitError('ERR_STATE', `${where}: must be called once the last call has ended, got another call`);
  }

  /** The numbers of its state. */
  get #standing(): Standing {
    return {
      ...this.#trace(this.#time),
      due: this.#due ?? 0,
      used: this.#used,
      times: this.nodes.map(({ time }) => time),
    };
  }

  #goTo({ time, gradients, communications, due, used, times: all }: Standing): void {
    [this.#time, this.#gradients, this.#communications, this.#used] = [time, gradients, communications, used];
    [this.#due, this.#drawn] = [due > 0 ? due : undefined, undefined];
    for (const [i, node] of this.nodes.entries()) node.standAt(all[i]!);
  }

  get #kept(): KeptState<Standing> {
    return {
      of: 'DadaoSimulation',
      settings: this.#settings,
      tensors: Object.fromEntries(this.nodes.map((node, i) => [`vectors.${i}`, node.vectors])),
      numbers: this.#standing,
      schema: numbersSchema,
      wrong: ({ time, due, times: all }) => {
        if (all.length !== this.nodes.length) return `numbers times must be ${this.nodes.length}, got ${all.length}`;
        if (all.some((one) => one > time)) return `numbers times must be at most time, ${time}, got others`;
        if (due > 0 && due < time) return `number due must not be before time, ${time}, got ${due}`;
        return undefined;
      },
    };
  }

  #trace(time: number): DadaoTrace {
    return { time, gradients: this.#gradients, communications: this.#communications };
  }

  /** Makes sure that there is a next event. */
  async #draw(): Promise<void> {
    const begins = this.#due === undefined && this.#used % block === 0;
    if (!this.#drawn || begins) {
      const { device } = this.#functions[0]!.x0;
      using numbers = new Tensor(device, [block], 'f64');
      ops.random(device, { x: [numbers], seed: this.#seed, offset: this.#used - (this.#used % block) });
      this.#drawn = (await numbers.read()) as Float64Array;
    }
    if (this.#due !== undefined) return;
    const total = this.nodes.length + this.rate;
    this.#due = this.#time - Math.log1p(-this.#next()) / total;
  }

  #next(): number {
    const value = this.#drawn![this.#used % block]!;
    this.#used += 1;
    return value;
  }

  async #event(due: number, watch: DadaoWatch, where: string, task: Task<never>): Promise<void> {
    const before = this.#time;
    const place = this.#next() * (this.nodes.length + this.rate);
    [this.#due, this.#time] = [undefined, due];
    try {
      if (place < this.nodes.length) await this.#gradient(where, Math.floor(place), due, watch, task);
      else this.#communication((place - this.nodes.length) / this.rate, due, watch);
    } catch (error) {
      // Nothing has moved: the event is the next one again.
      [this.#time, this.#due, this.#used] = [before, due, this.#used - 1];
      throw error;
    }
  }

  async #gradient(where: string, i: number, due: number, watch: DadaoWatch, task: Task<never>): Promise<void> {
    const one = this.#functions[i]!;
    const size = watch.place(i, due);
    const words = `${where}: functions[${i}].gradient at time ${due}`;
    await this.nodes[i]!.queueGradient(task, words, due, size, (x, out) => one.gradient(x, out));
    watch.hasMoved(i);
    this.#gradients += 1;
  }

  /** One over the edge in whose stretch of all rates a share of them lies. */
  #communication(share: number, due: number, watch: DadaoWatch): void {
    const which = Math.floor(due / this.#turn) % this.#graphs.length;
    const graph = this.#graphs[which]!;
    const [i, j] = edgeAt(graph, this.#sums[which]!, share * graph.totalRate);
    // Whatever may fail does so in a message, before a node has moved.
    using mine = this.nodes[i]!.message(due);
    using theirs = this.nodes[j]!.message(due);
    this.nodes[i]!.receive(due, mine, theirs);
    this.nodes[j]!.receive(due, theirs, mine);
    for (const node of [i, j]) watch.hasMoved(node);
    this.#communications += 1;
  }
}

/** Sums of the rates up to each edge. */
function sumsOf({ rates }: DadaoGraph): Float64Array {
  let sum = 0;
  return rates.map((rate) => {
    sum += rate;
    return sum;
  });
}

/** The edge in whose stretch of the rates a place lies. */
function edgeAt({ edges }: DadaoGraph, sums: Float64Array, place: number): readonly [number, number] {
  let [from, to] = [0, edges.length - 1];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (place < sums[middle]!) to = middle;
    else from = middle + 1;
  }
  return edges[from]!;
}

function checkFunctions(where: string, functions: unknown, graphs: readonly DadaoGraph[]): void {
  if (!Array.isArray(functions) || functions.length === 0)
    throw refusal(where, 'functions', 'be a list of functions with starts', shown(functions));
  for (const { nodes } of graphs)
    if (nodes !== functions.length)
      throw refusal(where, 'functions', `be one for each node of a graph, ${nodes}`, functions.length, 'ERR_SHAPE');
  for (let i = 0; i < functions.length; ++i) {
    const one: unknown = functions[i];
    const field = `functions[${i}]`;
    if (!isRecord(one) || typeof one['gradient'] !== 'function')
      throw refusal(where, field, 'have a function gradient', shown(one));
    const { dim, x0 } = one as unknown as LocalFunction;
    if (!(Number.isSafeInteger(dim) && dim > 0))
      throw refusal(where, `${field}.dim`, 'be a whole number from 1 on', shown(dim));
    const first: Tensor = (functions[0] as LocalFunction).x0;
    check.tensor(where, `${field}.x0`, x0, { dtypes: check.arithmetic, shape: [dim] });
    check.tensor(where, `${field}.x0`, x0, { dtypes: [first.dtype], shape: first.shape, device: first.device });
  }
}
