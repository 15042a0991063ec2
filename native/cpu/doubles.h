// Eight elements as doubles.
#pragma once
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#include <type_traits>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Arithmetic on them works on every processor. (Not returned: ABIs differ on such vectors.)
using Eight = double __attribute__((vector_size(64)));

template <class T>
void load_eight(const T* x, Eight& out) {
#ifdef __AVX512F__
  // One instruction, where a vector of the compiler's becomes five.
  if constexpr (std::is_same_v<T, float>) {
    out = Eight(_mm512_cvtps_pd(_mm256_loadu_ps(x)));
    return;
  }
#endif
  for (int k = 0; k < 8; ++k) out[k] = double(x[k]);
}

inline double total_of(const Eight& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
