// A function of one or two operands, element by element over lists, in their common dtype: 16 bits
// block by block through the loop of f32, rounded once.
#pragma once
#include "cpu/chunks.h"
#include "cpu/halves.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Out of line, so that 16 bits and f32 share it. `function` is an F, y null for one operand.
template <int inputs, class F, class T>
[[gnu::noinline]] void set_elements(const void* function, const T* x, const T* y, T* out,
                                    int64_t size, bool streams) {
  const F f = *static_cast<const F*>(function);
  if constexpr (inputs == 1)
    set_strips(
        size, out, streams, [=](int64_t i) { return T(f(x[i])); }, x);
  else
    set_strips(
        size, out, streams, [=](int64_t i) { return T(f(x[i], y[i])); }, x, y);
}

using FloatLoop = void (*)(const void*, const float*, const float*, float*, int64_t, bool);

// Out of line, so that all functions share it. `y` is null for one operand.
[[gnu::noinline]] inline void set_halves(FloatLoop loop, const void* function, const View& x,
                                         const View* y, const View& out, const Chunk& c) {
  alignas(kLine) float a[kBlock], b[kBlock];
  for (int64_t i = 0; i < c.size; i += kBlock) {
    const int64_t at = c.begin + i, n = std::min(kBlock, c.size - i);
    widen(x, at, n, a);
    if (y) widen(*y, at, n, b);
    loop(function, a, b, a, n, false);
    narrow(a, n, out, at);
  }
}

// `y` is empty for one operand.
template <int inputs, class F>
void for_operands(const F& f, const List<View>& out, const List<View>& x, const List<View>& y,
                  Stream& stream) {
  const Chunks chunks(out, stream);
  chunks.run([&](const Chunk& c) {
    const View &to = out[c.tensor], &first = x[c.tensor];
    const View* second = inputs == 2 ? &y[c.tensor] : nullptr;
    if (is_half(to.dtype))
      return set_halves(set_elements<inputs, F, float>, &f, first, second, to, c);
    visit(to.dtype, [&]<class T>() {
      const T* a = first.as<T>() + c.begin;
      const T* b = inputs == 2 ? second->as<T>() + c.begin : a;
      T* result = to.as<T>() + c.begin;
      set_elements<inputs, F>(&f, a, b, result, c.size, streams_to(to, result, a, b));
    });
  });
}

// out = f(x), for lists as long as `out`. F is of plain data. An output may be an input.
template <class F>
void for_elements(const F& f, const List<View>& out, const List<View>& x, Stream& stream) {
  for_operands<1>(f, out, x, {}, stream);
}
// out = f(x, y).
template <class F>
void for_elements(const F& f, const List<View>& out, const List<View>& x, const List<View>& y,
                  Stream& stream) {
  for_operands<2>(f, out, x, y, stream);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
