#include "ops/network/batch_norm_backward.h"

#include <limits>

#include "bench/reference/operands.h"
#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

struct GradientOfColumn {
  double by_weight, by_bias, scale, mean, inverse;
};
static GradientOfColumn gradient_of(const BatchNormBackward& op, int64_t j) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const double mean = values(op.moments)[j], inverse = values(op.moments)[columns + j];
  long double by_weight = 0, by_bias = 0;
  for (int64_t at = j; at < rows * columns; at += columns) {
    by_bias += values(op.grad)[at];
    by_weight += static_cast<long double>(values(op.grad)[at]) *
                 (static_cast<long double>(values(op.x)[at]) - mean);
  }
  double scale = inverse * (op.weight ? values(op.weight)[j] : 1);
  if (factor_in(op.x.dtype, scale) == 0) scale = 0;  // times an infinity, it is NaN
  return {double(by_weight * inverse), double(by_bias), scale, mean, inverse};
}

static void batch_norm_backward(const BatchNormBackward& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const auto add = [](const View& out, int64_t at, double x, double beta) {
    if (out) values(out)[at] = x + (beta == 0 ? 0 : beta * values(out)[at]);
  };
  for (int64_t j = 0; j < columns; ++j) {
    const GradientOfColumn own = gradient_of(op, j);
    for (int64_t at = j; at < rows * columns; at += columns) {
      const double h = (values(op.x)[at] - own.mean) * own.inverse;
      // Each term times the scale: if that is infinite, their signs count, not that of their sum.
      const double g = own.scale * values(op.grad)[at] - own.scale * own.by_bias / double(rows) -
                       own.scale * h * own.by_weight / double(rows);
      add(op.grad_x, at, g, op.beta_x);
    }
    add(op.grad_weight, j, own.by_weight, op.beta_weight);
    add(op.grad_bias, j, own.by_bias, op.beta_bias);
  }
}
ORTHOKIT_REFERENCE(BatchNormBackward, batch_norm_backward, op.x.dtype == Dtype::kF64 ? 64 : 6);

// By how much products may be off that have lost digits below the smallest normal number: the
// smallest number, times all that they are multiplied by.
static double faint_of(const BatchNormBackward& op, const GradientOfColumn& own, int64_t at) {
  const double rows = double(row_count(op.x)), away = std::abs(values(op.x)[at] - own.mean),
               grad = std::abs(values(op.grad)[at]);
  if (op.x.dtype != Dtype::kF64)  // in f64 up to the numbers of a column
    return double(std::numeric_limits<float>::denorm_min()) * (1 + grad + away);
  const double sum = own.inverse == 0 ? 0 : std::abs(own.by_weight / own.inverse);
  return std::numeric_limits<double>::denorm_min() *
         (1 + grad +
          (std::abs(own.by_bias) + std::abs(own.by_weight) * (1 + away) + sum * away) / rows);
}

// The three terms of gradX, which cancel whatever grad is where a column has two rows. Past the end
// of the dtype they sum to an infinity or to NaN, as kernels multiply them.
static std::vector<double> terms_of(const BatchNormBackward& op, std::string_view tensor) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  std::vector<double> terms(tensor == "gradX" ? size_t(op.x.size()) : 0);
  const Dtype dtype = op.x.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
  const double most = dtype == Dtype::kF64 ? std::numeric_limits<double>::max()
                                           : double(std::numeric_limits<float>::max());
  for (int64_t j = 0; j < columns && !terms.empty(); ++j) {
    const GradientOfColumn own = gradient_of(op, j);
    for (int64_t at = j; at < rows * columns; at += columns) {
      const double size =
          std::abs(own.scale) *
          (std::abs(values(op.grad)[at]) + std::abs(own.by_bias / double(rows)) +
           std::abs((values(op.x)[at] - own.mean) * own.inverse * own.by_weight / double(rows)));
      const double faint = faint_of(op, own, at) / (growth_of(op) * unit_of(dtype));
      terms[size_t(at)] = size <= most && faint <= most ? size + faint : kUnsteady;
    }
  }
  return terms;
}
ORTHOKIT_TERMS(BatchNormBackward, terms_of);

}  // namespace orthokit::bench
