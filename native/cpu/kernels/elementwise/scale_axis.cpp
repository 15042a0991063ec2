#include "ops/elementwise/scale_axis.h"

#include "cpu/chunks.h"
#include "cpu/strips.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// out[j] = x[j] · scale(j), or added to it.
template <class T, class Scale>
static void scale_run(const T* x, int64_t n, bool adds, bool streams, T* out, Scale&& scale) {
  put_strips(
      n, out, streams, adds, [=](int64_t j) { return x[j] * scale(j); }, x);
}

template <class T>
static void scale_axis(const ScaleAxis& op, Stream& stream) {
  const int64_t outer = op.outer(), inner = op.inner(), n = op.scale.size();
  const bool adds = op.beta != 0;
  const T *x = op.x.as<T>(), *scale = op.scale.as<T>();
  T* out = op.out.as<T>();
  const bool streams =
      streams_to(op.out, out, x) && are_lines((inner == 1 ? n : inner) * int64_t(sizeof(T)));
  if (inner == 1)
    for_rows(stream, outer, n, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        scale_run(x + i * n, n, adds, streams, out + i * n, [=](int64_t j) { return scale[j]; });
    });
  else
    for_rows(stream, outer * n, inner, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T factor = scale[i % n];
        scale_run(x + i * inner, inner, adds, streams, out + i * inner,
                  [=](int64_t) { return factor; });
      }
    });
}

void scale_axis(const ScaleAxis& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { scale_axis<T>(op, stream); });
}
ORTHOKIT_WIDE_KERNEL(ScaleAxis, scale_axis);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
