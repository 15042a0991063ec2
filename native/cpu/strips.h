// Arrays that are walked element by element, in strips: what comes later of those that are read is
// asked for, and what is written to more than the caches hold passes them by.
#pragma once
#include <algorithm>

#include "cpu/ask_for.h"
#include "cpu/streaming.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kStrip = 128;  // elements

// Out of line, so that the loops of all kernels stay small.
[[gnu::noinline]] inline void ask_for_strip(const void* p, int64_t bytes) {
  ask_for(static_cast<const char*>(p) + kAhead, bytes);
}
[[gnu::noinline]] inline void stream_strip(void* to, const void* from, int64_t bytes) {
  stream_lines(to, from, bytes);
}

// body(first, last) for the strips of `size` elements, of arrays that it reads.
template <class Body, class... Ts>
__attribute__((always_inline)) inline void in_strips(int64_t size, Body&& body, const Ts*... read) {
  for (int64_t i = 0; i < size; i += kStrip) {
    const int64_t n = std::min(kStrip, size - i);
    (ask_for_strip(read + i, n * int64_t(sizeof(Ts))), ...);
    body(i, i + n);
  }
}

// body(first, last, to) writes elements to to[0] and so on, which are those of `out` from `first`
// on. Where out `streams`, it is none of those that are read.
template <class T, class Body, class... Ts>
__attribute__((always_inline)) inline void write_strips(int64_t size, T* out, bool streams,
                                                        Body&& body, const Ts*... read) {
  alignas(kLine) T strip[kStrip];
  in_strips(
      size,
      [&](int64_t first, int64_t last) {
        const bool whole = streams && last - first == kStrip;
        body(first, last, whole ? strip : out + first);
        if (whole) stream_strip(out + first, strip, sizeof strip);
      },
      read...);
}

// out[i] = f(i), where f reads the i-th elements of the others, which `out` may be one of: no
// element waits for another.
template <class T, class F, class... Ts>
__attribute__((always_inline)) inline void set_strips(int64_t size, T* out, bool streams, F&& f,
                                                      const Ts*... read) {
  write_strips(
      size, out, streams,
      [=](int64_t first, int64_t last, T* to) {
#pragma GCC ivdep
        for (int64_t i = first; i < last; ++i) to[i - first] = f(i);
      },
      read...);
}

template <class T>
[[gnu::noinline]] void add_strip(T* out, const T* strip, int64_t size) {
  for (int64_t i = 0; i < size; ++i) out[i] += strip[i];
}

// The same, or added to out.
template <class T, class F, class... Ts>
__attribute__((always_inline)) inline void put_strips(int64_t size, T* out, bool streams, bool adds,
                                                      F&& f, const Ts*... read) {
  alignas(kLine) T strip[kStrip];
  in_strips(
      size,
      [&](int64_t first, int64_t last) {
        const bool whole = streams && last - first == kStrip;
        T* to = adds || whole ? strip : out + first;
#pragma GCC ivdep
        for (int64_t i = first; i < last; ++i) to[i - first] = f(i);
        if (adds)
          add_strip(out + first, strip, last - first);
        else if (whole)
          stream_strip(out + first, strip, sizeof strip);
      },
      read...);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
