import type { Measured } from '../methods/method.ts';
import type { MergeMethod } from '../methods/names.ts';
import type { MergedTensor } from './fit.ts';
import type { Written } from './new-tensors.ts';

/** The work that was done, or would be, for one tensor. */
export interface MergedTensorReport {
  /** Its name. */
  readonly tensor: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** The element type that it had in the base, as files spell it. */
  readonly from: string;
  /** The element type that it has now. */
  readonly to: string;
  /**
   * Numbers of directions that `opcm` protected in a tensor that is projected, before each model was added, in the
   * order of adding; 0 for the first.
   */
  readonly ranks?: readonly number[] | undefined;
  /** The share of the energy of task vectors that `opcm` kept: Σ|clean|² / Σ|task|² over the models. */
  readonly energyKept?: number | undefined;
  /** Cosine of what was added to the base with each task vector, null where one is 0; absent in a dry run. */
  readonly cosines?: readonly (number | null)[] | undefined;
  /** The distance by which rounding to the element type moved values; absent in a dry run. */
  readonly rounding?:
    | {
        /** The largest distance. */
        readonly max: number;
        /** The root of the mean of squares. */
        readonly rms: number;
      }
    | undefined;
}

/** A model that was merged. */
export interface MergedModelReport {
  /** The option that gave it: `base`, or `models[0]`, which is the first as they were given, whatever the order. */
  readonly label: string;
  /** The folder, as it was given. */
  readonly path: string;
  /** The factor of its task vector; absent for `opcm`. */
  readonly weight?: number | undefined;
  /** The addend of a model that is an adapter of the base; absent for others. */
  readonly adapter?:
    | {
        /** Matrices that are merged, and have factors. */
        readonly tensors: number;
        /** Their ranks, ascending. */
        readonly ranks: readonly number[];
        /** Their factors of b·a, ascending. */
        readonly scales: readonly number[];
      }
    | undefined;
  /** The licence that its README names; absent where it names none. */
  readonly license?: string | undefined;
  /** SHA-256 of each file of weights; absent in a dry run. */
  readonly files?: Readonly<Record<string, string>> | undefined;
}

/** Result of {@link mergeModels}. */
export interface MergeReport {
  /** The method. */
  readonly method: MergeMethod;
  /** The new weights as a formula of the old ones. */
  readonly formula: string;
  /** True if nothing was written. */
  readonly dryRun: boolean;
  /** True if the work of an earlier run was taken up. */
  readonly resumed: boolean;
  /** The folder. */
  readonly out: string;
  /** The base. */
  readonly base: MergedModelReport;
  /** The models, in the order in which they are merged. */
  readonly models: readonly MergedModelReport[];
  /** Bytes of weights in the new folder. */
  readonly bytes: number;
  /** Bytes of files that help while the work lasts. */
  readonly scratchBytes: number;
  /** Bytes that the process has resident at most, those included that it has now. */
  readonly memoryBytes: number;
  /** The share of the elements of each task vector that `ties` kept; absent in a dry run. */
  readonly density?: readonly number[] | undefined;
  /**
   * For `opcm`, the length of the sum of what was added over the mean length of the task vectors, 1 where they cancel;
   * absent in a dry run.
   */
  readonly scale?: number | undefined;
  /** The tensors that were merged. */
  readonly tensors: readonly MergedTensorReport[];
  /** Names of tensors that are the base's, byte for byte. */
  readonly kept: readonly string[];
  /** Files that are those of the base, besides the weights. */
  readonly copied: readonly string[];
  /** Files of the base that the new folder does not have. */
  readonly notCopied: readonly string[];
  /** Notes for a person, in words. */
  readonly warnings: readonly string[];
}

export function tensorReport(
  { name, shape, dtype, newDtype }: MergedTensor,
  measured: Measured = {},
  written?: Written,
): MergedTensorReport {
  return {
    ...{ tensor: name, shape, from: dtype, to: newDtype },
    ...measured,
    ...(written && {
      cosines: written.cosines.map((cosine) => cosine ?? null),
      rounding: { max: written.maxRounding, rms: written.rmsRounding },
    }),
  };
}
