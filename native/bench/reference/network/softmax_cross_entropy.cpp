#include "ops/network/softmax_cross_entropy.h"

#include "bench/reference/network/shared/cross_entropy.h"

namespace orthokit::bench {

static void softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  double correct = 0;
  long double loss = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.terms.logits) + i * columns;
    const auto label = int64_t(values(op.terms.labels)[i]);
    long double own = label < 0 ? 0 : NAN;
    if (label >= 0 && label < columns) {
      const long double largest = largest_of(x, columns), sum = sum_of_exps(x, columns);
      const auto [at_label, at_all] = factors_of(op.terms, i, label);
      const auto loss_at = [&](int64_t j) { return std::log(sum) - (x[j] - largest); };
      own = at_label == 0 && !std::isnan(sum) ? 0 : at_label * loss_at(label);
      long double all = 0;
      for (int64_t j = 0; j < columns; ++j)
        if (weight_of(op.terms, j) != 0) all += weight_of(op.terms, j) * loss_at(j);
      if (at_all != 0) own += at_all * all;
      correct += !std::isnan(sum) && std::find(x, x + columns, double(largest)) == x + label;
    }
    loss += own;
    if (op.losses) values(op.losses)[i] = double(own);
  }
  const bool none = counted_rows(op.terms.labels) == 0;
  *values(op.loss) = none ? 0 : double(loss) / divisor_of(op.terms);
  if (op.correct) *values(op.correct) = correct;
}
// Of f32 logits the exponentials have f32's error, and their sum less.
ORTHOKIT_REFERENCE(SoftmaxCrossEntropy, softmax_cross_entropy, growth_of_rows(op.terms.logits, 1));

// A row's loss is the logarithm of a sum that is at least 1 and rounds like it. Infinite weights
// make of it an infinity or NaN, as kernels multiply before or after a sum.
static std::vector<double> terms_of(const SoftmaxCrossEntropy& op, std::string_view tensor) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  std::vector<double> each;
  double all = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const auto label = int64_t(values(op.terms.labels)[i]);
    double size = 0;
    if (label >= 0 && label < columns) {
      const auto [at_label, at_all] = factors_of(op.terms, i, label);
      size = std::abs(at_label);
      for (int64_t j = 0; j < columns; ++j) size += std::abs(factor_at(op.terms, at_all, j));
    }
    each.push_back(std::isfinite(size) ? size : kUnsteady), all += size;
  }
  if (tensor == "losses") return each;
  if (tensor == "loss" && !std::isfinite(all)) return {kUnsteady};
  return {tensor == "loss" ? all / divisor_of(op.terms) : 0};
}
ORTHOKIT_TERMS(SoftmaxCrossEntropy, terms_of);

}  // namespace orthokit::bench
