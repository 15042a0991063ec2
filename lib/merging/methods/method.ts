import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { OpenRecords } from '../../files/model-folder/job.ts';
import type { MergedTensor } from '../folders/fit.ts';
import type { MergeTask, Span } from '../folders/spans.ts';

/** Numbers of one tensor that a method finds before anything is written. */
export interface Measured {
  /** Directions that `opcm` protected before each model was added. */
  readonly ranks?: readonly number[];
  /** Σ|clean|² / Σ|task|² over the models, for `opcm`. */
  readonly energyKept?: number;
}

/** A method that is ready to write. */
export interface Ready {
  /** New elements of a tensor, in the dtype of the sums; `spans` are the base's and those of the models. */
  merge(tensor: MergedTensor, span: Span, spans: readonly Tensor[], owned: Owned<Tensor>): Tensor | Promise<Tensor>;
  /** The dtype in which spans of models come where the sum needs none of them. Default: that of the sums. */
  dtypeOfModels?(tensor: MergedTensor): 'f32' | 'f64';
  /** The numbers of each tensor, by its place among those that are merged. */
  readonly measured?: readonly Measured[];
  /** The share of each task vector's elements that `ties` keeps. */
  readonly density?: readonly number[];
  /** The length of the sum of what was added over the mean length of the task vectors, for `opcm`. */
  readonly scale?: number;
  /** Notes for a person, in words. */
  readonly warnings?: readonly string[];
}

/** A way to merge models. */
export interface Method {
  /** The new weights as a formula of the old ones. */
  readonly formula: string;
  /** Bytes of files that help while the work lasts. */
  scratchBytes(tensors: readonly MergedTensor[]): number;
  /** Bytes of memory that a tensor takes at most, beside the spans that every method takes. */
  workBytes(tensor: MergedTensor): number;
  /** Does what must be done before the first tensor is written. */
  prepare(task: MergeTask, tensors: readonly MergedTensor[], open: OpenRecords): Promise<Ready>;
}
