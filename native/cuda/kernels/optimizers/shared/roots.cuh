// sqrt(p a² + q b²) without overflow or underflow of the squares: the CPU's, to the bit.
#pragma once
#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

// The power of two at or below x ≥ 0, kept where it and its inverse are normal numbers.
__device__ __forceinline__ float power_of_two(float x) {
  const unsigned exponent = __float_as_uint(x) & 0x7f800000u;
  return __uint_as_float(min(max(exponent, 1u << 23), 253u << 23));
}
__device__ __forceinline__ double power_of_two(double x) {
  const long long exponent = __double_as_longlong(x) & 0x7ff0000000000000ll;
  return __longlong_as_double(min(max(exponent, 1ll << 52), 2045ll << 52));
}
__device__ __forceinline__ float inverse_of_power(float p) {
  return __uint_as_float((254u << 23) - __float_as_uint(p));
}
__device__ __forceinline__ double inverse_of_power(double p) {
  return __longlong_as_double((2046ll << 52) - __double_as_longlong(p));
}

// Scaled by the larger of a and b, where a has a share: beside a large one without, b² would
// vanish.
template <class T>
__device__ __forceinline__ T root_of_sum(T p, T a, T q, T b) {
  a = p == 0 ? p * a : a;  // NaN and infinity stay
  const T size_a = a < 0 ? -a : a, size_b = b < 0 ? -b : b;
  const T power = power_of_two(size_a < size_b ? size_b : size_a);
  const T inverse = inverse_of_power(power), x = a * inverse, y = b * inverse;
  return power * sqrt(p * x * x + q * y * y);
}

}  // namespace orthokit::cuda
