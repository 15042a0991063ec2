/** `f16` and `bf16` are read and written as raw bits in `Uint16Array`, or rounded from numbers. */
export type Dtype = 'f32' | 'f64' | 'f16' | 'bf16' | 'i32' | 'u8';

/** The array that holds the elements of each dtype. */
export interface DtypeArrays {
  /** 32-bit floating point. */
  readonly f32: Float32Array;
  /** 64-bit floating point. */
  readonly f64: Float64Array;
  /** Bits of IEEE half precision. */
  readonly f16: Uint16Array;
  /** Bits of bfloat16. */
  readonly bf16: Uint16Array;
  /** Signed 32-bit integers. */
  readonly i32: Int32Array;
  /** Unsigned 8-bit integers. */
  readonly u8: Uint8Array;
}

/** The constructors of these arrays. */
export const arrays: {
  readonly f32: Float32ArrayConstructor;
  readonly f64: Float64ArrayConstructor;
  readonly f16: Uint16ArrayConstructor;
  readonly bf16: Uint16ArrayConstructor;
  readonly i32: Int32ArrayConstructor;
  readonly u8: Uint8ArrayConstructor;
} = {
  f32: Float32Array,
  f64: Float64Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i32: Int32Array,
  u8: Uint8Array,
};

/** The most elements that a tensor may have, sizes of 0 left out. */
export const mostElements: number = 2 ** 44;

/** A float of 16 bits. */
export const isHalf = (dtype: Dtype): boolean => dtype === 'f16' || dtype === 'bf16';

export const isFloating = (dtype: Dtype): boolean => dtype !== 'i32' && dtype !== 'u8';

/** The distance from 1 to the next number of the arithmetic: that of f64, or of f32 for all narrower dtypes. */
export const epsilonOf = (dtype: Dtype): number => (dtype === 'f64' ? 2 ** -52 : 2 ** -23);
