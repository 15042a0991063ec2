// Stores that pass the caches by: what is larger than they are would be read before it is
// overwritten. Stream::parallel finishes them before another thread may read them.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "cpu/ask_for.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kBeyondCaches = int64_t(8) << 20;  // bytes: more than a core's share

inline bool is_line(const void* p) { return reinterpret_cast<uintptr_t>(p) % kLine == 0; }

// True of rows that all begin a line where the first does.
inline bool are_lines(int64_t bytes) { return bytes % kLine == 0; }

// True where what a kernel writes to `out`, from `to` on, passes the caches by: it is large, and
// nothing that is read.
template <class T, class... Ts>
bool streams_to(const View& out, const T* to, const Ts*... read) {
  return int64_t(bytes_in(out)) > kBeyondCaches && is_line(to) &&
         ((static_cast<const void*>(read) != to) && ...);
}

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

// `to` starts a line, and is nothing that is read; what follows the last whole line is stored.
inline void stream_copy(void* to, const void* from, int64_t bytes) {
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  alignas(kLine) char line[kLine];
  int64_t i = 0;
  for (; i + kLine <= bytes; i += kLine) {
    ask_ahead(source + i);
    std::memcpy(line, source + i, kLine);
    stream_lines(target + i, line, kLine);
  }
  std::memcpy(target + i, source + i, size_t(bytes - i));
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
