// Elements of 16 bits as f32, block by block, and back.
#pragma once
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// n elements from `at`. Out of line: kernels share the code.
[[gnu::noinline]] inline void widen(const View& half, int64_t at, int64_t n, float* out) {
  visit_half(half.dtype, [&]<class H>() {
    const H* from = half.as<H>() + at;
    for (int64_t i = 0; i < n; ++i) out[i] = to_float(from[i]);
  });
}
[[gnu::noinline]] inline void narrow(const float* values, int64_t n, const View& half, int64_t at) {
  visit_half(half.dtype, [&]<class H>() {
    H* to = half.as<H>() + at;
    for (int64_t i = 0; i < n; ++i) to[i] = convert<H>(values[i]);
  });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
