#include "ops/network/softmax_cross_entropy.h"

#include "bench/reference/shared/softmax.h"

namespace orthokit::bench {

static void softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  const int64_t rows = row_count(op.logits), columns = row_length(op.logits);
  double correct = 0;
  long double loss = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.logits) + i * columns;
    const auto label = int64_t(values(op.labels)[i]);
    if (label < 0) continue;
    if (label >= columns) {
      loss = NAN;
      continue;
    }
    const long double largest = largest_of(x, columns), sum = sum_of_exps(x, columns);
    loss += std::log(sum) - (x[label] - largest);
    correct += !std::isnan(sum) && std::find(x, x + columns, double(largest)) == x + label;
  }
  const double counted = counted_rows(op.labels);
  *values(op.loss) = counted == 0 ? 0 : double(loss / counted);
  if (op.correct) *values(op.correct) = correct;
}
// Of f32 logits the exponentials have f32's error, and their sum less.
ORTHOKIT_REFERENCE(SoftmaxCrossEntropy, softmax_cross_entropy,
                   op.logits.dtype == Dtype::kF64 ? 64 : 1);

// A row's loss is the logarithm of a sum that is at least 1 and rounds like it.
static double terms_of(const SoftmaxCrossEntropy&, std::string_view tensor, int64_t) {
  return tensor == "loss" ? 1 : 0;
}
ORTHOKIT_TERMS(SoftmaxCrossEntropy, terms_of);

}  // namespace orthokit::bench
