#include "ops/network/rms_norm.h"

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/row_scale.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// As A, which holds the factor.
template <class A, class T>
static void scale(const T* x, int64_t n, A factor, const T* weight, T* out) {
  if (weight)
    for (int64_t j = 0; j < n; ++j) out[j] = T(A(x[j]) * factor * A(weight[j]));
  else
    for (int64_t j = 0; j < n; ++j) out[j] = T(A(x[j]) * factor);
}

template <class T>
static void normalize_row(const RmsNorm& op, int64_t at, int64_t columns) {
  T buffer[kBlock], weights[kBlock], results[kBlock];
  const double factor = inverse_root<T>(op.x, at, columns, op.eps);
  for_blocks(columns, [&](int64_t j, int64_t n) {
    const T* x = load(op.x, at + j, n, buffer);
    const T* weight = op.weight ? load(op.weight, j, n, weights) : nullptr;
    T* out = target(op.out, at + j, results);
    is_exact_in_float(factor) ? scale<T>(x, n, T(factor), weight, out)
                              : scale<double>(x, n, factor, weight, out);
    store(op.out, at + j, n, static_cast<const T*>(out));
  });
}

void rms_norm(const RmsNorm& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      op.x.dtype == Dtype::kF64 ? normalize_row<double>(op, i * columns, columns)
                                : normalize_row<float>(op, i * columns, columns);
  });
}
ORTHOKIT_KERNEL(RmsNorm, rms_norm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
