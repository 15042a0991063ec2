#include "ops/network/softmax_cross_entropy.h"

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/cross_entropy.h"
#include "cpu/row_sum.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct LossSums {
  double loss = 0;
  int64_t counted = 0, correct = 0;
  LossSums& operator+=(const LossSums& other) {
    loss += other.loss, counted += other.counted, correct += other.correct;
    return *this;
  }
};

// Σ weightⱼ (xⱼ − max). A class without a weight may hold −inf.
template <class T>
static double weighted_distance(const T* x, const T* weights, int64_t n, T max) {
  if (!weights) return sum_of(n, [=](int64_t j) { return double(x[j]) - double(max); });
  return sum_of(n, [=](int64_t j) {
    const double distance = double(x[j]) - double(max);
    return weights[j] == 0 ? 0 : double(weights[j]) * distance;
  });
}

template <class T>
static LossSums row_loss(const T* x, int64_t columns, int64_t row, int32_t label,
                         const CrossEntropyFactors<T>& factors) {
  if (label < 0) return {};
  if (label >= columns) return {std::numeric_limits<double>::quiet_NaN(), 1, 0};
  const auto [max, sum] = row_sum(x, columns);
  const double log_sum = std::log(sum);
  // The maximum of a row with NaN passes over it, and the sum does not.
  const bool correct = sum == sum && x[label] == max && std::find(x, x + label, max) == x + label;
  const double at_label = log_sum - (double(x[label]) - double(max));
  if (factors.is_plain()) return {at_label, 1, correct};
  const LossFactors factor = factors.of(row, label);
  double loss = factor.at_label == 0 ? 0 : factor.at_label * at_label;
  if (factor.at_all != 0)
    loss += factor.at_all *
            (factors.total() * log_sum - weighted_distance(x, factors.weights(), columns, max));
  return {sum == sum ? loss : sum, 1, correct};
}

void softmax_cross_entropy(const SoftmaxCrossEntropy& op, Stream& stream) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  auto* partial = stream.scratch<LossSums>(rows);  // by row: the order of the sums stands
  visit(op.terms.logits.dtype, [&]<class T>() {
    const CrossEntropyFactors<T> factors(op.terms);
    T* losses = op.losses.as<T>();
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        partial[i] = row_loss(op.terms.logits.as<T>() + i * columns, columns, i,
                              op.terms.labels.as<int32_t>()[i], factors);
        if (losses) losses[i] = T(partial[i].loss);
      }
    });
  });
  LossSums sums;
  for (int64_t i = 0; i < rows; ++i) sums += partial[i];
  *op.loss.as<double>() = sums.counted == 0 ? 0 : sums.loss / divisor_of(op.terms, sums.counted);
  if (op.correct) *op.correct.as<int32_t>() = int32_t(sums.correct);
}
ORTHOKIT_WIDE_KERNEL(SoftmaxCrossEntropy, softmax_cross_entropy);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
