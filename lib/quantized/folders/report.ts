import type { JobRun } from '../../files/model-folder/job.ts';
import type { Choice, KeptTensor } from './choice.ts';
import { bytesOf } from './layout.ts';
import type { CompressMethod, Settings } from './options.ts';
import type { OutputError } from './packed.ts';
import type { Store } from './store.ts';

export type { KeptTensor } from './choice.ts';
export type { OutputError } from './packed.ts';

/** The work that was done, or would be, for one tensor. */
export interface CompressedTensorReport {
  /** Its name. */
  readonly tensor: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** The element type that it had, as files spell it. */
  readonly from: string;
  /** Bits of a code. */
  readonly bits: number;
  /** Neighbours in a row that share a scale, for `group`. */
  readonly group?: number | undefined;
  /** The number of its codebooks, for `codebook`. */
  readonly groups?: number | undefined;
  /** Its bytes before. */
  readonly bytesBefore: number;
  /** The bytes of its parts. */
  readonly bytes: number;
  /** |W − Q| / |W| over all elements; absent in a dry run. */
  readonly error?: number | undefined;
  /** Σ |x·(Q − W)ᵀ|² / Σ |x·Wᵀ|² of its inputs of calibration; absent in a dry run, and without them. */
  readonly outputError?: OutputError | undefined;
}

/** Result of {@link compressModel}. */
export interface CompressReport {
  /** The method. */
  readonly method: CompressMethod;
  /** Bits of a code, of tensors without others. */
  readonly bits: number;
  /** True if nothing was written. */
  readonly dryRun: boolean;
  /** True if the work of an earlier run was taken up. */
  readonly resumed: boolean;
  /** The folder of the model, as it was given. */
  readonly base: string;
  /** The new folder. */
  readonly out: string;
  /** Bytes of weights in the new folder. */
  readonly bytes: number;
  /** Bytes of weights in the model. */
  readonly bytesBefore: number;
  /** Bits of an element of the tensors that are compressed, scales and codebooks included. */
  readonly bitsPerWeight: number;
  /** Bytes of files that help while the work lasts. */
  readonly scratchBytes: number;
  /** Bytes that the process has resident at most, those included that it has now. */
  readonly memoryBytes: number;
  /** The tensors that are compressed. */
  readonly tensors: readonly CompressedTensorReport[];
  /** The tensors that stay, byte for byte. */
  readonly kept: readonly KeptTensor[];
  /** Files that are those of the model, besides the weights. */
  readonly copied: readonly string[];
  /** Files of the model that the new folder does not have. */
  readonly notCopied: readonly string[];
  /** Notes for a person, in words. */
  readonly warnings: readonly string[];
}

/** All that is known before anything is computed. */
export interface Known {
  readonly settings: Settings;
  readonly out: string;
  readonly choice: Choice;
  readonly needs: Pick<CompressReport, 'bytes' | 'scratchBytes' | 'memoryBytes'>;
  readonly files: Pick<CompressReport, 'copied' | 'notCopied'>;
}

export async function reportOf(known: Known, run: JobRun, store: Store | undefined): Promise<CompressReport> {
  const { settings, out, choice, needs, files } = known;
  const { method, bits, base } = settings;
  const tensors: CompressedTensorReport[] = [];
  let bytesBefore = choice.kept.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const [i, { name, form, info }] of choice.chosen.entries()) {
    const own = form.method === 'group' ? { group: form.group } : { groups: form.groups };
    const errors = run.dryRun || !store ? undefined : await store.errors(i);
    bytesBefore += info.byteLength;
    tensors.push({
      ...{ tensor: name, shape: form.shape, from: info.dtype, bits: form.bits, ...own },
      ...{ bytesBefore: info.byteLength, bytes: bytesOf(form) },
      ...(errors && { error: errors.error }),
      ...(errors?.outputError && { outputError: errors.outputError }),
    });
  }
  return {
    ...{ method, bits, ...run, base, out, ...needs, bytesBefore },
    bitsPerWeight: choice.bitsPerWeight,
    ...{ tensors, kept: choice.kept, ...files, warnings: choice.warnings },
  };
}
