import type { Tensor } from '../../core/tensor.ts';

/** Progress of {@link CodebookLinear.compress}. */
export interface CodebookProgress {
  /** Finding codebooks, or the nearest number of each element. */
  readonly stage: 'cluster' | 'assign';
}

/** Packed codes and their codebooks, such as a file has: {@link CodebookLinear.from}. */
export interface CodebookParts {
  /** u8, `[out, bytes of a row]`, as docs/design/packed-codes.md says. */
  readonly codes: Tensor;
  /** f32, `[groups, numbers]`. */
  readonly codebooks: Tensor;
  /** u8, `[out, 2]`: the number of each row's codebook, the lower byte first. */
  readonly rowBooks: Tensor;
  /** The width of the matrix, which `codes` may not tell. */
  readonly inputs: number;
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** `[out]`, f32, frozen. Default: none. */
  readonly bias?: Tensor | undefined;
}
