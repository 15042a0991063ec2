#include "cuda/kernels/network/shared/cross_entropy.cuh"
#include "cuda/widened.cuh"
#include "ops/network/softmax_cross_entropy.h"

namespace orthokit::cuda {

struct RowLoss {
  double loss;
  int32_t counted, correct;
};

template <class T>
struct LossOfRow {
  const T* x;
  const int32_t* labels;
  RowLoss* out;
  T* losses;  // null: nobody asks
  CrossEntropyFactors<T> factors;

  template <class Team>
  __device__ RowLoss loss(const Team& team, const T* row, int64_t i, int32_t label) const {
    const int64_t columns = factors.columns;
    if (label < 0) return {0, 0, 0};
    if (label >= columns) return {NAN, 1, 0};
    const T max = max_of(team, row, columns);
    double sum = 0;
    int earlier = 0;  // elements before the label's that are as large as the maximum
    const auto take = [&](int64_t j, T v) {
      sum += exp_of_negative(double(v) - double(max));
      earlier += v == max && j < label;
    };
    team.visit(columns, take, row);
    sum = team.sum(sum), earlier = team.sum(earlier);
    // The maximum of a row with NaN passes over it, and the sum does not.
    const bool correct = sum == sum && row[label] == max && earlier == 0;
    const double at_label = log(sum) - (double(row[label]) - double(max));
    const LossFactors factor = factors.of(i, label);
    double result = factor.at_label == 0 ? 0 : factor.at_label * at_label;
    if (factor.at_all != 0) result += factor.at_all * all(team, row, double(max), log(sum));
    return {sum == sum ? result : sum, 1, correct};
  }
  // Σ weightⱼ lⱼ. A class without a weight may hold −inf.
  template <class Team>
  __device__ double all(const Team& team, const T* row, double max, double log_sum) const {
    double sum = 0;
    const auto take = [&](int64_t, T v, T w) {
      if (w != 0) sum += double(w) * (log_sum - (double(v) - max));
    };
    team.visit(factors.columns, take, row, factors.weights);
    return team.sum(sum);
  }
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const RowLoss result = loss(team, x + i * factors.columns, i, labels[i]);
    if (team.rank > 0) return;
    out[i] = result;
    if (losses) losses[i] = T(result.loss);
  }
};

struct AddRowLoss {
  const RowLoss* rows;
  __device__ void operator()(int64_t i, Sums<3>& sums) const {
    sums.of[0] += rows[i].loss, sums.of[1] += rows[i].counted, sums.of[2] += rows[i].correct;
  }
};

struct SetLoss {
  Divisor divisor;
  double* loss;
  int32_t* correct;
  __device__ void operator()(const Sums<3>& sums) const {
    *loss = sums.of[1] == 0 ? 0 : sums.of[0] / divisor(sums.of[1]);
    if (correct) *correct = int32_t(sums.of[2]);
  }
};

static void softmax_cross_entropy(const SoftmaxCrossEntropy& op, Stream& stream) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  auto* losses = stream.scratch<RowLoss>(rows + 1);
  visit(op.terms.logits.dtype, [&]<class T>() {
    for_rows(stream, rows, columns,
             LossOfRow<T>{op.terms.logits.as<T>(), op.terms.labels.as<int32_t>(), losses,
                          op.losses.as<T>(), CrossEntropyFactors<T>(op.terms)});
  });
  sum_items<3>(stream, rows, AddRowLoss{losses},
               SetLoss{Divisor(op.terms), op.loss.as<double>(), op.correct.as<int32_t>()});
}
ORTHOKIT_WIDE_KERNEL(SoftmaxCrossEntropy, softmax_cross_entropy);

}  // namespace orthokit::cuda
