// Elements of any dtype as the type that a kernel computes in, block by block, and back.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/strips.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kBlock = 512;  // elements: the blocks of all operands of a step stay in L1

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, Bfloat16>) {
    return convert<To>(to_float(x));
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, Bfloat16>) {
    float rounded;
    if constexpr (std::is_same_v<From, double>)
      rounded = to_float_odd(x);
    else if constexpr (std::is_same_v<From, int32_t>)
      rounded = to_float_odd(double(x));
    else
      rounded = float(x);
    if constexpr (std::is_same_v<To, Half>)
      return to_half(rounded);
    else
      return to_bfloat16(rounded);
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    // Toward zero; beyond the range to its end; NaN to 0.
    const double low = double(std::numeric_limits<To>::min()),
                 high = double(std::numeric_limits<To>::max());
    const double d = x;
    return d != d      ? To(0)
           : d <= low  ? std::numeric_limits<To>::min()
           : d >= high ? std::numeric_limits<To>::max()
                       : To(d);
  } else if constexpr (std::is_same_v<To, uint8_t> && std::is_same_v<From, int32_t>) {
    return To(std::clamp(x, 0, 255));
  } else {
    return To(x);
  }
}

// A factor as T: the inverse of a subnormal norm must not become infinity, and 0 times it NaN.
template <class T>
T finite_factor(double x) {
  constexpr double kMost = std::numeric_limits<T>::max();
  return T(std::clamp(x, -kMost, kMost));
}

// n elements from `at`: in place if they are of type T already, else converted into the buffer.
template <class T>
const T* load(const View& v, int64_t at, int64_t n, T* buffer) {
  return visit_storage(v.dtype, [&]<class S>() -> const T* {
    const S* from = v.as<S>() + at;
    if constexpr (std::is_same_v<S, T>) {
      return from;
    } else {
      for (int64_t i = 0; i < n; ++i) buffer[i] = convert<T>(from[i]);
      return buffer;
    }
  });
}

// Place that a kernel writes n elements from `at` to; store() brings them home.
template <class T>
T* target(const View& v, int64_t at, T* buffer) {
  return visit_storage(v.dtype, [&]<class S>() -> T* {
    if constexpr (std::is_same_v<S, T>)
      return v.as<S>() + at;
    else
      return buffer;
  });
}

template <class T>
void store(const View& v, int64_t at, int64_t n, const T* values) {
  visit_storage(v.dtype, [&]<class S>() {
    if constexpr (!std::is_same_v<S, T>) {
      S* to = v.as<S>() + at;
      for (int64_t i = 0; i < n; ++i) to[i] = convert<S>(values[i]);
    }
  });
}

// The n elements of `out` from `at` become the sums + beta · themselves, rounded once. Out of line:
// kernels share the code of all dtypes.
template <class T>
[[gnu::noinline]] void store_sums(const View& out, int64_t at, int64_t n, const T* sums, T beta) {
  visit_storage(out.dtype, [&]<class S>() {
    S* to = out.as<S>() + at;
    if (beta == 0)
      for (int64_t k = 0; k < n; ++k) to[k] = convert<S>(sums[k]);
    else
      for (int64_t k = 0; k < n; ++k) to[k] = convert<S>(sums[k] + beta * convert<T>(to[k]));
  });
}

// n elements of x from `at`, as `dtype`.
inline void convert_block(const View& x, int64_t at, int64_t n, Dtype dtype, void* out) {
  visit_storage(x.dtype, [&]<class From>() {
    visit_storage(dtype, [&]<class To>() {
      const From* from = x.as<From>() + at;
      To* to = static_cast<To*>(out);
      for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
    });
  });
}

// n elements of `out` from `at` become those of x.
inline void convert_elements(const View& x, const View& out, int64_t at, int64_t n) {
  const int64_t width = bytes_of(out.dtype), read = bytes_of(x.dtype);
  const auto* from = static_cast<const char*>(x.data) + at * read;
  auto* to = static_cast<char*>(out.data) + at * width;
  const bool streams = streams_to(out, to, from);
  alignas(kLine) char block[kBlock * int64_t(sizeof(double))];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t size = std::min(kBlock, n - i);
    const bool whole = streams && size == kBlock;
    ask_for_strip(from + i * read, size * read);
    convert_block(x, at + i, size, out.dtype, whole ? block : to + i * width);
    if (whole) stream_strip(to + i * width, block, kBlock * width);
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
