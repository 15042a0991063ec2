#include "ops/softmax_cross_entropy.h"

#include "bench/reference/softmax.h"

namespace orthokit::bench {

static void softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  const int64_t rows = op.logits.shape[0], columns = op.logits.shape[1];
  double loss = 0, correct = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.logits) + i * columns;
    const auto label = int64_t(values(op.labels)[i]);
    if (label < 0) continue;
    loss += label >= columns ? NAN : log_of_sum(x, columns) - x[label];
    correct += std::max_element(x, x + columns) - x == label;
  }
  const double counted = counted_rows(op.labels);
  *values(op.loss) = counted == 0 ? 0 : loss / counted;
  if (op.correct) *values(op.correct) = correct;
}
// Of f32 logits the exponentials have f32's error, and their sum less.
ORTHOKIT_REFERENCE(SoftmaxCrossEntropy, softmax_cross_entropy,
                   op.logits.dtype == Dtype::kF64 ? 64 : 1);

}  // namespace orthokit::bench
