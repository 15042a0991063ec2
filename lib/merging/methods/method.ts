import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { OpenRecords } from '../../files/model-folder/job.ts';
import type { MergedTensor } from '../folders/fit.ts';
import type { MergeTask, Span } from '../folders/spans.ts';

/** Numbers of one tensor that a method finds before anything is written. */
export interface Measured {
  /** Of `opcm`: protected directions before each model was added. */
  readonly ranks?: readonly number[];
  /** Of `opcm`: Σ|clean|² / Σ|task|² over the models. */
  readonly energyKept?: number;
}

/** A method that is ready to write. */
export interface Ready {
  /** New elements of a tensor, in the dtype of the sums; `spans` are the base's and those of the models. */
  merge(tensor: MergedTensor, span: Span, spans: readonly Tensor[], owned: Owned<Tensor>): Tensor | Promise<Tensor>;
  /** The dtype in which spans of models come where the sum needs none of them. Default: that of the sums. */
  dtypeOfModels?(tensor: MergedTensor): 'f32' | 'f64';
  /** By the place of a tensor among those that are merged. */
  readonly measured?: readonly Measured[];
  /** Of `ties`: the share of each task vector's elements that is kept. */
  readonly density?: readonly number[];
  /** Of `opcm`: the length of the sum of what was added over the mean length of the task vectors. */
  readonly scale?: number;
  /** Notes for a person, in words. */
  readonly warnings?: readonly string[];
}

/** How models are merged. */
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
