import type { Task } from '../../core/task.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Tokenizer } from '../../tokenizers/index.ts';
import type { Scan } from '../tables/scan.ts';
import type { Table } from '../tables/table.ts';

/** Names of the methods, here and in mergekit-tokensurgeon. */
export type MethodName =
  | 'omp'
  | 'mean'
  | 'zero'
  | 'randn'
  | 'john_hewitt'
  | 'common_interpolation'
  | 'subword'
  | 'landmark_pca'
  | 'stb'
  | 'mp_rope';

export const methodNames: readonly MethodName[] = [
  'omp',
  'mean',
  'zero',
  'randn',
  'john_hewitt',
  'common_interpolation',
  'subword',
  'landmark_pca',
  'stb',
  'mp_rope',
];

/** The material of a method: tables of the base, of each of which new rows are wanted, and one table of the donor. */
export interface MethodContext {
  readonly task: Task;
  readonly bases: readonly { readonly table: Table; readonly scan: Scan; readonly isHead: boolean }[];
  readonly donor: Table;
  /** Ids of tokens that both know, pairwise. */
  readonly anchors: { readonly base: Int32Array; readonly donor: Int32Array };
  readonly tokenizers: { readonly base: Tokenizer; readonly donor: Tokenizer };
  readonly settings: MethodSettings;
}

/** The numbers and words that methods take. */
export interface MethodSettings {
  readonly k: number;
  readonly select: 'raw' | 'unit';
  readonly weightScheme: 'distance_proportional' | 'barycentric' | 'least_squares';
  readonly metric: 'euclidean' | 'cosine';
  readonly subwordMethod: 'mean' | 'sum' | 'weighted_mean' | 'first_last';
  readonly seed: number;
  readonly memoryLimit: number;
}

/** New rows for one batch of tokens. */
export interface Approximation {
  /** A matrix [tokens, columns] in f32 for each table of the base; the caller disposes them. */
  readonly rows: readonly Tensor[];
  /** The distance of the donor's row from what stands for it, relative to its norm, by token. */
  readonly residuals?: Float64Array | undefined;
  /** Norms of the coefficients, by token. */
  readonly coefficientNorms?: Float64Array | undefined;
}

/** A method that has looked at the anchors. */
export interface Method {
  /** `targets` are the donor's rows of `ids` in f32; `position` is where they stand among all that are wanted. */
  approximate(targets: Tensor, ids: Int32Array, position: number): Promise<Approximation>;
  dispose(): void;
}

/** Makes a method ready; what it holds on the device goes with `dispose`. */
export type PrepareMethod = (context: MethodContext) => Promise<Method>;

/** A method before it has looked at anything. */
export interface MethodKind {
  readonly prepare: PrepareMethod;
  /** `anchors`: tokens that both models know. `merges`: those of the base's tokenizer, with which it encodes text. */
  readonly needs?: 'anchors' | 'merges';
}
