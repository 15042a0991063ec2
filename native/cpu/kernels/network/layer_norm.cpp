#include "ops/network/layer_norm.h"

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/row_moments.h"
#include "cpu/strips.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// In f32: the two roundings of `normal`, and one.
template <class T, class A>
static void normalize(const T* x, int64_t n, Normalized<A> normal, const T* weight, const T* bias,
                      bool streams, T* out) {
  const auto set = [=](auto f) { set_strips(n, out, streams, f); };
  if (weight && bias)
    set([=](int64_t j) { return T(fused(normal(x[j]), A(weight[j]), A(bias[j]))); });
  else if (weight)
    set([=](int64_t j) { return T(normal(x[j]) * A(weight[j])); });
  else if (bias)
    set([=](int64_t j) { return T(normal(x[j]) + A(bias[j])); });
  else
    set([=](int64_t j) { return T(normal(x[j])); });
}

void layer_norm(const LayerNorm& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    const bool streams =
        streams_to(op.out, op.out.as<T>(), op.x.as<T>()) && are_lines(columns * int64_t(sizeof(T)));
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T* x = op.x.as<T>() + i * columns;
        const Moments moments = moments_of(x, columns, op.eps);
        const auto run = [&](auto normal) {
          normalize(x, columns, normal, op.weight.as<T>(), op.bias.as<T>(), streams,
                    op.out.as<T>() + i * columns);
        };
        if (kFusedFloats<T> && fits_float(moments.inverse))
          run(Normalized<T>(moments));
        else
          run(Normalized<double>(moments));
      }
    });
  });
}
ORTHOKIT_WIDE_KERNEL(LayerNorm, layer_norm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
