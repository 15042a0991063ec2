#include "ops/layer_norm.h"

#include "cpu/chunks.h"
#include "cpu/row_moments.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void normalize(const T* x, int64_t n, Moments m, const T* weight, const T* bias, T* out) {
  const auto normal = [=](int64_t j) { return (double(x[j]) - m.mean) * m.inverse; };
  if (weight && bias)
    for (int64_t j = 0; j < n; ++j) out[j] = T(normal(j) * double(weight[j]) + double(bias[j]));
  else if (weight)
    for (int64_t j = 0; j < n; ++j) out[j] = T(normal(j) * double(weight[j]));
  else if (bias)
    for (int64_t j = 0; j < n; ++j) out[j] = T(normal(j) + double(bias[j]));
  else
    for (int64_t j = 0; j < n; ++j) out[j] = T(normal(j));
}

void layer_norm(const LayerNorm& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const T* x = op.x.as<T>() + i * columns;
        normalize(x, columns, moments_of(x, columns, op.eps), op.weight.as<T>(), op.bias.as<T>(),
                  op.out.as<T>() + i * columns);
      }
    });
  });
}
ORTHOKIT_KERNEL(LayerNorm, layer_norm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
