// half as storage: conversions only, arithmetic happens in float.
#pragma once
#include "cuda_runtime.h"
#include "cudaemu/round.h"

struct alignas(2) __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

inline float __half2float(__half v) {
  const unsigned sign = unsigned(v.bits & 0x8000u) << 16, exponent = v.bits >> 10 & 31u,
                 fraction = v.bits & 0x3ffu;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
  if (exponent > 0) return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = float(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}
inline __half __double2half(double v) { return {cudaemu::to_16_bits<5>(v)}; }
inline __half __float2half_rn(float v) { return __double2half(double(v)); }
inline __half __float2half(float v) { return __float2half_rn(v); }
inline __half2 __floats2half2_rn(float x, float y) {
  return {__float2half_rn(x), __float2half_rn(y)};
}
inline float2 __half22float2(__half2 v) { return {__half2float(v.x), __half2float(v.y)}; }
inline unsigned short __half_as_ushort(__half v) { return v.bits; }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
