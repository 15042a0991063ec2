// Lines that are asked for before they are read, so that memory works while others are computed
// with: asked by loads alone it works half as fast.
#pragma once
#include <cstdint>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kLine = 64;     // bytes
inline constexpr int64_t kAhead = 4096;  // bytes before what is asked for

// Addresses beyond all memory do no harm.
inline void ask_for(const void* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += kLine) __builtin_prefetch(static_cast<const char*>(p) + i);
}

// The line that a loop in steps of a line, or of less, reads some time after `p`.
inline void ask_ahead(const void* p) { __builtin_prefetch(static_cast<const char*>(p) + kAhead); }

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
