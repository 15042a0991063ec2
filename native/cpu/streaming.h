// Stores that pass the caches by: what is larger than they are would be read before it is
// overwritten.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kLine = 64;                        // bytes
inline constexpr int64_t kBeyondCaches = int64_t(8) << 20;  // bytes: more than a core's share

inline bool is_line(const void* p) { return reinterpret_cast<uintptr_t>(p) % kLine == 0; }

// `to` starts a line, `from` 16 bytes; `bytes` are whole lines.
inline void stream_lines(void* to, const void* from, int64_t bytes) {
#ifdef __SSE2__
  auto* target = static_cast<__m128i*>(to);
  const auto* source = static_cast<const __m128i*>(from);
  for (int64_t i = 0; i < bytes / 16; ++i) _mm_stream_si128(target + i, _mm_load_si128(source + i));
#else
  std::memcpy(to, from, size_t(bytes));
#endif
}

// Before another thread may read them.
inline void finish_streams() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
