#include "ops/network/softmax_cross_entropy_backward.h"

#include "bench/reference/network/shared/cross_entropy.h"

namespace orthokit::bench {

static double scale_of(const SoftmaxCrossEntropyBackward& op) {
  return value_of(op.scale) / divisor_of(op.terms);
}

// Of probabilities p, by their factors: that of the row, of the label and of all classes.
static std::vector<double> gradient(const SoftmaxCrossEntropyBackward& op, int64_t row,
                                    int64_t label, const std::vector<double>& p) {
  const int64_t columns = row_length(op.terms.logits);
  const auto [at_label, at_all] = factors_of(op.terms, row, label);
  double total = at_label, along = 0;
  for (int64_t j = 0; j < columns; ++j) {
    total += factor_at(op.terms, at_all, j);
    if (op.direction) along += p[size_t(j)] * values(op.direction)[row * columns + j];
  }
  std::vector<double> result;
  for (int64_t j = 0; j < columns; ++j)
    result.push_back(op.direction
                         ? total * p[size_t(j)] * (values(op.direction)[row * columns + j] - along)
                         : total * p[size_t(j)] - at_label * (j == label) -
                               factor_at(op.terms, at_all, j));
  return result;
}

static void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  for (int64_t i = 0; i < rows; ++i) {
    const auto label = int64_t(values(op.terms.labels)[i]);
    const bool counts = label >= 0 && label < columns;
    const auto own =
        counts ? gradient(op, i, label, softmax(values(op.terms.logits) + i * columns, columns))
               : std::vector<double>(size_t(columns), label < 0 ? 0 : NAN);
    double* grad = values(op.grad) + i * columns;
    for (int64_t j = 0; j < columns; ++j)
      grad[j] = (counts ? scale_of(op) : 1) * own[size_t(j)] + (op.beta == 0 ? 0 : grad[j]);
  }
}
constexpr double kRoundings = 8;  // of narrower dtypes
ORTHOKIT_REFERENCE(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward,
                   growth_of_rows(op.terms.logits, kRoundings));

// At the label the probability and 1 cancel, in f64; with smoothing the terms of all classes do. So
// does a direction's entry with their mean, where one probability is nearly 1.
// Infinite terms, of infinite weights or of a division by 0, sum to an infinity or to NaN, as
// kernels multiply them before or after their sum.
static std::vector<double> terms_of(const SoftmaxCrossEntropyBackward& op, std::string_view) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  const bool is_f64 = op.terms.logits.dtype == Dtype::kF64;
  const double scale = scale_of(op), of_f64 = is_f64 ? 1 : 0x1p-29,
               of_sums = is_f64 ? 1 : of_f64 * growth_of_sum(columns) / kRoundings;
  std::vector<double> all(size_t(rows * columns), 0.0);
  for (int64_t i = 0; i < rows; ++i) {
    const auto label = int64_t(values(op.terms.labels)[i]);
    if (label < 0 || label >= columns) continue;
    const auto [at_label, at_all] = factors_of(op.terms, i, label);
    double total = at_label;
    for (int64_t j = 0; j < columns; ++j) total += factor_at(op.terms, at_all, j);
    std::vector<double> p;
    double along = 0;
    if (op.direction) p = softmax(values(op.terms.logits) + i * columns, columns);
    const auto entry = [&](int64_t j) { return std::abs(values(op.direction)[i * columns + j]); };
    for (size_t j = 0; j < p.size(); ++j) along += p[j] * entry(int64_t(j));
    for (int64_t j = 0; j < columns; ++j) {
      double& terms = all[size_t(i * columns + j)];
      if (!std::isfinite(scale * total))
        terms = kUnsteady;
      else if (op.direction)
        terms = std::abs(scale * total) * p[size_t(j)] * (entry(j) + along) * of_sums;
      else
        terms = std::abs(scale) * ((j == label) * std::abs(at_label) * of_f64 +
                                   std::abs(factor_at(op.terms, at_all, j)));
    }
  }
  return all;
}
ORTHOKIT_TERMS(SoftmaxCrossEntropyBackward, terms_of);

}  // namespace orthokit::bench
