// The numbers of a dtype, from its definition: significand bits and exponents, in f64 arithmetic.
import type { Dtype, TypedArray } from '../../lib/index.ts';

export type Floating = 'f32' | 'f64' | 'f16' | 'bf16';
export const floatingDtypes: readonly Floating[] = ['f32', 'f64', 'f16', 'bf16'];
export const dtypes: readonly Dtype[] = [...floatingDtypes, 'i32', 'u8'];

interface Format {
  /** Bits of the significand behind the point. */
  fraction: number;
  /** Exponents of the smallest and the largest normal number. */
  lowest: number;
  highest: number;
}
const formats: Record<Floating, Format> = {
  f64: { fraction: 52, lowest: -1022, highest: 1023 },
  f32: { fraction: 23, lowest: -126, highest: 127 },
  f16: { fraction: 10, lowest: -14, highest: 15 },
  bf16: { fraction: 7, lowest: -126, highest: 127 },
};

const view = new DataView(new ArrayBuffer(8));
/** floor(log2 |x|); of subnormal numbers and 0, −1023. */
function exponentOf(x: number): number {
  view.setFloat64(0, x);
  return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
}

// A power takes as long as all else that is done for a number.
const least = -1074;
const powers = Float64Array.from({ length: 2098 }, (_, i) => 2 ** (i + least));
/** The first power of two that is too large. */
const ends = { f16: 2 ** 16, bf16: 2 ** 128, f32: 2 ** 128 };

/** The distance between neighbours around x. */
export function spacing(x: number, dtype: Floating): number {
  const { fraction, lowest } = formats[dtype];
  return powers[Math.max(exponentOf(x), lowest) - fraction - least]!;
}

/** x in the dtype: floating types to nearest with ties to even, integers cut toward zero and held in range. */
export function rounded(x: number, dtype: Dtype): number {
  if (dtype === 'i32' || dtype === 'u8') {
    const [low, high] = dtype === 'u8' ? [0, 255] : [-(2 ** 31), 2 ** 31 - 1];
    return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), low), high) + 0;
  }
  if (dtype === 'f64' || !Number.isFinite(x) || x === 0) return x;
  const step = spacing(x, dtype);
  const steps = Math.abs(x) / step;
  let whole = Math.floor(steps);
  const rest = steps - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 === 1)) whole += 1;
  const size = whole * step >= ends[dtype] ? Infinity : whole * step;
  return Math.sign(x) < 0 ? -size : size;
}

/** The number that 16 bits stand for. */
export function decoded(bits: number, dtype: 'f16' | 'bf16'): number {
  const { fraction, lowest, highest } = formats[dtype];
  const sign = bits & 0x8000 ? -1 : 1;
  const mantissa = bits & (2 ** fraction - 1);
  const exponent = (bits & 0x7fff) >> fraction;
  if (exponent === highest - lowest + 2) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** (lowest - fraction);
  return sign * (2 ** fraction + mantissa) * 2 ** (exponent - 1 + lowest - fraction);
}

/** The numbers of all sixteen bits, made where they are first asked for. */
const tables: Partial<Record<Dtype, Float64Array>> = {};
function tableOf(dtype: 'f16' | 'bf16'): Float64Array {
  tables[dtype] ??= Float64Array.from({ length: 1 << 16 }, (_, bits) => decoded(bits, dtype));
  return tables[dtype];
}

/** The 16 bits of a number that the dtype holds exactly. */
export function encoded(x: number, dtype: 'f16' | 'bf16'): number {
  const { fraction, lowest, highest } = formats[dtype];
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  if (Number.isNaN(x)) return ((highest - lowest + 2) << fraction) | (1 << (fraction - 1));
  if (!Number.isFinite(x)) return sign | ((highest - lowest + 2) << fraction);
  const exponent = Math.max(exponentOf(x), lowest);
  const mantissa = Math.abs(x) / powers[exponent - fraction - least]!;
  return sign | (mantissa >= 1 << fraction ? ((exponent - lowest) << fraction) + mantissa : mantissa);
}

/** Numbers, rounded to the dtype, as the array that a tensor of it is written from. */
export function arrayOf(values: ArrayLike<number>, dtype: Dtype): TypedArray {
  // These round to nearest with ties to even themselves.
  if (dtype === 'f32') return new Float32Array(values);
  if (dtype === 'f64') return new Float64Array(values);
  const make = { i32: Int32Array, u8: Uint8Array, f16: Uint16Array, bf16: Uint16Array }[dtype];
  const out = new make(values.length);
  const isWhole = dtype === 'i32' || dtype === 'u8';
  for (let i = 0; i < out.length; i++) {
    const x = rounded(values[i]!, dtype);
    out[i] = isWhole ? x : encoded(x, dtype);
  }
  return out;
}

/** Elements that were read from a tensor of the dtype, as numbers. */
export function numbersOf(array: ArrayLike<number>, dtype: Dtype): Float64Array {
  const out = new Float64Array(array);
  if (dtype !== 'f16' && dtype !== 'bf16') return out;
  const table = tableOf(dtype);
  for (let i = 0; i < out.length; i++) out[i] = table[out[i]!]!;
  return out;
}
