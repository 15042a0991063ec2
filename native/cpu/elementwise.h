// A function of one or two operands, element by element over lists, in their common dtype: 16 bits
// block by block through the loop of f32, rounded once.
#pragma once
#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/strips.h"

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

template <class T>
using ElementLoop = void (*)(const void*, const T*, const T*, T*, int64_t, bool);

struct ElementLoops {
  ElementLoop<float> single;
  ElementLoop<double> wide;
};

// The same for a chunk of 16 bits, in blocks of f32.
inline void set_halves(ElementLoop<float> loop, const void* function, const View& x, const View* y,
                       const View& out, const Chunk& c) {
  alignas(kLine) float a[kBlock], b[kBlock];
  for (int64_t i = 0; i < c.size; i += kBlock) {
    const int64_t at = c.begin + i, n = std::min(kBlock, c.size - i);
    load(x, at, n, a);
    if (y) load(*y, at, n, b);
    loop(function, a, b, a, n, false);
    store<float>(out, at, n, a);
  }
}

// Out of line, so that all functions share it. `y` is empty for one operand.
[[gnu::noinline]] inline void for_operands(const ElementLoops& loops, const void* function,
                                           const List<View>& out, const List<View>& x,
                                           const List<View>& y, Stream& stream) {
  const Chunks chunks(out, stream);
  chunks.run([&](const Chunk& c) {
    const View &to = out[c.tensor], &first = x[c.tensor];
    const View* second = y.count > 0 ? &y[c.tensor] : nullptr;
    const auto run = [&]<class T>(ElementLoop<T> loop) {
      const T* a = first.as<T>() + c.begin;
      const T* b = second ? second->as<T>() + c.begin : a;
      T* result = to.as<T>() + c.begin;
      loop(function, a, b, result, c.size, streams_to(to, result, a, b));
    };
    if (is_half(to.dtype)) return set_halves(loops.single, function, first, second, to, c);
    if (to.dtype == Dtype::kF64) return run(loops.wide);
    run(loops.single);
  });
}

// out = f(x), for lists as long as `out`. F is of plain data. An output may be an input.
template <class F>
void for_elements(const F& f, const List<View>& out, const List<View>& x, Stream& stream) {
  for_operands({set_elements<1, F, float>, set_elements<1, F, double>}, &f, out, x, {}, stream);
}
// out = f(x, y).
template <class F>
void for_elements(const F& f, const List<View>& out, const List<View>& x, const List<View>& y,
                  Stream& stream) {
  for_operands({set_elements<2, F, float>, set_elements<2, F, double>}, &f, out, x, y, stream);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
