import type { MatchCounts } from '../tokenizers/index.ts';
import type { MethodName } from './methods/method.ts';

/** Five points of a distribution. */
export interface Quantiles {
  /** The smallest. */
  readonly min: number;
  /** A quarter is below. */
  readonly q25: number;
  /** Half is below. */
  readonly median: number;
  /** Three quarters are below. */
  readonly q75: number;
  /** The largest. */
  readonly max: number;
}

/** The work that was done, or would be, for one table. */
export interface TableReport {
  /** The tensor's name. */
  readonly tensor: string;
  /** Its size before. */
  readonly from: readonly [rows: number, columns: number];
  /** Its size now. */
  readonly to: readonly [rows: number, columns: number];
  /** Rows copied from the base, bit for bit. */
  readonly copied: number;
  /** Rows made by the method. */
  readonly approximated: number;
  /** Rows that no token needs. */
  readonly unused: number;
  /** Tokens that both models know and the method stands on; absent in a dry run and for methods that need none. */
  readonly anchors?: number | undefined;
  /** Tokens that both know but that were left out, by reason. */
  readonly skippedAnchors?:
    | {
        /** Rows of zeros. */
        readonly zero: number;
        /** Rows with a NaN or an infinity. */
        readonly nonFinite: number;
        /** Rows that equal one before them. */
        readonly duplicate: number;
      }
    | undefined;
  /** New rows that were cut to the norm of the longest rows of the base. */
  readonly clipped?: number | undefined;
  /** Rows of the donor that were not finite and were taken as zero. */
  readonly nonFinite?: number | undefined;
  /** Distances of the donor's rows from what stands for them, relative to their norms, for `omp`. */
  readonly residuals?: Quantiles | undefined;
  /** Norms of the coefficients; of `omp`. */
  readonly coefficientNorms?: Quantiles | undefined;
}

/** Result of {@link transplant}. */
export interface TransplantReport {
  /** The method. */
  readonly method: MethodName;
  /** True if nothing was written. */
  readonly dryRun: boolean;
  /** True if the work of an earlier run was taken up. */
  readonly resumed: boolean;
  /** The folder. */
  readonly out: string;
  /** The ways in which the tokens of the donor found those of the base. */
  readonly match: MatchCounts;
  /** Embeddings, and the output head where it is a table of its own. */
  readonly tables: readonly TableReport[];
  /** Notes for a person, in words. */
  readonly warnings: readonly string[];
}

/** Quantiles of the numbers that are there; undefined where there are none. */
export function quantiles(values: Iterable<number>): Quantiles | undefined {
  const sorted = Float64Array.from([...values].filter((value) => !Number.isNaN(value))).sort();
  if (sorted.length === 0) return undefined;
  const at = (q: number): number => sorted[Math.round(q * (sorted.length - 1))]!;
  return { min: at(0), q25: at(0.25), median: at(0.5), q75: at(0.75), max: at(1) };
}
