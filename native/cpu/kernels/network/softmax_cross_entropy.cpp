#include "ops/network/softmax_cross_entropy.h"

#include "cpu/chunks.h"
#include "cpu/softmax.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct LossSums {
  double loss = 0;
  int64_t counted = 0, correct = 0;
  LossSums& operator+=(const LossSums& other) {
    loss += other.loss, counted += other.counted, correct += other.correct;
    return *this;
  }
};

template <class T>
static LossSums row_loss(const T* x, int64_t columns, int32_t label) {
  if (label < 0) return {};
  if (label >= columns) return {std::numeric_limits<double>::quiet_NaN(), 1, 0};
  const T max = max_of(x, columns);
  const double sum = sum_of_exps(x, columns, max);
  // The maximum of a row with NaN passes over it, and the sum does not.
  const bool correct = sum == sum && x[label] == max && std::find(x, x + label, max) == x + label;
  return {std::log(sum) - (double(x[label]) - double(max)), 1, correct};
}

void softmax_cross_entropy(const SoftmaxCrossEntropy& op, Stream& stream) {
  const int64_t rows = row_count(op.logits), columns = row_length(op.logits);
  auto* partial = stream.scratch<LossSums>(rows);  // by row: the order of the sums stands
  visit(op.logits.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        partial[i] = row_loss(op.logits.as<T>() + i * columns, columns, op.labels.as<int32_t>()[i]);
    });
  });
  LossSums sums;
  for (int64_t i = 0; i < rows; ++i) sums += partial[i];
  *op.loss.as<double>() = sums.counted == 0 ? 0 : sums.loss / double(sums.counted);
  if (op.correct) *op.correct.as<int32_t>() = int32_t(sums.correct);
}
ORTHOKIT_KERNEL(SoftmaxCrossEntropy, softmax_cross_entropy);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
