import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { kind, readOptions, type Schema, watchers } from '../core/schema.ts';
import { atOnce, inTurns, type Steps } from '../core/turns.ts';
import { tridiagonalEigen } from '../solvers/tridiagonal.ts';

/** Options of {@link DadaoGraph}. */
export interface DadaoGraphOptions {
  /**
   * The rate of each edge, the number of times that it communicates in a unit of time, as given: positive. Default: 1 /
   * edges.
   */
  rates?: readonly number[] | Float64Array | undefined;
}

/** Options of {@link DadaoGraph.of}. */
export interface DadaoGraphOfOptions extends DadaoGraphOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

type Rates = readonly number[] | Float64Array | undefined;
const schema: Schema<{ rates: Rates }> = {
  rates: kind((x) => Array.isArray(x) || x instanceof Float64Array, 'a list of numbers'),
};
const ofSchema: Schema<{ rates: Rates; signal: AbortSignal | undefined }> = {
  ...schema,
  signal: watchers<never>().signal,
};

/** Nodes beyond would take minutes and gigabytes. */
const mostNodes = 4096;
/** Beyond it, χ₁ is made of rounding. */
const mostCondition = 1e12;

/** A graph that has been checked. */
interface Checked {
  readonly nodes: number;
  readonly edges: readonly (readonly [number, number])[];
  readonly rates: Float64Array;
  readonly totalRate: number;
}

/** Numbers that the constructor need not compute again, when `of` gives them in the place of options. */
class Measured {
  readonly graph: Checked;
  readonly chi1: number;
  readonly chi2: number;

  constructor(graph: Checked, chi1: number, chi2: number) {
    [this.graph, this.chi1, this.chi2] = [graph, chi1, chi2];
  }
}

/**
 * A connected graph of nodes that communicate over its edges, and what DADAO asks of it. With the Laplacian
 * Λ = Σ rateᵢⱼ (eᵢ − eⱼ)(eᵢ − eⱼ)ᵀ: χ₁ is the inverse of its smallest eigenvalue above 0, and χ₂ half of the largest
 * (eᵢ − eⱼ)ᵀ Λ⁺ (eᵢ − eⱼ) of an edge. In about n³ / 3 operations and 16 n² bytes for a while: at once by the
 * constructor,
 * with turns of the event loop between by {@link DadaoGraph.of}, which graphs of more than some hundred nodes want.
 *
 * @example
 * const ring = new DadaoGraph(4, [[0, 1], [1, 2], [2, 3], [3, 0]]);
 * console.log(ring.chi1, ring.chi2, ring.minRate);
 */
export class DadaoGraph {
  /** Number of nodes. */
  readonly nodes: number;
  /** Pairs of nodes, from 0. */
  readonly edges: readonly (readonly [number, number])[];
  /** The rate of each edge, the number of times that it communicates in a unit of time. */
  readonly rates: Float64Array;
  /** Their sum: communications in a unit of time. */
  readonly totalRate: number;
  /** χ₁ of the rates. */
  readonly chi1: number;
  /** χ₂ of the rates. */
  readonly chi2: number;
  /** Communications in a unit of time that the theory asks for, in these proportions: `totalRate` · √(2 χ₁ χ₂). */
  readonly minRate: number;

  /**
   * @param nodes Whole, from 2 to 4,096.
   * @param edges Pairs of two different nodes, each once, in either order.
   * @throws ERR_ARGUMENT for nodes, edges and rates that are none, for an edge that stands twice, for a graph of
   * several
   * components, which the message names, and for rates so different that χ₁ is made of rounding: from
   * χ₁ · 2 · `totalRate` = 1e12 on
   */
  constructor(nodes: number, edges: readonly (readonly [number, number])[], options: DadaoGraphOptions = {}) {
    const where = 'DadaoGraph';
    const { graph, chi1, chi2 } =
      options instanceof Measured
        ? options
        : atOnce(
            measured(
              where,
              checkedGraph(where, nodes, edges, () => readOptions(where, options, schema).rates),
            ),
          );
    this.nodes = graph.nodes;
    this.edges = graph.edges;
    this.rates = graph.rates;
    this.totalRate = graph.totalRate;
    this.chi1 = chi1;
    this.chi2 = chi2;
    this.minRate = graph.totalRate * Math.sqrt(2 * chi1 * chi2);
  }

