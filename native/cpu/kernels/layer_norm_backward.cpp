#include "ops/layer_norm_backward.h"

#include <algorithm>

#include "cpu/row_moments.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kMostBands = 64;  // of rows: each has its own sums over columns

// A row's gradient; adds to the sums of its columns.
template <class T>
static void row_gradient(const T* grad, const T* x, const double* weight, int64_t n, double eps,
                         double* by_weight, double* by_bias, T* grad_x) {
  const auto [mean, inverse] = moments_of(x, n, eps);
  const auto normal = [=, m = mean, r = inverse](int64_t j) { return (double(x[j]) - m) * r; };
  const auto inner = [=](int64_t j) { return double(grad[j]) * weight[j]; };
  for (int64_t j = 0; j < n; ++j) {
    by_weight[j] += double(grad[j]) * normal(j);
    by_bias[j] += double(grad[j]);
  }
  const double shift = sum_of(n, inner) / double(n);
  const double slope = sum_of(n, [=](int64_t j) { return inner(j) * normal(j); }) / double(n);
  for (int64_t j = 0; j < n; ++j) grad_x[j] = T(inverse * (inner(j) - shift - normal(j) * slope));
}

template <class T>
static void layer_norm_backward(const LayerNormBackward& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  const int64_t height = (rows + kMostBands - 1) / kMostBands;
  const int64_t bands = rows == 0 ? 0 : (rows + height - 1) / height;
  auto* sums = stream.scratch<double>(2 * bands * columns);
  auto* weight = stream.scratch<double>(columns);
  for (int64_t j = 0; j < columns; ++j) weight[j] = op.weight ? double(op.weight.as<T>()[j]) : 1;
  stream.parallel(bands, [&](int64_t band) {
    double *by_weight = sums + 2 * band * columns, *by_bias = by_weight + columns;
    std::fill_n(by_weight, 2 * columns, 0.0);
    for (int64_t i = band * height; i < std::min(rows, (band + 1) * height); ++i) {
      const int64_t at = i * columns;
      row_gradient(op.grad.as<T>() + at, op.x.as<T>() + at, weight, columns, op.eps, by_weight,
                   by_bias, op.grad_x.as<T>() + at);
    }
  });
  const View* outs[] = {&op.grad_weight, &op.grad_bias};
  for (int64_t k = 0; k < 2; ++k) {
    if (!*outs[k]) continue;
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (int64_t band = 0; band < bands; ++band) sum += sums[(2 * band + k) * columns + j];
      outs[k]->as<T>()[j] = T(sum);
    }
  }
}

void layer_norm_backward(const LayerNormBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { layer_norm_backward<T>(op, stream); });
}
ORTHOKIT_KERNEL(LayerNormBackward, layer_norm_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
