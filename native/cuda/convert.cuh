// Elements of any dtype as the type that a kernel computes in, and back: the bits of the CPU's
// conversions.
#pragma once
#include <cuda_runtime.h>

#include <limits>

#include "core/op.h"

namespace orthokit::cuda {

// visit_storage() of core/op.h, for device code; whole numbers only where a kernel takes them.
template <class F>
__device__ __forceinline__ void on_floating(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::kF32:
      return f.template operator()<float>();
    case Dtype::kF64:
      return f.template operator()<double>();
    case Dtype::kF16:
      return f.template operator()<Half>();
    default:
      return f.template operator()<Bfloat16>();
  }
}
template <class F>
__device__ __forceinline__ void on_storage(Dtype dtype, F&& f) {
  if (dtype == Dtype::kI32) return f.template operator()<int32_t>();
  if (dtype == Dtype::kU8) return f.template operator()<uint8_t>();
  on_floating(dtype, f);
}

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat16>;

template <class To, class From>
__host__ __device__ __forceinline__ To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (is_half<From>) {
    return convert<To>(to_float(x));
  } else if constexpr (is_half<To>) {
    float rounded;
    if constexpr (std::is_same_v<From, double> || std::is_same_v<From, int32_t>)
      rounded = to_float_odd(double(x));
    else
      rounded = float(x);
    if constexpr (std::is_same_v<To, Half>)
      return to_half(rounded);
    else
      return to_bfloat16(rounded);
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    // Toward zero; beyond the range to its end; NaN to 0.
    constexpr To kLow = std::numeric_limits<To>::min(), kHigh = std::numeric_limits<To>::max();
    const double d = x;
    return d != d ? To(0) : d <= double(kLow) ? kLow : d >= double(kHigh) ? kHigh : To(d);
  } else if constexpr (std::is_same_v<To, uint8_t> && std::is_same_v<From, int32_t>) {
    return To(x < 0 ? 0 : x > 255 ? 255 : x);
  } else {
    return To(x);
  }
}

// A factor as T: the inverse of a subnormal norm must not become infinity, and 0 times it NaN.
template <class T>
__host__ __device__ __forceinline__ T finite_factor(double x) {
  constexpr double kMost = double(std::numeric_limits<T>::max());
  return T(x < -kMost ? -kMost : x > kMost ? kMost : x);
}

}  // namespace orthokit::cuda