  /**
   * The same graph as the constructor's, bit for bit; others have turns of the event loop meanwhile.
   *
   * @param nodes Whole, from 2 to 4,096.
   * @param edges Pairs of two different nodes, each once, in either order.
   * @throws ERR_ARGUMENT as the constructor; the signal's reason when aborted
   */
  static async of(
    nodes: number,
    edges: readonly (readonly [number, number])[],
    options: DadaoGraphOfOptions = {},
  ): Promise<DadaoGraph> {
    const where = 'DadaoGraph.of';
    let signal: AbortSignal | undefined;
    const graph = checkedGraph(where, nodes, edges, () => {
      const given = readOptions(where, options, ofSchema);
      signal = given.signal;
      signal?.throwIfAborted();
      return given.rates;
    });
    const found = await inTurns(measured(where, graph), signal);
    return new DadaoGraph(nodes, edges, found as DadaoGraphOptions);
  }
}

function checkedGraph(where: string, nodes: number, edges: Checked['edges'], ratesGiven: () => Rates): Checked {
  if (!(Number.isSafeInteger(nodes) && nodes >= 2 && nodes <= mostNodes))
    throw refusal(where, 'nodes', `be a whole number from 2 to ${mostNodes}`, shown(nodes));
  checkEdges(where, nodes, edges);
  const rates = ratesOf(where, edges.length, ratesGiven());
  checkConnected(where, nodes, edges);
  const totalRate = rates.reduce((sum, rate) => sum + rate, 0);
  return { nodes, edges: edges.map(([i, j]) => [i, j] as const), rates, totalRate };
}

function* measured(where: string, graph: Checked): Steps<Measured> {
  const { nodes, edges, totalRate } = graph;
  const root = yield* rootOf(graph);
  const chi1 = yield* largestEigenvalue(nodes, root);
  let chi2 = 0;
  for (const [k, [i, j]] of edges.entries()) {
    // (eᵢ − eⱼ)ᵀ Λ⁺ (eᵢ − eⱼ) is the square of a length.
    let resistance = 0;
    for (let m = Math.min(i, j); m < nodes; ++m) resistance += (root[i * nodes + m]! - root[j * nodes + m]!) ** 2;
    chi2 = Math.max(chi2, resistance / 2);
    if (k % 256 === 0) yield;
  }
  const condition = chi1 * 2 * totalRate;
  if (!(condition < mostCondition && chi2 < Infinity))
    throw refusal(where, 'rates', 'be of similar sizes: χ₁ times twice their sum below 1e12', shown(condition));
  return new Measured(graph, chi1, chi2);
}

function checkEdges(where: string, nodes: number, edges: unknown): void {
  if (!Array.isArray(edges) || edges.length === 0)
    throw refusal(where, 'edges', 'be a list of pairs of nodes', Array.isArray(edges) ? 'none' : shown(edges));
  const seen = new Set<number>();
  for (let k = 0; k < edges.length; ++k) {
    const edge: unknown = edges[k];
    const isNode = (i: unknown) => Number.isInteger(i) && (i as number) >= 0 && (i as number) < nodes;
    if (!Array.isArray(edge) || edge.length !== 2 || !edge.every(isNode))
      throw refusal(where, `edges[${k}]`, `be two nodes from 0 to ${nodes - 1}`, words(edge));
    const [i, j] = edge as [number, number];
    if (i === j) throw refusal(where, `edges[${k}]`, 'join two different nodes', words(edge));
    const key = Math.min(i, j) * nodes + Math.max(i, j);
    if (seen.has(key)) throw refusal(where, `edges[${k}]`, 'stand once', `${words(edge)} again`);
    seen.add(key);
  }
}

const words = (edge: unknown): string => (Array.isArray(edge) ? `[${edge.map(shown).join(', ')}]` : shown(edge));

function ratesOf(where: string, count: number, given: readonly number[] | Float64Array | undefined): Float64Array {
  if (given === undefined) return new Float64Array(count).fill(1 / count);
  if (given.length !== count) throw refusal(where, 'rates', `have ${count} numbers`, given.length);
  for (let k = 0; k < count; ++k)
    if (!(given[k]! > 0 && given[k]! < Infinity))
      throw refusal(where, `rates[${k}]`, 'be a positive number', shown(given[k]));
  return Float64Array.from(given);
}

function checkConnected(where: string, nodes: number, edges: readonly (readonly [number, number])[]): void {
  const neighbours = Array.from({ length: nodes }, (): number[] => []);
  for (const [i, j] of edges) {
    neighbours[i]!.push(j);
    neighbours[j]!.push(i);
  }
  const component = new Int32Array(nodes).fill(-1);
  let count = 0;
  for (let start = 0; start < nodes; ++start) {
    if (component[start] !== -1) continue;
    const reached = [start];
    component[start] = count;
    for (let i = reached.pop(); i !== undefined; i = reached.pop())
      for (const j of neighbours[i]!)
        if (component[j] === -1) {
          component[j] = count;
          reached.push(j);
        }
    count += 1;
  }
  if (count === 1) return;
  const names = Array.from({ length: Math.min(count, 8) }, (_, k) => {
    const members = [...component.keys()].filter((i) => component[i] === k);
    return `{${members.slice(0, 8).join(', ')}${members.length > 8 ? ', …' : ''}}`;
  });
  const text = `${count} components ${names.join(' ')}${count > 8 ? ' …' : ''}`;
  throw new OrthokitError('ERR_ARGUMENT', `${where}: edges must connect all nodes, got ${text}`);
}

/**
 * The columns of L⁻¹, as rows, where L Lᵀ = Λ + s 11ᵀ / n, whose inverse is Λ⁺ + 11ᵀ / (s n); s is near Λ's own
 * numbers.
 */
function* rootOf({ nodes: n, edges, rates }: Checked): Steps<Float64Array> {
  const a = new Float64Array(n * n);
  for (const [k, [i, j]] of edges.entries()) {
    const rate = rates[k]!;
    a[i * n + i]! += rate;
    a[j * n + j]! += rate;
    a[i * n + j]! -= rate;
    a[j * n + i]! -= rate;
  }
  let trace = 0;
  for (let i = 0; i < n; ++i) trace += a[i * n + i]!;
  for (let k = 0; k < n * n; ++k) a[k]! += trace / n / n;
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j <= i; ++j) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; ++k) sum -= a[i * n + k]! * a[j * n + k]!;
      a[i * n + j] = i === j ? Math.sqrt(sum) : sum / a[j * n + j]!;
    }
    yield;
  }
  const root = new Float64Array(n * n);
  for (let j = 0; j < n; ++j) {
    root[j * n + j] = 1 / a[j * n + j]!;
    for (let i = j + 1; i < n; ++i) {
      let sum = 0;
      for (let k = j; k < i; ++k) sum -= a[i * n + k]! * root[j * n + k]!;
      root[j * n + i] = sum / a[i * n + i]!;
    }
    yield;
  }
  return root;
}

/** The largest eigenvalue of L⁻ᵀ L⁻¹ among vectors whose sum is 0, by Lanczos' method. */
function* largestEigenvalue(n: number, root: Float64Array): Steps<number> {
  const steps = Math.min(n - 1, 200);
  const basis: Float64Array[] = [];
  const [diagonal, beside] = [new Float64Array(steps), new Float64Array(steps)];
  let v = Float64Array.from({ length: n }, (_, i) => Math.sin(1 + i) + Math.cos(2.5 * i * i));
  let found = 0;
  for (let step = 0; step < steps; ++step) {
    center(v, basis);
    const size = Math.hypot(...v);
    if (step > 0) beside[step - 1] = size;
    if (!(size > 1e-14 * found)) break;
    v = v.map((x) => x / size);
    basis.push(v);
    const half = new Float64Array(n);
    for (let j = 0; j < n; ++j) {
      const factor = v[j]!;
      for (let i = j; i < n; ++i) half[i]! += root[j * n + i]! * factor;
    }
    yield;
    const product = new Float64Array(n);
    for (let j = 0; j < n; ++j) {
      let sum = 0;
      for (let i = j; i < n; ++i) sum += root[j * n + i]! * half[i]!;
      product[j] = sum;
    }
    yield;
    diagonal[step] = product.reduce((sum, x, i) => sum + x * v[i]!, 0);
    const { values } = tridiagonalEigen(diagonal.slice(0, step + 1), beside.slice(0, step + 1));
    const last = values.at(-1)!;
    if (step > 8 && Math.abs(last - found) <= 1e-15 * last) return last;
    found = last;
    v = product;
  }
  return found;
}

/** Takes the mean and all that lies along the basis away, twice, so that rounding leaves none of it. */
function center(v: Float64Array, basis: readonly Float64Array[]): void {
  for (let pass = 0; pass < 2; ++pass) {
    const mean = v.reduce((sum, x) => sum + x, 0) / v.length;
    for (let i = 0; i < v.length; ++i) v[i]! -= mean;
    for (const one of basis) {
      const along = one.reduce((sum, x, i) => sum + x * v[i]!, 0);
      for (let i = 0; i < v.length; ++i) v[i]! -= along * one[i]!;
    }
  }
}
